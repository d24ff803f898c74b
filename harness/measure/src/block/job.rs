//! What the generator is told: of arms that run together, of one alone, of one under a limit.

use std::time::Duration;

use anyhow::Result;

use super::bench::{Bench, Life, load};
use crate::requests;
use crate::server::Running;
use duet_model::plan::{self, BlockPlan};
use duet_model::spec::{Case, Load, Rate, Workload};
use duet_process::cgroup::Group;
use duet_protocol::{ArmJob, Job};
use duet_units::duration_ns;

/// How long an answer may take before it is an error, and how long the generator may be silent
/// beyond what it has been asked to do.
pub(super) const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// How long a response may take in a burst, in nanoseconds: every connection waits for all others.
const BURST_TIMEOUT_NS: u64 = 30_000_000_000;

/// By case, the body that an arm sends where it compresses it.
pub(super) type CompressedBodies = Vec<Option<Vec<u8>>>;

/// What the generator is told of a load on these arms, whose responses to the cases of a workload
/// are those or come compressed.
pub(super) fn job(
    bench: &Bench<'_>,
    plan: &BlockPlan,
    life: &Life<'_>,
    workload: &Workload,
    (arms, compressed): (&[Running], &[CompressedBodies]),
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
    let cpus = bench.cpus_under(load);
    let job = Job {
        arms: arms.iter().zip(compressed).map(arm).collect(),
        connections: load.connections,
        transport: load.transport,
        tls_resume: load.tls_resume,
        streams: load.streams,
        churn: workload.churn,
        idle: load.idle,
        cpus: cpus.generator,
        server_cpus: cpus.servers,
        open: open_loop(load),
        lead_ns: ms(plan::lead_ms(bench.suite, workload, load)),
        window_ns: ms(bench.suite.window_ms),
        fixed_window_ns: life.window_ns,
        measure_ns: plan::of_arms_ms(bench.suite.measure_ms, arms.len()) * 1_000_000,
        solo: false,
        warmup_ns: plan::of_arms_ms(bench.suite.warmup_ms, arms.len()) * 1_000_000,
        rounds: plan.rounds.clone(),
        timeout_ns: duration_ns(ANSWER_LIMIT),
        seed: plan.seed,
    };
    Ok(match (load.solo_s, life.memory_bytes) {
        (Some(solo_s), _) => solo(job, load, solo_s),
        (None, Some(_)) => under_limit(job),
        (None, None) => job,
    })
}

/// A job of one long window of one arm.
fn solo(job: Job, load: &Load, solo_s: u32) -> Job {
    let window_ns = u64::from(solo_s) * 1_000_000_000;
    Job {
        solo: true,
        rounds: vec![vec![0]; 2],
        measure_ns: window_ns,
        fixed_window_ns: Some(window_ns),
        // What is to be seen is what becomes of a server that was just started.
        warmup_ns: 0,
        timeout_ns: if load.rest_s.is_some() { BURST_TIMEOUT_NS } else { job.timeout_ns },
        ..job
    }
}

/// A job of one arm under a memory limit: two windows, which take half of the time that a block has
/// for two arms.
fn under_limit(job: Job) -> Job {
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
