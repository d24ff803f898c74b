//! Whether alternating costs the arms alike.
//!
//! A window that follows one of the other arm is *cold*, one that follows its own is *warm*. An arm
//! whose cold windows cost more pays for having been parked, which no server outside of this
//! instrument does; where one arm pays more than the other, their ratio is off by the difference. A
//! lead-in is there to take that away, and this says whether it does. A control of one server
//! against itself cannot: there both arms pay alike.

use crate::cell::Cell;
use crate::estimates::geometric;
use crate::summary::{Switching, Warning};
use duet_model::record::BlockRecord;
use duet_units::{Loop, percent};

/// How far the arms may be apart: as much as the band in which two arms are tied.
const TOLERANCE: f64 = 0.01;

/// What is known of a cell: per arm the cost of a cold window over that of a warm one, in CPU time
/// per request; and the second arm's over the first's. Each is the Hodges-Lehmann estimate over
/// blocks of the difference of two medians of logarithms. Absent where no block has both kinds of
/// windows for both arms, of searches, whose probes differ in their rates, and of arms that run
/// alone.
pub(super) fn analyse(cell: &Cell) -> Option<Switching> {
    if !matches!(cell.load.kind(), Loop::Closed | Loop::Open) {
        return None;
    }
    let blocks = cell.counted.iter().filter_map(|block| of_block(block.record));
    let of_blocks: Vec<[f64; 2]> = blocks.collect();
    let logs = |of: fn(&[f64; 2]) -> f64| of_blocks.iter().map(of).collect::<Vec<f64>>();
    Some(Switching {
        cold_over_warm: vec![geometric(&logs(|k| k[0]))?, geometric(&logs(|k| k[1]))?],
        difference: geometric(&logs(|k| k[1] - k[0]))?,
    })
}

/// A warning where the arms pay differently for sure.
pub(super) fn warning(cell: &Cell, found: &Switching) -> Option<Warning> {
    let interval = found.difference.interval?;
    let band = 1.0 + TOLERANCE;
    if interval.low <= band && interval.high >= 1.0 / band {
        return None;
    }
    let worst = usize::from(found.difference.value > 1.0);
    let message = format!(
        "alternating does not cost both alike: after a window of the other, one of {} costs {} \
         more against one after its own than it does for the other",
        cell.arms[worst].label,
        percent((found.difference.value.ln().abs()).exp_m1())
    );
    let hint = "raise lead_ms: ratios are off by about as much";
    Some(Warning::new("switching", message, hint))
}

/// ln of cold over warm of the first two arms.
fn of_block(block: &BlockRecord) -> Option<[f64; 2]> {
    let mut costs: [[Vec<f64>; 2]; 2] = Default::default();
    for pair in block.windows.windows(2) {
        let [before, window] = pair else { unreachable!("windows of two") };
        let arm = window.arm as usize;
        let cost = *window.server_cpu_ns.get(arm)? as f64 / window.requests as f64;
        if arm < 2 && cost > 0.0 && cost.is_finite() {
            costs[arm][usize::from(before.arm == window.arm)].push(cost.ln());
        }
    }
    let kappa = |[cold, warm]: &[Vec<f64>; 2]| {
        let both = !cold.is_empty() && !warm.is_empty();
        both.then(|| duet_stats::median(cold) - duet_stats::median(warm))
    };
    Some([kappa(&costs[0])?, kappa(&costs[1])?])
}

#[cfg(test)]
mod tests {
    use duet_model::testing::{Scene, run};

    /// A run of which the windows of each arm cost so many times as much where they are cold.
    fn analysis(cold: [f64; 2]) -> crate::CellAnalysis {
        let mut run = run(&Scene { noise: 0.0, ..Scene::default() });
        for block in &mut run.blocks {
            let mut before = None;
            for window in &mut block.windows {
                let arm = window.arm as usize;
                if before.replace(window.arm) != Some(window.arm) {
                    let cost = window.server_cpu_ns[arm] as f64 * cold[arm];
                    window.server_cpu_ns[arm] = cost as u64;
                }
            }
        }
        let cells = crate::analyse(&run).matchups.remove(0).cells;
        cells.into_iter().next().expect("the run has a cell")
    }

    #[test]
    fn what_alternating_costs() {
        for (cold, warns) in [([1.0, 1.0], false), ([1.1, 1.1], false), ([1.0, 1.1], true)] {
            let cell = analysis(cold);
            let found = cell.switching.expect("windows of both kinds");
            for (estimate, cold) in found.cold_over_warm.iter().zip(cold) {
                assert!((estimate.value - cold).abs() < 0.005, "{cold}: {estimate:?}");
            }
            assert!((found.difference.value - cold[1] / cold[0]).abs() < 0.005);
            let warning = cell.warnings.iter().find(|warning| warning.code == "switching");
            assert_eq!(warning.is_some(), warns, "{cold:?}: {warning:?}");
        }
    }
}
