//! Open loops: response times of a block, whether the rate was held, whether the generator kept up.

use std::collections::BTreeMap;

use anyhow::Result;
use hdrhistogram::Histogram;

use crate::cell::{Cell, Counted};
use crate::histogram;
use crate::rounds::Rounds;
use crate::summary::{OpenAnalysis, OpenArm, Warning, Who};
use crate::tails::{self, TAIL_MIN, WindowTimes};
use crate::values::OpenValues;
use duet_model::spec::{OpenLoop, Rate};
use duet_protocol::{ResolvedRate, WindowResult};
use duet_units::{Metric, nanoseconds, percent, thousands};

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
pub(super) fn values(rounds: &Rounds<'_>, arms: usize) -> Result<OpenBlock> {
    let mut windows = vec![];
    let mut found = OpenBlock { latencies: vec![], values: vec![], log_ratios: vec![] };
    for arm in 0..arms {
        let records: Vec<&WindowResult> = rounds.of_arm(arm).map(|w| w.record).collect();
        let times = response_times(&records)?;
        let all = histogram::sum(&times);
        let quantiles = Metric::ALL.into_iter().filter_map(|m| Some((m, m.latency_quantile()?)));
        let supported = quantiles.filter(|(_, p)| duet_stats::supports_quantile(*p, all.len()));
        let latencies = supported.map(|(m, p)| (m, all.value_at_quantile(p).max(1) as f64));
        found.latencies.push(latencies.collect());
        found.values.push(arm_values(&records, all.len())?);
        windows.extend(records.iter().zip(times).map(|(record, times)| WindowTimes {
            arm,
            round: record.round,
            times,
        }));
    }
    let quantiles = Metric::ALL.into_iter().filter_map(|m| Some((m, m.latency_quantile()?)));
    for (metric, p) in quantiles.filter(|(_, p)| *p >= TAIL_MIN) {
        let Some(tail) = tails::tail(&windows, p, arms) else { continue };
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

/// The response times of each window. Sorted among the others, lower bounds give lower bounds of
/// the quantiles.
fn response_times(windows: &[&WindowResult]) -> Result<Vec<Histogram<u64>>> {
    let of_open = || windows.iter().filter_map(|window| window.open.as_ref());
    let mut times = histogram::read(of_open().map(|open| open.response_time.as_str()))?;
    for (times, open) in times.iter_mut().zip(of_open()) {
        times.add(&histogram::merge(open.response_time_lower_bounds.as_deref())?)?;
    }
    Ok(times)
}

/// What the windows of an arm say beside its quantiles.
fn arm_values(windows: &[&WindowResult], responses: u64) -> Result<OpenValues> {
    let of_open = || windows.iter().filter_map(|window| window.open.as_ref());
    let bounds = of_open().filter_map(|open| open.response_time_lower_bounds.as_deref());
    let bounds = histogram::merge(bounds)?;
    let send_lag = histogram::read(of_open().map(|open| open.send_lag.as_str()))?;
    let generator_lag = histogram::read(of_open().map(|open| open.generator_lag.as_str()))?;
    let service = histogram::read(windows.iter().map(|window| window.service_time.as_str()))?;
    let stalled = generator_lag.iter().filter(|lag| lag.max() > STALL_NS).count();
    Ok(OpenValues {
        planned: of_open().map(|open| open.planned).sum(),
        sent_late: of_open().map(|open| open.sent_late).sum(),
        unsent: of_open().map(|open| open.unsent).sum(),
        responses,
        lower_bound_ns: (!bounds.is_empty()).then(|| bounds.min()),
        send_lag_ns_p99: tails::typical(&send_lag, 0.99),
        generator_lag_ns_p99: tails::typical(&generator_lag, 0.99),
        service_time_ns_p99: tails::typical(&service, 0.99),
        windows_beyond: BTreeMap::new(),
        windows: windows.len() as u64,
        windows_stalled: stalled as u64,
    })
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
    metric.latency_quantile()?;
    if let Some((arm, in_time)) = overloaded(cell).next() {
        return Some(format!(
            "{} cannot hold this rate: {} of the requests to it were sent in time, and its queue \
             grows for as long as one looks",
            cell.arms[arm].label,
            percent(in_time)
        ));
    }
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
    if p < TAIL_MIN {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Verdict;
    use crate::{Analysis, CellAnalysis, MetricAnalysis, analyse, running_ratio};
    use duet_model::record::{BlockRecord, Run};
    use duet_model::testing::{self, Scene, encode};
    use duet_protocol::OpenResult;

    /// Medians of 200 and 300 microseconds.
    fn run() -> Run {
        testing::open(testing::run(&Scene { rounds: 5, ..Scene::default() }), [2e5, 3e5])
    }

    fn cell(analysis: &Analysis) -> &CellAnalysis {
        &analysis.matchups[0].cells[0]
    }

    fn metric(cell: &CellAnalysis, metric: Metric) -> &MetricAnalysis {
        let found = cell.metrics.iter().find(|m| m.metric == metric);
        found.unwrap_or_else(|| panic!("no {metric:?} in {:?}", cell.metrics))
    }

    /// Changes what the open loop adds to the windows of the second arm.
    fn change(block: &mut BlockRecord, change: impl Fn(&mut OpenResult)) {
        let windows = block.windows.iter_mut().filter(|w| w.arm == 1);
        windows.filter_map(|w| w.open.as_mut()).for_each(change);
    }

    fn codes(cell: &CellAnalysis) -> Vec<&str> {
        cell.warnings.iter().map(|w| w.code.as_str()).collect()
    }

    #[test]
    fn latencies_are_compared_and_rates_are_not() {
        let record = run();
        let analysis = analyse(&record);
        let cell = cell(&analysis);
        let metrics: Vec<Metric> = cell.metrics.iter().map(|m| m.metric).collect();
        let want = [
            Metric::LatencyNsP50,
            Metric::LatencyNsP90,
            Metric::LatencyNsP99,
            Metric::LatencyNsP999,
            Metric::CpuNsPerRequest,
            Metric::RssBytesSteady,
            Metric::RssBytesIdle,
            Metric::RssBytesAfter,
            Metric::StartupNs,
        ];
        assert_eq!(metrics, want);
        for (which, base) in [
            (Metric::LatencyNsP50, 2e5),
            (Metric::LatencyNsP90, 2.8e5),
            (Metric::LatencyNsP99, 2.98e5),
        ] {
            let found = metric(cell, which);
            let ratio = found.ratio.expect("nothing forbids it");
            assert!((ratio.value / 1.5 - 1.0).abs() < 0.02, "{found:?}");
            assert!((found.arms[0].value / base - 1.0).abs() < 0.02, "{found:?}");
            assert_eq!((found.verdict, &found.reason), (Verdict::Slower, &None));
            assert_eq!(found.log_ratios.len(), 8);
        }
        assert_eq!(cell.load, "64 connections, 20,000 requests/s (50 % of capacity)");
        let open = cell.open.as_ref().expect("the loop is open");
        assert_eq!((open.rate_per_second, open.rate_share), (20_000, Some(0.5)));
        assert_eq!(open.capacity_per_second, Some(40_000));
        assert_eq!((open.arms[0].planned, open.arms[0].unsent), (8 * 10 * 1800, 0));
        assert_eq!(cell.bottleneck.who, Who::Rate);
        assert!(cell.bottleneck.generator_busy.iter().all(|busy| *busy < 0.16));
        assert_eq!(codes(cell), [""; 0]);
        assert!(analysis.matchups[0].means.is_empty());
        let running = running_ratio(&record.header, &record.blocks, &cell.id);
        assert_eq!(running, metric(cell, Metric::CpuNsPerRequest).ratio);
    }

    #[test]
    fn a_rate_that_is_not_held_gives_no_latency() {
        let mut record = run();
        for block in &mut record.blocks {
            change(block, |open| open.sent_late = 54);
        }
        let analysis = analyse(&record);
        let overloaded = cell(&analysis);
        assert_eq!(overloaded.bottleneck.who, Who::Server);
        assert_eq!(codes(overloaded), ["overloaded"]);
        let p99 = metric(overloaded, Metric::LatencyNsP99);
        assert_eq!((p99.ratio, p99.verdict), (None, Verdict::Inconclusive));
        let reason = p99.reason.as_deref().expect("there is one");
        assert!(reason.starts_with("beta cannot hold this rate: 97 % of the"), "{reason}");
        // What a request costs is known all the same.
        assert!(metric(overloaded, Metric::CpuNsPerRequest).ratio.is_some());
        // 2 % late is what the end of a window does.
        for block in &mut record.blocks {
            change(block, |open| open.sent_late = 36);
        }
        assert_eq!(codes(cell(&analyse(&record))), [""; 0]);
    }

    #[test]
    fn lower_bounds_are_not_compared() {
        let mut record = run();
        change(&mut record.blocks[3], |open| {
            // One in a thousand: the 99th percentile lies below them.
            open.response_time_lower_bounds = Some(encode(&[900_000; 2]));
        });
        let quantiles = [Metric::LatencyNsP50, Metric::LatencyNsP90, Metric::LatencyNsP99];
        let refused = |record: &Run| {
            let analysis = analyse(record);
            quantiles.map(|which| metric(cell(&analysis), which).reason.clone())
        };
        assert_eq!(refused(&record), [None, None, None]);
        change(&mut record.blocks[3], |open| {
            open.response_time_lower_bounds = Some(encode(&[440_000; 40]));
        });
        let [p50, p90, p99] = refused(&record);
        assert_eq!((p50, p90), (None, None));
        let reason = p99.expect("there is a reason");
        assert!(reason.starts_with("in 1 of 8 blocks it is only known that beta's"), "{reason}");
    }

    #[test]
    fn a_generator_that_is_late_is_named() {
        let late = |share: u64| {
            let mut record = run();
            for block in &mut record.blocks {
                change(block, |open| {
                    open.generator_lag = encode(&[450_000 * share / 100; 100]);
                });
            }
            let analysis = analyse(&record);
            let cell = cell(&analysis);
            let codes = codes(cell).join(" ");
            (cell.bottleneck.who, codes, metric(cell, Metric::LatencyNsP50).ratio.is_some())
        };
        assert_eq!(late(5), (Who::Rate, String::new(), true));
        assert_eq!(late(20), (Who::Rate, "send_lag".to_owned(), true));
        assert_eq!(late(60), (Who::Generator, "generator_bound send_lag".to_owned(), false));
    }

    /// A window has 1,800 requests, of which 18 lie beyond its 99th percentile; a block has ten
    /// windows.
    #[test]
    fn quantiles_that_few_windows_reach_beyond_are_shown_and_not_judged() {
        let p99 = |record: &Run| {
            let analysis = analyse(record);
            let found = metric(cell(&analysis), Metric::LatencyNsP99).clone();
            assert!(found.ratio.is_some() && found.p.is_some() != found.informational);
            (found.verdict, found.reason.unwrap_or_default())
        };
        assert_eq!(p99(&run()), (Verdict::Slower, String::new()));
        let mut fewer = run();
        for block in &mut fewer.blocks {
            block.windows.retain(|window| window.round < 4);
        }
        let (verdict, reason) = p99(&fewer);
        let want = "for information: 8 windows of a block and arm reach beyond it, a verdict \
                    needs 10";
        assert_eq!((verdict, reason.as_str()), (Verdict::Inconclusive, want));
        let mut short = run();
        let few = encode(&(0..800).map(|i| 250_000 + i).collect::<Vec<_>>());
        short.blocks.iter_mut().for_each(|b| change(b, |open| open.response_time = few.clone()));
        let (verdict, reason) = p99(&short);
        let want = "for information: windows hold fewer than 1,000 requests";
        assert!(verdict == Verdict::Inconclusive && reason.starts_with(want), "{reason}");
    }

    #[test]
    fn windows_with_a_stall_are_counted() {
        let mut record = run();
        let stalled = encode(&[1_000, 6_000_000]);
        change(&mut record.blocks[0], |open| open.generator_lag = stalled.clone());
        let analysis = analyse(&record);
        let open = cell(&analysis).open.as_ref().expect("the loop is open");
        assert_eq!((open.arms[1].windows, open.arms[1].windows_stalled), (80, 10));
    }

    #[test]
    fn damage_is_named() {
        let mut record = run();
        change(&mut record.blocks[0], |open| open.send_lag = "?".to_owned());
        let analysis = analyse(&record);
        assert_eq!(codes(cell(&analysis)), ["damaged_histogram"]);
        assert_eq!(metric(cell(&analysis), Metric::LatencyNsP50).ratio.map(|r| r.n), Some(7));
    }
}
