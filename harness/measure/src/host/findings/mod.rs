//! What is wrong with the machine: each finding with its effect on a measurement and its hint.
//!
//! This file takes what the kernel says, twice, a moment apart; the files below it say what that
//! means, by what it is about.

use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit};

use super::cpus;
use super::kernel_files::read;
use crate::command::on_path;
use crate::loopback;
use duet_model::record::Finding;
use duet_model::spec::Toolchain;

mod cpu;
mod memory;
mod moment;
mod network;
mod rivals;

pub use network::files_wanted;

use moment::{Moment, Span, finding, good_if};

/// The probe's own length, not a wait for something: load is a rate and needs a span of time.
const SPAN: Duration = Duration::from_millis(300);

/// The most files that a process may have open, if the system says so.
#[must_use]
pub fn files_max() -> Option<u64> {
    getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(_, hard)| hard)
}

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
        files_max().map(|hard| network::open_files(hard, connections)),
        Some(network::loopback(loopback::is_up())),
        text("/proc/sys/net/ipv4/ip_local_port_range").and_then(|range| network::ports(&range)),
        text("/proc/sys/net/ipv4/tcp_tw_reuse").map(|mode| network::port_reuse(&mode)),
        text("/proc/sys/net/core/somaxconn").and_then(|n| network::accept_queue(&n, connections)),
    ];
    let mut findings: Vec<Finding> = found.into_iter().flatten().collect();
    findings.extend(needs.iter().map(|program| tool(program)));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    findings
}

fn tool(program: &str) -> Finding {
    let found = on_path(program);
    finding(
        program,
        good_if(found),
        if found { "installed" } else { "not on the PATH" }.to_owned(),
        "servers that are built with it cannot be measured",
        &format!("install {program} and put it on the PATH"),
    )
}

/// Whether somebody is there who chooses and fetches a toolchain that a table names. Nothing is
/// fetched yet.
#[must_use]
pub fn toolchain(toolchain: &Toolchain) -> Finding {
    let tool = if toolchain.is_go() { "go" } else { "rustup" };
    let found = on_path(tool);
    finding(
        &format!("toolchain {toolchain}"),
        good_if(found),
        match found {
            true => format!("{tool} chooses it, and fetches it where it is missing"),
            false => format!("{tool}, which would choose it, is not on the PATH"),
        },
        "what is built with it can be measured only where the installed compiler is this one",
        &format!("install {tool}, or take `toolchain` out of the definitions"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::cgroup::Limits;
    use super::moment::probe;
    use super::*;
    use duet_model::record::FindingLevel;

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
