//! What machine this is, which CPUs to use, and what is wrong with it.
//!
//! Every probe tolerates absence: virtual machines have no cpufreq, containers may lack a cgroup
//! mount, and a probe that finds nothing says nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sched::{CpuSet, sched_getaffinity};
use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::Pid;

use crate::record::{Finding, FindingLevel, Machine};

/// Tools whose versions belong into a record, with the argument that prints the version.
const TOOLS: [(&str, &str); 2] = [("rustc", "--version"), ("go", "version")];

/// CPUs for the servers and for the generator, disjoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cpus {
    /// For the servers.
    pub servers: Vec<usize>,
    /// For the generator.
    pub generator: Vec<usize>,
}

impl Cpus {
    /// All of them in order: programs have no generator beside them.
    #[must_use]
    pub fn all(&self) -> Vec<usize> {
        let mut all = [&self.servers[..], &self.generator[..]].concat();
        all.sort_unstable();
        all
    }
}

/// The CPUs this process may use.
///
/// # Errors
/// When the kernel does not say.
pub fn allowed_cpus() -> Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0)).context("failed to read the CPU affinity")?;
    Ok((0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false)).collect())
}

/// Chooses disjoint CPUs: servers from the front, the generator from the back of a list in which
/// CPUs that share a core stand together.
///
/// # Errors
/// When there are too few.
pub fn choose_cpus(servers: u32, generator: u32) -> Result<Cpus> {
    let allowed = allowed_cpus()?;
    let wanted = servers as usize + generator as usize;
    ensure!(
        allowed.len() >= wanted,
        "{wanted} CPUs are needed ({servers} for the servers, {generator} for the generator), \
         and this process may use {}: use a machine with more, or lower server_cpus and \
         generator_cpus in suites.toml",
        allowed.len()
    );
    Ok(divide(&allowed, &siblings(&allowed), servers as usize, generator as usize))
}

/// The lowest CPU of the core that each CPU is part of.
fn siblings(cpus: &[usize]) -> BTreeMap<usize, usize> {
    let first = |cpu: usize| {
        let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
        let list = fs::read_to_string(path).ok()?;
        list.trim().split([',', '-']).next()?.parse().ok()
    };
    cpus.iter().map(|&cpu| (cpu, first(cpu).unwrap_or(cpu))).collect()
}

/// Divides CPUs so that no core is shared while there are cores enough.
fn divide(
    allowed: &[usize],
    core_of: &BTreeMap<usize, usize>,
    servers: usize,
    generator: usize,
) -> Cpus {
    let core = |cpu: &usize| core_of.get(cpu).copied().unwrap_or(*cpu);
    let mut ordered = allowed.to_vec();
    // One CPU of every core first, second threads of cores behind them.
    ordered.sort_by_key(|cpu| (core(cpu) != *cpu, core(cpu), *cpu));
    let cores = ordered.iter().filter(|cpu| core(cpu) == **cpu).count();
    if cores < servers + generator {
        // Threads of one core at least stay on one side.
        ordered.sort_by_key(|cpu| (core(cpu), *cpu));
    } else {
        ordered.truncate(cores);
    }
    let back = ordered.split_off(ordered.len() - generator);
    ordered.truncate(servers);
    Cpus { servers: ordered, generator: back }
}

/// The machine.
#[must_use]
pub fn machine() -> Machine {
    let cpuinfo = read("/proc/cpuinfo");
    let field = |name: &str| {
        let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
        line.split_once(':').map(|(_, value)| value.trim().to_owned())
    };
    let hypervisor = field("flags")
        .is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor"))
        .then(hypervisor_name);
    Machine {
        cpu: field("model name").unwrap_or_else(|| "unknown".to_owned()),
        cpus: allowed_cpus().map_or(0, |cpus| cpus.len()),
        memory_bytes: meminfo("MemTotal").unwrap_or(0),
        kernel: format!(
            "{} {}",
            read("/proc/sys/kernel/ostype").trim(),
            read("/proc/sys/kernel/osrelease").trim()
        ),
        os: read("/etc/os-release")
            .lines()
            .find_map(|line| line.strip_prefix("PRETTY_NAME="))
            .map_or_else(|| "unknown".to_owned(), |name| name.trim_matches('"').to_owned()),
        hypervisor,
        tools: TOOLS.iter().filter_map(|(tool, argument)| tool_version(tool, argument)).collect(),
    }
}

/// What this CPU has not of the features that are needed: by architecture, named as in
/// `/proc/cpuinfo`, with spaces between.
#[must_use]
pub fn cpu_lacks(needed: &BTreeMap<String, String>) -> Vec<String> {
    let Some(features) = needed.get(std::env::consts::ARCH) else { return vec![] };
    let cpuinfo = read("/proc/cpuinfo");
    // "flags" on x86, "Features" on ARM.
    let has = cpuinfo.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        matches!(name.trim(), "flags" | "Features").then_some(value)
    });
    let has: Vec<&str> = has.unwrap_or_default().split_whitespace().collect();
    let lacking = features.split_whitespace().filter(|feature| !has.contains(feature));
    lacking.map(str::to_owned).collect()
}

