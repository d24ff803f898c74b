//! The first line of a record, its builds, and its last line.

use serde::{Deserialize, Serialize};

use super::experiment::Experiment;
use super::failure::Failure;
use super::machine::{Finding, Machine};
use crate::spec::{Spec, Suite};

/// What was run, where and with what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RunHeader {
    /// [`SCHEMA`] of the writer.
    pub schema: u32,
    /// The run's id, which every further line repeats as `run`; absent in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The harness's version.
    pub duet_version: String,
    /// The command line, without the path of the binary.
    pub command: Vec<String>,
    /// When the run began, in seconds since 1970 (UTC).
    pub started_unix_s: u64,
    /// The seed of all that varies.
    pub seed: u64,
    /// The commit of the folder above the definitions, if it is in a git repository.
    pub commit: Option<String>,
    /// Whether that folder had uncommitted changes.
    pub dirty: bool,
    /// What leads from the run's folder to the folder above the definitions, with a slash at its
    /// end: relative where the one is below the other.
    #[serde(default = "from_results")]
    pub to_project: String,
    /// The machine.
    pub machine: Machine,
    /// What was found of the machine, as by `duet doctor`.
    pub findings: Vec<Finding>,
    /// CPUs the servers were pinned to. Programs were pinned to these and the generator's.
    pub server_cpus: Vec<usize>,
    /// CPUs the generator was pinned to.
    pub generator_cpus: Vec<usize>,
    /// The services that its cells need.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceHeader>,
    /// The suite, with only the cells that were chosen.
    pub suite: Suite,
    /// The definitions.
    pub spec: Spec,
    /// What is compared, where versions are compared and not the arms of matchups.
    #[serde(default)]
    pub experiment: Option<Experiment>,
    /// Which session of a campaign it is, and what was drawn for it; absent of a run by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<CampaignSession>,
}

/// A session of a campaign, and what was drawn for it beside the run's seed and its CPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CampaignSession {
    /// Which session it is, from 1.
    pub session: u32,
    /// How many the campaign has.
    pub sessions: u32,
    /// The seed of the campaign.
    pub campaign_seed: u64,
    /// When it was to begin, in milliseconds since 1970 (UTC). It began later where an earlier
    /// session took longer, or the campaign was interrupted.
    pub due_unix_ms: u64,
    /// Bytes by which the environments of servers and programs were larger than the plan of a block
    /// says.
    pub padding_bytes: u32,
    /// The layout of executables; absent: that of any build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<u32>,
}

/// A service as it was found and is set up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ServiceHeader {
    /// The service.
    pub name: String,
    /// What it says of its version; absent where it says nothing, or is the harness's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Settings that are not its defaults, in order: name and value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<(String, String)>,
    /// CPUs that it was pinned to.
    pub cpus: Vec<usize>,
    /// Whose they are besides.
    pub shared_with: ServiceCpus,
}

/// Whose CPUs a service runs on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ServiceCpus {
    /// Its own: nobody else's in the run.
    #[default]
    Own,
    /// The load generator's, since there are no others.
    Generator,
}

/// The way from `results/latest`, for records that do not say.
fn from_results() -> String {
    "../../".to_owned()
}

/// A server's build, or that of a set of programs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BuildRecord {
    /// The server or the set.
    pub server: String,
    /// Its version line.
    pub version: Option<String>,
    /// What the compiler that its table names says of itself, `go version go1.27.3 linux/amd64`;
    /// absent where the table names none.
    #[serde(default)]
    pub toolchain_version: Option<String>,
    /// The size of its binary.
    pub binary_bytes: Option<u64>,
    /// The binary's SHA-256 in hexadecimal digits: of the usual build, whatever its layout.
    #[serde(default)]
    pub binary_sha256: Option<String>,
    /// The layout that it was linked in for this session; absent: the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
    /// How long a build with empty caches took (sources of dependencies already fetched), once.
    pub clean_build_ns: Option<u64>,
    /// Why it cannot be measured.
    pub failure: Option<Failure>,
}

/// An executable that was linked in another layout.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// What the build was told in the place of `{layout}`.
    pub number: u32,
    /// The SHA-256 of the binary that was measured; absent of a set, and where it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary_sha256: Option<String>,
    /// Why it has the usual layout after all, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RunEnd {
    /// How long the run took.
    pub elapsed_ns: u64,
    /// The signal that interrupted it (2 or 15), if one did.
    pub interrupted: Option<i32>,
    /// Why it stopped before all was decided, where a gate did.
    #[serde(default)]
    pub stopped: Option<String>,
}
