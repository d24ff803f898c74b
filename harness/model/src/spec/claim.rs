//! Claims that others published, and what of our measurements tests each: plain data.

use serde::{Deserialize, Serialize};

use duet_units::Metric;

/// A sentence that others published about the languages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Its name, unique among claims.
    pub name: String,
    /// The claim, in our words.
    pub claim: String,
    /// Who published it where.
    pub source: String,
    /// When: `2020`, `2025-04` or `2020-07-17`.
    pub date: String,
    /// What may be said of it.
    pub kind: ClaimKind,
    /// What kind of evidence the source is, and what must be known beside the figures.
    pub remark: String,
    /// What tests it. Empty: nothing does yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<ClaimTest>,
    /// What would have to be measured as well; always there where nothing tests it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

/// What may be said of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ClaimKind {
    /// Measurements can say whether it holds.
    Measured,
    /// It is a matter of taste, or its sides do unequal work: figures, and no verdict.
    Figures,
    /// It is often cited and says nothing about the two languages.
    Unrelated,
}

/// Matchups, what of them is looked at, and what counts as agreeing with the claim.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClaimTest {
    /// The matchups, in each of which one arm is in the language `ahead` and the other is not.
    pub matchups: Vec<String>,
    /// Only these workloads, or problems; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workloads: Vec<String>,
    /// Only under these loads, or at these sizes; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loads: Vec<String>,
    /// The metrics.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
    /// Counts and sizes that have no interval: they are shown and never judged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<ClaimFigure>,
    /// The language that does better if the claim is right.
    pub ahead: String,
    /// Whether a matchup is judged as a whole: its mean must agree, and most of its cells, told
    /// apart. Else every cell is judged by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub majority: bool,
    /// How many times better at least, if the claim is right; absent: any difference told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// How many times better at most, the strictest first; the claim then does not ask who is
    /// better. More than one where the source gives no number: within the first the claim agrees,
    /// within a later one in part. Empty: no upper limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub at_most: Vec<f64>,
}

/// What is counted once and so has no interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ClaimFigure {
    /// Of programs: the size of the source without comments and repeated white space, after gzip.
    GzBytes,
    /// The size of the binary as it is built.
    BinaryBytes,
    /// Of servers: how long a clean build took, once.
    CleanBuildNs,
}

impl ClaimKind {
    /// All of them, with the words for them in definitions.
    pub const ALL: [(Self, &str); 3] =
        [(Self::Measured, "measured"), (Self::Figures, "figures"), (Self::Unrelated, "unrelated")];
}

impl ClaimFigure {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::GzBytes, Self::BinaryBytes, Self::CleanBuildNs];

    /// Its name in definitions and summaries.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GzBytes => "gz_bytes",
            Self::BinaryBytes => "binary_bytes",
            Self::CleanBuildNs => "clean_build_ns",
        }
    }

    /// Its name for people.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::GzBytes => "source, compressed",
            Self::BinaryBytes => "binary",
            Self::CleanBuildNs => "clean build",
        }
    }

    /// Whether it is known of programs, or of servers.
    #[must_use]
    pub fn is_of(self, programs: bool) -> bool {
        match self {
            Self::GzBytes => programs,
            Self::BinaryBytes => true,
            Self::CleanBuildNs => !programs,
        }
    }

    /// A value with its unit, for people.
    #[must_use]
    pub fn format(self, value: f64) -> String {
        match self {
            Self::GzBytes | Self::BinaryBytes => duet_units::bytes(value),
            Self::CleanBuildNs => duet_units::nanoseconds(value),
        }
    }
}