/// The hypervisor's name, if the firmware tables have one.
fn hypervisor_name() -> String {
    let vendor = read("/sys/class/dmi/id/sys_vendor").trim().to_owned();
    if vendor.is_empty() { "of unknown make".to_owned() } else { vendor }
}

/// A tool's version line; None when it is not installed.
fn tool_version(tool: &str, argument: &str) -> Option<(String, String)> {
    let output = Command::new(tool).arg(argument).output().ok()?;
    let line = String::from_utf8_lossy(&output.stdout).lines().next()?.trim().to_owned();
    output.status.success().then(|| (tool.to_owned(), line))
}

/// What is to be known about the machine before it measures, worst first.
///
/// `connections` is the largest number of connections that the suite opens, `needs` the programs
/// that the servers' builds call for.
#[must_use]
pub fn findings(connections: u32, wanted_cpus: u32, needs: &[String]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = [
        cpus(wanted_cpus),
        shared_cores(),
        stolen_since_boot(),
        busy_now(),
        governor(),
        clock_source(),
        cgroup_quota(),
        open_files(connections),
        ports(),
        memory(),
    ]
    .into_iter()
    .flatten()
    .collect();
    findings.extend(needs.iter().map(|program| tool(program)));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    findings
}

fn finding(
    name: &str,
    level: FindingLevel,
    found: String,
    effect: &str,
    cure: &str,
) -> Option<Finding> {
    let (name, effect, cure) = (name.to_owned(), effect.to_owned(), cure.to_owned());
    Some(Finding { name, level, found, effect, cure })
}

/// `Good` where `good` holds, else `Warning`.
fn good_if(good: bool) -> FindingLevel {
    if good { FindingLevel::Good } else { FindingLevel::Warning }
}

fn cpus(wanted: u32) -> Option<Finding> {
    let have = allowed_cpus().ok()?.len();
    let level = if have >= wanted as usize { FindingLevel::Good } else { FindingLevel::Unfit };
    finding(
        "CPUs",
        level,
        format!("{have} usable, {wanted} needed"),
        "servers and generator would share a CPU, and the generator would be measured too",
        "use a machine with more CPUs, or widen this process's affinity",
    )
}

fn shared_cores() -> Option<Finding> {
    let allowed = allowed_cpus().ok()?;
    let core_of = siblings(&allowed);
    let cores: std::collections::BTreeSet<_> = core_of.values().collect();
    finding(
        "cores",
        good_if(cores.len() >= 2),
        format!("{} CPUs on {} cores", allowed.len(), cores.len()),
        "two CPUs of one core slow each other down: the generator shows in the server's speed",
        "use a machine with at least two cores, or switch hyper-threading off",
    )
}

fn stolen_since_boot() -> Option<Finding> {
    let ticks = cpu_ticks()?;
    let share = ticks.stolen as f64 / ticks.total.max(1) as f64;
    finding(
        "stolen time",
        good_if(share < 0.02),
        format!("{} of all CPU time since boot", crate::units::percent(share)),
        "the hypervisor gave the CPUs to others; windows spread it over both arms, intervals grow",
        "use a machine with dedicated CPUs, or measure at another time",
    )
}

fn busy_now() -> Option<Finding> {
    let before = cpu_ticks()?;
    // The probe's own length, not a wait for something: load is a rate and needs a span of time.
    std::thread::sleep(Duration::from_millis(300));
    let after = cpu_ticks()?;
    let total = after.total.saturating_sub(before.total).max(1);
    let share = after.busy.saturating_sub(before.busy) as f64 / total as f64;
    finding(
        "other work",
        good_if(share < 0.1),
        format!("{} of all CPUs busy just now", crate::units::percent(share)),
        "other processes compete with server and generator",
        "stop them, or wait until they are done",
    )
}

fn governor() -> Option<Finding> {
    let governor =
        fs::read_to_string("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").ok()?;
    let governor = governor.trim();
    finding(
        "frequency governor",
        good_if(governor == "performance"),
        governor.to_owned(),
        "the CPUs' speed follows the load, and so differs between a slow and a fast server",
        "cpupower frequency-set -g performance",
    )
}

fn clock_source() -> Option<Finding> {
    let path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let source = fs::read_to_string(path).ok()?;
    let source = source.trim();
    let fast = ["tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page"];
    finding(
        "clock",
        good_if(fast.contains(&source)),
        source.to_owned(),
        "reading the time is a system call and costs the generator as much as a request",
        "boot with clocksource=tsc if the machine allows it",
    )
}

fn cgroup_quota() -> Option<Finding> {
    let v2 = fs::read_to_string("/sys/fs/cgroup/cpu.max").ok();
    let v1 = fs::read_to_string("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").ok();
    let limited = match (&v2, &v1) {
        (Some(max), _) => !max.starts_with("max"),
        (None, Some(quota)) => !quota.trim().starts_with('-'),
        (None, None) => return None,
    };
    finding(
        "CPU quota",
        good_if(!limited),
        if limited { "a cgroup limits CPU time".to_owned() } else { "none".to_owned() },
        "the kernel stops all threads for the rest of a period: throughput comes in bursts",
        "lift the quota (docker: drop --cpus and use --cpuset-cpus)",
    )
}

