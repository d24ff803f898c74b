//! What the generator is told and what it answers: one JSON job in, JSON lines out.
//!
//! The generator knows addresses, request bytes, expected answers, window order and the process
//! ids whose CPU clocks it reads at window edges. It does not know servers, suites or files.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::capacity::End;
use super::search;
use crate::units::Limit;

pub use super::pace::Arrivals;

/// What the generator has to do: drive each arm in turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The arms.
    pub arms: Vec<ArmJob>,
    /// Connections to each arm, spread over the threads.
    pub connections: u32,
    /// Whether each request has a connection of its own.
    pub churn: bool,
    /// One thread per entry, pinned to it.
    pub cpus: Vec<usize>,
    /// The servers' CPUs, whose stolen time is read at window edges.
    pub server_cpus: Vec<usize>,
    /// When requests are due in the measured windows; absent: closed loop. The warm-up is a closed
    /// loop always.
    #[serde(default)]
    pub open: Option<OpenLoop>,
    /// The shortest window. A pilot makes it longer where it would hold fewer than ten requests per
    /// connection, and in an open loop, where queues need time to form.
    pub window_ns: u64,
    /// The length of windows decided by an earlier block of the same cell; no pilot then.
    pub fixed_window_ns: Option<u64>,
    /// Time to spend in measured windows, over all arms. Decides how many of `rounds` are driven.
    pub measure_ns: u64,
    /// The longest warm-up.
    pub warmup_ns: u64,
    /// The orders of windows: each round names every arm twice, a permutation and its reverse.
    /// Rounds come in pairs that balance each other, so any even number of them from the front is
    /// balanced.
    pub rounds: Vec<Vec<u32>>,
    /// How long an answer may take.
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
    /// A share of what the slower arm answers per second in a closed loop.
    Share {
        /// The share; above 0.
        share: f64,
        /// What the slower arm answers, from an earlier block. Absent: a pilot finds it out, after
        /// the warm-up.
        capacity_per_second: Option<u64>,
    },
    /// The highest at which this limit is kept, which is searched for, for each arm on its own.
    /// Windows are as long as each rate needs them to be, and as many as the searches take.
    Within(Limit),
}

impl Job {
    /// What the rate is searched for by; absent where it is given.
    pub(super) fn limit(&self) -> Option<Limit> {
        match self.open?.rate {
            Rate::Within(limit) => Some(limit),
            Rate::PerSecond(_) | Rate::Share { .. } => None,
        }
    }

    /// The longest time that all searches take, but for their last probes; zero without any.
    #[must_use]
    pub fn search_max(&self) -> Duration {
        self.limit().map_or(Duration::ZERO, |_| search::TIME_MAX * self.arms.len() as u32)
    }
}

impl Rate {
    /// Whether there are requests at all.
    pub(super) fn is_possible(self) -> bool {
        match self {
            Self::PerSecond(rate) => rate > 0,
            Self::Share { share, capacity_per_second } => {
                share.is_finite() && share > 0.0 && capacity_per_second != Some(0)
            }
            Self::Within(Limit { quantile, latency_ns }) => {
                quantile > 0.0 && quantile < 1.0 && latency_ns > 0
            }
        }
    }
}

/// The rate that an open loop came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rated {
    /// Requests per second.
    pub rate_per_second: u64,
    /// The capacity that they are a share of, if they are one.
    pub capacity_per_second: Option<u64>,
}

/// One arm of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmJob {
    /// Where it listens.
    pub addr: SocketAddr,
    /// The process whose CPU clock is read.
    pub pid: i32,
    /// Requests and their right answers.
    pub exchanges: Vec<Exchange>,
}

/// A request as bytes, and its right answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// The whole request, head and body.
    pub request: String,
    /// Whether the request is a HEAD, whose answer has no body.
    pub head: bool,
    /// The right status.
    pub status: u16,
    /// The right value of `Content-Type`; absent: not checked.
    pub content_type: Option<String>,
    /// The right body.
    pub body: String,
}

/// What the generator prints, a JSON object a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// All connections are open; the warm-up begins.
    Connected,
    /// The warm-up is over; the first window begins.
    Warm {
        /// Whether the arms had become stationary.
        stationary: bool,
        /// How long it took.
        elapsed_ns: u64,
        /// The length of the windows that follow.
        window_ns: u64,
        /// The rate of an open loop; absent where it is searched for.
        open: Option<Rated>,
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
        arms: Vec<Searched>,
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

/// A window's result; [`crate::record::WindowRecord`] has the meanings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of WindowRecord, documented there")]
pub struct WindowResult {
    pub arm: u32,
    pub round: u32,
    pub elapsed_ns: u64,
    pub requests: u64,
    pub errors: BTreeMap<String, u64>,
    pub received_bytes: u64,
    pub server_cpu_ns: Vec<u64>,
    pub generator_cpu_ns: u64,
    pub server_stolen_ns: u64,
    pub generator_stolen_ns: u64,
    pub service_time: String,
    pub open: Option<OpenResult>,
    pub probe: Option<ProbeResult>,
}

/// Which rate a window tried; [`crate::record::ProbeRecord`] has the meanings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of ProbeRecord, documented there")]
pub struct ProbeResult {
    pub rate_per_second: u64,
    pub planned_ns: u64,
    pub held: bool,
}

/// What a search found; [`crate::record::SearchRecord`] has the meanings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of SearchRecord, documented there")]
pub struct Searched {
    pub held_per_second: Option<u64>,
    pub failed_per_second: Option<u64>,
    pub end: End,
}

/// What a window of an open loop adds; [`crate::record::OpenWindow`] has the meanings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of OpenWindow, documented there")]
pub struct OpenResult {
    pub planned: u64,
    pub sent: u64,
    pub sent_late: u64,
    pub never_sent: u64,
    pub generator_spin_ns: u64,
    pub response_time: String,
    pub response_time_at_least: Option<String>,
    pub send_lag: String,
    pub own_lag: String,
}
