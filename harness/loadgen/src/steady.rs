//! One load on one address, closed or open, carried out by threads of this process.

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};

use super::account::Account;
use super::client::{Client, Manner};
use super::failure::Failure;
use super::http2::{Asked, Multiplex};
use super::judge::Question;
use super::latencies::Latencies;
use super::pace::Pace;
use super::patch::{self, Patch};
use super::requests::{Draw, Turns};
use super::seconds::{self, Desk, Seconds};
use super::share::part;
use super::stream::{Connections, Edges, FAR, Part, Schedule, Stream, ThreadHealth};
use super::target::Target;
use super::worker::pin;

pub use super::judge::Status;
pub use super::pace::Rate;
use duet_protocol::Arrivals;

/// A busier thread than this had no time to spare: what was measured is the generator.
const BUSY: f64 = 0.85;
/// From this share of its ceiling on likewise: a server that takes no time at all would bring
/// hardly more.
const NEAR_CEILING: f64 = 0.85;
/// What Little's law may be off by.
const LITTLE: f64 = 0.05;
/// Answers per connection from which on the law has to hold: those at the edges weigh little then.
const LITTLE_ANSWERS: u64 = 100;
/// Between the last connection and the first request.
const START: Duration = Duration::from_millis(2);

/// A load: what is asked, how hard, for how long.
#[derive(Debug, Clone)]
pub struct Load {
    /// Who is asked.
    pub target: Target,
    /// What is asked, drawn by weight; at least one weight is above 0.
    pub cases: Vec<Case>,
    /// The number of the first request, from which `{seq}` goes on.
    pub first_index: u64,
    /// Connections, spread over the threads; at least 1.
    pub connections: u32,
    /// Whether each request has a connection of its own; not with HTTP/2.
    pub churn: bool,
    /// HTTP/1.1: requests that may be under way on a connection, at least 1; more than that in a
    /// closed loop without churn only.
    pub pipeline: usize,
    /// HTTP/2: requests that may be under way on a connection, at least 1.
    pub streams: usize,
    /// At least 1, and no more than connections.
    pub threads: usize,
    /// Threads are pinned to these in turn; empty: not pinned.
    pub cpus: Vec<usize>,
    /// When requests are sent.
    pub pressure: Pressure,
    /// Time before the measured time.
    pub warmup: Duration,
    /// The measured time; of no meaning for a closed loop with a number of requests.
    pub measure: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Decides the instants of Poisson arrivals.
    pub seed: u64,
}

/// A request, and its right answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// How often it is asked, beside the weights of the others.
    pub weight: u32,
    /// The whole request, head and body.
    pub request: Vec<u8>,
    /// What of it differs each time.
    pub patches: Vec<Patch>,
    /// Whether it is a HEAD, whose answer has no body.
    pub head: bool,
    /// The right statuses.
    pub status: Status,
    /// The right body; none: any.
    pub body: Option<Vec<u8>>,
}

/// When requests are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pressure {
    /// Whenever a connection is free.
    Closed {
        /// How many after the warm-up; none: until the measured time is over.
        requests: Option<u64>,
    },
    /// At planned instants.
    Open {
        /// Over all threads. The warm-up is at the rate of the beginning.
        rate: Rate,
        /// How they are spread.
        arrivals: Arrivals,
        /// Requests older than this are not sent any more.
        deadline: Option<Duration>,
    },
}

/// How a running load is watched and stopped.
#[derive(Debug, Default)]
pub struct Live {
    /// Set it to end the load early; what was measured counts.
    pub stop: AtomicBool,
    desk: Option<Desk>,
}

/// What a load came to.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Requests planned after the warm-up, by what became of them.
    pub account: Account,
    /// Requests sent in the warm-up.
    pub warmup_sent: u64,
    /// Those of them that failed.
    pub warmup_failed: u64,
    /// From the end of the warm-up until nothing was sent any more; with a number of requests,
    /// until the last right answer.
    pub elapsed_ns: u64,
    /// Right answers that came in this time.
    pub right: u64,
    /// How much of this time requests with right answers used their connections, summed up.
    pub in_use_ns: u64,
    /// Those of each connection, ascending.
    pub right_per_connection: Vec<u64>,
    /// From the planned instant to the last byte; open loop only.
    pub response: Latencies,
    /// From sending to the last byte.
    pub service: Latencies,
    /// From the planned instant to sending; open loop only.
    pub send_lag: Latencies,
    /// The part of the send lag for which a connection was free: the generator's own fault.
    pub own_lag: Latencies,
    /// Bytes received, the warm-up included.
    pub received_bytes: u64,
    /// What became of the connections.
    pub connections: Connections,
    /// One per thread.
    pub threads: Vec<ThreadHealth>,
    /// The first wrong answer, in words.
    pub wrong: Option<String>,
    /// What the generator reaches at most; none: it was not measured.
    pub ceiling: Option<Ceiling>,
}

