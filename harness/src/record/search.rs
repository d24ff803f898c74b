//! What a search for the highest rate within a limit of latency found, and its probes.

use serde::{Deserialize, Serialize};

/// Where an arm's highest rate within the limit lies, in requests per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchRecord {
    /// The highest rate that held; absent where none did.
    pub held_per_second: Option<u64>,
    /// The lowest rate that failed twice, above the one that held; absent where none did.
    pub failed_per_second: Option<u64>,
    /// Why the search was over.
    pub end: SearchEnd,
}

/// Why a search was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchEnd {
    /// The two rates are near enough to each other.
    Narrow,
    /// The highest rate that is tried held.
    AllHeld,
    /// The lowest rate that is tried failed.
    NoneHeld,
    /// There were as many probes as there may be.
    OutOfProbes,
    /// They took as long as they may.
    OutOfTime,
}

/// A window that tried a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeRecord {
    /// The rate, in requests per second.
    pub rate_per_second: u64,
    /// For how long requests were planned.
    pub planned_ns: u64,
    /// Whether the rate held: so many of the planned requests as the limit's quantile says were
    /// answered rightly within its time, and nearly all within the planned time.
    pub held: bool,
}
