//! How a thread counts in a window.

use std::time::{Duration, Instant};

use super::account::Account;
use super::events::EventCounts;
use super::histogram::{Snapshot, TimeHistogram};
use super::window_clocks::{ClockReading, WindowClocks};
use super::window_seconds::{SecondCounts, WindowSeconds};
use super::{Mode, Sink};
use crate::error_kind::{ErrorCounts, ErrorKind};
use crate::job_error::JobError;
use crate::request::in_flight::{InFlight, nanoseconds};
use crate::response::check::Mismatch;
use crate::timing::schedule::{Phases, Schedule};
use crate::transport::error::TransportError;

/// What a thread counts in a window of one arm, or in the lead-in of a closed one, which is driven
/// like a window. Of an open window that is requests planned between its edges.
#[derive(Debug)]
pub(crate) struct WindowSink<'j> {
    arm: u32,
    /// Read at the edges of open windows, by the thread that leads.
    clocks: Option<WindowClocks<'j>>,
    /// When the planned time of an open loop ends; absent in a closed one.
    planned_end: Option<Instant>,
    begin: Instant,
    end: Instant,
    received_at_begin: u64,
    /// Whether windows are counted by the second, ...
    by_second: bool,
    /// ... and then those of the present one.
    seconds: Option<WindowSeconds>,
    counts: WindowCounts,
    service: TimeHistogram,
    response: TimeHistogram,
    response_lower_bounds: TimeHistogram,
    send_lag: TimeHistogram,
    generator_lag: TimeHistogram,
}

/// What a window came to.
#[derive(Debug, Default)]
pub(crate) struct WindowCounts {
    /// From the first request of a closed window, or the beginning of the planned time of an open
    /// one, to the last response, but not before the end of the planned time.
    span: Option<(Instant, Instant)>,
    /// The clocks at both edges of an open window, of the thread that leads.
    pub(crate) edges: Option<Box<[ClockReading; 2]>>,
    /// Of a closed loop, planned is what was sent.
    pub(crate) account: Account,
    /// Ok responses and failed requests of an open window's lead-in.
    pub(crate) outside: (u64, ErrorCounts),
    pub(crate) received_bytes: u64,
    /// Requests of an open loop sent after its planned time.
    pub(crate) sent_late: u64,
    /// From sending to the last byte of an ok response. Of several threads one after the other, so
    /// that a value may occur more than once; likewise the following.
    pub(crate) service: Snapshot,
    /// Open loop: from the planned instant to the last byte.
    pub(crate) response: Snapshot,
    /// Open loop: lower bounds of the same, where there was no response in time, or no request.
    pub(crate) response_lower_bounds: Snapshot,
    /// Open loop: from the planned instant to sending.
    pub(crate) send_lag: Snapshot,
    /// Open loop: that part of it for which a connection was free.
    pub(crate) generator_lag: Snapshot,
    /// Its seconds; empty where they are not told apart.
    pub(crate) seconds: Vec<SecondCounts>,
    /// Events of responses that are streams of them.
    pub(crate) events: EventCounts,
    /// Open loop: time spent waiting busily for planned instants.
    pub(crate) spin_ns: u64,
    /// Exchanges of the arm without an ok response so far, summed over threads.
    pub(crate) unseen: usize,
    /// What failed last, in this window or an earlier one.
    pub(crate) last_error: Option<TransportError>,
}

impl<'j> WindowSink<'j> {
    /// For windows of this arm, counted `by_second` too. The thread that leads has clocks.
    pub(crate) fn new(arm: u32, clocks: Option<WindowClocks<'j>>, by_second: bool) -> Self {
        let now = Instant::now();
        Self {
            arm,
            clocks,
            planned_end: None,
            begin: now,
            end: now,
            received_at_begin: 0,
            by_second,
            seconds: None,
            counts: WindowCounts::default(),
            service: TimeHistogram::new(),
            response: TimeHistogram::new(),
            response_lower_bounds: TimeHistogram::new(),
            send_lag: TimeHistogram::new(),
            generator_lag: TimeHistogram::new(),
        }
    }

