//! A run's verdicts as JUnit cases.
//!
//! Faster and slower are findings about two servers and no failures of anything: such cases pass
//! and say what was found. An inconclusive metric is skipped, a cell that could not be measured is
//! an error.

use super::junit::{Case, Outcome, Suite, junit};
use crate::words;
use crate::{doubts, facts};
use duet_analysis::verdict::Verdict;
use duet_analysis::{Analysis, CellAnalysis, CellFailure, MatchupAnalysis, MetricAnalysis};

/// The run as JUnit XML: a suite per matchup, a case per cell and metric; before them a
/// suite of builds, with what holds for the whole run as its properties.
#[must_use]
pub fn verdicts(analysis: &Analysis) -> String {
    let suite = |name: &str, cases: Vec<Case>| Suite {
        name: name.to_owned(),
        timestamp: Some(analysis.run.started.clone()),
        properties: vec![],
        cases,
    };
    let facts = facts::facts(&analysis.run).into_iter();
    let first = Suite {
        properties: facts.map(|(name, value)| (name.to_owned(), value)).collect(),
        ..suite("builds", builds(analysis))
    };
    let matchups = analysis.matchups.iter().map(|m| suite(&m.name, of_matchup(analysis, m)));
    let suites: Vec<Suite> = std::iter::once(first).chain(matchups).collect();
    junit(&format!("duet {}", analysis.run.suite), &suites)
}

fn builds(analysis: &Analysis) -> Vec<Case> {
    let build = |server: &duet_analysis::ServerSummary| {
        let name = &server.build.server;
        let about = |failed: &&CellFailure| {
            failed.cell.is_none() && failed.failure.server.as_ref() == Some(name)
        };
        let outcome = analysis.failures.iter().find(about).map_or(Outcome::Passed, error);
        let seconds = server.build.clean_build_ns.map_or(0.0, |ns| ns as f64 / 1e9);
        let output = server.build.version.clone();
        Case { class: "build".to_owned(), name: name.clone(), seconds, outcome, output }
    };
    analysis.servers.iter().map(build).collect()
}

fn of_matchup(analysis: &Analysis, matchup: &MatchupAnalysis) -> Vec<Case> {
    let mut cases = vec![];
    for cell in &matchup.cells {
        let class = format!("{}.{}.{}", matchup.name, cell.id.workload, cell.id.load);
        cases.extend(measured(analysis, matchup, cell, &class));
        cases.extend(cell.metrics.iter().map(|m| of_metric(analysis, matchup, m, &class)));
    }
    let class = format!("{}.start", matchup.name);
    cases.extend(matchup.starts.iter().map(|m| of_metric(analysis, matchup, m, &class)));
    cases
}

/// What failed in a cell, or that nothing of it was measured; none for a cell that is whole.
fn measured(
    analysis: &Analysis,
    matchup: &MatchupAnalysis,
    cell: &CellAnalysis,
    class: &str,
) -> Vec<Case> {
    let own = analysis.failures.iter().filter(|failed| failed.cell.as_ref() == Some(&cell.id));
    let mut outcomes: Vec<Outcome> = own.map(error).collect();
    if outcomes.is_empty() && cell.metrics.is_empty() {
        let message = words::silence(analysis, matchup, cell);
        outcomes.push(Outcome::Error {
            kind: "unmeasured".to_owned(),
            message,
            details: String::new(),
        });
    }
    let case = |(i, outcome): (usize, Outcome)| {
        let name = if i == 0 { "measured".to_owned() } else { format!("measured {}", i + 1) };
        Case { class: class.to_owned(), name, seconds: 0.0, outcome, output: None }
    };
    outcomes.into_iter().enumerate().map(case).collect()
}

fn error(failed: &CellFailure) -> Outcome {
    let failure = &failed.failure;
    let kind = words::stage_name(failure.stage).to_owned();
    Outcome::Error { kind, message: doubts::failure(failed), details: failure.stderr.join("\n") }
}

fn of_metric(
    analysis: &Analysis,
    matchup: &MatchupAnalysis,
    metric: &MetricAnalysis,
    class: &str,
) -> Case {
    let line = words::line(&analysis.run, &matchup.arms, metric);
    let values: Vec<String> = matchup
        .arms
        .iter()
        .zip(&line.values)
        .map(|(arm, value)| format!("{}: {value}\n", arm.label))
        .collect();
    let output = format!("{}ratio: {}\n{}", values.concat(), line.ratio, line.verdict);
    let outcome = match metric.verdict {
        Verdict::Faster | Verdict::Slower | Verdict::Tie => Outcome::Passed,
        Verdict::Inconclusive => {
            let reason = line.reason.as_ref().map_or_else(String::new, |r| format!(": {r}"));
            Outcome::Skipped { message: format!("{}{reason}", line.verdict) }
        }
    };
    Case {
        class: class.to_owned(),
        name: metric.metric.name().to_owned(),
        seconds: 0.0,
        outcome,
        output: Some(output),
    }
}
