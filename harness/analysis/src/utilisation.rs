//! Latency at equal utilisation: each arm as busy as the other, and not at the same rate.
//!
//! At a share of the slower arm's capacity the faster one is far from its own, so the ratio of
//! latencies there says again that it is faster. Here the medians of the loads of one workload are
//! read at the utilisation that each arm had in them, and ln latency between two loads on the
//! straight line. What remains is how the arms queue and schedule.

use std::collections::BTreeSet;

use crate::bottleneck::{Cpus, usage};
use crate::cell::{Cell, Counted};
use crate::estimates::geometric;
use crate::summary::EqualUtilisation;
use duet_model::spec::Rate;
use duet_units::Metric;

/// The utilisations that are looked at.
const UTILISATIONS: [f64; 3] = [0.25, 0.5, 0.75];

/// An arm in a block of one load: its utilisation, and ln of its median latency.
type Point = (f64, f64);

/// The utilisations at which both arms have points on either side, workload by workload, in all of
/// at least one block index.
pub(super) fn analyse(cells: &[&Cell<'_>], cpus: Cpus) -> Vec<EqualUtilisation> {
    let shared =
        |cell: &&&Cell<'_>| cell.load.open.is_some_and(|open| matches!(open.rate, Rate::Share(_)));
    let key = |cell: &Cell<'_>| {
        let Cell { workload, load, .. } = cell;
        (workload.name.clone(), load.connections, load.transport, load.streams)
    };
    let mut keys: Vec<_> = vec![];
    for cell in cells.iter().filter(shared) {
        if !keys.contains(&key(cell)) {
            keys.push(key(cell));
        }
    }
    let of_key = |of| {
        let own: Vec<&Cell<'_>> =
            cells.iter().filter(shared).filter(|cell| key(cell) == of).copied().collect();
        UTILISATIONS.into_iter().filter_map(move |utilisation| at(&own, cpus, utilisation))
    };
    keys.into_iter().flat_map(of_key).collect()
}

/// What the loads of a workload say at one utilisation.
fn at(cells: &[&Cell<'_>], cpus: Cpus, utilisation: f64) -> Option<EqualUtilisation> {
    let first = cells.first()?;
    let blocks: BTreeSet<u32> =
        cells.iter().flat_map(|cell| &cell.counted).map(|block| block.record.block).collect();
    let of_block = |block: u32| {
        let own: Vec<&Counted<'_>> = cells
            .iter()
            .filter_map(|cell| cell.counted.iter().find(|b| b.record.block == block))
            .collect();
        let arm = |arm: usize| {
            let points = own.iter().filter_map(|block| point(block, arm, cpus));
            interpolated(points.collect(), utilisation)
        };
        Some([arm(0)?, arm(1)?])
    };
    let found: Vec<[f64; 2]> = blocks.into_iter().filter_map(of_block).collect();
    let logs = |of: fn(&[f64; 2]) -> f64| found.iter().map(of).collect::<Vec<f64>>();
    Some(EqualUtilisation {
        workload: first.workload.name.clone(),
        utilisation,
        latency_ns_p50: vec![geometric(&logs(|l| l[0]))?, geometric(&logs(|l| l[1]))?],
        ratio: geometric(&logs(|l| l[1] - l[0]))?,
    })
}

fn point(block: &Counted<'_>, arm: usize, cpus: Cpus) -> Option<Point> {
    let of_arm = usage([block.record], block.record.arms.len(), |_, _| true);
    let latency = *block.values.arms.get(arm)?.get(&Metric::LatencyNsP50)?;
    Some((of_arm.get(arm)?.server_busy(cpus.server), latency.ln()))
}

/// The value at `x` on straight lines through the points; absent beyond them.
fn interpolated(mut points: Vec<Point>, x: f64) -> Option<f64> {
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points.windows(2).find_map(|pair| {
        let [(x0, y0), (x1, y1)] = [pair[0], pair[1]];
        (x0 <= x && x <= x1 && x1 > x0).then(|| y0 + (y1 - y0) * (x - x0) / (x1 - x0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use duet_model::spec::{CellId, OpenLoop};
    use duet_model::testing::{self, Scene};

    #[test]
    fn between_points() {
        let points = vec![(0.8, 3.0), (0.2, 1.0), (0.4, 2.0)];
        let cases = [(0.2, Some(1.0)), (0.3, Some(1.5)), (0.6, Some(2.5)), (0.8, Some(3.0))];
        for (x, want) in cases.into_iter().chain([(0.1, None), (0.9, None)]) {
            let found = interpolated(points.clone(), x);
            let near = found.zip(want).is_some_and(|(a, b): (f64, f64)| (a - b).abs() < 1e-12);
            assert!(near || found == want, "{x}: {found:?}");
        }
        assert_eq!(interpolated(vec![(0.5, 1.0)], 0.5), None);
    }

    /// At one rate the second arm is twice as busy and takes twice as long; at its own half it
    /// takes what the first one takes there.
    #[test]
    fn equal_utilisation_is_not_an_equal_rate() {
        let mut run = testing::open(testing::run(&Scene::default()), [1e5, 2e5]);
        for window in run.blocks.iter_mut().flat_map(|block| &mut block.windows) {
            let driven = window.arm as usize;
            window.server_cpu_ns[driven] = window.elapsed_ns * (driven as u64 + 1) / 4;
        }
        // The same servers at twice the rate, twice as busy, with twice the latency.
        let mut busier = testing::open(run.clone(), [2e5, 4e5]);
        let mut load = run.header.spec.loads[0].clone();
        load.name = "r90".to_owned();
        load.open = load.open.map(|open| OpenLoop { rate: Rate::Share(0.9), ..open });
        let cell = CellId { load: load.name.clone(), ..run.header.suite.cells[0].clone() };
        run.header.spec.loads.push(load);
        run.header.suite.cells.push(cell.clone());
        for block in &mut busier.blocks {
            block.cell = cell.clone();
            for window in &mut block.windows {
                window.server_cpu_ns[window.arm as usize] *= 2;
            }
        }
        run.blocks.append(&mut busier.blocks);
        let matchup = crate::analyse(&run).matchups.remove(0);
        let half = matchup.equal_utilisation.iter().find(|at| at.utilisation == 0.5);
        let half = half.expect("both arms have points around one half");
        assert!((half.ratio.value - 1.0).abs() < 0.02, "{half:?}");
        let ratio_at_a_rate = |cell: &crate::CellAnalysis| {
            let p50 = cell.metrics.iter().find(|m| m.metric == Metric::LatencyNsP50);
            p50.and_then(|found| found.ratio).expect("a ratio of medians").value
        };
        assert!(matchup.cells.iter().all(|cell| (ratio_at_a_rate(cell) - 2.0).abs() < 0.05));
    }
}
