//! How many CPUs there are, and whether they are as fast in the next second as in this one.

use std::collections::{BTreeMap, BTreeSet};

use super::super::cgroup::Limits;
use super::moment::{Span, Ticks, finding, good_if, unfit_unless};
use duet_model::record::Finding;
use duet_units::{count, percent};

/// Stolen time above this share widens intervals visibly.
const STOLEN_SHARE_MAX: f64 = 0.02;

pub(super) fn cpus(have: usize, wanted: u32) -> Finding {
    finding(
        "CPUs",
        unfit_unless(have >= wanted as usize),
        format!("{have} usable, {wanted} needed"),
        "servers and generator would share a CPU, and the generator would be measured too",
        "use a machine with more CPUs, or widen this process's affinity",
    )
}

/// `core_of` has the lowest CPU of the core that each CPU is part of.
pub(super) fn cores(core_of: &BTreeMap<usize, usize>, wanted: u32) -> Finding {
    let cores: BTreeSet<_> = core_of.values().collect();
    finding(
        "cores",
        good_if(cores.len() >= wanted as usize),
        format!(
            "{} on {}, {wanted} needed",
            count(core_of.len(), "CPU"),
            count(cores.len(), "core")
        ),
        "two CPUs of one core slow each other down: the generator shows in the server's speed",
        "use a machine with more cores; with enough of them no core is shared",
    )
}

pub(super) fn stolen(span: &Span<'_>) -> Option<Finding> {
    let ticks = Ticks::of(&span.after.stat)?;
    let since_boot = ticks.stolen as f64 / ticks.total.max(1) as f64;
    let total = span.grown(|m| Some(Ticks::of(&m.stat)?.total))?;
    let stolen = span.grown(|m| Some(Ticks::of(&m.stat)?.stolen))?;
    let now = stolen as f64 / total.max(1) as f64;
    Some(finding(
        "stolen time",
        good_if(since_boot < STOLEN_SHARE_MAX && now < STOLEN_SHARE_MAX),
        format!("{} of all CPU time since boot, {} just now", percent(since_boot), percent(now)),
        "the hypervisor gave the CPUs to others; windows spread it over both arms, intervals grow",
        "use a machine with dedicated CPUs, or measure at another time",
    ))
}

pub(super) fn quota(limits: &Limits) -> Option<Finding> {
    limits.cpu_known.then(|| {
        finding(
            "CPU quota",
            good_if(limits.cpus.is_none()),
            limits.cpus.map_or_else(|| "none".to_owned(), |cpus| format!("{cpus} CPUs of time")),
            "the kernel stops all threads for the rest of a period: throughput comes in bursts",
            "lift the quota (docker: drop --cpus and use --cpuset-cpus)",
        )
    })
}

pub(super) fn throttling(span: &Span<'_>) -> Option<Finding> {
    let since = span.after.limits.throttled_ns?;
    let now = span.grown(|m| m.limits.throttled_ns)?;
    let time = |ns: u64| duet_units::nanoseconds(ns as f64);
    let found = match since {
        0 => "never".to_owned(),
        since => format!("{} so far, {} just now", time(since), time(now)),
    };
    Some(finding(
        "throttling",
        good_if(now == 0),
        found,
        "a cgroup keeps threads off their CPUs; blocks in which it does so are repeated",
        "lift the quota (docker: drop --cpus and use --cpuset-cpus)",
    ))
}

pub(super) fn governor(governor: &str) -> Finding {
    finding(
        "frequency governor",
        good_if(governor == "performance"),
        governor.to_owned(),
        "the CPUs' speed follows the load, and so differs between a slow and a fast server",
        "cpupower frequency-set -g performance",
    )
}

/// `no_turbo` is Intel's switch (1: off), `boost` that of all others (0: off).
pub(super) fn turbo(no_turbo: Option<&str>, boost: Option<&str>) -> Option<Finding> {
    let off = match (no_turbo, boost) {
        (Some(no_turbo), _) => no_turbo == "1",
        (None, Some(boost)) => boost == "0",
        (None, None) => return None,
    };
    Some(finding(
        "turbo",
        good_if(off),
        if off { "off" } else { "on" }.to_owned(),
        "speed depends on heat and on how many cores are busy; it drifts, and intervals grow",
        "echo 1 > /sys/devices/system/cpu/intel_pstate/no_turbo, or echo 0 > \
         /sys/devices/system/cpu/cpufreq/boost",
    ))
}

