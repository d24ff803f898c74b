//! Loads: how hard a server is driven, and over what.

use serde::{Deserialize, Serialize};

use duet_protocol::{Arrivals, Transport};
use duet_units::{Limit, Loop, MemoryRange};

/// About how long the windows of a block take where a search tries rates, in milliseconds: seven
/// probes of half a second of each of two arms. For the forecast only.
const SEARCH_MS: u32 = 7_000;

/// About how many probes a block takes where it searches for the smallest memory limits: eight of
/// each of two arms. For the forecast only.
const MEMORY_PROBES: u32 = 16;

/// About how long a probe takes beside its windows, in milliseconds: a start and a stop.
const MEMORY_PROBE_MS: u32 = 300;

/// How hard a server is driven. Closed loop: each connection sends its next request when the
/// previous one is answered. Open loop: requests are sent when they are due, at a rate that is the
/// same for all arms, or at rates that a search tries.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Its name, unique among loads.
    pub name: String,
    /// Connections held open to each arm.
    pub connections: u32,
    /// How requests travel.
    #[serde(default)]
    pub transport: Transport,
    /// Whether connections resume the TLS sessions of earlier ones. Otherwise each makes a full
    /// handshake.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tls_resume: bool,
    /// HTTP/2: requests in flight on each connection, at most. Always 1 with HTTP/1.1.
    #[serde(default = "one")]
    pub streams: u32,
    /// Connections beside these on which nothing is sent while the others are driven; 0: none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub idle: u32,
    /// When requests are due; absent in a closed loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<OpenLoop>,
    /// How many of the suite's CPUs for servers each server has; where there are fewer, and the
    /// rate is one of requests per second, also of the generator's. Absent: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_cpus: Option<u32>,
    /// CPUs' worth of time that a server may take; absent: all that its CPUs have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_limit: Option<f64>,
    /// The limits of memory of which the smallest is searched for that holds the rate; absent:
    /// servers have none. With a rate in requests per second only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<MemoryRange>,
    /// The length in seconds of the only window that each arm has in a block, while no other arm
    /// runs; absent: arms take turns in short windows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub solo_s: Option<u32>,
    /// For how many seconds nothing is sent behind that window, which is a closed loop then;
    /// absent: the block is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest_s: Option<u32>,
    /// Entries that are stored in each arm before its window, by the rule of the workload; 0: none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub entries: u32,
}

/// When the requests of an open loop are due.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OpenLoop {
    /// How many of them.
    pub rate: Rate,
    /// How they are spread over time.
    pub arrivals: Arrivals,
}

/// The rate of an open loop, named as the key that sets it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Rate {
    /// Requests per second.
    #[serde(rename = "rate")]
    PerSecond(u32),
    /// A share of what the slower arm answers in a closed loop over the same connections, 0.01 to
    /// 0.99. A pilot finds the capacity in every block; the rate is the same for all arms.
    #[serde(rename = "rate_share")]
    Share(f64),
    /// The highest at which this limit is kept. Each arm has its own, which a search finds in each
    /// block.
    #[serde(rename = "rate_within")]
    Within(Limit),
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl Load {
    /// A closed loop over so many connections of plain HTTP/1.1.
    #[must_use]
    pub fn closed(name: &str, connections: u32) -> Self {
        let (name, transport) = (name.to_owned(), Transport::Http);
        Self { name, connections, transport, streams: 1, ..Self::default() }
    }

    /// The connections for people: `64 connections`, `8 HTTP/2 connections × 16 streams`.
    #[must_use]
    pub fn connections_text(&self) -> String {
        let spoken = match self.transport {
            Transport::Http => "",
            Transport::Https => "HTTPS ",
            Transport::H2c => "cleartext HTTP/2 ",
            Transport::H2 => "HTTP/2 ",
        };
        let plural = if self.connections == 1 { "" } else { "s" };
        let streams = match self.streams {
            1 => String::new(),
            n => format!(" × {n} streams"),
        };
        let resumed = if self.tls_resume { " with resumed sessions" } else { "" };
        let idle = match self.idle {
            0 => String::new(),
            n => format!(" beside {} idle ones", duet_units::thousands(n.into())),
        };
        let own = |cpus| format!(" to {}", duet_units::count(cpus as usize, "CPU"));
        let own = self.server_cpus.map_or_else(String::new, own);
        let cpus = self.cpu_limit.map_or_else(String::new, |cpus| format!(" with {cpus} CPU"));
        let range = self.memory_limit;
        let memory = range.map_or_else(String::new, |range| format!(" within {range} of memory"));
        let window = self.solo_s.map_or_else(String::new, |s| format!(" for {s} s"));
        let rest = self.rest_s.map_or_else(String::new, |s| format!(", then {s} s of rest"));
        let entries = match self.entries {
            0 => String::new(),
            n => format!(" beside {} entries", duet_units::thousands(n.into())),
        };
        let long = format!("{window}{entries}{rest}");
        let beside = format!("{streams}{resumed}{idle}{own}{cpus}{memory}{long}");
        format!("{} {spoken}connection{plural}{beside}", self.connections)
    }

    /// How many CPUs each server has, of so many for servers and for the generator. Absent: the
    /// load asks for more than there are.
    #[must_use]
    pub fn cpus_of_servers(&self, servers: usize, generator: usize) -> Option<usize> {
        let Some(wanted) = self.server_cpus else { return Some(servers) };
        let given = self.open.is_some_and(|open| matches!(open.rate, Rate::PerSecond(_)));
        let most = if given { servers + generator } else { servers };
        (wanted as usize <= most).then_some(wanted as usize)
    }

    /// What decides when requests are sent.
    #[must_use]
    pub fn kind(&self) -> Loop {
        if self.memory_limit.is_some() {
            return Loop::MemorySearch;
        }
        if self.solo_s.is_some() {
            return if self.rest_s.is_some() { Loop::Burst } else { Loop::Solo };
        }
        match self.open.map(|open| open.rate) {
            None => Loop::Closed,
            Some(Rate::PerSecond(_) | Rate::Share(_)) => Loop::Open,
            Some(Rate::Within(_)) => Loop::Search,
        }
    }

    /// How long the windows of a block of two arms take, in milliseconds, where those of a closed
    /// loop take `measure_ms`. Of searches a guess.
    #[must_use]
    pub fn windows_ms(&self, measure_ms: u32) -> u64 {
        match self.kind() {
            Loop::Closed | Loop::Open => measure_ms.into(),
            Loop::Solo | Loop::Burst => {
                2000 * (u64::from(self.solo_s.unwrap_or(0)) + u64::from(self.rest_s.unwrap_or(0)))
            }
            Loop::Search => SEARCH_MS.into(),
            Loop::MemorySearch => u64::from(MEMORY_PROBES * (measure_ms / 2 + MEMORY_PROBE_MS)),
        }
    }
}
