//! Times of windows and arms as what is judged of them: read from a record that holds just that,
//! or taken from its histograms, so that both give the same numbers.

use anyhow::{Context, Result};
use hdrhistogram::Histogram;

use crate::histogram;
use duet_model::record::ArmRecord;
use duet_protocol::{TimeSummary, Times, WindowResult};

/// The times of an arm in one block.
#[derive(Debug, Default)]
pub(super) struct ArmTimes {
    /// Of each window.
    pub(super) windows: Vec<Times>,
    /// Of all of them together.
    pub(super) all: Times,
}

/// What an arm's windows say: those that are judged together, see [`ArmRecord::times`].
///
/// # Errors
/// When a histogram is damaged or missing.
pub(super) fn arm_times(arm: &ArmRecord, windows: &[&WindowResult]) -> Result<ArmTimes> {
    if let Some(all) = arm.times {
        let of_windows = windows.iter().map(|window| window.times.context("a window has no times"));
        return Ok(ArmTimes { windows: of_windows.collect::<Result<_>>()?, all });
    }
    let decoded: Vec<Decoded> = windows.iter().map(|w| Decoded::of(w)).collect::<Result<_>>()?;
    let windows = decoded.iter().map(Decoded::times).collect();
    Ok(ArmTimes { windows, all: Decoded::sum(&decoded.iter().collect::<Vec<_>>()).times() })
}

/// The histograms of a window, or of several.
pub(super) struct Decoded {
    pub(super) service: Histogram<u64>,
    pub(super) open: Option<DecodedOpen>,
    /// Of events.
    lateness: Option<Histogram<u64>>,
}

/// Those of an open loop.
pub(super) struct DecodedOpen {
    /// Lower bounds included: sorted among the others, they give lower bounds of the quantiles.
    pub(super) response: Histogram<u64>,
    lower_bounds: Histogram<u64>,
    send_lag: Histogram<u64>,
    generator_lag: Histogram<u64>,
}

impl Decoded {
    /// # Errors
    /// When one of them is damaged or missing.
    pub(super) fn of(window: &WindowResult) -> Result<Self> {
        let read = |text: &Option<String>| {
            histogram::read(text.as_deref().context("a window has no histogram of its times")?)
        };
        let open = window.open.as_ref().map(|open| {
            let lower_bounds = histogram::sum(
                &open.response_time_lower_bounds.as_deref().map(histogram::read).transpose()?,
            );
            let response = histogram::sum([&read(&open.response_time)?, &lower_bounds]);
            let (send_lag, generator_lag) = (read(&open.send_lag)?, read(&open.generator_lag)?);
            Ok::<_, anyhow::Error>(DecodedOpen { response, lower_bounds, send_lag, generator_lag })
        });
        let events = window.events.as_ref();
        let lateness = events.map(|events| read(&events.lateness)).transpose()?;
        Ok(Self { service: read(&window.service_time)?, open: open.transpose()?, lateness })
    }

    /// Those of several windows together.
    pub(super) fn sum(all: &[&Self]) -> Self {
        let of_open = || all.iter().filter_map(|one| one.open.as_ref());
        let open = of_open().next().map(|_| DecodedOpen {
            response: histogram::sum(of_open().map(|open| &open.response)),
            lower_bounds: histogram::sum(of_open().map(|open| &open.lower_bounds)),
            send_lag: histogram::sum(of_open().map(|open| &open.send_lag)),
            generator_lag: histogram::sum(of_open().map(|open| &open.generator_lag)),
        });
        let of_events = || all.iter().filter_map(|one| one.lateness.as_ref());
        let lateness = of_events().next().map(|_| histogram::sum(of_events()));
        Self { service: histogram::sum(all.iter().map(|one| &one.service)), open, lateness }
    }

    /// What is judged of them.
    pub(super) fn times(&self) -> Times {
        let of_open = |of: fn(&DecodedOpen) -> &Histogram<u64>| {
            self.open.as_ref().map(|open| summary(of(open)))
        };
        let lower_bounds = of_open(|open| &open.lower_bounds).filter(|bounds| bounds.count > 0);
        Times {
            service_time: summary(&self.service),
            response_time: of_open(|open| &open.response),
            response_time_lower_bounds: lower_bounds,
            send_lag: of_open(|open| &open.send_lag),
            generator_lag: of_open(|open| &open.generator_lag),
            lateness: self.lateness.as_ref().map(summary),
        }
    }
}

/// What is judged of a histogram.
pub(super) fn summary(times: &Histogram<u64>) -> TimeSummary {
    TimeSummary {
        count: times.len(),
        ns_mean: times.mean().round() as u64,
        ns_min: Some(times.min()),
        ns_p50: times.value_at_quantile(0.5),
        ns_p90: Some(times.value_at_quantile(0.9)),
        ns_p99: times.value_at_quantile(0.99),
        ns_p999: times.value_at_quantile(0.999),
        ns_max: times.max(),
    }
}

/// A quantile of those that are judged; absent where a record does not keep it, as of one window.
///
/// # Panics
/// For any other quantile, which would be a mistake of ours.
pub(super) fn quantile(times: &TimeSummary, p: f64) -> Option<u64> {
    let kept = [
        (0.5, Some(times.ns_p50)),
        (0.9, times.ns_p90),
        (0.99, Some(times.ns_p99)),
        (0.999, Some(times.ns_p999)),
    ];
    let found = kept.into_iter().find(|(of, _)| *of == p);
    found.unwrap_or_else(|| unreachable!("no quantile {p} is judged of times")).1
}

#[cfg(test)]
mod tests {
    use super::*;
    use duet_units::Metric;

    #[test]
    fn all_quantiles_that_are_judged_are_kept() {
        let mut times = Histogram::new(3).expect("three digits");
        (1..=10_000).for_each(|ns| times.record(ns).expect("it resizes"));
        let kept = summary(&times);
        for p in Metric::ALL.into_iter().filter_map(Metric::latency_quantile) {
            assert_eq!(quantile(&kept, p), Some(times.value_at_quantile(p)), "{p}");
        }
        assert_eq!((kept.count, kept.ns_min, kept.ns_max), (10_000, Some(1), times.max()));
        assert!(kept.ns_mean.abs_diff(5_000) < 10, "{kept:?}");
        let empty = summary(&Histogram::new(3).expect("three digits"));
        let zero = Some(0);
        assert_eq!(empty, TimeSummary { ns_min: zero, ns_p90: zero, ..TimeSummary::default() });
    }
}