fn open_files(connections: u32) -> Option<Finding> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    let wanted = u64::from(connections) * 2 + 64;
    finding(
        "open files",
        if hard >= wanted { FindingLevel::Good } else { FindingLevel::Unfit },
        format!("at most {hard}, {wanted} needed"),
        "connections would be refused",
        "ulimit -n, or LimitNOFILE= of the service",
    )
}

fn ports() -> Option<Finding> {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut ends = range.split_whitespace().map_while(|end| end.parse::<u32>().ok());
    let (low, high) = (ends.next()?, ends.next()?);
    let ports = high.saturating_sub(low) + 1;
    finding(
        "local ports",
        good_if(ports >= 16_000),
        format!("{ports}"),
        "a new connection per request needs a port each, which rests for a minute after use",
        "sysctl -w net.ipv4.ip_local_port_range=\"15000 65000\"",
    )
}

fn memory() -> Option<Finding> {
    let available = meminfo("MemAvailable")?;
    finding(
        "memory",
        good_if(available >= 1 << 30),
        format!("{} available", crate::units::bytes(available as f64)),
        "servers could be swapped out or killed",
        "stop what uses it",
    )
}

fn tool(program: &str) -> Finding {
    let found = crate::build::on_path(program);
    Finding {
        name: program.to_owned(),
        level: good_if(found),
        found: if found { "installed" } else { "not on the PATH" }.to_owned(),
        effect: "servers that are built with it cannot be measured".to_owned(),
        cure: format!("install {program} and put it on the PATH"),
    }
}

/// CPU time of all CPUs since boot, in ticks.
struct Ticks {
    total: u64,
    busy: u64,
    stolen: u64,
}

/// The first line of /proc/stat: user nice system idle iowait irq softirq steal (proc_stat(5)).
fn cpu_ticks() -> Option<Ticks> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let line = stat.lines().next()?;
    let fields: Vec<u64> =
        line.split_whitespace().skip(1).take(8).map_while(|f| f.parse().ok()).collect();
    let [user, nice, system, idle, iowait, irq, softirq, stolen] = fields[..] else { return None };
    let busy = user + nice + system + irq + softirq;
    Some(Ticks { total: busy + idle + iowait + stolen, busy, stolen })
}

/// A field of /proc/meminfo in bytes.
fn meminfo(name: &str) -> Option<u64> {
    let text = read("/proc/meminfo");
    let line = text.lines().find(|line| line.split(':').next() == Some(name))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// A file's text, empty where it cannot be read: these are probes of what may not exist.
fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The commit of the repository that holds `folder`, and whether it has uncommitted changes.
#[must_use]
pub fn commit(folder: &Path) -> (Option<String>, bool) {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "HEAD"]);
    let dirty = commit.is_some() && git(&["status", "--porcelain"]).is_some_and(|s| !s.is_empty());
    (commit, dirty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_divided_by_core() {
        let check = |cores: &[(usize, usize)], servers, generator, want: (&[usize], &[usize])| {
            let allowed: Vec<usize> = cores.iter().map(|(cpu, _)| *cpu).collect();
            let got = divide(&allowed, &cores.iter().copied().collect(), servers, generator);
            let want = Cpus { servers: want.0.to_vec(), generator: want.1.to_vec() };
            assert_eq!(got, want, "{cores:?} {servers} {generator}");
        };
        // Two cores of one thread.
        check(&[(0, 0), (1, 1)], 1, 1, (&[0], &[1]));
        // Two cores of two threads, siblings far apart: no core is shared.
        check(&[(0, 0), (1, 1), (2, 0), (3, 1)], 1, 1, (&[0], &[1]));
        // The same, all four threads wanted: each side has a whole core.
        check(&[(0, 0), (1, 1), (2, 0), (3, 1)], 2, 2, (&[0, 2], &[1, 3]));
        // Four cores.
        check(&[(0, 0), (1, 1), (2, 2), (3, 3)], 2, 1, (&[0, 1], &[3]));
    }

    #[test]
    fn the_machine_is_described() {
        let machine = machine();
        assert!(machine.cpus >= 1);
        assert!(machine.memory_bytes > 0);
        assert!(machine.kernel.starts_with("Linux "), "{}", machine.kernel);
    }

    #[test]
    fn findings_name_effect_and_cure() {
        let findings = findings(64, 100_000, &["no-such-program".to_owned()]);
        let level = |name: &str| findings.iter().find(|f| f.name == name).map(|f| f.level);
        assert_eq!(level("CPUs"), Some(FindingLevel::Unfit));
        assert_eq!(level("no-such-program"), Some(FindingLevel::Warning));
        assert!(findings.iter().all(|f| !f.effect.is_empty() && !f.cure.is_empty()));
        assert!(findings.is_sorted_by_key(|f| std::cmp::Reverse(f.level)));
    }
}