/// What the generator reaches at most with the requests, connections and threads of a load: its
/// rate against the null responder.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ceiling {
    /// Right answers per second.
    pub right_per_second: f64,
    /// Whether the responder held it up, for want of CPUs, so that it may reach more.
    pub at_least: bool,
}

/// No connection could be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unconnected {
    whom: String,
}

impl fmt::Display for Unconnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no connection to {} could be opened", self.whom)
    }
}

impl std::error::Error for Unconnected {}

/// Carries out a load.
///
/// # Errors
/// When no connection can be opened, which is [`Unconnected`], or the system refuses what a thread
/// needs.
pub fn run(load: &Load, live: &Live) -> Result<Measured> {
    ensure!(load.connections > 0 && load.threads > 0, "a load has connections and threads");
    let plain = !load.churn && matches!(load.pressure, Pressure::Closed { .. });
    ensure!(load.pipeline == 1 || (load.pipeline > 1 && plain), "a pipeline needs a closed loop");
    super::raise_file_limit();
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
        let edges = edges(load, Instant::now() + START);
        for (_, begin, _) in &threads {
            if open > 0 {
                // A thread that has failed says so when it is joined.
                let _ = begin.send(edges);
            }
        }
        let mut parts = vec![];
        for (_, begin, thread) in threads {
            drop(begin);
            let part = thread.join().map_err(|_| anyhow!("a thread of the generator has died"))?;
            parts.extend(part.map_err(|failure| anyhow!(failure.error))?);
        }
        ensure!(open > 0, Unconnected { whom: load.target.to_string() });
        Ok(merge(load, edges, parts))
    })
}

fn edges(load: &Load, begin: Instant) -> Edges {
    let from = begin + load.warmup;
    let endless = matches!(load.pressure, Pressure::Closed { requests: Some(_) });
    Edges { begin, from, to: from + if endless { FAR } else { load.measure } }
}

/// One thread, from its first connection to its last answer; none: it was not told to begin.
fn one_thread(
    load: &Load,
    thread: usize,
    live: &Live,
    connected: &Sender<usize>,
    when_to_begin: &Receiver<Edges>,
) -> Result<Option<Part>, Failure> {
    if !load.cpus.is_empty() {
        pin(load.cpus[thread % load.cpus.len()])?;
    }
    let connections = part(load.connections.into(), thread, load.threads) as usize;
    let questions = load.cases.iter().map(|case| Question {
        request: case.request.as_slice().into(),
        patches: &case.patches,
        head: case.head,
        status: case.status,
        content_type: None,
        body: case.body.as_deref().map(Into::into),
    });
    let questions = questions.collect();
    let weights = load.cases.iter().map(|case| case.weight);
    let draw = Draw::new(weights, load.seed, load.first_index, (thread, load.threads));
    let manner = Manner { churn: load.churn, depth: load.under_way_max(), seed: load.seed };
    let (turns, schedule) = (Turns::Draw(draw), schedule(load, thread));
    if load.target.http2 {
        let asked = Asked::new(questions, turns, load.seed, load.target.tls.is_some())?;
        let places = (connections, load.streams);
        let mut multiplex =
            Multiplex::new(&load.target, asked, places, schedule, load.timeout, live)?;
        let _ = connected.send(multiplex.connect()?); // as below
        return when_to_begin.recv().ok().map(|edges| multiplex.drive(edges)).transpose();
    }
    let client = Client::new(load.target.clone(), questions, connections, manner, turns)
        .map_err(|e| Failure::general(format_args!("failed to make an epoll: {e}")))?;
    let mut stream = Stream::new(client, schedule, load.timeout, live)?;
    // Whoever waits for these words has given up where they cannot be sent.
    let _ = connected.send(stream.connect()?);
    when_to_begin.recv().ok().map(|edges| stream.drive(edges)).transpose()
}

fn schedule(load: &Load, thread: usize) -> Schedule {
    match load.pressure {
        Pressure::Closed { requests } => {
            Schedule::Closed { left: requests.map(|all| part(all, thread, load.threads)) }
        }
        Pressure::Open { rate, arrivals, deadline } => {
            let pace = |rate, seed, span: Duration| {
                let span_ns = span.as_nanos() as u64; // 584 years
                Pace::new(arrivals, rate, (thread, load.threads), seed, span_ns)
            };
            Schedule::Open {
                warmup: pace(Rate::steady(rate.from), !load.seed, load.warmup),
                measured: pace(rate, load.seed, load.measure),
                deadline,
            }
        }
    }
}

