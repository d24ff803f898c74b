//! What is seen of a block while it is driven, in the record's terms: memory, windows, and what may
//! have disturbed them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::generator::Generator;
use crate::host::{self, Cpus};
use crate::server::Running;
use crate::services::Services;
use duet_model::record::{
    BlockRecord, GroupMemory, IdleMemory, Memory, MemorySecond, RssSample, ServiceUse,
};
use duet_model::spec::Workload;
use duet_process::cgroup::Group;
use duet_process::proc::{self, CpuClock, StolenTime};
use duet_process::tree;
use duet_units::duration_ns;

/// What may disturb a block, up to a moment.
pub(super) struct Usage {
    pub(super) at: Instant,
    /// CPU time of everybody else.
    pub(super) foreign_ns: u64,
    pub(super) throttled_ns: Option<u64>,
    /// Of the generator.
    pub(super) run_delay_ns: Option<u64>,
    /// CPU time of each arm, in user mode and in the kernel.
    pub(super) arms: Vec<(u64, u64)>,
    /// CPU time of each service, and of all processes on its CPUs.
    pub(super) services: Vec<(u64, u64)>,
}

/// Writes down what may have disturbed a block between two moments, and what its arms took.
pub(super) fn disturbances(record: &mut BlockRecord, began: &Usage, ended: &Usage) {
    let times = began.arms.iter().zip(&ended.arms);
    for (arm, (began, ended)) in record.arms.iter_mut().zip(times) {
        arm.user_ns = Some(ended.0.saturating_sub(began.0));
        arm.system_ns = Some(ended.1.saturating_sub(began.1));
    }
    record.driven_ns = duration_ns(ended.at - began.at);
    record.foreign_cpu_ns = ended.foreign_ns.saturating_sub(began.foreign_ns);
    record.throttled_ns = grown(began.throttled_ns, ended.throttled_ns);
    record.generator_run_delay_ns = grown(began.run_delay_ns, ended.run_delay_ns);
}

/// By how much a counter has grown, where there is one.
fn grown(before: Option<u64>, after: Option<u64>) -> Option<u64> {
    Some(after?.saturating_sub(before?))
}

/// Foreign CPU time is what all processes used on the CPUs of this block since boot, less what the
/// servers, the generator, services beside it and this process used.
pub(super) fn usage(
    on: &Cpus,
    (services, workload): (&Services, &Workload),
    arms: &[Running],
    generator: &Generator,
) -> Result<Usage> {
    let cpus = [&on.servers[..], &on.generator[..]].concat();
    let of_services = workload.services.iter().map(|name| services.cpu_ns(name));
    let of_services: Vec<(u64, u64)> = of_services.collect::<Result<_>>()?;
    let mut stat = StolenTime::open().context("failed to open /proc/stat")?;
    let all_ns = proc::process_ns(stat.read().context("failed to read /proc/stat")?, &cpus);
    let mut own_ns = CpuClock::own().read_ns().context("failed to read the CPU clock")?;
    let of_generator = CpuClock::of(generator.pid()).and_then(CpuClock::read_ns);
    own_ns += of_generator.context("failed to read the generator's CPU clock")?;
    let mut of_arms = vec![];
    for arm in arms {
        let why = || format!("failed to read {}'s CPU clocks", arm.name);
        own_ns += tree::cpu_ns(arm.root(), arm.group()).with_context(why)?;
        of_arms.push(tree::user_system_ns(arm.root()).with_context(why)?);
    }
    if services.shares_cpus() {
        own_ns += of_services.iter().map(|(own_ns, _)| own_ns).sum::<u64>();
    }
    Ok(Usage {
        at: Instant::now(),
        foreign_ns: all_ns.saturating_sub(own_ns),
        throttled_ns: host::throttled_ns(),
        run_delay_ns: proc::run_delay_ns_of(generator.pid()).ok(),
        arms: of_arms,
        services: of_services,
    })
}

