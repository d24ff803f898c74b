//! Searches for the highest rate within a limit: what each arm's came to, and whether the servers
//! were what ended them.

use std::collections::BTreeMap;

use crate::bottleneck::{Cpus, Usage, bottleneck, usage};
use crate::cell::Cell;
use crate::summary::{Bottleneck, SearchAnalysis, SearchArm, Warning, Who};
use crate::times;
use crate::values::{BlockValues, SearchValues, arm_log_ratios, start_values};
use duet_model::record::{ArmRecord, BlockRecord};
use duet_model::spec::Rate;
use duet_protocol::{SearchEnd, SearchResult, WindowResult};
use duet_units::{CellKind, Limit, Loop, Metric, count, nanoseconds};

mod lift;

/// From this share of the limit on, the generator's own lateness is what broke it.
const OWN_LAG_MAX: f64 = 0.5;

/// The numbers of a block of searches.
///
/// # Errors
/// Why it does not count.
pub(super) fn values(block: &BlockRecord) -> Result<BlockValues, String> {
    if let Some(failure) = &block.failure {
        return Err(failure.error.clone());
    }
    let searches: Option<Vec<SearchResult>> = block.arms.iter().map(|arm| arm.search).collect();
    let searches = searches.filter(|all| all.len() > 1).ok_or("an arm has no search")?;
    let arms: Vec<BTreeMap<Metric, f64>> = block.arms.iter().map(arm_values).collect();
    let mut search = vec![];
    let mut histogram_error = None;
    for ((arm, record), found) in (0..).zip(&block.arms).zip(searches) {
        let own = || block.windows.iter().filter(|window| window.arm == arm);
        let upper: Vec<&WindowResult> = own().filter(|window| is_upper(block, window)).collect();
        match times::arm_times(record, &upper) {
            Ok(times) => search.push(SearchValues {
                found,
                probes: own().count() as u64,
                generator_lag_ns_p99: (times.all.generator_lag)
                    .filter(|lag| lag.count > 0)
                    .map(|lag| lag.ns_p99 as f64),
            }),
            Err(error) => histogram_error = Some(format!("{error:#}")),
        }
    }
    if histogram_error.is_some() {
        search.clear();
    }
    let log_ratios = arm_log_ratios(&arms);
    Ok(BlockValues { arms, log_ratios, rounds_dropped: 0, histogram_error, open: vec![], search })
}

fn arm_values(arm: &ArmRecord) -> BTreeMap<Metric, f64> {
    let mut values = start_values(arm);
    values.extend(arm.search.and_then(middle).map(|rate| (Metric::RateWithinPerSecond, rate)));
    values.retain(|metric, _| metric.is_result(CellKind::Servers(Loop::Search)));
    values
}

/// The geometric middle of what held and what failed, where both are known.
fn middle(found: SearchResult) -> Option<f64> {
    let (held, failed) = (found.held_per_second?, found.failed_per_second?);
    Some((held as f64 * failed as f64).sqrt()).filter(|rate| *rate > 0.0)
}

/// The log ratio of a block's rates within the limit.
pub(super) fn log_ratio(block: &BlockRecord) -> Option<f64> {
    let arms: Vec<BTreeMap<Metric, f64>> = block.arms.iter().map(arm_values).collect();
    arm_log_ratios(&arms).get(&Metric::RateWithinPerSecond).copied()
}

/// Whether a window tried the lowest rate that its arm failed at.
pub(super) fn is_upper(block: &BlockRecord, window: &WindowResult) -> bool {
    let search = block.arms.get(window.arm as usize).and_then(|arm| arm.search);
    let failed = search.and_then(|found| found.failed_per_second);
    failed.is_some() && failed == window.probe.map(|probe| probe.rate_per_second)
}

/// Who was the bottleneck of the probes that failed, by busy shares: what ends a search.
pub(super) fn bottleneck_of<'a>(
    blocks: impl IntoIterator<Item = &'a BlockRecord>,
    arms: usize,
    cpus: Cpus,
) -> Bottleneck {
    let upper: Vec<Usage> = usage(blocks, arms, is_upper);
    let found = bottleneck(&upper, cpus, false);
    match found.who {
        // At a given rate it says nothing that nobody was busy.
        Who::Latency => Bottleneck { who: Who::Unknown, ..found },
        _ => found,
    }
}

/// The same, when busy shares alone say that it was `who`.
pub(super) fn bottleneck_by_lag(cell: &Cell<'_>, who: Who) -> Who {
    let Some(limit) = limit(cell) else { return who };
    let late = |arm: usize| {
        let lags: Vec<f64> = of_arm(cell, arm).filter_map(|v| v.generator_lag_ns_p99).collect();
        !lags.is_empty() && duet_stats::median(&lags) >= OWN_LAG_MAX * limit.latency_ns as f64
    };
    if (0..cell.arms.len()).any(late) { Who::Generator } else { who }
}

