//! The ledger: claims of others, and what was measured of them.

use serde::{Deserialize, Serialize};

use super::metric::Estimate;
use duet_model::spec::{CellId, ClaimFigure, ClaimKind};
use duet_units::Metric;

/// A claim that others published, and what was measured of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClaimAnalysis {
    /// Its name.
    pub name: String,
    /// The claim.
    pub claim: String,
    /// Who published it where.
    pub source: String,
    /// When.
    pub date: String,
    /// What may be said of it.
    pub kind: ClaimKind,
    /// What kind of evidence the source is, and what must be known beside the figures.
    pub remark: String,
    /// What would have to be measured as well.
    pub missing: Option<String>,
    /// What the lines let us say.
    pub verdict: ClaimVerdict,
    /// What was measured of it, in the order of its tests. A ratio says how many times worse the
    /// arm is that the claim does not put ahead: above one agrees with the claim.
    pub lines: Vec<ClaimLine>,
    /// What differs in the work of the arms, where it does.
    pub differs: Vec<String>,
    /// The folder of the run that the lines are of, in a ledger of runs; absent in a run's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

/// What is said of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ClaimVerdict {
    /// Every line that is judged agrees.
    Holds,
    /// Some lines agree, or agree in part.
    HoldsInPart,
    /// No line agrees, and at least one disagrees.
    DoesNotHold,
    /// No line is told apart.
    Inconclusive,
    /// There are figures, and the claim is not judged or they have no interval.
    FiguresOnly,
    /// There is a test, and this run measured nothing of it.
    NotMeasured,
    /// Nothing tests it yet.
    Untested,
    /// It says nothing about the languages.
    Unrelated,
}

/// A line that bears on a claim.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClaimLine {
    /// The matchup.
    pub matchup: String,
    /// The cell; absent where the line is of the matchup as a whole.
    pub cell: Option<CellId>,
    /// Cells that it is a geometric mean of; absent where it is none.
    pub mean_of: Option<ClaimCells>,
    /// What was measured.
    pub quantity: ClaimQuantity,
    /// The arms by their languages: the one that the claim puts ahead, and the other.
    pub languages: [String; 2],
    /// Their values in that order, in the quantity's unit; absent for means.
    pub values: Option<[f64; 2]>,
    /// Of memory: by how many bytes the second value is larger, for means the median over cells.
    pub difference_bytes: Option<f64>,
    /// How many times worse the second of `languages` is. Figures have no interval.
    pub ratio: Estimate,
    /// The limits that it is held against, where the claim has some.
    pub limits: Vec<f64>,
    /// Whether it agrees with the claim.
    pub standing: ClaimStanding,
}

/// The cells of a mean: how many there are, and of how many each arm was told to be better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClaimCells {
    /// How many there are.
    pub cells: u32,
    /// Those in which the arm is better that the claim puts ahead; of figures, smaller.
    pub ahead: u32,
    /// Those in which the other is.
    pub behind: u32,
}

/// What a line is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ClaimQuantity {
    /// A metric.
    Metric(Metric),
    /// A figure without an interval.
    Figure(ClaimFigure),
}

/// Whether a line agrees with a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ClaimStanding {
    /// It agrees.
    Agrees,
    /// The direction agrees and not the size, the mean and not most of its cells, or the reverse.
    InPart,
    /// It disagrees; a tie disagrees with a difference.
    Disagrees,
    /// It does not say.
    Unclear,
    /// It is shown and not judged.
    Shown,
}
