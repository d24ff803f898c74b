//! What open loops and searches add to a cell.

use serde::{Deserialize, Serialize};

use duet_model::spec::Arrivals;

/// What an open loop did. Its latencies are metrics of the cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OpenAnalysis {
    /// Requests per second, the same for all arms. Of a share of the capacity the median over
    /// blocks, each of which has a pilot.
    pub rate_per_second: u64,
    /// The share of the capacity that was planned; absent where a rate was.
    pub rate_share: Option<f64>,
    /// Responses per second of the slower arm in a closed loop over the same connections: the
    /// median over blocks.
    pub capacity_per_second: Option<u64>,
    /// How requests were spread over time.
    pub arrivals: Arrivals,
    /// The arms.
    pub arms: Vec<OpenArm>,
}

/// What became of an arm's planned requests, over all blocks that count, and how late they were
/// sent: medians over blocks, of a window where each has 1,000 requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OpenArm {
    /// Requests planned.
    pub planned: u64,
    /// Those of them that were sent after their window's planned time.
    pub sent_late: u64,
    /// Those of them that were never sent.
    pub unsent: u64,
    /// From the planned instant to sending.
    pub send_lag_ns_p99: f64,
    /// That part of it for which a connection was free: the generator's own lateness.
    pub generator_lag_ns_p99: f64,
    /// From sending to the last byte.
    pub service_time_ns_p99: f64,
    /// Windows.
    #[serde(default)]
    pub windows: u64,
    /// Those of them that hold a stall of the machine: the generator itself was once more than 5 ms
    /// late.
    #[serde(default)]
    pub windows_stalled: u64,
}

/// What searches for the highest rate within a limit came to. Where each arm's lies is a metric of
/// the cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SearchAnalysis {
    /// The limit, in words: `p99 at most 5.00 ms`.
    pub limit: String,
    /// The arms.
    pub arms: Vec<SearchArm>,
}

/// What searches for the smallest memory limit that holds a rate came to. Where each arm's lies is
/// a metric of the cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MemorySearchAnalysis {
    /// The smallest limit that is tried.
    pub least_bytes: u64,
    /// The largest.
    pub most_bytes: u64,
    /// The arms.
    pub arms: Vec<MemorySearchArm>,
}

/// The searches of an arm for its smallest memory limit, over all blocks that count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MemorySearchArm {
    /// Those that found a limit that held and one that failed.
    pub found: u32,
    /// Probes, in all of them.
    pub probes: u64,
    /// Processes that the kernel killed for want of memory, in all of them.
    pub oom_kills: u64,
    /// The smallest limit that held: the median over blocks.
    pub held_bytes: Option<f64>,
    /// The largest limit that failed: the median over blocks.
    pub failed_bytes: Option<f64>,
}

/// What the seconds of long windows were like, in which each arm ran alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LongAnalysis {
    /// The length of a window in seconds.
    pub window_s: u32,
    /// For how many seconds nothing was sent behind it; absent: the block was over.
    pub rest_s: Option<u32>,
    /// The arms.
    pub arms: Vec<LongArm>,
}

/// The seconds of an arm: the first value of each list is of the beginning of its window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LongArm {
    /// Resident set at the beginning of each second, the rest included: medians over blocks.
    pub rss_bytes: Vec<f64>,
    /// The 99th percentile of response time of each second: medians over blocks. Empty for a closed
    /// loop.
    pub latency_ns_p99: Vec<f64>,
    /// The blocks that count.
    pub blocks: Vec<LongBlock>,
}

/// The same of one block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LongBlock {
    /// Its index.
    pub block: u32,
    /// As [`LongArm::rss_bytes`].
    pub rss_bytes: Vec<u64>,
    /// As [`LongArm::latency_ns_p99`].
    pub latency_ns_p99: Vec<u64>,
}

/// The searches of an arm, over all blocks that count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SearchArm {
    /// Those that found a rate that held and one that failed.
    pub found: u32,
    /// Probes, in all of them.
    pub probes: u64,
    /// The highest rate that held: the median over blocks.
    pub held_per_second: Option<f64>,
    /// The lowest rate that failed: the median over blocks.
    pub failed_per_second: Option<f64>,
    /// How late the generator itself sent requests at that rate (99 %): the median over blocks.
    pub generator_lag_ns_p99: Option<f64>,
    /// What was found over the rate that holds every second time, by the law of chance that fits
    /// all probes best; absent with few of them.
    pub lift: Option<f64>,
}