    /// A closed window follows, from `begin` to the last response to what is sent within `span`. So
    /// many bytes were received before.
    pub(crate) fn prepare_closed(&mut self, begin: Instant, span: Duration, received_bytes: u64) {
        (self.begin, self.end) = (begin, begin);
        self.seconds = self.by_second.then(|| WindowSeconds::new(begin, span));
        self.planned_end = None;
        self.received_at_begin = received_bytes;
    }

    /// Looks which processes the servers have.
    pub(crate) fn look(&mut self) -> Result<(), JobError> {
        self.clocks.as_mut().map_or(Ok(()), WindowClocks::look)
    }

    /// An open window follows, with requests planned between these instants.
    pub(crate) fn prepare_open(&mut self, from: Instant, until: Instant) {
        (self.begin, self.end) = (from, until);
        self.seconds = self.by_second.then(|| WindowSeconds::new(from, until - from));
        self.planned_end = Some(until);
    }

    /// What failed last.
    pub(crate) fn last_error(&self) -> Option<TransportError> {
        self.counts.last_error
    }

    /// What the window came to, and an empty sink for the next one.
    pub(crate) fn take(
        &mut self,
        received_bytes: u64,
        spin_ns: u64,
        unseen: usize,
    ) -> WindowCounts {
        let last_error = self.counts.last_error;
        if self.planned_end.is_none() {
            self.counts.received_bytes = received_bytes - self.received_at_begin;
        }
        WindowCounts {
            span: Some((self.begin, self.end)),
            service: self.service.take(),
            response: self.response.take(),
            response_lower_bounds: self.response_lower_bounds.take(),
            send_lag: self.send_lag.take(),
            generator_lag: self.generator_lag.take(),
            seconds: self.seconds.take().map_or_else(Vec::new, WindowSeconds::take),
            spin_ns,
            unseen,
            ..std::mem::replace(
                &mut self.counts,
                WindowCounts { last_error, ..WindowCounts::default() },
            )
        }
    }
}

/// Whether a request is in the window and not in the lead-in of an open one.
#[inline]
fn is_counted(request: &InFlight) -> bool {
    request.measured || request.planned.is_none()
}

