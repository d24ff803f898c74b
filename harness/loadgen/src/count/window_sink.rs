//! How a thread counts in a window.

use std::time::Instant;

use super::account::Account;
use super::histogram::{Snapshot, TimeHistogram};
use super::{Mode, Sink};
use crate::error_kind::ErrorKind;
use crate::job_error::JobError;
use crate::request::in_flight::{InFlight, nanoseconds};
use crate::response::check::Mismatch;
use crate::timing::schedule::{Phases, Schedule};
use crate::transport::error::TransportError;

/// What a thread counts in a window of one arm.
#[derive(Debug)]
pub(crate) struct WindowSink {
    arm: u32,
    /// When the planned time of an open loop is over.
    end: Instant,
    first_send: Instant,
    last_response: Instant,
    account: Account,
    received_before: u64,
    sent_late: u64,
    service: TimeHistogram,
    response: TimeHistogram,
    response_lower_bounds: TimeHistogram,
    send_lag: TimeHistogram,
    generator_lag: TimeHistogram,
    /// What the last request, or the last attempt to open a connection, failed with.
    last_error: Option<TransportError>,
}

/// What a window came to.
#[derive(Debug)]
pub(crate) struct WindowCounts {
    pub(crate) first_send: Instant,
    pub(crate) last_response: Instant,
    /// Of a closed loop, planned is what was sent.
    pub(crate) account: Account,
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
    /// Open loop: time spent waiting busily for planned instants.
    pub(crate) spin_ns: u64,
    /// Exchanges of the arm without an ok response so far, summed over threads.
    pub(crate) unseen: usize,
    /// What failed last, in this window or an earlier one.
    pub(crate) last_error: Option<TransportError>,
}

impl WindowSink {
    /// For windows of this arm.
    pub(crate) fn new(arm: u32) -> Self {
        let now = Instant::now();
        Self {
            arm,
            end: now,
            first_send: now,
            last_response: now,
            account: Account::default(),
            received_before: 0,
            sent_late: 0,
            service: TimeHistogram::new(),
            response: TimeHistogram::new(),
            response_lower_bounds: TimeHistogram::new(),
            send_lag: TimeHistogram::new(),
            generator_lag: TimeHistogram::new(),
            last_error: None,
        }
    }

    /// A window begins at `begin`. It lasts until `end`, or the last response where that comes
    /// later. `received_bytes` were received before.
    pub(crate) fn begin(&mut self, begin: Instant, end: Instant, received_bytes: u64) {
        self.first_send = begin;
        self.end = end;
        self.last_response = end;
        self.received_before = received_bytes;
    }

    /// What failed last.
    pub(crate) fn last_error(&self) -> Option<TransportError> {
        self.last_error
    }

    /// What the window came to, and an empty sink for the next one.
    pub(crate) fn take(
        &mut self,
        received_bytes: u64,
        spin_ns: u64,
        unseen: usize,
    ) -> WindowCounts {
        WindowCounts {
            first_send: self.first_send,
            last_response: self.last_response,
            account: std::mem::take(&mut self.account),
            received_bytes: received_bytes - self.received_before,
            sent_late: std::mem::take(&mut self.sent_late),
            service: self.service.take(),
            response: self.response.take(),
            response_lower_bounds: self.response_lower_bounds.take(),
            send_lag: self.send_lag.take(),
            generator_lag: self.generator_lag.take(),
            spin_ns,
            unseen,
            last_error: self.last_error,
        }
    }
}

impl Sink for WindowSink {
    const MODE: Mode = Mode::Window;

    #[inline]
    fn sent(&mut self, request: &InFlight, free_since: Instant) {
        self.account.sent += 1;
        if let Some(planned) = request.planned {
            self.sent_late += u64::from(request.sent >= self.end);
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
        self.account.ok += 1;
        self.service.record(service_ns);
        if let Some(planned) = request.planned {
            // To the last byte, which `now` is not where the server had to close, too.
            self.response.record(nanoseconds(planned, request.sent) + service_ns);
        }
        self.last_response = self.last_response.max(now);
    }

    #[cold]
    fn failed(&mut self, request: &InFlight, error: TransportError, now: Instant) {
        self.last_error = Some(error);
        self.account.fail(error.kind);
        self.last_response = self.last_response.max(now);
        if let (ErrorKind::Timeout, Some(planned)) = (error.kind, request.planned) {
            self.response_lower_bounds.record(nanoseconds(planned, now));
        }
    }

    /// A server that does not respond as expected may not be measured.
    #[cold]
    fn mismatch(&mut self, _: &InFlight, mismatch: Mismatch, _: Instant) -> Result<(), JobError> {
        self.unsolicited(mismatch)
    }

    #[cold]
    fn unsolicited(&mut self, mismatch: Mismatch) -> Result<(), JobError> {
        let Mismatch { kind, text } = mismatch;
        Err(JobError::for_arm(self.arm, format_args!("{}: {text}", kind.name())))
    }

    #[cold]
    fn disconnected(&mut self, error: TransportError) {
        self.last_error = Some(error);
    }

    fn conclude(&mut self, planned: Schedule, left: &Schedule, phases: &Phases, _: Instant) {
        self.account.planned = match planned {
            Schedule::Closed { .. } => self.account.sent,
            Schedule::Open { .. } => planned.rest(phases).count() as u64,
        };
        for planned in left.rest(phases) {
            self.account.unsent += 1;
            self.response_lower_bounds.record(nanoseconds(planned, phases.to));
        }
    }
}

impl WindowCounts {
    /// Adds what another thread counted.
    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.first_send = self.first_send.min(other.first_send);
        self.last_response = self.last_response.max(other.last_response);
        self.account.merge(&other.account);
        self.received_bytes += other.received_bytes;
        self.sent_late += other.sent_late;
        self.service.extend(other.service);
        self.response.extend(other.response);
        self.response_lower_bounds.extend(other.response_lower_bounds);
        self.send_lag.extend(other.send_lag);
        self.generator_lag.extend(other.generator_lag);
        self.spin_ns += other.spin_ns;
        self.unseen += other.unseen;
        self.last_error = self.last_error.or(other.last_error);
        self
    }
}
