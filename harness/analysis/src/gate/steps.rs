//! Whether to measure on: what is decided, what still can be, and what would decide the rest.

use serde::{Deserialize, Serialize};

use super::judgement::{GateVerdict, Judgement, worse};
use crate::verdict::{BLOCKS_MIN, BLOCKS_PROPOSED_MAX};
use duet_model::spec::Look;
use duet_stats::{POWER, blocks_for, one_sided_rank};
use duet_units::{count, percent};

/// What to do after some blocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Stop: everything is decided, or one regression is, which is enough to fail.
    Decided,
    /// Measure until every undecided metric has so many blocks that count: the next look that
    /// may well decide something.
    GoOn {
        /// Blocks at that look.
        until_blocks: u32,
    },
    /// Stop: no look that is left is likely to decide anything.
    Futile {
        /// Why, for people.
        reason: String,
        /// Blocks that would decide the hardest of the undecided metrics; absent where no sensible
        /// number would.
        projected_blocks: Option<u32>,
    },
}

/// Checks looks against the level that they may spend together.
///
/// # Errors
/// What is wrong with them.
pub fn check_looks(looks: &[Look], alpha: f64) -> Result<(), String> {
    let spent: f64 = looks.iter().map(|look| look.alpha).sum();
    if looks.is_empty() {
        return Err("there are no looks".to_owned());
    }
    if looks.windows(2).any(|pair| pair[0].blocks >= pair[1].blocks) {
        return Err("each look needs more blocks than the one before".to_owned());
    }
    if let Some(look) = looks.iter().find(|look| look.blocks < BLOCKS_MIN) {
        return Err(format!("a look after {}: no verdict below {BLOCKS_MIN}", blocks(look.blocks)));
    }
    if let Some(look) = looks.iter().find(|look| !(look.alpha > 0.0 && look.alpha < 0.5)) {
        return Err(format!(
            "a look spends {}: it must spend more than 0, less than .5",
            look.alpha
        ));
    }
    // Sums of decimal fractions are off by some 1e-17.
    if spent > alpha + 1e-9 {
        return Err(format!("the looks spend {spent:.4} of a level of {alpha}"));
    }
    Ok(())
}

/// What to do now. Stopping for futility cannot raise the chance of a false verdict: it only
/// forgoes looks.
#[must_use]
pub fn next_step(judgements: &[Judgement], looks: &[Look]) -> Step {
    let undecided: Vec<&Judgement> =
        judgements.iter().filter(|j| j.verdict == GateVerdict::Inconclusive).collect();
    if undecided.is_empty() || judgements.iter().any(|j| j.verdict == GateVerdict::Regressed) {
        return Step::Decided;
    }
    let may = |look: &&Look| undecided.iter().any(|j| may_decide(j, **look, judgements.len()));
    if let Some(look) = looks.iter().find(may) {
        return Step::GoOn { until_blocks: look.blocks };
    }
    let worst = undecided.iter().max_by_key(|j| j.blocks_needed.unwrap_or(u32::MAX));
    let reason = worst.and_then(|j| j.reason.clone()).unwrap_or_default();
    Step::Futile { reason, projected_blocks: worst.and_then(|j| j.blocks_needed) }
}

/// Fills in, for every undecided metric, what would decide it and the reason in words.
pub(super) fn explain(judgements: &mut [Judgement], looks: &[Look]) {
    let regressed = |j: &&Judgement| j.verdict == GateVerdict::Regressed;
    let family = judgements.len() - judgements.iter().filter(regressed).count();
    for judgement in judgements.iter_mut().filter(|j| j.verdict == GateVerdict::Inconclusive) {
        judgement.blocks_needed = blocks_needed(judgement, looks, family);
        judgement.reason = Some(reason(judgement, looks, family));
    }
}

