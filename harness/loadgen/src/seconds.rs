//! What happened in each second of a load, while it goes on.
//!
//! Each thread hands over a second when the next has begun, by a channel: on the hot path there is
//! nothing but counting. Whoever watches puts the threads' seconds together.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use super::fault::{Fault, Faults};
use super::latencies::Latencies;

const SECOND_NS: i128 = 1_000_000_000;

/// What happened in a second: of one thread, or of all.
#[derive(Debug, Clone, Default)]
pub struct Second {
    /// When it began, in seconds from the end of the warm-up; in the warm-up below 0.
    pub offset_s: i64,
    /// How much of it the load lasted: less than a second where it began or ended meanwhile.
    pub elapsed_ns: u64,
    /// Requests sent.
    pub sent: u64,
    /// Right answers.
    pub right: u64,
    /// Requests too old to be sent.
    pub shed: u64,
    /// Requests that failed.
    pub faults: Faults,
    /// If asked for.
    pub times: Option<Times>,
}

/// Latencies of the answers that came in a second.
#[derive(Debug, Clone, Default)]
pub struct Times {
    /// Response times in an open loop, service times in a closed one.
    pub latencies: Latencies,
    /// Of the requests sent; open loop only.
    pub send_lag: Latencies,
}

impl Second {
    /// Requests that failed, by kind.
    #[must_use]
    pub fn failed_by_kind(&self) -> BTreeMap<String, u64> {
        self.faults.by_name()
    }

    /// Requests that failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.faults.total()
    }

    /// Whether the load began or ended within it.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        i128::from(self.elapsed_ns) < SECOND_NS
    }

    /// Adds the same second of another thread.
    fn merge(&mut self, other: &Self) {
        self.elapsed_ns = self.elapsed_ns.max(other.elapsed_ns);
        self.sent += other.sent;
        self.right += other.right;
        self.shed += other.shed;
        self.faults.merge(&other.faults);
        if let (Some(mine), Some(theirs)) = (&mut self.times, &other.times) {
            mine.latencies.merge(&theirs.latencies);
            mine.send_lag.merge(&theirs.send_lag);
        }
    }
}

/// Where threads hand over their seconds.
#[derive(Debug)]
pub(super) struct Desk {
    to: Sender<Second>,
    with_times: bool,
}

/// Puts the threads' seconds together.
#[derive(Debug)]
pub struct Seconds {
    from: Receiver<Second>,
    /// Seconds that were begun, and how many threads have handed them over.
    open: BTreeMap<i64, (Second, usize)>,
}

/// A desk, and who sits at it.
pub(super) fn desk(with_times: bool) -> (Desk, Seconds) {
    let (to, from) = channel();
    (Desk { to, with_times }, Seconds { from, open: BTreeMap::new() })
}

impl Seconds {
    /// The seconds that all of `threads` threads have handed over since the last call, in order.
    pub fn complete(&mut self, threads: usize) -> Vec<Second> {
        self.receive();
        let mut complete = vec![];
        while let Some(first) = self.open.first_entry()
            && first.get().1 >= threads
        {
            complete.push(first.remove().0);
        }
        complete
    }

    /// All seconds that are left, in order. For when the load is over: threads end at different
    /// moments.
    pub fn rest(&mut self) -> Vec<Second> {
        self.receive();
        std::mem::take(&mut self.open).into_values().map(|(second, _)| second).collect()
    }

    fn receive(&mut self) {
        for second in self.from.try_iter() {
            let (whole, threads) =
                self.open.entry(second.offset_s).or_insert_with(|| (Second::default(), 0));
            if *threads == 0 {
                *whole = second;
            } else {
                whole.merge(&second);
            }
            *threads += 1;
        }
    }
}

/// Counts a thread's seconds.
#[derive(Debug)]
pub(super) struct Recorder<'l> {
    desk: Option<&'l Desk>,
    /// The end of the warm-up.
    from: Instant,
    /// Within the present second: its beginning, or that of the load.
    began: Instant,
    /// The end of the present second.
    ends: Instant,
    now: Second,
}

impl<'l> Recorder<'l> {
    /// Counts from `begin`; the warm-up is over at `from`.
    pub(super) fn new(desk: Option<&'l Desk>, begin: Instant, from: Instant) -> Self {
        let warmup_ns = from.saturating_duration_since(begin).as_nanos() as i128;
        let offset_s = (-warmup_ns).div_euclid(SECOND_NS) as i64;
        let mut recorder = Self { desk, from, began: begin, ends: begin, now: Second::default() };
        recorder.open(offset_s);
        recorder
    }

