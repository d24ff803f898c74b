//! What goes into the judgement of a metric, and what comes out: plain data.

use serde::{Deserialize, Serialize};

use super::floor::Floor;
use duet_model::spec::Look;
use duet_stats::Interval;
use duet_units::percent;

/// The looks of a gate that says nothing else. They spend .05 together.
pub const LOOKS: [Look; 4] = [
    Look { blocks: 8, alpha: 0.005 },
    Look { blocks: 12, alpha: 0.010 },
    Look { blocks: 16, alpha: 0.015 },
    Look { blocks: 24, alpha: 0.020 },
];

/// What is known of one gated metric of one cell.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// The log ratios of the blocks that count, in the order of blocks.
    pub log_ratios: &'a [f64],
    /// How much worse is still accepted, as a share: 0.03 is 3 %.
    pub margin: f64,
    /// What null experiments said of this machine, cell and metric. Absent: not known, and the
    /// margin alone is the bar.
    pub floor: Option<Floor>,
}

/// What a gate says of one metric, or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum GateVerdict {
    /// Surely not worse than the margin allows.
    Pass,
    /// Surely worse than the margin allows, and than this machine's noise could feign.
    Regressed,
    /// Neither is sure.
    Inconclusive,
}

/// What a PASS was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PassLabel {
    /// The interval lies below the noise floor: better.
    Improved,
    /// The interval lies within the margin on both sides.
    Same,
    /// The interval lies above the noise floor: worse, but within the margin.
    SmallRegression,
    /// None of these: it may be better by more than the margin, or be the same.
    NotWorse,
}

/// A gated metric judged. Changes are logarithms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Judgement {
    /// The verdict.
    pub verdict: GateVerdict,
    /// What a PASS was.
    pub label: Option<PassLabel>,
    /// Why the verdict is INCONCLUSIVE, and what would decide.
    pub reason: Option<String>,
    /// Blocks that count.
    pub blocks: u32,
    /// The look that decided, else the last one that was made; absent before the first.
    pub look: Option<Look>,
    /// The change, estimated from all blocks.
    pub estimate: Option<f64>,
    /// Its two-sided interval, of 95 % or a little more, not widened for looks.
    pub interval: Option<Interval>,
    /// Standard deviation between blocks.
    pub spread: Option<f64>,
    /// The one-sided bound at the look, corrected for the family. Above the fail bar: REGRESSED.
    pub lower: Option<f64>,
    /// The one-sided bound at the look. Below the margin: PASS.
    pub upper: Option<f64>,
    /// The margin: ln of 1 and the accepted share.
    pub margin: f64,
    /// The noise floor; absent where too few null experiments were made.
    pub floor: Option<Floor>,
    /// What must be exceeded for REGRESSED: the margin and the noise floor on top of it.
    pub fail_bar: f64,
    /// p value of "not worse than the fail bar" at the look.
    pub p_regressed: Option<f64>,
    /// The same by Holm over the family; REGRESSED where it is within the look's level.
    pub p_regressed_holm: Option<f64>,
    /// p value of "worse than the margin, or just as much" at the look; PASS where it is within
    /// the look's level. Needs no correction, since all metrics must pass.
    pub p_pass: Option<f64>,
    /// The smallest change that so many blocks with this spread show with 80 % power in a single
    /// test at 5 % against the fail bar.
    pub smallest_detectable: Option<f64>,
    /// Blocks that would probably decide, if estimate and spread stay as they are; absent where the
    /// verdict is clear or no sensible number would decide.
    pub blocks_needed: Option<u32>,
}

/// A change in words: `3.0 % worse`, `0.4 % better`, `no change` where it rounds to none.
pub(super) fn worse(change: f64) -> String {
    match change.exp_m1() {
        share if share.abs() < 0.0005 => "no change".to_owned(),
        share if share < 0.0 => format!("{} better", percent(-share)),
        share => format!("{} worse", percent(share)),
    }
}
