//! What is known of a matchup: its cells, and what they say together.

use serde::{Deserialize, Serialize};

use super::cell::CellAnalysis;
use super::metric::{AnotherHour, Estimate, MetricAnalysis};
use crate::verdict::Verdict;
use duet_model::spec::{CellId, Lane};
use duet_units::Metric;

/// A matchup: its cells, and what does not depend on the cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MatchupAnalysis {
    /// Its name.
    pub name: String,
    /// Its lane.
    pub lane: Lane,
    /// The matchup of three arms or more that this is a pair of: its first arm and another, which
    /// were measured in the same blocks as all its other arms. Intervals of all its pairs then
    /// hold together with 95 %, and each alone with more. Absent where two arms were measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pair_of: Option<String>,
    /// Whether both arms are the same server, so that every difference is an error of measurement.
    pub control: bool,
    /// Whether the arms are sets of programs, not servers.
    pub programs: bool,
    /// The arms; the first is the base.
    pub arms: Vec<Arm>,
    /// Its cells.
    pub cells: Vec<CellAnalysis>,
    /// Metrics that belong to a start and not to a load (start-up, idle memory): the mean over
    /// cells of their estimates. `values` and `log_ratios` are of all starts, cell by cell.
    pub starts: Vec<MetricAnalysis>,
    /// Over its cells, per metric: the geometric mean of ratios. Of servers closed loops, and for
    /// CPU per request loops with one fixed rate; of programs each problem at its largest size,
    /// where both programs run for 50 ms and more. Absent with fewer than two such cells.
    pub means: Vec<Mean>,
    /// Latency where each arm is as busy as the other, of workloads with several rate shares.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub equal_utilisation: Vec<EqualUtilisation>,
}

/// The median latency of a workload where each arm is at the same utilisation, read between the
/// loads on both sides of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EqualUtilisation {
    /// The workload.
    pub workload: String,
    /// The busy share of the servers' CPUs: 0 to 1.
    pub utilisation: f64,
    /// By arm.
    pub latency_ns_p50: Vec<Estimate>,
    /// How many times as long the second arm takes.
    pub ratio: Estimate,
}

/// One side of a matchup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Arm {
    /// The server.
    pub server: String,
    /// What reports call it: the server's name, in an A/A matchup with ` (A)` or ` (B)`.
    pub label: String,
    /// Its language.
    pub language: String,
}

/// The geometric mean of ratios over cells of a matchup, with one vote for each kind of work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Mean {
    /// Which metric.
    pub metric: Metric,
    /// The cells in it, at least two.
    pub cells: Vec<MeanCell>,
    /// The kinds of work among them, each of which has one vote.
    pub kinds: u32,
    /// Cells that are not in it.
    pub left_out: Vec<LeftOut>,
    /// How many times worse the second arm is: over kinds the mean of the cells' Hodges-Lehmann
    /// estimates, with an interval by Student's law and Satterthwaite's degrees of freedom. Its n
    /// is the fewest blocks of a cell.
    pub ratio: Estimate,
    /// What it lets us say.
    pub verdict: Verdict,
    /// As of [`MetricAnalysis::p`], by Student's law.
    pub p: Option<f64>,
    /// As of [`MetricAnalysis::q`].
    pub q: Option<f64>,
    /// As of [`MetricAnalysis::another_hour`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub another_hour: Option<AnotherHour>,
}

/// A cell of a mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MeanCell {
    /// Which.
    pub cell: CellId,
    /// Its kind of work: the workload's `kind`, its name where it has none, a problem's name.
    pub kind: String,
    /// Its ratio.
    pub ratio: f64,
}

/// A cell that is not in a mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// Which.
    pub cell: CellId,
    /// Why.
    pub reason: String,
}
