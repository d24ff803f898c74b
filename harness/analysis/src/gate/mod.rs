//! Log ratios in, verdicts of a gate out: PASS, REGRESSED or INCONCLUSIVE, each with bounded error.
//!
//! All numbers of changes are logarithms of how many times worse the second arm is; a margin of 3 %
//! is ln 1.03. A gate looks at the log ratios after fixed numbers of blocks. At each look it spends
//! a part of its level, so that the parts add up to at most the whole, and the chance of a false
//! verdict at any look stays within it however the looks depend on each other (the union bound;
//! see C. Jennison and B. Turnbull, "Group sequential methods", 2000). Verdicts follow from the
//! log ratios in the order of blocks and from nothing else: whoever replays a record gets the same.
//!
//! `judgement` holds the plain data, `judge` makes it; `floor` says what differences this machine
//! makes by itself, `steps` whether to measure on.

mod floor;
mod judge;
mod judgement;
mod steps;
#[cfg(test)]
mod tests;

pub use duet_model::spec::Look;
pub use floor::{EXPERIMENTS_MAX, EXPERIMENTS_MIN, Floor};
pub use judge::{confirm, judge};
pub use judgement::{Evidence, GateVerdict, Judgement, LOOKS, PassLabel};
pub use steps::{Step, check_looks, next_step};
