//! What the harness tells its load generator and what it reports: one JSON job in, JSON lines out.
//!
//! The generator knows addresses, request bytes, expected responses, window order and the process
//! ids whose CPU clocks it reads at window edges. It does not know servers, suites or files.

#![warn(clippy::exit, clippy::print_stderr, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use duet_units::Limit;

mod address;
mod transport;

pub use address::Address;
pub use transport::{Negotiated, Transport, UnknownTransport};

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
    /// Whether its responses are checked and counted, and their times are not.
    #[serde(default)]
    pub untimed: bool,
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

/// A window: a slice of time in which the generator drives exactly one arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct WindowResult {
    /// The arm driven, an index into the matchup.
    pub arm: u32,
    /// The round it belongs to. With two arms a round is a four of windows, ABBA or BAAB; of
    /// probes without those of an arm whose search was over.
    pub round: u32,
    /// The lead-in: for how long the arm was driven as in the window before it began. 0: there was
    /// none.
    #[serde(default)]
    pub lead_ns: u64,
    /// From the first send to the last response. In an open loop, from the beginning of the planned
    /// time to its end, or to the last response where that comes later.
    pub elapsed_ns: u64,
    /// Ok responses: as expected.
    pub requests: u64,
    /// Failed requests by kind; empty when all went well.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub errors: BTreeMap<String, u64>,
    /// Bytes received.
    pub received_bytes: u64,
    /// CPU time of each arm's processes; 0 where some of it was lost. The driven arm's is its work:
    /// from the beginning of the
    /// window to before the next lead-in, or in an open loop to the end of the planned time. The
    /// others' is what they do parked: from before this lead-in to before the next one.
    pub server_cpu_ns: Vec<u64>,
    /// CPU time of the generator between the edges.
    pub generator_cpu_ns: u64,
    /// Time stolen by the hypervisor from the servers' CPUs between the edges. Counted by the
    /// kernel in ticks of 10 ms, so only sums over many windows mean something.
    pub server_stolen_ns: u64,
    /// The same for the generator's CPUs.
    pub generator_stolen_ns: u64,
    /// What the driven arm did outside of the window; absent in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<Outside>,
    /// Service times of ok responses in nanoseconds: a HdrHistogram, V2, deflated, base64. Absent
    /// where a record has [`Self::times`] in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_time: Option<String>,
    /// What is judged of its times, in the place of all histograms. The generator leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<Times>,
    /// What an open loop adds; absent in a closed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<OpenResult>,
    /// Which rate it tried; absent where the rate was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<ProbeResult>,
}

/// What an arm did in the lead-in of a window, and in an open loop after its planned time. No
/// metric contains it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Outside {
    /// Ok responses.
    pub requests: u64,
    /// Failed requests.
    pub failed: u64,
    /// CPU time of its process.
    pub server_cpu_ns: u64,
}

/// What a window of an open loop adds: planned = sent + unsent, and sent = ok responses +
/// failed requests. The histograms have the form of [`WindowResult::service_time`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OpenResult {
    /// Requests planned.
    pub planned: u64,
    /// Requests sent.
    pub sent: u64,
    /// Those of them that were sent after the planned time: no connection was free before.
    pub sent_late: u64,
    /// Requests not sent, because no connection was free for as long as the window again.
    pub unsent: u64,
    /// The generator's CPU time waiting busily for the next planned instant, over all threads.
    pub generator_spin_ns: u64,
    /// Response times of ok responses: from the planned instant to the last byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_time: Option<String>,
    /// Lower bounds of the response times of requests that timed out or were never sent; absent
    /// where there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_time_lower_bounds: Option<String>,
    /// From the planned instants to sending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_lag: Option<String>,
    /// That part of it for which a connection was free, so that the generator alone was late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator_lag: Option<String>,
}

/// The times of a window, or of several: what is judged of each histogram.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Times {
    /// Of [`WindowResult::service_time`].
    pub service_time: TimeSummary,
    /// Of [`OpenResult::response_time`], the lower bounds among them; absent in a closed loop, here
    /// and below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_time: Option<TimeSummary>,
    /// Of those lower bounds; absent where there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_time_lower_bounds: Option<TimeSummary>,
    /// Of [`OpenResult::send_lag`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_lag: Option<TimeSummary>,
    /// Of [`OpenResult::generator_lag`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator_lag: Option<TimeSummary>,
}

impl Times {
    /// Without what is not judged of one window.
    #[must_use]
    pub fn of_window(self) -> Self {
        let one = |of: TimeSummary| TimeSummary { ns_min: None, ns_p90: None, ..of };
        Self {
            service_time: one(self.service_time),
            response_time: self.response_time.map(one),
            response_time_lower_bounds: self.response_time_lower_bounds.map(one),
            send_lag: self.send_lag.map(one),
            generator_lag: self.generator_lag.map(one),
        }
    }
}

/// What is judged of a histogram, in nanoseconds and as exact as it was: to one part in a thousand.
/// A quantile is the longest time that counts as it; all are 0 where there are no times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TimeSummary {
    /// How many times.
    pub count: u64,
    /// Their mean; times [`Self::count`] their sum.
    pub ns_mean: u64,
    /// The shortest; absent for one window, since it is not judged there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ns_min: Option<u64>,
    /// The median.
    pub ns_p50: u64,
    /// The 90th percentile; absent likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ns_p90: Option<u64>,
    /// The 99th percentile.
    pub ns_p99: u64,
    /// The 99.9th percentile.
    pub ns_p999: u64,
    /// The longest.
    pub ns_max: u64,
}

/// Where an arm's highest rate within the limit lies, in requests per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SearchResult {
    /// The highest rate that held in two of its two or three probes; absent where none did.
    pub held_per_second: Option<u64>,
    /// The lowest rate that failed in two of them, above the one that held; absent where none did.
    pub failed_per_second: Option<u64>,
    /// Why the search was over.
    pub end: SearchEnd,
}

/// Why a search was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SearchEnd {
    /// The two rates are near enough to each other.
    Narrow,
    /// The highest rate that is tried held.
    AllHeld,
    /// The lowest rate that is tried failed.
    NoneHeld,
    /// There were as many probes as there may be.
    OutOfProbes,
    /// They took as long as they may.
    OutOfTime,
}

/// A window that tried a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ProbeResult {
    /// The rate, in requests per second.
    pub rate_per_second: u64,
    /// For how long requests were planned.
    pub planned_ns: u64,
    /// Whether the rate held: so many of the planned requests as the limit's quantile says were
    /// responded to as expected within its time, and nearly all within the planned time.
    pub held: bool,
}
