//! Open loops: response times of a block, whether the rate was held, whether the generator kept up.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::cell::{Cell, Counted};
use crate::rounds::Rounds;
use crate::summary::{OpenAnalysis, OpenArm, Warning, Who};
use crate::tails::{self, TAIL_MIN, WindowTimes};
use crate::times::{self, ArmTimes};
use crate::values::OpenValues;
use duet_model::record::ArmRecord;
use duet_model::spec::{OpenLoop, Rate};
use duet_protocol::{ResolvedRate, TimeSummary, Times, WindowResult};
use duet_units::{Metric, nanoseconds, percent, thousands};

#[cfg(test)]
mod tests;

/// An arm that was sent less than this share of its requests within the planned time cannot hold
/// the rate: what is left of a queue at the end of a window is far less.
const IN_TIME_SHARE_MIN: f64 = 0.98;

/// A quantile of a whole block is judged where this many requests lie beyond it in each block and
/// arm: those of one burst count for little then.
const BEYOND_MIN: f64 = 30.0;

/// A quantile of windows is judged where this many windows of each block and arm reach beyond it.
const WINDOWS_BEYOND_MIN: u64 = 10;

/// A window in which the generator itself, with a connection free, was once later than this holds a
/// stall of the machine: nothing that it does takes as long.
const STALL_NS: u64 = 5_000_000;

/// From here on the generator's own lateness, as a share of the latency, is a doubt, ...
const OWN_LAG_DOUBTFUL: f64 = 0.1;
/// ... and from here on it is what was measured.
const OWN_LAG_MAX: f64 = 0.5;

/// What the windows of a block say of an open loop.
pub(super) struct OpenBlock {
    /// Per arm the quantiles of response time that enough requests stand behind.
    pub(super) latencies: Vec<Vec<(Metric, f64)>>,
    /// Per arm what else they say.
    pub(super) values: Vec<OpenValues>,
    /// Log ratios of the quantiles that were taken window by window.
    pub(super) log_ratios: Vec<(Metric, f64)>,
}

/// The quantiles of a block: far ones by windows where these have enough requests, others of all
/// windows together.
///
/// # Errors
/// When a histogram is damaged.
pub(super) fn values(rounds: &Rounds<'_>, arms: &[ArmRecord]) -> Result<OpenBlock> {
    let mut windows = vec![];
    let mut found = OpenBlock { latencies: vec![], values: vec![], log_ratios: vec![] };
    for (arm, record) in arms.iter().enumerate() {
        let records: Vec<&WindowResult> = rounds.of_arm(arm).map(|w| w.record).collect();
        let times = times::arm_times(record, &records)?;
        let all = times.all.response_time.unwrap_or_default();
        let quantiles = Metric::ALL.into_iter().filter_map(|m| Some((m, m.latency_quantile()?)));
        let supported = quantiles.filter(|(_, p)| duet_stats::supports_quantile(*p, all.count));
        let latencies =
            supported.filter_map(|(m, p)| Some((m, times::quantile(&all, p)?.max(1) as f64)));
        found.latencies.push(latencies.collect());
        found.values.push(arm_values(&records, &times));
        windows.extend(records.iter().zip(&times.windows).map(|(record, times)| WindowTimes {
            arm,
            round: record.round,
            times: times.response_time.unwrap_or_default(),
        }));
    }
    let quantiles = Metric::ALL.into_iter().filter_map(|m| Some((m, m.latency_quantile()?)));
    for (metric, p) in quantiles.filter(|(_, p)| *p >= TAIL_MIN) {
        let Some(tail) = tails::tail(&windows, p, arms.len()) else { continue };
        let own = found.latencies.iter_mut().zip(&mut found.values);
        for ((latencies, values), (value, beyond)) in
            own.zip(tail.values.iter().zip(tail.windows_beyond))
        {
            latencies.retain(|(of, _)| *of != metric);
            latencies.push((metric, *value));
            values.windows_beyond.insert(metric, beyond);
        }
        found.log_ratios.push((metric, tail.log_ratio));
    }
    Ok(found)
}

/// What the windows of an arm say beside its quantiles.
fn arm_values(windows: &[&WindowResult], times: &ArmTimes) -> OpenValues {
    let of_open = || windows.iter().filter_map(|window| window.open.as_ref());
    let lags = times.windows.iter().filter_map(|times| times.generator_lag);
    let stalled = lags.filter(|lag| lag.ns_max > STALL_NS).count();
    let p99 = |of: fn(&Times) -> Option<TimeSummary>| {
        let windows: Vec<TimeSummary> = times.windows.iter().filter_map(of).collect();
        tails::typical(&windows, &of(&times.all).unwrap_or_default(), 0.99)
    };
    OpenValues {
        planned: of_open().map(|open| open.planned).sum(),
        sent_late: of_open().map(|open| open.sent_late).sum(),
        unsent: of_open().map(|open| open.unsent).sum(),
        responses: times.all.response_time.unwrap_or_default().count,
        lower_bound_ns: times.all.response_time_lower_bounds.and_then(|bounds| bounds.ns_min),
        send_lag_ns_p99: p99(|times| times.send_lag),
        generator_lag_ns_p99: p99(|times| times.generator_lag),
        service_time_ns_p99: p99(|times| Some(times.service_time)),
        windows_beyond: BTreeMap::new(),
        windows: windows.len() as u64,
        windows_stalled: stalled as u64,
    }
}

