//! The record of a run: `run.jsonl`, one JSON object a line, appended and flushed as it happens.
//!
//! The first line is the [`RunHeader`], then a [`BuildRecord`] per server and set of programs, a
//! [`ProgramRecord`] per program, a [`BlockRecord`] or [`ProgramBlock`] per block, and a [`RunEnd`]
//! unless the harness was killed. Everything a report shows is derived from this file alone.

use serde::{Deserialize, Serialize};

use duet_protocol::{Negotiated, ResolvedRate, SearchResult, WindowResult};

use crate::spec::{CellId, Spec, Suite};

mod attempt;
mod experiment;
mod file;
mod machine;
mod program;

pub use attempt::{Attempt, Block};
pub use experiment::{Absence, Experiment, NoiseFloor, Question, Version};
pub use file::{FILE_NAME, Writer, read};
pub use machine::{Finding, FindingLevel, Machine};
pub use program::{ProgramBlock, ProgramRecord, ProgramRun};

/// The version of the record's format; raised when a reader of the old format would be wrong.
pub const SCHEMA: u32 = 1;

/// One line of `run.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// The first line.
    Header(Box<RunHeader>),
    /// A server was built, or could not be.
    Build(BuildRecord),
    /// A program was checked at its test size, or failed.
    Program(ProgramRecord),
    /// A block was measured, or failed.
    Block(Box<BlockRecord>),
    /// A block of programs was measured, or failed.
    ProgramBlock(Box<ProgramBlock>),
    /// The last line.
    End(RunEnd),
}

/// What was run, where and with what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RunHeader {
    /// [`SCHEMA`] of the writer.
    pub schema: u32,
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
    /// The suite, with only the cells that were chosen.
    pub suite: Suite,
    /// The definitions.
    pub spec: Spec,
    /// What is compared, where versions are compared and not the arms of matchups.
    #[serde(default)]
    pub experiment: Option<Experiment>,
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
    /// The size of its binary.
    pub binary_bytes: Option<u64>,
    /// The binary's SHA-256 in hexadecimal digits.
    #[serde(default)]
    pub binary_sha256: Option<String>,
    /// How long a build with empty caches took (sources of dependencies already fetched), once.
    pub clean_build_ns: Option<u64>,
    /// Why it cannot be measured.
    pub failure: Option<Failure>,
}

/// A block: one fresh start of every arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BlockRecord {
    /// The cell it belongs to.
    pub cell: CellId,
    /// Its index within the cell, from 0.
    pub block: u32,
    /// When it began, in nanoseconds since the run began.
    pub started_ns: u64,
    /// How long it took, starting and stopping included.
    pub elapsed_ns: u64,
    /// The length of its windows, chosen by the pilot of the cell's first block. Where a search
    /// tries rates, twice that of the warm-up's windows: each probe has a length of its own.
    pub window_ns: u64,
    /// The rate of an open loop; absent in a closed one, and where a search tries rates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<ResolvedRate>,
    /// Whether the warm-up ended because the arms had become stationary, not because time was up.
    pub warmup_stationary: bool,
    /// How long the warm-up took.
    pub warmup_ns: u64,
    /// From the first window to the last.
    pub driven_ns: u64,
    /// CPU time that other processes took on the servers' and the generator's CPUs meanwhile. From
    /// the kernel's ticks of 10 ms, so only sums over blocks mean something.
    pub foreign_cpu_ns: u64,
    /// Time for which a cgroup kept threads of this process's group off their CPUs meanwhile,
    /// summed over CPUs. Absent where no group accounts for CPU time.
    #[serde(default)]
    pub throttled_ns: Option<u64>,
    /// Time for which the generator's threads were ready to run and waited for a CPU meanwhile.
    /// Absent where the kernel keeps no such account.
    #[serde(default)]
    pub generator_run_delay_ns: Option<u64>,
    /// The arms in the matchup's order. Empty where the block failed before it was driven to
    /// its end.
    pub arms: Vec<ArmRecord>,
    /// The windows in the order they were driven.
    pub windows: Vec<WindowResult>,
    /// Why the block does not count.
    pub failure: Option<Failure>,
    /// What disturbed the block, which was therefore measured again and does not count. Decided
    /// without a look at its outcome.
    pub discarded: Option<String>,
}

