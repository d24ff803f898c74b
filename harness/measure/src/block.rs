//! One block: start every arm, verify, drive, look at memory, stop; all of it as a record.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::gauges::Gauges;
use crate::host::Cpus;
use crate::server::{self, Launch, Running};
use crate::services::work::{Driven, Ledger, check_events, check_waits};
use crate::services::{Services, Told};
use crate::verify::Verifier;
use crate::{probe, requests};
use duet_model::plan::{self, BlockPlan};
use duet_model::record::{ArmRecord, BlockGauges, BlockRecord, Failure, Stage, Wire};
use duet_model::spec::{Case, CellId, Load, Matchup, Rate, Server, Spec, Suite, Workload};
use duet_process::cgroup::{Group, Limits};
use duet_process::interrupt::{Interrupt, Interrupted, POLL};
use duet_protocol::{ArmJob, Job};
use duet_units::duration_ns;

mod bisection;
mod drive;
mod entries;
mod memory_limit;
mod observed;
mod sampler;
mod solo;

use drive::{Around, DriveError, drive};
use observed::memory;

/// Cases verified with the full client in every block; all of them are verified once a run, and the
/// generator compares every answer anyway.
const VERIFIED_CASES: usize = 8;

/// The longest request that is probed by plain blocking calls: any socket takes as much.
const PROBED_BYTES_MAX: usize = 64 << 10;

/// How long after the load memory is read again: long enough for connections to be torn down, short
/// enough to say what a server keeps and not what a collector gives back minutes later.
const AFTER_LOAD: Duration = Duration::from_millis(200);

/// How long an answer may take before it is an error, and how long the generator may be silent
/// beyond what it has been asked to do.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// What blocks have in common.
#[derive(Debug)]
pub struct Bench<'a> {
    /// The folder above the definitions.
    pub root: &'a Path,
    /// The folder of definitions.
    pub definitions: &'a Path,
    /// The definitions.
    pub spec: &'a Spec,
    /// The suite.
    pub suite: &'a Suite,
    /// CPUs.
    pub cpus: &'a Cpus,
    /// Bytes by which servers' environments are larger than the plan of a block says.
    pub padding_bytes: u32,
    /// The layout of executables; absent: that of any build.
    pub layout: Option<u32>,
    /// The client that verifies.
    pub verifier: &'a Verifier,
    /// What servers need beside themselves.
    pub services: &'a Services,
    /// When the run began.
    pub run_started: Instant,
    /// Ctrl-C.
    pub interrupt: &'a Interrupt,
}

/// Why a block ended early: as data, or because the harness must stop.
enum BlockError {
    Failed(Failure),
    Interrupted(Interrupted),
}

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
        gauges: None,
        arms: vec![],
        services: vec![],
        windows: vec![],
        failure: None,
        discarded: None,
    };
    let outcome = measure(bench, gauges, plan, (window_ns, started), &mut record);
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
    let service = |error: anyhow::Error| of_service(bench, error);
    let told = bench.services.ready(bench.spec, [workload], matchup.arms.len()).map_err(service)?;
    if let Some(range) = load(bench, plan).memory_limit {
        return memory_limit::measure(bench, plan, (range, &told), started, record);
    }
    if load(bench, plan).solo_s.is_some() {
        return solo::measure(bench, gauges, plan, (&told, started), record);
    }
    let ledger = bench.services.open_ledger(bench.spec, workload).map_err(service)?;
    let mut arms = start_all(bench, plan, &told, record)?;
    for running in &mut arms {
        let server = definition(bench, &running.name);
        let verified =
            bench.verifier.workload(running, server, workload, VERIFIED_CASES, bench.interrupt);
        verified.map_err(|e| halt(bench, Some(running), Stage::Verify, &e))?;
    }
    let compressed = arms.iter_mut().map(|running| {
        let bodies = compressed_bodies(bench, running, workload);
        bodies.map_err(|error| halt(bench, Some(running), Stage::Verify, &error))
    });
    let compressed: Vec<_> = compressed.collect::<Result<_, BlockError>>()?;
    let job = job(bench, plan, workload, (&arms, &compressed), window_ns)
        .map_err(|error| halt(bench, None, Stage::Drive, &error))?;
    let Bench { cpus, services, interrupt, .. } = *bench;
    let around = Around { cpus, services, workload, interrupt, started };
    let mut state = || gauges.read().map_err(|error| halt(bench, None, Stage::Drive, &error));
    let before = state()?;
    let driven = match drive(&around, &job, &arms, record) {
        Ok(driven) => driven,
        Err(error) => return Err(blame(bench, &mut arms, workload, &error)),
    };
    wait(bench.interrupt, AFTER_LOAD)?;
    for (arm, running) in record.arms.iter_mut().zip(&arms) {
        arm.after = memory(running.root()).map_err(|e| halt(bench, None, Stage::Drive, &e))?;
    }
    record.gauges = Some(BlockGauges { before, after: state()? });
    for running in arms {
        running.stop().map_err(BlockError::Failed)?;
    }
    prove(bench, matchup, workload, (&ledger, &driven), record)
        .map_err(|error| of_service(bench, error))
}

