//! What a run found out, as plain data: `summary.json`, and all that a report sees.

use serde::{Deserialize, Serialize};

use duet_model::record::{BuildRecord, Failure, Finding, Machine, ServiceHeader, Side};
use duet_model::spec::CellId;

mod builds;
mod cell;
mod claims;
mod loads;
mod matchup;
mod metric;
mod money;
mod published;

pub use builds::{BuildFigures, BuildsAnalysis};
pub use cell::{
    Bottleneck, CellAnalysis, ProgramCell, ProgramSummary, RssPoint, Switching, Warning, Who,
};
pub use claims::{
    ClaimAnalysis, ClaimCells, ClaimLine, ClaimQuantity, ClaimStanding, ClaimVerdict,
};
pub use loads::{
    LongAnalysis, LongArm, LongBlock, MemorySearchAnalysis, MemorySearchArm, OpenAnalysis, OpenArm,
    SearchAnalysis, SearchArm,
};
pub use matchup::{Arm, EqualUtilisation, LeftOut, MatchupAnalysis, Mean, MeanCell};
pub use metric::{AnotherHour, Estimate, MetricAnalysis};
pub use money::{MoneyAnalysis, MoneyArm, MoneyCell, MoneyMonth, Prices};
pub use published::{MeanToday, PublishedAnalysis, PublishedComparison, Standing, Today};

/// The version of `summary.json`; raised when a reader of the old format would be wrong.
pub const SCHEMA: u32 = 2;

/// What a run found out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Analysis {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What was run.
    pub run: RunSummary,
    /// The servers that took part, and the sets of programs, in the definitions' order.
    pub servers: Vec<ServerSummary>,
    /// The matchups, those of programs first, in the order of their first cell.
    pub matchups: Vec<MatchupAnalysis>,
    /// What others published of the same problems, beside this run.
    pub published: Vec<PublishedAnalysis>,
    /// What failed, in order; a failure that recurs in every block of a cell is listed once.
    pub failures: Vec<CellFailure>,
    /// Warnings about the run as a whole.
    pub warnings: Vec<Warning>,
    /// What this run says of the claims that its definitions list, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<ClaimAnalysis>,
    /// What the servers' CPU time costs; absent where none was compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub money: Option<MoneyAnalysis>,
    /// How long builds take, where `duet builds` has left its record in the run's folder.
    #[serde(default)]
    pub builds: Option<BuildsAnalysis>,
}

/// What was run, where, when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RunSummary {
    /// The suite's name.
    pub suite: String,
    /// Whether the suite is meant to give verdicts.
    pub verdicts: bool,
    /// The command line that made the run, `duet run standard`.
    pub command: String,
    /// When it began, ISO 8601 in UTC.
    pub started: String,
    /// How long it took; absent when it was killed.
    pub elapsed_ns: Option<u64>,
    /// The signal that interrupted it, or absent. A run that was killed has `killed` instead.
    pub interrupted: Option<i32>,
    /// Whether the record has no end: the harness was killed, or the run is still going on.
    pub killed: bool,
    /// Blocks measured and counted.
    pub blocks: u32,
    /// Blocks planned.
    pub blocks_planned: u32,
    /// Time in windows, over all blocks.
    pub measured_ns: u64,
    /// The seed.
    pub seed: u64,
    /// The harness's version.
    pub duet_version: String,
    /// The commit, with `-dirty` when there were uncommitted changes.
    pub commit: Option<String>,
    /// What leads from the run's folder to the project's, with a slash at its end.
    pub to_project: String,
    /// CPUs of the servers.
    pub server_cpus: Vec<usize>,
    /// The services that its cells need, as they were set up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceHeader>,
    /// CPUs of the generator.
    pub generator_cpus: Vec<usize>,
    /// The machine.
    pub machine: Machine,
    /// What `duet doctor` said of it.
    pub findings: Vec<Finding>,
    /// Share of time stolen from the servers' CPUs during windows.
    pub stolen_share: f64,
}

/// A server that took part, or a set of programs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ServerSummary {
    /// Its language.
    pub language: String,
    /// One sentence.
    pub summary: String,
    /// Whether it prints while it serves; its output was read and thrown away.
    pub prints: bool,
    /// Its build: version, binary size, build time, failure.
    pub build: BuildRecord,
}

/// A failure and how often it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CellFailure {
    /// The cell; absent for a failed build.
    pub cell: Option<CellId>,
    /// Where versions are compared: of which one the server or set is. Absent where both are the
    /// same, or none is to blame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
    /// What happened.
    pub failure: Failure,
    /// Blocks in which it happened; 1 for a build, 0 for a program that failed before any.
    pub blocks: u32,
}
