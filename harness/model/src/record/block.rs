//! A block of servers: its arms and its windows.

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::gauge::BlockGauges;
use crate::spec::CellId;
use duet_protocol::{
    Handshakes, Negotiated, ResolvedRate, SearchEnd, SearchResult, Times, WindowResult,
};

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
    /// Connections that a listening socket turned away meanwhile, whosever it was: so many waited
    /// already to be accepted (`ListenOverflows`). Absent in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen_overflows: Option<u64>,
    /// The state of the machine before and after; absent in older records, and where the block
    /// failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gauges: Option<BlockGauges>,
    /// The arms in the matchup's order. Empty where the block failed before it was driven to
    /// its end.
    pub arms: Vec<ArmRecord>,
    /// What the services did that the cell needs, in the workload's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceUse>,
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
    /// Memory before the first request; absent in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listening: Option<Memory>,
    /// Memory after the first valid response, which the workload decides.
    pub idle: Memory,
    /// Memory right after the last window, with the load's connections open.
    pub loaded: Memory,
    /// The same moment's memory of the control group that its processes were in; absent where they
    /// were in none of their own, and in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupMemory>,
    /// Memory a moment after the load's connections were closed.
    pub after: Memory,
    /// The largest resident memory: the sum of what the kernel says of each process, or, where
    /// processes have ended, of a sample if that is larger.
    pub rss_bytes_peak: u64,
    /// Whether its CPU time is unknown: processes of it ended without anybody waiting for them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cpu_lost: bool,
    /// CPU time in user mode from the first window to the last, whosever they are, of all its
    /// processes. From the kernel's ticks of 10 ms, so only sums over blocks mean something. Absent
    /// in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_ns: Option<u64>,
    /// The same in the kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_ns: Option<u64>,
    /// Threads right after the last window, of all its processes.
    pub threads: u32,
    /// Resident memory over time, from the start of the warm-up to the end of the block; empty
    /// where [`Self::seconds`] has it.
    pub rss: Vec<RssSample>,
    /// Memory by the second of its only window, from its beginning to its end; empty where arms
    /// take turns. [`WindowResult::seconds`] has what was counted meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seconds: Vec<MemorySecond>,
    /// Memory by the second of the rest behind that window, from the moment at which all
    /// connections were closed; empty where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rest: Vec<MemorySecond>,
    /// The shape of the first valid response.
    pub wire: Wire,
    /// What the TLS handshakes of the load agreed on; absent without TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub negotiated: Option<Negotiated>,
    /// The handshakes of TLS from the first lead-in to the last window; absent where there were
    /// none, and in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handshakes: Option<Handshakes>,
    /// Memory with idle connections open, before the warm-up; empty where the load has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub idle_connections: Vec<IdleMemory>,
    /// Where the highest rate within a limit lies; absent where none was searched for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchResult>,
    /// Where the smallest memory limit lies that holds the load's rate; absent where none was
    /// searched for. What else is said of the arm was then seen at the smallest limit that held,
    /// and is zero where none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_search: Option<MemorySearch>,
    /// What is judged of the times of its windows together, where these have no histograms; of a
    /// search, of those at the lowest rate that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<Times>,
    /// Histograms of the same windows; absent where the windows have theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub histograms: Option<ArmHistograms>,
}

/// The times of several windows of an arm, for quantiles that no verdict is about: each a
/// HdrHistogram, V2, deflated, base64, to one part in a hundred.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ArmHistograms {
    /// As [`WindowResult::service_time`].
    pub service_time: String,
    /// Response times, lower bounds among them; absent in a closed loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_time: Option<String>,
}

/// Where an arm's smallest memory limit lies under which it holds the rate of its load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MemorySearch {
    /// The smallest limit that held; absent where none did.
    pub held_bytes: Option<u64>,
    /// The largest that did not, below that; absent where all held.
    pub failed_bytes: Option<u64>,
    /// Why the search was over. Of all that are tried, limits take the place of rates.
    pub end: SearchEnd,
    /// Its probes, in their order.
    pub probes: Vec<MemoryProbe>,
}

/// A fresh start under a memory limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MemoryProbe {
    /// The limit, page cache included and without swap.
    pub limit_bytes: u64,
    /// Whether the server started, responded as expected and held the rate.
    pub held: bool,
    /// How many of its processes the kernel killed for want of memory.
    pub oom_kills: u64,
    /// Why it did not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl ArmRecord {
    /// An arm of which nothing was seen yet.
    #[must_use]
    pub fn unseen(server: &str) -> Self {
        Self {
            server: server.to_owned(),
            startup_ns: 0,
            listening: None,
            idle: Memory::default(),
            loaded: Memory::default(),
            group: None,
            after: Memory::default(),
            rss_bytes_peak: 0,
            cpu_lost: false,
            user_ns: None,
            system_ns: None,
            threads: 0,
            rss: vec![],
            seconds: vec![],
            rest: vec![],
            wire: Wire::default(),
            negotiated: None,
            handshakes: None,
            idle_connections: vec![],
            search: None,
            memory_search: None,
            times: None,
            histograms: None,
        }
    }
}

/// Memory while connections are idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct IdleMemory {
    /// How many are open. Each has had a response.
    pub connections: u32,
    /// Memory of the server.
    pub memory: Memory,
}

/// What a service did in a block.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ServiceUse {
    /// The service.
    pub service: String,
    /// CPU time of its processes, from the first window to the last.
    pub cpu_ns: u64,
    /// CPU time of all processes on its CPUs meanwhile. From the kernel's ticks of 10 ms.
    pub cpus_busy_ns: u64,
    /// How many CPUs those are.
    pub cpus: u32,
    /// Resident memory of its processes right after the last window: pages that they share count
    /// once for each (see `pss_bytes` for their share).
    pub memory: Memory,
    /// What it counted of each arm, from before the arm was started to after it was stopped. Empty
    /// where it counts nothing, or the block failed before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arms: Vec<ServiceCounts>,
}

/// What a service counted of an arm. What it does not count is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ServiceCounts {
    /// Ok responses of the arm: those that the load got, warm-up and lead-ins included.
    pub ok: u64,
    /// Requests that the arm may have seen: those of the load, and those that verified.
    pub sent: u64,
    /// A database's transactions that were committed (`xact_commit`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transactions: Option<u64>,
    /// Rows and index entries that were read (`tup_returned`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_read: Option<u64>,
    /// Rows that were inserted or updated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_written: Option<u64>,
    /// Connections to the database that were opened (`sessions`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u64>,
    /// Connections to the database that were open when the windows had ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<u64>,
    /// Calls of an upstream service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
    /// Connections that an upstream service accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepts: Option<u64>,
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

/// The memory of a server's control group at one moment, as the kernel has it (`memory.stat`). A
/// page is in the group whose process touched it first, so that a program's own file is mostly in
/// none of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GroupMemory {
    /// Anonymous memory: heaps and stacks.
    pub anonymous_bytes: u64,
    /// Pages of files, shared memory included.
    pub file_bytes: u64,
    /// Shared memory.
    pub shared_bytes: u64,
    /// Buffers of sockets; absent where the kernel does not count them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket_bytes: Option<u64>,
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

/// Memory at a second, children included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MemorySecond {
    /// Milliseconds since the window, or the rest, began: a second after the one before.
    pub at_ms: u64,
    /// Resident set.
    pub rss_bytes: u64,
    /// That part of it that is of no file and not shared: heaps and stacks.
    pub anonymous_bytes: u64,
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
