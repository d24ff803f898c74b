//! What `duet builds` found out.

use serde::{Deserialize, Serialize};

use super::metric::Estimate;
use duet_model::record::{Failure, Machine};

/// What `duet builds` found out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BuildsAnalysis {
    /// The command line.
    pub command: String,
    /// When it began, ISO 8601 in UTC.
    pub started: String,
    /// The harness's version.
    pub duet_version: String,
    /// The commit, with `-dirty` when there were uncommitted changes.
    pub commit: Option<String>,
    /// The machine.
    pub machine: Machine,
    /// How often each build was to be timed.
    pub rounds: u32,
    /// The signal that interrupted it, or absent.
    pub interrupted: Option<i32>,
    /// The servers, in the definitions' order.
    pub servers: Vec<BuildFigures>,
}

/// The builds of a server. Times are in nanoseconds: the Hodges–Lehmann estimate of their
/// logarithms, with its signed-rank interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BuildFigures {
    /// Its name.
    pub server: String,
    /// Its language.
    pub language: String,
    /// Its version line.
    pub version: Option<String>,
    /// The version line of the toolchain that its table names.
    pub toolchain_version: Option<String>,
    /// With empty build caches.
    pub clean_ns: Option<Estimate>,
    /// The same with the standard library compiled already.
    pub clean_std_compiled_ns: Option<Estimate>,
    /// With nothing changed.
    pub no_op_ns: Option<Estimate>,
    /// After an edit, until the build ended.
    pub edit_build_ns: Option<Estimate>,
    /// After an edit, until the first valid response.
    pub edit_response_ns: Option<Estimate>,
    /// The size of its executable.
    pub binary_bytes: Option<u64>,
    /// The same without symbol table and debugging information.
    pub stripped_bytes: Option<u64>,
    /// Other modules or crates it is built of.
    pub dependencies: Option<u32>,
    /// The lines of their sources.
    pub dependency_lines: Option<u64>,
    /// Why something is missing.
    pub failure: Option<Failure>,
}
