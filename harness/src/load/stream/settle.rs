//! What happens to requests and connections in the end.

use std::time::{Duration, Instant};

use super::{Fault, Outcome, Phase, Schedule, Stream, nanoseconds};
use crate::load::failure;

/// A connection that failed twice in a row is opened anew after this, then after twice as long, ...
const BACK_OFF: Duration = Duration::from_millis(100);
/// ... but never more often doubled than this: 1.6 seconds.
const DOUBLED_MAX: u32 = 4;

impl Stream<'_> {
    /// Counts what happened on a connection, and makes it ready for the next request.
    #[inline]
    pub(super) fn settle(&mut self, key: usize, outcome: Outcome, now: Instant) {
        match outcome {
            Outcome::Pending => {}
            Outcome::Right(service_ns) => {
                self.right(key, service_ns, now);
                self.release(key, now);
            }
            Outcome::Opened => {
                self.part.connections.opened += 1;
                self.release(key, now);
            }
            Outcome::Failed(trouble) => {
                self.failed(key, trouble.fault, now);
                self.replace(key, now);
            }
            Outcome::Wrong(wrong) => {
                self.failed(key, wrong.fault, now);
                self.part.wrong.get_or_insert(wrong.text);
                self.release(key, now);
            }
            Outcome::Unasked(wrong) => {
                self.part.connections.unasked += 1;
                self.part.wrong.get_or_insert(wrong.text);
                self.replace(key, now);
            }
            Outcome::Gone(reason) => {
                if self.free.contains(&key) {
                    self.part.connections.lost_idle += 1;
                } else {
                    self.part.connections.refuse(reason);
                }
                self.replace(key, now);
            }
        }
    }

    #[inline]
    fn right(&mut self, key: usize, service_ns: u64, now: Instant) {
        self.outstanding -= 1;
        self.client.connections[key].failures = 0;
        self.part.answered += 1;
        if now >= self.edges.from && now < self.edges.to {
            self.part.right_per_connection[key] += 1;
            self.part.service_ns += service_ns;
            self.part.last_answer = Some(now);
        }
        let slot = &self.slots[key];
        if slot.measured {
            self.part.account.right += 1;
            self.part.service.record(service_ns);
            if matches!(self.schedule, Schedule::Open { .. }) {
                self.part.response.record(nanoseconds(slot.planned, now));
            }
        }
    }

    #[cold]
    fn failed(&mut self, key: usize, fault: Fault, now: Instant) {
        self.outstanding -= 1;
        if !self.slots[key].measured {
            self.part.warmup_failed += 1;
            return;
        }
        self.part.account.fail(fault);
        if fault == Fault::Timeout {
            self.unanswered(key, now);
        }
    }

    /// Of a request without an answer it is known that one would have come later than now.
    fn unanswered(&mut self, key: usize, now: Instant) {
        let sent = self.client.connections[key].asked_at;
        self.part.service.record_at_least(nanoseconds(sent, now));
        if matches!(self.schedule, Schedule::Open { .. }) {
            let planned = self.slots[key].planned;
            self.part.response.record_at_least(nanoseconds(planned, now));
        }
    }

    /// Counts a request that is too old to be sent.
    #[cold]
    pub(super) fn shed(&mut self, planned: Instant, now: Instant, measured: bool) {
        if measured {
            self.part.account.shed += 1;
            self.part.response.record_at_least(nanoseconds(planned, now));
        }
    }

    /// A connection can be asked again, or has to be replaced.
    #[inline]
    fn release(&mut self, key: usize, now: Instant) {
        if self.client.connections[key].phase == Phase::Idle {
            self.slots[key].since = now;
            self.free.push_back(key);
        } else if self.client.connections[key].phase == Phase::Vacant {
            self.replace(key, now);
        }
    }

    /// Opens a connection in place of one that was closed: at once, unless it failed before.
    #[cold]
    pub(super) fn replace(&mut self, key: usize, now: Instant) {
        self.free.retain(|&free| free != key);
        let failures = &mut self.client.connections[key].failures;
        *failures += 1;
        if *failures < 2 && self.sending {
            self.open(key, now);
        } else {
            let doubled = (*failures).saturating_sub(2).min(DOUBLED_MAX);
            self.slots[key].reopen = self.sending.then(|| now + BACK_OFF * (1 << doubled));
        }
    }

    /// Begins to open a connection.
    #[cold]
    pub(super) fn open(&mut self, key: usize, now: Instant) {
        let slot = &mut self.slots[key];
        slot.since = now;
        slot.reopen = None;
        let connection = &mut self.client.connections[key];
        if let Err(error) = connection.begin(&self.client.target, &self.client.epoll, key as u64) {
            self.part.connections.refuse(failure::reason(&error));
            connection.failures = connection.failures.max(1);
            self.replace(key, now);
        }
    }

    /// Accounts for what was never sent and what is not answered.
    pub(super) fn finish(&mut self, mut planned: Schedule) {
        let now = Instant::now();
        planned.cut(&self.edges);
        self.part.account.planned = match planned {
            Schedule::Closed { left: Some(all) } => all,
            Schedule::Closed { left: None } => self.part.account.sent,
            Schedule::Open { .. } => planned.rest(&self.edges).count() as u64,
        };
        for key in 0..self.slots.len() {
            let waits =
                matches!(self.client.connections[key].phase, Phase::Asked | Phase::Closing(_));
            if waits && self.slots[key].measured {
                self.part.account.in_flight += 1;
                self.unanswered(key, now);
            }
        }
        for planned in self.schedule.rest(&self.edges) {
            let age = now.saturating_duration_since(planned);
            if self.schedule.sheds(age) {
                self.part.account.shed += 1;
            } else {
                self.part.account.never_sent += 1;
            }
            self.part.response.record_at_least(age.as_nanos() as u64);
        }
        if let Schedule::Closed { left: Some(left) } = self.schedule {
            self.part.account.never_sent = left;
        }
        self.live.tell(&self.part, &mut self.told);
    }
}
