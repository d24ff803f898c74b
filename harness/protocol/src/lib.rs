//! What the harness tells its load generator and what it reports: one JSON job in, JSON lines out.
//!
//! The generator knows addresses, request bytes, expected responses, window order and the process
//! ids whose CPU clocks it reads at window edges. It does not know servers, suites or files.

#![warn(clippy::exit, clippy::print_stderr, clippy::print_stdout)]

use std::time::Duration;

use serde::{Deserialize, Serialize};

use duet_units::Limit;

mod address;
mod results;
mod transport;

pub use address::Address;
pub use results::{
    EventsResult, OpenResult, Outside, ProbeResult, SearchEnd, SearchResult, SecondResult,
    TimeSummary, Times, WindowResult,
};
pub use transport::{Handshakes, Negotiated, Transport, UnknownTransport};

/// The longest time of the probes of an arm's search, but for the last of them.
pub const SEARCH_TIME_MAX: Duration = Duration::from_secs(20);

/// What the generator has to do: drive each arm in turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The arms.
    pub arms: Vec<ArmJob>,
    /// Connections to each arm, spread over the threads.
    pub connections: u32,
    /// How requests travel.
    #[serde(default)]
    pub transport: Transport,
    /// Whether connections resume the TLS sessions of earlier ones.
    #[serde(default)]
    pub tls_resume: bool,
    /// HTTP/2: requests in flight on each connection, at most. Always 1 with HTTP/1.1.
    #[serde(default = "one")]
    pub streams: u32,
    /// Whether each request has a connection of its own.
    pub churn: bool,
    /// Further connections to each arm, over HTTP/1.1, on which nothing is sent but a request when
    /// they are opened and one behind the last window; 0: none. Not below 2 otherwise.
    #[serde(default)]
    pub idle: u32,
    /// One thread per entry, pinned to it.
    pub cpus: Vec<usize>,
    /// The servers' CPUs, whose stolen time is read at window edges.
    pub server_cpus: Vec<usize>,
    /// When requests are due in the measured windows; absent: closed loop. The warm-up is a closed
    /// loop always.
    #[serde(default)]
    pub open: Option<OpenLoop>,
    /// The lead-in: for how long an arm is driven, as it is in the window that follows, before the
    /// window's clocks and counts begin.
    pub lead_ns: u64,
    /// The shortest window. A pilot makes it longer where it would hold fewer than ten requests per
    /// connection, and in an open loop, where queues need time to form.
    pub window_ns: u64,
    /// The length of windows decided by an earlier block of the same cell; no pilot then.
    pub fixed_window_ns: Option<u64>,
    /// Time to spend in measured windows, over all arms. Decides how many of `rounds` are driven.
    pub measure_ns: u64,
    /// Whether only the first of `rounds` is driven, in windows of [`Self::fixed_window_ns`] that
    /// are counted by the second too.
    #[serde(default)]
    pub solo: bool,
    /// The longest warm-up.
    pub warmup_ns: u64,
    /// The orders of windows: each round names every arm twice, a permutation and its reverse.
    /// Rounds come in pairs that balance each other, so any even number of them from the front is
    /// balanced.
    pub rounds: Vec<Vec<u32>>,
    /// Timeout of a response.
    pub timeout_ns: u64,
    /// Decides the order of cases; the same for all arms.
    pub seed: u64,
}

/// When the requests of an open loop are due.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenLoop {
    /// How many of them.
    pub rate: Rate,
    /// How they are spread over time.
    pub arrivals: Arrivals,
}

/// The rate of an open loop.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Rate {
    /// Requests per second.
    PerSecond(u64),
    /// This share, above 0, of what the slower arm reaches per second in a closed loop. A pilot
    /// finds that out, after the warm-up.
    Share(f64),
    /// The highest at which this limit is kept, which is searched for, for each arm on its own.
    /// Windows are as long as each rate needs them to be, and as many as the searches take.
    Within(Limit),
}

fn one() -> u32 {
    1
}

impl Job {
    /// What the rate is searched for by; absent where it is given.
    #[must_use]
    pub fn limit(&self) -> Option<Limit> {
        match self.open?.rate {
            Rate::Within(limit) => Some(limit),
            Rate::PerSecond(_) | Rate::Share(_) => None,
        }
    }

    /// Whether its requests are messages over WebSocket.
    #[must_use]
    pub fn has_messages(&self) -> bool {
        let mut exchanges = self.arms.iter().flat_map(|arm| &arm.exchanges);
        exchanges.any(|exchange| exchange.message.is_some())
    }

    /// The most requests that may be in flight to an arm.
    #[must_use]
    pub fn in_flight_max(&self) -> u32 {
        self.connections.saturating_mul(self.streams)
    }

    /// The longest time that all searches take, but for their last probes; zero without any.
    #[must_use]
    pub fn search_max(&self) -> Duration {
        self.limit().map_or(Duration::ZERO, |_| SEARCH_TIME_MAX * self.arms.len() as u32)
    }
}

