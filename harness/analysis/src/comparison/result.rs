//! What a comparison found, as plain data: `comparison.json`.

use serde::{Deserialize, Serialize};

use crate::gate::{Judgement, Look};
use crate::summary::{CellFailure, Estimate, RunSummary, Warning};
use crate::verdict::Verdict;
use duet_model::record::{Question, Version};
use duet_model::spec::{Budget, CellId, Waiver};
use duet_stats::Interval;
use duet_units::Metric;

/// The version of a comparison's JSON; raised when a reader of the old format would be wrong.
pub const SCHEMA: &str = "duet.comparison/1";

/// Two versions compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// [`SCHEMA`].
    pub schema: String,
    /// The question.
    pub question: Question,
    /// What came out.
    pub outcome: Outcome,
    /// The policy's name, where it was a gate.
    pub gate: Option<String>,
    /// The policy's looks.
    pub looks: Vec<Look>,
    /// The old version, or the first server or set.
    pub base: Version,
    /// The new version, or the second server or set.
    pub head: Version,
    /// The cells.
    pub cells: Vec<ComparedCell>,
    /// The limits on the head alone.
    pub budgets: Vec<CheckedBudget>,
    /// Warnings, about the whole and about cells.
    pub warnings: Vec<Warning>,
    /// What failed.
    pub failures: Vec<CellFailure>,
    /// The run behind it.
    pub run: RunSummary,
    /// The run that was to confirm a regression.
    pub confirmation: Option<RunSummary>,
}

/// What came out, the gravest of all that did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    /// A server or program failed: it could not be built, crashed or sent a wrong response.
    Failed,
    /// One of the base did, and none of the head: there is nothing to compare the head with.
    BaseFailed,
    /// Something could not be measured on this machine; of what is no gate, nothing could.
    Unmeasured,
    /// A gated metric is surely worse than its margin, a budget is broken, or something that was
    /// guarded is gone.
    Regressed,
    /// Not sure either way.
    Inconclusive,
    /// Every gated metric is surely within its margin.
    Pass,
    /// The comparison was not a gate.
    Compared,
}

/// A cell of a comparison; its matchup is the server or set, or both names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ComparedCell {
    /// Its name.
    pub id: CellId,
    /// The load for people.
    pub load: String,
    /// Whether it is of programs, not of servers.
    #[serde(default)]
    pub programs: bool,
    /// What became of it.
    pub state: State,
    /// Blocks that count.
    pub blocks: u32,
    /// Its metrics, the gated ones first.
    pub metrics: Vec<ComparedMetric>,
    /// Gated metrics of which there is no ratio, and so no judgement.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unjudged: Vec<Unjudged>,
    /// Share of time stolen from the CPUs of servers or programs by block, beside the log ratios.
    pub stolen_shares: Vec<f64>,
}

/// A gated metric that could not be judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Unjudged {
    /// Which.
    pub metric: Metric,
    /// Why.
    pub reason: String,
}

/// What became of a cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It was measured.
    Measured,
    /// Both versions are the same, so that there is nothing to measure.
    Identical,
    /// The base has it and the head has not.
    Missing,
    /// The head has it and the base has not.
    New,
    /// Each version has another definition of its requests or responses.
    Changed,
    /// A server or program failed.
    Failed,
    /// It could not be measured on this machine, for this reason.
    Unmeasured(String),
}

/// A metric of two versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ComparedMetric {
    /// Which.
    pub metric: Metric,
    /// The base's value, in the metric's unit.
    pub base: Estimate,
    /// The head's value.
    pub head: Estimate,
    /// The estimated change: ln of how many times worse the head is.
    pub estimate: f64,
    /// Its interval, of 95 % or a little more; absent below n = 6.
    pub interval: Option<Interval>,
    /// The log ratios of blocks behind it, in their order.
    pub log_ratios: Vec<f64>,
    /// How estimate and interval grew with the blocks; of the cell's principal metrics alone.
    pub interval_history: Vec<SoFar>,
    /// How it was judged, where it is gated.
    pub gated: Option<Gated>,
    /// Without a margin: what the interval and the tie band let us say of the head.
    pub verdict: Verdict,
    /// Why that verdict is inconclusive.
    pub reason: Option<String>,
    /// The smallest change that so many blocks show with 80 % power, as a logarithm.
    pub smallest_detectable: Option<f64>,
    /// Of a metric that is not gated, in a cell with others that are: its p value as Benjamini and
    /// Hochberg adjust it for being one of all lines of the run. It can warn and nothing else.
    /// Where nothing is gated, `verdict` needs 0.05 at most.
    pub q: Option<f64>,
}

/// What the first blocks of a metric say.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SoFar {
    /// So many of them.
    pub blocks: u32,
    /// The estimate.
    pub estimate: f64,
    /// Its interval.
    pub interval: Interval,
}

/// The judgement of a gated metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Gated {
    /// The verdict, after a confirmation if there was one.
    pub judgement: Judgement,
    /// What the second experiment said.
    pub confirmation: Option<Judgement>,
    /// The waiver whose margin was used.
    pub waiver: Option<Waiver>,
}

/// A limit held against the head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CheckedBudget {
    /// The cell.
    pub cell: CellId,
    /// The limit.
    pub budget: Budget,
    /// What the head has, in the quantity's base unit; absent where it was not measured.
    pub value: Option<f64>,
    /// The end of its 95 % interval that is nearer to keeping the limit, where there is one.
    pub at_best: Option<f64>,
    /// Whether the limit is kept; absent where that is not sure.
    pub kept: Option<bool>,
}

/// Of a cell without gated metrics, so many count as its principal ones.
const PRINCIPAL: usize = 3;

impl ComparedCell {
    /// Its metrics that matter most: the gated ones, else the first three.
    #[must_use]
    pub fn principal(&self) -> &[ComparedMetric] {
        let gated = self.metrics.iter().take_while(|metric| metric.gated.is_some()).count();
        &self.metrics[..if gated == 0 { PRINCIPAL.min(self.metrics.len()) } else { gated }]
    }
}

impl ComparedMetric {
    /// The change for people, as a share: how much worse the head is; below zero it is better.
    #[must_use]
    pub fn change(&self) -> f64 {
        self.estimate.exp_m1()
    }
}
