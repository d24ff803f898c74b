//! Limits on the head alone.

use super::result::CheckedBudget;
use crate::summary::{Analysis, CellAnalysis};
use duet_model::record::{Experiment, Run};
use duet_model::spec::{Budget, CellId, Quantity};
use duet_units::{Better, CellKind};

/// The head's place among the arms.
const HEAD: usize = 1;

/// Every budget in every cell that was measured and has what it limits.
pub(super) fn check(run: &Run, analysis: &Analysis, experiment: &Experiment) -> Vec<CheckedBudget> {
    let budgets = experiment.gate.iter().flat_map(|gate| &gate.budgets);
    let cells = || analysis.matchups.iter().flat_map(|matchup| &matchup.cells);
    let measured = || cells().filter(|cell| cell.blocks > 0);
    let limited = |budget: &'_ Budget| {
        let quantity = budget.quantity;
        measured().filter(move |cell| has(cell.kind(), quantity))
    };
    budgets.flat_map(|b| limited(b).map(|cell| checked(run, cell, b))).collect()
}

/// Whether such cells have a quantity. Programs serve no requests that could fail: one that fails
/// ends the experiment.
fn has(kind: CellKind, quantity: Quantity) -> bool {
    match quantity {
        Quantity::ErrorRate => kind != CellKind::Programs,
        Quantity::Metric(metric) => metric.is_result(kind),
    }
}

fn checked(run: &Run, cell: &CellAnalysis, budget: &Budget) -> CheckedBudget {
    let (value, bounds, better) = match budget.quantity {
        Quantity::ErrorRate => {
            let share = error_rate(run, &cell.id);
            (share, share.map(|share| (share, share)), Better::Lower)
        }
        Quantity::Metric(metric) => {
            let analysis = cell.metrics.iter().find(|m| m.metric == metric);
            let estimate = analysis.and_then(|m| m.arms.get(HEAD));
            let bounds = estimate.and_then(|e| e.interval).map(|i| (i.low, i.high));
            (estimate.map(|estimate| estimate.value), bounds, metric.better())
        }
    };
    // At best and at worst, as the interval has it.
    let (best, worst) = match better {
        Better::Lower => bounds.unzip(),
        Better::Higher => {
            let (low, high) = bounds.unzip();
            (high, low)
        }
    };
    let keeps = |value: f64| match better {
        Better::Lower => value <= budget.limit,
        Better::Higher => value >= budget.limit,
    };
    let kept = match (best.map(keeps), worst.map(keeps)) {
        (_, Some(true)) => Some(true),
        (Some(false), _) => Some(false),
        _ => None,
    };
    CheckedBudget { cell: cell.id.clone(), budget: budget.clone(), value, at_best: best, kept }
}

/// Failed requests as a share of the head's, over all blocks that ran to their end.
fn error_rate(run: &Run, cell: &CellId) -> Option<f64> {
    let blocks = run.blocks.iter().filter(|block| block.cell == *cell);
    let windows = blocks.flat_map(|block| &block.windows).filter(|w| w.arm as usize == HEAD);
    let (mut ok, mut failed) = (0_u64, 0_u64);
    for window in windows {
        ok += window.requests;
        failed += window.errors.values().sum::<u64>();
    }
    let all = ok + failed;
    (all > 0).then(|| failed as f64 / all as f64)
}
