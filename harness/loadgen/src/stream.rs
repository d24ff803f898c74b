//! One thread of a load: sends what is due, takes answers, replaces connections, counts.
//!
//! Closed and open loops differ in their schedule only. When no connection is free, the requests
//! of an open loop wait with their planned instants; since those are given by the schedule, there
//! is no queue to keep. Asking for more than is possible therefore costs nothing.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::EpollEvent;

use super::alarm::{self, Alarm, TIMER};
use super::batches::{Batches, CONNECTIONS_MIN, STRIDE};
use super::client::{Client, Outcome};
use super::connection::{Connection, Phase};
use super::failure::Failure;
use super::fault::Fault;
use super::seconds::Recorder;
use super::share::{EVENTS, READ_BYTES, SWEEP};
use super::steady::Live;

mod books;
mod part;
mod schedule;
mod settle;
#[cfg(test)]
mod tests;

pub(super) use books::{Books, Clocks, Ticket};
pub(super) use part::Part;
pub use part::{Connections, ThreadHealth};
pub(super) use schedule::{Due, Edges, Schedule};
pub(super) use settle::back_off;

/// Longer than any load.
pub(super) const FAR: Duration = Duration::from_secs(100 * 365 * 86_400);
/// The longest that outstanding answers are awaited at the end, ...
pub(super) const DRAIN_MAX: Duration = Duration::from_secs(5);
/// ... and after Ctrl-C.
pub(super) const DRAIN_INTERRUPTED: Duration = Duration::from_secs(1);

/// Whether answers are taken several at a time is decided for the first time after this, and then
/// with every sweep.
const FIRST_LOOK: Duration = Duration::from_millis(5);
/// An open loop that is late by this much asks for more than is possible.
const OVERDUE: Duration = Duration::from_millis(10);

/// One thread of a load.
pub(super) struct Stream<'l> {
    client: Client<'l>,
    slots: Vec<Slot>,
    /// Connections that can be asked, the one that waits longest first.
    free: VecDeque<usize>,
    schedule: Schedule,
    edges: Edges,
    timeout: Duration,
    alarm: Alarm,
    /// Where answers may be taken several at a time.
    batches: Option<Batches>,
    sending: bool,
    /// Connections that are asked.
    outstanding: usize,
    give_up: Instant,
    next_sweep: Instant,
    /// The clocks at the end of the warm-up, ...
    measured_from: Option<Clocks>,
    /// ... and how often something was found since then.
    wakeups: u64,
    /// Since when no connection is open.
    hopeless: Option<Instant>,
    live: &'l Live,
    books: Books<'l>,
}

/// What is kept about a connection beside the connection.
#[derive(Debug, Clone, Copy)]
struct Slot {
    /// When the request on it was due.
    planned: Instant,
    /// How many of the requests on it are of the warm-up. They are answered first.
    warmup: u32,
    /// Since when it is free, or being opened.
    since: Instant,
    /// When to open it anew.
    reopen: Option<Instant>,
}

impl<'l> Stream<'l> {
    /// A thread's part, with no connection open.
    pub(super) fn new(
        client: Client<'l>,
        schedule: Schedule,
        timeout: Duration,
        live: &'l Live,
    ) -> Result<Self, Failure> {
        let now = Instant::now();
        let never = now + FAR;
        let alarm = Alarm::new().map_err(waiting)?;
        alarm.watch(&client.epoll).map_err(waiting)?;
        let connections = client.connections.len();
        let slot = Slot { planned: now, warmup: 0, since: now, reopen: None };
        let mut part = Part { right_per_connection: vec![0; connections], ..Part::default() };
        part.connections.planned = connections as u64;
        Ok(Self {
            client,
            slots: vec![slot; connections],
            free: VecDeque::with_capacity(connections),
            schedule,
            edges: Edges { begin: never, from: never, to: never },
            timeout,
            alarm,
            batches: None,
            sending: true,
            outstanding: 0,
            give_up: now,
            next_sweep: now,
            measured_from: None,
            wakeups: 0,
            hopeless: None,
            live,
            books: Books { part, seconds: Recorder::new(None, never, never) },
        })
    }

    /// Opens all connections, off the clock. Returns how many there are. Where each request has a
    /// connection of its own, that is how many there may be at once.
    pub(super) fn connect(&mut self) -> Result<usize, Failure> {
        if self.client.churn {
            self.free.extend(0..self.slots.len());
            return Ok(self.free.len());
        }
        let began = Instant::now();
        (0..self.slots.len()).for_each(|key| self.open(key, began));
        let mut events = vec![EpollEvent::empty(); EVENTS];
        let mut buffer = vec![0; READ_BYTES];
        while began.elapsed() < self.timeout
            && self.client.connections.iter().any(|c| c.phase == Phase::Opening)
            && !self.live.stop.load(Ordering::Relaxed)
        {
            let ready = alarm::poll(&self.client.epoll, &mut events, SWEEP).map_err(waiting)?;
            self.handle(&events[..ready], &mut buffer);
        }
        Ok(self.free.len())
    }

