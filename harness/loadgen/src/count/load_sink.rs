//! How a thread of a load counts: over the whole load, and in each second.

use std::time::Instant;

use super::seconds::SecondRecorder;
use super::thread_stats::{CaseStats, ThreadClocks, ThreadStats};
use super::{Mode, Sink};
use crate::error_kind::ErrorKind;
use crate::job_error::JobError;
use crate::request::in_flight::{InFlight, nanoseconds};
use crate::response::check::Mismatch;
use crate::timing::schedule::{Phases, Schedule};
use crate::transport::error::TransportError;

/// What one thread of a load counts.
#[derive(Debug)]
pub(crate) struct LoadSink<'l> {
    pub(crate) stats: ThreadStats,
    pub(crate) seconds: SecondRecorder<'l>,
    /// The clocks at the end of the warm-up.
    measured_from: Option<ThreadClocks>,
    /// Bytes received until then.
    received_before: u64,
}

impl<'l> LoadSink<'l> {
    /// Of a thread with so many connections and exchanges.
    pub(crate) fn new(connections: usize, exchanges: usize, seconds: SecondRecorder<'l>) -> Self {
        let cases = if exchanges > 1 { exchanges } else { 0 };
        let stats = ThreadStats {
            ok_per_connection: vec![0; connections],
            cases: vec![CaseStats::default(); cases],
            ..Default::default()
        };
        Self { stats, seconds, measured_from: None, received_before: 0 }
    }

    #[cold]
    fn error(&mut self, request: &InFlight, kind: ErrorKind, now: Instant) {
        self.seconds.failed(now, kind);
        self.seconds.row(request, None, now, kind.name());
        if !request.measured {
            self.stats.warmup_failed += 1;
            return;
        }
        self.stats.account.fail(kind);
        if let Some(case) = self.stats.cases.get_mut(request.exchange as usize) {
            case.failed += 1;
        }
        if kind == ErrorKind::Timeout {
            self.censored(request, now);
        }
    }

    /// Of a request without a response it is known that one would have come later than now.
    fn censored(&mut self, request: &InFlight, now: Instant) {
        self.stats.service.record_lower_bound(nanoseconds(request.sent, now));
        if let Some(planned) = request.planned {
            self.stats.response.record_lower_bound(nanoseconds(planned, now));
        }
        self.seconds.censored(now, nanoseconds(request.planned.unwrap_or(request.sent), now));
    }
}

