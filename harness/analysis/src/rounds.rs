//! The windows of a block as rounds, and what they say: totals of an arm, log ratios within rounds.

use std::collections::BTreeMap;

use crate::pairs::OTHERS;
use crate::times;
use crate::values::sign;
use duet_model::record::{ArmRecord, BlockRecord};
use duet_protocol::WindowResult;
use duet_units::Metric;

/// The rounds of a block that can be used.
pub(super) struct Rounds<'a> {
    whole: Vec<Vec<Window<'a>>>,
    pub(super) dropped: usize,
}

/// A window, and the CPU time that its arm used because of it.
#[derive(Clone, Copy)]
pub(super) struct Window<'a> {
    pub(super) record: &'a WindowResult,
    /// CPU time of the driven arm in the window, and its share of what the arm did parked until it
    /// was driven again (of its last window: until the end), a collector at work, say. That belongs
    /// to all requests before, of which some were outside of the window.
    cpu_ns: u64,
}

/// A block does not count if more than one in so many of its rounds had to be dropped: what is left
/// of it is then no longer what was planned.
pub(super) const DROPPED_DIVISOR: usize = 4;

/// Sorts a block's windows into rounds and drops those in which an arm has no response that is ok.
///
/// # Errors
/// Why the block does not count.
pub(super) fn rounds(block: &BlockRecord) -> Result<Rounds<'_>, String> {
    if let Some(failure) = &block.failure {
        return Err(failure.error.clone());
    }
    let arms = block.arms.len();
    if arms < 2 || block.windows.is_empty() {
        return Err("it has no windows".to_owned());
    }
    let misfit = |w: &&WindowResult| {
        (w.arm as usize >= arms && w.arm != OTHERS) || w.server_cpu_ns.len() != arms
    };
    if let Some(window) = block.windows.iter().find(misfit) {
        return Err(format!("a window of arm {} does not fit its {arms} arms", window.arm));
    }
    let mut by_round: BTreeMap<u32, Vec<Window>> = BTreeMap::new();
    for (record, cpu_ns) in block.windows.iter().zip(charged_cpu_ns(&block.windows, arms)) {
        if record.arm != OTHERS {
            by_round.entry(record.round).or_default().push(Window { record, cpu_ns });
        }
    }
    let all = by_round.len();
    let whole: Vec<Vec<Window>> = by_round.into_values().filter(|r| is_whole(r, arms)).collect();
    let dropped = all - whole.len();
    if dropped * DROPPED_DIVISOR > all {
        return Err(format!(
            "{dropped} of {all} rounds have a window without a response that is ok"
        ));
    }
    Ok(Rounds { whole, dropped })
}

impl Rounds<'_> {
    /// The log ratio of a metric of windows: the Hodges-Lehmann estimate over rounds of the
    /// difference between the arms' mean logarithms. Absent where the metric is missing (a clock
    /// that did not advance) in too many rounds.
    pub(super) fn log_ratio(&self, metric: Metric) -> Option<f64> {
        let of_rounds: Vec<f64> =
            self.whole.iter().filter_map(|round| round_log_ratio(round, metric)).collect();
        let missing = self.whole.len() - of_rounds.len();
        let enough = !of_rounds.is_empty() && missing * DROPPED_DIVISOR <= self.whole.len();
        enough.then(|| duet_stats::hodges_lehmann(&of_rounds))
    }

    pub(super) fn of_arm(&self, arm: usize) -> impl Iterator<Item = Window<'_>> {
        self.whole.iter().flatten().filter(move |w| w.record.arm as usize == arm).copied()
    }
}

/// For each window the CPU time charged to it; see [`Window::cpu_ns`]. CPU time before an arm's
/// first window is the warm-up's and charged to nothing.
fn charged_cpu_ns(windows: &[WindowResult], arms: usize) -> Vec<u64> {
    let mut charged = vec![0; windows.len()];
    let mut last: Vec<Option<usize>> = vec![None; arms];
    for (i, window) in windows.iter().enumerate() {
        if let Some(last) = last.get_mut(window.arm as usize) {
            *last = Some(i);
        }
        for (arm, cpu_ns) in window.server_cpu_ns.iter().enumerate() {
            if let Some(to) = last[arm] {
                let parked = arm != window.arm as usize;
                charged[to] +=
                    if parked { share_in_window(&windows[to], *cpu_ns) } else { *cpu_ns };
            }
        }
    }
    charged
}

/// The part of a time that belongs to the requests in a window, and not to those of its lead-in.
fn share_in_window(window: &WindowResult, cpu_ns: u64) -> u64 {
    let outside = window.outside.map_or(0, |outside| outside.requests);
    let share = window.requests as f64 / (window.requests + outside).max(1) as f64;
    (cpu_ns as f64 * share).round() as u64
}

/// Whether each arm was driven equally often, and responded in each window.
fn is_whole(round: &[Window], arms: usize) -> bool {
    let count = |arm: usize| round.iter().filter(|w| w.record.arm as usize == arm).count();
    let driven = count(0);
    driven > 0
        && (1..arms).all(|arm| count(arm) == driven)
        && round.iter().all(|w| w.record.requests > 0 && w.record.elapsed_ns > 0)
}

/// The log ratio of one round between the first two arms.
fn round_log_ratio(round: &[Window], metric: Metric) -> Option<f64> {
    let mean_ln = |arm: u32| -> Option<f64> {
        let of_arm = round.iter().filter(|w| w.record.arm == arm);
        let logs: Option<Vec<f64>> =
            of_arm.map(|w| totals(std::slice::from_ref(w), metric).map(f64::ln)).collect();
        logs.map(|logs| logs.iter().sum::<f64>() / logs.len() as f64)
    };
    Some(sign(metric) * (mean_ln(1)? - mean_ln(0)?))
}

/// A metric of windows over all of `windows` together; absent unless positive.
fn totals(windows: &[Window], metric: Metric) -> Option<f64> {
    let sum = |of: fn(&Window) -> u64| windows.iter().map(of).sum::<u64>() as f64;
    let requests = sum(|w| w.record.requests);
    let value = match metric {
        Metric::RequestsPerSecond => requests / (sum(|w| w.record.elapsed_ns) / 1e9),
        Metric::CpuNsPerRequest => sum(|w| w.cpu_ns) / requests,
        _ => unreachable!("{metric:?} is not a metric of windows"),
    };
    (value > 0.0 && value.is_finite()).then_some(value)
}

/// An arm's values over all of its windows in whole rounds.
pub(super) fn window_values(windows: &[Window]) -> Vec<(Metric, f64)> {
    let metrics = [Metric::RequestsPerSecond, Metric::CpuNsPerRequest];
    metrics.into_iter().filter_map(|m| totals(windows, m).map(|value| (m, value))).collect()
}

/// Quantiles of service time, where enough requests stand behind them.
///
/// # Errors
/// When a histogram is damaged.
pub(super) fn service_times(
    arm: &ArmRecord,
    windows: &[Window],
) -> anyhow::Result<Vec<(Metric, f64)>> {
    let records: Vec<&WindowResult> = windows.iter().map(|w| w.record).collect();
    let merged = times::arm_times(arm, &records)?.all.service_time;
    let quantiles = [(Metric::ServiceTimeNsP50, 0.5), (Metric::ServiceTimeNsP99, 0.99)];
    let supported =
        quantiles.into_iter().filter(|(_, p)| duet_stats::supports_quantile(*p, merged.count));
    let values =
        supported.filter_map(|(m, p)| Some((m, times::quantile(&merged, p)?.max(1) as f64)));
    Ok(values.collect())
}
