//! What happens to requests and connections in the end.

use std::time::{Duration, Instant};

use super::{Fault, Outcome, Phase, Schedule, Stream};
use crate::failure;

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
                self.books.part.connections.opened += 1;
                self.release(key, now);
            }
            Outcome::Failed(trouble) => {
                if matches!(trouble.fault, Fault::Connect | Fault::Tls) {
                    self.books.part.connections.refuse(trouble.reason());
                }
                self.failed(key, trouble.fault, now);
                self.replace(key, now);
            }
            Outcome::Wrong(wrong) => {
                self.failed(key, wrong.fault, now);
                self.books.part.wrong.get_or_insert(wrong.text);
                self.release(key, now);
            }
            Outcome::Unasked(wrong) => {
                self.books.part.connections.unasked += 1;
                self.books.part.wrong.get_or_insert(wrong.text);
                self.replace(key, now);
            }
            Outcome::Gone(reason) => {
                if self.free.contains(&key) {
                    self.books.part.connections.lost_idle += 1;
                } else {
                    self.books.part.connections.refuse(reason);
                }
                self.replace(key, now);
            }
        }
    }

    #[inline]
    fn right(&mut self, key: usize, service_ns: u64, now: Instant) {
        self.outstanding -= 1;
        let connection = &mut self.client.connections[key];
        connection.failures = 0;
        let sent = connection.asked_at;
        let ticket = self.ticket(key, sent);
        self.books.right(&ticket, key, service_ns, now, &self.edges);
    }

    /// A request failed, and with its connection all that was asked behind it.
    #[cold]
    fn failed(&mut self, key: usize, fault: Fault, now: Instant) {
        self.fail(key, fault, self.client.connections[key].asked_at, now);
        if self.client.connections[key].phase == Phase::Vacant {
            // Nothing of their answers came, as with a connection that is reset.
            let lost = match fault {
                Fault::Timeout | Fault::Connect => fault,
                _ => Fault::Reset,
            };
            while let Some(waiting) = self.client.connections[key].pipe.behind.pop_front() {
                self.fail(key, lost, waiting.asked_at, now);
            }
        }
    }

    fn fail(&mut self, key: usize, fault: Fault, asked_at: Instant, now: Instant) {
        self.outstanding -= 1;
        let ticket = self.ticket(key, asked_at);
        self.books.failed(&ticket, fault, now);
    }

    /// A connection can be asked again, or has to be replaced.
    #[inline]
    fn release(&mut self, key: usize, now: Instant) {
        match self.client.connections[key].phase {
            Phase::Idle => {
                self.slots[key].since = now;
                self.free(key);
            }
            Phase::Asked if self.client.room(key) > 0 => self.free(key),
            // The next request opens a connection of its own.
            Phase::Vacant if self.client.churn => {
                self.slots[key].since = now;
                self.free.push_back(key);
            }
            Phase::Vacant => self.replace(key, now),
            Phase::Asked | Phase::Opening | Phase::Closing(_) => {}
        }
    }

    /// A connection can be asked. With several requests under way it may be noted already: by the
    /// answer just before, since what is due is sent after every event.
    #[inline]
    fn free(&mut self, key: usize) {
        if self.client.depth == 1 || self.free.back() != Some(&key) {
            self.free.push_back(key);
        }
    }

    /// Opens a connection in place of one that was closed: at once, unless it failed before.
    #[cold]
    pub(super) fn replace(&mut self, key: usize, now: Instant) {
        self.free.retain(|&free| free != key);
        let failures = &mut self.client.connections[key].failures;
        *failures += 1;
        match back_off(*failures) {
            Duration::ZERO if self.sending => self.open(key, now),
            wait => self.slots[key].reopen = self.sending.then(|| now + wait),
        }
    }

    /// Begins to open a connection.
    #[cold]
    pub(super) fn open(&mut self, key: usize, now: Instant) {
        let slot = &mut self.slots[key];
        slot.since = now;
        slot.reopen = None;
        if self.client.churn {
            self.free.push_back(key); // its next request opens it
            return;
        }
        let connection = &mut self.client.connections[key];
        if let Err(error) = connection.begin(&self.client.target, &self.client.epoll, key as u64) {
            self.books.part.connections.refuse(failure::reason(&error));
            connection.failures = connection.failures.max(1);
            self.replace(key, now);
        }
    }

    /// Accounts for what was never sent and what is not answered.
    pub(super) fn finish(&mut self, planned: Schedule) {
        let now = Instant::now();
        for key in 0..self.slots.len() {
            let connection = &self.client.connections[key];
            if matches!(connection.phase, Phase::Asked | Phase::Closing(_)) {
                let behind = connection.pipe.behind.iter().map(|waiting| waiting.asked_at);
                let asked: Vec<Instant> = [connection.asked_at].into_iter().chain(behind).collect();
                for asked_at in asked {
                    let ticket = self.ticket(key, asked_at);
                    self.books.in_flight(&ticket, now);
                }
            }
        }
        self.books.conclude(planned, &self.schedule, &self.edges, now);
        let refused = self.books.part.connections.refused.values().sum::<u64>();
        self.books.part.connections.asked_again = self.client.asked_again;
        self.books.part.connections.opened += self.client.reopened;
        if self.client.churn {
            let sent = self.books.part.sent_in_all();
            self.books.part.connections.opened += sent.saturating_sub(refused);
        }
    }
}

/// How long to wait before a connection is opened in place of one that failed, after so many
/// failures in a row.
pub(crate) fn back_off(failures: u32) -> Duration {
    match failures {
        0 | 1 => Duration::ZERO,
        more => BACK_OFF * (1 << (more - 2).min(DOUBLED_MAX)),
    }
}
