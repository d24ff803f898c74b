//! How what happens to a request is counted, whatever protocol carried it.

use std::time::Instant;

use super::{Edges, Part, Schedule, nanoseconds};
use crate::failure::Failure;
use crate::fault::Fault;
use crate::seconds::Recorder;
use duet_process::proc::{self, CpuClock};

/// A request that is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticket {
    /// When it was due; none in a closed loop.
    pub(crate) planned: Option<Instant>,
    /// Whether it was planned after the warm-up.
    pub(crate) measured: bool,
    /// When it was sent.
    pub(crate) sent: Instant,
}

/// A thread's clocks at the end of the warm-up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clocks {
    from: Instant,
    cpu_ns: u64,
    run_delay_ns: Option<u64>,
}

/// A thread's books: of the whole load, and of the present second.
#[derive(Debug)]
pub(crate) struct Books<'l> {
    pub(crate) part: Part,
    pub(crate) seconds: Recorder<'l>,
}

impl Books<'_> {
    /// A request is sent, on a connection that was free since `since`.
    #[inline]
    pub(crate) fn sent(&mut self, ticket: &Ticket, since: Instant) {
        let lag_ns = ticket.planned.map(|planned| nanoseconds(planned, ticket.sent));
        self.seconds.sent(ticket.sent, lag_ns);
        if !ticket.measured {
            self.part.warmup_sent += 1;
            return;
        }
        self.part.account.sent += 1;
        if let (Some(planned), Some(lag_ns)) = (ticket.planned, lag_ns) {
            self.part.send_lag.record(lag_ns);
            self.part.own_lag.record(nanoseconds(planned.max(since), ticket.sent));
        }
    }

    /// A right answer has come, after `service_ns`, on one of the thread's connections, which it
    /// used until `now`.
    #[inline]
    pub(crate) fn right(
        &mut self,
        ticket: &Ticket,
        connection: usize,
        service_ns: u64,
        now: Instant,
        edges: &Edges,
    ) {
        let part = &mut self.part;
        if now >= edges.from && now < edges.to {
            part.right_per_connection[connection] += 1;
            part.last_answer = Some(now);
        }
        if now > edges.from && ticket.sent < edges.to {
            part.in_use_ns += nanoseconds(ticket.sent.max(edges.from), now.min(edges.to));
        }
        // To the last byte, which `now` is not where the server had to close the connection, too.
        let response_ns =
            ticket.planned.map(|planned| nanoseconds(planned, ticket.sent) + service_ns);
        self.seconds.right(now, response_ns.unwrap_or(service_ns));
        if ticket.measured {
            part.account.right += 1;
            part.service.record(service_ns);
            if let Some(ns) = response_ns {
                part.response.record(ns);
            }
        }
    }

    /// A request has failed.
    #[cold]
    pub(crate) fn failed(&mut self, ticket: &Ticket, fault: Fault, now: Instant) {
        self.seconds.failed(now, fault);
        if !ticket.measured {
            self.part.warmup_failed += 1;
            return;
        }
        self.part.account.fail(fault);
        if fault == Fault::Timeout {
            self.unanswered(ticket, now);
        }
    }

    /// Waiting for an answer is given up.
    #[cold]
    pub(crate) fn in_flight(&mut self, ticket: &Ticket, now: Instant) {
        if ticket.measured {
            self.part.account.in_flight += 1;
            self.unanswered(ticket, now);
        }
    }

    /// Of a request without an answer it is known that one would have come later than now.
    fn unanswered(&mut self, ticket: &Ticket, now: Instant) {
        self.part.service.record_at_least(nanoseconds(ticket.sent, now));
        if let Some(planned) = ticket.planned {
            self.part.response.record_at_least(nanoseconds(planned, now));
        }
        self.seconds.unanswered(now, nanoseconds(ticket.planned.unwrap_or(ticket.sent), now));
    }

    /// A request was too old to be sent.
    #[cold]
    pub(crate) fn shed(&mut self, planned: Instant, now: Instant, measured: bool) {
        self.seconds.shed(now, nanoseconds(planned, now));
        if measured {
            self.part.account.shed += 1;
            self.part.response.record_at_least(nanoseconds(planned, now));
        }
    }

    /// Enters what was planned, and what of it was never sent. `planned` is the schedule as it
    /// was in the beginning, `left` as it is now.
    pub(crate) fn conclude(
        &mut self,
        mut planned: Schedule,
        left: &Schedule,
        edges: &Edges,
        now: Instant,
    ) {
        let part = &mut self.part;
        planned.cut(edges);
        part.account.planned = match planned {
            Schedule::Closed { left: Some(all) } => all,
            Schedule::Closed { left: None } => part.account.sent,
            Schedule::Open { .. } => planned.rest(edges).count() as u64,
        };
        for planned in left.rest(edges) {
            let age = now.saturating_duration_since(planned);
            if left.sheds(age) {
                part.account.shed += 1;
            } else {
                part.account.never_sent += 1;
            }
            part.response.record_at_least(age.as_nanos() as u64);
        }
        if let Schedule::Closed { left: Some(left) } = left {
            part.account.never_sent = *left;
        }
        self.seconds.finish(now);
    }
}

impl Part {
    /// No request is sent any more. `begin` was read at the end of the warm-up, and `spin_ns` and
    /// `wakeups` count from there on.
    pub(crate) fn stop(
        &mut self,
        begin: Option<Clocks>,
        (spin_ns, wakeups): (u64, u64),
        now: Instant,
    ) -> Result<(), Failure> {
        self.stopped = Some(now);
        if let Some(begin) = begin {
            let end = Clocks::read(now)?;
            let delays = begin.run_delay_ns.zip(end.run_delay_ns);
            let health = &mut self.thread;
            health.elapsed_ns = nanoseconds(begin.from, now);
            health.cpu_ns = end.cpu_ns.saturating_sub(begin.cpu_ns);
            health.spin_ns = spin_ns;
            health.wakeups = wakeups;
            health.run_delay_ns = delays.map(|(before, after)| after.saturating_sub(before));
        }
        Ok(())
    }
}

impl Clocks {
    /// Reads them.
    pub(crate) fn read(now: Instant) -> Result<Self, Failure> {
        let cpu_ns = CpuClock::own_thread().read_ns().map_err(|e| {
            Failure::general(format_args!("failed to read a thread's CPU clock: {e}"))
        })?;
        Ok(Self { from: now, cpu_ns, run_delay_ns: proc::run_delay_ns().ok() })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Measured from 1 s to 3 s: what of each use of a connection lies there counts.
    #[test]
    fn connections_in_use() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let edges = Edges { begin, from: at(1000), to: at(3000) };
        for (sent, now, expected_ms) in [
            (1200, 1500, 300),
            (500, 2000, 1000),
            (2500, 3500, 500),
            (900, 3100, 2000),
            (100, 900, 0),
            (3000, 3500, 0),
        ] {
            let part = Part { right_per_connection: vec![0], ..Part::default() };
            let mut books = Books { part, seconds: Recorder::new(None, begin, edges.from) };
            let ticket = Ticket { planned: None, measured: sent >= 1000, sent: at(sent) };
            books.right(&ticket, 0, nanoseconds(at(sent), at(now)), at(now), &edges);
            assert_eq!(books.part.in_use_ns, expected_ms * 1_000_000, "{sent} {now}");
        }
    }
}
