//! What a record says of programs.

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::gauge::BlockGauges;
use crate::spec::CellId;

/// A program: what can be said of it without running it for long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ProgramRecord {
    /// The set it belongs to.
    pub set: String,
    /// The problem it solves.
    pub problem: String,
    /// Its source, relative to the folder above the definitions.
    pub source: String,
    /// The size of its source without comments and repeated white space, after gzip -9.
    pub gz_bytes: Option<u64>,
    /// The size of its binary.
    pub binary_bytes: Option<u64>,
    /// The binary's SHA-256 in hexadecimal digits; absent of a script, or an interpreter from
    /// elsewhere.
    #[serde(default)]
    pub binary_sha256: Option<String>,
    /// What its source uses beyond plain code of one thread: `threads`, `crate rayon`, sorted.
    pub features: Vec<String>,
    /// Why it cannot be measured.
    pub failure: Option<Failure>,
}

/// A block of programs: each arm run to check its output, then run to be timed, a fresh process
/// each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ProgramBlock {
    /// The cell it belongs to.
    pub cell: CellId,
    /// Its index within the cell, from 0.
    pub block: u32,
    /// When it began, in nanoseconds since the run began.
    pub started_ns: u64,
    /// How long it took.
    pub elapsed_ns: u64,
    /// The order in which the arms ran, indices into the matchup.
    pub order: Vec<u32>,
    /// As [`BlockRecord::gauges`].
    ///
    /// [`BlockRecord::gauges`]: super::BlockRecord::gauges
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gauges: Option<BlockGauges>,
    /// The arms in the matchup's order. Empty where one of them failed.
    pub arms: Vec<ProgramRun>,
    /// Why the block does not count.
    pub failure: Option<Failure>,
    /// As [`BlockRecord::discarded`].
    #[serde(default)]
    pub discarded: Option<String>,
}

/// One timed run of a program, from fork to exit, all of its processes; and what it printed in the
/// run before, in which it was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ProgramRun {
    /// The set it belongs to.
    pub set: String,
    /// From just before its process was made until it was reaped.
    pub elapsed_ns: u64,
    /// CPU time in user mode.
    pub user_ns: u64,
    /// CPU time in the kernel.
    pub system_ns: u64,
    /// The largest resident set.
    pub rss_bytes_peak: u64,
    /// Time that each of the programs' CPUs was busy meanwhile, with whatever, in their order.
    /// Counted by the kernel in ticks of 10 ms.
    pub cpu_busy_ns: Vec<u64>,
    /// CPU time that processes other than the program and the harness took on these CPUs
    /// meanwhile. From the same ticks.
    #[serde(default)]
    pub foreign_cpu_ns: u64,
    /// Time stolen by the hypervisor from these CPUs meanwhile. From the same ticks.
    #[serde(default)]
    pub stolen_ns: u64,
    /// Bytes of the output of the checked run; where `checked_elapsed_ns` is absent, of the timed
    /// one.
    pub output_bytes: u64,
    /// The SHA-256 of that output in hexadecimal digits.
    pub output_sha256: String,
    /// How long the run took whose output was checked, just before the timed one: into a pipe, and
    /// so no measure of the program. The timed run's output went to /dev/null. Absent in records of
    /// before there were two runs: there the timed one wrote into the pipe.
    #[serde(default)]
    pub checked_elapsed_ns: Option<u64>,
    /// The largest resident set of a run at N = 1 in the same block, of problems whose N counts
    /// units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rss_bytes_base: Option<u64>,
}
