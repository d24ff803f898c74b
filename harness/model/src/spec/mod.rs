//! What is measured, as data: servers and workloads, programs and problems, matchups and suites.
//!
//! [`load`] reads a folder of definitions and reports every mistake in it at once, each with file,
//! line and hint. Loading runs nothing. The types here are plain data; they are written into the
//! header of every record, so that a record can be read without the folder it came from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use duet_units::Limit;
use duet_units::Loop;

mod gate;
mod problem;

pub use duet_protocol::{Arrivals, Transport};
pub use gate::{Budget, Gate, GateScope, GatedPrograms, Look, Quantity, Rule, Waiver};
pub use problem::{Output, Problem, ProgramSet, Published, PublishedRow};

/// About how long the windows of a block take where a search tries rates, in milliseconds: seven
/// probes of half a second of each of two arms. For the forecast only.
pub const SEARCH_MS: u32 = 7_000;

/// The size at which every program is checked before anything is timed.
pub const TEST_SIZE: &str = "test";

/// Everything a folder of definitions says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Servers in the order of `servers.toml`.
    pub servers: Vec<Server>,
    /// Workloads in the order of `workloads.toml`.
    pub workloads: Vec<Workload>,
    /// Problems in the order of `programs.toml`.
    #[serde(default)]
    pub problems: Vec<Problem>,
    /// Sets of programs in the order of `programs.toml`.
    #[serde(default)]
    pub sets: Vec<ProgramSet>,
    /// What others published of the same problems, in the order of `published.toml`.
    #[serde(default)]
    pub published: Vec<Published>,
    /// Loads in the order of `suites.toml`.
    pub loads: Vec<Load>,
    /// Matchups in the order of `suites.toml`.
    pub matchups: Vec<Matchup>,
    /// Suites in the order of `suites.toml`.
    pub suites: Vec<Suite>,
    /// Gates in the order of `suites.toml`.
    #[serde(default)]
    pub gates: Vec<Gate>,
}

/// A program under test.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Its name, unique among servers.
    pub name: String,
    /// The language it is written in, as people write it: `Rust`, `Go`.
    pub language: String,
    /// The lanes it may be ranked in.
    pub lanes: Vec<Lane>,
    /// One sentence for reports.
    pub summary: String,
    /// Programs that must be on the PATH before it can be built, such as `cargo`.
    #[serde(default)]
    pub needs: Vec<String>,
    /// The command that builds it, run in the folder above the definitions. Empty: nothing to
    /// build.
    #[serde(default)]
    pub build: Vec<String>,
    /// Environment variables that tell the build where to keep its intermediate files, each with a
    /// folder relative to the folder above the definitions. The harness passes the absolute path.
    /// A clean build is timed after deleting these folders.
    #[serde(default)]
    pub build_cache: BTreeMap<String, String>,
    /// The command that starts it; see [`PLACEHOLDERS`]. Its first word is the binary.
    pub run: Vec<String>,
    /// Arguments added to [`Self::run`] when a load comes over TLS; see [`TLS_PLACEHOLDERS`].
    /// Empty: it does not speak TLS.
    #[serde(default)]
    pub tls_args: Vec<String>,
    /// Arguments added to [`Self::run`] when a load comes over HTTP/2 without TLS. Empty: it does
    /// not speak that.
    #[serde(default)]
    pub h2c_args: Vec<String>,
    /// The command that prints its version line. Empty: it has none, as only an external one may.
    pub version: Vec<String>,
    /// Environment variables it is started with, beside the harness's own; see [`PLACEHOLDERS`].
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Whether it prints while it serves. Its output is then read and thrown away.
    #[serde(default)]
    pub prints: bool,
    /// Whether it knows nothing of the contract (CONTRACT.md, 5): the harness chooses its port, and
    /// asks of it right answers and nothing else.
    #[serde(default)]
    pub external: bool,
    /// The workloads it implements.
    pub workloads: Vec<String>,
    /// The folder that its commands run in and its paths are relative to, where that is not the one
    /// above the definitions: of a version of its own in a comparison. No definition says this, and
    /// no record keeps it.
    #[serde(skip)]
    pub root: Option<PathBuf>,
}

/// What a server may use. Only servers of one lane are ranked against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// Behaves as the article's code.
    Article,
    /// Standard library only.
    Std,
    /// What the language's documentation teaches.
    Idiomatic,
    /// Anything safe.
    Tuned,
}

impl Lane {
    /// Its name in definitions and reports.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Article => "article",
            Self::Std => "std",
            Self::Idiomatic => "idiomatic",
            Self::Tuned => "tuned",
        }
    }
}

