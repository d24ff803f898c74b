//! Published figures, and what became of them.

use serde::{Deserialize, Serialize};

use super::metric::Estimate;
use duet_model::spec::CellId;

/// Published figures and what became of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PublishedAnalysis {
    /// When they were published.
    pub date: String,
    /// Versions and machine.
    pub about: String,
    /// The languages compared; ratios say how many times worse the second is.
    pub languages: [String; 2],
    /// A row per problem that this run measured too.
    pub rows: Vec<PublishedComparison>,
    /// The geometric mean of these rows' ratios.
    pub mean: f64,
    /// The means of this run's matchups in these languages, each over those of its programs that a
    /// mean may be over.
    pub today: Vec<MeanToday>,
}

/// A matchup's geometric mean of elapsed times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MeanToday {
    /// The matchup.
    pub matchup: String,
    /// Programs in it.
    pub cells: u32,
    /// The mean, in the order of the published languages.
    pub ratio: Estimate,
}

/// A published row and the cells of this run that correspond to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PublishedComparison {
    /// The problem.
    pub problem: String,
    /// The published seconds, by language.
    pub secs: [f64; 2],
    /// Their ratio.
    pub ratio: f64,
    /// The ratio of peak memory.
    pub memory_ratio: Option<f64>,
    /// The ratio of source sizes.
    pub gz_ratio: Option<f64>,
    /// The published seconds for which the cores were busy, by language.
    pub busy_secs: Option<[f64; 2]>,
    /// How busy each core was, in per cent, by language.
    pub cpu_load: Option<[String; 2]>,
    /// The ratio of the fastest programs without intrinsics, `unsafe` and C libraries.
    pub plain_ratio: Option<f64>,
    /// The article's figure that shows the row, if one does.
    pub figure: Option<String>,
    /// What the fastest programs owe their speed to.
    pub note: Option<String>,
    /// This run's cells.
    pub today: Vec<Today>,
}

/// A cell beside a published row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Today {
    /// The cell.
    pub cell: CellId,
    /// The ratio of elapsed times, in the order of the published languages.
    pub ratio: Estimate,
    /// The ratio of peak memory.
    pub memory_ratio: Option<Estimate>,
    /// What became of the published gap in time.
    pub standing: Standing,
    /// The cell's CPU seconds, in the order of the published languages.
    pub cpu_secs: Option<[f64; 2]>,
    /// The busy share of each CPU, in that order.
    pub cpu_load: [Vec<f64>; 2],
}

/// What became of a published gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The same language is ahead, by at least half of the published gap (in logarithms).
    Stands,
    /// The same language is ahead, by less.
    Shrunk,
    /// They are equal now.
    Gone,
    /// The other language is ahead.
    Reversed,
    /// This run does not say.
    Unclear,
}
