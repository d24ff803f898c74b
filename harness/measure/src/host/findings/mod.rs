//! What is wrong with the machine: each finding with its effect on a measurement and its hint.
//!
//! This file takes what the kernel says, twice, a moment apart; the files below it say what that
//! means, by what it is about.

use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit};

use super::cgroup::{self, Limits};
use super::{cpus, read};
use duet_model::record::{Finding, FindingLevel};

mod cpu;
mod memory;
mod network;
mod rivals;

/// The probe's own length, not a wait for something: load is a rate and needs a span of time.
const SPAN: Duration = Duration::from_millis(300);

/// What is to be known about the machine before it measures, worst first.
///
/// `connections` is the largest number of connections that the suite opens, `needs` the programs
/// that the servers' builds call for.
#[must_use]
pub fn findings(connections: u32, wanted_cpus: u32, needs: &[String]) -> Vec<Finding> {
    let before = Moment::now();
    std::thread::sleep(SPAN);
    let after = Moment::now();
    let span = Span { before: &before, after: &after };
    let cpus = cpus::allowed_cpus().unwrap_or_default();
    let cores = cpus::siblings(&cpus);
    let text = |path: &str| read(path).map(|text| text.trim().to_owned());
    let frequency = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";
    let clock = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let found = [
        Some(cpu::cpus(cpus.len(), wanted_cpus)),
        Some(cpu::cores(&cores, wanted_cpus)),
        cpu::stolen(&span),
        rivals::other_work(&span),
        rivals::waiting(&span),
        cpu::quota(&after.limits),
        cpu::throttling(&span),
        text(frequency).map(|governor| cpu::governor(&governor)),
        cpu::turbo(
            text("/sys/devices/system/cpu/intel_pstate/no_turbo").as_deref(),
            text("/sys/devices/system/cpu/cpufreq/boost").as_deref(),
        ),
        text(clock).map(|source| cpu::clock(&source)),
        memory::available(&after.meminfo, &after.limits),
        memory::swap(&span),
        memory::major_faults(&span),
        text("/sys/kernel/mm/transparent_hugepage/enabled").and_then(|t| memory::huge_pages(&t)),
        text("/proc/sys/kernel/randomize_va_space").map(|mode| memory::layout(&mode)),
        getrlimit(Resource::RLIMIT_NOFILE)
            .ok()
            .map(|(_, hard)| network::open_files(hard, connections)),
        text("/proc/sys/net/ipv4/ip_local_port_range").and_then(|range| network::ports(&range)),
        text("/proc/sys/net/ipv4/tcp_tw_reuse").map(|mode| network::port_reuse(&mode)),
        text("/proc/sys/net/core/somaxconn").and_then(|n| network::accept_queue(&n, connections)),
    ];
    let mut findings: Vec<Finding> = found.into_iter().flatten().collect();
    findings.extend(needs.iter().map(|program| tool(program)));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    findings
}

/// What the kernel says at one moment. What cannot be read is empty.
struct Moment {
    at: Instant,
    stat: String,
    vmstat: String,
    meminfo: String,
    pressure: String,
    processes: Vec<String>,
    limits: Limits,
}

impl Moment {
    fn now() -> Self {
        let text = |path: &str| read(path).unwrap_or_default();
        Self {
            at: Instant::now(),
            stat: text("/proc/stat"),
            vmstat: text("/proc/vmstat"),
            meminfo: text("/proc/meminfo"),
            pressure: text("/proc/pressure/cpu"),
            processes: rivals::processes(),
            limits: cgroup::limits(),
        }
    }
}

/// Two moments.
struct Span<'a> {
    before: &'a Moment,
    after: &'a Moment,
}

impl Span<'_> {
    /// By how much a counter has grown; absent where a moment lacks it.
    fn grown(&self, counter: impl Fn(&Moment) -> Option<u64>) -> Option<u64> {
        Some(counter(self.after)?.saturating_sub(counter(self.before)?))
    }

    fn elapsed_ns(&self) -> f64 {
        (self.after.at - self.before.at).as_nanos() as f64
    }
}

fn finding(name: &str, level: FindingLevel, found: String, effect: &str, hint: &str) -> Finding {
    let (name, effect, hint) = (name.to_owned(), effect.to_owned(), hint.to_owned());
    Finding { name, level, found, effect, hint }
}

/// `Good` where `good` holds, else `Warning`.
fn good_if(good: bool) -> FindingLevel {
    if good { FindingLevel::Good } else { FindingLevel::Warning }
}

/// `Good` where `good` holds, else `Unfit`.
fn unfit_unless(good: bool) -> FindingLevel {
    if good { FindingLevel::Good } else { FindingLevel::Unfit }
}

/// A number behind a name and a blank, as in /proc/vmstat.
fn counter(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.split(' ').next() == Some(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn tool(program: &str) -> Finding {
    let found = crate::build::on_path(program);
    finding(
        program,
        good_if(found),
        if found { "installed" } else { "not on the PATH" }.to_owned(),
        "servers that are built with it cannot be measured",
        &format!("install {program} and put it on the PATH"),
    )
}

#[cfg(test)]
impl Moment {
    /// A moment so many nanoseconds after `start` at which nothing can be read.
    fn silent(start: Instant, ns: u64) -> Self {
        let empty = String::new;
        Self {
            at: start + Duration::from_nanos(ns),
            stat: empty(),
            vmstat: empty(),
            meminfo: empty(),
            pressure: empty(),
            processes: vec![],
            limits: Limits::default(),
        }
    }
}

/// What a probe says of two moments, 100 ms apart, that `change` has filled: level and text.
#[cfg(test)]
fn probe(
    probe: fn(&Span<'_>) -> Option<Finding>,
    change: impl Fn(&mut Moment, &mut Moment),
) -> Option<(FindingLevel, String)> {
    let start = Instant::now();
    let (mut before, mut after) = (Moment::silent(start, 0), Moment::silent(start, 100_000_000));
    change(&mut before, &mut after);
    probe(&Span { before: &before, after: &after }).map(|found| (found.level, found.found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_name_effect_and_cure() {
        let findings = findings(64, 100_000, &["no-such-program".to_owned()]);
        let level = |name: &str| findings.iter().find(|f| f.name == name).map(|f| f.level);
        assert_eq!(level("CPUs"), Some(FindingLevel::Unfit));
        assert_eq!(level("no-such-program"), Some(FindingLevel::Warning));
        assert!(findings.iter().all(|f| !f.effect.is_empty() && !f.hint.is_empty()));
        assert!(findings.is_sorted_by_key(|f| std::cmp::Reverse(f.level)));
        let mut names: Vec<&str> = findings.iter().map(|f| f.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), findings.len(), "two findings of one name");
    }

    #[test]
    fn a_machine_that_says_nothing_has_no_findings() {
        let probes = [
            cpu::stolen,
            cpu::throttling,
            rivals::other_work,
            rivals::waiting,
            memory::swap,
            memory::major_faults,
        ];
        for one in probes {
            assert_eq!(probe(one, |_, _| {}), None);
        }
        assert_eq!(memory::available("", &Limits::default()), None);
        assert_eq!(cpu::quota(&Limits::default()), None);
        assert_eq!(cpu::turbo(None, None), None);
    }
}
