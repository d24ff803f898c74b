//! What happened in each second of a load, while it goes on.
//!
//! Each thread sends a second when the next has begun, by a channel: on the hot path there is
//! nothing but counting. Whoever watches puts the threads' seconds together.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use super::latencies::Latencies;
use crate::error_kind::{ErrorCounts, ErrorKind};
use crate::request::in_flight::{InFlight, nanoseconds};

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
    /// Ok responses.
    pub ok: u64,
    /// Requests too old to be sent.
    pub shed: u64,
    /// Requests that failed.
    pub errors: ErrorCounts,
    /// If asked for.
    pub times: Option<SecondTimes>,
    /// A row for each request of the measured time that ended, if asked for.
    pub rows: Option<Vec<Row>>,
}

/// A request of the measured time that was sent and has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// When it was due, in nanoseconds from the end of the warm-up; absent in a closed loop.
    pub planned_ns: Option<u64>,
    /// When it was sent.
    pub sent_ns: u64,
    /// From sending to the last byte; absent where it failed.
    pub service_ns: Option<u64>,
    /// From sending until it was over, whatever it was.
    pub elapsed_ns: u64,
    /// Which of the cases it was, from 0.
    pub case: u32,
    /// `ok`, a kind of failure, or `in_flight`: waiting for it was given up.
    pub outcome: &'static str,
}

/// Latencies of the responses that came in a second.
#[derive(Debug, Clone, Default)]
pub struct SecondTimes {
    /// Response times in an open loop, service times in a closed one.
    pub latencies: Latencies,
    /// Of the requests sent; open loop only.
    pub send_lag: Latencies,
}

impl Second {
    /// Requests that failed, by kind.
    #[must_use]
    pub fn failed_by_kind(&self) -> BTreeMap<String, u64> {
        self.errors.by_name()
    }

    /// Requests that failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.errors.total()
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
        self.ok += other.ok;
        self.shed += other.shed;
        self.errors.merge(&other.errors);
        if let (Some(mine), Some(theirs)) = (&mut self.times, &other.times) {
            mine.latencies.merge(&theirs.latencies);
            mine.send_lag.merge(&theirs.send_lag);
        }
        if let (Some(mine), Some(theirs)) = (&mut self.rows, &other.rows) {
            mine.extend(theirs);
        }
    }
}

/// How a running load is watched and stopped.
#[derive(Debug, Default)]
pub struct Live {
    /// Set it to end the load early; what was measured counts.
    pub stop: AtomicBool,
    sender: Option<SecondsSender>,
}

impl Live {
    /// A load that is watched, with latencies and with rows if asked for.
    #[must_use]
    pub fn watched(with_times: bool, with_rows: bool) -> (Self, SecondsReceiver) {
        let (sender, seconds) = channel(with_times, with_rows);
        (Self { stop: AtomicBool::new(false), sender: Some(sender) }, seconds)
    }

    /// Where its threads send their seconds; none: nobody watches.
    pub(crate) fn sender(&self) -> Option<&SecondsSender> {
        self.sender.as_ref()
    }
}

/// Where threads send their seconds.
#[derive(Debug)]
pub(crate) struct SecondsSender {
    to: Sender<Second>,
    with_times: bool,
    with_rows: bool,
}

/// Puts the threads' seconds together.
#[derive(Debug)]
pub struct SecondsReceiver {
    from: Receiver<Second>,
    /// Seconds that were begun, and how many threads have sent them.
    open: BTreeMap<i64, (Second, usize)>,
}

/// A channel for seconds, with latencies and with rows if asked for.
fn channel(with_times: bool, with_rows: bool) -> (SecondsSender, SecondsReceiver) {
    let (to, from) = mpsc::channel();
    (SecondsSender { to, with_times, with_rows }, SecondsReceiver { from, open: BTreeMap::new() })
}

impl SecondsReceiver {
    /// The seconds that all of `threads` threads have sent since the last call, in order.
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
pub(crate) struct SecondRecorder<'l> {
    sender: Option<&'l SecondsSender>,
    /// The end of the warm-up.
    from: Instant,
    /// Within the present second: its beginning, or that of the load.
    began: Instant,
    /// The end of the present second.
    ends: Instant,
    now: Second,
}

impl<'l> SecondRecorder<'l> {
    /// Counts from `begin`; the warm-up is over at `from`.
    pub(crate) fn new(sender: Option<&'l SecondsSender>, begin: Instant, from: Instant) -> Self {
        let warmup_ns = from.saturating_duration_since(begin).as_nanos() as i128;
        let offset_s = (-warmup_ns).div_euclid(SECOND_NS) as i64;
        let mut recorder = Self { sender, from, began: begin, ends: begin, now: Second::default() };
        recorder.open(offset_s);
        recorder
    }

    /// The second of `now`.
    #[inline]
    pub(crate) fn at(&mut self, now: Instant) -> &mut Second {
        if now >= self.ends {
            self.turn(now);
        }
        &mut self.now
    }

