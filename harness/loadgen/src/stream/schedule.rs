//! Which request is sent next, and when.

use std::time::{Duration, Instant};

use crate::pace::Pace;

/// The edges of a load, the same for all threads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edges {
    /// The first request is sent.
    pub(crate) begin: Instant,
    /// The warm-up is over.
    pub(crate) from: Instant,
    /// No request is sent any more.
    pub(crate) to: Instant,
}

/// One thread's requests.
#[derive(Debug, Clone)]
pub(crate) enum Schedule {
    /// The next whenever a connection is free; so many after the warm-up, or without end.
    Closed { left: Option<u64> },
    /// The next when it is due.
    Open { warmup: Pace, measured: Pace, deadline: Option<Duration> },
}

/// What is to be done at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    Send {
        planned: Instant,
        measured: bool,
    },
    /// It waited too long to be sent.
    Shed {
        planned: Instant,
        measured: bool,
    },
}

impl Schedule {
    /// Takes the next request, if it is due.
    #[inline]
    pub(crate) fn take(&mut self, now: Instant, edges: &Edges) -> Due {
        match self {
            Self::Closed { left } => {
                let measured = now >= edges.from;
                if now >= edges.to || (measured && *left == Some(0)) {
                    return Due::Nothing;
                }
                if measured && let Some(left) = left {
                    *left -= 1;
                }
                Due::Send { planned: now, measured }
            }
            Self::Open { warmup, measured: main, deadline } => {
                let (planned, measured) = match (warmup.peek(), main.peek()) {
                    (Some(ns), _) => (edges.begin + Duration::from_nanos(ns), false),
                    (None, Some(ns)) => (edges.from + Duration::from_nanos(ns), true),
                    (None, None) => return Due::Nothing,
                };
                if planned > now {
                    return Due::Nothing;
                }
                if measured {
                    main.advance();
                } else {
                    warmup.advance();
                }
                if deadline.is_some_and(|deadline| now - planned > deadline) {
                    return Due::Shed { planned, measured };
                }
                Due::Send { planned, measured }
            }
        }
    }

    /// When the next request is due, in an open loop.
    #[inline]
    pub(crate) fn next(&self, edges: &Edges) -> Option<Instant> {
        let Self::Open { warmup, measured, .. } = self else { return None };
        let warmup = warmup.peek().map(|ns| edges.begin + Duration::from_nanos(ns));
        warmup.or_else(|| measured.peek().map(|ns| edges.from + Duration::from_nanos(ns)))
    }

