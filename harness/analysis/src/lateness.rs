//! How late the events of streams came, in a block.

use anyhow::Result;

use crate::rounds::Rounds;
use crate::tails::{self, TAIL_MIN, WindowTimes};
use crate::times;
use duet_model::record::ArmRecord;
use duet_protocol::WindowResult;
use duet_units::Metric;

/// What the windows of a block say of events.
#[derive(Debug, Default)]
pub(super) struct Lateness {
    /// Per arm the quantiles that enough events stand behind.
    pub(super) arms: Vec<Vec<(Metric, f64)>>,
    /// Log ratios of the quantiles that were taken window by window.
    pub(super) log_ratios: Vec<(Metric, f64)>,
}

/// The quantiles of a block: far ones by windows where these have enough events, others of all
/// windows together. Nothing where responses are no streams.
///
/// # Errors
/// When a histogram is damaged.
pub(super) fn values(rounds: &Rounds<'_>, arms: &[ArmRecord]) -> Result<Lateness> {
    let (mut found, mut windows) = (Lateness::default(), vec![]);
    let quantiles = || Metric::ALL.into_iter().filter_map(|m| Some((m, m.lateness_quantile()?)));
    for (arm, record) in arms.iter().enumerate() {
        let records: Vec<&WindowResult> = rounds.of_arm(arm).map(|w| w.record).collect();
        if records.iter().all(|window| window.events.is_none()) {
            return Ok(Lateness::default());
        }
        let times = times::arm_times(record, &records)?;
        let all = times.all.lateness.unwrap_or_default();
        let supported = quantiles().filter(|(_, p)| duet_stats::supports_quantile(*p, all.count));
        let values =
            supported.filter_map(|(m, p)| Some((m, times::quantile(&all, p)?.max(1) as f64)));
        found.arms.push(values.collect());
        windows.extend(records.iter().zip(&times.windows).map(|(record, times)| WindowTimes {
            arm,
            round: record.round,
            times: times.lateness.unwrap_or_default(),
        }));
    }
    for (metric, p) in quantiles().filter(|(_, p)| *p >= TAIL_MIN) {
        let Some(tail) = tails::tail(&windows, p, arms.len()) else { continue };
        for (values, value) in found.arms.iter_mut().zip(&tail.values) {
            values.retain(|(of, _)| *of != metric);
            values.push((metric, *value));
        }
        found.log_ratios.push((metric, tail.log_ratio));
    }
    Ok(found)
}