/// Writes down what the services have counted, and compares it with what the responses need.
fn prove(
    bench: &Bench<'_>,
    matchup: &Matchup,
    workload: &Workload,
    (ledger, driven): (&Ledger, &[Driven]),
    record: &mut BlockRecord,
) -> Result<()> {
    // The first response, and those that the full client has compared.
    let verified = (1 + workload.cases.len().min(VERIFIED_CASES)) as u64;
    let driven: Vec<_> =
        driven.iter().map(|of| Driven { sent: of.sent + verified, ..*of }).collect();
    let (services, spec) = (bench.services, bench.spec);
    let counted = services.close_ledger(spec, workload, ledger, &driven)?;
    for (used, (_, counts)) in record.services.iter_mut().zip(&counted) {
        used.arms.clone_from(counts);
    }
    services.check_work(spec, workload, &matchup.arms, &counted, bench.cpus.generator.len())?;
    check_waits(workload, &matchup.arms, &record.windows)?;
    check_events(&matchup.arms, &record.windows)
}

/// A halt from an error about services, which says what failed.
fn of_service(bench: &Bench<'_>, error: anyhow::Error) -> BlockError {
    match error.downcast::<Failure>() {
        Ok(failure) => match bench.interrupt.check() {
            Err(interrupted) => BlockError::Interrupted(interrupted),
            Ok(()) => BlockError::Failed(failure),
        },
        Err(error) => halt(bench, None, Stage::Service, &error),
    }
}

/// The definitions a plan refers to. The loader has checked that they exist.
fn definitions<'a>(bench: &Bench<'a>, plan: &BlockPlan) -> (&'a Matchup, &'a Workload) {
    let matchup = bench.spec.matchup(&plan.cell.matchup);
    let workload = bench.spec.workload(&plan.cell.workload);
    match (matchup, workload) {
        (Some(matchup), Some(workload)) => (matchup, workload),
        _ => unreachable!("the plan was made from these definitions"),
    }
}

/// The definition of a server. The loader has checked that it exists.
fn definition<'a>(bench: &Bench<'a>, name: &str) -> &'a Server {
    match bench.spec.server(name) {
        Some(server) => server,
        None => unreachable!("the loader has checked the matchup's servers"),
    }
}

/// Starts the arms in the plan's order; they come back in the matchup's.
fn start_all(
    bench: &Bench<'_>,
    plan: &BlockPlan,
    told: &[Told],
    record: &mut BlockRecord,
) -> Result<Vec<Running>, BlockError> {
    let (matchup, workload) = definitions(bench, plan);
    let mut arms: Vec<Option<(Running, ArmRecord)>> = matchup.arms.iter().map(|_| None).collect();
    for &index in &plan.start_order {
        let index = index as usize;
        let server = definition(bench, &matchup.arms[index]);
        let mut running = start(bench, plan, (index, &told[index]))?;
        let arm = first_look(bench, &running, server, workload)
            .map_err(|e| halt(bench, Some(&mut running), Stage::Verify, &e))?;
        arms[index] = Some((running, arm));
    }
    let (arms, records) = arms.into_iter().flatten().unzip();
    record.arms = records;
    Ok(arms)
}

/// Starts an arm.
fn start(
    bench: &Bench<'_>,
    plan: &BlockPlan,
    (arm, told): (usize, &Told),
) -> Result<Running, BlockError> {
    let name = &definitions(bench, plan).0.arms[arm];
    let server = definition(bench, name);
    let limits = Limits { cpus: load(bench, plan).cpu_limit, memory_bytes: None };
    let launch = launch(bench, plan, server, (arm, told, limits))
        .map_err(|error| halt(bench, None, Stage::Start, &error))?;
    server::start(server, &launch, bench.interrupt).map_err(|error| {
        match error.downcast::<Failure>() {
            Ok(failure) => BlockError::Failed(failure),
            Err(error) => interrupted_or(bench, &error, || Failure {
                stage: Stage::Start,
                server: Some(name.clone()),
                error: format!("{error:#}"),
                stderr: vec![],
            }),
        }
    })
}

/// How an arm is started.
fn launch<'a>(
    bench: &'a Bench<'_>,
    plan: &BlockPlan,
    server: &'a Server,
    (arm, told, limits): (usize, &'a Told, Limits),
) -> Result<Launch<'a>> {
    let transport = load(bench, plan).transport;
    Ok(Launch {
        root: server.root.as_deref().unwrap_or(bench.root),
        cpus: &bench.cpus.servers,
        threads: bench.suite.server_cpus,
        transport,
        certificate: bench.verifier.certificate(transport)?,
        told,
        options: &definitions(bench, plan).1.options,
        limits,
        padding_bytes: bench.padding_bytes + plan.padding_bytes[arm],
    })
}

/// By case, the body that an arm sends where it compresses it.
fn compressed_bodies(
    bench: &Bench<'_>,
    running: &Running,
    workload: &Workload,
) -> Result<CompressedBodies> {
    let server = definition(bench, &running.name);
    let of_case =
        |case| bench.verifier.compressed(running, server, (workload, case), bench.interrupt);
    workload.cases.iter().map(of_case).collect()
}

