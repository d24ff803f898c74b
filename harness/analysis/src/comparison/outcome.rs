//! What all verdicts together say.

use super::result::{CheckedBudget, ComparedCell, Outcome, State};
use crate::gate::GateVerdict;
use crate::summary::{CellFailure, Warning};
use duet_model::record::{Experiment, Question, Run, Side, Stage};
use duet_model::spec::{CellId, Waiver};
use duet_units::Metric;

/// The gravest of all that came out. A failed server comes first: what was measured beside it may
/// not be what was meant. Then what could not be measured, then what is worse, then doubt.
pub(super) fn outcome(
    experiment: &Experiment,
    cells: &[ComparedCell],
    budgets: &[CheckedBudget],
    failures: &[CellFailure],
) -> Outcome {
    let any = |state: &dyn Fn(&State) -> bool| cells.iter().any(|cell| state(&cell.state));
    let gated = || cells.iter().flat_map(|cell| &cell.metrics).filter_map(|m| m.gated.as_ref());
    let judged = |verdict| gated().any(|gated| gated.judgement.verdict == verdict);
    if !failures.is_empty() && failures.iter().all(|f| f.side == Some(Side::Base)) {
        return Outcome::BaseFailed;
    }
    if !failures.is_empty() || any(&|state| *state == State::Failed) {
        return Outcome::Failed;
    }
    if matches!(experiment.question, Question::Compare | Question::Null) {
        // Whoever asks what changed learns it of the cells that were measured.
        let nothing = !any(&|state| matches!(state, State::Measured | State::Identical));
        return if nothing { Outcome::Unmeasured } else { Outcome::Compared };
    }
    // A gate lets nothing in of which it has not seen all.
    if any(&|state| matches!(state, State::Unmeasured(_))) || cells.is_empty() {
        return Outcome::Unmeasured;
    }
    let missing = any(&|state| *state == State::Missing);
    if judged(GateVerdict::Regressed) || missing || budgets.iter().any(|b| b.kept == Some(false)) {
        return Outcome::Regressed;
    }
    // Nothing passes of which something was not judged, or nothing at all.
    let nothing =
        any(&|state| *state == State::Measured) && gated().next().is_none() && budgets.is_empty();
    let compared = any(&|state| matches!(state, State::Measured | State::Identical));
    let changed = any(&|state| *state == State::Changed);
    let unjudged =
        nothing || changed || !compared || cells.iter().any(|cell| !cell.unjudged.is_empty());
    if judged(GateVerdict::Inconclusive) || unjudged || budgets.iter().any(|b| b.kept.is_none()) {
        return Outcome::Inconclusive;
    }
    Outcome::Pass
}

/// Of which version a server or set is that failed; absent where both are the same, or no server
/// is to blame, as where two programs disagree.
pub(super) fn side(run: &Run, failed: &CellFailure) -> Option<Side> {
    let name = failed.failure.server.as_ref().filter(|_| failed.failure.stage != Stage::Agree)?;
    let arms = run.header.spec.matchups.iter().map(|matchup| &matchup.arms[..]);
    let mut sides = arms.filter_map(|arms| match arms {
        [base, head] if base != head && base == name => Some(Side::Base),
        [base, head] if base != head && head == name => Some(Side::Head),
        _ => None,
    });
    sides.next()
}

/// The waiver that holds for a metric of a cell. `today` begins with the day, `2027-01-31`.
pub(super) fn waiver<'a>(
    experiment: &'a Experiment,
    today: &str,
    cell: &CellId,
    metric: Metric,
) -> Option<&'a Waiver> {
    experiment.gate.iter().flat_map(|gate| &gate.waivers).find(|waiver| {
        waiver.server == cell.matchup
            && waiver.workload.as_ref().is_none_or(|workload| *workload == cell.workload)
            && waiver.metric == metric
            && holds(waiver, today)
    })
}

/// Whether a waiver still holds. Days in this form are in order as texts are; on its last day,
/// `today` goes on with the time.
fn holds(waiver: &Waiver, today: &str) -> bool {
    today.starts_with(&waiver.expires) || *today < *waiver.expires
}

/// Warnings about waivers that have expired.
pub(super) fn of_waivers(experiment: &Experiment, today: &str) -> Vec<Warning> {
    let waivers = experiment.gate.iter().flat_map(|gate| &gate.waivers);
    let expired = waivers.filter(|waiver| !holds(waiver, today));
    let warning = |waiver: &Waiver| Warning {
        code: "expired_waiver".to_owned(),
        message: format!(
            "the waiver of {} {} ({}) expired on {}",
            waiver.server,
            waiver.metric.label(),
            waiver.reason,
            waiver.expires
        ),
        hint: Some("remove it, or give it another day and say why".to_owned()),
    };
    expired.map(warning).collect()
}

/// Says what the base's branch has beyond the commit that is compared.
pub(super) fn of_commits_beyond(experiment: &Experiment) -> Option<Warning> {
    let beyond = experiment.base.commits_beyond.filter(|beyond| *beyond > 0)?;
    Some(Warning {
        code: "commits_beyond".to_owned(),
        message: format!(
            "the base is the latest commit that head and {} have in common; {} beyond it {} not \
             compared",
            experiment.base.given,
            duet_units::count(beyond as usize, "commit"),
            if beyond == 1 { "is" } else { "are" },
        ),
        hint: None,
    })
}

/// That an earlier attempt at a verdict on the same pair is known of and its record is not at hand.
pub(super) fn of_attempt(experiment: &Experiment) -> Option<Warning> {
    let attempt = experiment.attempt.filter(|attempt| *attempt > 1)?;
    let alpha: f64 = experiment.looks().iter().map(|look| look.alpha).sum();
    let whole = experiment.gate.as_ref().map_or(0.0, |gate| gate.alpha);
    Some(Warning {
        code: "attempt".to_owned(),
        message: format!(
            "attempt {attempt} at a verdict on this pair, without the record of an earlier one: \
             its looks spend {alpha:.2e} of alpha = {whole}, so that attempts add up to less than \
             1.4 alpha",
        ),
        hint: Some(
            "keep the folder duet/gates of the user's cache between runs: a pair whose record is \
             there is continued"
                .to_owned(),
        ),
    })
}
