//! Records in, a comparison of two versions out: what changed, how sure that is, and whether the
//! head may be let in.
//!
//! A pure function of one record or, where a regression was confirmed, of two: whoever replays a
//! folder gets the same [`Comparison`], byte for byte. `result` is the plain data; `judged` turns
//! an analysis into judged metrics, `budgets` holds limits against the head alone, `looks` says
//! whether to measure on.

mod budgets;
mod compare;
mod executables;
mod judged;
mod looks;
mod outcome;
mod result;
pub mod stored;
#[cfg(test)]
mod tests;

pub use crate::gate::{GateVerdict, Judgement, Look, PassLabel};
pub use compare::compare;
pub use duet_model::record::{Experiment, Question, Version};
pub use duet_model::spec::{Budget, CellId, Quantity, Waiver};
pub(crate) use executables::executable_sha256;
pub use executables::is_identical;
pub use looks::{Decision, next, regressions};
pub use result::{
    CheckedBudget, ComparedCell, ComparedMetric, Comparison, Gated, Outcome, SCHEMA, SoFar, State,
    Unjudged,
};
