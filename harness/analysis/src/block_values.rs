//! Any block of servers reduced to numbers, whatever its loop.

use std::collections::BTreeMap;

use crate::lateness::{self, Lateness};
use crate::open::OpenBlock;
use crate::rounds::{Window, rounds, service_times, window_values};
use crate::values::{BlockValues, arm_log_ratios, start_values};
use crate::{long, memory_search, open, search};
use duet_model::record::BlockRecord;
use duet_units::{CellKind, Loop, Metric};

/// The numbers of a block.
///
/// # Errors
/// Why it does not count.
pub(super) fn block_values(block: &BlockRecord) -> Result<BlockValues, String> {
    if block.arms.iter().any(|arm| arm.search.is_some()) {
        return search::values(block);
    }
    if block.arms.iter().any(|arm| arm.memory_search.is_some()) {
        return memory_search::values(block);
    }
    let (rounds, of) = (rounds(block)?, long::loop_of(block));
    let mut arms: Vec<BTreeMap<Metric, f64>> = block.arms.iter().map(start_values).collect();
    let mut histogram_error = None;
    let mut open = vec![];
    let mut tails = vec![];
    for (i, arm) in arms.iter_mut().enumerate() {
        let windows: Vec<Window> = rounds.of_arm(i).collect();
        arm.extend(window_values(&windows));
        if of != Loop::Closed {
            arm.extend(long::values(block, i));
            arm.retain(|metric, _| metric.is_result(CellKind::Servers(of)));
            continue;
        }
        match service_times(&block.arms[i], &windows) {
            Ok(times) => arm.extend(times),
            Err(error) => histogram_error = Some(format!("{error:#}")),
        }
    }
    if block.open.is_some() {
        match open::values(&rounds, &block.arms) {
            Ok(OpenBlock { latencies, values, log_ratios }) => {
                arms.iter_mut().zip(latencies).for_each(|(arm, own)| arm.extend(own));
                (open, tails) = (values, log_ratios);
            }
            Err(error) => histogram_error = Some(format!("{error:#}")),
        }
    }
    match lateness::values(&rounds, &block.arms) {
        Ok(Lateness { arms: of_events, log_ratios }) => {
            arms.iter_mut().zip(of_events).for_each(|(arm, own)| arm.extend(own));
            tails.extend(log_ratios);
        }
        Err(error) => histogram_error = Some(format!("{error:#}")),
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
    log_ratios.extend(tails);
    let (rounds_dropped, search) = (rounds.dropped, vec![]);
    Ok(BlockValues { arms, log_ratios, rounds_dropped, histogram_error, open, search })
}
