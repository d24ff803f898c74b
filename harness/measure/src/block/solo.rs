//! A block in which each arm runs alone: one long window of each, one arm after the other.
//!
//! Which arm comes first alternates from block to block. Memory is read by the second, in the
//! window and, where the load has one, in the rest behind it. At the end the server must still
//! respond as expected, and a cache that was filled must still hold everything.

use std::slice::from_ref;

use super::bench::{Bench, BlockError, Life, definitions};
use super::halt::{Halt, blame};
use super::life::live;
use crate::gauges::Gauges;
use duet_model::plan::BlockPlan;
use duet_model::record::{ArmRecord, BlockGauges, BlockRecord};
use duet_protocol::WindowResult;

/// Measures the arms one after the other, and writes what was seen into the record.
pub(super) fn measure(
    bench: &Bench<'_>,
    gauges: &mut Gauges,
    plan: &BlockPlan,
    life: &Life<'_>,
    record: &mut BlockRecord,
) -> Result<(), BlockError> {
    let (matchup, workload) = definitions(bench, plan);
    let arms = matchup.arms.len();
    let mut state =
        || gauges.read().map_err(|error| blame(bench, workload, &mut [], Halt::from(error)));
    let before = state()?;
    let mut seen: Vec<Option<ArmRecord>> = (0..arms).map(|_| None).collect();
    let mut windows = vec![];
    for index in life.arms {
        let alone = Life { arms: from_ref(index), window_ns: None, ..*life };
        let mut own = record.clone();
        live(bench, plan, &alone, None, &mut own)?;
        let arm = *index as usize;
        windows.extend(own.windows.drain(..).map(|window| of_arm(window, arm, arms)));
        seen[arm] = own.arms.pop();
        add(record, &own);
    }
    record.windows = windows;
    record.arms = seen.into_iter().flatten().collect();
    record.gauges = Some(BlockGauges { before, after: state()? });
    Ok(())
}

/// A window of a job of one arm, as one of a block of several.
fn of_arm(window: WindowResult, arm: usize, arms: usize) -> WindowResult {
    let mut server_cpu_ns = vec![0; arms];
    server_cpu_ns[arm] = window.server_cpu_ns.first().copied().unwrap_or(0);
    WindowResult { arm: arm as u32, server_cpu_ns, ..window }
}

/// Adds what the block of one arm says of all of it.
fn add(record: &mut BlockRecord, own: &BlockRecord) {
    let sum = |so_far: Option<u64>, more: Option<u64>| Some(so_far.unwrap_or(0) + more?);
    record.open = own.open;
    record.window_ns = own.window_ns;
    record.warmup_ns += own.warmup_ns;
    record.driven_ns += own.driven_ns;
    record.foreign_cpu_ns += own.foreign_cpu_ns;
    record.throttled_ns = sum(record.throttled_ns, own.throttled_ns);
    record.generator_run_delay_ns = sum(record.generator_run_delay_ns, own.generator_run_delay_ns);
}
