//! Whether what claims name can test them.

use super::super::claims::{ClaimTable, TestTable};
use super::super::errors::{DefinitionError, Kind};
use super::super::fields::At;
use super::super::files::Files;
use super::super::nearest::suggestion;
use super::super::suites::Suites;
use duet_model::spec::{ClaimFigure, Matchup};
use duet_units::{CellKind, Loop, Metric};

/// Each matchup of a test must be of servers or of programs as its keys say, have its metrics and
/// figures, and have one arm in the language that the claim puts ahead.
pub(super) fn check_claim(
    claim: &At<ClaimTable>,
    suites: &Suites,
    files: &Files,
    mistakes: &mut Vec<DefinitionError>,
) {
    let name = &claim.value.claim.name;
    for test in &claim.value.tests {
        let mut mistake = |line, problem: String, hint: String| {
            let (file, problem) =
                (Kind::Claim.file().to_owned(), format!("claim {name}: {problem}"));
            mistakes.push(DefinitionError { file, line: Some(line), problem, hint });
        };
        check_sizes(&test.value, files, &mut mistake);
        for named in &test.value.matchups {
            let matchup = suites.matchups.iter().find(|m| m.value.name == named.value);
            // Names of nothing have been reported.
            let Some(matchup) = matchup.map(|at| &at.value) else { continue };
            let known = |arm: &String| files.server(arm).is_some() || files.set(arm).is_some();
            if !matchup.arms.is_empty() && matchup.arms.iter().all(known) {
                check_kind(&test.value, matchup, suites, files, &mut mistake);
                check_language(&test.value, (matchup, named.line), files, &mut mistake);
            }
        }
    }
}

/// Keeps a mistake: line, problem, hint.
type Mistake<'a> = dyn FnMut(usize, String, String) + 'a;

fn check_sizes(test: &TestTable, files: &Files, mistake: &mut Mistake<'_>) {
    let Some(programs) = files.programs.as_ref().filter(|all| !all.problems.is_empty()) else {
        return;
    };
    let mut known: Vec<&str> =
        programs.problems.iter().flat_map(|at| at.value.sizes.keys().map(String::as_str)).collect();
    known.sort_unstable();
    known.dedup();
    for size in test.sizes.iter().filter(|size| !known.contains(&size.value.as_str())) {
        let hint = suggestion(&size.value, &known, "the sizes are");
        mistake(size.line, format!("no problem has the size `{}`", size.value), hint);
    }
}

fn check_kind(
    test: &TestTable,
    matchup: &Matchup,
    suites: &Suites,
    files: &Files,
    mistake: &mut Mistake<'_>,
) {
    let programs = matchup.arms.iter().all(|arm| files.is_set(arm));
    let (word, keys) = match programs {
        true => ("programs", "`problems` and `sizes`"),
        false => ("servers", "`workloads` and `loads`"),
    };
    let name = &matchup.name;
    if let Some(said) = test.programs.as_ref().filter(|said| said.value != programs) {
        let hint = format!("name its cells by {keys}, or take the matchup out");
        mistake(said.line, format!("matchup `{name}` is of {word}"), hint);
        return;
    }
    let kinds = kinds(test, programs, suites);
    for metric in &test.metrics {
        let (line, metric) = (metric.line, metric.value);
        if !kinds.iter().any(|kind| metric.is_result(*kind)) {
            let has = |m: &Metric| kinds.iter().any(|kind| m.is_result(*kind));
            let has: Vec<&str> = Metric::ALL.into_iter().filter(has).map(Metric::name).collect();
            let problem =
                format!("the {word} of matchup `{name}` have no metric `{}` here", metric.name());
            mistake(line, problem, format!("their metrics are {}", has.join(", ")));
        }
    }
    for figure in &test.figures {
        let (line, figure) = (figure.line, figure.value);
        if !figure.is_of(programs) {
            let has = ClaimFigure::ALL.into_iter().filter(|figure| figure.is_of(programs));
            let has: Vec<&str> = has.map(ClaimFigure::name).collect();
            let problem =
                format!("the {word} of matchup `{name}` have no figure `{}`", figure.name());
            mistake(line, problem, format!("their figures are {}", has.join(", ")));
        }
    }
}

/// The kinds of a test's cells. Of loads that cannot be found nothing is known: all kinds.
fn kinds(test: &TestTable, programs: bool, suites: &Suites) -> Vec<CellKind> {
    if programs {
        return vec![CellKind::Programs];
    }
    let load = |name: &String| suites.loads.iter().find(|load| load.value.name == *name);
    let loads: Option<Vec<_>> = test.test.loads.iter().map(load).collect();
    match loads.filter(|loads| !loads.is_empty()) {
        Some(loads) => loads.iter().map(|load| CellKind::Servers(load.value.kind())).collect(),
        None => Loop::ALL.map(CellKind::Servers).to_vec(),
    }
}

fn check_language(
    test: &TestTable,
    (matchup, line): (&Matchup, usize),
    files: &Files,
    mistake: &mut Mistake<'_>,
) {
    let Some(ahead) = test.ahead.as_ref().filter(|ahead| !ahead.value.is_empty()) else { return };
    let language = |arm: &String| {
        let of_server = files.server(arm).map(|at| at.value.language.as_str());
        of_server.or_else(|| files.set(arm).map(|at| at.value.language.as_str()))
    };
    let languages: Vec<&str> = matchup.arms.iter().filter_map(language).collect();
    let (word, name) = (&ahead.value, &matchup.name);
    match languages.iter().filter(|language| *language == word).count() {
        0 => {
            let hint = suggestion(word, &languages, "its languages are");
            mistake(ahead.line, format!("no arm of matchup `{name}` is in `{word}`"), hint);
        }
        1 => {}
        _ => {
            let hint = "name matchups of two languages".to_owned();
            mistake(line, format!("all arms of matchup `{name}` are in {word}"), hint);
        }
    }
}
