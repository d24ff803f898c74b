//! Estimates in, verdicts out.

use serde::{Deserialize, Serialize};

/// What a ratio lets us say of the second arm against the first. `Faster` is "better" and `Slower` is "worse"
/// for metrics that are not speeds; reports choose the word by metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The whole interval lies below the tie band: the second arm is better.
    Faster,
    /// The whole interval lies above the tie band: the second arm is worse.
    Slower,
    /// The whole interval lies within the tie band.
    Tie,
    /// Anything else.
    Inconclusive,
}
