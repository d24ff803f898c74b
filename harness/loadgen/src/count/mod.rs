//! What is counted, and what becomes of an error: in a load ([`load_sink`]) or in a window
//! ([`window_sink`]).

use std::time::Instant;

use crate::job_error::JobError;
use crate::request::in_flight::InFlight;
use crate::response::check::Mismatch;
use crate::timing::schedule::{Phases, Schedule};
use crate::transport::error::TransportError;

pub mod account;
pub(crate) mod events;
pub(crate) mod first_bytes;
pub mod histogram;
pub mod latencies;
pub(crate) mod load_sink;
pub mod seconds;
pub mod thread_stats;
pub(crate) mod window_clocks;
pub(crate) mod window_seconds;
pub(crate) mod window_sink;

/// What a driver drives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A load with a warm-up, once. Whatever happens is counted; connections that are lost are
    /// opened anew, with growing pauses where that fails; what has no response some seconds after
    /// the end is given up.
    Load,
    /// A window behind its lead-in, of which many follow each other over the same connections. A
    /// mismatch ends the job; a connection that fails several times in a row is left alone until
    /// the next window; every request that is sent is awaited.
    Window,
}

/// Where a driver enters what happens. One thread's own.
pub(crate) trait Sink {
    /// What is driven.
    const MODE: Mode;

    /// A request is sent, in a slot that was free since `free_since`.
    fn sent(&mut self, request: &InFlight, free_since: Instant);

    /// A response was as expected, after `service_ns`, on a connection that it used until `now`.
    fn ok(
        &mut self,
        request: &InFlight,
        connection: usize,
        service_ns: u64,
        now: Instant,
        phases: &Phases,
    );

    /// A request failed in transport.
    fn failed(&mut self, request: &InFlight, error: TransportError, now: Instant);

    /// A response was not as expected.
    fn mismatch(
        &mut self,
        request: &InFlight,
        mismatch: Mismatch,
        now: Instant,
    ) -> Result<(), JobError>;

    /// Bytes came outside any response.
    fn unsolicited(&mut self, mismatch: Mismatch) -> Result<(), JobError>;

    /// A connection without a request in flight was lost, or could not be opened.
    fn disconnected(&mut self, _: TransportError) {}

    /// A request was too old to be sent.
    fn shed(&mut self, _planned: Instant, _now: Instant, _measured: bool) {}

    /// The warm-up of a load is over, or the lead-in of a window, with so many connections open and
    /// so many bytes received so far.
    fn begin_measuring(
        &mut self,
        now: Instant,
        open: usize,
        received_bytes: u64,
    ) -> Result<(), JobError>;

    /// The measured time of a window is over, with so many bytes received so far.
    fn end_measuring(&mut self, _received_bytes: u64) -> Result<(), JobError> {
        Ok(())
    }

    /// No request is sent any more. Since the end of the warm-up the thread has been spinning for
    /// `spin_ns` and has found something `wakeups` times; so many bytes were received so far.
    fn stop(
        &mut self,
        _now: Instant,
        _spin_ns: u64,
        _wakeups: u64,
        _received_bytes: u64,
    ) -> Result<(), JobError> {
        Ok(())
    }

    /// Time passes, whether something happens or not.
    fn tick(&mut self, _now: Instant) {}

    /// Waiting for a response is given up.
    fn abandoned(&mut self, _request: &InFlight, _now: Instant) {}

    /// It is over. `planned` is the schedule as it was in the beginning, `left` as it is now.
    fn conclude(&mut self, planned: Schedule, left: &Schedule, phases: &Phases, now: Instant);
}
