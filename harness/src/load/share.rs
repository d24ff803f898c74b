//! A thread's share of one arm: its connections, and the loop that drives them for one window.
//!
//! This is the hot path. Per request it makes two system calls and a share of a third
//! (`epoll_wait`), reads the clock once, compares the answer with its template and counts it.
//! It allocates, locks, logs and formats nothing unless an answer is unlike the ones before.
//!
//! In a window every connection asks, and asks again when it is answered, until the window's time
//! is over; then the outstanding answers are awaited, each no longer than the timeout.
//!
//! A connection that has to end behind an answer (each request has one of its own, or the answer
//! says so) is closed only when the server has closed it. The side that closes first keeps the
//! pair of ports for a minute (TIME_WAIT). With that on the server's side, a port here is free
//! again at once, and thousands of connections a second never run out of ports.

use std::io;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use super::connection::{Connection, Phase};
use super::failure::{Failure, Trouble};
use super::fault::{Fault, Faults};
use super::job::{ArmJob, Exchange, Job};
use super::requests::Walk;
use super::service_time::ServiceTimes;
use super::template::Template;

mod answers;
mod parked;

/// Bytes read at once, at most.
const READ_BYTES: usize = 256 * 1024;
/// Events fetched at once, at most.
const EVENTS: usize = 1024;
/// Timeouts are looked for this often, so that no request needs a timer.
const SWEEP: Duration = Duration::from_millis(50);

/// A thread's share of one arm.
#[derive(Debug)]
pub(super) struct Share<'j> {
    job: &'j Job,
    arm: u32,
    exchanges: &'j [Exchange],
    target: &'j ArmJob,
    epoll: Epoll,
    connections: Vec<Connection>,
    templates: Vec<Option<Template>>,
    walk: Walk,
    /// Connections that are asked or closing.
    outstanding: usize,
    /// The last failed request.
    pub(super) trouble: Option<Trouble>,
}

/// What the shares of a thread use in turn.
#[derive(Debug)]
pub(super) struct Scratch {
    buffer: Box<[u8]>,
    events: Vec<EpollEvent>,
    pub(super) tally: Tally,
}

/// What a thread counted in a window.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) first_ask: Instant,
    pub(super) last_answer: Instant,
    pub(super) service_times: ServiceTimes,
    pub(super) faults: Faults,
    pub(super) received_bytes: u64,
}

impl Scratch {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        let tally = Tally {
            first_ask: now,
            last_answer: now,
            service_times: ServiceTimes::new(),
            faults: Faults::default(),
            received_bytes: 0,
        };
        let events = vec![EpollEvent::empty(); EVENTS];
        Self { buffer: vec![0; READ_BYTES].into(), events, tally }
    }
}

