//! Whether a gate's experiment goes on.

use std::collections::BTreeSet;

use super::judged::{family, judge};
use crate::gate::{self, GateVerdict, Judgement, Step};
use crate::run_analysis::analyse;
use duet_model::record::{Experiment, Run};
use duet_model::spec::CellId;
use duet_units::Metric;

/// What to do after a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Stop, all is decided: these cells have a regression, which must be confirmed.
    Decided(BTreeSet<CellId>),
    /// Measure these cells, in which something is undecided, until each has so many blocks that
    /// count.
    GoOn {
        /// The cells.
        cells: BTreeSet<CellId>,
        /// Blocks at the next look that may decide something.
        until_blocks: u32,
    },
    /// Stop, no look that is left would decide anything: why, for people.
    Futile(String),
}

/// What to do after the blocks that the run has. `called`: the members of the family, where they
/// are not all gated metrics of all cells: those that a first experiment called a regression.
///
/// # Panics
/// Where the run is of no comparison.
#[must_use]
pub fn next(run: &Run, called: Option<&BTreeSet<(CellId, Metric)>>) -> Decision {
    let Some(experiment) = &run.header.experiment else { panic!("the run is of no comparison") };
    let (members, judgements) = judged(run, experiment, called);
    let with = |verdict| {
        let of = members.iter().zip(&judgements).filter(move |(_, j)| j.verdict == verdict);
        of.map(|((cell, _), _)| cell.clone()).collect()
    };
    match gate::next_step(&judgements, &experiment.looks()) {
        Step::Decided => Decision::Decided(with(GateVerdict::Regressed)),
        Step::GoOn { until_blocks } => {
            Decision::GoOn { cells: with(GateVerdict::Inconclusive), until_blocks }
        }
        Step::Futile { reason, .. } => Decision::Futile(reason),
    }
}

/// The gated metrics that the run calls a regression.
#[must_use]
pub fn regressions(run: &Run) -> BTreeSet<(CellId, Metric)> {
    let Some(experiment) = &run.header.experiment else { return BTreeSet::new() };
    let (members, judgements) = judged(run, experiment, None);
    let regressed = members
        .into_iter()
        .zip(judgements)
        .filter(|(_, judgement)| judgement.verdict == GateVerdict::Regressed);
    regressed.map(|(member, _)| member).collect()
}

fn judged(
    run: &Run,
    experiment: &Experiment,
    called: Option<&BTreeSet<(CellId, Metric)>>,
) -> (Vec<(CellId, Metric)>, Vec<Judgement>) {
    let analysis = analyse(run);
    let mut family = family(&analysis, experiment);
    family.retain(|m| called.is_none_or(|c| c.contains(&(m.cell.clone(), m.metric))));
    let judgements = judge(&family, experiment);
    (family.iter().map(|m| (m.cell.clone(), m.metric)).collect(), judgements)
}
