//! A thread's part of one arm: its connections, driven for one window at a time.

use std::time::{Duration, Instant};

use duet_protocol::{Arrivals, Job};

use super::health;
use crate::count::events::EventLog;
use crate::count::window_clocks::WindowClocks;
use crate::count::window_sink::{WindowCounts, WindowSink};
use crate::driver::Driver;
use crate::error_kind::ErrorKind;
use crate::job_error::JobError;
use crate::request::exchange::Exchange;
use crate::request::requests::Requests;
use crate::request::selector::{RoundRobin, Selector, split_evenly};
use crate::timing::arrivals::{ArrivalSchedule, Rate};
use crate::timing::schedule::{Phases, Schedule};
use crate::transport::Transport;
use crate::transport::error::{NO_REPLY, TransportError};
use crate::transport::h1::{ClientConfig, H1};
use crate::transport::h2::H2;
use crate::transport::target::Target;
use crate::transport::ws::Ws;

/// Makes the seed of a lead-in's instants another than that of its window.
const LEAD_IN: u64 = 0x6c65_6164;

/// For how long requests of an open window are sent behind its end at most, however long it is.
const OVERTIME_MAX: Duration = Duration::from_secs(10);

/// A window to drive, the same for all threads.
#[derive(Debug, Clone, Copy)]
pub(super) struct WindowPlan {
    /// When its lead-in begins.
    pub(super) begin: Instant,
    /// The lead-in of an open window, in which requests are sent as in the window; that of a closed
    /// one is a window of its own.
    pub(super) lead: Duration,
    /// How long requests are sent, or planned.
    pub(super) span: Duration,
    pub(super) mode: WindowMode,
}

/// When the requests of a window are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WindowMode {
    /// In every slot the next one when the one before has its response. What is in flight at the
    /// end is awaited, so that requests begun in it end in it.
    Closed,
    /// When they are due. Where no slot is free then, they wait with their planned instants, also
    /// beyond the end of the window: what was planned in it is sent and has its response before the
    /// next one begins. That is given up where it takes as long as the window again, or 10 s; what
    /// is left by then is never sent.
    Open {
        /// Over all threads.
        per_second: u64,
        arrivals: Arrivals,
        seed: u64,
    },
}

/// A thread's part of one arm, whatever its transport.
pub(super) trait ArmWorker {
    /// Makes every connection ready for a window, unless each request opens its own: those that
    /// the server gave up while they were parked are replaced, off the clock and silently, as any
    /// client would.
    fn prepare(&mut self) -> Result<(), JobError>;

    /// Drives a window and awaits all its responses.
    fn drive(&mut self, plan: WindowPlan) -> Result<(), JobError>;

    /// What the window came to.
    fn collect(&mut self) -> WindowCounts;
}

/// The part of thread `thread`, with no connection open.
pub(super) fn start<'j>(
    job: &'j Job,
    target: Target,
    arm: usize,
    thread: usize,
) -> Result<Box<dyn ArmWorker + 'j>, JobError> {
    let threads = job.cpus.len();
    let exchanges: Vec<Exchange> = job.arms[arm].exchanges.iter().map(Into::into).collect();
    let message = exchanges.first().and_then(|exchange| exchange.message);
    let members = message.map_or(1, |message| message.members);
    let rooms = job.connections as usize / members;
    let connections = split_evenly(rooms as u64, thread, threads) as usize * members;
    let round_robin = RoundRobin::new(exchanges.len(), job.seed, thread, threads);
    let requests = Requests::new(exchanges, Selector::RoundRobin(round_robin), job.seed);
    if target.http2 {
        let slots = (connections, job.streams as usize);
        let transport = H2::new(target, requests, slots)?;
        return Ok(Box::new(Part::new(job, arm, thread, transport)?));
    }
    if message.is_some() {
        let transport = Ws::new(target, requests, connections, job.seed, (thread, threads));
        return Ok(Box::new(Part::new(job, arm, thread, transport.map_err(JobError::waiting)?)?));
    }
    // Which side closes decides which one keeps the ports: it has to be the server's in both arms.
    let config = ClientConfig { churn: job.churn, depth: 1, close_patience: None };
    let transport = H1::new(target, requests, connections, config);
    Ok(Box::new(Part::new(job, arm, thread, transport.map_err(JobError::waiting)?)?))
}

