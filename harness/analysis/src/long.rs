//! Blocks in which each arm runs alone, in one long window: what its seconds say.

use std::collections::BTreeMap;

use crate::cell::Cell;
use crate::summary::{LongAnalysis, LongArm, LongBlock};
use crate::values::arm_log_ratios;
use duet_model::record::{ArmRecord, BlockRecord, MemorySecond};
use duet_units::{Loop, Metric};

/// The requests that a second has to have, for ten of them to lie beyond the 99th percentile.
const REQUESTS_MIN: u64 = 1_000;

/// What decides when requests are sent in a block that searches for nothing.
pub(super) fn loop_of(block: &BlockRecord) -> Loop {
    let solo = block.arms.iter().any(|arm| !arm.seconds.is_empty());
    match (solo, &block.open) {
        (true, Some(_)) => Loop::Solo,
        (true, None) => Loop::Burst,
        (false, Some(_)) => Loop::Open,
        (false, None) => Loop::Closed,
    }
}

/// What the seconds of an arm's window say. The worst second is none where the rate is too low for
/// a 99th percentile of a second.
pub(super) fn values(block: &BlockRecord, arm: usize) -> Vec<(Metric, f64)> {
    let kept = block.arms.get(arm).and_then(|arm| arm.rest.last()).map(|last| last.rss_bytes);
    let enough = block.open.is_some_and(|open| open.rate_per_second >= REQUESTS_MIN);
    let seconds = seconds_ns_p99(block, arm).into_iter().filter(|_| enough);
    let all = [(Metric::RssBytesKept, kept), (Metric::LatencyNsWorstSecond, seconds.max())];
    let known = all.into_iter().filter_map(|(metric, value)| Some((metric, value? as f64)));
    known.filter(|(_, value)| *value > 0.0).collect()
}

/// The 99th percentile of each second of an arm's window.
fn seconds_ns_p99(block: &BlockRecord, arm: usize) -> Vec<u64> {
    let own = block.windows.iter().filter(|window| window.arm as usize == arm);
    own.flat_map(|window| &window.seconds).map(|second| second.ns_p99).collect()
}

/// The log ratio of the memory that was kept after a burst, or of the peak where there is no rest.
pub(super) fn log_ratio(block: &BlockRecord) -> Option<f64> {
    let of = |arm: &ArmRecord| arm.rest.last().map_or(arm.rss_bytes_peak, |last| last.rss_bytes);
    let value = |arm: &ArmRecord| BTreeMap::from([(Metric::RssBytesKept, of(arm) as f64)]);
    let arms: Vec<BTreeMap<Metric, f64>> = block.arms.iter().map(value).collect();
    let found = arm_log_ratios(&arms).get(&Metric::RssBytesKept).copied();
    found.filter(|log_ratio| log_ratio.is_finite())
}

/// What reports show of long windows; absent where there were none, and where no block counts.
pub(super) fn analyse(cell: &Cell<'_>) -> Option<LongAnalysis> {
    let window_s = cell.load.solo_s?;
    let arms = (0..cell.arms.len()).map(|arm| {
        let blocks: Vec<LongBlock> =
            cell.counted.iter().map(|block| long_block(block.record, arm, window_s)).collect();
        LongArm {
            rss_bytes: medians(&blocks, |block| &block.rss_bytes),
            latency_ns_p99: medians(&blocks, |block| &block.latency_ns_p99),
            blocks,
        }
    });
    let arms = arms.collect();
    let rest_s = cell.load.rest_s;
    (!cell.counted.is_empty()).then_some(LongAnalysis { window_s, rest_s, arms })
}

/// The seconds of an arm in a block: those of the window, and then those of the rest, which begins
/// with the moment at which the window ends.
fn long_block(record: &BlockRecord, arm: usize, window_s: u32) -> LongBlock {
    let of = record.arms.get(arm);
    let window = of.map_or(&[][..], |arm| &arm.seconds);
    let rest = of.map_or(&[][..], |arm| &arm.rest);
    let window =
        if rest.is_empty() { window } else { &window[..window.len().min(window_s as usize)] };
    let bytes = |second: &MemorySecond| second.rss_bytes;
    // Of a closed loop they are service times, in which a burst waits for itself.
    let is_open = record.open.is_some();
    let latencies = if is_open { seconds_ns_p99(record, arm) } else { vec![] };
    LongBlock {
        block: record.block,
        rss_bytes: window.iter().chain(rest).map(bytes).collect(),
        latency_ns_p99: latencies,
    }
}

