//! What is known of a cell.

use serde::{Deserialize, Serialize};

use super::loads::{LongAnalysis, MemorySearchAnalysis, OpenAnalysis, SearchAnalysis};
use super::metric::{Estimate, MetricAnalysis};
use duet_model::spec::CellId;
use duet_units::{CellKind, Loop};
use std::collections::BTreeMap;

/// One matchup under one workload and one load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CellAnalysis {
    /// Its name.
    pub id: CellId,
    /// The workload's question.
    pub question: String,
    /// The load for people: `64 connections`, `64 connections, a new one per request`.
    pub load: String,
    /// Blocks that count.
    pub blocks: u32,
    /// Blocks that failed.
    pub blocks_failed: u32,
    /// Blocks that were disturbed, discarded and measured again.
    pub blocks_discarded: u32,
    /// Length of its windows; absent when no block counts, and of searches, whose probes differ.
    pub window_ns: Option<u64>,
    /// Who was the bottleneck.
    pub bottleneck: Bottleneck,
    /// The metrics, in the order of [`Metric::ALL`], without those that could not be had.
    pub metrics: Vec<MetricAnalysis>,
    /// Memory over the time of a block, per arm: medians over blocks.
    pub rss: Vec<Vec<RssPoint>>,
    /// Errors in windows by kind, per arm.
    pub errors: Vec<BTreeMap<String, u64>>,
    /// Warnings about the cell.
    pub warnings: Vec<Warning>,
    /// What is known of its programs; absent for servers.
    pub program: Option<ProgramCell>,
    /// The number of CPUs that each server had, where the load says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_cpus: Option<u32>,
    /// What an open loop did; absent in a closed one, and where no block counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<OpenAnalysis>,
    /// What searches for the highest rate within a limit came to; absent where there were none, and
    /// where no block counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchAnalysis>,
    /// What searches for the smallest memory limit came to; absent where there were none, and where
    /// no block counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_search: Option<MemorySearchAnalysis>,
    /// What the seconds of long windows were like; absent where there were none, and where no block
    /// counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long: Option<LongAnalysis>,
    /// Whether alternating costs both arms alike; absent where no block can say, and of searches
    /// and programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switching: Option<Switching>,
}

/// What it costs an arm that the window before was of the other one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Switching {
    /// Per arm: CPU time per request in windows after the other arm's over that in windows after
    /// its own. 1: alternating costs nothing.
    pub cold_over_warm: Vec<Estimate>,
    /// The second arm's over the first's: by so much ratios of CPU time are off.
    pub difference: Estimate,
}

/// What is known of the programs of a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ProgramCell {
    /// N.
    pub n: u32,
    /// What N counts, where memory per unit is measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The arms' programs.
    pub arms: Vec<ProgramSummary>,
}

/// What is known of a program beside its times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ProgramSummary {
    /// The set it comes from: the arm's, or one that the arm's falls back on.
    pub set: String,
    /// Its source, relative to the project's folder.
    pub source: String,
    /// The size of its source without comments and repeated white space, after gzip -9.
    pub gz_bytes: Option<u64>,
    /// The size of its binary.
    pub binary_bytes: Option<u64>,
    /// What its source uses beyond plain code of one thread.
    pub features: Vec<String>,
    /// The busy share of each CPU while it ran, whoever kept it busy.
    pub cpu_load: Vec<f64>,
}

/// Memory at a moment of a block.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RssPoint {
    /// Milliseconds since the block began.
    pub at_ms: u64,
    /// Resident set.
    pub rss_bytes: f64,
}

/// Who was the bottleneck of a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Bottleneck {
    /// Who.
    pub who: Who,
    /// Busy share of the servers' CPUs in the windows that drove each arm.
    pub server_busy: Vec<f64>,
    /// Busy share of the generator's CPUs in the same windows. Looking for the next planned instant
    /// without sleeping does not count.
    pub generator_busy: Vec<f64>,
}

/// Candidates for the bottleneck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// The server: what was measured is the server.
    Server,
    /// The generator: rates and response times are its own and have no ratio; CPU per request and
    /// memory keep theirs.
    Generator,
    /// Nobody was busy: more connections would bring more.
    Latency,
    /// The rate of an open loop, which was held: nobody had to be busy.
    Rate,
    /// The shares do not say.
    Unknown,
}

/// A doubt about a number, carried with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Warning {
    /// A fixed word for machines: `unequal_work`.
    pub code: String,
    /// What is doubtful.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Warning {
    pub(crate) fn new(code: &str, message: String, hint: &str) -> Self {
        Self { code: code.to_owned(), message, hint: Some(hint.to_owned()) }
    }
}

impl CellAnalysis {
    /// What it measures. A cell of servers where no block counts is taken for a closed loop.
    #[must_use]
    pub fn kind(&self) -> CellKind {
        if let Some(long) = &self.long {
            let burst = long.rest_s.is_some();
            return CellKind::Servers(if burst { Loop::Burst } else { Loop::Solo });
        }
        match (&self.program, &self.open, &self.search) {
            (Some(_), _, _) => CellKind::Programs,
            _ if self.memory_search.is_some() => CellKind::Servers(Loop::MemorySearch),
            (None, _, Some(_)) => CellKind::Servers(Loop::Search),
            (None, Some(_), None) => CellKind::Servers(Loop::Open),
            (None, None, None) => CellKind::Servers(Loop::Closed),
        }
    }
}
