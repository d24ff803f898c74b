//! A block that searches for the smallest memory limit under which each arm holds a rate.
//!
//! Every probe is a fresh start in a control group with the limit, so that what a server takes to
//! start counts; pages of files that were read before do not, its executable's among them. Arms
//! take turns probe by probe. That the kernel kills a server for want of memory is a result: the
//! limit did not hold.

use std::slice::from_ref;

use super::bench::{Bench, BlockError, Life, definitions};
use super::bisection::{Bisection, Next};
use super::halt::{Halt, blame};
use super::life::until_stop;
use crate::MeasureError;
use crate::error::oom_killed;
use crate::server::Running;
use duet_loadgen::capacity;
use duet_model::plan::BlockPlan;
use duet_model::record::{ArmRecord, BlockRecord, Failure, MemoryProbe, MemorySearch, Stage};
use duet_protocol::WindowResult;
use duet_units::MemoryRange;

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
    (range, life): (MemoryRange, &Life<'_>),
    record: &mut BlockRecord,
) -> Result<(), BlockError> {
    let arms = &definitions(bench, plan).0.arms;
    // The plan's seeds are drawn evenly from 64 bits.
    let drawn = plan.seed as f64 / u64::MAX as f64;
    let search = || Search { bisection: Bisection::new(range, drawn), probes: vec![], best: None };
    let mut searches: Vec<Search> = arms.iter().map(|_| search()).collect();
    let is_on = |search: &Search| matches!(search.bisection.next(), Next::Probe(_));
    while searches.iter().any(is_on) {
        for index in life.arms {
            let search = &mut searches[*index as usize];
            let Next::Probe(limit_bytes) = search.bisection.next() else { continue };
            let memory_bytes = Some(limit_bytes);
            let alone = Life { arms: from_ref(index), memory_bytes, window_ns: None, ..*life };
            search.learn(limit_bytes, probe(bench, plan, &alone, record)?, range)?;
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
    life: &Life<'_>,
    record: &mut BlockRecord,
) -> Result<Outcome, BlockError> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let outcome = attempt(bench, plan, life, record)?;
        if !outcome.slow || attempts >= ATTEMPTS {
            return Ok(outcome);
        }
    }
}

fn attempt(
    bench: &Bench<'_>,
    plan: &BlockPlan,
    life: &Life<'_>,
    record: &mut BlockRecord,
) -> Result<Outcome, BlockError> {
    let workload = definitions(bench, plan).1;
    let (mut arms, mut own) = (vec![], BlockRecord { driven_ns: 0, ..record.clone() });
    own.foreign_cpu_ns = 0;
    let driven = until_stop(bench, plan, life, None, &mut arms, &mut own);
    record.driven_ns += own.driven_ns;
    record.foreign_cpu_ns += own.foreign_cpu_ns;
    let lives = arms.iter_mut().all(Running::is_alive);
    let oom_kills = match &driven {
        Err(Halt { error: MeasureError::OomKilled { kills, .. }, .. }) => *kills,
        _ => arms.iter().map(Running::oom_kills).sum(),
    };
    let of_server = |error: String| {
        let server = own.arms.first().map(|arm| arm.server.clone());
        Failure { stage: Stage::Drive, server, error, stderr: vec![] }
    };
    let mut why = match driven {
        // What fails without the server is the harness's, and says nothing of the limit.
        Err(halt)
            if halt.stage == Stage::Drive && halt.arm.is_none() && lives && oom_kills == 0 =>
        {
            return Err(blame(bench, workload, &mut arms, halt));
        }
        Err(halt) => match blame(bench, workload, &mut arms, halt) {
            BlockError::Failed(failure) if oom_kills == 0 => Some(failure),
            BlockError::Failed(failure) => {
                Some(Failure { error: oom_killed(oom_kills), ..failure })
            }
            interrupted => return Err(interrupted),
        },
        Ok(_) => match too_slow(&own.windows) {
            None if oom_kills == 0 => None,
            // One of its processes was killed, and others went on.
            None => Some(of_server(oom_killed(oom_kills))),
            Some(why) => Some(of_server(why)),
        },
    };
    let slow = why.is_some() && lives && oom_kills == 0;
    let stopped = arms.into_iter().try_for_each(Running::stop);
    bench.interrupt.check().map_err(BlockError::Interrupted)?;
    // A server that cannot stop in time for want of memory has not held either.
    why = why.or(stopped.err());
    let held = own.arms.pop().filter(|_| why.is_none());
    Ok(Outcome { held, oom_kills, why, slow })
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
            requests: ok,
            errors: BTreeMap::from([("status".to_owned(), failed)]),
            open: Some(OpenResult {
                planned: ok + failed + unsent,
                sent: ok + failed,
                sent_late: late,
                unsent,
                ..OpenResult::default()
            }),
            ..WindowResult::default()
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
