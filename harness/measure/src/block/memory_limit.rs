//! A block that searches for the smallest memory limit under which each arm holds a rate.
//!
//! Every probe is a fresh start in a control group with the limit, so that what a server takes to
//! start counts; pages of files that were read before do not, its executable's among them. Arms
//! take turns probe by probe. That the kernel kills a server for want of memory is a result: the
//! limit did not hold.

use super::bisection::{Bisection, Next};
use super::{
    Around, Bench, BlockError, DriveError, VERIFIED_CASES, compressed_bodies, definition,
    definitions, drive, first_look, halt, interrupted_or, job, launch, load,
};
use crate::server::{self, OomKilled, Running};
use crate::services::Told;
use duet_loadgen::capacity;
use duet_model::plan::BlockPlan;
use duet_model::record::{ArmRecord, BlockRecord, Failure, MemoryProbe, MemorySearch, Stage};
use duet_model::spec::Server;
use duet_process::cgroup::Limits;
use duet_protocol::{Job, WindowResult};
use duet_units::MemoryRange;
use std::time::Instant;

/// How often a limit is tried at which a server was too slow, but lived: a disturbance must not
/// decide, and memory that is short shows each time.
const ATTEMPTS: usize = 2;

/// The search of an arm.
struct Search {
    bisection: Bisection,
    probes: Vec<MemoryProbe>,
    /// What was seen at the smallest limit that held.
    best: Option<ArmRecord>,
}

/// What a probe came to.
struct Outcome {
    /// What was seen; absent where it did not hold.
    held: Option<ArmRecord>,
    oom_kills: u64,
    /// Why it did not hold.
    why: Option<Failure>,
    /// The server lived, and was too slow.
    slow: bool,
}

/// Searches for the limits of all arms, and writes them into the record.
pub(super) fn measure(
    bench: &Bench<'_>,
    plan: &BlockPlan,
    (range, told): (MemoryRange, &[Told]),
    started: Instant,
    record: &mut BlockRecord,
) -> Result<(), BlockError> {
    let arms = &definitions(bench, plan).0.arms;
    // The plan's seeds are drawn evenly from 64 bits.
    let drawn = plan.seed as f64 / u64::MAX as f64;
    let search = || Search { bisection: Bisection::new(range, drawn), probes: vec![], best: None };
    let mut searches: Vec<Search> = arms.iter().map(|_| search()).collect();
    let is_on = |search: &Search| matches!(search.bisection.next(), Next::Probe(_));
    while searches.iter().any(is_on) {
        for &arm in &plan.start_order {
            let arm = arm as usize;
            let Next::Probe(limit_bytes) = searches[arm].bisection.next() else { continue };
            let outcome = probe(bench, plan, (arm, limit_bytes, &told[arm]), started, record)?;
            searches[arm].learn(limit_bytes, outcome, range)?;
        }
    }
    let name = |(search, name): (Search, &String)| search.record(name);
    record.arms = searches.into_iter().zip(arms).map(name).collect();
    Ok(())
}

impl Search {
    /// Takes in what a probe came to.
    fn learn(
        &mut self,
        limit_bytes: u64,
        outcome: Outcome,
        range: MemoryRange,
    ) -> Result<(), BlockError> {
        let Outcome { held, oom_kills, why, .. } = outcome;
        // With so much memory as that, whatever else went wrong is the server's own failure.
        if let Some(failure) = &why
            && limit_bytes == range.most_bytes
            && oom_kills == 0
            && failure.stage != Stage::Drive
        {
            return Err(BlockError::Failed(failure.clone()));
        }
        let why = why.map(|failure| failure.error);
        self.bisection.learn(limit_bytes, held.is_some());
        self.probes.push(MemoryProbe { limit_bytes, held: held.is_some(), oom_kills, why });
        self.best = held.or(self.best.take());
        Ok(())
    }

    /// What a record says of it.
    fn record(self, server: &str) -> ArmRecord {
        let end = match self.bisection.next() {
            Next::End(end) => end,
            Next::Probe(_) => unreachable!("probes are made until it is over"),
        };
        let search = MemorySearch {
            held_bytes: self.bisection.held,
            failed_bytes: self.bisection.failed,
            end,
            probes: self.probes,
        };
        let seen = self.best.unwrap_or_else(|| ArmRecord::unseen(server));
        ArmRecord { memory_search: Some(search), ..seen }
    }
}

