//! A comparison for machines that guard a build: JUnit, and GitHub's annotations.

use quick_junit::{TestCase, TestCaseStatus, TestSuite};

use super::wording;
use crate::export::junit;
use crate::github::{self, Annotation, Level};
use duet_analysis::comparison::{
    ComparedCell, ComparedMetric, Comparison, GateVerdict, Outcome, State, Version,
};

/// The comparison as JUnit XML: a suite a cell, a case a gated metric. A regression is a failure,
/// inconclusive is skipped, what could not be measured is an error.
#[must_use]
pub fn junit(comparison: &Comparison) -> String {
    junit::junit("duet gate", comparison.cells.iter().map(|cell| suite(comparison, cell)))
}

fn suite(comparison: &Comparison, cell: &ComparedCell) -> TestSuite {
    let class = cell.id.to_string().replace('/', ".");
    let gated: Vec<&ComparedMetric> = cell.metrics.iter().filter(|m| m.gated.is_some()).collect();
    // The time of an experiment belongs to no metric alone: each gets its part.
    let parts = comparison.cells.len().max(1) * gated.len().max(1);
    let seconds = comparison.run.elapsed_ns.unwrap_or(0) as f64 / 1e9 / parts as f64;
    let metric = |metric: &&ComparedMetric| {
        let said = Some(wording::change_words(metric));
        junit::case(&class, metric.metric.name(), seconds, of_metric(metric), said)
    };
    let mut cases: Vec<TestCase> = gated.iter().map(metric).collect();
    cases.extend(cell.unjudged.iter().map(|unjudged| {
        let skipped = junit::skipped(wording::unjudged(unjudged));
        junit::case(&class, unjudged.metric.name(), 0.0, skipped, None)
    }));
    if cases.is_empty() {
        cases.push(junit::case(&class, "measured", 0.0, of_state(cell), None));
    }
    let budgets = comparison.budgets.iter().filter(|budget| budget.cell == cell.id);
    cases.extend(budgets.map(|budget| {
        let (_, message) = wording::budget(budget);
        let status = match budget.kept {
            Some(true) => TestCaseStatus::success(),
            Some(false) => junit::failure("budget", message),
            None => junit::skipped(message),
        };
        junit::case(&class, &budget.budget.text, 0.0, status, None)
    }));
    let version =
        |name, version: &Version| (name, version.commit.as_ref().unwrap_or(&version.given).clone());
    let versions = [version("base", &comparison.base), version("head", &comparison.head)];
    junit::suite(&cell.id.to_string(), &comparison.run.started, versions, cases)
}

fn of_metric(metric: &ComparedMetric) -> TestCaseStatus {
    let Some(gated) = &metric.gated else { return TestCaseStatus::success() };
    let reason = || gated.judgement.reason.clone().unwrap_or_default();
    match gated.judgement.verdict {
        GateVerdict::Pass => TestCaseStatus::success(),
        GateVerdict::Inconclusive => junit::skipped(format!("inconclusive: {}", reason())),
        GateVerdict::Regressed => junit::failure("regression", wording::change_words(metric)),
    }
}

fn of_state(cell: &ComparedCell) -> TestCaseStatus {
    let message = wording::state(cell);
    match cell.state {
        State::Measured | State::Identical | State::New => TestCaseStatus::success(),
        State::Changed => TestCaseStatus::skipped(),
        State::Missing => junit::failure("missing", message),
        State::Failed | State::Unmeasured(_) => junit::error("measurement", message, ""),
    }
}

/// What kept a gate from a verdict, as an annotation for GitHub.
#[must_use]
pub fn error_annotation(message: &str) -> String {
    let (level, title) = (Level::Error, "duet gate".to_owned());
    github::annotations(&[Annotation { level, title, place: None, message: message.to_owned() }])
}

/// What steps of a GitHub workflow may ask of a comparison, as lines `name=value`: the verdict, and
/// whether the estimate of a gated metric lies beyond its margin.
#[must_use]
pub fn github_outputs(comparison: &Comparison) -> String {
    let beyond = wording::gated(comparison).any(|(_, _, gated)| {
        gated.judgement.estimate.is_some_and(|estimate| estimate > gated.judgement.margin)
    });
    // As in comparison.json.
    let outcome = serde_json::to_value(comparison.outcome).unwrap_or_default();
    let outcome = outcome.as_str().unwrap_or_default();
    format!("verdict={outcome}\nbeyond-margin={beyond}\n")
}

/// Lines that GitHub shows beside a change: the verdict, then what regressed, at most ten.
#[must_use]
pub fn annotations(comparison: &Comparison) -> String {
    let level = match comparison.outcome {
        Outcome::Regressed | Outcome::Failed | Outcome::BaseFailed => Level::Error,
        Outcome::Inconclusive | Outcome::Unmeasured => Level::Warning,
        Outcome::Pass | Outcome::Compared => Level::Notice,
    };
    let note = |title: String, message: String| Annotation { level, title, place: None, message };
    let title =
        comparison.gate.as_ref().map_or("duet".to_owned(), |gate| format!("duet gate {gate}"));
    let mut all = vec![note(title, wording::headline(comparison))];
    all.extend(wording::regressed(comparison).map(|(cell, metric, _)| {
        note(
            format!("{} regressed", metric.metric.label()),
            format!("{}: {}", cell.id, wording::change_words(metric)),
        )
    }));
    github::annotations(&all)
}
