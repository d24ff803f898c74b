//! The same loads over HTTP/2: many requests under way on each connection.
//!
//! Frames, header compression and flow control are the crate `h2`'s. It is made to be driven by a
//! runtime, but asks for no more than something to read and write ([`wire`]) and to be polled when
//! that is ready or one of its parts says so ([`bells`]). So this loop is the sibling of
//! [`super::stream`]: it waits on the same epoll and timer, takes requests from the same schedule
//! and enters what happens into the same books. What it asks on are not connections but places:
//! each connection has as many as there may be requests under way on it.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

use nix::sys::epoll::EpollEvent;

use super::alarm::{self, Alarm, TIMER};
use super::failure::Failure;
use super::fault::Fault;
use super::seconds::Recorder;
use super::share::{EVENTS, SWEEP};
use super::steady::Live;
use super::stream::{
    Books, Clocks, DRAIN_INTERRUPTED, DRAIN_MAX, Due, Edges, FAR, Part, Schedule, Ticket, waiting,
};
use super::target::Target;

mod bells;
mod connections;
pub(super) mod first;
mod link;
mod place;
mod request;
mod wire;

use bells::Bells;
use link::{Link, Progress};
use place::{Answered, Keep, Place};
pub(super) use request::Asked;
use wire::Thread;

/// One thread of a load.
pub(super) struct Multiplex<'l> {
    target: &'l Target,
    asked: Asked<'l>,
    /// Requests that may be under way on a connection.
    streams: usize,
    links: Vec<Link>,
    /// Those of the first connection, those of the second, ...
    places: Vec<Place>,
    /// Places that can be asked on, the one that waits longest first.
    free: VecDeque<usize>,
    /// Which connections and places have news.
    bells: Bells,
    thread: Rc<Thread>,
    alarm: Alarm,
    schedule: Schedule,
    edges: Edges,
    timeout: Duration,
    sending: bool,
    outstanding: usize,
    give_up: Instant,
    next_sweep: Instant,
    measured_from: Option<Clocks>,
    /// How often something was found since then.
    wakeups: u64,
    /// Since when no connection is open.
    hopeless: Option<Instant>,
    live: &'l Live,
    books: Books<'l>,
}

