//! One load on one address, closed or open, carried out by threads of this process.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};

use crate::count::account::Account;
use crate::count::first_bytes::FirstBytes;
use crate::count::latencies::Latencies;
use crate::count::load_sink::LoadSink;
use crate::count::seconds::{Live, SecondRecorder};
use crate::count::thread_stats::{CaseStats, ThreadStats};
use crate::driver::{Driver, NEVER};
use crate::job_error::JobError;
pub use crate::limits::DRAIN_MAX;
use crate::reason::Reason;
use crate::request::requests::Requests;
use crate::request::selector::{InOrder, Selector, Sessions, Weighted, split_evenly};
use crate::system::{self, pin};
use crate::timing::arrivals::{ArrivalSchedule, Rate};
use crate::timing::schedule::{Phases, Schedule};
use crate::transport::Transport;
use crate::transport::error;
use crate::transport::h1::{ClientConfig, H1};
use crate::transport::h2::H2;
use crate::transport::stats::ConnectionStats;
use crate::transport::tls::Tls;
use crate::transport::ws::Ws;
pub use measured::{Ceiling, Measured};
pub use spec::{Case, LISTED_MAX, Load, LoadModel, Order};

mod measured;
mod spec;

/// A connection that the server has to close behind a response is closed here after this.
const CLOSE_PATIENCE: Duration = Duration::from_millis(50);
/// Between the last connection and the first request.
const START: Duration = Duration::from_millis(2);

/// No connection could be opened, after those of the first responses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unconnected {
    to: String,
    /// Why most of the attempts failed; none: none of them did in time.
    reason: Option<Reason>,
}

impl Unconnected {
    /// Whether it is this machine that has no room for another connection.
    #[must_use]
    pub fn is_of_this_machine(&self) -> bool {
        self.reason.is_some_and(Reason::is_of_this_machine)
    }
}

impl fmt::Display for Unconnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = self.reason.unwrap_or(error::NO_REPLY.into());
        f.write_str(&error::unconnected(&self.to, reason))
    }
}

impl std::error::Error for Unconnected {}

