//! A pool as it is written: `pool.json`.

use serde::{Deserialize, Serialize};

use duet_model::record::{Gauge, GaugeReading};
use duet_model::spec::CellId;
use duet_stats::Interval;
use duet_units::Metric;

/// The version of `pool.json`; raised when a reader of the old format would be wrong.
pub const SCHEMA: &str = "duet.pool/2";

/// The name of the file.
pub const FILE_NAME: &str = "pool.json";

/// Runs that began less than this apart are one session, in seconds: the machine is in one state.
pub const APART_S: u64 = 3600;

/// Fewer blocks make no session.
pub const BLOCKS_MIN: usize = 3;

/// Sessions pooled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Pooled {
    /// [`SCHEMA`].
    pub schema: String,
    /// The machines of the sessions, in the order of their first ones.
    pub machines: Vec<PooledMachine>,
    /// When the first session began, ISO 8601 in UTC.
    pub first: String,
    /// When the last one did.
    pub last: String,
    /// The cells' metrics, those of the newest run first, each of one machine and its hours.
    pub lines: Vec<PooledLine>,
    /// Means over the cells of a matchup, each of one machine and its hours.
    pub means: Vec<PooledMean>,
    /// The cells' metrics over machines, where three or more have the cell.
    pub over_machines: Vec<MachinesLine>,
    /// What was not pooled, and why.
    pub left_out: Vec<LeftOut>,
}

/// A machine. Two are told apart by what they say of themselves: two of one type look like one, and
/// one with another kernel like another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PooledMachine {
    /// The processor's name.
    pub cpu: String,
    /// CPUs that might be used.
    pub cpus: usize,
    /// Installed memory.
    pub memory_bytes: u64,
    /// Kernel name and release.
    pub kernel: String,
    /// The hypervisor, if the processor reports one.
    pub hypervisor: Option<String>,
    /// Runs of it that are pooled.
    pub runs: u32,
}

/// A metric of a cell over sessions of a machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PooledLine {
    /// The cell.
    pub id: CellId,
    /// Its arms.
    pub arms: Vec<String>,
    /// The metric.
    pub metric: Metric,
    /// The machine, an index into [`Pooled::machines`].
    pub machine: usize,
    /// The sessions, oldest first.
    pub sessions: Vec<Session>,
    /// How many times worse the second arm is, over hours; absent below two sessions.
    pub mean: Option<f64>,
    /// Where the mean over hours lies, with 95 %; absent below five sessions.
    pub interval: Option<Interval>,
    /// Where another hour will lie, with 95 %; absent below five sessions.
    pub next: Option<Interval>,
    /// From the smallest to the largest session, with the probability that another hour lies
    /// within; absent below two sessions.
    pub range: Option<Interval>,
    /// The share of the variance between sessions that their own intervals do not explain.
    pub heterogeneity: Option<f64>,
    /// The standard deviation between sessions, as a logarithm.
    pub spread: Option<f64>,
    /// How the ratio depends on the state of the machine; absent below five sessions with gauges,
    /// and where no gauge predicts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dependence: Option<Dependence>,
    /// What may be said of other hours.
    pub verdict: PoolVerdict,
}

/// A mean over the cells of a matchup, over sessions of a machine in which it is of the same cells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PooledMean {
    /// The matchup.
    pub matchup: String,
    /// Its arms.
    pub arms: Vec<String>,
    /// The metric.
    pub metric: Metric,
    /// The cells.
    pub cells: Vec<CellId>,
    /// The machine, an index into [`Pooled::machines`].
    pub machine: usize,
    /// As of [`PooledLine`].
    pub sessions: Vec<Session>,
    /// As of [`PooledLine`].
    pub mean: Option<f64>,
    /// As of [`PooledLine`].
    pub interval: Option<Interval>,
    /// As of [`PooledLine`].
    pub next: Option<Interval>,
    /// As of [`PooledLine`].
    pub range: Option<Interval>,
    /// As of [`PooledLine`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dependence: Option<Dependence>,
    /// As of [`PooledLine`].
    pub verdict: PoolVerdict,
}

/// How the logarithm of a ratio depends on that of a gauge, over sessions: a line that predicts a
/// session which it has not seen better than the mean of the others does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Dependence {
    /// The gauge that predicts best.
    pub gauge: Gauge,
    /// By how many per cent the ratio grows when the gauge is slower by one per cent, about: the
    /// slope of logarithms.
    pub slope: f64,
    /// Where the slope lies, with 95 %.
    pub slope_interval: Interval,
    /// The ratio with the gauge at the best that it was in a session.
    pub at_rest: f64,
    /// Where that lies, with 95 %.
    pub at_rest_interval: Interval,
    /// How far the line is off a session that it has not seen: the root of the mean square, as a
    /// logarithm.
    pub error: f64,
    /// The same of the mean.
    pub error_of_mean: f64,
    /// The share of permutations of the sessions' ratios in which a gauge predicts as well.
    pub p: f64,
}

/// A metric of a cell over machines: one value each, the mean of its sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MachinesLine {
    /// The cell.
    pub id: CellId,
    /// Its arms.
    pub arms: Vec<String>,
    /// The metric.
    pub metric: Metric,
    /// The machines that have it.
    pub machines: Vec<MachineMean>,
    /// How many times worse the second arm is, over machines.
    pub mean: f64,
    /// Where the mean over machines lies, with 95 %.
    pub interval: Option<Interval>,
    /// Where the mean of another machine will lie, with 95 %.
    pub next: Option<Interval>,
    /// From the smallest to the largest machine, with the probability that another one lies within.
    pub range: Interval,
    /// The standard deviation between machines, as a logarithm.
    pub spread: f64,
    /// What may be said of other machines.
    pub verdict: PoolVerdict,
}

/// What a machine says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MachineMean {
    /// The machine, an index into [`Pooled::machines`].
    pub machine: usize,
    /// Its sessions.
    pub sessions: u32,
    /// How many times worse the second arm is, over them.
    pub ratio: f64,
}

/// What one hour said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// The runs' folders: more than one where they began within an hour.
    pub runs: Vec<String>,
    /// When the first of them began.
    pub started: String,
    /// How many times worse the second arm was.
    pub ratio: f64,
    /// The standard error of its logarithm.
    pub standard_error: Option<f64>,
    /// Blocks behind it.
    pub blocks: u32,
    /// The commit of the first run, with `-dirty` when there were uncommitted changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// What the gauges said, in the median over the runs' blocks; absent of older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gauges: Option<GaugeReading>,
}

/// What sessions say of the second arm against the first in other hours, or machines in other
/// machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PoolVerdict {
    /// Another one will show it better, too.
    BetterInAny,
    /// Another one will show it worse, too.
    WorseInAny,
    /// Better on average; single ones may show otherwise.
    BetterOnAverage,
    /// Worse on average.
    WorseOnAverage,
    /// Neither.
    Depends,
    /// Fewer than five sessions, or three machines.
    NotKnown,
}

/// What was not pooled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// The run's folder.
    pub run: String,
    /// The cell; absent: the whole run.
    pub cell: Option<CellId>,
    /// Why.
    pub reason: String,
}
