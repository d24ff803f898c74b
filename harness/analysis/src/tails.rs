//! Far quantiles of response time, window by window.
//!
//! Of all requests of a block most that lie beyond the 99th percentile fall into one window: the
//! machine stood still for a moment. A quantile of the block is then that moment, told once. So it
//! is taken from each window that has enough requests for it, and windows are put together as rates
//! are, by rounds, which a few of them cannot move.

use std::collections::BTreeMap;

use crate::rounds::DROPPED_DIVISOR;
use crate::times::quantile;
use duet_protocol::TimeSummary;

/// Quantiles from here on are taken window by window.
pub(super) const TAIL_MIN: f64 = 0.99;

/// Requests beyond the quantile that a window has to have. Windows are planned to have ten; with
/// random arrivals that is nine or more but for one window in a thousand.
const BEYOND_MIN: f64 = 9.0;

/// The times of a window.
#[derive(Debug)]
pub(super) struct WindowTimes {
    pub(super) arm: usize,
    pub(super) round: u32,
    pub(super) times: TimeSummary,
}

/// A quantile by windows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tail {
    /// What a window of each arm has: the Hodges-Lehmann estimate over its windows.
    pub(super) values: Vec<f64>,
    /// ln of how many times longer the second arm's is, over rounds.
    pub(super) log_ratio: f64,
    /// How many windows of each arm have a time beyond the arm's value.
    pub(super) windows_beyond: Vec<u64>,
}

/// The logarithm of a window's quantile, where it has enough times for it.
fn ln_quantile(times: &TimeSummary, p: f64) -> Option<f64> {
    let enough = times.count as f64 * (1.0 - p) >= BEYOND_MIN;
    quantile(times, p).filter(|_| enough).map(|ns| (ns.max(1) as f64).ln())
}

/// The quantile `p` of the first two arms; absent where windows of more than one in four rounds
/// have too few requests for it.
pub(super) fn tail(windows: &[WindowTimes], p: f64, arms: usize) -> Option<Tail> {
    let mut rounds: BTreeMap<u32, Vec<&WindowTimes>> = BTreeMap::new();
    for window in windows {
        rounds.entry(window.round).or_default().push(window);
    }
    let all = rounds.len();
    let enough =
        |round: &Vec<&WindowTimes>| round.iter().all(|w| ln_quantile(&w.times, p).is_some());
    let rounds: Vec<Vec<&WindowTimes>> = rounds.into_values().filter(enough).collect();
    if rounds.is_empty() || (all - rounds.len()) * DROPPED_DIVISOR > all {
        return None;
    }
    let of_arm = |windows: &[&WindowTimes], arm: usize| -> Vec<f64> {
        let own = windows.iter().filter(|w| w.arm == arm);
        own.filter_map(|w| ln_quantile(&w.times, p)).collect()
    };
    let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
    let of_rounds: Vec<f64> =
        rounds.iter().map(|round| mean(of_arm(round, 1)) - mean(of_arm(round, 0))).collect();
    let kept: Vec<&WindowTimes> = rounds.into_iter().flatten().collect();
    let values: Vec<f64> =
        (0..arms).map(|arm| duet_stats::hodges_lehmann(&of_arm(&kept, arm)).exp()).collect();
    let beyond = |(arm, value): (usize, &f64)| {
        kept.iter().filter(|w| w.arm == arm && w.times.ns_max as f64 > *value).count() as u64
    };
    let windows_beyond = values.iter().enumerate().map(beyond).collect();
    Some(Tail { log_ratio: duet_stats::hodges_lehmann(&of_rounds), values, windows_beyond })
}

