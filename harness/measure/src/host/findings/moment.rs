//! What the kernel says at two moments, and what findings are made with.

use std::fs;
#[cfg(test)]
use std::time::Duration;
use std::time::Instant;

use super::super::cgroup::{self, Limits};
use super::super::kernel_files::read;
use duet_model::record::{Finding, FindingLevel};

/// What the kernel says at one moment. What cannot be read is empty.
pub(super) struct Moment {
    pub(super) at: Instant,
    pub(super) stat: String,
    pub(super) vmstat: String,
    pub(super) meminfo: String,
    pub(super) pressure: String,
    pub(super) processes: Vec<String>,
    pub(super) limits: Limits,
}

impl Moment {
    pub(super) fn now() -> Self {
        let text = |path: &str| read(path).unwrap_or_default();
        Self {
            at: Instant::now(),
            stat: text("/proc/stat"),
            vmstat: text("/proc/vmstat"),
            meminfo: text("/proc/meminfo"),
            pressure: text("/proc/pressure/cpu"),
            processes: processes(),
            limits: cgroup::limits(),
        }
    }
}

/// Two moments.
pub(super) struct Span<'a> {
    pub(super) before: &'a Moment,
    pub(super) after: &'a Moment,
}

impl Span<'_> {
    /// By how much a counter has grown; absent where a moment lacks it.
    pub(super) fn grown(&self, counter: impl Fn(&Moment) -> Option<u64>) -> Option<u64> {
        Some(counter(self.after)?.saturating_sub(counter(self.before)?))
    }

    pub(super) fn elapsed_ns(&self) -> f64 {
        (self.after.at - self.before.at).as_nanos() as f64
    }
}

pub(super) fn finding(
    name: &str,
    level: FindingLevel,
    found: String,
    effect: &str,
    hint: &str,
) -> Finding {
    let (name, effect, hint) = (name.to_owned(), effect.to_owned(), hint.to_owned());
    Finding { name, level, found, effect, hint }
}

/// `Good` where `good` holds, else `Warning`.
pub(super) fn good_if(good: bool) -> FindingLevel {
    if good { FindingLevel::Good } else { FindingLevel::Warning }
}

/// `Good` where `good` holds, else `Unfit`.
pub(super) fn unfit_unless(good: bool) -> FindingLevel {
    if good { FindingLevel::Good } else { FindingLevel::Unfit }
}

/// A number behind a name and a blank, as in /proc/vmstat.
pub(super) fn counter(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.split(' ').next() == Some(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Every process's line in /proc/PID/stat. Processes that end meanwhile are left out.
fn processes() -> Vec<String> {
    let Ok(entries) = fs::read_dir("/proc") else { return vec![] };
    let is_process = |name: &str| name.bytes().all(|b| b.is_ascii_digit());
    entries
        .flatten()
        .filter(|entry| is_process(&entry.file_name().to_string_lossy()))
        .filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok())
        .collect()
}

/// CPU time of all CPUs since boot, in ticks.
pub(super) struct Ticks {
    pub(super) total: u64,
    pub(super) busy: u64,
    pub(super) stolen: u64,
}

impl Ticks {
    /// The first line of /proc/stat: user nice system idle iowait irq softirq steal (proc_stat(5)).
    pub(super) fn of(stat: &str) -> Option<Self> {
        let fields: Vec<u64> = stat
            .lines()
            .next()?
            .strip_prefix("cpu ")?
            .split_whitespace()
            .take(8)
            .map_while(|field| field.parse().ok())
            .collect();
        let [user, nice, system, idle, iowait, irq, softirq, stolen] = fields[..] else {
            return None;
        };
        let busy = user + nice + system + irq + softirq;
        Some(Self { total: busy + idle + iowait + stolen, busy, stolen })
    }
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
pub(super) fn probe(
    probe: fn(&Span<'_>) -> Option<Finding>,
    change: impl Fn(&mut Moment, &mut Moment),
) -> Option<(FindingLevel, String)> {
    let start = Instant::now();
    let (mut before, mut after) = (Moment::silent(start, 0), Moment::silent(start, 100_000_000));
    change(&mut before, &mut after);
    probe(&Span { before: &before, after: &after }).map(|found| (found.level, found.found))
}