/// Whether an undecided metric may well be decided at a look: if the spread stays as it is, and the
/// truth lies one standard error from the estimate, to the good side. To take the estimate itself
/// for the truth would give up after the first look on half of what the last one decides. Where
/// there are too few blocks to tell: whether it can be decided at all.
fn may_decide(judgement: &Judgement, look: Look, family: usize) -> bool {
    if look.blocks <= judgement.blocks {
        return false;
    }
    let Some((estimate, spread)) = projection(judgement) else {
        return can_pass(look) || can_fail(look, family);
    };
    let error = spread / f64::from(judgement.blocks).sqrt();
    // In half of all cases the bound is then beyond the bar.
    let reaches = |distance: f64, alpha: f64| {
        let distance = distance + error;
        distance > 0.0 && blocks_for(distance, spread, alpha, 0.5) <= f64::from(look.blocks)
    };
    can_pass(look) && reaches(judgement.margin - estimate, look.alpha)
        || can_fail(look, family)
            && reaches(estimate - judgement.fail_bar, look.alpha / family as f64)
}

/// Estimate and spread, where there are enough blocks to build on them.
fn projection(judgement: &Judgement) -> Option<(f64, f64)> {
    let enough = judgement.blocks >= BLOCKS_MIN;
    judgement.estimate.zip(judgement.spread).filter(|_| enough)
}

/// Whether a regression of one among `family` can be shown at a look.
fn can_fail(look: Look, family: usize) -> bool {
    one_sided_rank(look.blocks as usize, look.alpha / family as f64).is_some()
}

fn can_pass(look: Look) -> bool {
    one_sided_rank(look.blocks as usize, look.alpha).is_some()
}

/// Blocks that would decide with 80 % power at the level of the last look; a look's number of
/// blocks where one has as many.
fn blocks_needed(judgement: &Judgement, looks: &[Look], family: usize) -> Option<u32> {
    let (estimate, spread) = projection(judgement)?;
    let last = looks.last()?;
    let needed = if estimate < judgement.margin {
        blocks_for(judgement.margin - estimate, spread, last.alpha, POWER)
    } else if estimate > judgement.fail_bar {
        let alpha = last.alpha / family as f64;
        let fewest = (1.0 / alpha).log2();
        blocks_for(estimate - judgement.fail_bar, spread, alpha, POWER).max(fewest)
    } else {
        return None;
    };
    if needed > BLOCKS_PROPOSED_MAX {
        return None;
    }
    let needed = (needed.ceil() as u32).max(judgement.blocks + 1);
    Some(looks.iter().map(|look| look.blocks).find(|&n| n >= needed).unwrap_or(needed))
}

fn reason(judgement: &Judgement, looks: &[Look], family: usize) -> String {
    let Some(estimate) = judgement.estimate else {
        return "no block counts".to_owned();
    };
    let Some(look) = judgement.look else {
        let first = looks.first().map_or(BLOCKS_MIN, |look| look.blocks);
        return format!("{}: the first look comes after {first}", blocks(judgement.blocks));
    };
    let (margin, bar) = (judgement.margin.exp_m1(), judgement.fail_bar.exp_m1());
    let (margin, bar) = (percent(margin), percent(bar));
    let by_floor = judgement.fail_bar > judgement.margin;
    let found = worse(estimate);
    let outcome = if estimate < judgement.margin {
        let bound = judgement.upper.map_or_else(|| "anything".to_owned(), worse);
        format!("{found} is within the margin of {margin}, but it could be {bound}")
    } else if by_floor && estimate <= judgement.fail_bar {
        return format!(
            "{found} is beyond the margin of {margin}, but not beyond {bar}, which is margin and \
             noise floor: no number of blocks decides, a quieter machine would"
        );
    } else {
        let name = if by_floor { "margin and noise floor" } else { "margin" };
        match judgement.lower {
            Some(low) => {
                format!("{found} is beyond the {name} of {bar}, but it could be {}", worse(low))
            }
            None => format!(
                "{found} is beyond the {name} of {bar}, but {} cannot show it of one among {}",
                blocks(look.blocks),
                count(family, "metric")
            ),
        }
    };
    match judgement.blocks_needed {
        Some(needed) => format!("{outcome}; about {needed} blocks would decide"),
        None => format!("{outcome}; no sensible number of blocks would decide"),
    }
}

fn blocks(n: u32) -> String {
    count(n as usize, "block")
}
