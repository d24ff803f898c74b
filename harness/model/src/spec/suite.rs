//! Matchups, suites and their cells.

use serde::{Deserialize, Serialize};

use super::server::Lane;

/// Below this there is no interval, and so no verdict: the widest exact signed-rank interval of n
/// blocks covers 1 − 2 · (1/2)ⁿ, which is 93.8 % for n = 5 and 96.9 % for n = 6.
pub const DECIDING_BLOCKS: u32 = 6;

/// The most arms of a matchup.
pub const MOST_ARMS: usize = 5;

/// The same as [`DECIDING_BLOCKS`] for a matchup of more than two arms, whose intervals hold for
/// all pairs with its first arm together: with [`MOST_ARMS`] each leaves out a quarter as much.
pub const DECIDING_BLOCKS_OF_SEVERAL: u32 = 8;

/// The most blocks of a cell: up to so many the signed-rank law is computed exactly.
pub const MOST_BLOCKS: u32 = 60;

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
    /// Two servers or two sets, or up to [`MOST_ARMS`] servers, which take turns and are each
    /// compared with the first. Twice the same: an A/A matchup, whose true ratio is one.
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
    /// Whether each side has half of the machine's cores: the numbers are set by the machine when
    /// the suite is chosen, and 1 before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub half: bool,
    /// Blocks per cell.
    pub blocks: u32,
    /// The lead-in of a window, in milliseconds: for how long an arm is driven before the window's
    /// clocks and counts begin. 0 in older records.
    #[serde(default)]
    pub lead_ms: u32,
    /// The shortest window, in milliseconds.
    pub window_ms: u32,
    /// Time in windows per block, over two arms, in milliseconds; of more arms as much more.
    pub measure_ms: u32,
    /// The longest warm-up per block, over two arms, in milliseconds; of more arms as much longer.
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
