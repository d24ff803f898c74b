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
}
