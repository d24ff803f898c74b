//! Any block of servers reduced to numbers, whatever its loop.

use std::collections::BTreeMap;

use crate::rounds::{Window, rounds, service_times, window_values};
use crate::values::{BlockValues, arm_log_ratios, start_values};
use crate::{open, search};
use duet_model::record::BlockRecord;
use duet_protocol::WindowResult;
use duet_units::{CellKind, Loop, Metric};

/// The numbers of a block.
///
/// # Errors
/// Why it does not count.
pub(super) fn block_values(block: &BlockRecord) -> Result<BlockValues, String> {
    if block.arms.iter().any(|arm| arm.search.is_some()) {
        return search::values(block);
    }
    let rounds = rounds(block)?;
    let mut arms: Vec<BTreeMap<Metric, f64>> = block.arms.iter().map(start_values).collect();
    let mut histogram_error = None;
    let mut open = vec![];
    for (i, arm) in arms.iter_mut().enumerate() {
        let windows: Vec<Window> = rounds.of_arm(i).collect();
        arm.extend(window_values(&windows));
        let times = if block.open.is_none() {
            service_times(&windows)
        } else {
            arm.retain(|metric, _| metric.is_result(CellKind::Servers(Loop::Open)));
            let records: Vec<&WindowResult> = windows.iter().map(|w| w.record).collect();
            open::values(&records).map(|(latencies, values)| {
                open.push(values);
                latencies
            })
        };
        match times {
            Ok(times) => arm.extend(times),
            Err(error) => histogram_error = Some(format!("{error:#}")),
        }
    }
    if histogram_error.is_some() {
        open.clear();
    }
    let mut log_ratios = arm_log_ratios(&arms);
    // Windows are compared within their round, where both arms met the same state of the machine.
    for metric in [Metric::RequestsPerSecond, Metric::CpuNsPerRequest] {
        match rounds.log_ratio(metric) {
            Some(log_ratio) if arms.iter().all(|arm| arm.contains_key(&metric)) => {
                log_ratios.insert(metric, log_ratio)
            }
            _ => log_ratios.remove(&metric),
        };
    }
    let (rounds_dropped, search) = (rounds.dropped, vec![]);
    Ok(BlockValues { arms, log_ratios, rounds_dropped, histogram_error, open, search })
}
