//! Estimates: of a metric, and of a ratio.

use serde::{Deserialize, Serialize};

use crate::verdict::Verdict;
use duet_stats::Interval;
use duet_units::Metric;

/// A value, its interval, its n.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// Its interval, of 95 % or a little more; absent below n = 6.
    pub interval: Option<Interval>,
    /// Blocks behind it.
    pub n: u32,
}

/// A metric of a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MetricAnalysis {
    /// Which.
    pub metric: Metric,
    /// The arms' values, in the metric's unit.
    pub arms: Vec<Estimate>,
    /// What those are estimated from: per arm the values of the blocks, in the order of blocks.
    #[serde(default)]
    pub values: Vec<Vec<f64>>,
    /// How many times worse the second arm is than the first: above one, the first arm is better,
    /// whatever the metric's direction. Absent where the cell may not print one.
    pub ratio: Option<Estimate>,
    /// The block log ratios behind the ratio, in the order of blocks: ln of how many times worse.
    /// Empty where there is no ratio.
    pub log_ratios: Vec<f64>,
    /// What the ratio lets us say of the second arm against the first.
    pub verdict: Verdict,
    /// Why the verdict is inconclusive, where it is.
    pub reason: Option<String>,
    /// Whether it is shown and not judged: a quantile with few requests beyond it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub informational: bool,
    /// The two-sided p value of "the ratio lies within the tie band", by the signed-rank test;
    /// absent where nothing is judged.
    #[serde(default)]
    pub p: Option<f64>,
    /// The same, adjusted for all judged lines of the run (Benjamini and Hochberg). A verdict of
    /// better or worse needs 0.05 at most.
    #[serde(default)]
    pub q: Option<f64>,
    /// What stored sessions say of another hour; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub another_hour: Option<AnotherHour>,
}

/// What several sessions of the same experiment on the same machine, this one among them, say of
/// the ratio in another hour.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AnotherHour {
    /// The sessions.
    pub sessions: u32,
    /// Where another hour will lie, with 95 %; absent below five sessions.
    pub next: Option<Interval>,
    /// From the smallest to the largest session, with the probability that another hour lies
    /// within.
    pub seen: Interval,
}
