//! The life of a block's arms: start, first look, verify, drive, look at memory, stop. The same for
//! arms that run together, for one that runs alone and for one under a memory limit.

use std::borrow::Cow;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::bench::{Bench, BlockError, Life, definition, definitions, load};
use super::drive::{Around, drive};
use super::entries;
use super::halt::{Halt, blame};
use super::job::{ANSWER_LIMIT, CompressedBodies, job};
use super::observed::{self, memory};
use crate::gauges::Gauges;
use crate::host::Cpus;
use crate::server::{self, Launch, Running};
use crate::services::work::Driven;
use crate::{MeasureError, probe, requests};
use duet_model::plan::BlockPlan;
use duet_model::record::{ArmRecord, BlockGauges, BlockRecord, Stage, Wire};
use duet_model::spec::{Load, Workload};
use duet_process::cgroup::Limits;
use duet_process::interrupt::{Interrupt, Interrupted, POLL};
use duet_units::duration_ns;

/// Cases verified with the full client in every block; all of them are verified once a run, and the
/// generator compares every answer anyway.
pub(super) const VERIFIED_CASES: usize = 8;

/// The longest request that is probed by plain blocking calls: any socket takes as much.
const PROBED_BYTES_MAX: usize = 64 << 10;

/// How long after the load memory is read again: long enough for connections to be torn down, short
/// enough to say what a server keeps and not what a collector gives back minutes later.
const AFTER_LOAD: Duration = Duration::from_millis(200);

/// A whole life. What is seen is written into the record; returns what was counted of each arm.
pub(super) fn live(
    bench: &Bench<'_>,
    plan: &BlockPlan,
    life: &Life<'_>,
    gauges: Option<&mut Gauges>,
    record: &mut BlockRecord,
) -> Result<Vec<Driven>, BlockError> {
    let mut arms = vec![];
    let driven = until_stop(bench, plan, life, gauges, &mut arms, record);
    let workload = definitions(bench, plan).1;
    let driven = driven.map_err(|halt| blame(bench, workload, &mut arms, halt))?;
    for running in arms {
        running.stop().map_err(BlockError::Failed)?;
    }
    Ok(driven)
}

/// A life until its arms are to be stopped, which are left in `arms` by the matchup's order.
pub(super) fn until_stop(
    bench: &Bench<'_>,
    plan: &BlockPlan,
    life: &Life<'_>,
    mut gauges: Option<&mut Gauges>,
    arms: &mut Vec<Running>,
    record: &mut BlockRecord,
) -> Result<Vec<Driven>, Halt> {
    start_all(bench, plan, life, arms, record)?;
    let (workload, load) = (definitions(bench, plan).1, load(bench, plan));
    for (arm, running) in arms.iter().enumerate() {
        verify(bench, running, workload).map_err(Halt::verifying(arm))?;
    }
    let asked = asked(bench, workload, load);
    let mut bodies = vec![];
    for (arm, running) in arms.iter().enumerate() {
        fill(bench, running, workload, load).map_err(Halt::verifying(arm))?;
        let compressed = compressed_bodies(bench, running, &asked);
        bodies.push(compressed.map_err(Halt::verifying(arm))?);
    }
    let job = job(bench, plan, life, &asked, (arms, &bodies))?;
    let Bench { cpus, services, interrupt, .. } = *bench;
    let around = Around { cpus, services, workload, interrupt, started: life.started };
    let before = gauges.as_mut().map(|gauges| gauges.read()).transpose()?;
    let driven = drive(&around, &job, arms, record)?;
    if life.memory_bytes.is_none() {
        rest(bench, arms, load, record)?;
    }
    if let Some((gauges, before)) = gauges.zip(before) {
        record.gauges = Some(BlockGauges { before, after: gauges.read()? });
    }
    if load.solo_s.is_some() {
        let all = 2 * (asked.cases.len() * job.cpus.len()) as u64;
        for (arm, (running, driven)) in arms.iter().zip(&driven).enumerate() {
            let held = holds(bench, running, workload, (load, driven.ok >= all));
            held.map_err(Halt::verifying(arm))?;
        }
    }
    Ok(driven)
}

/// Starts the arms, each with a first look; what is seen lies beside them in the record.
fn start_all(
    bench: &Bench<'_>,
    plan: &BlockPlan,
    life: &Life<'_>,
    arms: &mut Vec<Running>,
    record: &mut BlockRecord,
) -> Result<(), Halt> {
    let workload = definitions(bench, plan).1;
    let mut begun: Vec<u32> = vec![];
    for &index in life.arms {
        let running = start(bench, plan, life, index as usize)
            .map_err(|error| Halt::at(Stage::Start, error))?;
        let at = begun.partition_point(|earlier| *earlier < index);
        begun.insert(at, index);
        arms.insert(at, running);
        let seen = first_look(bench, &arms[at], workload).map_err(Halt::verifying(at))?;
        record.arms.insert(at, seen);
    }
    Ok(())
}

/// Starts an arm of the matchup.
fn start(
    bench: &Bench<'_>,
    plan: &BlockPlan,
    life: &Life<'_>,
    arm: usize,
) -> Result<Running, MeasureError> {
    let (matchup, workload) = definitions(bench, plan);
    let (server, load) = (definition(bench, &matchup.arms[arm]), load(bench, plan));
    let Cpus { servers: cpus, .. } = bench.cpus_under(load);
    let launch = Launch {
        root: server.root.as_deref().unwrap_or(bench.root),
        cpus: &cpus,
        threads: cpus.len() as u32,
        transport: load.transport,
        certificate: bench.verifier.certificate(load.transport)?,
        told: &life.told[arm],
        options: &workload.options,
        limits: Limits { cpus: load.cpu_limit, memory_bytes: life.memory_bytes },
        padding_bytes: bench.padding_bytes + plan.padding_bytes[arm],
    };
    server::start(server, &launch, bench.interrupt)
}

