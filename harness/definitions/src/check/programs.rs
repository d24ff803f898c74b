//! Checks what the tables of programs say of each other and of suites.

use std::collections::BTreeSet;

use super::super::errors::{DefinitionError, Kind};
use super::super::fields::At;
use super::super::files::Files;
use super::super::nearest::suggestion;
use super::super::shared_keys::CellTable;
use super::super::suites::{SuiteTable, Suites};
use duet_model::spec::{Matchup, ProgramSet};

/// Sets: their names, and that `rest` ends somewhere.
pub(super) fn check_sets(files: &Files, mistakes: &mut Vec<DefinitionError>) {
    let sets = files.programs.iter().flat_map(|programs| &programs.sets);
    for set in sets {
        let name = &set.value.name;
        let mut mistake = |problem: String, hint: &str| {
            let file = Kind::Set.file().to_owned();
            mistakes.push(DefinitionError {
                file,
                line: Some(set.line),
                problem,
                hint: hint.to_owned(),
            });
        };
        if files.server(name).is_some() {
            let problem = format!("set {name}: a server has this name too");
            mistake(problem, "rename one of them: a matchup names either");
        }
        let next = |set: &&At<ProgramSet>| files.set(set.value.rest.as_deref()?);
        if std::iter::successors(next(&set), next).take(100).any(|other| other.value.name == *name)
        {
            mistake(format!("set {name}: `rest` leads back to it"), "take one of them out");
        }
    }
}

/// All arms must be of one kind, and sets of programs two.
pub(super) fn check_kinds(
    matchup: &At<Matchup>,
    files: &Files,
    mistakes: &mut Vec<DefinitionError>,
) {
    let arms = &matchup.value.arms;
    let server = arms.iter().find(|arm| files.server(arm).is_some());
    let set = arms.iter().find(|arm| files.is_set(arm));
    if let (Some(server), Some(set)) = (server, set) {
        mistakes.push(DefinitionError {
            file: Kind::Matchup.file().to_owned(),
            line: Some(matchup.line),
            problem: format!(
                "matchup {}: `{server}` is a server and `{set}` a set of programs",
                matchup.value.name
            ),
            hint: "compare servers with servers and programs with programs".to_owned(),
        });
    }
    if set.is_some() && arms.len() > 2 {
        mistakes.push(DefinitionError {
            file: Kind::Matchup.file().to_owned(),
            line: Some(matchup.line),
            problem: format!(
                "matchup {}: it has {} sets of programs, which are compared in pairs",
                matchup.value.name,
                arms.len()
            ),
            hint: "make a matchup of each two".to_owned(),
        });
    }
}

/// Each matchup of `[[suite.programs]]` must be of sets that have each problem, and each problem
/// must have each size.
pub(super) fn check_programs(
    suite: &At<SuiteTable>,
    cells: &CellTable,
    suites: &Suites,
    files: &Files,
    mistakes: &mut Vec<DefinitionError>,
) {
    let what = format!("suite {}", suite.value.settings().name);
    check_matchups(cells, suites, &|arm| files.server(arm).is_some(), &mut |line, matchup| {
        mistakes.push(DefinitionError {
            file: Kind::Suite.file().to_owned(),
            line: Some(line),
            problem: format!("{what}: matchup `{matchup}` is of servers, not of sets of programs"),
            hint: "move it to `[[suite.cells]]`".to_owned(),
        });
    });
    let sets = arms(cells, suites).into_iter().filter_map(|arm| files.set(arm));
    check_problems(&what, sets, cells, files, mistakes);
}

/// Each of these sets must have each problem of a table, and each problem each size.
pub(super) fn check_problems<'a>(
    what: &str,
    sets: impl Iterator<Item = &'a At<ProgramSet>>,
    cells: &CellTable,
    files: &Files,
    mistakes: &mut Vec<DefinitionError>,
) {
    let mut mistake = |line: usize, problem: String, hint: String| {
        let (file, problem) = (Kind::Suite.file().to_owned(), format!("{what}: {problem}"));
        mistakes.push(DefinitionError { file, line: Some(line), problem, hint });
    };
    for set in sets {
        for problem in &cells.workloads {
            if files.defines(Kind::Problem, &problem.value)
                && !files.has_program(&set.value, &problem.value)
            {
                let (set_name, name) = (&set.value.name, &problem.value);
                mistake(
                    problem.line,
                    format!("set `{set_name}` has no program for problem `{name}`"),
                    format!(
                        "take the problem or the set out of these cells, or add the problem to \
                         `problems` in {}:{}",
                        Kind::Set.file(),
                        set.line
                    ),
                );
            }
        }
    }
    let problems = files.programs.iter().flat_map(|programs| &programs.problems);
    for problem in problems.filter(|p| cells.workloads.iter().any(|w| w.value == p.value.name)) {
        for size in &cells.loads {
            if !problem.value.sizes.is_empty() && !problem.value.sizes.contains_key(&size.value) {
                let sizes: Vec<&str> = problem.value.sizes.keys().map(String::as_str).collect();
                mistake(
                    size.line,
                    format!("problem `{}` has no size `{}`", problem.value.name, size.value),
                    suggestion(&size.value, &sizes, "its sizes are"),
                );
            }
        }
    }
}

/// No matchup of `[[suite.cells]]` may be of sets.
pub(super) fn check_cells(
    suite: &At<SuiteTable>,
    cells: &CellTable,
    suites: &Suites,
    files: &Files,
    mistakes: &mut Vec<DefinitionError>,
) {
    check_matchups(cells, suites, &|arm| files.is_set(arm), &mut |line, matchup| {
        mistakes.push(DefinitionError {
            file: Kind::Suite.file().to_owned(),
            line: Some(line),
            problem: format!(
                "suite {}: matchup `{matchup}` is of sets of programs, not of servers",
                suite.value.settings().name
            ),
            hint: "move it to `[[suite.programs]]`".to_owned(),
        });
    });
}

/// Tells `complain` of matchups with an arm that is none of this table's.
fn check_matchups(
    cells: &CellTable,
    suites: &Suites,
    is_wrong: &dyn Fn(&str) -> bool,
    complain: &mut dyn FnMut(usize, &str),
) {
    for name in &cells.matchups {
        let matchup = suites.matchups.iter().find(|matchup| matchup.value.name == name.value);
        if matchup.is_some_and(|m| m.value.arms.iter().any(|arm| is_wrong(arm))) {
            complain(name.line, &name.value);
        }
    }
}

fn arms<'a>(cells: &CellTable, suites: &'a Suites) -> BTreeSet<&'a str> {
    let named =
        |matchup: &&At<Matchup>| cells.matchups.iter().any(|name| name.value == matchup.value.name);
    suites
        .matchups
        .iter()
        .filter(named)
        .flat_map(|matchup| matchup.value.arms.iter().map(String::as_str))
        .collect()
}