/// What reports say of an open loop; absent in a closed one, and where no block counts.
pub(super) fn analyse(cell: &Cell<'_>) -> Option<OpenAnalysis> {
    let OpenLoop { rate, arrivals } = cell.load.open?;
    let rated = rated(cell)?;
    Some(OpenAnalysis {
        rate_per_second: rated.rate_per_second,
        rate_share: match rate {
            Rate::Share(share) => Some(share),
            Rate::PerSecond(_) | Rate::Within(_) => None,
        },
        capacity_per_second: rated.capacity_per_second,
        arrivals,
        arms: (0..cell.arms.len()).filter_map(|arm| open_arm(cell, arm)).collect(),
    })
}

fn open_arm(cell: &Cell<'_>, arm: usize) -> Option<OpenArm> {
    let sum = |of: fn(&OpenValues) -> u64| of_arm(cell, arm).map(of).sum::<u64>();
    let median = |of: fn(&OpenValues) -> f64| -> Option<f64> {
        let all: Vec<f64> = of_arm(cell, arm).map(of).collect();
        (!all.is_empty()).then(|| duet_stats::median(&all))
    };
    Some(OpenArm {
        planned: sum(|v| v.planned),
        sent_late: sum(|v| v.sent_late),
        unsent: sum(|v| v.unsent),
        send_lag_ns_p99: median(|v| v.send_lag_ns_p99)?,
        generator_lag_ns_p99: median(|v| v.generator_lag_ns_p99)?,
        service_time_ns_p99: median(|v| v.service_time_ns_p99)?,
        windows: sum(|v| v.windows),
        windows_stalled: sum(|v| v.windows_stalled),
    })
}

fn of_arm<'a>(cell: &'a Cell<'_>, arm: usize) -> impl Iterator<Item = &'a OpenValues> {
    cell.counted.iter().filter_map(move |block| block.values.open.get(arm))
}

/// The rate of a cell's blocks and the capacity that it is a share of: medians, since each block
/// has a pilot of its own.
fn rated(cell: &Cell<'_>) -> Option<ResolvedRate> {
    let of_blocks = || cell.counted.iter().filter_map(|block| block.record.open);
    let median =
        |values: Vec<f64>| (!values.is_empty()).then(|| duet_stats::median(&values).round() as u64);
    Some(ResolvedRate {
        rate_per_second: median(of_blocks().map(|rate| rate.rate_per_second as f64).collect())?,
        capacity_per_second: median(
            of_blocks().filter_map(|rate| Some(rate.capacity_per_second? as f64)).collect(),
        ),
    })
}

/// The load's rate for people: `15,800 requests/s (50 % of capacity)`, or its limit: `p99 at most
/// 5.00 ms`. Absent in a closed loop.
pub(super) fn rate_text(cell: &Cell<'_>) -> Option<String> {
    let open = cell.load.open?;
    let found = rated(cell);
    let per_second = |n: u64| format!("{} requests/s", thousands(n as i64));
    Some(match (open.rate, found) {
        (Rate::PerSecond(rate), _) => per_second(rate.into()),
        (Rate::Share(share), Some(found)) => {
            format!("{} ({} of capacity)", per_second(found.rate_per_second), percent(share))
        }
        (Rate::Share(share), None) => format!("{} of capacity", percent(share)),
        (Rate::Within(limit), _) => limit.to_string(),
    })
}

/// Who was the bottleneck of an open loop, when busy shares alone say that it was `who`.
pub(super) fn bottleneck(cell: &Cell<'_>, who: Who) -> Who {
    let worst = (0..cell.arms.len()).filter_map(|arm| generator_lag_share(cell, arm));
    if who == Who::Generator || worst.fold(0.0, f64::max) >= OWN_LAG_MAX {
        Who::Generator
    } else if overloaded(cell).next().is_some() {
        Who::Server
    } else {
        who
    }
}

/// The generator's own lateness as a share of the latency, both at 99 % and as medians over blocks.
fn generator_lag_share(cell: &Cell<'_>, arm: usize) -> Option<f64> {
    let blocks = || cell.counted.iter().map(|block| &block.values);
    let latency = |m| blocks().filter_map(|v| v.arms[arm].get(&m)).copied().collect::<Vec<f64>>();
    let latencies = latency(Metric::LatencyNsP99);
    let lags: Vec<f64> = of_arm(cell, arm).map(|v| v.generator_lag_ns_p99).collect();
    let known = !latencies.is_empty() && !lags.is_empty();
    known.then(|| duet_stats::median(&lags) / duet_stats::median(&latencies))
}