impl<'j> Share<'j> {
    /// The share of thread `thread`, with no connection open.
    pub(super) fn new(job: &'j Job, arm: usize, thread: usize) -> Result<Self, Failure> {
        let threads = job.cpus.len();
        let target = &job.arms[arm];
        let of_all = job.connections as usize;
        let connections = of_all * (thread + 1) / threads - of_all * thread / threads;
        Ok(Self {
            job,
            arm: arm as u32,
            exchanges: &target.exchanges,
            target,
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)
                .map_err(|e| Failure::general(format_args!("failed to make an epoll: {e}")))?,
            connections: (0..connections).map(|_| Connection::vacant()).collect(),
            templates: vec![None; target.exchanges.len()],
            walk: Walk::new(target.exchanges.len(), job.seed, thread, threads),
            outstanding: 0,
            trouble: None,
        })
    }

    /// Exchanges never answered yet.
    pub(super) fn unseen(&self) -> usize {
        self.templates.iter().filter(|template| template.is_none()).count()
    }

    /// Drives all connections until `end`, then awaits every outstanding answer.
    pub(super) fn drive(&mut self, end: Instant, scratch: &mut Scratch) -> Result<(), Failure> {
        let Scratch { buffer, events, tally } = scratch;
        tally.first_ask = Instant::now();
        tally.last_answer = tally.first_ask;
        self.outstanding = self.connections.len();
        self.ask_all(end, tally);
        let sweep = SWEEP.min(Duration::from_nanos(self.job.timeout_ns / 4));
        let sweep_ms = sweep.as_millis().max(1) as u16; // at most 50
        let mut next_sweep = tally.first_ask + sweep;
        while self.outstanding > 0 {
            let ready = match self.epoll.wait(events, sweep_ms) {
                Err(Errno::EINTR) => continue,
                ready => ready.map_err(|error| self.broken(error))?,
            };
            let mut last_read = None;
            for event in &events[..ready] {
                last_read = Some(self.handle(event, end, buffer, tally)?);
            }
            let now = last_read.unwrap_or_else(Instant::now);
            if now >= next_sweep {
                next_sweep = now + sweep;
                self.sweep(now, end, tally);
            }
        }
        Ok(())
    }

    /// Handles one event. Returns the clock as it was read last.
    #[inline]
    fn handle(
        &mut self,
        event: &EpollEvent,
        end: Instant,
        buffer: &mut [u8],
        tally: &mut Tally,
    ) -> Result<Instant, Failure> {
        const CLOSED: EpollFlags = EpollFlags::EPOLLRDHUP.union(EpollFlags::EPOLLHUP);
        let key = event.data() as usize;
        let flags = event.events();
        if self.connections[key].wants_room() && flags.contains(EpollFlags::EPOLLOUT) {
            let request = self.exchanges[self.connections[key].exchange].request.as_bytes();
            if let Err(error) = self.connections[key].write(request, &self.epoll, key as u64) {
                let now = Instant::now();
                self.lost(key, &error, now, end, tally);
                return Ok(now); // whatever else the event says is about a socket now closed
            }
            if flags == EpollFlags::EPOLLOUT {
                return Ok(Instant::now());
            }
        }
        loop {
            let read = self.connections[key].read(buffer);
            let now = Instant::now();
            match read {
                Ok(0) => self.closed(key, now, end, tally)?,
                Ok(n) => {
                    tally.received_bytes += n as u64;
                    self.received(key, &buffer[..n], now, end, tally)?;
                    if n == buffer.len() || flags.contains(EpollFlags::EPOLLERR) {
                        continue;
                    }
                    // A short read: drained. If the close had arrived before it, this was all.
                    if flags.intersects(CLOSED) {
                        self.closed(key, now, end, tally)?;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => self.lost(key, &error, now, end, tally),
            }
            return Ok(now);
        }
    }

    /// Asks the next exchange on this connection, opening it if there is none.
    #[inline]
    fn ask(&mut self, key: usize, now: Instant, end: Instant, tally: &mut Tally) {
        let exchange = self.walk.next();
        let request = self.exchanges[exchange].request.as_bytes();
        let connection = &mut self.connections[key];
        let vacant = connection.phase == Phase::Vacant;
        connection.ask(exchange, now);
        let written = if vacant {
            connection.open_and_write(self.target.addr, request, &self.epoll, key as u64)
        } else {
            connection.write(request, &self.epoll, key as u64)
        };
        if let Err(error) = written {
            self.lost(key, &error, now, end, tally);
        }
    }

    /// Asks on all connections, whatever they asked before.
    fn ask_all(&mut self, end: Instant, tally: &mut Tally) {
        for key in 0..self.connections.len() {
            self.connections[key].failures = 0;
            self.ask(key, Instant::now(), end, tally);
        }
    }

    /// Fails requests that have waited too long.
    fn sweep(&mut self, now: Instant, end: Instant, tally: &mut Tally) {
        let timeout = Duration::from_nanos(self.job.timeout_ns);
        for key in 0..self.connections.len() {
            let connection = &self.connections[key];
            let closing = matches!(connection.phase, Phase::Closing(_));
            let waits = closing || connection.phase == Phase::Asked;
            if waits && now.saturating_duration_since(connection.asked_at) > timeout {
                let trouble = Trouble { fault: Fault::Timeout, errno: None, closing };
                self.fail(key, trouble, now, end, tally);
            }
        }
    }

    fn broken(&self, error: Errno) -> Failure {
        Failure::of(self.arm, format_args!("failed to wait for answers: {}", error.desc()))
    }
}
