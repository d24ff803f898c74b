//! One block: start every arm, verify, drive, look at memory, stop; all of it as a record.

use std::time::Instant;

use crate::MeasureError;
use crate::gauges::Gauges;
use crate::host;
use crate::services::work::{Driven, Ledger, check_events, check_waits};
use duet_model::plan::BlockPlan;
use duet_model::record::{BlockRecord, Stage};
use duet_model::spec::CellId;
use duet_process::interrupt::Interrupted;
use duet_units::duration_ns;

mod bench;
mod bisection;
mod drive;
mod entries;
mod halt;
mod job;
mod life;
mod memory_limit;
mod observed;
mod sampler;
mod solo;

pub use bench::Bench;
use bench::{BlockError, Life, definitions, load};
use halt::{Halt, blame};
use life::{VERIFIED_CASES, live};

/// The length of a cell's windows as its first block in `so_far` that counts has found it, so that
/// all are measured alike. One that failed or was disturbed is no guide.
#[must_use]
pub fn window_ns(so_far: &[BlockRecord], cell: &CellId) -> Option<u64> {
    let good = |b: &&BlockRecord| b.failure.is_none() && b.discarded.is_none();
    so_far.iter().filter(good).find(|block| block.cell == *cell).map(|block| block.window_ns)
}

/// Measures one block, with windows of a length that an earlier one has found, if one has.
///
/// # Errors
/// Only when interrupted; a block that fails is a record with a failure.
pub fn run(
    bench: &Bench<'_>,
    gauges: &mut Gauges,
    plan: &BlockPlan,
    window_ns: Option<u64>,
) -> Result<BlockRecord, Interrupted> {
    let started = Instant::now();
    let mut record = BlockRecord {
        cell: plan.cell.clone(),
        block: plan.block,
        started_ns: duration_ns(started - bench.run_started),
        elapsed_ns: 0,
        window_ns: 0,
        open: None,
        warmup_stationary: false,
        warmup_ns: 0,
        driven_ns: 0,
        foreign_cpu_ns: 0,
        throttled_ns: None,
        generator_run_delay_ns: None,
        listen_overflows: None,
        gauges: None,
        arms: vec![],
        services: vec![],
        windows: vec![],
        failure: None,
        discarded: None,
    };
    let overflows = host::listen_overflows();
    let outcome = measure(bench, gauges, plan, (window_ns, started), &mut record);
    let turned_away = |before: u64| Some(host::listen_overflows()?.saturating_sub(before));
    record.listen_overflows = overflows.and_then(turned_away);
    bench.services.end_block(bench.spec, definitions(bench, plan).1);
    match outcome {
        Ok(()) => {}
        Err(BlockError::Failed(failure)) => {
            record.failure = Some(failure);
            // What was not driven to the end has no memory under load: no zeros in its place.
            if record.windows.is_empty() {
                record.arms.clear();
            }
        }
        Err(BlockError::Interrupted(interrupted)) => return Err(interrupted),
    }
    record.elapsed_ns = duration_ns(started.elapsed());
    Ok(record)
}

fn measure(
    bench: &Bench<'_>,
    gauges: &mut Gauges,
    plan: &BlockPlan,
    (window_ns, started): (Option<u64>, Instant),
    record: &mut BlockRecord,
) -> Result<(), BlockError> {
    let (matchup, workload) = definitions(bench, plan);
    let of_service =
        |error: MeasureError| blame(bench, workload, &mut [], Halt::at(Stage::Service, error));
    let told = bench.services.ready(bench.spec, [workload], matchup.arms.len());
    let told = told.map_err(of_service)?;
    let arms = &plan.start_order[..];
    let life = Life { arms, told: &told, memory_bytes: None, window_ns, started };
    if let Some(range) = load(bench, plan).memory_limit {
        return memory_limit::measure(bench, plan, (range, &life), record);
    }
    if load(bench, plan).solo_s.is_some() {
        return solo::measure(bench, gauges, plan, &life, record);
    }
    let ledger = bench.services.open_ledger(bench.spec, workload).map_err(of_service)?;
    let driven = live(bench, plan, &life, Some(gauges), record)?;
    prove(bench, plan, (&ledger, &driven), record).map_err(of_service)
}

/// Writes down what the services have counted, and compares it with what the responses need.
fn prove(
    bench: &Bench<'_>,
    plan: &BlockPlan,
    (ledger, driven): (&Ledger, &[Driven]),
    record: &mut BlockRecord,
) -> Result<(), MeasureError> {
    let (matchup, workload) = definitions(bench, plan);
    // The first response, and those that the full client has compared.
    let verified = (1 + workload.cases.len().min(VERIFIED_CASES)) as u64;
    let driven: Vec<_> =
        driven.iter().map(|of| Driven { sent: of.sent + verified, ..*of }).collect();
    let (services, spec) = (bench.services, bench.spec);
    let counted = services.close_ledger(spec, workload, ledger, &driven)?;
    for (used, (_, counts)) in record.services.iter_mut().zip(&counted) {
        used.arms.clone_from(counts);
    }
    let threads = bench.cpus_under(load(bench, plan)).generator.len();
    services.check_work(spec, workload, &matchup.arms, &counted, threads)?;
    check_waits(workload, &matchup.arms, &record.windows)?;
    Ok(check_events(&matchup.arms, &record.windows)?)
}
