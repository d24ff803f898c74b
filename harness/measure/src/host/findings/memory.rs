//! Whether memory is there, stays there, and is laid out anew at every start.

use super::super::cgroup::Limits;
use super::super::kernel_files::meminfo;
use super::moment::{Moment, Span, counter, finding, good_if};
use duet_model::record::Finding;

/// What servers, generator and harness take together at most, with room to spare.
const FREE_BYTES_MIN: u64 = 1 << 30;

pub(super) fn available(text: &str, limits: &Limits) -> Option<Finding> {
    let machine = meminfo(text, "MemAvailable");
    let limited = limits.memory_free_bytes.filter(|free| machine.is_none_or(|all| *free < all));
    let available = limited.or(machine)?;
    let by = if limited.is_some() { ", limited by a cgroup" } else { "" };
    Some(finding(
        "memory",
        good_if(available >= FREE_BYTES_MIN),
        format!("{} available{by}", duet_units::bytes(available as f64)),
        "servers could be swapped out or killed",
        "stop what uses it, or raise the limit",
    ))
}

pub(super) fn swap(span: &Span<'_>) -> Option<Finding> {
    let total = meminfo(&span.after.meminfo, "SwapTotal")?;
    let used = total.saturating_sub(meminfo(&span.after.meminfo, "SwapFree")?);
    let moved = |m: &Moment| Some(counter(&m.vmstat, "pswpin")? + counter(&m.vmstat, "pswpout")?);
    let pages = span.grown(moved).unwrap_or(0);
    let found = match (total, pages) {
        (0, _) => "none".to_owned(),
        (_, 0) => format!("{} in use, still", duet_units::bytes(used as f64)),
        (_, pages) => {
            format!("{} in use, {pages} pages moved just now", duet_units::bytes(used as f64))
        }
    };
    Some(finding(
        "swap",
        good_if(pages == 0),
        found,
        "memory of servers may lie on the disk: resident memory looks small, answers wait",
        "stop what uses memory, or swapoff -a",
    ))
}

/// Page faults that had to read from a disk, as many as a program that starts may cause.
const MAJOR_FAULTS_MAX: u64 = 10;

/// Page faults that had to read from a disk.
pub(super) fn major_faults(span: &Span<'_>) -> Option<Finding> {
    let faults = span.grown(|m| counter(&m.vmstat, "pgmajfault"))?;
    Some(finding(
        "page faults",
        good_if(faults <= MAJOR_FAULTS_MAX),
        format!("{faults} from disk just now"),
        "programs wait for the disk: something is short of memory, or starting up",
        "wait until it is done; free memory",
    ))
}

/// `always [madvise] never`: the mode in force stands in brackets.
pub(super) fn huge_pages(text: &str) -> Option<Finding> {
    let mode = text.split_once('[')?.1.split_once(']')?.0;
    Some(finding(
        "huge pages",
        good_if(mode != "always"),
        mode.to_owned(),
        "memory grows in steps of 2 MiB, whether used or not, when the kernel sees fit",
        "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
    ))
}

/// Whether addresses differ from start to start: 0 never, 1 stack and libraries, 2 the heap too
/// (kernel documentation, sysctl/kernel.rst, randomize_va_space).
pub(super) fn layout(mode: &str) -> Finding {
    let found = match mode {
        "0" => "the same at every start",
        "1" => "differs from start to start, but for the heap",
        _ => "differs from start to start",
    };
    finding(
        "memory layout",
        good_if(mode != "0"),
        found.to_owned(),
        "a layout that happens to be lucky or unlucky is in every block, and no interval shows it",
        "sysctl -w kernel.randomize_va_space=2",
    )
}

#[cfg(test)]
mod tests {
    use super::super::moment::probe;
    use super::*;
    use duet_model::record::FindingLevel::{self, Good, Warning};

    #[test]
    fn free_memory() {
        let check = |meminfo: &str, free: Option<u64>, want: Option<&str>| {
            let limits = Limits { memory_free_bytes: free, ..Limits::default() };
            assert_eq!(available(meminfo, &limits).map(|f| f.found).as_deref(), want);
        };
        let four = "MemTotal: 8388608 kB\nMemAvailable:    4194304 kB\n";
        check(four, None, Some("4.00 GiB available"));
        check(four, Some(8 << 30), Some("4.00 GiB available"));
        check(four, Some(1 << 29), Some("512 MiB available, limited by a cgroup"));
        check("", Some(1 << 29), Some("512 MiB available, limited by a cgroup"));
        check("MemAvailable: x kB\n", None, None);
        let limits = Limits { memory_free_bytes: Some(1 << 29), ..Limits::default() };
        assert_eq!(available(four, &limits).map(|f| f.level), Some(Warning));
    }

    #[test]
    fn swapping() {
        let check = |meminfo: &str, vmstat: [&str; 2], want: Option<(_, &str)>| {
            let got = probe(swap, |before, after| {
                (before.vmstat, after.vmstat) = (vmstat[0].to_owned(), vmstat[1].to_owned());
                after.meminfo = meminfo.to_owned();
            });
            assert_eq!(got.as_ref().map(|(level, found)| (*level, found.as_str())), want);
        };
        let counters = ["pswpin 1\npswpout 2\n", "pswpin 4\npswpout 2\n"];
        let some = "SwapTotal: 2048 kB\nSwapFree: 1024 kB\n";
        check("SwapTotal: 0 kB\nSwapFree: 0 kB\n", ["", ""], Some((Good, "none")));
        check(some, [counters[0]; 2], Some((Good, "1.00 MiB in use, still")));
        check(some, counters, Some((Warning, "1.00 MiB in use, 3 pages moved just now")));
        check(some, ["", ""], Some((Good, "1.00 MiB in use, still")));
    }

    #[test]
    fn faults() {
        let check = |faults: u64, want: FindingLevel| {
            let got = probe(major_faults, |before, after| {
                before.vmstat = "pgfault 9\npgmajfault 5\n".to_owned();
                after.vmstat = format!("pgfault 99\npgmajfault {}\n", 5 + faults);
            });
            assert_eq!(got, Some((want, format!("{faults} from disk just now"))));
        };
        check(0, Good);
        check(MAJOR_FAULTS_MAX, Good);
        check(MAJOR_FAULTS_MAX + 1, Warning);
    }

    #[test]
    fn settings() {
        let mode = |text: &str| huge_pages(text).map(|found| (found.level, found.found));
        assert_eq!(mode("always [madvise] never"), Some((Good, "madvise".to_owned())));
        assert_eq!(mode("[always] madvise never"), Some((Warning, "always".to_owned())));
        assert_eq!(mode(""), None);
        assert_eq!(layout("2").level, Good);
        assert_eq!(layout("0").level, Warning);
    }
}