/// The quantile `p` of some windows: that of a window where all have enough for it, of all together
/// otherwise.
pub(super) fn typical(windows: &[TimeSummary], all: &TimeSummary, p: f64) -> f64 {
    let logs: Option<Vec<f64>> = windows.iter().map(|times| ln_quantile(times, p)).collect();
    match logs.filter(|logs| !logs.is_empty()) {
        Some(logs) => duet_stats::hodges_lehmann(&logs).exp(),
        None => quantile(all, p).unwrap_or(0) as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram;
    use crate::times::summary;
    use duet_stats::SplitMix64;
    use hdrhistogram::Histogram;

    fn times(values: impl IntoIterator<Item = u64>) -> Histogram<u64> {
        let mut histogram = Histogram::new(3).expect("three digits");
        values.into_iter().for_each(|value| histogram.record(value).expect("it resizes"));
        histogram
    }

    /// A window with all its times.
    struct Made {
        arm: usize,
        round: u32,
        times: Histogram<u64>,
    }

    /// The quantile of such windows.
    fn tail_of(made: &[Made], p: f64) -> Option<Tail> {
        let judged =
            |w: &Made| WindowTimes { arm: w.arm, round: w.round, times: summary(&w.times) };
        tail(&made.iter().map(judged).collect::<Vec<_>>(), p, 2)
    }

    /// Rounds of four windows, ABBA, of exponential times about the arms' means. In every tenth
    /// window the machine stands still for 20 ms, which a fifth of its requests wait for.
    fn windows(means: [f64; 2], rounds: u32, n: u64, seed: u64) -> Vec<Made> {
        let mut random = SplitMix64::new(seed);
        let offset = random.below(10) as usize;
        let mut made = vec![];
        for round in 0..rounds {
            for arm in [0, 1, 1, 0] {
                let stalled = (made.len() + offset).is_multiple_of(10);
                let one = |i: u64, random: &mut SplitMix64| {
                    let own = -means[arm] * (1.0 - random.unit()).ln();
                    let wait = if stalled && i < n / 5 { 20e6 * random.unit() } else { 0.0 };
                    (own + wait) as u64
                };
                let values: Vec<u64> = (0..n).map(|i| one(i, &mut random)).collect();
                made.push(Made { arm, round, times: times(values) });
            }
        }
        made
    }

    /// A window in ten stands still: the quantile of windows hardly moves, that of the block is the
    /// stall.
    #[test]
    fn stalls_do_not_decide() {
        let made = windows([1e5, 2e5], 10, 1000, 1);
        let found = tail_of(&made, 0.99).expect("enough requests");
        assert!((found.log_ratio - 2_f64.ln()).abs() < 0.1, "{found:?}");
        assert!((found.values[0] / 4.6e5 - 1.0).abs() < 0.15, "{found:?}");
        assert!(found.windows_beyond.iter().all(|n| *n >= 19), "{found:?}");
        let all: Vec<Histogram<u64>> = made.into_iter().map(|w| w.times).collect();
        let together = summary(&histogram::sum(&all));
        assert!(together.ns_p99 > 5_000_000);
        let windows: Vec<TimeSummary> = all.iter().map(summary).collect();
        assert!(typical(&windows, &together, 0.99) < 1e6);
    }

    #[test]
    fn few_requests_give_none() {
        let mut made = windows([1e5, 1e5], 5, 1000, 2);
        assert!(tail_of(&made, 0.99).is_some() && tail_of(&made, 0.999).is_none());
        made[0].times = times([5; 899]);
        assert!(tail_of(&made, 0.99).is_some(), "one of five rounds is left out");
        made[4].times = times([5; 899]);
        assert_eq!(tail_of(&made, 0.99), None);
        assert_eq!(tail_of(&[], 0.99), None);
    }

    /// Equal arms on a machine that stands still now and then: intervals over eight blocks hold the
    /// truth as often as they say, and are far narrower than those of whole blocks' quantiles.
    #[test]
    fn intervals_over_blocks_cover() {
        let (trials, blocks) = (40, 8);
        let (mut covered, mut narrow, mut wide) = (0, 0.0, 0.0);
        for trial in 0..trials {
            let (mut own, mut merged) = (vec![], vec![]);
            for block in 0..blocks {
                let made = windows([1e5, 1e5], 5, 1000, trial * blocks + block + 100);
                own.push(tail_of(&made, 0.99).expect("enough").log_ratio);
                let whole = |arm: usize| {
                    let mut sum = times([]);
                    let of_arm = made.iter().filter(|w| w.arm == arm);
                    of_arm.for_each(|w| sum.add(&w.times).expect("it resizes"));
                    ln_quantile(&summary(&sum), 0.99).expect("enough")
                };
                merged.push(whole(1) - whole(0));
            }
            let found = duet_stats::interval(&own).expect("eight blocks");
            covered += u32::from(found.low <= 0.0 && 0.0 <= found.high);
            narrow += duet_stats::standard_deviation(&own).expect("eight");
            wide += duet_stats::standard_deviation(&merged).expect("eight");
        }
        assert!(covered >= 34, "{covered} of {trials}");
        assert!(wide > 2.5 * narrow, "{wide} against {narrow}");
    }
}