/// The first right answer of a server that has just started, and its memory then.
fn first_look(
    bench: &Bench<'_>,
    running: &Running,
    server: &Server,
    workload: &Workload,
) -> Result<ArmRecord> {
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

/// By case, the body that an arm sends where it compresses it.
type CompressedBodies = Vec<Option<Vec<u8>>>;

/// What the generator is told.
fn job(
    bench: &Bench<'_>,
    plan: &BlockPlan,
    workload: &Workload,
    (arms, compressed): (&[Running], &[CompressedBodies]),
    window_ns: Option<u64>,
) -> Result<Job> {
    let load = load(bench, plan);
    let ms = |ms: u32| u64::from(ms) * 1_000_000;
    let certificate = bench.verifier.certificate(load.transport)?;
    let arm = |(running, compressed): (&Running, &CompressedBodies)| {
        let of = (&running.addr, load.transport);
        let exchange = |(case, body): (&Case, &Option<Vec<u8>>)| {
            requests::exchange(workload, case, &running.name, of, body.as_deref())
        };
        ArmJob {
            addr: running.addr.clone(),
            certificate_pem: certificate.map(|certificate| certificate.pem().to_owned()),
            server_name: None,
            pid: running.pid(),
            root: Some(running.root()),
            cgroup: running.group().map(Group::words).unwrap_or_default(),
            exchanges: workload.cases.iter().zip(compressed).map(exchange).collect(),
        }
    };
    Ok(Job {
        arms: arms.iter().zip(compressed).map(arm).collect(),
        connections: load.connections,
        transport: load.transport,
        tls_resume: load.tls_resume,
        streams: load.streams,
        churn: workload.churn,
        idle: load.idle,
        cpus: bench.cpus.generator.clone(),
        server_cpus: bench.cpus.servers.clone(),
        open: open_loop(load),
        lead_ns: ms(plan::lead_ms(bench.suite, workload, load)),
        window_ns: ms(bench.suite.window_ms),
        fixed_window_ns: window_ns,
        measure_ns: ms(bench.suite.measure_ms),
        solo: false,
        warmup_ns: ms(bench.suite.warmup_ms),
        rounds: plan.rounds.clone(),
        timeout_ns: duration_ns(ANSWER_LIMIT),
        seed: plan.seed,
    })
}

/// The load of a block. The loader has checked that it exists.
fn load<'a>(bench: &Bench<'a>, plan: &BlockPlan) -> &'a Load {
    match bench.spec.load(&plan.cell.load) {
        Some(load) => load,
        None => unreachable!("the plan was made from these definitions"),
    }
}

/// When requests are due, in the generator's terms.
fn open_loop(load: &Load) -> Option<duet_protocol::OpenLoop> {
    let open = load.open?;
    let rate = match open.rate {
        Rate::PerSecond(rate) => duet_protocol::Rate::PerSecond(rate.into()),
        Rate::Share(share) => duet_protocol::Rate::Share(share),
        Rate::Within(limit) => duet_protocol::Rate::Within(limit),
    };
    Some(duet_protocol::OpenLoop { rate, arrivals: open.arrivals })
}

/// A halt from an error while driving: it is the failure of a service that has ended, or of the arm
/// that the generator named, or of the first one that has ended, or of the generator.
fn blame(
    bench: &Bench<'_>,
    arms: &mut [Running],
    workload: &Workload,
    error: &DriveError,
) -> BlockError {
    if let (Some(failure), Ok(())) = (bench.services.ended(workload), bench.interrupt.check()) {
        return BlockError::Failed(failure);
    }
    let dead = || arms.iter_mut().position(|running| !running.is_alive());
    let guilty = error.arm.or_else(dead);
    halt(bench, guilty.and_then(|arm| arms.get_mut(arm)), Stage::Drive, &error.error)
}

fn halt(
    bench: &Bench<'_>,
    running: Option<&mut Running>,
    stage: Stage,
    error: &anyhow::Error,
) -> BlockError {
    interrupted_or(bench, error, || {
        let message = format!("{error:#}");
        match running {
            Some(running) => running.failure(stage, &message),
            None => Failure { stage, server: None, error: message, stderr: vec![] },
        }
    })
}

/// An interruption wins over whatever failure it caused.
fn interrupted_or(
    bench: &Bench<'_>,
    error: &anyhow::Error,
    failure: impl FnOnce() -> Failure,
) -> BlockError {
    match (error.downcast_ref::<Interrupted>(), bench.interrupt.check()) {
        (Some(interrupted), _) => BlockError::Interrupted(*interrupted),
        (None, Err(interrupted)) => BlockError::Interrupted(interrupted),
        (None, Ok(())) => BlockError::Failed(failure()),
    }
}

/// Waits, and looks at the interrupt meanwhile.
fn wait(interrupt: &Interrupt, time: Duration) -> Result<(), BlockError> {
    let until = Instant::now() + time;
    while let Some(rest) = until.checked_duration_since(Instant::now()) {
        interrupt.check().map_err(BlockError::Interrupted)?;
        thread::sleep(rest.min(POLL));
    }
    Ok(())
}
