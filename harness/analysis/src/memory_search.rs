//! Searches for the smallest memory limit that holds a rate: what each arm's came to.

use std::collections::BTreeMap;

use crate::cell::Cell;
use crate::summary::{MemorySearchAnalysis, MemorySearchArm, Warning};
use crate::values::{BlockValues, arm_log_ratios};
use duet_model::record::{ArmRecord, BlockRecord, MemorySearch};
use duet_protocol::SearchEnd;
use duet_units::{Metric, count};

/// The numbers of a block of searches.
///
/// # Errors
/// Why it does not count.
pub(super) fn values(block: &BlockRecord) -> Result<BlockValues, String> {
    if let Some(failure) = &block.failure {
        return Err(failure.error.clone());
    }
    if block.arms.len() < 2 || block.arms.iter().any(|arm| arm.memory_search.is_none()) {
        return Err("an arm has no search".to_owned());
    }
    let arms: Vec<BTreeMap<Metric, f64>> = block.arms.iter().map(arm_values).collect();
    let log_ratios = arm_log_ratios(&arms);
    let (open, search) = (vec![], vec![]);
    Ok(BlockValues { arms, log_ratios, rounds_dropped: 0, histogram_error: None, open, search })
}

fn arm_values(arm: &ArmRecord) -> BTreeMap<Metric, f64> {
    let found = arm.memory_search.as_ref().and_then(middle);
    found.map(|bytes| (Metric::MemoryLimitBytes, bytes)).into_iter().collect()
}

/// The geometric middle of what held and what failed, where both are known.
fn middle(found: &MemorySearch) -> Option<f64> {
    let (held, failed) = (found.held_bytes?, found.failed_bytes?);
    Some((held as f64 * failed as f64).sqrt()).filter(|bytes| *bytes > 0.0)
}

/// The log ratio of a block's smallest limits.
pub(super) fn log_ratio(block: &BlockRecord) -> Option<f64> {
    let arms: Vec<BTreeMap<Metric, f64>> = block.arms.iter().map(arm_values).collect();
    arm_log_ratios(&arms).get(&Metric::MemoryLimitBytes).copied()
}

/// What reports say of the searches; absent where there were none, and where no block counts.
pub(super) fn analyse(cell: &Cell<'_>) -> Option<MemorySearchAnalysis> {
    let range = cell.load.memory_limit?;
    let arms = (0..cell.arms.len()).map(|arm| {
        let median = |of: fn(&MemorySearch) -> Option<u64>| {
            let values: Vec<f64> =
                of_arm(cell, arm).filter_map(of).map(|bytes| bytes as f64).collect();
            (!values.is_empty()).then(|| duet_stats::median(&values))
        };
        let probes = || of_arm(cell, arm).flat_map(|search| &search.probes);
        MemorySearchArm {
            found: of_arm(cell, arm).filter(|search| middle(search).is_some()).count() as u32,
            probes: probes().count() as u64,
            oom_kills: probes().map(|probe| probe.oom_kills).sum(),
            held_bytes: median(|search| search.held_bytes),
            failed_bytes: median(|search| search.failed_bytes),
        }
    });
    let (least_bytes, most_bytes) = (range.least_bytes, range.most_bytes);
    let arms = arms.collect();
    (!cell.counted.is_empty()).then_some(MemorySearchAnalysis { least_bytes, most_bytes, arms })
}

fn of_arm<'a>(cell: &'a Cell<'_>, arm: usize) -> impl Iterator<Item = &'a MemorySearch> {
    let records = cell.counted.iter().map(|block| block.record);
    records.filter_map(move |block| block.arms.get(arm)?.memory_search.as_ref())
}