/// A thread's part of one arm.
struct Part<'j, T> {
    job: &'j Job,
    arm: u32,
    thread: usize,
    driver: Driver<'j, T, WindowSink<'j>>,
}

impl<'j, T: Transport> Part<'j, T> {
    fn new(job: &'j Job, arm: usize, thread: usize, transport: T) -> Result<Self, JobError> {
        let (arm, timeout) = (arm as u32, Duration::from_nanos(job.timeout_ns));
        let clocks = (thread == 0).then(|| WindowClocks::new(job)).transpose()?;
        let driver = Driver::new(
            transport,
            WindowSink::new(arm, clocks, job.solo),
            timeout,
            job.churn,
            None,
        )?;
        Ok(Self { job, arm, thread, driver })
    }

    /// This thread's requests of an open loop.
    fn arrivals(
        &self,
        rate: Rate,
        arrivals: Arrivals,
        seed: u64,
        span: Duration,
    ) -> ArrivalSchedule {
        let of = (self.thread, self.job.cpus.len());
        ArrivalSchedule::new(arrivals, rate, of, seed, span.as_nanos() as u64) // 584 years
    }

    /// Why a connection cannot be opened, in words that say what to do.
    fn unconnected(&self) -> JobError {
        let error = self.driver.sink.last_error();
        let about_opening =
            |error: &TransportError| matches!(error.kind, ErrorKind::Connect | ErrorKind::Tls);
        let unknown = TransportError::new(ErrorKind::Connect, NO_REPLY);
        health::failed(self.arm, self.job, error.filter(about_opening).unwrap_or(unknown))
    }
}

impl<T: Transport> ArmWorker for Part<'_, T> {
    fn prepare(&mut self) -> Result<(), JobError> {
        self.driver.handle_parked()?;
        self.driver.sink.look()?;
        if self.job.churn {
            return Ok(());
        }
        let transport = &self.driver.transport;
        let (connections, slots) = (transport.connections(), transport.slots_per_connection());
        if self.driver.connect()? < connections {
            return Err(self.unconnected());
        }
        let transport = &self.driver.transport;
        if (0..connections * slots).all(|slot| transport.is_free(slot)) {
            return Ok(());
        }
        let addr = &self.job.arms[self.arm as usize].addr;
        let text = format_args!("{addr} allows fewer than {slots} streams on a connection");
        Err(JobError::for_arm(self.arm, text))
    }

    fn drive(&mut self, plan: WindowPlan) -> Result<(), JobError> {
        let WindowPlan { begin, lead, span, mode } = plan;
        match mode {
            WindowMode::Closed => {
                // The thread may have been told late: it sends once in every slot nevertheless.
                let begin = Instant::now();
                let until = begin + span.max(Duration::from_nanos(1));
                let received = self.driver.transport.received_bytes();
                self.driver.sink.prepare_closed(begin, until - begin, received);
                if let Some(events) = self.driver.transport.events() {
                    events.begin(begin, None);
                }
                let phases = Phases { begin, from: begin, until, to: until };
                self.driver.drive(Schedule::Closed { left: None }, phases)
            }
            WindowMode::Open { per_second, arrivals, seed } => {
                let from = begin + lead;
                let until = from + span;
                self.driver.sink.prepare_open(from, until);
                if let Some(events) = self.driver.transport.events() {
                    events.begin(from, Some(until));
                }
                let rate = Rate::steady(per_second as f64);
                let warmup = self.arrivals(rate, arrivals, seed ^ LEAD_IN, lead);
                let measured = self.arrivals(rate, arrivals, seed, span);
                let to = until + span.min(OVERTIME_MAX);
                let phases = Phases { begin, from, until, to };
                self.driver.drive(Schedule::Open { warmup, measured, deadline: None }, phases)
            }
        }
    }

    fn collect(&mut self) -> WindowCounts {
        let spin_ns = self.driver.take_spin_ns();
        let events = self.driver.transport.events().map(EventLog::take).unwrap_or_default();
        let transport = &self.driver.transport;
        let received_bytes = transport.received_bytes();
        let mut counts = self.driver.sink.take(received_bytes, spin_ns, transport.unseen());
        counts.events = events;
        counts
    }
}