/// Starts an arm under a limit, drives it at the load's rate and stops it; again where it lived and
/// was too slow.
fn probe(
    bench: &Bench<'_>,
    plan: &BlockPlan,
    (arm, limit_bytes, told): (usize, u64, &Told),
    started: Instant,
    record: &mut BlockRecord,
) -> Result<Outcome, BlockError> {
    let server = definition(bench, &definitions(bench, plan).0.arms[arm]);
    let limits = Limits { cpus: load(bench, plan).cpu_limit, memory_bytes: Some(limit_bytes) };
    let mut attempts = 0;
    loop {
        attempts += 1;
        let launch = launch(bench, plan, server, (arm, told, limits));
        let running = launch.and_then(|launch| server::start(server, &launch, bench.interrupt));
        let outcome = match running {
            Ok(running) => attempt(bench, plan, (running, server), started, record),
            Err(error) => {
                let oom_kills = error.downcast_ref().map_or(0, |OomKilled(kills)| *kills);
                let mut why = failure(bench, error, |error| Failure {
                    stage: Stage::Start,
                    server: Some(server.name.clone()),
                    error,
                    stderr: vec![],
                })?;
                if oom_kills > 0 {
                    why.error = OomKilled(oom_kills).to_string();
                }
                Ok(Outcome { held: None, oom_kills, why: Some(why), slow: oom_kills == 0 })
            }
        }?;
        if !outcome.slow || attempts >= ATTEMPTS {
            return Ok(outcome);
        }
    }
}

/// One attempt with a server that listens.
fn attempt(
    bench: &Bench<'_>,
    plan: &BlockPlan,
    (mut running, server): (Running, &Server),
    started: Instant,
    record: &mut BlockRecord,
) -> Result<Outcome, BlockError> {
    let driven = driven(bench, plan, (&mut running, server), started, record);
    let lives = running.is_alive();
    let oom_kills = running.oom_kills();
    let (seen, stage) = match driven {
        Ok((seen, windows)) => (Ok((seen, too_slow(&windows))), Stage::Drive),
        // What fails without the server is the harness's, and says nothing of the limit.
        Err(Failed { error, own: true, .. }) if lives && oom_kills == 0 => {
            return Err(halt(bench, None, Stage::Drive, &error));
        }
        Err(Failed { stage, error, .. }) => (Err(error), stage),
    };
    let (held, why, slow) = match seen {
        Ok((seen, None)) if oom_kills == 0 => (Some(seen), None, false),
        // One of its processes was killed, and others went on.
        Ok((_, None)) => (None, Some(OomKilled(oom_kills).to_string()), false),
        Ok((_, Some(why))) => (None, Some(why), lives && oom_kills == 0),
        Err(error) => {
            let error = failure(bench, error, |error| running.failure(stage, &error))?.error;
            let why = if oom_kills > 0 { OomKilled(oom_kills).to_string() } else { error };
            (None, Some(why), lives && oom_kills == 0)
        }
    };
    let mut why = why.map(|error| Failure {
        stage,
        server: Some(server.name.clone()),
        error,
        stderr: vec![],
    });
    let stopped = running.stop();
    bench.interrupt.check().map_err(BlockError::Interrupted)?;
    // A server that cannot stop in time for want of memory has not held either.
    if let (None, Err(failure)) = (&why, stopped) {
        why = Some(failure);
    }
    let held = held.filter(|_| why.is_none());
    Ok(Outcome { held, oom_kills, why, slow })
}

/// A failure from an error, unless it is an interruption.
fn failure(
    bench: &Bench<'_>,
    error: anyhow::Error,
    otherwise: impl FnOnce(String) -> Failure,
) -> Result<Failure, BlockError> {
    let message = format!("{error:#}");
    match error.downcast::<Failure>() {
        Ok(failure) => match bench.interrupt.check() {
            Ok(()) => Ok(failure),
            Err(interrupted) => Err(BlockError::Interrupted(interrupted)),
        },
        Err(error) => match interrupted_or(bench, &error, || otherwise(message)) {
            BlockError::Failed(failure) => Ok(failure),
            BlockError::Interrupted(interrupted) => Err(BlockError::Interrupted(interrupted)),
        },
    }
}

/// What was seen of a server that was driven to the end, and its windows.
type Driven = Result<(ArmRecord, Vec<WindowResult>), Failed>;

/// Why an attempt did not come to its end.
struct Failed {
    stage: Stage,
    error: anyhow::Error,
    /// Whether the harness failed, so far as it is known.
    own: bool,
}