impl Rate {
    /// Whether there are requests at all.
    #[must_use]
    pub fn is_possible(self) -> bool {
        match self {
            Self::PerSecond(rate) => rate > 0,
            Self::Share(share) => share.is_finite() && share > 0.0,
            Self::Within(Limit { quantile, latency_ns }) => {
                quantile > 0.0 && quantile < 1.0 && latency_ns > 0
            }
        }
    }
}

/// The rate of an open loop, the same for all arms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ResolvedRate {
    /// Requests per second.
    pub rate_per_second: u64,
    /// What the slower arm reaches per second in a closed loop over the same connections, where the
    /// rate is a share of that: found by a pilot in this block. (In older records of an earlier
    /// block, where the cells of a matchup that differ in the rate alone had it in common.)
    pub capacity_per_second: Option<u64>,
}

/// How the requests of an open loop are spread over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Arrivals {
    /// The same time between any two.
    #[default]
    Uniform,
    /// As if of many users who know nothing of each other: exponential times between them.
    Poisson,
}

/// One arm of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmJob {
    /// Where it listens.
    pub addr: Address,
    /// The certificate that is trusted, in PEM form: the server's own, which the harness has made,
    /// or its issuer's. With TLS only, and required then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_pem: Option<String>,
    /// The name that the server's certificate must have; absent: `localhost`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// The process whose CPU clock is read.
    pub pid: i32,
    /// The process below which all of the server's are, itself not among them: CPU time is theirs
    /// together. Absent: [`Self::pid`] is the only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<i32>,
    /// The control group that these processes have to themselves: `CONTROLLER=FOLDER` each; empty
    /// where they have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cgroup: Vec<String>,
    /// Requests and the expected responses.
    pub exchanges: Vec<Exchange>,
}

/// A request as bytes, and the expected response.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// The whole request, head and body.
    pub request: String,
    /// Whether the request is a HEAD, whose response has no body.
    pub head: bool,
    /// The expected status.
    pub status: u16,
    /// The expected value of `Content-Type`; absent: not checked.
    pub content_type: Option<String>,
    /// The expected body.
    pub body: String,
    /// In place of [`Self::body`], where that is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_digest: Option<BodyDigest>,
    /// The expected status of gRPC, in the trailers or in the head. Over HTTP/2 only; absent: not
    /// checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc_status: Option<u32>,
    /// Whether its responses are checked and counted, and their times are not.
    #[serde(default)]
    pub untimed: bool,
    /// The period of a stream of events, each of which an empty line ends: the n-th of them is due
    /// so many periods after the request. Over HTTP/1.1 only; absent: the response is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_ns: Option<u64>,
    /// The message over WebSocket of which the request, a GET, opens the connection. Over HTTP/1.1
    /// only; absent: it is HTTP, and has a response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
}

/// A message over WebSocket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Its text, in which `{seq}` stands for its number.
    pub text: String,
    /// How many connections share a room, all of which it comes back to; `{room}` in the target of
    /// the request stands for the room's number. 1: to its sender alone.
    pub members: u32,
}

/// What stands for a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BodyDigest {
    /// Its length.
    pub bytes: u64,
    /// Its digest (XXH3, 64 bits).
    pub xxh3: u64,
}

/// What the generator prints, a JSON object a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// All connections are open; the warm-up begins.
    Connected {
        /// What was agreed on with each arm, by arm.
        negotiated: Vec<Negotiated>,
    },
    /// The warm-up is over; the first window begins.
    Warm {
        /// Whether the arms had become stationary.
        stationary: bool,
        /// How long it took.
        elapsed_ns: u64,
        /// The length of the windows that follow.
        window_ns: u64,
        /// The rate of an open loop; absent where it is searched for.
        open: Option<ResolvedRate>,
    },
    /// So many idle connections are open to each arm, and each of them has had an ok response. The
    /// generator now waits for a line on standard input, so that memory can be read. Comes before
    /// the warm-up, twice: with a tenth of them, and with all.
    Idle {
        /// Of each arm.
        connections: u32,
    },
    /// The last window is over; connections are still open. The generator now waits for a line on
    /// standard input (or its end), so that memory under load can be read, before it closes them.
    Driven,
    /// A window's result. All of them come after `Driven`, so that nothing is encoded between
    /// windows.
    Window(Box<WindowResult>),
    /// What the searches found, by arm, after the windows; only where there were any.
    Searched {
        /// By arm.
        arms: Vec<SearchResult>,
    },
    /// What was sent in all, by arm: warm-up, pilot, lead-ins and windows.
    Totals {
        /// Ok responses.
        ok: Vec<u64>,
        /// Requests sent.
        sent: Vec<u64>,
    },
    /// The handshakes of TLS since the warm-up, by arm; only where there were any.
    Handshakes {
        /// By arm.
        arms: Vec<Handshakes>,
    },
    /// CPU time was lost, by arm: processes of it ended and nobody waited for them, so that the
    /// kernel forgot what they took (wait(2)). Its windows have none then. Only where it was.
    CpuLost {
        /// By arm.
        arms: Vec<bool>,
    },
    /// Connections are closed, all results are out.
    Done,
    /// The job cannot go on.
    Failed {
        /// The arm it is about.
        arm: Option<u32>,
        /// What happened.
        error: String,
    },
}
