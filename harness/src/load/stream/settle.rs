//! What happens to requests and connections in the end.

use std::time::{Duration, Instant};

use super::{Fault, Outcome, Phase, Schedule, Stream, nanoseconds};

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
                if trouble.fault == Fault::Connect {
                    self.part.connections.refuse(trouble.errno);
                }
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
            Outcome::Gone(errno) => {
                if self.free.contains(&key) {
                    self.part.connections.lost_idle += 1;
                } else {
                    self.part.connections.refuse(errno);
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
        if now >= self.edges.from && now < self.edges.to {
            self.part.right_per_connection[key] += 1;
            // Until the server has closed it, a connection of one request is in use.
            let churn = self.client.churn;
            self.part.in_use_ns +=
                if churn { nanoseconds(connection.asked_at, now) } else { service_ns };
            self.part.last_answer = Some(now);
        }
        let open = matches!(self.schedule, Schedule::Open { .. });
        let response_ns = if open { nanoseconds(self.slots[key].planned, now) } else { 0 };
        self.seconds.right(now, if open { response_ns } else { service_ns });
        if self.is_measured(key) {
            self.part.account.right += 1;
            self.part.service.record(service_ns);
            if open {
                self.part.response.record(response_ns);
            }
        }
    }

    /// Whether the request that came first of those on a connection was planned after the warm-up.
    /// It is settled now.
    #[inline]
    fn is_measured(&mut self, key: usize) -> bool {
        let warmup = &mut self.slots[key].warmup;
        let measured = *warmup == 0;
        *warmup = warmup.saturating_sub(1);
        measured
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
        self.seconds.failed(now, fault);
        if !self.is_measured(key) {
            self.part.warmup_failed += 1;
            return;
        }
        self.part.account.fail(fault);
        if fault == Fault::Timeout {
            self.unanswered(key, asked_at, now);
        }
    }

    /// Of a request without an answer it is known that one would have come later than now.
    fn unanswered(&mut self, key: usize, asked_at: Instant, now: Instant) {
        self.part.service.record_at_least(nanoseconds(asked_at, now));
        if matches!(self.schedule, Schedule::Open { .. }) {
            let planned = self.slots[key].planned;
            self.part.response.record_at_least(nanoseconds(planned, now));
            self.seconds.unanswered(now, nanoseconds(planned, now));
        } else {
            self.seconds.unanswered(now, nanoseconds(asked_at, now));
        }
    }

    /// Counts a request that is too old to be sent.
    #[cold]
    pub(super) fn shed(&mut self, planned: Instant, now: Instant, measured: bool) {
        self.seconds.shed(now, nanoseconds(planned, now));
        if measured {
            self.part.account.shed += 1;
            self.part.response.record_at_least(nanoseconds(planned, now));
        }
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
        if self.client.churn {
            self.free.push_back(key); // its next request opens it
            return;
        }
        let connection = &mut self.client.connections[key];
        if let Err(error) = connection.begin(self.client.addr, &self.client.epoll, key as u64) {
            self.part.connections.refuse(error.raw_os_error());
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
            let connection = &self.client.connections[key];
            if matches!(connection.phase, Phase::Asked | Phase::Closing(_)) {
                let behind = connection.pipe.behind.iter().map(|waiting| waiting.asked_at);
                let asked: Vec<Instant> = [connection.asked_at].into_iter().chain(behind).collect();
                for asked_at in asked {
                    if self.is_measured(key) {
                        self.part.account.in_flight += 1;
                        self.unanswered(key, asked_at, now);
                    }
                }
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
        let refused = self.part.connections.refused.values().sum::<u64>();
        self.part.connections.asked_again = self.client.asked_again;
        self.part.connections.opened += self.client.reopened;
        if self.client.churn {
            let sent = self.part.warmup_sent + self.part.account.sent;
            self.part.connections.opened += sent.saturating_sub(refused);
        }
        self.seconds.finish(now);
    }
}