fn merge(load: &Load, edges: Edges, parts: Vec<Part>) -> Measured {
    let ends = parts.iter().filter_map(|part| match load.pressure {
        Pressure::Closed { requests: Some(_) } => part.last_answer,
        _ => part.stopped.map(|stopped| stopped.min(edges.to)),
    });
    let end = ends.max().unwrap_or(edges.from);
    let mut all = Measured {
        account: Account::default(),
        warmup_sent: 0,
        warmup_failed: 0,
        elapsed_ns: end.saturating_duration_since(edges.from).as_nanos() as u64,
        right: 0,
        in_use_ns: 0,
        right_per_connection: vec![],
        response: Latencies::new(),
        service: Latencies::new(),
        send_lag: Latencies::new(),
        own_lag: Latencies::new(),
        received_bytes: 0,
        connections: Connections::default(),
        threads: vec![],
        wrong: None,
        ceiling: None,
    };
    for part in parts {
        all.account.merge(&part.account);
        all.warmup_sent += part.warmup_sent;
        all.warmup_failed += part.warmup_failed;
        all.right += part.right_per_connection.iter().sum::<u64>();
        all.in_use_ns += part.in_use_ns;
        all.right_per_connection.extend(part.right_per_connection);
        all.response.merge(&part.response);
        all.service.merge(&part.service);
        all.send_lag.merge(&part.send_lag);
        all.own_lag.merge(&part.own_lag);
        all.received_bytes += part.received_bytes;
        all.connections.merge(&part.connections);
        all.threads.push(part.thread);
        all.wrong = all.wrong.or(part.wrong);
    }
    all.right_per_connection.sort_unstable();
    assert!(all.account.adds_up(), "requests were lost track of: {:?}", all.account);
    all
}

impl Load {
    /// Requests that may be under way on a connection.
    #[must_use]
    pub fn under_way_max(&self) -> usize {
        if self.target.http2 { self.streams } else { self.pipeline }
    }
}

impl Case {
    /// The bytes of request number `index`.
    #[must_use]
    pub fn numbered(&self, seed: u64, index: u64) -> Vec<u8> {
        let mut request = self.request.clone();
        patch::apply(&self.patches, &mut request, seed, index);
        request
    }
}

impl Measured {
    /// Right answers per second.
    #[must_use]
    pub fn right_per_second(&self) -> Option<f64> {
        (self.elapsed_ns > 0).then(|| self.right as f64 * 1e9 / self.elapsed_ns as f64)
    }

    /// The share of the busiest thread's time in which it had work, or could not run: 0 to 1.
    #[must_use]
    pub fn busy(&self) -> f64 {
        self.threads.iter().map(ThreadHealth::busy).fold(0.0, f64::max)
    }

    /// Whether it was the generator that was measured: it had no time to spare, or came near to
    /// what it reaches at most.
    #[must_use]
    pub fn generator_bound(&self) -> bool {
        let known = self.ceiling.is_some_and(|ceiling| !ceiling.at_least);
        self.busy() >= BUSY || (known && self.share_of_ceiling().is_some_and(|s| s > NEAR_CEILING))
    }

    /// The rate as a share of what the generator reaches at most.
    #[must_use]
    pub fn share_of_ceiling(&self) -> Option<f64> {
        let ceiling = self.ceiling?.right_per_second;
        self.right_per_second().map(|rate| rate / ceiling)
    }

    /// The number of requests under way on average, which is rate times mean service time by
    /// Little's law.
    /// In a closed loop that is the number of connections, times the length of their pipelines.
    #[must_use]
    pub fn under_way(&self) -> Option<f64> {
        (self.elapsed_ns > 0).then(|| self.in_use_ns as f64 / self.elapsed_ns as f64)
    }

    /// Whether a closed loop contradicts Little's law: connections were idle, or not there.
    #[must_use]
    pub fn contradicts_little(&self, load: &Load) -> bool {
        let places = u64::from(load.connections) * load.under_way_max() as u64;
        self.right >= LITTLE_ANSWERS * places
            && self.under_way().is_some_and(|n| (n / places as f64 - 1.0).abs() > LITTLE)
    }

    /// The smallest and the largest share of a connection, as multiples of an equal share.
    #[must_use]
    pub fn fairness(&self) -> Option<(f64, f64)> {
        let equal = self.right as f64 / self.right_per_connection.len() as f64;
        let (least, most) = (self.right_per_connection.first()?, self.right_per_connection.last()?);
        (self.right > 0).then(|| (*least as f64 / equal, *most as f64 / equal))
    }
}

impl Live {
    /// A load that is watched, with latencies if asked for.
    #[must_use]
    pub fn watched(with_times: bool) -> (Self, Seconds) {
        let (desk, seconds) = seconds::desk(with_times);
        (Self { stop: AtomicBool::new(false), desk: Some(desk) }, seconds)
    }

    pub(super) fn desk(&self) -> Option<&Desk> {
        self.desk.as_ref()
    }
}