/// Why a load was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No connection could be opened.
    #[error(transparent)]
    Unconnected(#[from] Unconnected),
    /// The system refuses what a thread needs, or the load cannot be.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// Carries out a load.
///
/// # Errors
/// When no connection can be opened, or the system refuses what a thread needs.
pub fn run(load: &Load, live: &Live) -> Result<Measured, LoadError> {
    check(load)?;
    system::raise_file_limit();
    let handshakes = || load.target.tls.as_ref().map(Tls::handshakes).unwrap_or_default();
    let before = handshakes();
    std::thread::scope(|scope| {
        let threads = (0..load.threads).map(|thread| {
            let (connected, when_connected) = channel();
            let (begin, when_to_begin) = channel();
            let run = move || one_thread(load, thread, live, &connected, &when_to_begin);
            (when_connected, begin, scope.spawn(run))
        });
        let threads: Vec<_> = threads.collect();
        let open =
            threads.iter().filter_map(|(connected, ..)| connected.recv().ok()).sum::<usize>();
        let phases = phases(load, Instant::now() + START);
        for (_, begin, _) in &threads {
            if open > 0 {
                // A thread that has failed says so when it is joined.
                let _ = begin.send(phases);
            }
        }
        let (mut parts, mut refused) = (vec![], ConnectionStats::default());
        for (_, begin, thread) in threads {
            drop(begin);
            let part = thread.join().map_err(|_| anyhow!("a thread of the generator has died"))?;
            match part.map_err(|error| anyhow!(error.to_string()))? {
                Ok(part) => parts.push(part),
                Err(stats) => refused.merge(&stats),
            }
        }
        let reason = refused.refused.iter().max_by_key(|(_, count)| **count);
        let reason = reason.map(|(reason, _)| *reason);
        if open == 0 {
            return Err(Unconnected { to: load.target.to_string(), reason }.into());
        }
        let mut measured = merge(load, phases, parts);
        measured.connections.handshakes = handshakes().since(before);
        Ok(measured)
    })
}

fn check(load: &Load) -> Result<()> {
    ensure!(load.connections > 0 && load.threads > 0, "a load has connections and threads");
    let plain = !load.churn && matches!(load.model, LoadModel::Closed { .. });
    ensure!(load.pipeline == 1 || (load.pipeline > 1 && plain), "a pipeline needs a closed loop");
    Ok(())
}

fn phases(load: &Load, begin: Instant) -> Phases {
    let from = begin + load.warmup;
    let counted = matches!(load.model, LoadModel::Closed { requests: Some(_), .. });
    let until = from + if counted { NEVER } else { load.measure };
    Phases { begin, from, until, to: if load.promised { begin + NEVER } else { until } }
}

/// One thread, from its first connection to its last response.
fn one_thread(
    load: &Load,
    thread: usize,
    live: &Live,
    connected: &Sender<usize>,
    when_to_begin: &Receiver<Phases>,
) -> Result<Driven, JobError> {
    if !load.cpus.is_empty() {
        pin(load.cpus[thread % load.cpus.len()])?;
    }
    let connections = split_evenly(load.connections.into(), thread, load.threads) as usize;
    let exchanges = load.cases.iter().map(|case| case.exchange.clone()).collect();
    let target = load.target.clone();
    let slots = if target.http2 { connections * load.streams } else { connections };
    let requests = Requests::new(exchanges, selector(load, thread, slots), load.seed)
        .with_rows(load.rows.clone(), load.first_index);
    if target.http2 {
        let transport = H2::new(target, requests, (connections, load.streams))?;
        return drive(load, thread, transport, live, connected, when_to_begin);
    }
    if load.cases.iter().any(|case| case.exchange.message.is_some()) {
        let transport = Ws::new(target, requests, connections, load.seed, (thread, load.threads));
        let transport = transport.map_err(JobError::waiting)?;
        return drive(load, thread, transport, live, connected, when_to_begin);
    }
    let config = ClientConfig {
        churn: load.churn,
        depth: load.pipeline,
        close_patience: Some(CLOSE_PATIENCE),
    };
    let transport = H1::new(target, requests, connections, config);
    let transport = transport.map_err(JobError::waiting)?;
    drive(load, thread, transport, live, connected, when_to_begin)
}

/// Which request is next in each of a thread's slots.
fn selector(load: &Load, thread: usize, slots: usize) -> Selector {
    let (first, of) = (load.first_index, (thread, load.threads));
    let weights = load.cases.iter().map(|case| case.weight);
    let drawn = || Weighted::new(weights, load.seed, first, of);
    let in_order = load.order == Order::InTurn;
    match &load.session {
        None if in_order => Selector::InOrder(InOrder::new(load.cases.len(), first, of)),
        None => Selector::Weighted(drawn()),
        Some(session) => {
            let needs = load.cases.iter().map(|case| case.exchange.needs()).collect();
            let drawn = (!in_order).then(drawn);
            let sessions = Sessions::new(vec![session.clone(); slots], needs, drawn, first, of);
            Selector::Sessions(Box::new(sessions))
        }
    }
}

/// What a thread came to; what became of its connections where it was not told to begin.
type Driven = Result<ThreadResult, Box<ConnectionStats>>;

/// What a thread came to.
struct ThreadResult {
    stats: ThreadStats,
    connections: ConnectionStats,
    first_bytes: FirstBytes,
    received_bytes: u64,
}

/// Opens all connections, waits for the word to begin, and drives the thread's part of the load.
fn drive(
    load: &Load,
    thread: usize,
    transport: impl Transport,
    live: &Live,
    connected: &Sender<usize>,
    when_to_begin: &Receiver<Phases>,
) -> Result<Driven, JobError> {
    let now = Instant::now();
    let seconds = SecondRecorder::new(None, now, now);
    let sink = LoadSink::new(transport.connections(), load.counted_cases(), seconds);
    let stop = Some(&live.stop);
    let mut driver = Driver::new(transport, sink, load.timeout, load.churn, stop)?;
    if load.promised {
        driver.promise();
    }
    driver.pause(load.think());
    // Whoever waits for this has given up where it cannot be sent.
    let _ = connected.send(driver.connect()?);
    let Ok(phases) = when_to_begin.recv() else {
        return Ok(Err(Box::new(driver.transport.stats().clone())));
    };
    driver.sink.seconds = SecondRecorder::new(live.sender(), phases.begin, phases.from);
    std::thread::sleep(phases.begin.saturating_duration_since(Instant::now()));
    driver.drive(schedule(load, thread), phases)?;
    let mut connections = driver.transport.stats().clone();
    if load.churn {
        // Each request opened one, but for those that could not.
        let refused = connections.refused.values().sum();
        connections.opened += driver.sent().saturating_sub(refused);
    }
    let received_bytes = driver.transport.received_bytes();
    let first_bytes = driver.transport.first_bytes().clone();
    Ok(Ok(ThreadResult { stats: driver.sink.stats, connections, first_bytes, received_bytes }))
}

fn schedule(load: &Load, thread: usize) -> Schedule {
    match load.model {
        LoadModel::Closed { requests, .. } => {
            Schedule::Closed { left: requests.map(|all| split_evenly(all, thread, load.threads)) }
        }
        LoadModel::Open { rate, arrivals, burst, deadline } => {
            let schedule = |rate, seed, span: Duration| {
                let span_ns = span.as_nanos() as u64; // 584 years
                ArrivalSchedule::new(arrivals, rate, (thread, load.threads), seed, span_ns)
                    .in_bursts(burst)
            };
            Schedule::Open {
                warmup: schedule(Rate::steady(rate.from), !load.seed, load.warmup),
                measured: schedule(rate, load.seed, load.measure),
                deadline,
            }
        }
    }
}

/// When the measured time of a thread ended. Of a number of requests with the last response; in an
/// open loop it is never shorter than the time over which they were planned, unless it was cut.
fn end(load: &Load, phases: &Phases, stats: &ThreadStats) -> Option<Instant> {
    let stopped = stats.stopped?;
    match (load.promised, load.model) {
        (false, _) => Some(stopped.min(phases.to)),
        (true, LoadModel::Closed { .. }) => stats.last_response,
        (true, LoadModel::Open { .. }) => stats.last_response.max(Some(stopped.min(phases.until))),
    }
}

fn merge(load: &Load, phases: Phases, threads: Vec<ThreadResult>) -> Measured {
    let end = threads.iter().filter_map(|thread| end(load, &phases, &thread.stats)).max();
    let end = end.unwrap_or(phases.from);
    let mut all = Measured {
        account: Account::default(),
        warmup_sent: 0,
        warmup_failed: 0,
        elapsed_ns: end.saturating_duration_since(phases.from).as_nanos() as u64,
        ok: 0,
        in_use_ns: 0,
        ok_per_connection: vec![],
        response: Latencies::new(),
        service: Latencies::new(),
        first_byte: None,
        send_lag: Latencies::new(),
        generator_lag: Latencies::new(),
        received_bytes: 0,
        connections_planned: load.connections.into(),
        connections_open: 0,
        connections: ConnectionStats::default(),
        threads: vec![],
        received_measured_bytes: 0,
        cases: vec![],
        reasons: BTreeMap::new(),
        mismatched_statuses: BTreeMap::new(),
        mismatch: None,
        interrupted: false,
        ceiling: None,
    };
    let mut in_parts = FirstBytes::default();
    for ThreadResult { stats, connections, first_bytes, received_bytes } in threads {
        in_parts.merge(&first_bytes);
        all.account.merge(&stats.account);
        all.warmup_sent += stats.warmup_sent;
        all.warmup_failed += stats.warmup_failed;
        all.ok += stats.ok_per_connection.iter().sum::<u64>();
        all.in_use_ns += stats.in_use_ns;
        all.ok_per_connection.extend(stats.ok_per_connection);
        all.response.merge(&stats.response);
        all.service.merge(&stats.service);
        all.send_lag.merge(&stats.send_lag);
        all.generator_lag.merge(&stats.generator_lag);
        all.received_bytes += received_bytes;
        all.received_measured_bytes += stats.received_measured;
        all.cases.resize(stats.cases.len(), CaseStats::default());
        all.cases.iter_mut().zip(&stats.cases).for_each(|(all, one)| all.merge(one));
        for (reason, n) in stats.reasons {
            *all.reasons.entry(reason).or_default() += n;
        }
        for (status, n) in stats.mismatched_statuses {
            *all.mismatched_statuses.entry(status).or_default() += n;
        }
        all.connections_open += stats.open;
        all.connections.merge(&connections);
        all.threads.push(stats.health);
        all.mismatch = all.mismatch.or(stats.mismatch);
    }
    all.first_byte = (!in_parts.is_empty()).then(|| in_parts.of(&all.service));
    all.ok_per_connection.sort_unstable();
    assert!(all.account.adds_up(), "requests were lost track of: {:?}", all.account);
    all
}