impl<'l> Multiplex<'l> {
    /// A thread's part, with no connection open.
    pub(super) fn new(
        target: &'l Target,
        asked: Asked<'l>,
        (connections, streams): (usize, usize),
        schedule: Schedule,
        timeout: Duration,
        live: &'l Live,
    ) -> Result<Self, Failure> {
        let now = Instant::now();
        let never = now + FAR;
        let thread = Thread::new().map_err(|error| {
            Failure::general(format_args!("failed to make an epoll: {}", error.desc()))
        })?;
        let alarm = Alarm::new().map_err(waiting)?;
        alarm.watch(&thread.epoll).map_err(waiting)?;
        let mut part = Part { right_per_connection: vec![0; connections], ..Part::default() };
        part.connections.planned = connections as u64;
        Ok(Self {
            target,
            asked,
            streams,
            links: (0..connections).map(|_| Link::new(now)).collect(),
            places: (0..connections * streams).map(|_| Place::new(now, Keep::Wrong)).collect(),
            free: VecDeque::with_capacity(connections * streams),
            bells: Bells::new(connections, connections * streams),
            thread: Rc::new(thread),
            alarm,
            schedule,
            edges: Edges { begin: never, from: never, to: never },
            timeout,
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

    /// Opens all connections, off the clock. Returns how many there are.
    pub(super) fn connect(&mut self) -> Result<usize, Failure> {
        let began = Instant::now();
        (0..self.links.len()).for_each(|key| self.open(key, began));
        let mut events = vec![EpollEvent::empty(); EVENTS];
        while began.elapsed() < self.timeout
            && self.links.iter().any(Link::is_opening)
            && !self.live.stop.load(Ordering::Relaxed)
        {
            let ready = alarm::poll(&self.thread.epoll, &mut events, SWEEP).map_err(waiting)?;
            self.handle(&events[..ready]);
        }
        Ok(self.links.iter().filter(|link| link.is_open()).count())
    }

    /// Sends until the load is over, then awaits what is outstanding.
    pub(super) fn drive(mut self, edges: Edges) -> Result<Part, Failure> {
        self.edges = edges;
        self.books.seconds = Recorder::new(self.live.desk(), edges.begin, edges.from);
        let planned = self.schedule.clone();
        std::thread::sleep(edges.begin.saturating_duration_since(Instant::now()));
        let mut events = vec![EpollEvent::empty(); EVENTS];
        loop {
            let now = Instant::now();
            if self.measured_from.is_none() && now >= self.edges.from {
                self.schedule.end_warmup();
                self.books.part.connections.open =
                    self.links.iter().filter(|link| link.is_open()).count() as u64;
                self.alarm.spin_ns = 0;
                self.wakeups = 0;
                self.measured_from = Some(Clocks::read(now)?);
            }
            self.dispatch(now);
            if self.sending && (now >= self.edges.to || self.schedule.is_over()) {
                self.stop(now, DRAIN_MAX)?;
            }
            self.attend();
            if !self.sending && (self.outstanding == 0 || now >= self.give_up) {
                break;
            }
            let due = if self.free.is_empty() || !self.sending {
                None
            } else {
                self.schedule.next(&self.edges)
            };
            let patience = SWEEP.min(self.timeout / 4);
            let now = Instant::now();
            let ready = self
                .alarm
                .wait(&self.thread.epoll, &mut events, (now, due), patience)
                .map_err(waiting)?;
            self.wakeups += u64::from(ready > 0);
            self.handle(&events[..ready]);
            if now >= self.next_sweep {
                self.sweep(now)?;
            }
        }
        self.finish(planned);
        Ok(self.books.part)
    }

    fn handle(&mut self, events: &[EpollEvent]) {
        for event in events.iter().filter(|event| event.data() != TIMER) {
            let key = event.data() as usize;
            self.links[key].arrived();
            self.bells.ring_link(key);
        }
        self.attend();
    }

    /// Attends to places and connections until none has news. Places come first, so that what they
    /// send goes out together.
    fn attend(&mut self) {
        loop {
            if let Some(place) = self.bells.next_place() {
                self.look(place);
            } else if let Some(key) = self.bells.next_link() {
                let now = Instant::now();
                match self.links[key].advance(&self.thread, key, self.bells.link(key)) {
                    Progress::Nothing => {}
                    Progress::Opened => self.opened(key, now),
                    Progress::Over(reason, fault) => self.lost(key, reason, fault, now),
                }
            } else {
                return;
            }
        }
    }

    /// Looks what news a place has.
    fn look(&mut self, place: usize) {
        if self.places[place].waits {
            self.places[place].waits = false;
            self.free.push_back(place);
            return self.dispatch(Instant::now());
        }
        let waker = self.bells.place(place);
        let Poll::Ready(answered) = self.places[place].poll(&self.asked.questions, waker) else {
            return;
        };
        let now = Instant::now();
        self.settle(place, answered, now);
        self.dispatch(now);
    }

    /// Counts what became of the request in a place.
    fn settle(&mut self, place: usize, answered: Answered, now: Instant) {
        self.outstanding -= 1;
        let key = place / self.streams;
        let ticket = self.places[place].ticket;
        match answered {
            Answered::Right => {
                let service_ns = (now - ticket.sent).as_nanos() as u64;
                self.links[key].failures = 0;
                self.books.right(&ticket, key, service_ns, now, &self.edges);
            }
            Answered::Wrong(wrong) => {
                self.books.failed(&ticket, wrong.fault, now);
                self.books.part.wrong.get_or_insert(wrong.text);
            }
            Answered::Failed(fault) => self.books.failed(&ticket, fault, now),
        }
        self.release(place, now);
    }

    /// A place can be asked on again, if its connection can.
    fn release(&mut self, place: usize, now: Instant) {
        self.places[place].clear(now);
        if self.links[place / self.streams].is_open() {
            self.free.push_back(place);
        }
    }

    /// Sends what is due on places that are free.
    fn dispatch(&mut self, mut now: Instant) {
        if !self.sending || self.edges.begin > now {
            return;
        }
        while let Some(&place) = self.free.front() {
            match self.places[place].poll_ready(self.bells.place(place)) {
                Poll::Ready(Ok(())) => {}
                // Or its connection has no future, and will say so itself.
                not_ready => {
                    self.places[place].waits = not_ready.is_pending();
                    self.free.pop_front();
                    continue;
                }
            }
            match self.schedule.take(now, &self.edges) {
                Due::Nothing => return,
                Due::Shed { planned, measured } => self.books.shed(planned, now, measured),
                Due::Send { planned, measured } => {
                    let open = matches!(self.schedule, Schedule::Open { .. });
                    if open {
                        now = Instant::now();
                    }
                    self.free.pop_front();
                    let planned = open.then_some(planned);
                    self.send(place, Ticket { planned, measured, sent: now });
                }
            }
        }
    }

    fn send(&mut self, place: usize, ticket: Ticket) {
        let now = ticket.sent;
        self.books.sent(&ticket, self.places[place].free_since);
        self.places[place].ticket = ticket;
        self.outstanding += 1;
        let (exchange, request) = self.asked.next();
        match self.places[place].ask(exchange, request) {
            Ok(()) => {
                // Its first look says whom to tell.
                self.bells.ring_place(place);
                self.bells.ring_link(place / self.streams);
            }
            Err(error) => {
                self.outstanding -= 1;
                self.books.failed(&ticket, place::fault(&error, false), now);
                self.release(place, now);
            }
        }
    }

    /// What is done now and then: timeouts, connections to replace, the live figures, Ctrl-C.
    fn sweep(&mut self, now: Instant) -> Result<(), Failure> {
        self.next_sweep = now + SWEEP.min(self.timeout / 4);
        for place in 0..self.places.len() {
            let Place { ticket, .. } = self.places[place];
            let age = now.saturating_duration_since(ticket.sent);
            if self.places[place].is_asked() && age > self.timeout {
                self.outstanding -= 1;
                self.books.failed(&ticket, Fault::Timeout, now);
                self.release(place, now); // tells the server that nobody waits any more
            }
        }
        for key in 0..self.links.len() {
            let link = &mut self.links[key];
            if link.is_opening() && now.saturating_duration_since(link.since) > self.timeout {
                self.lost(key, "no reply in time", Fault::Connect, now);
            } else if link.reopen.is_some_and(|at| at <= now) {
                self.open(key, now);
            }
        }
        self.books.part.received_bytes = self.thread.received.get();
        let none_open = !self.links.iter().any(Link::is_open);
        self.hopeless = none_open.then(|| self.hopeless.unwrap_or(now));
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

    /// Stops sending.
    fn stop(&mut self, now: Instant, patience: Duration) -> Result<(), Failure> {
        self.sending = false;
        self.give_up = now + patience.min(self.timeout + 2 * SWEEP); // a sweep finds a timeout
        self.books.part.stop(self.measured_from, (self.alarm.spin_ns, self.wakeups), now)
    }

    /// Accounts for what was never sent and what is not answered.
    fn finish(&mut self, planned: Schedule) {
        let now = Instant::now();
        for place in self.places.iter().filter(|place| place.is_asked()) {
            self.books.in_flight(&place.ticket, now);
        }
        self.books.part.received_bytes = self.thread.received.get();
        self.books.conclude(planned, &self.schedule, &self.edges, now);
    }
}