/// The arms that cannot hold the rate, each with the share of requests sent in time.
fn overloaded(cell: &Cell<'_>) -> impl Iterator<Item = (usize, f64)> {
    let share = |arm| {
        let sum = |of: fn(&OpenValues) -> u64| of_arm(cell, arm).map(of).sum::<u64>() as f64;
        let in_time = 1.0 - sum(|v| v.sent_late + v.unsent) / sum(|v| v.planned).max(1.0);
        (arm, in_time)
    };
    (0..cell.arms.len()).map(share).filter(|(_, in_time)| *in_time < IN_TIME_SHARE_MIN)
}

/// Why there may be no ratio of a quantile, if so.
pub(super) fn refusal(cell: &Cell<'_>, metric: Metric) -> Option<String> {
    if metric != Metric::LatencyNsWorstSecond {
        metric.latency_quantile().or(metric.lateness_quantile())?;
    }
    if let Some((arm, in_time)) = overloaded(cell).next() {
        return Some(format!(
            "{} cannot hold this rate: {} of the requests to it were sent in time, and its queue \
             grows for as long as one looks",
            cell.arms[arm].label,
            percent(in_time)
        ));
    }
    metric.latency_quantile()?;
    let is_bound = |block: &Counted<'_>, arm: usize| {
        let bound = block.values.open.get(arm).and_then(|open| open.lower_bound_ns);
        let value = block.values.arms[arm].get(&metric);
        bound.zip(value).is_some_and(|(bound, value)| bound as f64 <= *value)
    };
    let arms = (0..cell.arms.len())
        .map(|arm| (arm, cell.counted.iter().filter(|block| is_bound(block, arm)).count()));
    let (arm, blocks) = arms.into_iter().find(|(_, blocks)| *blocks > 0)?;
    Some(format!(
        "in {blocks} of {} blocks it is only known that {}'s is at least this: requests timed out \
         or were never sent",
        cell.counted.len(),
        cell.arms[arm].label
    ))
}

/// Why a quantile is shown and not judged, if so.
pub(super) fn informational(cell: &Cell<'_>, metric: Metric) -> Option<String> {
    let p = metric.latency_quantile()?;
    let values = || cell.counted.iter().flat_map(|block| &block.values.open);
    // A long window is one of its own, in which no single stall decides.
    if p < TAIL_MIN || cell.load.solo_s.is_some() {
        let fewest = values().map(|values| values.responses).min()?;
        // The margin forgives the rounding of 1 - p.
        let beyond = fewest as f64 * (1.0 - p) + 1e-6;
        return (beyond < BEYOND_MIN).then(|| {
            format!(
                "for information: {} requests lie beyond it in a block and arm, a verdict needs \
                 {BEYOND_MIN}",
                beyond as u64
            )
        });
    }
    let windows: Option<Vec<u64>> =
        values().map(|values| values.windows_beyond.get(&metric).copied()).collect();
    let Some(fewest) = windows.map(|windows| windows.into_iter().min()) else {
        return Some(format!(
            "for information: windows hold fewer than {} requests, so it is one of whole blocks, \
             which a single stall of the machine decides",
            thousands((10.0 / (1.0 - p)).round() as i64)
        ));
    };
    let fewest = fewest?;
    (fewest < WINDOWS_BEYOND_MIN).then(|| {
        format!(
            "for information: {fewest} windows of a block and arm reach beyond it, a verdict needs \
             {WINDOWS_BEYOND_MIN}"
        )
    })
}

/// The rate was not held.
pub(super) fn overload(cell: &Cell<'_>) -> Option<Warning> {
    let told = |(arm, in_time): (usize, f64)| {
        format!(
            "{} of the requests to {} were sent in time",
            percent(in_time),
            cell.arms[arm].label
        )
    };
    let parts: Vec<String> = overloaded(cell).map(told).collect();
    let message = format!("the rate was too high: {}", parts.join("; "));
    let hint = "lower the rate, or raise the connections if the server can use more";
    (!parts.is_empty()).then(|| Warning::new("overloaded", message, hint))
}

/// The generator was late by more than may be neglected.
pub(super) fn send_lag(cell: &Cell<'_>) -> Option<Warning> {
    let shares =
        (0..cell.arms.len()).filter_map(|arm| Some((arm, generator_lag_share(cell, arm)?)));
    let (arm, share) = shares.max_by(|a, b| a.1.total_cmp(&b.1))?;
    let lag = open_arm(cell, arm)?.generator_lag_ns_p99;
    let message = format!(
        "the generator itself sent requests up to {} late (99 %), {} of the latency of {}, which \
         holds that lag",
        nanoseconds(lag),
        percent(share),
        cell.arms[arm].label
    );
    let hint = "choose a quieter machine or hour, raise generator_cpus, or lower the rate";
    (share >= OWN_LAG_DOUBTFUL).then(|| Warning::new("send_lag", message, hint))
}