/// The first right answer of a server that has just started, and its memory then.
fn first_look(
    bench: &Bench<'_>,
    running: &Running,
    workload: &Workload,
) -> Result<ArmRecord, MeasureError> {
    let server = definition(bench, &running.name);
    let (addr, transport) = (&running.addr, running.transport);
    let case = workload.cases.first().context("the workload has no cases")?;
    let reading = Instant::now();
    let listening = Some(memory(running.root())?);
    let reading = reading.elapsed(); // no part of the server's start
    let exchange = requests::exchange(workload, case, &running.name, (addr, transport), None);
    let compressed = workload.answer(case, &running.name).gzip;
    // The probe reads when it has written: a long body that is streamed back needs both at once.
    let wire: Wire = if transport.is_http2()
        || compressed
        || exchange.message.is_some()
        || exchange.request.len() > PROBED_BYTES_MAX
    {
        bench.verifier.case(running, server, (workload, case), bench.interrupt)?
    } else {
        let tls = bench.verifier.tls(transport)?;
        probe::first_answer(running, tls.as_ref(), &exchange, ANSWER_LIMIT, bench.interrupt)?
    };
    // No part of the start either: what the server must wait before it responds.
    let wait = Duration::from_millis(case.least_ms.unwrap_or(0).into());
    let startup = running.started.elapsed().saturating_sub(reading + wait);
    let startup_ns = duration_ns(startup);
    let idle = memory(running.root())?;
    Ok(ArmRecord { startup_ns, listening, idle, wire, ..ArmRecord::unseen(&running.name) })
}

/// Compares some responses with a full client.
fn verify(bench: &Bench<'_>, running: &Running, workload: &Workload) -> Result<(), MeasureError> {
    let server = definition(bench, &running.name);
    bench.verifier.workload(running, server, workload, VERIFIED_CASES, bench.interrupt)
}

/// The workload that the generator is told. Of an arm alone: the burst, or the workload itself with
/// the entries that are stored in the place of its cases.
fn asked<'a>(bench: &Bench<'a>, workload: &'a Workload, load: &Load) -> Cow<'a, Workload> {
    if load.solo_s.is_none() {
        return Cow::Borrowed(workload);
    }
    let driven = bench.spec.driven(workload);
    match &workload.entries {
        Some(of) if load.entries > 0 => {
            Cow::Owned(Workload { cases: entries::driven(of, load.entries), ..driven.clone() })
        }
        _ => Cow::Borrowed(driven),
    }
}

/// Stores the entries of a load.
fn fill(
    bench: &Bench<'_>,
    running: &Running,
    workload: &Workload,
    load: &Load,
) -> Result<(), MeasureError> {
    let Some(entries) = workload.entries.as_ref().filter(|_| load.entries > 0) else {
        return Ok(());
    };
    entries::fill(running, (workload, entries, load.entries), bench.interrupt)
}

/// The bodies of the cases that an arm compresses.
fn compressed_bodies(
    bench: &Bench<'_>,
    running: &Running,
    workload: &Workload,
) -> Result<CompressedBodies, MeasureError> {
    let server = definition(bench, &running.name);
    let of_case =
        |case| bench.verifier.compressed(running, server, (workload, case), bench.interrupt);
    workload.cases.iter().map(of_case).collect()
}

/// Looks at memory when the load's connections are closed: a moment later, and by the second for as
/// long as nothing is sent.
fn rest(
    bench: &Bench<'_>,
    arms: &[Running],
    load: &Load,
    record: &mut BlockRecord,
) -> Result<(), MeasureError> {
    let closed = Instant::now();
    let rest = Duration::from_secs(load.rest_s.unwrap_or(0).into());
    let by_second = |record: &mut BlockRecord| -> Result<(), MeasureError> {
        for (arm, running) in record.arms.iter_mut().zip(arms) {
            if load.rest_s.is_some() {
                observed::by_second(running.root(), closed, &mut arm.rest)?;
            }
        }
        Ok(())
    };
    by_second(record)?;
    wait(bench.interrupt, AFTER_LOAD)?;
    for (arm, running) in record.arms.iter_mut().zip(arms) {
        arm.after = memory(running.root())?;
    }
    while closed.elapsed() < rest {
        wait(bench.interrupt, POLL.min(rest.saturating_sub(closed.elapsed())))?;
        by_second(record)?;
    }
    Ok(())
}

/// Waits, and looks at the interrupt meanwhile.
fn wait(interrupt: &Interrupt, time: Duration) -> Result<(), Interrupted> {
    let until = Instant::now() + time;
    while let Some(rest) = until.checked_duration_since(Instant::now()) {
        interrupt.check()?;
        thread::sleep(rest.min(POLL));
    }
    Ok(())
}

/// Whether a server responds as before, and has kept what was stored in it.
fn holds(
    bench: &Bench<'_>,
    running: &Running,
    workload: &Workload,
    (load, all_sent): (&Load, bool),
) -> Result<(), MeasureError> {
    let server = definition(bench, &running.name);
    verify(bench, running, workload).map_err(|error| error.context("behind the window"))?;
    let Some(entries) = workload.entries.as_ref().filter(|_| load.entries > 0) else {
        return Ok(());
    };
    for case in entries::read_back(entries, load.entries, all_sent) {
        bench
            .verifier
            .case(running, server, (workload, &case), bench.interrupt)
            .map_err(|error| error.context("the server has not kept what was stored in it"))?;
    }
    Ok(())
}
