//! A comparison for machines that guard a build: JUnit, and GitHub's annotations.

use super::words;
use crate::export::junit::{self, Case, Suite};
use crate::github::{self, Annotation, Level};
use duet_analysis::comparison::{
    ComparedCell, ComparedMetric, Comparison, GateVerdict, Outcome, State,
};

/// The comparison as JUnit XML: a suite a cell, a case a gated metric. A regression is a failure,
/// inconclusive is skipped, what could not be measured is an error.
#[must_use]
pub fn junit(comparison: &Comparison) -> String {
    let suites: Vec<Suite> = comparison.cells.iter().map(|cell| suite(comparison, cell)).collect();
    junit::junit("duet gate", &suites)
}

fn suite(comparison: &Comparison, cell: &ComparedCell) -> Suite {
    let gated: Vec<&ComparedMetric> = cell.metrics.iter().filter(|m| m.gated.is_some()).collect();
    // The time of an experiment belongs to no metric alone: each gets its part.
    let parts = comparison.cells.len().max(1) * gated.len().max(1);
    let seconds = comparison.run.elapsed_ns.unwrap_or(0) as f64 / 1e9 / parts as f64;
    let mut cases: Vec<Case> = gated
        .iter()
        .map(|metric| Case {
            class: cell.id.to_string().replace('/', "."),
            name: metric.metric.name().to_owned(),
            seconds,
            outcome: of_metric(metric),
            output: Some(words::change_words(metric)),
        })
        .collect();
    cases.extend(cell.unjudged.iter().map(|unjudged| Case {
        class: cell.id.to_string().replace('/', "."),
        name: unjudged.metric.name().to_owned(),
        seconds: 0.0,
        outcome: junit::Outcome::Skipped { message: words::unjudged(unjudged) },
        output: None,
    }));
    if cases.is_empty() {
        cases.push(Case {
            class: cell.id.to_string().replace('/', "."),
            name: "measured".to_owned(),
            seconds: 0.0,
            outcome: of_state(cell),
            output: None,
        });
    }
    let budgets = comparison.budgets.iter().filter(|budget| budget.cell == cell.id);
    cases.extend(budgets.map(|budget| {
        let (_, message) = words::budget(budget);
        Case {
            class: cell.id.to_string().replace('/', "."),
            name: budget.budget.text.clone(),
            seconds: 0.0,
            outcome: match budget.kept {
                Some(true) => junit::Outcome::Passed,
                Some(false) => failure("budget", message),
                None => junit::Outcome::Skipped { message },
            },
            output: None,
        }
    }));
    let version = |name: &str, version: &duet_analysis::comparison::Version| {
        let commit = version.commit.as_ref().unwrap_or(&version.given);
        (name.to_owned(), commit.clone())
    };
    Suite {
        name: cell.id.to_string(),
        timestamp: Some(comparison.run.started.clone()),
        properties: vec![version("base", &comparison.base), version("head", &comparison.head)],
        cases,
    }
}

fn of_metric(metric: &ComparedMetric) -> junit::Outcome {
    let Some(gated) = &metric.gated else { return junit::Outcome::Passed };
    let reason = || gated.judgement.reason.clone().unwrap_or_default();
    match gated.judgement.verdict {
        GateVerdict::Pass => junit::Outcome::Passed,
        GateVerdict::Inconclusive => {
            junit::Outcome::Skipped { message: format!("inconclusive: {}", reason()) }
        }
        GateVerdict::Regressed => failure("regression", words::change_words(metric)),
    }
}

fn of_state(cell: &ComparedCell) -> junit::Outcome {
    let message = words::state(cell);
    match cell.state {
        State::Measured | State::Identical | State::New => junit::Outcome::Passed,
        State::Missing => failure("missing", message),
        State::Failed | State::Unmeasured(_) => junit::Outcome::Error {
            kind: "measurement".to_owned(),
            message,
            details: String::new(),
        },
    }
}

fn failure(kind: &str, message: String) -> junit::Outcome {
    junit::Outcome::Failure { kind: kind.to_owned(), message, details: String::new() }
}

/// Lines that GitHub shows beside a change: the verdict, then what regressed, at most ten.
#[must_use]
pub fn annotations(comparison: &Comparison) -> String {
    let level = match comparison.outcome {
        Outcome::Regressed | Outcome::Failed => Level::Error,
        Outcome::Inconclusive | Outcome::Unmeasured => Level::Warning,
        Outcome::Pass | Outcome::Compared => Level::Notice,
    };
    let note = |title: String, message: String| Annotation { level, title, place: None, message };
    let title =
        comparison.gate.as_ref().map_or("duet".to_owned(), |gate| format!("duet gate {gate}"));
    let mut all = vec![note(title, words::headline(comparison))];
    all.extend(words::regressed(comparison).map(|(cell, metric, _)| {
        note(
            format!("{} regressed", metric.metric.label()),
            format!("{}: {}", cell.id, words::change_words(metric)),
        )
    }));
    github::annotations(&all)
}