pub(super) fn clock(source: &str) -> Finding {
    // Read without a system call (the vDSO knows them).
    let fast = ["tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page"];
    finding(
        "clock",
        good_if(fast.contains(&source)),
        source.to_owned(),
        "reading the time is a system call and costs the generator as much as a request",
        "boot with clocksource=tsc if the machine allows it",
    )
}

#[cfg(test)]
mod tests {
    use super::super::moment::probe;
    use super::*;
    use duet_model::record::FindingLevel::{self, Good, Unfit, Warning};

    #[test]
    fn counts_of_cpus() {
        let cores_of = |pairs: &[(usize, usize)]| pairs.iter().copied().collect();
        assert_eq!(cpus(2, 2).level, Good);
        assert_eq!(cpus(1, 2).level, Unfit);
        assert_eq!(cores(&cores_of(&[(0, 0), (1, 1)]), 2).level, Good);
        let shared = cores(&cores_of(&[(0, 0), (1, 0)]), 2);
        assert_eq!((shared.level, &shared.found[..]), (Warning, "2 CPUs on 1 core, 2 needed"));
    }

    #[test]
    fn stolen_time() {
        let check = |before: &str, after: &str, want: Option<(FindingLevel, &str)>| {
            let got = probe(stolen, |first, second| {
                first.stat = before.to_owned();
                second.stat = after.to_owned();
            });
            assert_eq!(got.as_ref().map(|(level, found)| (*level, found.as_str())), want);
        };
        let quiet = "cpu  500 0 0 500 0 0 0 0 0 0\n";
        let good = "0 % of all CPU time since boot, 0 % just now";
        check(quiet, "cpu  550 0 0 550 0 0 0 0 0 0\n", Some((Good, good)));
        let bad = "4.5 % of all CPU time since boot, 50 % just now";
        check(quiet, "cpu  550 0 0 500 0 0 0 50 0 0\n", Some((Warning, bad)));
        check(quiet, "cpu  550\n", None);
        check("", "", None);
    }

    #[test]
    fn quotas_and_throttling() {
        let limits = |cpus| Limits { cpu_known: true, cpus, ..Limits::default() };
        let said = |cpus| quota(&limits(cpus)).map(|found| (found.level, found.found));
        assert_eq!(said(None), Some((Good, "none".to_owned())));
        assert_eq!(said(Some(1.5)), Some((Warning, "1.5 CPUs of time".to_owned())));
        let check = |before, after, want: Option<(FindingLevel, &str)>| {
            let got = probe(throttling, |first, second| {
                first.limits.throttled_ns = before;
                second.limits.throttled_ns = after;
            });
            assert_eq!(got.as_ref().map(|(level, found)| (*level, found.as_str())), want);
        };
        check(Some(0), Some(0), Some((Good, "never")));
        check(Some(5_000_000), Some(5_000_000), Some((Good, "5.00 ms so far, 0 ns just now")));
        check(Some(0), Some(5_000_000), Some((Warning, "5.00 ms so far, 5.00 ms just now")));
        check(None, None, None);
    }

    #[test]
    fn frequencies() {
        let said = |no_turbo: Option<&str>, boost: Option<&str>| {
            let found = turbo(no_turbo, boost)?;
            Some((found.level, found.found))
        };
        assert_eq!(said(Some("1"), None), Some((Good, "off".to_owned())));
        assert_eq!(said(Some("0"), Some("0")), Some((Warning, "on".to_owned())));
        assert_eq!(said(None, Some("0")), Some((Good, "off".to_owned())));
        assert_eq!(said(None, Some("1")), Some((Warning, "on".to_owned())));
        assert_eq!(governor("performance").level, Good);
        assert_eq!(governor("schedutil").level, Warning);
        assert_eq!(clock("kvm-clock").level, Good);
        assert_eq!(clock("hpet").level, Warning);
    }
}