/// The placeholders that `run`, `env`, `tls_args` and `h2c_args` may use. A server that is told a
/// `{socket}` listens on that Unix socket, which is in a folder of the run.
pub const PLACEHOLDERS: [&str; 5] = ["{addr}", "{host}", "{port}", "{socket}", "{threads}"];

/// The placeholders that `tls_args` may use besides, and has to: the files of the certificate and
/// its private key, in PEM form.
pub const TLS_PLACEHOLDERS: [&str; 2] = ["{tls_cert}", "{tls_key}"];

impl Server {
    /// Whether it listens on a Unix socket.
    #[must_use]
    pub fn listens_on_socket(&self) -> bool {
        self.run.iter().chain(self.env.values()).any(|word| word.contains("{socket}"))
    }

    /// The arguments added to [`Self::run`] for a transport; absent where it does not speak that.
    #[must_use]
    pub fn arguments(&self, transport: Transport) -> Option<&[String]> {
        let arguments = match transport {
            Transport::Http => return Some(&[]),
            Transport::Https | Transport::H2 => &self.tls_args,
            Transport::H2c => &self.h2c_args,
        };
        (!arguments.is_empty()).then_some(arguments)
    }

    /// The transports it speaks.
    pub fn transports(&self) -> impl Iterator<Item = Transport> {
        Transport::ALL.into_iter().filter(|transport| self.arguments(*transport).is_some())
    }
}

/// What is asked of a server, and the right answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Its name, unique among workloads.
    pub name: String,
    /// The question it answers, for reports.
    pub question: String,
    /// Whether every request is sent on a connection of its own.
    #[serde(default)]
    pub churn: bool,
    /// Requests and their right answers, at least one. They are sent in a seeded order.
    pub cases: Vec<Case>,
    /// Right answers of servers that cannot give the workload's own, by server. A matchup of
    /// servers with different answers is measured, and the report says that the work differs.
    #[serde(default)]
    pub responses: BTreeMap<String, ExpectedResponse>,
    /// The file the cases were read from, relative to the definitions; absent for an inline case.
    #[serde(default)]
    pub source: Option<String>,
}

/// A request and its right answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The request's method.
    pub method: String,
    /// The request's target: path and query.
    pub path: String,
    /// Request headers beside `Host`, `Content-Length`, `Transfer-Encoding` and `Connection`.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The request's body.
    #[serde(default)]
    pub body: Option<String>,
    /// Whether the body is sent chunked instead of with its length.
    #[serde(default)]
    pub chunked: bool,
    /// The right answer.
    pub expect: ExpectedResponse,
}

/// The right answer to a request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ExpectedResponse {
    /// The status code.
    pub status: u16,
    /// The exact value of `Content-Type`; absent: not checked.
    #[serde(default)]
    pub content_type: Option<String>,
    /// The exact body.
    pub body: String,
}

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
    /// HTTP/2: requests in flight on each connection, at most. Always 1 with HTTP/1.1.
    #[serde(default = "one")]
    pub streams: u32,
    /// When requests are due; absent in a closed loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<OpenLoop>,
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
    /// 0.99. A pilot finds the capacity; the rate is then the same for all arms and blocks.
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

impl Load {
    /// A closed loop over so many connections of plain HTTP/1.1.
    #[must_use]
    pub fn closed(name: &str, connections: u32) -> Self {
        let (name, transport) = (name.to_owned(), Transport::Http);
        Self { name, connections, transport, streams: 1, open: None }
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
        format!("{} {spoken}connection{plural}{streams}", self.connections)
    }

    /// What decides when requests are sent.
    #[must_use]
    pub fn kind(&self) -> Loop {
        match self.open.map(|open| open.rate) {
            None => Loop::Closed,
            Some(Rate::PerSecond(_) | Rate::Share(_)) => Loop::Open,
            Some(Rate::Within(_)) => Loop::Search,
        }
    }
}

/// The servers, or sets of programs, measured against each other. Each is an arm; the first is the
/// base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Matchup {
    /// Its name, unique among matchups.
    pub name: String,
    /// The lane the arms are ranked in.
    pub lane: Lane,
    /// Exactly two servers or two sets. Twice the same: an A/A matchup, whose true ratio is one.
    pub arms: Vec<String>,
}

