//! The events of responses that are streams of them: how late each comes.
//!
//! An event is due when its request was sent so many periods before. So no valid one comes sooner,
//! whatever the server does, and what keeps a response from beginning delays all of its events. Of
//! a window those count that are due in it, whichever request they belong to: the streams of the
//! lead-in go on in it, and those that begin in it go on behind it.

use std::time::{Duration, Instant};

use super::histogram::{Snapshot, TimeHistogram};
use crate::request::in_flight::nanoseconds;

/// Where a thread enters the events of an arm.
#[derive(Debug)]
pub(crate) struct EventLog {
    /// Events count that are due from here on, ...
    from: Instant,
    /// ... and before this; none: all that come.
    until: Option<Instant>,
    lateness: TimeHistogram,
    late: u64,
    early: u64,
}

/// What the events of a window came to.
#[derive(Debug, Default)]
pub(crate) struct EventCounts {
    /// How late they came, but for those that came early.
    pub(crate) lateness: Snapshot,
    /// Those that came when the next one was due, or later.
    pub(crate) late: u64,
    /// Those that came before they were due.
    pub(crate) early: u64,
}

impl EventLog {
    pub(crate) fn new() -> Self {
        let (from, lateness) = (Instant::now(), TimeHistogram::new());
        Self { from, until: None, lateness, late: 0, early: 0 }
    }

    /// A window follows: with events that are due between these instants, or all.
    pub(crate) fn begin(&mut self, from: Instant, until: Option<Instant>) {
        drop(self.take());
        (self.from, self.until) = (from, until);
    }

    /// An event of a stream with this period came `now`.
    pub(crate) fn record(&mut self, due: Instant, period: Duration, now: Instant) {
        if due < self.from || self.until.is_some_and(|until| due >= until) {
            return;
        }
        if now < due {
            self.early += 1;
            return;
        }
        self.lateness.record(nanoseconds(due, now));
        self.late += u64::from(now >= due + period);
    }

    /// What the window came to.
    pub(crate) fn take(&mut self) -> EventCounts {
        let (late, early) = (std::mem::take(&mut self.late), std::mem::take(&mut self.early));
        EventCounts { lateness: self.lateness.take(), late, early }
    }
}

impl EventCounts {
    /// How many came when they were due, or later.
    pub(crate) fn count(&self) -> u64 {
        self.lateness.iter().map(|(_, count)| u64::from(*count)).sum()
    }

    /// Adds what another thread counted.
    pub(crate) fn merge(&mut self, other: Self) {
        self.lateness.extend(other.lateness);
        self.late += other.late;
        self.early += other.early;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_a_window() {
        let ms = Duration::from_millis;
        let (from, period) = (Instant::now(), ms(20));
        let mut log = EventLog::new();
        log.begin(from, Some(from + ms(100)));
        // When it is due, when it comes; whether it counts, is late, is early.
        let cases = [
            (0, 0, (1, 0, 0)),
            (99, 110, (1, 0, 0)), // behind the window
            (100, 100, (0, 0, 0)),
            (40, 59, (1, 0, 0)),
            (40, 60, (1, 1, 0)),
            (40, 39, (0, 0, 1)),
        ];
        for (due, now, want) in cases {
            log.record(from + ms(due), period, from + ms(now));
            let counts = log.take();
            assert_eq!((counts.count(), counts.late, counts.early), want, "{due} {now}");
        }
        log.record(from - ms(1), period, from);
        assert_eq!(log.take().count(), 0, "of the lead-in");
    }
}
