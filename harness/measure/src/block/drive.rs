//! The windows of a block: hands the job to a generator and takes what it reports.

use std::time::{Duration, Instant};

use anyhow::anyhow;

use super::halt::Halt;
use super::observed::{beside_idle, disturbances, services_used, under_load, usage};
use super::sampler::Sampler;
use crate::generator;
use crate::host::Cpus;
use crate::server::Running;
use crate::services::Services;
use crate::services::work::Driven;
use duet_model::record::{ArmRecord, BlockRecord};
use duet_model::spec::Workload;
use duet_process::interrupt::{Interrupt, POLL};
use duet_protocol::{Event, Job, Negotiated};

/// Slack for everything a generator does besides windows: connecting, encoding.
const GENERATOR_SLACK: Duration = Duration::from_secs(20);

/// How long opening and verifying an idle connection may take, in nanoseconds, handshake included.
const IDLE_NS_MAX: u64 = 10_000_000;

/// What there is beside the arms while they are driven.
pub(super) struct Around<'a> {
    pub(super) cpus: &'a Cpus,
    pub(super) services: &'a Services,
    pub(super) workload: &'a Workload,
    pub(super) interrupt: &'a Interrupt,
    /// When the block began.
    pub(super) started: Instant,
}

/// Hands the job to a generator and writes what it reports into the record, sampling memory
/// meanwhile. Returns what was counted of each arm.
pub(super) fn drive(
    around: &Around<'_>,
    job: &Job,
    arms: &[Running],
    record: &mut BlockRecord,
) -> Result<Vec<Driven>, Halt> {
    let mut generator = generator::start(job)?;
    let mut deadline = Instant::now() + budget(job) + GENERATOR_SLACK;
    let mut sampler = Sampler::new(job);
    let (mut began, mut totals, mut open) = (None, vec![], vec![]);
    let of = (around.services, around.workload);
    loop {
        around.interrupt.check()?;
        sampler.look(arms, around.started, record)?;
        let pause = sampler.next.saturating_duration_since(Instant::now()).min(POLL);
        let Some(event) = generator.next(pause)? else {
            if Instant::now() >= deadline {
                return Err(anyhow!("the load generator fell silent").into());
            }
            continue;
        };
        match event {
            Event::Connected { negotiated } => {
                for (arm, of) in record.arms.iter_mut().zip(negotiated) {
                    arm.negotiated = (of != Negotiated::default()).then_some(of);
                }
            }
            Event::Warm { stationary, elapsed_ns, window_ns, open } => {
                record.open = open;
                record.warmup_stationary = stationary;
                record.warmup_ns = elapsed_ns;
                record.window_ns = window_ns;
                began = Some(usage(around.cpus, of, arms, &generator)?);
                sampler.begin(job);
                deadline = deadline.max(Instant::now() + least(job, window_ns) + GENERATOR_SLACK);
            }
            Event::Idle { connections } => beside_idle(arms, connections, &mut generator, record)?,
            Event::Driven => {
                sampler.end(arms, record)?;
                if let Some(began) = &began {
                    let ended = usage(around.cpus, of, arms, &generator)?;
                    disturbances(record, began, &ended);
                    record.services = services_used(of, began, &ended)?;
                }
                open = around.services.connections(around.workload, arms.len())?;
                under_load(arms, &mut generator, record)?;
            }
            Event::Window(window) => record.windows.push(*window),
            Event::Searched { arms } => of_each(record, arms, |arm, of| arm.search = Some(of)),
            Event::Handshakes { arms } => {
                of_each(record, arms, |arm, of| arm.handshakes = Some(of));
            }
            Event::CpuLost { arms } => of_each(record, arms, |arm, lost| arm.cpu_lost = lost),
            Event::Totals { ok, sent } => totals = ok.into_iter().zip(sent).collect(),
            Event::Done => return Ok(of_arms(&totals, &open)),
            Event::Failed { arm, error } => {
                let arm = arm.map(|arm| arm as usize);
                return Err(Halt { arm, ..anyhow!(error).into() });
            }
        }
    }
}

/// Writes what was reported of each arm into the record.
fn of_each<T>(record: &mut BlockRecord, arms: Vec<T>, write: impl Fn(&mut ArmRecord, T)) {
    record.arms.iter_mut().zip(arms).for_each(|(arm, of)| write(arm, of));
}

/// What was counted of each arm: ok responses, requests sent, connections to its database.
fn of_arms(totals: &[(u64, u64)], connections: &[Option<u64>]) -> Vec<Driven> {
    let all = totals.iter().zip(connections);
    all.map(|(&(ok, sent), &connections)| Driven { ok, sent, connections }).collect()
}

/// How long windows of that length may take at least, whatever the budget: long ones are driven in
/// two rounds, but for the only window of an arm alone.
fn least(job: &Job, window_ns: u64) -> Duration {
    let windows = if job.solo { 2 } else { 16 };
    let least = Duration::from_nanos((job.lead_ns + window_ns).saturating_mul(windows));
    least.max(job.search_max())
}

/// How long warm-up and windows may take together.
fn budget(job: &Job) -> Duration {
    let windows = job.measure_ns / job.window_ns.max(1) + 1;
    let windows_ns = job.measure_ns + windows * job.lead_ns;
    let idle_ns = IDLE_NS_MAX * u64::from(job.idle) * job.arms.len() as u64;
    Duration::from_nanos(windows_ns.saturating_mul(4) + job.warmup_ns + idle_ns)
}
