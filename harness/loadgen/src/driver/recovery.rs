//! Opening connections, and what is done when they fail.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Driver, Recovery};
use crate::count::{Mode, Sink};
use crate::error_kind::ErrorKind;
use crate::job_error::JobError;
use crate::limits::SWEEP;
use crate::timing::timer;
use crate::transport::error::{NO_REPLY, TransportError};
use crate::transport::{ConnectionState, Transport};

/// A connection of a load that failed twice in a row is opened anew after this, then after twice as
/// long, ... never more than a quarter of the timeout, or the pauses would look like a server that
/// takes no connections.
const BACK_OFF: Duration = Duration::from_millis(100);
/// ... but never more often doubled than this: 1.6 seconds.
const DOUBLED_MAX: u32 = 4;
/// Failures in a row after which a connection is not replaced until the next window.
const FAILURES_MAX: u32 = 3;

impl<T: Transport, S: Sink> Driver<'_, T, S> {
    /// Opens all connections that are vacant, off the clock; in a load in which each request has a
    /// connection of its own none of them. Returns how many are open then, or may be.
    pub(crate) fn connect(&mut self) -> Result<usize, JobError> {
        self.sending = S::MODE == Mode::Load; // so that those that fail are replaced
        if S::MODE == Mode::Load && self.opens_on_send {
            self.free.extend(0..self.free_since.len());
            return Ok(self.free.len());
        }
        let began = Instant::now();
        for connection in 0..self.connections.len() {
            if self.transport.state(connection) == ConnectionState::Vacant {
                self.begin_opening(connection, began);
            }
        }
        while began.elapsed() < self.timeout && self.is_opening() && !self.is_stopped() {
            self.handle_events(SWEEP)?;
        }
        Ok(self.open_connections())
    }

    /// Handles what happened on connections while no window was driven: those that the server
    /// closed are vacant then.
    pub(crate) fn handle_parked(&mut self) -> Result<(), JobError> {
        self.sending = false;
        while self.handle_events(Duration::ZERO)? == self.events.len() {}
        Ok(())
    }

    /// Waits for events and handles them; says how many there were.
    fn handle_events(&mut self, patience: Duration) -> Result<usize, JobError> {
        let ready = timer::poll(self.transport.epoll(), &mut self.events, patience);
        let ready = ready.map_err(JobError::waiting)?;
        self.handle(ready)?;
        Ok(ready)
    }

    fn is_opening(&self) -> bool {
        let mut all = 0..self.connections.len();
        all.any(|connection| self.transport.state(connection) == ConnectionState::Opening)
    }

    /// Whether a load is to end early.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
    }

    /// Connections that are open; where the requests of a load open their own, those that are not
    /// given up for a while.
    pub(super) fn open_connections(&self) -> usize {
        let usable = S::MODE == Mode::Load && self.opens_on_send;
        let all = self.connections.iter().enumerate();
        all.filter(|(connection, recovery)| {
            let open = self.transport.state(*connection) == ConnectionState::Open;
            open || (usable && recovery.reopen_at.is_none())
        })
        .count()
    }

    /// A request failed, and its connection with it, or only its stream.
    #[cold]
    pub(super) fn release_failed(&mut self, slot: usize, kind: ErrorKind, now: Instant) {
        let connection = self.connection_of(slot);
        if self.transport.state(connection) == ConnectionState::Vacant {
            self.replace(connection, Some(kind), now);
        } else {
            self.release(slot, now);
        }
    }

    /// Opens a connection in place of one that was lost: at once, unless it failed before. In a
    /// load that waits the longer the more often it failed; a window gives it up where that seems
    /// to be of no use. Does nothing where it waits already.
    #[cold]
    pub(super) fn replace(&mut self, connection: usize, kind: Option<ErrorKind>, now: Instant) {
        if self.connections[connection].reopen_at.is_some() {
            return;
        }
        let slots = self.slots_of(connection);
        self.free.retain(|slot| !slots.contains(slot));
        let recovery = &mut self.connections[connection];
        recovery.failures += 1;
        let failures = recovery.failures;
        let pause = match S::MODE {
            Mode::Load => Some(back_off(failures).min(self.timeout / 4)),
            Mode::Window => {
                let useful = kind != Some(ErrorKind::Connect) && failures < FAILURES_MAX;
                useful.then_some(Duration::ZERO)
            }
        };
        let needed = self.sending || self.transport.has_postponed(connection);
        match pause.filter(|_| needed) {
            Some(Duration::ZERO) => self.open(connection, now),
            pause => self.connections[connection].reopen_at = pause.map(|pause| now + pause),
        }
    }

    /// Begins to open a connection, or leaves that to its next request.
    #[cold]
    fn open(&mut self, connection: usize, now: Instant) {
        if self.opens_on_send {
            self.connections[connection].reopen_at = None;
            self.slots_of(connection).for_each(|slot| self.push_free(slot, now));
        } else {
            self.begin_opening(connection, now);
        }
    }

    #[cold]
    fn begin_opening(&mut self, connection: usize, now: Instant) {
        let recovery = &mut self.connections[connection];
        recovery.opening_since = now;
        recovery.reopen_at = None;
        if let Err(error) = self.transport.open(connection) {
            self.sink.disconnected(error);
            let recovery = &mut self.connections[connection];
            recovery.failures = recovery.failures.max(1);
            self.replace(connection, Some(error.kind), now);
        }
    }

    /// Gives up connections that take too long to open, and opens those anew whose time has come.
    pub(super) fn sweep_connections(&mut self, now: Instant) {
        for connection in 0..self.connections.len() {
            let Recovery { opening_since, reopen_at, .. } = self.connections[connection];
            let opening = self.transport.state(connection) == ConnectionState::Opening;
            if opening && now.saturating_duration_since(opening_since) > self.timeout {
                self.transport.stop_opening(connection);
                self.sink.disconnected(TransportError::new(ErrorKind::Connect, NO_REPLY));
                self.replace(connection, Some(ErrorKind::Connect), now);
            } else if reopen_at.is_some_and(|at| at <= now) {
                self.open(connection, now);
            }
        }
    }
}

/// How long to wait before a connection is opened in place of one that failed, after so many
/// failures in a row.
fn back_off(failures: u32) -> Duration {
    match failures {
        0 | 1 => Duration::ZERO,
        more => BACK_OFF * (1 << (more - 2).min(DOUBLED_MAX)),
    }
}