impl Sink for WindowSink<'_> {
    const MODE: Mode = Mode::Window;

    #[inline]
    fn sent(&mut self, request: &InFlight, free_since: Instant) {
        if let Some(planned) = request.planned
            && request.measured
        {
            self.counts.account.sent += 1;
            self.counts.sent_late +=
                u64::from(self.planned_end.is_some_and(|end| request.sent >= end));
            self.send_lag.record(nanoseconds(planned, request.sent));
            self.generator_lag.record(nanoseconds(planned.max(free_since), request.sent));
        }
    }

    #[inline]
    fn ok(
        &mut self,
        request: &InFlight,
        _connection: usize,
        service_ns: u64,
        now: Instant,
        _phases: &Phases,
    ) {
        if !is_counted(request) {
            self.counts.outside.0 += 1;
            return;
        }
        self.counts.account.ok += 1;
        let mut ns = service_ns;
        if !request.untimed {
            self.service.record(service_ns);
            if let Some(planned) = request.planned {
                // To the last byte, which `now` is not where the server had to close, too.
                ns += nanoseconds(planned, request.sent);
                self.response.record(ns);
            }
        }
        if let Some(seconds) = &mut self.seconds {
            let instant = request.planned.unwrap_or(request.sent);
            seconds.ok(instant, (!request.untimed).then_some(ns));
        }
        self.end = self.end.max(now);
    }

    #[cold]
    fn failed(&mut self, request: &InFlight, error: TransportError, now: Instant) {
        self.counts.last_error = Some(error);
        if !is_counted(request) {
            self.counts.outside.1.add(error.kind);
            return;
        }
        self.counts.account.fail(error.kind);
        self.end = self.end.max(now);
        let instant = request.planned.unwrap_or(request.sent);
        let timed_out = error.kind == ErrorKind::Timeout && !request.untimed;
        let bound = timed_out.then(|| nanoseconds(instant, now));
        if let (Some(ns), true) = (bound, request.planned.is_some()) {
            self.response_lower_bounds.record(ns);
        }
        if let Some(seconds) = &mut self.seconds {
            seconds.failed(instant, bound);
        }
    }

    /// A server that does not respond as expected may not be measured.
    #[cold]
    fn mismatch(&mut self, _: &InFlight, mismatch: Mismatch, _: Instant) -> Result<(), JobError> {
        self.unsolicited(mismatch)
    }

    #[cold]
    fn unsolicited(&mut self, mismatch: Mismatch) -> Result<(), JobError> {
        let Mismatch { kind, text, .. } = mismatch;
        Err(JobError::for_arm(self.arm, format_args!("{}: {text}", kind.name())))
    }

    #[cold]
    fn disconnected(&mut self, error: TransportError) {
        self.counts.last_error = Some(error);
    }

    fn begin_measuring(&mut self, _: Instant, _: usize, received: u64) -> Result<(), JobError> {
        self.received_at_begin = received;
        let reading = self.clocks.as_mut().map(WindowClocks::begin).transpose()?;
        self.counts.edges = reading.map(|reading| Box::new([reading.clone(), reading]));
        Ok(())
    }

    fn end_measuring(&mut self, received: u64) -> Result<(), JobError> {
        self.counts.received_bytes = received - self.received_at_begin;
        let reading = self.clocks.as_mut().map(WindowClocks::end).transpose()?;
        if let (Some(edges), Some(reading)) = (&mut self.counts.edges, reading) {
            edges[1] = reading;
        }
        Ok(())
    }

    fn conclude(&mut self, planned: Schedule, left: &Schedule, phases: &Phases, _: Instant) {
        let account = &mut self.counts.account;
        match planned {
            Schedule::Closed { .. } => {
                account.sent = account.ok + account.failed();
                account.planned = account.sent;
            }
            Schedule::Open { .. } => account.planned = planned.rest(phases).count() as u64,
        }
        for planned in left.rest(phases) {
            account.unsent += 1;
            let ns = nanoseconds(planned, phases.to);
            self.response_lower_bounds.record(ns);
            if let Some(seconds) = &mut self.seconds {
                seconds.failed(planned, Some(ns));
            }
        }
    }
}

impl WindowCounts {
    /// From the beginning to the end.
    pub(crate) fn elapsed(&self) -> Duration {
        self.span.map_or(Duration::ZERO, |(begin, end)| end.saturating_duration_since(begin))
    }

    /// Adds what another thread counted.
    pub(crate) fn merge(mut self, other: Self) -> Self {
        let spans = self.span.zip(other.span);
        self.span = spans.map(|(one, other)| (one.0.min(other.0), one.1.max(other.1)));
        self.edges = self.edges.or(other.edges);
        self.account.merge(&other.account);
        self.outside.0 += other.outside.0;
        self.outside.1.merge(&other.outside.1);
        self.received_bytes += other.received_bytes;
        self.sent_late += other.sent_late;
        self.service.extend(other.service);
        self.response.extend(other.response);
        self.response_lower_bounds.extend(other.response_lower_bounds);
        self.send_lag.extend(other.send_lag);
        self.generator_lag.extend(other.generator_lag);
        let seconds = self.seconds.iter_mut().zip(other.seconds);
        seconds.for_each(|(second, other)| second.merge(other));
        self.events.merge(other.events);
        self.spin_ns += other.spin_ns;
        self.unseen += other.unseen;
        self.last_error = self.last_error.or(other.last_error);
        self
    }
}