impl Sink for LoadSink<'_> {
    const MODE: Mode = Mode::Load;

    #[inline]
    fn sent(&mut self, request: &InFlight, free_since: Instant) {
        let lag_ns = request.planned.map(|planned| nanoseconds(planned, request.sent));
        self.seconds.sent(request.sent, lag_ns);
        if !request.measured {
            self.stats.warmup_sent += 1;
            return;
        }
        self.stats.account.sent += 1;
        if let (Some(planned), Some(lag_ns)) = (request.planned, lag_ns) {
            self.stats.send_lag.record(lag_ns);
            self.stats.generator_lag.record(nanoseconds(planned.max(free_since), request.sent));
        }
    }

    #[inline]
    fn ok(
        &mut self,
        request: &InFlight,
        connection: usize,
        service_ns: u64,
        now: Instant,
        phases: &Phases,
    ) {
        let stats = &mut self.stats;
        if now >= phases.from && now < phases.to {
            stats.ok_per_connection[connection] += 1;
            stats.last_response = Some(now);
        }
        if now > phases.from && request.sent < phases.to {
            stats.in_use_ns += nanoseconds(request.sent.max(phases.from), now.min(phases.to));
        }
        // To the last byte, which `now` is not where the server had to close the connection, too.
        let response_ns =
            request.planned.map(|planned| nanoseconds(planned, request.sent) + service_ns);
        self.seconds.ok(now, response_ns.unwrap_or(service_ns));
        self.seconds.row(request, Some(service_ns), now, "ok");
        if request.measured {
            stats.account.ok += 1;
            stats.service.record(service_ns);
            if let Some(case) = stats.cases.get_mut(request.exchange as usize) {
                case.ok += 1;
                case.service.record(service_ns);
            }
            if let Some(ns) = response_ns {
                stats.response.record(ns);
            }
        }
    }

    #[cold]
    fn failed(&mut self, request: &InFlight, error: TransportError, now: Instant) {
        self.error(request, error.kind, now);
        if request.measured {
            *self.stats.reasons.entry(error.reason).or_default() += 1;
        }
    }

    #[cold]
    fn mismatch(
        &mut self,
        request: &InFlight,
        mismatch: Mismatch,
        now: Instant,
    ) -> Result<(), JobError> {
        self.error(request, mismatch.kind, now);
        if let Some(status) = mismatch.status.filter(|_| request.measured) {
            *self.stats.mismatched_statuses.entry(status).or_default() += 1;
        }
        self.unsolicited(mismatch)
    }

    #[cold]
    fn unsolicited(&mut self, mismatch: Mismatch) -> Result<(), JobError> {
        self.stats.mismatch.get_or_insert(mismatch.text);
        Ok(())
    }

    #[cold]
    fn shed(&mut self, planned: Instant, now: Instant, measured: bool) {
        self.seconds.shed(now, nanoseconds(planned, now));
        if measured {
            self.stats.account.shed += 1;
            self.stats.response.record_lower_bound(nanoseconds(planned, now));
        }
    }

    fn begin_measuring(
        &mut self,
        now: Instant,
        open: usize,
        received: u64,
    ) -> Result<(), JobError> {
        self.stats.open = open as u64;
        self.received_before = received;
        self.measured_from = Some(ThreadClocks::read(now)?);
        Ok(())
    }

    fn stop(
        &mut self,
        now: Instant,
        spin_ns: u64,
        wakeups: u64,
        received: u64,
    ) -> Result<(), JobError> {
        self.stats.stopped = Some(now);
        if let Some(begin) = self.measured_from {
            self.stats.received_measured = received - self.received_before;
            self.stats.health = ThreadClocks::read(now)?.since(begin, spin_ns, wakeups);
        }
        Ok(())
    }

    fn tick(&mut self, now: Instant) {
        self.seconds.at(now); // so that idle seconds are sent, too
    }

    #[cold]
    fn abandoned(&mut self, request: &InFlight, now: Instant) {
        if request.measured {
            self.stats.account.in_flight += 1;
            self.seconds.row(request, None, now, "in_flight");
            self.censored(request, now);
        }
    }

    fn conclude(&mut self, mut planned: Schedule, left: &Schedule, phases: &Phases, now: Instant) {
        let stats = &mut self.stats;
        planned.cut(phases);
        stats.account.planned = match planned {
            Schedule::Closed { left: Some(all) } => all,
            Schedule::Closed { left: None } => stats.account.sent,
            Schedule::Open { .. } => planned.rest(phases).count() as u64,
        };
        for planned in left.rest(phases) {
            let age = now.saturating_duration_since(planned);
            if left.sheds(age) {
                stats.account.shed += 1;
            } else {
                stats.account.unsent += 1;
            }
            stats.response.record_lower_bound(age.as_nanos() as u64);
        }
        if let Schedule::Closed { left: Some(left) } = left {
            stats.account.unsent = *left;
        }
        self.seconds.finish(now);
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
        let (from, until) = (at(1000), at(3000));
        let phases = Phases { begin, from, until, to: until };
        for (sent, now, expected_ms) in [
            (1200, 1500, 300),
            (500, 2000, 1000),
            (2500, 3500, 500),
            (900, 3100, 2000),
            (100, 900, 0),
            (3000, 3500, 0),
        ] {
            let mut sink = LoadSink::new(1, 1, SecondRecorder::new(None, begin, phases.from));
            let request = InFlight::new(None, sent >= 1000, at(sent));
            sink.ok(&request, 0, nanoseconds(at(sent), at(now)), at(now), &phases);
            assert_eq!(sink.stats.in_use_ns, expected_ms * 1_000_000, "{sent} {now}");
        }
    }
}
