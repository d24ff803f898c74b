//! A thread's share of one arm, driven for a window of an open loop.
//!
//! Requests are sent when they are due. Where no connection is free then, they wait with their
//! planned instants, also beyond the end of the window: what was planned in it is sent and
//! answered before the next one begins. That is given up where it takes as long as the window
//! again; what is left by then is never sent.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use nix::sys::epoll::EpollEvent;

use super::{FAILURES_MAX, SWEEP, Scratch, Share, Tally};
use crate::account::Account;
use crate::alarm::{Alarm, TIMER};
use crate::client::Outcome;
use crate::failure::{Failure, Trouble};
use crate::fault::Fault;
use crate::pace::{Pace, Rate};
use crate::times::Times;
use duet_protocol::Arrivals;

/// The requests of a window, the same for all threads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// When it begins; instants are planned from here on, ...
    pub(crate) begin: Instant,
    /// ... this long.
    pub(crate) span: Duration,
    /// Over all threads.
    pub(crate) per_second: u64,
    pub(crate) arrivals: Arrivals,
    pub(crate) seed: u64,
}

/// What a thread counts in a window of an open loop, beside what it counts in any.
#[derive(Debug)]
pub(crate) struct OpenTally {
    pub(crate) account: Account,
    /// Requests sent after the window's end.
    pub(crate) sent_late: u64,
    /// From the planned instant to the last byte of a right answer.
    pub(crate) response: Times,
    /// Lower bounds of the same, where there was no answer in time, or no request.
    pub(crate) at_least: Times,
    /// From the planned instant to sending.
    pub(crate) send_lag: Times,
    /// That part of it for which a connection was free.
    pub(crate) own_lag: Times,
}

/// The connections as an open loop sees them.
#[derive(Debug)]
pub(super) struct Line {
    /// Those that can be asked, the one that waits longest first.
    free: VecDeque<usize>,
    slots: Vec<Slot>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    /// When the request on it was due.
    planned: Instant,
    /// Since when it is free.
    since: Instant,
}

impl OpenTally {
    pub(super) fn new() -> Self {
        Self {
            account: Account::default(),
            sent_late: 0,
            response: Times::new(),
            at_least: Times::new(),
            send_lag: Times::new(),
            own_lag: Times::new(),
        }
    }
}

impl Line {
    pub(super) fn new(connections: usize) -> Self {
        let now = Instant::now();
        let slots = vec![Slot { planned: now, since: now }; connections];
        Self { free: VecDeque::with_capacity(connections), slots }
    }
}

impl<'j> Share<'j> {
    /// Sends this thread's requests of `plan` when they are due, then awaits every outstanding
    /// answer.
    pub(crate) fn drive_open(&mut self, plan: &Plan, scratch: &mut Scratch) -> Result<(), Failure> {
        let Scratch { buffer, events, tally, alarm } = scratch;
        let span_ns = plan.span.as_nanos() as u64; // 584 years
        let of = (self.thread, self.job.cpus.len());
        let rate = Rate::steady(plan.per_second as f64);
        let pace = Pace::new(plan.arrivals, rate, of, plan.seed, span_ns);
        let planned = pace.clone();
        let end = plan.begin + plan.span;
        tally.first_ask = plan.begin;
        tally.last_answer = end;
        self.outstanding = 0;
        self.line.free.clear();
        self.line.free.extend(0..self.line.slots.len());
        for (slot, connection) in self.line.slots.iter_mut().zip(&mut self.client.connections) {
            slot.since = plan.begin;
            connection.failures = 0;
        }
        alarm.spin_ns = 0;
        alarm.watch(&self.client.epoll).map_err(|error| self.broken(error))?;
        let (begin, give_up) = (plan.begin, end + plan.span);
        let mut window = Window { share: self, tally, pace, begin, end, give_up };
        let driven = window.drive(alarm, events, buffer);
        let never_sent = window.pace;
        alarm.forget(&self.client.epoll).map_err(|error| self.broken(error))?;
        driven?;

        let open = &mut tally.open;
        open.account.right = tally.service_times.count();
        open.account.planned = planned.count() as u64;
        for ns in never_sent {
            open.account.never_sent += 1;
            open.at_least.record(nanoseconds(begin + Duration::from_nanos(ns), give_up));
        }
        Ok(())
    }
}

/// A window while it is driven.
struct Window<'w, 'j> {
    share: &'w mut Share<'j>,
    tally: &'w mut Tally,
    /// The requests not sent yet.
    pace: Pace,
    begin: Instant,
    end: Instant,
    /// Nothing is sent from here on.
    give_up: Instant,
}