/// Verifies a server and drives it at the load's rate.
fn driven(
    bench: &Bench<'_>,
    plan: &BlockPlan,
    (running, server): (&mut Running, &Server),
    started: Instant,
    record: &mut BlockRecord,
) -> Driven {
    let (_, workload) = definitions(bench, plan);
    let at = |stage: Stage| move |error: anyhow::Error| Failed { stage, error, own: false };
    let seen = first_look(bench, running, server, workload).map_err(at(Stage::Verify))?;
    let verifier = bench.verifier;
    verifier
        .workload(running, server, workload, VERIFIED_CASES, bench.interrupt)
        .map_err(at(Stage::Verify))?;
    let bodies = compressed_bodies(bench, running, workload).map_err(at(Stage::Verify))?;
    let arms = std::slice::from_ref(&*running);
    let job = job(bench, plan, workload, (arms, &[bodies]), None).map_err(at(Stage::Drive))?;
    let job = alone(job);
    let Bench { cpus, services, interrupt, .. } = *bench;
    let around = Around { cpus, services, workload, interrupt, started };
    let (arms_seen, windows) = (vec![seen], vec![]);
    let mut own =
        BlockRecord { arms: arms_seen, windows, driven_ns: 0, foreign_cpu_ns: 0, ..record.clone() };
    let outcome = drive(&around, &job, arms, &mut own);
    record.driven_ns += own.driven_ns;
    record.foreign_cpu_ns += own.foreign_cpu_ns;
    outcome.map_err(|failed| {
        let DriveError { arm, error } = failed;
        Failed { stage: Stage::Drive, error, own: arm.is_none() }
    })?;
    Ok((own.arms.remove(0), own.windows))
}

/// A job for one arm: two windows, which take half of the time that a block has for two arms.
fn alone(job: Job) -> Job {
    let window_ns = (job.measure_ns / 4).max(job.window_ns);
    Job {
        rounds: vec![vec![0]; 2],
        measure_ns: 2 * window_ns,
        fixed_window_ns: Some(window_ns),
        // A warm-up is a closed loop, which takes more memory than the rate does: as little of it
        // as there can be.
        warmup_ns: 0,
        ..job
    }
}

/// Why windows did not hold the rate, if so: no request may have failed or stayed unsent, and
/// nearly all must have come in time.
fn too_slow(windows: &[WindowResult]) -> Option<String> {
    let sum = |of: fn(&WindowResult) -> u64| windows.iter().map(of).sum::<u64>();
    let failed = sum(|window| window.errors.values().sum());
    let planned = sum(|window| window.open.as_ref().map_or(0, |open| open.planned));
    let unsent = sum(|window| window.open.as_ref().map_or(0, |open| open.unsent));
    let late = sum(|window| window.open.as_ref().map_or(0, |open| open.sent_late));
    let ok = sum(|window| window.requests);
    let in_time = ok.saturating_sub(late);
    match (failed, unsent) {
        (1.., _) => Some(format!("{failed} of {planned} requests failed")),
        (0, 1..) => Some(format!("{unsent} of {planned} requests could not be sent")),
        (0, 0) if planned == 0 => Some("no request was planned".to_owned()),
        (0, 0) => (!capacity::is_achieved(planned, in_time))
            .then(|| format!("{in_time} of {planned} requests were responded to in time")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use duet_protocol::OpenResult;

    #[test]
    fn a_rate_holds_where_nearly_all_come_and_none_fails() {
        let window = |ok: u64, failed: u64, unsent: u64, late: u64| WindowResult {
            arm: 0,
            round: 0,
            lead_ns: 0,
            elapsed_ns: 1,
            requests: ok,
            errors: BTreeMap::from([("status".to_owned(), failed)]),
            received_bytes: 0,
            server_cpu_ns: vec![0],
            generator_cpu_ns: 0,
            server_stolen_ns: 0,
            generator_stolen_ns: 0,
            outside: None,
            service_time: None,
            times: None,
            open: Some(OpenResult {
                planned: ok + failed + unsent,
                sent: ok + failed,
                sent_late: late,
                unsent,
                generator_spin_ns: 0,
                response_time: None,
                response_time_lower_bounds: None,
                send_lag: None,
                generator_lag: None,
            }),
            events: None,
            probe: None,
            seconds: vec![],
        };
        let cases = [
            (vec![window(1000, 0, 0, 0), window(1000, 0, 0, 1)], None),
            (vec![window(1000, 1, 0, 0)], Some("1 of 1001 requests failed")),
            (vec![window(1000, 0, 2, 0)], Some("2 of 1002 requests could not be sent")),
            (vec![window(1000, 0, 0, 500)], Some("500 of 1000 requests were responded to in time")),
            (vec![], Some("no request was planned")),
        ];
        for (windows, want) in cases {
            assert_eq!(too_slow(&windows).as_deref(), want);
        }
    }
}