/// Of each second the median over the blocks that have it; ends where fewer than half of them do.
fn medians(blocks: &[LongBlock], of: fn(&LongBlock) -> &Vec<u64>) -> Vec<f64> {
    let at = |second: usize| -> Vec<f64> {
        blocks.iter().filter_map(|block| of(block).get(second)).map(|value| *value as f64).collect()
    };
    let all = (0..).map(at).take_while(|values| !values.is_empty());
    let enough = all.take_while(|values| values.len() * 2 >= blocks.len());
    enough.map(|values| duet_stats::median(&values)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyse;
    use crate::verdict::Verdict;
    use duet_model::record::Run;
    use duet_model::spec::{Arrivals, OpenLoop, Rate};
    use duet_model::testing::{Scene, open, run};
    use duet_protocol::{ResolvedRate, SecondResult};
    use duet_units::CellKind;

    /// A run of one window of 3 s of each arm in a block, with a rest of 2 s or at a rate. The
    /// second arm keeps twice the memory, and its worst second is three times as long.
    fn long(rest: bool) -> Run {
        let run = run(&Scene::default());
        let mut run = if rest { run } else { open(run, [1e6, 1e6]) };
        let load = &mut run.header.spec.loads[0];
        (load.solo_s, load.rest_s) = (Some(3), rest.then_some(2));
        load.open = (!rest)
            .then_some(OpenLoop { rate: Rate::PerSecond(2000), arrivals: Arrivals::Poisson });
        for block in &mut run.blocks {
            block.open = (!rest)
                .then_some(ResolvedRate { rate_per_second: 2000, capacity_per_second: None });
            block.windows.sort_by_key(|window| (window.round, window.arm));
            block.windows.dedup_by_key(|window| window.arm);
            block.windows.truncate(2);
            let shift = u64::from(block.block);
            for (window, times) in block.windows.iter_mut().zip([1, 3]) {
                let second = |k: u64| SecondResult {
                    requests: 2000,
                    ns_p99: if k == 1 { times * 1_000_000 + shift } else { 500_000 },
                    ..SecondResult::default()
                };
                window.seconds = (0..3).map(second).collect();
            }
            for (arm, times) in block.arms.iter_mut().zip([1, 2]) {
                let at = |bytes: u64| {
                    move |k: u64| MemorySecond {
                        at_ms: k * 1000,
                        rss_bytes: bytes + shift,
                        anonymous_bytes: bytes / 2,
                    }
                };
                arm.rss.clear();
                arm.seconds = (0..=3).map(at(times * 50_000_000)).collect();
                arm.rest =
                    if rest { (0..=2).map(at(times * 10_000_000)).collect() } else { vec![] };
            }
        }
        run
    }

    #[test]
    fn the_worst_second_is_a_metric() {
        let analysis = analyse(&long(false));
        let cell = &analysis.matchups[0].cells[0];
        assert_eq!(cell.kind(), CellKind::Servers(Loop::Solo));
        let worst = cell.metrics.iter().find(|m| m.metric == Metric::LatencyNsWorstSecond);
        let ratio = worst.and_then(|metric| metric.ratio).expect("both arms have one");
        assert!((ratio.value - 3.0).abs() < 0.01, "{ratio:?}");
        assert_eq!(worst.map(|m| m.verdict), Some(Verdict::Slower));
        assert!(cell.metrics.iter().all(|m| m.metric.is_result(cell.kind())), "{cell:?}");
        let found = cell.long.as_ref().expect("there were long windows");
        assert_eq!((found.window_s, found.rest_s), (3, None));
        let arm = &found.arms[1];
        assert_eq!((arm.rss_bytes.len(), arm.latency_ns_p99.len(), arm.blocks.len()), (4, 3, 8));
        assert!(arm.latency_ns_p99[1] > arm.latency_ns_p99[0]);
    }

    #[test]
    fn memory_kept_after_a_burst_is_a_metric() {
        let analysis = analyse(&long(true));
        let cell = &analysis.matchups[0].cells[0];
        assert_eq!(cell.kind(), CellKind::Servers(Loop::Burst));
        let kept = cell.metrics.iter().find(|m| m.metric == Metric::RssBytesKept);
        let kept = kept.expect("both arms have one");
        assert!((kept.ratio.expect("there is one").value - 2.0).abs() < 0.01, "{kept:?}");
        assert!(cell.metrics.iter().all(|m| m.metric.is_result(cell.kind())), "{cell:?}");
        let found = cell.long.as_ref().expect("there were long windows");
        // 3 s of the burst, and 0, 1 and 2 s of rest.
        assert_eq!((found.arms[0].rss_bytes.len(), found.arms[0].latency_ns_p99.len()), (6, 0));
        assert!(found.arms[0].rss_bytes[2] > found.arms[0].rss_bytes[3]);
    }

    #[test]
    fn medians_end_where_few_blocks_go_on() {
        let block =
            |rss: &[u64]| LongBlock { block: 0, rss_bytes: rss.to_vec(), latency_ns_p99: vec![] };
        let blocks = [block(&[1, 2, 3]), block(&[3]), block(&[5])];
        assert_eq!(medians(&blocks, |block| &block.rss_bytes), [3.0]);
        assert_eq!(medians(&[], |block| &block.rss_bytes), [0.0; 0]);
    }
}