/// What the services of a workload used between two moments, and their memory now.
pub(super) fn services_used(
    (services, workload): (&Services, &Workload),
    began: &Usage,
    ended: &Usage,
) -> Result<Vec<ServiceUse>> {
    let clocks = began.services.iter().zip(&ended.services);
    let used = workload.services.iter().zip(clocks).map(|(name, (began, ended))| {
        Ok(ServiceUse {
            service: name.clone(),
            cpu_ns: ended.0.saturating_sub(began.0),
            cpus_busy_ns: ended.1.saturating_sub(began.1),
            cpus: services.cpus(),
            memory: services.memory(name)?,
            arms: vec![],
        })
    });
    used.collect()
}

/// Appends a sample of every arm's memory. A process that cannot be read has ended, which the
/// generator will notice.
pub(super) fn sample(
    arms: &[Running],
    started: Instant,
    in_windows: bool,
    record: &mut BlockRecord,
) {
    let at_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    for (arm, running) in record.arms.iter_mut().zip(arms) {
        if let Ok(rss_bytes) = tree::rss_bytes(running.root()) {
            arm.rss.push(RssSample { at_ms, rss_bytes, in_windows });
        }
    }
}

/// Reads a server's memory where a second has begun, since `began`, that was not seen yet.
///
/// # Errors
/// When the server has ended.
pub(super) fn by_second(root: i32, began: Instant, seen: &mut Vec<MemorySecond>) -> Result<()> {
    let elapsed = Instant::now().saturating_duration_since(began);
    if elapsed.as_secs() < seen.len() as u64 { Ok(()) } else { look(root, elapsed, seen) }
}

/// Reads it now, so long after the beginning.
///
/// # Errors
/// When the server has ended.
pub(super) fn look(root: i32, elapsed: Duration, seen: &mut Vec<MemorySecond>) -> Result<()> {
    let resident =
        tree::resident(root).context("failed to read the server's memory: has it ended?")?;
    seen.push(MemorySecond {
        at_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        rss_bytes: resident.rss_bytes,
        anonymous_bytes: resident.anonymous_bytes,
    });
    Ok(())
}

/// Reads memory while the load's connections are still open, then lets the generator close them.
pub(super) fn under_load(
    arms: &[Running],
    generator: &mut Generator,
    record: &mut BlockRecord,
) -> Result<()> {
    for (arm, running) in record.arms.iter_mut().zip(arms) {
        let root = running.root();
        arm.loaded = memory(root)?;
        arm.group = running.group().map(group_memory).transpose()?;
        let of_each = tree::rss_bytes_peak(root).context("failed to read peak memory")?;
        // Of processes that have ended meanwhile, samples alone know.
        let sampled = arm.rss.iter().map(|sample| sample.rss_bytes);
        let sampled = sampled.chain(arm.seconds.iter().map(|second| second.rss_bytes)).max();
        let sampled = sampled.unwrap_or(0);
        arm.rss_bytes_peak = of_each.max(sampled);
        arm.threads = tree::threads(root).context("failed to count threads")?;
    }
    generator.go_on()
}

/// Reads memory while so many connections of each arm are idle, and lets the generator go on.
pub(super) fn beside_idle(
    arms: &[Running],
    connections: u32,
    generator: &mut Generator,
    record: &mut BlockRecord,
) -> Result<()> {
    for (arm, running) in record.arms.iter_mut().zip(arms) {
        let memory = memory(running.root())?;
        arm.idle_connections.push(IdleMemory { connections, memory });
    }
    generator.go_on()
}

/// The memory of a server's control group, in the record's terms.
fn group_memory(group: &Group) -> Result<GroupMemory> {
    let memory = group.memory().context("failed to read the memory of a control group")?;
    Ok(GroupMemory {
        anonymous_bytes: memory.anonymous_bytes,
        file_bytes: memory.file_bytes,
        shared_bytes: memory.shared_bytes,
        socket_bytes: memory.socket_bytes,
    })
}

/// The memory of a server's processes, in the record's terms.
pub(super) fn memory(root: i32) -> Result<Memory> {
    let memory = tree::memory(root).context("failed to read the server's memory: has it ended?")?;
    Ok(Memory {
        rss_bytes: memory.rss_bytes,
        pss_bytes: memory.pss_bytes,
        private_bytes: memory.private_bytes,
    })
}
