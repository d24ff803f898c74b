//! A run's verdicts as JUnit cases.
//!
//! Faster and slower are findings about two servers and no failures of anything: such cases pass
//! and say what was found. An inconclusive metric is skipped, a cell that could not be measured is
//! an error.

use quick_junit::{TestCase, TestCaseStatus};

use super::junit;
use crate::{run_metadata, warnings, wording};
use duet_analysis::verdict::Verdict;
use duet_analysis::{Analysis, CellAnalysis, CellFailure, MatchupAnalysis, MetricAnalysis};

/// The run as JUnit XML: a suite per matchup, a case per cell and metric; before them a
/// suite of builds, with what holds for the whole run as its properties.
#[must_use]
pub fn verdicts(analysis: &Analysis) -> String {
    let (run, started) = (&analysis.run, &analysis.run.started);
    let builds = junit::suite("builds", started, run_metadata::run_metadata(run), builds(analysis));
    let suite = |matchup: &MatchupAnalysis| {
        junit::suite(&matchup.name, started, [], of_matchup(analysis, matchup))
    };
    let matchups = analysis.matchups.iter().map(suite);
    junit::junit(&format!("duet {}", run.suite), std::iter::once(builds).chain(matchups))
}

fn builds(analysis: &Analysis) -> Vec<TestCase> {
    let build = |server: &duet_analysis::ServerSummary| {
        let name = &server.build.server;
        let about = |failed: &&CellFailure| {
            failed.cell.is_none() && failed.failure.server.as_ref() == Some(name)
        };
        let failed = analysis.failures.iter().find(about);
        let status = failed.map_or_else(TestCaseStatus::success, error);
        let seconds = server.build.clean_build_ns.map_or(0.0, |ns| ns as f64 / 1e9);
        junit::case("build", name, seconds, status, server.build.version.clone())
    };
    analysis.servers.iter().map(build).collect()
}

fn of_matchup(analysis: &Analysis, matchup: &MatchupAnalysis) -> Vec<TestCase> {
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
) -> Vec<TestCase> {
    let own = analysis.failures.iter().filter(|failed| failed.cell.as_ref() == Some(&cell.id));
    let mut outcomes: Vec<TestCaseStatus> = own.map(error).collect();
    if outcomes.is_empty() && cell.metrics.is_empty() {
        outcomes.push(junit::error("unmeasured", wording::silence(analysis, matchup, cell), ""));
    }
    let case = |(i, status): (usize, TestCaseStatus)| {
        let name = if i == 0 { "measured".to_owned() } else { format!("measured {}", i + 1) };
        junit::case(class, &name, 0.0, status, None)
    };
    outcomes.into_iter().enumerate().map(case).collect()
}

fn error(failed: &CellFailure) -> TestCaseStatus {
    let failure = &failed.failure;
    let kind = wording::stage_name(failure.stage);
    junit::error(kind, warnings::failure(failed), &failure.stderr.join("\n"))
}

fn of_metric(
    analysis: &Analysis,
    matchup: &MatchupAnalysis,
    metric: &MetricAnalysis,
    class: &str,
) -> TestCase {
    let row = wording::row(&analysis.run, &matchup.arms, metric);
    let arms = matchup.arms.iter().zip(&row.values);
    let values: String = arms.map(|(arm, value)| format!("{}: {value}\n", arm.label)).collect();
    let output = format!("{values}ratio: {}\n{}", row.ratio, row.verdict);
    let status = match metric.verdict {
        Verdict::Faster | Verdict::Slower | Verdict::Tie => TestCaseStatus::success(),
        Verdict::Inconclusive => {
            let reason = row.reason.as_ref().map_or_else(String::new, |r| format!(": {r}"));
            junit::skipped(format!("{}{reason}", row.verdict))
        }
    };
    junit::case(class, metric.metric.name(), 0.0, status, Some(output))
}