    /// A request was sent, this long after it was due.
    #[inline]
    pub(crate) fn sent(&mut self, now: Instant, lag_ns: Option<u64>) {
        let second = self.at(now);
        second.sent += 1;
        if let (Some(times), Some(ns)) = (&mut second.times, lag_ns) {
            times.send_lag.record(ns);
        }
    }

    /// A ok response came.
    #[inline]
    pub(crate) fn ok(&mut self, now: Instant, ns: u64) {
        let second = self.at(now);
        second.ok += 1;
        if let Some(times) = &mut second.times {
            times.latencies.record(ns);
        }
    }

    /// A request failed.
    pub(crate) fn failed(&mut self, now: Instant, kind: ErrorKind) {
        self.at(now).errors.add(kind);
    }

    /// A request is without a response since so long.
    pub(crate) fn censored(&mut self, now: Instant, ns: u64) {
        if let Some(times) = &mut self.at(now).times {
            times.latencies.record_lower_bound(ns);
        }
    }

    /// A request has ended.
    #[inline]
    pub(crate) fn row(
        &mut self,
        request: &InFlight,
        service_ns: Option<u64>,
        now: Instant,
        outcome: &'static str,
    ) {
        if self.now.rows.is_none() || !request.measured {
            return;
        }
        let from = self.from;
        if let Some(rows) = &mut self.at(now).rows {
            rows.push(Row {
                planned_ns: request.planned.map(|planned| nanoseconds(from, planned)),
                sent_ns: nanoseconds(from, request.sent),
                service_ns,
                elapsed_ns: nanoseconds(request.sent, now),
                case: request.exchange,
                outcome,
            });
        }
    }

    /// A request was too old to be sent.
    pub(crate) fn shed(&mut self, now: Instant, age_ns: u64) {
        self.at(now).shed += 1;
        self.censored(now, age_ns);
    }

    /// The load is over.
    pub(crate) fn finish(&mut self, now: Instant) {
        self.at(now);
        self.send(now);
    }

    #[cold]
    fn turn(&mut self, now: Instant) {
        while now >= self.ends {
            self.send(self.ends);
            self.began = self.ends;
            self.open(self.now.offset_s + 1);
        }
    }

    fn send(&mut self, until: Instant) {
        self.now.elapsed_ns = until.saturating_duration_since(self.began).as_nanos() as u64;
        let second = std::mem::take(&mut self.now);
        let offset_s = second.offset_s;
        if let Some(sender) = self.sender {
            // Nobody may be watching any more.
            let _ = sender.to.send(second);
        }
        self.now.offset_s = offset_s;
    }

    fn open(&mut self, offset_s: i64) {
        let with_times = self.sender.is_some_and(|sender| sender.with_times);
        let with_rows = self.sender.is_some_and(|sender| sender.with_rows);
        self.now = Second {
            offset_s,
            times: with_times.then(SecondTimes::default),
            rows: with_rows.then(Vec::new),
            ..Second::default()
        };
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
        let (sender, mut seconds) = channel(true, true);
        let begin = Instant::now();
        let from = begin + 1500 * MS;
        let mut threads = [0, 1].map(|_| SecondRecorder::new(Some(&sender), begin, from));
        for (at_ms, thread) in [(0, 0), (499, 0), (500, 0), (600, 1), (1500, 1), (2499, 0)] {
            threads[thread].sent(begin + at_ms * MS, Some(1000));
            threads[thread].ok(begin + at_ms * MS, 1_000_000);
        }
        let shown = |seconds: Vec<Second>| -> Vec<(i64, u64, u64)> {
            seconds.iter().map(|s| (s.offset_s, s.sent, s.elapsed_ns / 1_000_000)).collect()
        };
        assert_eq!(shown(seconds.complete(2)), [(-2, 2, 500), (-1, 2, 1000)]);
        threads[1].failed(begin + 2600 * MS, ErrorKind::Reset);
        threads[0].finish(begin + 2700 * MS);
        threads[1].shed(begin + 4600 * MS, 5_000_000);
        threads[1].finish(begin + 4700 * MS);
        assert_eq!(shown(seconds.complete(2)), [(0, 2, 1000), (1, 0, 1000)]);
        let rest = seconds.rest();
        assert_eq!(rest.len(), 2);
        assert_eq!((rest[1].offset_s, rest[1].shed, rest[1].is_partial()), (3, 1, true));
        let times = rest[1].times.as_ref().unwrap();
        assert_eq!((times.latencies.count(), times.latencies.censored_count()), (1, 1));
        assert!(seconds.rest().is_empty());
    }

    #[test]
    fn nobody_watches() {
        let begin = Instant::now();
        let mut recorder = SecondRecorder::new(None, begin, begin);
        recorder.ok(begin + 5000 * MS, 1);
        recorder.finish(begin + 5001 * MS);
        assert_eq!(recorder.now.offset_s, 5);
        let (sender, seconds) = channel(false, false);
        drop(seconds);
        let mut recorder = SecondRecorder::new(Some(&sender), begin, begin);
        recorder.sent(begin + 3000 * MS, None);
        assert!(recorder.at(begin + 3000 * MS).times.is_none());
    }
}
