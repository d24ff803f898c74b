//! What is done now and then, off the path of requests: timeouts, connections to replace, the live
//! figures, Ctrl-C, and giving up a server that takes nothing any more.

use std::time::{Duration, Instant};

use super::Driver;
use crate::count::Sink;
use crate::job_error::JobError;
use crate::timing::coalescing::STRIDE;
use crate::transport::Transport;

/// The longest that outstanding responses are awaited after Ctrl-C.
const DRAIN_INTERRUPTED: Duration = Duration::from_secs(1);

impl<T: Transport, S: Sink> Driver<'_, T, S> {
    /// What is done now and then: timeouts, connections to replace, the live figures, Ctrl-C.
    pub(super) fn sweep(&mut self, now: Instant) -> Result<(), JobError> {
        self.next_sweep = now + self.sweep_pause;
        for slot in 0..self.free_since.len() {
            if let Some(progress) = self.transport.expire(slot, now, self.timeout) {
                self.settle_failed(slot, progress, now)?;
            }
        }
        self.sweep_connections(now);
        if let Some(coalescing) = &mut self.coalescing {
            let all = (0..self.connections.len()).step_by(STRIDE);
            let wakers = all.filter_map(|connection| self.transport.socket(connection));
            coalescing.decide(now, self.sent, wakers).map_err(JobError::waiting)?;
        }
        self.sink.tick(now);
        let disconnected = self.open_connections() == 0;
        let idle = self.idle_since.1 == self.sent
            && self.outstanding == 0
            && self.thinking.is_empty()
            && self.is_overdue(now);
        if !idle {
            self.idle_since = (now, self.sent);
        }
        self.disconnected_since = disconnected.then(|| self.disconnected_since.unwrap_or(now));
        if !self.sending && self.is_stopped() {
            self.drain_deadline = self.drain_deadline.min(now + DRAIN_INTERRUPTED);
        }
        if self.sending && (self.is_stopped() || self.is_unreachable(now)) {
            let now = Instant::now(); // requests due since then may have been sent
            self.phases.to = now;
            self.schedule.cut(&self.phases);
            self.stop_sending(now, DRAIN_INTERRUPTED)?;
        }
        Ok(())
    }

    /// Whether a number of requests is to be sent to a server that takes no connections, or no
    /// requests on those that are open.
    fn is_unreachable(&self, now: Instant) -> bool {
        let since = self.disconnected_since.unwrap_or(now).min(self.idle_since.0);
        self.promised && now.saturating_duration_since(since) > self.timeout
    }

    /// Whether a request is due that could not be sent.
    fn is_overdue(&self, now: Instant) -> bool {
        !self.schedule.is_open() || self.schedule.next(&self.phases).is_some_and(|due| due < now)
    }
}