impl Window<'_, '_> {
    fn drive(
        &mut self,
        alarm: &mut Alarm,
        events: &mut [EpollEvent],
        buffer: &mut [u8],
    ) -> Result<(), Failure> {
        let sweep = SWEEP.min(Duration::from_nanos(self.share.job.timeout_ns / 4));
        let mut next_sweep = self.begin + sweep;
        loop {
            let mut now = Instant::now();
            let sent = self.tally.open.account.sent;
            self.dispatch(now)?;
            if self.tally.open.account.sent > sent {
                now = Instant::now(); // sending is no waiting
            }
            let due = self.due(now);
            if due.is_none() && self.share.outstanding == 0 {
                return Ok(());
            }
            let ready = alarm.wait(&self.share.client.epoll, events, (now, due), sweep);
            for event in &events[..ready.map_err(|error| self.share.broken(error))?] {
                if event.data() == TIMER {
                    continue;
                }
                let received = &mut self.tally.received_bytes;
                let (outcome, now) = self.share.client.handle(event, buffer, received);
                self.settle(event.data() as usize, outcome, now)?;
                self.dispatch(now)?;
            }
            if now >= next_sweep {
                next_sweep = now + sweep;
                self.sweep(now)?;
            }
        }
    }

    /// When a request is to be sent next; none: when a connection becomes free, or never.
    fn due(&self, now: Instant) -> Option<Instant> {
        let can_send = now < self.give_up && !self.share.line.free.is_empty();
        self.pace.peek().filter(|_| can_send).map(|ns| self.begin + Duration::from_nanos(ns))
    }

    /// Sends what is due on connections that are free.
    #[inline]
    fn dispatch(&mut self, mut now: Instant) -> Result<(), Failure> {
        while let Some(planned) = self.due(now).filter(|planned| *planned <= now)
            && let Some(key) = self.share.line.free.pop_front()
        {
            self.pace.advance();
            now = Instant::now();
            self.send(key, planned, now)?;
        }
        Ok(())
    }

    #[inline]
    fn send(&mut self, key: usize, planned: Instant, now: Instant) -> Result<(), Failure> {
        let slot = &mut self.share.line.slots[key];
        slot.planned = planned;
        let open = &mut self.tally.open;
        open.account.sent += 1;
        open.sent_late += u64::from(now >= self.end);
        open.send_lag.record(nanoseconds(planned, now));
        open.own_lag.record(nanoseconds(planned.max(slot.since), now));
        self.share.outstanding += 1;
        match self.share.client.ask(key, now) {
            Outcome::Pending => Ok(()),
            outcome => self.settle(key, outcome, now),
        }
    }

    /// Counts what happened on a connection.
    #[inline]
    fn settle(&mut self, key: usize, outcome: Outcome, now: Instant) -> Result<(), Failure> {
        match outcome {
            // A connection lost while nothing is asked on it is opened anew by the next request.
            Outcome::Pending | Outcome::Opened | Outcome::Gone(_) => {}
            Outcome::Right(service_ns) => {
                let planned = self.share.line.slots[key].planned;
                let sent = self.share.client.connections[key].asked_at;
                self.tally.service_times.record(service_ns);
                // To the last byte, which `now` is not where the server had to close, too.
                self.tally.open.response.record(nanoseconds(planned, sent) + service_ns);
                self.tally.last_answer = self.tally.last_answer.max(now);
                self.share.outstanding -= 1;
                self.share.client.connections[key].failures = 0;
                self.release(key, now);
            }
            Outcome::Failed(trouble) => self.fail(key, trouble, now),
            Outcome::Wrong(wrong) | Outcome::Unasked(wrong) => {
                return Err(Failure::wrong(self.share.arm, &wrong));
            }
        }
        Ok(())
    }

    fn release(&mut self, key: usize, now: Instant) {
        self.share.line.slots[key].since = now;
        self.share.line.free.push_back(key);
    }

    /// Counts a failed request; the next one opens the connection anew, unless that seems to be of
    /// no use.
    #[cold]
    fn fail(&mut self, key: usize, trouble: Trouble, now: Instant) {
        self.share.outstanding -= 1;
        self.share.trouble = Some(trouble);
        self.tally.faults.add(trouble.fault);
        self.tally.open.account.fail(trouble.fault);
        self.tally.last_answer = self.tally.last_answer.max(now);
        if trouble.fault == Fault::Timeout {
            let planned = self.share.line.slots[key].planned;
            self.tally.open.at_least.record(nanoseconds(planned, now));
        }
        let connection = &mut self.share.client.connections[key];
        connection.failures += 1;
        if trouble.fault != Fault::Connect && connection.failures < FAILURES_MAX {
            self.release(key, now);
        }
    }

    /// Fails requests that have waited too long for their answers.
    fn sweep(&mut self, now: Instant) -> Result<(), Failure> {
        let timeout = Duration::from_nanos(self.share.job.timeout_ns);
        for key in 0..self.share.client.connections.len() {
            if let Some(trouble) = self.share.client.overdue(key, now, timeout) {
                self.settle(key, Outcome::Failed(trouble), now)?;
            }
        }
        Ok(())
    }
}

#[inline]
fn nanoseconds(from: Instant, to: Instant) -> u64 {
    // A u64 of nanoseconds holds 584 years.
    to.saturating_duration_since(from).as_nanos() as u64
}
