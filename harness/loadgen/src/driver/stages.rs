//! When the measured time begins and ends, when nothing is sent any more, and what is accounted for
//! then.

use std::time::{Duration, Instant};

use super::{Driver, NEVER, Stage};
use crate::count::{Mode, Sink};
use crate::job_error::JobError;
use crate::limits::SWEEP;
use crate::timing::schedule::Schedule;
use crate::transport::{ConnectionState, Transport};

impl<T: Transport, S: Sink> Driver<'_, T, S> {
    /// Whether no request is sent any more.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        if now >= self.phases.to {
            return true;
        }
        match S::MODE {
            Mode::Load if self.promised => {
                self.schedule.is_over() && (!self.schedule.is_open() || now >= self.phases.until)
            }
            // The measured time of an open loop goes on to its end.
            Mode::Load => !self.schedule.is_open() && self.schedule.is_over(),
            Mode::Window => self.schedule.is_over() || self.is_stuck(),
        }
    }

    /// Whether all connections of a window are given up.
    #[inline]
    pub(super) fn is_stuck(&self) -> bool {
        self.outstanding == 0
            && self.free.is_empty()
            && (0..self.connections.len())
                .all(|connection| self.transport.state(connection) == ConnectionState::Vacant)
    }

    /// Begins and ends the measured time when that is due.
    #[inline]
    pub(super) fn enter_stage(&mut self, now: Instant) -> Result<(), JobError> {
        match self.stage {
            Stage::Warmup if now >= self.phases.from => self.begin_measuring(now),
            Stage::Measuring if S::MODE == Mode::Window && now >= self.phases.until => {
                self.end_measuring()
            }
            Stage::Warmup | Stage::Measuring | Stage::Over => Ok(()),
        }
    }

    #[cold]
    pub(super) fn begin_measuring(&mut self, now: Instant) -> Result<(), JobError> {
        self.stage = Stage::Measuring;
        self.schedule.end_warmup();
        self.timer.spin_ns = 0;
        self.wakeups = 0;
        let open = self.open_connections();
        self.sink.begin_measuring(now, open, self.transport.received_bytes())
    }

    #[cold]
    pub(super) fn end_measuring(&mut self) -> Result<(), JobError> {
        self.stage = Stage::Over;
        self.sink.end_measuring(self.transport.received_bytes())
    }

    /// Stops sending.
    pub(super) fn stop_sending(
        &mut self,
        now: Instant,
        patience: Duration,
    ) -> Result<(), JobError> {
        self.sending = false;
        self.drain_deadline = now
            + match S::MODE {
                Mode::Load => patience.min(self.timeout + 2 * SWEEP), // a sweep finds a timeout
                Mode::Window => NEVER,
            };
        let received = self.transport.received_bytes();
        self.sink.stop(now, self.timer.spin_ns, self.wakeups, received)
    }

    /// Accounts for what was never sent and what has no response. An open window that ended
    /// early has its edges here.
    pub(super) fn finish(&mut self, planned: Schedule) -> Result<(), JobError> {
        let now = Instant::now();
        if S::MODE == Mode::Window && self.stage == Stage::Warmup {
            self.begin_measuring(now)?;
        }
        if S::MODE == Mode::Window && self.stage == Stage::Measuring {
            self.end_measuring()?;
        }
        if self.promised {
            // Of a number of requests the last responses belong to the measured time.
            let received = self.transport.received_bytes();
            self.sink.stop(now, self.timer.spin_ns, self.wakeups, received)?;
        }
        if self.outstanding > 0 {
            for request in self.transport.in_flight() {
                self.sink.abandoned(&request, now);
            }
        }
        self.sink.conclude(planned, &self.schedule, &self.phases, now);
        Ok(())
    }
}