/// Cells, and how long and how often they are measured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Its name, unique among suites.
    pub name: String,
    /// One sentence for `duet list`.
    pub summary: String,
    /// CPUs given to the servers; also `{threads}`.
    pub server_cpus: u32,
    /// CPUs given to the generator.
    pub generator_cpus: u32,
    /// Blocks per cell.
    pub blocks: u32,
    /// The shortest window, in milliseconds.
    pub window_ms: u32,
    /// Time in windows per block, over all arms, in milliseconds.
    pub measure_ms: u32,
    /// The longest warm-up per block, over all arms, in milliseconds.
    pub warmup_ms: u32,
    /// About how long a block of programs takes, in milliseconds: for the forecast only.
    #[serde(default)]
    pub program_block_ms: u32,
    /// The longest time one run of a program may take, in seconds.
    #[serde(default)]
    pub program_limit_s: u32,
    /// The most memory a program may take, in MiB.
    #[serde(default)]
    pub program_limit_mib: u32,
    /// Whether the suite is meant to give verdicts. A suite that is not may have too few blocks.
    pub verdicts: bool,
    /// The cells, in order, without duplicates.
    pub cells: Vec<CellId>,
}

/// One matchup under one workload and one load; of programs, one problem at one size.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CellId {
    /// The matchup's name.
    pub matchup: String,
    /// The workload's name, or the problem's.
    pub workload: String,
    /// The load's name, or the size's.
    pub load: String,
}

impl std::fmt::Display for CellId {
    /// `matchup/workload/load`, the form that `--only` filters.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.matchup, self.workload, self.load)
    }
}

impl Spec {
    /// The server of this name.
    #[must_use]
    pub fn server(&self, name: &str) -> Option<&Server> {
        self.servers.iter().find(|s| s.name == name)
    }

    /// The workload of this name.
    #[must_use]
    pub fn workload(&self, name: &str) -> Option<&Workload> {
        self.workloads.iter().find(|w| w.name == name)
    }

    /// The problem of this name.
    #[must_use]
    pub fn problem(&self, name: &str) -> Option<&Problem> {
        self.problems.iter().find(|p| p.name == name)
    }

    /// The set of programs of this name.
    #[must_use]
    pub fn set(&self, name: &str) -> Option<&ProgramSet> {
        self.sets.iter().find(|s| s.name == name)
    }

    /// The set that the program of `set` for `problem` comes from: itself, or the first along
    /// `rest` that builds one.
    #[must_use]
    pub fn origin(&self, set: &str, problem: &str) -> Option<&ProgramSet> {
        let next = |set: &&ProgramSet| self.set(set.rest.as_deref()?);
        // No chain is longer than there are sets; the loader rules out circles.
        let mut chain = std::iter::successors(self.set(set), next).take(self.sets.len());
        chain.find(|set| set.builds(problem))
    }

    /// The sets that have a program of their own in a suite's cells, in the definitions' order.
    pub fn origins<'a>(&'a self, cells: &'a [CellId]) -> impl Iterator<Item = &'a ProgramSet> {
        let names: BTreeSet<&str> = cells
            .iter()
            .filter_map(|cell| Some((self.matchup(&cell.matchup)?, &cell.workload)))
            .flat_map(|(matchup, problem)| matchup.arms.iter().map(move |arm| (arm, problem)))
            .filter_map(|(arm, problem)| Some(self.origin(arm, problem)?.name.as_str()))
            .collect();
        self.sets.iter().filter(move |set| names.contains(set.name.as_str()))
    }

    /// The transports over which a server is driven in these cells.
    #[must_use]
    pub fn transports(&self, cells: &[CellId], server: &str) -> BTreeSet<Transport> {
        let takes_part = |cell: &&CellId| {
            self.matchup(&cell.matchup).is_some_and(|m| m.arms.iter().any(|arm| arm == server))
        };
        let loads = cells.iter().filter(takes_part).filter_map(|cell| self.load(&cell.load));
        loads.map(|load| load.transport).collect()
    }

    /// Whether a cell measures programs, not servers.
    #[must_use]
    pub fn is_of_programs(&self, cell: &CellId) -> bool {
        let matchup = self.matchup(&cell.matchup);
        matchup.is_some_and(|m| m.arms.iter().any(|arm| self.set(arm).is_some()))
    }

    /// The load of this name.
    #[must_use]
    pub fn load(&self, name: &str) -> Option<&Load> {
        self.loads.iter().find(|l| l.name == name)
    }

    /// The matchup of this name.
    #[must_use]
    pub fn matchup(&self, name: &str) -> Option<&Matchup> {
        self.matchups.iter().find(|m| m.name == name)
    }

    /// The suite of this name.
    #[must_use]
    pub fn suite(&self, name: &str) -> Option<&Suite> {
        self.suites.iter().find(|s| s.name == name)
    }
}

impl Workload {
    /// The right answer of `server` to `case`.
    #[must_use]
    pub fn answer<'a>(&'a self, case: &'a Case, server: &str) -> &'a ExpectedResponse {
        self.responses.get(server).unwrap_or(&case.expect)
    }
}

/// The default folder of definitions, relative to the working directory.
#[must_use]
pub fn default_folder() -> PathBuf {
    PathBuf::from("bench")
}