/// The limit of a cell's searches.
fn limit(cell: &Cell<'_>) -> Option<Limit> {
    match cell.load.open?.rate {
        Rate::Within(limit) => Some(limit),
        Rate::PerSecond(_) | Rate::Share(_) => None,
    }
}

/// What reports say of the searches; absent where there were none, and where no block counts.
pub(super) fn analyse(cell: &Cell<'_>) -> Option<SearchAnalysis> {
    let limit = limit(cell)?;
    let arms = (0..cell.arms.len()).map(|arm| {
        let median = |of: fn(&SearchValues) -> Option<f64>| {
            let values: Vec<f64> = of_arm(cell, arm).filter_map(of).collect();
            (!values.is_empty()).then(|| duet_stats::median(&values))
        };
        SearchArm {
            found: of_arm(cell, arm).filter(|v| middle(v.found).is_some()).count() as u32,
            probes: of_arm(cell, arm).map(|v| v.probes).sum(),
            held_per_second: median(|v| Some(v.found.held_per_second? as f64)),
            failed_per_second: median(|v| Some(v.found.failed_per_second? as f64)),
            generator_lag_ns_p99: median(|v| v.generator_lag_ns_p99),
            lift: lift::lift(&outcomes(cell, arm)),
        }
    });
    let arms = arms.collect();
    (!cell.counted.is_empty()).then(|| SearchAnalysis { limit: limit.to_string(), arms })
}

/// The probes of an arm in all blocks, each relative to what its block found.
fn outcomes(cell: &Cell<'_>, arm: usize) -> Vec<lift::Outcome> {
    let mut outcomes = vec![];
    for block in cell.counted.iter().map(|block| block.record) {
        let found = block.arms.get(arm).and_then(|arm| middle(arm.search?));
        let Some(found) = found else { continue };
        let probes = block.windows.iter().filter(|window| window.arm as usize == arm);
        let probes = probes.filter_map(|window| window.probe);
        outcomes.extend(probes.map(|p| ((p.rate_per_second as f64 / found).ln(), p.held)));
    }
    outcomes
}

fn of_arm<'a>(cell: &'a Cell<'_>, arm: usize) -> impl Iterator<Item = &'a SearchValues> {
    cell.counted.iter().filter_map(move |block| block.values.search.get(arm))
}

/// Searches that did not end with two rates near to each other.
pub(super) fn unfinished(cell: &Cell<'_>) -> Option<Warning> {
    let mut parts = vec![];
    for (arm, label) in cell.labels().into_iter().enumerate() {
        let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
        for values in of_arm(cell, arm) {
            let end = match values.found.end {
                SearchEnd::Narrow => continue,
                SearchEnd::AllHeld => "every rate held",
                SearchEnd::NoneHeld => "no rate held",
                SearchEnd::OutOfProbes => "there were too few probes",
                SearchEnd::OutOfTime => "there was too little time",
            };
            *ends.entry(end).or_default() += 1;
        }
        let told = |(end, n): (&str, usize)| format!("{end} in {}", count(n, "block"));
        let ends: Vec<String> = ends.into_iter().map(told).collect();
        if !ends.is_empty() {
            parts.push(format!("{label}: {}", ends.join(", ")));
        }
    }
    let message = format!("searches ended without a narrow interval ({})", parts.join("; "));
    let hint = "choose a limit that the server keeps at some rate above 100 requests a second, or \
                a quieter machine";
    (!parts.is_empty()).then(|| Warning::new("search_unfinished", message, hint))
}

/// The generator ended the searches.
pub(super) fn generator_bound(cell: &Cell<'_>) -> Option<Warning> {
    let limit = limit(cell).filter(|_| cell.bottleneck.who == Who::Generator)?;
    let lags = (0..cell.arms.len()).flat_map(|arm| of_arm(cell, arm));
    let worst = lags.filter_map(|values| values.generator_lag_ns_p99).fold(0.0, f64::max);
    let message = format!(
        "the generator could not send as planned at the rates that failed: it was the busier of \
         the two, or up to {} late itself (99 %), where the limit is {}",
        nanoseconds(worst),
        nanoseconds(limit.latency_ns as f64)
    );
    let hint = "raise generator_cpus, or choose a workload with more work per request";
    Some(Warning::new("generator_bound", message, hint))
}

#[cfg(test)]
mod tests;