/// One arm in one block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ArmRecord {
    /// The server.
    pub server: String,
    /// From starting the process to the first valid response.
    pub startup_ns: u64,
    /// Resident memory after the first valid response.
    pub idle: Memory,
    /// Memory right after the last window.
    pub loaded: Memory,
    /// Memory a moment after the load's connections were closed.
    pub after: Memory,
    /// The largest resident memory of the process, by the kernel's count.
    pub rss_bytes_peak: u64,
    /// Threads right after the last window.
    pub threads: u32,
    /// Resident memory over time, from the start of the warm-up to the end of the block.
    pub rss: Vec<RssSample>,
    /// The shape of the first valid response.
    pub wire: Wire,
    /// What the TLS handshakes of the load agreed on; absent without TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub negotiated: Option<Negotiated>,
    /// Where the highest rate within a limit lies; absent where none was searched for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchResult>,
}

/// A process's memory at one moment, children included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Resident set.
    pub rss_bytes: u64,
    /// Proportional set: shared pages divided by their users.
    pub pss_bytes: u64,
    /// Private pages, clean and dirty.
    pub private_bytes: u64,
}

/// Resident memory at a moment of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RssSample {
    /// Milliseconds since the block began.
    pub at_ms: u64,
    /// Resident set, children included.
    pub rss_bytes: u64,
    /// Whether windows were running.
    pub in_windows: bool,
}

/// The shape of a response: what must be equal for work to be equal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Wire {
    /// Header names in lower case, sorted.
    pub header_names: Vec<String>,
    /// Bytes of status line and headers.
    pub head_bytes: u64,
    /// Bytes of the body.
    pub body_bytes: u64,
}

/// Where and why something failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[error("{error}")]
pub struct Failure {
    /// Where it failed.
    pub stage: Stage,
    /// The server it is about, if it is about one.
    pub server: Option<String>,
    /// What happened.
    pub error: String,
    /// The last lines the server wrote to standard error.
    #[serde(default)]
    pub stderr: Vec<String>,
}

/// The stages of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Building the server.
    Build,
    /// Starting it, until it says that it listens.
    Start,
    /// Comparing its responses with the expected ones.
    Verify,
    /// Opening connections, warming up, driving windows.
    Drive,
    /// Stopping it.
    Stop,
    /// Running a program to its end, within its limits.
    Run,
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

impl Run {
    /// A run that has just begun.
    #[must_use]
    pub fn of(header: RunHeader) -> Self {
        Self {
            header,
            builds: vec![],
            programs: vec![],
            blocks: vec![],
            program_blocks: vec![],
            end: None,
            truncated: false,
        }
    }

    /// Adds a record; a header takes the place of the one before.
    pub fn push(&mut self, record: Record) {
        match record {
            Record::Header(header) => self.header = *header,
            Record::Build(build) => self.builds.push(build),
            Record::Program(program) => self.programs.push(program),
            Record::Block(block) => self.blocks.push(*block),
            Record::ProgramBlock(block) => self.program_blocks.push(*block),
            Record::End(end) => self.end = Some(end),
        }
    }

    /// Its records in the order of a file, without an end.
    pub fn records(&self) -> impl Iterator<Item = Record> {
        let blocks = self.blocks.iter().cloned().map(Box::new);
        let of_programs = self.program_blocks.iter().cloned().map(Box::new);
        std::iter::once(Record::Header(Box::new(self.header.clone())))
            .chain(self.builds.iter().cloned().map(Record::Build))
            .chain(self.programs.iter().cloned().map(Record::Program))
            .chain(blocks.map(Record::Block))
            .chain(of_programs.map(Record::ProgramBlock))
    }
}

/// A run read back.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The header.
    pub header: RunHeader,
    /// Builds in order.
    pub builds: Vec<BuildRecord>,
    /// Programs in order.
    pub programs: Vec<ProgramRecord>,
    /// Blocks in the order they were measured.
    pub blocks: Vec<BlockRecord>,
    /// Blocks of programs in the order they were measured.
    pub program_blocks: Vec<ProgramBlock>,
    /// How it ended; absent when the harness was killed.
    pub end: Option<RunEnd>,
    /// Whether the last line was cut short, as it is when the harness is killed while writing.
    pub truncated: bool,
}
