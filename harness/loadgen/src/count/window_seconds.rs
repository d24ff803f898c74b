//! What happened in each second of a long window.
//!
//! A request belongs to the second in which it was due, or in a closed loop sent, so that a server
//! that stands still shows in the second in which it did.

use std::time::{Duration, Instant};

use duet_protocol::SecondResult;

use super::histogram::{Snapshot, TimeHistogram};
use crate::request::in_flight::nanoseconds;

const SECOND_NS: u64 = 1_000_000_000;

/// What a thread counts by the second. All seconds are there from the beginning.
#[derive(Debug)]
pub(crate) struct WindowSeconds {
    begin: Instant,
    seconds: Vec<Counting>,
}

#[derive(Debug, Default)]
struct Counting {
    ok: u64,
    failed: u64,
    times: TimeHistogram,
}

/// What a second came to.
#[derive(Debug, Default)]
pub(crate) struct SecondCounts {
    ok: u64,
    failed: u64,
    /// Of several threads one after the other.
    times: Snapshot,
}

impl WindowSeconds {
    /// Nothing has happened in a window that begins then and lasts so long.
    pub(crate) fn new(begin: Instant, span: Duration) -> Self {
        let seconds = (span.as_nanos() as u64).div_ceil(SECOND_NS).max(1); // 584 years
        Self { begin, seconds: (0..seconds).map(|_| Counting::default()).collect() }
    }

    #[inline]
    fn at(&mut self, instant: Instant) -> &mut Counting {
        let second = (nanoseconds(self.begin, instant) / SECOND_NS) as usize;
        let last = self.seconds.len() - 1; // there is one at least
        &mut self.seconds[second.min(last)]
    }

    /// A request of that instant had an ok response, after so long if its times count.
    #[inline]
    pub(crate) fn ok(&mut self, instant: Instant, ns: Option<u64>) {
        let second = self.at(instant);
        second.ok += 1;
        if let Some(ns) = ns {
            second.times.record(ns);
        }
    }

    /// A request of that instant failed or was never sent; after so long, if that is known to be a
    /// lower bound of its time.
    pub(crate) fn failed(&mut self, instant: Instant, lower_bound_ns: Option<u64>) {
        let second = self.at(instant);
        second.failed += 1;
        if let Some(ns) = lower_bound_ns {
            second.times.record(ns);
        }
    }

    /// What they came to.
    pub(crate) fn take(self) -> Vec<SecondCounts> {
        let taken = |mut second: Counting| SecondCounts {
            ok: second.ok,
            failed: second.failed,
            times: second.times.take(),
        };
        self.seconds.into_iter().map(taken).collect()
    }
}

impl SecondCounts {
    /// Adds the same second of another thread.
    pub(crate) fn merge(&mut self, other: Self) {
        self.ok += other.ok;
        self.failed += other.failed;
        self.times.extend(other.times);
    }

    /// What the harness is told.
    pub(crate) fn result(&self) -> SecondResult {
        let mut times = self.times.clone();
        times.sort_unstable();
        SecondResult {
            requests: self.ok,
            failed: self.failed,
            ns_p50: quantile(&times, 0.5),
            ns_p99: quantile(&times, 0.99),
            ns_max: quantile(&times, 1.0),
        }
    }
}

/// The smallest of the values, which are sorted, that a share `p` of them does not exceed; 0
/// without any.
fn quantile(times: &[(u64, u32)], p: f64) -> u64 {
    let all: u64 = times.iter().map(|(_, n)| u64::from(*n)).sum();
    let rank = ((all as f64 * p).ceil() as u64).max(1);
    let mut seen = 0;
    let reaches = |(_, n): &&(u64, u32)| {
        seen += u64::from(*n);
        seen >= rank
    };
    times.iter().find(reaches).map_or(0, |(ns, _)| *ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_belong_to_the_second_in_which_they_were_due() {
        let begin = Instant::now();
        let ms = |ms: u64| begin + Duration::from_millis(ms);
        let window = || WindowSeconds::new(begin, Duration::from_millis(2500));
        let (mut one, mut other) = (window(), window());
        (0..99).for_each(|i| one.ok(ms(i * 10), Some(1_000_000)));
        one.ok(ms(999), Some(80_000_000));
        one.ok(ms(1000), None);
        other.ok(ms(500), Some(2_000_000));
        other.failed(ms(2499), Some(2_000_000_000));
        other.failed(ms(2600), None); // later than any: of the last
        let mut seconds = one.take();
        seconds.iter_mut().zip(other.take()).for_each(|(second, other)| second.merge(other));
        let found: Vec<SecondResult> = seconds.iter().map(SecondCounts::result).collect();
        let counts: Vec<(u64, u64)> = found.iter().map(|s| (s.requests, s.failed)).collect();
        assert_eq!(counts, [(101, 0), (1, 0), (0, 2)]);
        let about = |ns: u64, want: u64| assert!(ns.abs_diff(want) <= want / 1000, "{ns} {want}");
        about(found[0].ns_p50, 1_000_000);
        about(found[0].ns_p99, 2_000_000);
        about(found[0].ns_max, 80_000_000);
        assert_eq!((found[1].ns_p50, found[1].ns_max), (0, 0));
        about(found[2].ns_p99, 2_000_000_000);
    }
}