    /// Whether nothing is left, whatever the time.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self, Self::Closed { left: Some(0) })
    }

    /// Ends the warm-up. What of it could not be sent in its time is not sent any more: nobody
    /// would look at it, and all that is measured would have to wait behind it.
    pub(crate) fn end_warmup(&mut self) {
        if let Self::Open { warmup, .. } = self {
            warmup.cut(0);
        }
    }

    /// Ends it before its time.
    pub(crate) fn cut(&mut self, edges: &Edges) {
        if let Self::Open { warmup, measured, .. } = self {
            let span_ns = |from| edges.to.saturating_duration_since(from).as_nanos() as u64;
            warmup.cut(span_ns(edges.begin));
            measured.cut(span_ns(edges.from));
        }
    }

    /// The planned instants that are left of the measured time of an open loop.
    pub(crate) fn rest(&self, edges: &Edges) -> impl Iterator<Item = Instant> + use<> {
        let rest = match self {
            Self::Open { measured, .. } => Some(measured.clone()),
            Self::Closed { .. } => None,
        };
        let from = edges.from;
        rest.into_iter().flatten().map(move |ns| from + Duration::from_nanos(ns))
    }

    /// Whether a request of this age is not sent any more.
    pub(crate) fn sheds(&self, age: Duration) -> bool {
        matches!(self, Self::Open { deadline: Some(deadline), .. } if age > *deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace::Rate;

    use duet_protocol::Arrivals;

    const SECOND: Duration = Duration::from_secs(1);

    fn edges(warmup_s: u32, measured_s: u32) -> Edges {
        let begin = Instant::now();
        let from = begin + SECOND * warmup_s;
        Edges { begin, from, to: from + SECOND * measured_s }
    }

    /// One request a second.
    fn open(deadline: Option<Duration>) -> Schedule {
        let pace = |seconds: u64| {
            Pace::new(Arrivals::Uniform, Rate::steady(1.0), (0, 1), 0, seconds * 1_000_000_000)
        };
        Schedule::Open { warmup: pace(2), measured: pace(4), deadline }
    }

    #[test]
    fn closed_without_end() {
        let edges = edges(1, 2);
        let mut schedule = Schedule::Closed { left: None };
        for (at, expected) in [(0, Some(false)), (1, Some(true)), (2, Some(true)), (3, None)] {
            let now = edges.begin + SECOND * at;
            let expected =
                expected.map_or(Due::Nothing, |measured| Due::Send { planned: now, measured });
            assert_eq!(schedule.take(now, &edges), expected, "{at}");
        }
    }

    #[test]
    fn closed_with_a_number() {
        let edges = edges(1, 1000);
        let mut schedule = Schedule::Closed { left: Some(2) };
        let sent = |schedule: &mut Schedule, at| {
            schedule.take(edges.begin + SECOND * at, &edges) != Due::Nothing
        };
        let sent: Vec<bool> = [0, 0, 1, 1, 1].map(|at| sent(&mut schedule, at)).into();
        assert_eq!(sent, [true, true, true, true, false], "the warm-up is not counted");
        assert!(schedule.is_over());
    }

    #[test]
    fn late_requests_keep_their_instants() {
        let edges = edges(2, 4);
        let mut schedule = open(None);
        assert_eq!(schedule.take(edges.begin, &edges), Due::Nothing);
        assert_eq!(schedule.next(&edges), Some(edges.begin + SECOND / 2));
        // Nothing was sent for four and a half seconds, then everything at once.
        let now = edges.begin + SECOND * 9 / 2;
        let mut taken = vec![];
        while let Due::Send { planned, measured } = schedule.take(now, &edges) {
            taken.push(((planned - edges.begin).as_millis(), measured));
        }
        let expected = [(500, false), (1500, false), (2500, true), (3500, true), (4500, true)];
        assert_eq!(taken, expected);
        assert_eq!(schedule.rest(&edges).count(), 1);
        schedule.cut(&Edges { to: edges.begin + SECOND * 5, ..edges });
        assert_eq!(schedule.rest(&edges).count(), 0);
    }

    #[test]
    fn the_measured_time_begins_with_its_own_requests() {
        let edges = edges(2, 4);
        let mut schedule = open(None);
        assert!(matches!(schedule.take(edges.from, &edges), Due::Send { measured: false, .. }));
        schedule.end_warmup();
        assert_eq!(schedule.take(edges.from, &edges), Due::Nothing);
        let planned = edges.from + SECOND / 2;
        assert_eq!(schedule.next(&edges), Some(planned));
        assert_eq!(schedule.take(planned, &edges), Due::Send { planned, measured: true });
    }

    #[test]
    fn deadlines() {
        let edges = edges(2, 4);
        let mut schedule = open(Some(SECOND));
        let now = edges.begin + SECOND * 9 / 2;
        let mut kinds = vec![];
        loop {
            match schedule.take(now, &edges) {
                Due::Nothing => break,
                Due::Send { .. } => kinds.push("sent"),
                Due::Shed { .. } => kinds.push("shed"),
            }
        }
        assert_eq!(kinds, ["shed", "shed", "shed", "sent", "sent"]);
        assert!(schedule.sheds(SECOND * 2) && !schedule.sheds(SECOND));
        assert!(!open(None).sheds(SECOND * 2));
    }
}
