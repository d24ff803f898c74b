//! A thread's share of one arm: its connections, driven for one window at a time.
//!
//! In a closed loop every connection asks, and asks again when it is answered, until the window's
//! time is over; then the outstanding answers are awaited, each no longer than the timeout. Open
//! loops are in [`open`]. The hot path is [`super::client`].

use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::EpollEvent;

use super::alarm::Alarm;
use super::client::{Client, Manner, Outcome};
use super::failure::{Failure, Trouble};
use super::fault::{Fault, Faults};
use super::judge::Question;
use super::requests::{Turns, Walk};
use super::times::Times;
use duet_protocol::Job;

mod open;
mod parked;

use open::Line;
pub(super) use open::{OpenTally, Plan};

/// Bytes read at once, at most.
pub(super) const READ_BYTES: usize = 256 * 1024;
/// Events fetched at once, at most.
pub(super) const EVENTS: usize = 1024;
/// Timeouts are looked for this often, so that no request needs a timer.
pub(super) const SWEEP: Duration = Duration::from_millis(50);
/// Failed requests in a row after which a connection is not replaced until the next window.
const FAILURES_MAX: u32 = 3;

/// A thread's share of one arm.
#[derive(Debug)]
pub(super) struct Share<'j> {
    job: &'j Job,
    arm: u32,
    thread: usize,
    client: Client<'j>,
    line: Line,
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
    pub(super) alarm: Alarm,
    pub(super) tally: Tally,
}

/// What a thread counted in a window.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) first_ask: Instant,
    pub(super) last_answer: Instant,
    pub(super) service_times: Times,
    pub(super) faults: Faults,
    pub(super) received_bytes: u64,
    /// What is counted in an open loop only.
    pub(super) open: OpenTally,
}

impl Scratch {
    pub(super) fn new() -> Result<Self, Failure> {
        let now = Instant::now();
        let tally = Tally {
            first_ask: now,
            last_answer: now,
            service_times: Times::new(),
            faults: Faults::default(),
            received_bytes: 0,
            open: OpenTally::new(),
        };
        let events = vec![EpollEvent::empty(); EVENTS];
        let alarm = Alarm::new().map_err(|error| {
            Failure::general(format_args!("failed to make a timer: {}", error.desc()))
        })?;
        Ok(Self { buffer: vec![0; READ_BYTES].into(), events, alarm, tally })
    }
}

impl<'j> Share<'j> {
    /// The share of thread `thread`, with no connection open.
    pub(super) fn new(job: &'j Job, arm: usize, thread: usize) -> Result<Self, Failure> {
        let threads = job.cpus.len();
        let target = &job.arms[arm];
        let connections = part(job.connections.into(), thread, threads) as usize;
        let walk = Turns::Walk(Walk::new(target.exchanges.len(), job.seed, thread, threads));
        let manner = Manner { churn: job.churn, depth: 1, seed: job.seed };
        let questions = target.exchanges.iter().map(Question::from).collect();
        let client = Client::new(target.addr.clone().into(), questions, connections, manner, walk)
            .map_err(|e| Failure::general(format_args!("failed to make an epoll: {e}")))?;
        let line = Line::new(connections);
        Ok(Self { job, arm: arm as u32, thread, client, line, outstanding: 0, trouble: None })
    }

    /// Exchanges never answered yet.
    pub(super) fn unseen(&self) -> usize {
        self.client.unseen()
    }