    /// The second of `now`.
    #[inline]
    pub(super) fn at(&mut self, now: Instant) -> &mut Second {
        if now >= self.ends {
            self.turn(now);
        }
        &mut self.now
    }

    /// A request was sent, this long after it was due.
    #[inline]
    pub(super) fn sent(&mut self, now: Instant, lag_ns: Option<u64>) {
        let second = self.at(now);
        second.sent += 1;
        if let (Some(times), Some(ns)) = (&mut second.times, lag_ns) {
            times.send_lag.record(ns);
        }
    }

    /// A right answer came.
    #[inline]
    pub(super) fn right(&mut self, now: Instant, ns: u64) {
        let second = self.at(now);
        second.right += 1;
        if let Some(times) = &mut second.times {
            times.latencies.record(ns);
        }
    }

    /// A request failed.
    pub(super) fn failed(&mut self, now: Instant, fault: Fault) {
        self.at(now).faults.add(fault);
    }

    /// A request is without an answer since so long.
    pub(super) fn unanswered(&mut self, now: Instant, ns: u64) {
        if let Some(times) = &mut self.at(now).times {
            times.latencies.record_at_least(ns);
        }
    }

    /// A request was too old to be sent.
    pub(super) fn shed(&mut self, now: Instant, age_ns: u64) {
        self.at(now).shed += 1;
        self.unanswered(now, age_ns);
    }

    /// The load is over.
    pub(super) fn finish(&mut self, now: Instant) {
        self.at(now);
        self.hand_over(now);
    }

    #[cold]
    fn turn(&mut self, now: Instant) {
        while now >= self.ends {
            self.hand_over(self.ends);
            self.began = self.ends;
            self.open(self.now.offset_s + 1);
        }
    }

    fn hand_over(&mut self, until: Instant) {
        self.now.elapsed_ns = until.saturating_duration_since(self.began).as_nanos() as u64;
        let second = std::mem::take(&mut self.now);
        let offset_s = second.offset_s;
        if let Some(desk) = self.desk {
            // Nobody may be watching any more.
            let _ = desk.to.send(second);
        }
        self.now.offset_s = offset_s;
    }

    fn open(&mut self, offset_s: i64) {
        let with_times = self.desk.is_some_and(|desk| desk.with_times);
        self.now = Second { offset_s, times: with_times.then(Times::default), ..Second::default() };
        let end_s = Duration::from_secs((offset_s + 1).unsigned_abs());
        self.ends = if offset_s + 1 < 0 { self.from - end_s } else { self.from + end_s };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn two_threads() {
        let (desk, mut seconds) = desk(true);
        let begin = Instant::now();
        let from = begin + 1500 * MS;
        let mut threads = [0, 1].map(|_| Recorder::new(Some(&desk), begin, from));
        for (at_ms, thread) in [(0, 0), (499, 0), (500, 0), (600, 1), (1500, 1), (2499, 0)] {
            threads[thread].sent(begin + at_ms * MS, Some(1000));
            threads[thread].right(begin + at_ms * MS, 1_000_000);
        }
        let shown = |seconds: Vec<Second>| -> Vec<(i64, u64, u64)> {
            seconds.iter().map(|s| (s.offset_s, s.sent, s.elapsed_ns / 1_000_000)).collect()
        };
        assert_eq!(shown(seconds.complete(2)), [(-2, 2, 500), (-1, 2, 1000)]);
        threads[1].failed(begin + 2600 * MS, Fault::Reset);
        threads[0].finish(begin + 2700 * MS);
        threads[1].shed(begin + 4600 * MS, 5_000_000);
        threads[1].finish(begin + 4700 * MS);
        assert_eq!(shown(seconds.complete(2)), [(0, 2, 1000), (1, 0, 1000)]);
        let rest = seconds.rest();
        assert_eq!(rest.len(), 2);
        assert_eq!((rest[1].offset_s, rest[1].shed, rest[1].is_partial()), (3, 1, true));
        let times = rest[1].times.as_ref().unwrap();
        assert_eq!((times.latencies.count(), times.latencies.count_at_least()), (1, 1));
        assert!(seconds.rest().is_empty());
    }

    #[test]
    fn nobody_watches() {
        let begin = Instant::now();
        let mut recorder = Recorder::new(None, begin, begin);
        recorder.right(begin + 5000 * MS, 1);
        recorder.finish(begin + 5001 * MS);
        assert_eq!(recorder.now.offset_s, 5);
        let (desk, seconds) = desk(false);
        drop(seconds);
        let mut recorder = Recorder::new(Some(&desk), begin, begin);
        recorder.sent(begin + 3000 * MS, None);
        assert!(recorder.at(begin + 3000 * MS).times.is_none());
    }
}
