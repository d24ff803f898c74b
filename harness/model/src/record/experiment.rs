//! What the header says of a comparison of two versions.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::spec::{CellId, Gate, Look};
use duet_units::Metric;

/// Two versions, and the question about them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// The question.
    pub question: Question,
    /// The old version, or the first server.
    pub base: Version,
    /// The new version, or the second server.
    pub head: Version,
    /// The policy, where it is a gate.
    pub gate: Option<Gate>,
    /// The noise floors that were known when the experiment began.
    pub floors: Vec<NoiseFloor>,
    /// Cells that only one version has.
    pub absent: Vec<Absence>,
    /// Cells whose definitions differ between the versions, which are not compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<CellId>,
    /// How the versions' policies differ, a sentence each, with what holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policy_differences: Vec<String>,
    /// Which attempt at a verdict on this pair of versions it is, from 1 on, where it is a gate. An
    /// attempt is an experiment that does not go on with the blocks of an earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
}

impl Experiment {
    /// A question about two versions that have all cells in common, and no policy.
    #[must_use]
    pub fn of(question: Question, base: Version, head: Version) -> Self {
        Self {
            question,
            base,
            head,
            gate: None,
            floors: vec![],
            absent: vec![],
            changed: vec![],
            policy_differences: vec![],
            attempt: None,
        }
    }

    /// The policy's looks, each with the part of alpha that this attempt spends: the first attempt
    /// all of it, attempt j of 2 and more the share 6/(pi j)^2. The shares of 1/j^2 add up to
    /// pi^2/6, so all attempts together spend less than 1.4 alpha, however many there are (the
    /// union bound).
    #[must_use]
    pub fn looks(&self) -> Vec<Look> {
        let share = match self.attempt.map_or(1.0, f64::from) {
            attempt if attempt > 1.0 => 6.0 / (std::f64::consts::PI * attempt).powi(2),
            _ => 1.0,
        };
        let looks = self.gate.iter().flat_map(|gate| &gate.looks);
        looks.map(|look| Look { alpha: look.alpha * share, ..*look }).collect()
    }
}

/// The question about two versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// How they compare.
    Compare,
    /// Whether the head may be let in.
    Gate,
    /// The same, of what an earlier experiment called a regression.
    Confirm,
    /// How much one version differs from itself: the noise floor.
    Null,
}

/// One of two versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The old one.
    Base,
    /// The new one.
    Head,
}

/// A version of servers and programs, or one server or set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// As it was given: `git:origin/main`.
    pub given: String,
    /// What reports call it: `3f2c1ab`.
    pub label: String,
    /// Its commit, where it comes from a git repository.
    pub commit: Option<String>,
    /// Whether its folder had uncommitted changes.
    pub dirty: bool,
    /// The SHA-256, in hexadecimal digits, of all its files, with what the definitions carry along:
    /// versions that have it in common are the same. Absent of servers where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree_sha256: Option<String>,
    /// Where it is the merge base of two commits: how many commits the one that was given has
    /// beyond it, which are not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commits_beyond: Option<u32>,
}

impl fmt::Display for Version {
    /// `git:main (3f2c1ab)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.given)?;
        match self.label.is_empty() || self.given.ends_with(&self.label) {
            true => Ok(()),
            false => write!(f, " ({})", self.label),
        }
    }
}

/// What one cell and metric show between equal arms on this machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NoiseFloor {
    /// The cell; its matchup is the server or set.
    pub cell: CellId,
    /// The metric.
    pub metric: Metric,
    /// The estimates of the null experiments: ln of the ratio.
    pub estimates: Vec<f64>,
    /// The standard error of each estimate, from the spread of its blocks. Records of before 0.2
    /// have none, and no floor follows from those.
    #[serde(default)]
    pub standard_errors: Vec<f64>,
}

/// A cell of which one version lacks the server or program, or its workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Absence {
    /// The cell; its matchup is the server or set.
    pub cell: CellId,
    /// Whether it is the head that lacks it; otherwise it is the base.
    pub in_head: bool,
}
