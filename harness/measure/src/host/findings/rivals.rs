//! Who else wants the CPUs.

use super::moment::{Span, Ticks, finding, good_if};
use duet_model::record::Finding;
use duet_units::percent;

/// Below this share of all CPUs, other work is the system's own housekeeping.
const BUSY_SHARE_MAX: f64 = 0.1;

/// The share of the time in which a thread that wanted to run had to wait.
const WAITING_SHARE_MAX: f64 = 0.05;

/// So many of the busiest processes are named.
const NAMED: usize = 3;

pub(super) fn other_work(span: &Span<'_>) -> Option<Finding> {
    let total = span.grown(|m| Some(Ticks::of(&m.stat)?.total))?;
    let busy = span.grown(|m| Some(Ticks::of(&m.stat)?.busy))?;
    let share = busy as f64 / total.max(1) as f64;
    let named = match share < BUSY_SHARE_MAX {
        true => String::new(),
        false => busiest(&span.before.processes, &span.after.processes, total),
    };
    Some(finding(
        "other work",
        good_if(share < BUSY_SHARE_MAX),
        format!("{} of all CPUs busy just now{named}", percent(share)),
        "other processes compete with server and generator; blocks that lose 5 % are repeated",
        "stop them, or wait until they are done",
    ))
}

/// Pressure stall information: the microseconds in which some thread waited for a CPU.
pub(super) fn waiting(span: &Span<'_>) -> Option<Finding> {
    let us = span.grown(|m| waited_us(&m.pressure))?;
    let share = (us as f64 * 1e3 / span.elapsed_ns().max(1.0)).min(1.0);
    Some(finding(
        "run queue",
        good_if(share < WAITING_SHARE_MAX),
        format!("some thread waited for a CPU {} of the time just now", percent(share)),
        "more threads want to run than there are CPUs: servers and generator would wait too",
        "stop other work, or wait until it is done",
    ))
}

/// `some avg10=0.00 avg60=0.00 avg300=0.00 total=1234` (kernel documentation, accounting/psi).
fn waited_us(pressure: &str) -> Option<u64> {
    let line = pressure.lines().find(|line| line.starts_with("some "))?;
    line.split("total=").nth(1)?.trim().parse().ok()
}

/// The processes that used most time, as ` (cargo 61 %, rustc 35 %)`; empty where none used any.
fn busiest(before: &[String], after: &[String], total: u64) -> String {
    let earlier: std::collections::BTreeMap<u32, u64> = before
        .iter()
        .filter_map(|stat| process(stat))
        .map(|(pid, _, ticks)| (pid, ticks))
        .collect();
    let mut used: Vec<(u64, &str)> = after
        .iter()
        .filter_map(|stat| process(stat))
        // A process that is new has used all its time since.
        .map(|(pid, name, ticks)| {
            (ticks.saturating_sub(earlier.get(&pid).copied().unwrap_or(0)), name)
        })
        .filter(|(ticks, _)| *ticks > 0)
        .collect();
    used.sort_by(|a, b| b.cmp(a));
    let share = |ticks: u64| percent(ticks as f64 / total.max(1) as f64);
    let named = used.iter().take(NAMED).map(|(ticks, name)| format!("{name} {}", share(*ticks)));
    let named = named.collect::<Vec<_>>().join(", ");
    if named.is_empty() { named } else { format!(": {named}") }
}

/// A process's id, name and CPU time in ticks, from `1 (name) S …`, where the name may hold
/// anything and user and system time are the 14th and 15th field (proc_pid_stat(5)).
fn process(stat: &str) -> Option<(u32, &str, u64)> {
    let (pid, rest) = stat.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let mut fields = rest.split_whitespace().skip(11).map_while(|field| field.parse::<u64>().ok());
    Some((pid.parse().ok()?, name, fields.next()? + fields.next()?))
}

#[cfg(test)]
mod tests {
    use super::super::moment::probe;
    use super::*;
    use duet_model::record::FindingLevel::{Good, Warning};

    const CARGO: &str = "12 (cargo) R 1 1 1 0 -1 4194560 1 0 0 0 100 20 0 0 20 0 1 0 5 1 1";
    const ODD: &str = "7 (a) b (c) S 1 1 1 0 -1 4194560 1 0 0 0 3 4 0 0 20 0 1 0 5 1 1";

    #[test]
    fn processes_are_read() {
        assert_eq!(process(CARGO), Some((12, "cargo", 120)));
        assert_eq!(process(ODD), Some((7, "a) b (c", 7)));
        for damaged in ["", "1 (x", "1 (x) S 1 2 3", "x (y) S 1 1 1 0 -1 4 1 0 0 0 3 4"] {
            assert_eq!(process(damaged), None, "{damaged}");
        }
    }

    #[test]
    fn busy_processes_are_named() {
        let got = probe(other_work, |before, after| {
            before.stat = "cpu  100 0 0 900 0 0 0 0 0 0\n".to_owned();
            after.stat = "cpu  180 0 0 920 0 0 0 0 0 0\n".to_owned();
            before.processes = vec![CARGO.replace(" 100 20 ", " 60 20 "), ODD.to_owned()];
            after.processes = vec![CARGO.to_owned(), ODD.to_owned(), CARGO.replace("12", "13")];
        });
        let want = "80 % of all CPUs busy just now: cargo 120 %, cargo 40 %";
        assert_eq!(got, Some((Warning, want.to_owned())));
        let idle = probe(other_work, |before, after| {
            before.stat = "cpu  100 0 0 900 0 0 0 0 0 0\n".to_owned();
            after.stat = "cpu  105 0 0 995 0 0 0 0 0 0\n".to_owned();
            after.processes = vec![CARGO.to_owned()];
        });
        assert_eq!(idle, Some((Good, "5.0 % of all CPUs busy just now".to_owned())));
    }

    #[test]
    fn waiting_for_a_cpu() {
        let line = |total: u64| format!("some avg10=1.00 avg60=0.00 avg300=0.00 total={total}\n");
        let check = |after: u64, want| {
            let got = probe(waiting, |first, second| {
                first.pressure = line(1000);
                second.pressure = line(after);
            });
            assert_eq!(got.map(|(level, _)| level), Some(want), "{after}");
        };
        check(1000, Good);
        check(5000, Good);
        check(51_000, Warning);
        assert_eq!(waited_us("full avg10=0.00 total=5\n"), None);
    }
}