    /// Drives all connections until `end`, then awaits every outstanding answer.
    pub(super) fn drive(&mut self, end: Instant, scratch: &mut Scratch) -> Result<(), Failure> {
        let Scratch { buffer, events, tally, .. } = scratch;
        tally.first_ask = Instant::now();
        tally.last_answer = tally.first_ask;
        self.outstanding = self.client.connections.len();
        self.ask_all(end, tally)?;
        let sweep = SWEEP.min(Duration::from_nanos(self.job.timeout_ns / 4));
        let sweep_ms = sweep.as_millis().max(1) as u16; // at most 50
        let mut next_sweep = tally.first_ask + sweep;
        while self.outstanding > 0 {
            let ready = match self.client.epoll.wait(events, sweep_ms) {
                Err(Errno::EINTR) => continue,
                ready => ready.map_err(|error| self.broken(error))?,
            };
            let mut last_read = None;
            for event in &events[..ready] {
                let (outcome, now) = self.client.handle(event, buffer, &mut tally.received_bytes);
                self.settle(event.data() as usize, outcome, now, end, tally)?;
                last_read = Some(now);
            }
            let now = last_read.unwrap_or_else(Instant::now);
            if now >= next_sweep {
                next_sweep = now + sweep;
                self.sweep(now, end, tally)?;
            }
        }
        Ok(())
    }

    /// Counts what happened on a connection, and asks again if there is time.
    #[inline]
    fn settle(
        &mut self,
        key: usize,
        outcome: Outcome,
        now: Instant,
        end: Instant,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        match outcome {
            Outcome::Pending | Outcome::Opened | Outcome::Gone(_) => Ok(()),
            Outcome::Right(service_ns) => {
                tally.service_times.record(service_ns);
                tally.last_answer = now;
                self.client.connections[key].failures = 0;
                if now < end {
                    return self.ask(key, now, end, tally);
                }
                self.outstanding -= 1;
                Ok(())
            }
            Outcome::Failed(trouble) => self.fail(key, trouble, now, end, tally),
            Outcome::Wrong(wrong) | Outcome::Unasked(wrong) => {
                Err(Failure::wrong(self.arm, &wrong))
            }
        }
    }

    /// Counts a failed request and replaces the connection, unless that seems to be of no use.
    #[cold]
    fn fail(
        &mut self,
        key: usize,
        trouble: Trouble,
        now: Instant,
        end: Instant,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        tally.faults.add(trouble.fault);
        tally.last_answer = now;
        self.trouble = Some(trouble);
        let connection = &mut self.client.connections[key];
        connection.failures += 1;
        let replace = trouble.fault != Fault::Connect && connection.failures < FAILURES_MAX;
        if replace && now < end {
            return self.ask(key, now, end, tally); // may come back here, FAILURES_MAX times
        }
        self.outstanding -= 1;
        Ok(())
    }

    /// Asks the next exchange on this connection.
    #[inline]
    fn ask(
        &mut self,
        key: usize,
        now: Instant,
        end: Instant,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        match self.client.ask(key, now) {
            Outcome::Pending => Ok(()),
            outcome => self.settle(key, outcome, now, end, tally),
        }
    }

    /// Asks on all connections, whatever they asked before.
    fn ask_all(&mut self, end: Instant, tally: &mut Tally) -> Result<(), Failure> {
        for key in 0..self.client.connections.len() {
            self.client.connections[key].failures = 0;
            self.ask(key, Instant::now(), end, tally)?;
        }
        Ok(())
    }

    /// Fails requests that have waited too long.
    fn sweep(&mut self, now: Instant, end: Instant, tally: &mut Tally) -> Result<(), Failure> {
        let timeout = Duration::from_nanos(self.job.timeout_ns);
        for key in 0..self.client.connections.len() {
            if let Some(trouble) = self.client.overdue(key, now, timeout) {
                self.fail(key, trouble, now, end, tally)?;
            }
        }
        Ok(())
    }

    fn broken(&self, error: Errno) -> Failure {
        Failure::of(self.arm, format_args!("failed to wait for answers: {}", error.desc()))
    }
}

/// How many of `all` are for thread `thread` of `threads`: as equal parts as whole numbers allow.
pub(super) fn part(all: u64, thread: usize, threads: usize) -> u64 {
    let (thread, threads) = (thread as u64, threads as u64);
    let up_to = |n: u64| (u128::from(all) * u128::from(n) / u128::from(threads)) as u64;
    up_to(thread + 1) - up_to(thread)
}
