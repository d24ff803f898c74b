//! Which request is sent next, and when.

use std::time::{Duration, Instant};

use super::arrivals::ArrivalSchedule;

/// The phases of a load or a window, the same for all threads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Phases {
    /// The first request is sent.
    pub(crate) begin: Instant,
    /// The warm-up, or the lead-in of a window, is over.
    pub(crate) from: Instant,
    /// The measured time is over.
    pub(crate) until: Instant,
    /// No request is sent any more. In a window of an open loop later than the measured time ends.
    pub(crate) to: Instant,
}

/// One thread's requests.
#[derive(Debug, Clone)]
pub(crate) enum Schedule {
    /// The next whenever a connection is free; so many after the warm-up, or without end.
    Closed { left: Option<u64> },
    /// The next when it is due.
    Open { warmup: ArrivalSchedule, measured: ArrivalSchedule, deadline: Option<Duration> },
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
    #[inline(always)] // of a closed loop this is little
    pub(crate) fn take(&mut self, now: Instant, phases: &Phases) -> Due {
        match self {
            Self::Closed { left } => {
                let measured = now >= phases.from;
                if now >= phases.to || (measured && *left == Some(0)) {
                    return Due::Nothing;
                }
                if measured && let Some(left) = left {
                    *left -= 1;
                }
                Due::Send { planned: now, measured }
            }
            Self::Open { .. } => self.take_planned(now, phases),
        }
    }

    /// The same of an open loop.
    fn take_planned(&mut self, now: Instant, phases: &Phases) -> Due {
        let Self::Open { warmup, measured: main, deadline } = self else { return Due::Nothing };
        let (planned, measured) = match (warmup.peek(), main.peek()) {
            (Some(ns), _) => (phases.begin + Duration::from_nanos(ns), false),
            (None, Some(ns)) => (phases.from + Duration::from_nanos(ns), true),
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

    /// When the next request is due, in an open loop.
    #[inline]
    pub(crate) fn next(&self, phases: &Phases) -> Option<Instant> {
        let Self::Open { warmup, measured, .. } = self else { return None };
        let warmup = warmup.peek().map(|ns| phases.begin + Duration::from_nanos(ns));
        warmup.or_else(|| measured.peek().map(|ns| phases.from + Duration::from_nanos(ns)))
    }

    /// Whether no request is left, whatever the time.
    pub(crate) fn is_over(&self) -> bool {
        match self {
            Self::Closed { left } => *left == Some(0),
            Self::Open { warmup, measured, .. } => {
                warmup.peek().is_none() && measured.peek().is_none()
            }
        }
    }

    /// Whether requests are sent at planned instants.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }

    /// Ends the warm-up. Unsent warm-up requests are dropped: sending them would delay
    /// measured ones.
    pub(crate) fn end_warmup(&mut self) {
        if let Self::Open { warmup, .. } = self {
            warmup.cut(0);
        }
    }

    /// Ends it before its time.
    pub(crate) fn cut(&mut self, phases: &Phases) {
        if let Self::Open { warmup, measured, .. } = self {
            let span_ns = |from| phases.to.saturating_duration_since(from).as_nanos() as u64;
            warmup.cut(span_ns(phases.begin));
            measured.cut(span_ns(phases.from));
        }
    }

    /// The planned instants that are left of the measured time of an open loop.
    pub(crate) fn rest(&self, phases: &Phases) -> impl Iterator<Item = Instant> + use<> {
        let rest = match self {
            Self::Open { measured, .. } => Some(measured.clone()),
            Self::Closed { .. } => None,
        };
        let from = phases.from;
        rest.into_iter().flatten().map(move |ns| from + Duration::from_nanos(ns))
    }

    /// Whether a request of this age is not sent any more.
    pub(crate) fn sheds(&self, age: Duration) -> bool {
        matches!(self, Self::Open { deadline: Some(deadline), .. } if age > *deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::super::arrivals::Rate;
    use super::*;

    use duet_protocol::Arrivals;

    const SECOND: Duration = Duration::from_secs(1);

    fn phases(warmup_s: u32, measured_s: u32) -> Phases {
        let begin = Instant::now();
        let from = begin + SECOND * warmup_s;
        let until = from + SECOND * measured_s;
        Phases { begin, from, until, to: until }
    }

    /// One request a second.
    fn open(deadline: Option<Duration>) -> Schedule {
        let arrivals = |seconds: u64| {
            ArrivalSchedule::new(
                Arrivals::Uniform,
                Rate::steady(1.0),
                (0, 1),
                0,
                seconds * 1_000_000_000,
            )
        };
        Schedule::Open { warmup: arrivals(2), measured: arrivals(4), deadline }
    }

    #[test]
    fn closed_without_end() {
        let phases = phases(1, 2);
        let mut schedule = Schedule::Closed { left: None };
        for (at, expected) in [(0, Some(false)), (1, Some(true)), (2, Some(true)), (3, None)] {
            let now = phases.begin + SECOND * at;
            let expected =
                expected.map_or(Due::Nothing, |measured| Due::Send { planned: now, measured });
            assert_eq!(schedule.take(now, &phases), expected, "{at}");
        }
    }

    #[test]
    fn closed_with_a_number() {
        let phases = phases(1, 1000);
        let mut schedule = Schedule::Closed { left: Some(2) };
        let sent = |schedule: &mut Schedule, at| {
            schedule.take(phases.begin + SECOND * at, &phases) != Due::Nothing
        };
        let sent: Vec<bool> = [0, 0, 1, 1, 1].map(|at| sent(&mut schedule, at)).into();
        assert_eq!(sent, [true, true, true, true, false], "the warm-up is not counted");
        assert!(schedule.is_over());
    }

    #[test]
    fn late_requests_keep_their_instants() {
        let phases = phases(2, 4);
        let mut schedule = open(None);
        assert_eq!(schedule.take(phases.begin, &phases), Due::Nothing);
        assert_eq!(schedule.next(&phases), Some(phases.begin + SECOND / 2));
        // Nothing was sent for four and a half seconds, then everything at once.
        let now = phases.begin + SECOND * 9 / 2;
        let mut taken = vec![];
        while let Due::Send { planned, measured } = schedule.take(now, &phases) {
            taken.push(((planned - phases.begin).as_millis(), measured));
        }
        let expected = [(500, false), (1500, false), (2500, true), (3500, true), (4500, true)];
        assert_eq!(taken, expected);
        assert_eq!(schedule.rest(&phases).count(), 1);
        schedule.cut(&Phases { to: phases.begin + SECOND * 5, ..phases });
        assert_eq!(schedule.rest(&phases).count(), 0);
    }

    #[test]
    fn the_measured_time_begins_with_its_own_requests() {
        let phases = phases(2, 4);
        let mut schedule = open(None);
        assert!(matches!(schedule.take(phases.from, &phases), Due::Send { measured: false, .. }));
        schedule.end_warmup();
        assert_eq!(schedule.take(phases.from, &phases), Due::Nothing);
        let planned = phases.from + SECOND / 2;
        assert_eq!(schedule.next(&phases), Some(planned));
        assert_eq!(schedule.take(planned, &phases), Due::Send { planned, measured: true });
    }

    #[test]
    fn deadlines() {
        let phases = phases(2, 4);
        let mut schedule = open(Some(SECOND));
        let now = phases.begin + SECOND * 9 / 2;
        let mut kinds = vec![];
        loop {
            match schedule.take(now, &phases) {
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