    /// Sends until the load is over, then awaits what is outstanding.
    pub(super) fn drive(mut self, edges: Edges) -> Result<Part, Failure> {
        self.edges = edges;
        let connections = self.slots.len();
        if connections >= CONNECTIONS_MIN && self.client.depth == 1 && !self.client.churn {
            self.batches = Some(Batches::new(edges.begin).map_err(waiting)?);
            self.next_sweep = edges.begin + FIRST_LOOK;
        }
        self.books.seconds = Recorder::new(self.live.desk(), edges.begin, edges.from);
        let planned = self.schedule.clone();
        std::thread::sleep(edges.begin.saturating_duration_since(Instant::now()));
        let mut events = vec![EpollEvent::empty(); EVENTS];
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let now = Instant::now();
            if self.measured_from.is_none() && now >= self.edges.from {
                self.begin_measuring(now)?;
            }
            let sent = self.books.part.sent_in_all();
            self.dispatch(now);
            if self.sending && (now >= self.edges.to || self.schedule.is_over()) {
                self.stop(now, DRAIN_MAX)?;
            }
            if !self.sending && (self.outstanding == 0 || now >= self.give_up) {
                break;
            }
            // Sending is no waiting.
            let sent = self.books.part.sent_in_all() > sent;
            let ready = self.wait(if sent { Instant::now() } else { now }, &mut events)?;
            self.wakeups += u64::from(ready > 0);
            self.handle(&events[..ready], &mut buffer);
            if now >= self.next_sweep {
                self.sweep(now)?;
            }
        }
        self.finish(planned);
        Ok(self.books.part)
    }

    fn handle(&mut self, events: &[EpollEvent], buffer: &mut [u8]) {
        for event in events {
            let key = event.data() as usize;
            // A connection may have been lost since the events were fetched.
            if event.data() == TIMER || self.client.connections[key].phase == Phase::Vacant {
                continue;
            }
            let received = &mut self.books.part.received_bytes;
            let (outcome, now) = self.client.handle(event, buffer, received);
            self.settle(key, outcome, now);
            while let Some(outcome) = self.client.more(key, buffer, now) {
                self.settle(key, outcome, now);
            }
            self.dispatch(now);
        }
    }

    /// Sends what is due on connections that are free.
    #[inline]
    fn dispatch(&mut self, mut now: Instant) {
        if !self.sending || self.edges.begin > now {
            return;
        }
        if self.client.depth > 1 {
            return self.fill(now);
        }
        while let Some(&key) = self.free.front() {
            match self.schedule.take(now, &self.edges) {
                Due::Nothing => return,
                Due::Shed { planned, measured } => self.books.shed(planned, now, measured),
                Due::Send { planned, measured } => {
                    if matches!(self.schedule, Schedule::Open { .. }) {
                        now = Instant::now();
                    }
                    self.free.pop_front();
                    self.send(key, planned, measured, now);
                }
            }
        }
    }

    #[inline]
    fn send(&mut self, key: usize, planned: Instant, measured: bool, now: Instant) {
        let slot = &mut self.slots[key];
        slot.planned = planned;
        if !measured {
            slot.warmup += 1;
        }
        let since = slot.since;
        let open = matches!(self.schedule, Schedule::Open { .. });
        let ticket = Ticket { planned: open.then_some(planned), measured, sent: now };
        self.books.sent(&ticket, since);
        self.outstanding += 1;
        let outcome = self.client.ask(key, now);
        if !matches!(outcome, Outcome::Pending) {
            self.settle(key, outcome, now);
        }
    }

    /// The request on a connection that is settled now: of several the one that was sent first, at
    /// `sent`.
    #[inline]
    fn ticket(&mut self, key: usize, sent: Instant) -> Ticket {
        let slot = &mut self.slots[key];
        let open = matches!(self.schedule, Schedule::Open { .. });
        let measured = slot.warmup == 0;
        slot.warmup = slot.warmup.saturating_sub(1);
        Ticket { planned: open.then_some(slot.planned), measured, sent }
    }

    /// Fills the pipelines of connections that have room, each by one write.
    fn fill(&mut self, now: Instant) {
        while let Some(&key) = self.free.front() {
            let room = self.client.room(key);
            let mut asked = 0;
            while asked < room
                && let Due::Send { measured, .. } = self.schedule.take(now, &self.edges)
            {
                asked += 1;
                self.outstanding += 1;
                if !measured {
                    self.slots[key].warmup += 1;
                }
                self.books.sent(&Ticket { planned: None, measured, sent: now }, now);
                self.client.ask_behind(key, now);
            }
            if asked == 0 && room > 0 {
                return; // nothing is due any more
            }
            self.free.pop_front();
            let outcome = self.client.flush(key);
            self.settle(key, outcome, now);
        }
    }

    /// Waits for events until the next request is due.
    fn wait(&mut self, now: Instant, events: &mut [EpollEvent]) -> Result<usize, Failure> {
        let on = self.batches.as_ref().is_some_and(Batches::on);
        if on
            && self.sending
            && self.is_full(now)
            && let Some(batches) = &mut self.batches
        {
            return batches.wait(&self.client.epoll, events).map_err(waiting);
        }
        let due = if self.free.is_empty() || !self.sending {
            None
        } else {
            self.schedule.next(&self.edges)
        };
        let patience = SWEEP.min(self.timeout / 4);
        self.alarm.wait(&self.client.epoll, events, (now, due), patience).map_err(waiting)
    }

    /// Whether every connection is asked as soon as it is answered: in a closed loop always, in an
    /// open one where requests are overdue by so much that a moment more makes no difference.
    #[inline]
    fn is_full(&self, now: Instant) -> bool {
        match self.schedule {
            Schedule::Closed { .. } => true,
            Schedule::Open { .. } => {
                let next = self.free.is_empty().then(|| self.schedule.next(&self.edges)).flatten();
                next.is_some_and(|due| now.saturating_duration_since(due) > OVERDUE)
            }
        }
    }

    /// What is done now and then: timeouts, connections to replace, the live figures, Ctrl-C.
    fn sweep(&mut self, now: Instant) -> Result<(), Failure> {
        self.next_sweep = now + SWEEP.min(self.timeout / 4);
        for key in 0..self.slots.len() {
            if let Some(trouble) = self.client.overdue(key, now, self.timeout) {
                self.settle(key, Outcome::Failed(trouble), now);
            }
            let slot = &self.slots[key];
            let opening = self.client.connections[key].phase == Phase::Opening;
            if opening && now.saturating_duration_since(slot.since) > self.timeout {
                self.client.connections[key].close();
                self.books.part.connections.refuse("no reply in time");
                self.replace(key, now);
            } else if slot.reopen.is_some_and(|at| at <= now) {
                self.open(key, now);
            }
        }
        if let Some(batches) = &mut self.batches {
            let sent = self.books.part.sent_in_all();
            let bells =
                self.client.connections.iter().step_by(STRIDE).filter_map(Connection::socket);
            batches.decide(now, sent, bells).map_err(waiting)?;
        }
        self.books.seconds.at(now); // so that idle seconds are handed over, too
        self.hopeless = (self.open_connections() == 0).then(|| self.hopeless.unwrap_or(now));
        let hopeless = matches!(self.schedule, Schedule::Closed { left: Some(_) })
            && self.hopeless.is_some_and(|since| now - since > self.timeout);
        if self.sending && (self.live.stop.load(Ordering::Relaxed) || hopeless) {
            let now = Instant::now(); // requests due since then may have been sent
            self.edges.to = now;
            self.schedule.cut(&self.edges);
            self.stop(now, DRAIN_INTERRUPTED)?;
        }
        Ok(())
    }

    /// Connections that are open; where each request opens its own, those that are not given up
    /// for a while.
    fn open_connections(&self) -> usize {
        let slots = self.client.connections.iter().zip(&self.slots);
        let open = |phase| !matches!(phase, Phase::Vacant | Phase::Opening);
        let churn = self.client.churn;
        slots.filter(|(c, slot)| open(c.phase) || (churn && slot.reopen.is_none())).count()
    }

    fn begin_measuring(&mut self, now: Instant) -> Result<(), Failure> {
        self.schedule.end_warmup();
        self.books.part.connections.open = self.open_connections() as u64;
        self.alarm.spin_ns = 0;
        self.wakeups = 0;
        self.measured_from = Some(Clocks::read(now)?);
        Ok(())
    }

    /// Stops sending.
    fn stop(&mut self, now: Instant, patience: Duration) -> Result<(), Failure> {
        self.sending = false;
        self.give_up = now + patience.min(self.timeout + 2 * SWEEP); // a sweep finds a timeout
        self.books.part.stop(self.measured_from, (self.alarm.spin_ns, self.wakeups), now)
    }
}

pub(super) fn waiting(error: Errno) -> Failure {
    Failure::general(format_args!("failed to wait for answers: {}", error.desc()))
}

#[inline]
fn nanoseconds(from: Instant, to: Instant) -> u64 {
    // A u64 of nanoseconds holds 584 years.
    to.saturating_duration_since(from).as_nanos() as u64
}
