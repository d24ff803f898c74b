//! A block in which each arm runs alone: one long window of each, one arm after the other.
//!
//! Which arm comes first alternates from block to block. Memory is read by the second, in the
//! window and, where the load has one, in the rest behind it. At the end the server must still
//! respond as expected, and a cache that was filled must still hold everything.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{
    AFTER_LOAD, Around, Bench, BlockError, VERIFIED_CASES, blame, definition, definitions, drive,
    entries, first_look, halt, job, load, memory, observed, start, wait,
};
use crate::gauges::Gauges;
use crate::server::Running;
use crate::services::Told;
use duet_model::plan::BlockPlan;
use duet_model::record::{ArmRecord, BlockGauges, BlockRecord, Stage};
use duet_model::spec::{Entries, Load, Server, Workload};
use duet_process::interrupt::POLL;
use duet_protocol::{Job, WindowResult};

/// How long a response may take in a burst, in nanoseconds: every connection waits for all others.
const BURST_TIMEOUT_NS: u64 = 30_000_000_000;

/// Measures the arms one after the other, and writes what was seen into the record.
pub(super) fn measure(
    bench: &Bench<'_>,
    gauges: &mut Gauges,
    plan: &BlockPlan,
    (told, started): (&[Told], Instant),
    record: &mut BlockRecord,
) -> Result<(), BlockError> {
    let arms = definitions(bench, plan).0.arms.len();
    let mut state = || gauges.read().map_err(|error| halt(bench, None, Stage::Drive, &error));
    let before = state()?;
    let mut seen: Vec<Option<ArmRecord>> = (0..arms).map(|_| None).collect();
    let mut windows = vec![];
    for &arm in &plan.start_order {
        let arm = arm as usize;
        let mut own = record.clone();
        alone(bench, plan, (arm, &told[arm]), started, &mut own)?;
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

/// Starts an arm, drives it and stops it.
fn alone(
    bench: &Bench<'_>,
    plan: &BlockPlan,
    (arm, told): (usize, &Told),
    started: Instant,
    own: &mut BlockRecord,
) -> Result<(), BlockError> {
    let workload = definitions(bench, plan).1;
    let mut running = start(bench, plan, (arm, told))?;
    let server = definition(bench, &running.name);
    let verify = |running: &mut Running, error| halt(bench, Some(running), Stage::Verify, &error);
    let seen = first_look(bench, &running, server, workload)
        .and_then(|seen| verified(bench, &running, (server, workload)).map(|()| seen));
    let mut seen = seen.map_err(|error| verify(&mut running, error))?;
    let load = load(bench, plan);
    let filled = workload.entries.as_ref().filter(|_| load.entries > 0);
    if let Some(entries) = filled {
        let what = (workload, entries, load.entries);
        entries::fill(&running.addr, what, &running.name, bench.interrupt)
            .map_err(|error| verify(&mut running, error))?;
    }
    let asked = asked(bench, workload, filled.map(|entries| (entries, load.entries)));
    let job = solo_job(bench, plan, (&running, &asked))
        .map_err(|error| halt(bench, None, Stage::Drive, &error))?;
    seen.server.clone_from(&running.name);
    (own.arms, own.windows) = (vec![seen], vec![]);
    let Bench { cpus, services, interrupt, .. } = *bench;
    let around = Around { cpus, services, workload, interrupt, started };
    let arms = std::slice::from_mut(&mut running);
    let driven = match drive(&around, &job, arms, own) {
        Ok(driven) => driven,
        Err(error) => return Err(blame(bench, arms, workload, &error)),
    };
    rest(bench, &mut running, load, &mut own.arms[0])?;
    let ok = driven.first().map_or(0, |driven| driven.ok);
    let all_sent = ok >= 2 * (asked.cases.len() * job.cpus.len()) as u64;
    holds(bench, &running, (server, workload), (load, all_sent))
        .map_err(|error| verify(&mut running, error))?;
    running.stop().map_err(BlockError::Failed)
}

/// Compares some responses with a full client.
fn verified(
    bench: &Bench<'_>,
    running: &Running,
    (server, workload): (&Server, &Workload),
) -> Result<()> {
    bench.verifier.workload(running, server, workload, VERIFIED_CASES, bench.interrupt)
}

/// The workload that the generator is told: the burst, or the workload itself, with the entries
/// that were stored in the place of its cases.
fn asked(bench: &Bench<'_>, workload: &Workload, filled: Option<(&Entries, u32)>) -> Workload {
    let asked = bench.spec.driven(workload).clone();
    match filled {
        Some((entries, count)) => Workload { cases: entries::driven(entries, count), ..asked },
        None => asked,
    }
}

/// A job of one long window of one arm.
fn solo_job(
    bench: &Bench<'_>,
    plan: &BlockPlan,
    (running, asked): (&Running, &Workload),
) -> Result<Job> {
    let load = load(bench, plan);
    let window_ns = u64::from(load.solo_s.context("the load has no `solo_s`")?) * 1_000_000_000;
    let bodies = vec![None; asked.cases.len()];
    let job = job(bench, plan, asked, (std::slice::from_ref(running), &[bodies]), None)?;
    let timeout_ns = if load.rest_s.is_some() { BURST_TIMEOUT_NS } else { job.timeout_ns };
    Ok(Job {
        solo: true,
        rounds: vec![vec![0]; 2],
        measure_ns: window_ns,
        fixed_window_ns: Some(window_ns),
        // What is to be seen is what becomes of a server that was just started.
        warmup_ns: 0,
        timeout_ns,
        ..job
    })
}

/// Looks at memory when the load's connections are closed: a moment later, and by the second for as
/// long as nothing is sent.
fn rest(
    bench: &Bench<'_>,
    running: &mut Running,
    load: &Load,
    seen: &mut ArmRecord,
) -> Result<(), BlockError> {
    let closed = Instant::now();
    let rest = Duration::from_secs(load.rest_s.unwrap_or(0).into());
    let by_second = |seen: &mut ArmRecord| match load.rest_s {
        Some(_) => observed::by_second(running.root(), closed, &mut seen.rest),
        None => Ok(()),
    };
    let mut looks = || -> Result<(), BlockError> {
        let own = |error: anyhow::Error| halt(bench, None, Stage::Drive, &error);
        by_second(seen).map_err(own)?;
        wait(bench.interrupt, AFTER_LOAD)?;
        seen.after = memory(running.root()).map_err(own)?;
        while closed.elapsed() < rest {
            wait(bench.interrupt, POLL.min(rest.saturating_sub(closed.elapsed())))?;
            by_second(seen).map_err(own)?;
        }
        Ok(())
    };
    match looks() {
        // A server that has ended has no memory to be read.
        Err(BlockError::Failed(failure)) if !running.is_alive() => {
            Err(BlockError::Failed(running.failure(Stage::Drive, &failure.error)))
        }
        looked => looked,
    }
}

/// Whether a server responds as before, and has kept what was stored in it.
fn holds(
    bench: &Bench<'_>,
    running: &Running,
    (server, workload): (&Server, &Workload),
    (load, all_sent): (&Load, bool),
) -> Result<()> {
    verified(bench, running, (server, workload)).context("behind the window")?;
    let Some(entries) = workload.entries.as_ref().filter(|_| load.entries > 0) else {
        return Ok(());
    };
    for case in entries::read_back(entries, load.entries, all_sent) {
        bench
            .verifier
            .case(running, server, (workload, &case), bench.interrupt)
            .context("the server has not kept what was stored in it")?;
    }
    Ok(())
}