/// Searches that did not end with two limits near to each other.
pub(super) fn unfinished(cell: &Cell<'_>) -> Option<Warning> {
    let mut parts = vec![];
    for (arm, label) in cell.labels().into_iter().enumerate() {
        let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
        for search in of_arm(cell, arm) {
            let end = match search.end {
                SearchEnd::Narrow => continue,
                SearchEnd::AllHeld => "every limit held",
                SearchEnd::NoneHeld => "no limit held",
                SearchEnd::OutOfProbes => "there were too few probes",
                SearchEnd::OutOfTime => "there was too little time",
            };
            *ends.entry(end).or_default() += 1;
        }
        // What failed last says why.
        let why = of_arm(cell, arm).filter(|search| search.end == SearchEnd::NoneHeld);
        let why = why.last().and_then(|search| search.probes.last()?.why.as_deref());
        let told = |(end, n): (&str, usize)| format!("{end} in {}", count(n, "block"));
        let ends: Vec<String> = ends.into_iter().map(told).collect();
        if !ends.is_empty() {
            let why = why.map_or_else(String::new, |why| format!(" ({why})"));
            parts.push(format!("{label}: {}{why}", ends.join(", ")));
        }
    }
    let message = format!("searches ended without a narrow interval: {}", parts.join("; "));
    let hint = "widen `memory_limit`, or lower `rate` to one that the server holds";
    (!parts.is_empty()).then(|| Warning::new("search_unfinished", message, hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyse;
    use crate::verdict::Verdict;
    use duet_model::record::MemoryProbe;
    use duet_model::spec::{Arrivals, OpenLoop, Rate};
    use duet_model::testing::{Scene, run};
    use duet_units::{CellKind, Loop, MemoryRange};

    const MIB: u64 = 1 << 20;

    /// A run in which the arms need so much, whose limits are found to within 5 %.
    fn found(needed: [u64; 2], end: SearchEnd) -> duet_model::record::Run {
        let mut run = run(&Scene::default());
        let load = &mut run.header.spec.loads[0];
        load.open = Some(OpenLoop { rate: Rate::PerSecond(2000), arrivals: Arrivals::Poisson });
        load.memory_limit = Some(MemoryRange { least_bytes: 4 * MIB, most_bytes: 256 * MIB });
        for block in &mut run.blocks {
            block.windows.clear();
            block.warmup_stationary = false;
            let shift = 1000 + u64::from(block.block) * 3;
            for (arm, needed) in block.arms.iter_mut().zip(needed) {
                let held = needed * shift / 1000;
                let probe = |limit_bytes, held, oom_kills| MemoryProbe {
                    limit_bytes,
                    held,
                    oom_kills,
                    why: (!held).then(|| "it was killed".to_owned()),
                };
                let failed = (end == SearchEnd::Narrow).then_some(held * 96 / 100);
                arm.memory_search = Some(MemorySearch {
                    held_bytes: Some(held),
                    failed_bytes: failed,
                    end,
                    probes: vec![probe(held, true, 0), probe(held * 96 / 100, false, 1)],
                });
            }
        }
        run
    }

    #[test]
    fn smallest_limits_are_compared() {
        let analysis = analyse(&found([16 * MIB, 32 * MIB], SearchEnd::Narrow));
        let cell = &analysis.matchups[0].cells[0];
        assert_eq!(cell.kind(), CellKind::Servers(Loop::MemorySearch));
        let metrics: Vec<Metric> = cell.metrics.iter().map(|metric| metric.metric).collect();
        assert_eq!(metrics, [Metric::MemoryLimitBytes]);
        let metric = &cell.metrics[0];
        let ratio = metric.ratio.expect("both arms have one");
        assert!((ratio.value - 2.0).abs() < 0.01, "{ratio:?}");
        assert_eq!((metric.verdict, ratio.n), (Verdict::Slower, 8));
        assert_eq!(cell.warnings, []);
        let search = cell.memory_search.as_ref().expect("there were searches");
        let arm = &search.arms[1];
        assert_eq!((arm.found, arm.probes, arm.oom_kills), (8, 16, 8));
        assert!(arm.held_bytes > arm.failed_bytes, "{arm:?}");
    }

    #[test]
    fn searches_without_an_end_are_named() {
        let analysis = analyse(&found([4 * MIB, 4 * MIB], SearchEnd::AllHeld));
        let cell = &analysis.matchups[0].cells[0];
        assert!(cell.metrics.iter().all(|metric| metric.ratio.is_none()));
        let [warning] = &cell.warnings[..] else { panic!("{:?}", cell.warnings) };
        assert_eq!(warning.code, "search_unfinished");
        assert!(warning.message.contains("every limit held in 8 blocks"), "{}", warning.message);
    }
}
