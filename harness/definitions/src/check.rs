//! Checks what one table says of another: names, lanes, and whether each cell can be measured.

use std::collections::BTreeSet;

use super::errors::{DefinitionError, Kind, MISTAKES_MAX, Reference};
use super::fields::At;
use super::files::Files;
use super::nearest::suggestion;
use super::servers::lane_word;
use super::shared_keys::CellTable;
use super::suites::{SuiteTable, Suites};
use duet_model::spec::{DECIDING_BLOCKS, DECIDING_BLOCKS_OF_SEVERAL, Matchup};

mod claims;
mod gates;
mod loads;
mod long;
mod programs;
mod services;

use loads::{check_loads, check_transports, check_waits};
use long::{check_bursts, check_long};

/// Cells of all suites and gates together: measuring so many takes days.
const CELLS_MAX: usize = 10_000;

/// What is wrong between the tables. About references into a file that could not be read nothing
/// is said: what it defines is not known.
pub(super) fn check(files: &Files, references: &[Reference]) -> Vec<DefinitionError> {
    if let Some(mistake) = too_many_cells(files) {
        return vec![mistake];
    }
    let mut mistakes = Vec::new();
    for kind in [
        Kind::Server,
        Kind::Service,
        Kind::Set,
        Kind::Workload,
        Kind::Problem,
        Kind::Load,
        Kind::Matchup,
        Kind::Suite,
        Kind::Gate,
        Kind::Claim,
    ] {
        check_unique(kind, &files.names(kind).unwrap_or_default(), &mut mistakes);
    }
    for reference in references {
        if mistakes.len() < MISTAKES_MAX {
            check_reference(reference, files, &mut mistakes);
        }
    }
    programs::check_sets(files, &mut mistakes);
    services::check_services(files, &mut mistakes);
    check_bursts(files, &mut mistakes);
    if let Some(suites) = &files.suites {
        for matchup in &suites.matchups {
            programs::check_kinds(matchup, files, &mut mistakes);
            check_lane(matchup, files, &mut mistakes);
        }
        for suite in &suites.suites {
            for cells in &suite.value.programs {
                programs::check_programs(suite, cells, suites, files, &mut mistakes);
            }
            for cells in &suite.value.cells {
                programs::check_cells(suite, cells, suites, files, &mut mistakes);
                check_workloads(suite, cells, suites, files, &mut mistakes);
                check_several(suite, cells, suites, &mut mistakes);
                let settings = suite.value.settings();
                let (what, cpus) = (format!("suite {}", settings.name), settings.generator_cpus);
                check_loads(&what, cpus, &cells.loads, suites, &mut mistakes);
                let arms = arms(cells, suites);
                let servers = arms.into_iter().filter_map(|arm| files.server(arm));
                let of = (&cells.workloads[..], &cells.loads[..]);
                check_transports(&what, servers, of, (suites, files), &mut mistakes);
                check_waits(&what, of, (suites, files), &mut mistakes);
                check_long(&what, of, (suites, files), &mut mistakes);
            }
        }
        for gate in &suites.gates {
            gates::check_gate(gate, suites, files, &mut mistakes);
        }
        for claim in files.claims.iter().flatten() {
            claims::check_claim(claim, suites, files, &mut mistakes);
        }
    }
    mistakes
}

/// The cells of all suites and gates, before they are multiplied out: a few lists of names can
/// stand for more than any memory holds.
fn too_many_cells(files: &Files) -> Option<DefinitionError> {
    let suites = files.suites.as_ref()?;
    let product = |lists: [usize; 3]| lists.into_iter().fold(1, usize::saturating_mul);
    let of_table = |table: &CellTable| {
        product([table.matchups.len(), table.workloads.len(), table.loads.len()])
    };
    let of_suites = suites
        .suites
        .iter()
        .flat_map(|suite| suite.value.cells.iter().chain(&suite.value.programs).map(of_table));
    let of_gates = suites.gates.iter().flat_map(|gate| {
        let gate = &gate.value;
        let own = product([gate.servers.len(), gate.workloads.len(), gate.loads.len()]);
        std::iter::once(own).chain(gate.programs.iter().map(of_table))
    });
    let cells = of_suites.chain(of_gates).fold(0, usize::saturating_add);
    (cells > CELLS_MAX).then(|| DefinitionError {
        file: Kind::Suite.file().to_owned(),
        line: None,
        problem: format!("its suites and gates have {cells} cells"),
        hint: format!("name fewer matchups, workloads or loads: at most {CELLS_MAX} cells in all"),
    })
}

fn check_unique(kind: Kind, names: &[(&str, usize)], mistakes: &mut Vec<DefinitionError>) {
    for (i, (name, line)) in names.iter().enumerate() {
        let first = names[..i].iter().find(|(earlier, _)| earlier == name);
        // A missing name has been reported.
        if let Some((_, first)) = first.filter(|_| !name.is_empty()) {
            let word = kind.word();
            mistakes.push(DefinitionError {
                file: kind.file().to_owned(),
                line: Some(*line),
                problem: format!(
                    "the name of {word} {name} is taken by the {word} in line {first}"
                ),
                hint: "rename one of them".to_owned(),
            });
        }
    }
}

fn check_reference(reference: &Reference, files: &Files, mistakes: &mut Vec<DefinitionError>) {
    let Reference { kind, name, from, file, line } = reference;
    if files.defines(*kind, name) {
        return;
    }
    let no_sets = files.names(Kind::Set).is_none_or(|sets| sets.is_empty());
    // Who has no programs need not read of sets.
    let kind = if *kind == Kind::Arm && no_sets { Kind::Server } else { *kind };
    let names = files.names(kind).unwrap_or_default();
    let names: Vec<&str> = names.into_iter().map(|(name, _)| name).collect();
    let word = kind.word();
    let hint = match kind {
        _ if names.is_empty() => format!("define it in {}, which is not there", kind.file()),
        Kind::Arm => suggestion(name, &names, "the servers and sets are"),
        _ => suggestion(name, &names, &format!("the {word}s in {} are", kind.file())),
    };
    mistakes.push(DefinitionError {
        file: file.clone(),
        line: Some(*line),
        problem: format!("{from}: there is no {word} `{name}`"),
        hint,
    });
}

fn check_lane(matchup: &At<Matchup>, files: &Files, mistakes: &mut Vec<DefinitionError>) {
    let Matchup { name, lane, arms } = &matchup.value;
    for arm in arms.iter().collect::<BTreeSet<_>>() {
        let Some((kind, lanes, line)) = files.lanes(arm) else { continue };
        let word = kind.word();
        if !lanes.is_empty() && !lanes.contains(lane) {
            let words: Vec<&str> = lanes.iter().map(|lane| lane_word(*lane)).collect();
            mistakes.push(DefinitionError {
                file: Kind::Matchup.file().to_owned(),
                line: Some(matchup.line),
                problem: format!(
                    "matchup {name}: {word} `{arm}` is not in the lane {}, but in {}",
                    lane_word(*lane),
                    words.join(", ")
                ),
                hint: format!(
                    "compare {word}s of one lane; if it keeps that lane's rules too, add it to \
                     `lanes` in {}:{line}",
                    kind.file()
                ),
            });
        }
    }
}

/// The arms of a table of cells.
fn arms<'a>(cells: &CellTable, suites: &'a Suites) -> BTreeSet<&'a str> {
    let named = |name: &At<String>| suites.matchups.iter().find(|m| m.value.name == name.value);
    let matchups = cells.matchups.iter().filter_map(named);
    matchups.flat_map(|matchup| matchup.value.arms.iter().map(String::as_str)).collect()
}

/// A suite whose verdicts are wanted has blocks enough for intervals that hold for several arms
/// together.
fn check_several(
    suite: &At<SuiteTable>,
    cells: &CellTable,
    suites: &Suites,
    mistakes: &mut Vec<DefinitionError>,
) {
    let settings = suite.value.settings();
    let few = settings.blocks >= DECIDING_BLOCKS && settings.blocks < DECIDING_BLOCKS_OF_SEVERAL;
    let several = |name: &&At<String>| {
        let mut of_name = suites.matchups.iter().filter(|m| m.value.name == name.value);
        of_name.any(|matchup| matchup.value.arms.len() > 2)
    };
    if let Some(matchup) = cells.matchups.iter().find(several)
        && settings.verdicts
        && few
    {
        mistakes.push(DefinitionError {
            file: Kind::Suite.file().to_owned(),
            line: Some(matchup.line),
            problem: format!(
                "suite {}: {} blocks can never decide for all arms of matchup `{}` together",
                settings.name, settings.blocks, matchup.value
            ),
            hint: format!("raise `blocks` to {DECIDING_BLOCKS_OF_SEVERAL} or more"),
        });
    }
}

/// Every arm of a cell must implement its workload.
fn check_workloads(
    suite: &At<SuiteTable>,
    cells: &CellTable,
    suites: &Suites,
    files: &Files,
    mistakes: &mut Vec<DefinitionError>,
) {
    for server in arms(cells, suites).into_iter().filter_map(|arm| files.server(arm)) {
        let implemented = &server.value.workloads;
        // A server that names an unknown workload probably means one of those it seems to lack.
        if implemented.is_empty() || !implemented.iter().all(|w| files.defines(Kind::Workload, w)) {
            continue;
        }
        for workload in &cells.workloads {
            let known = files.defines(Kind::Workload, &workload.value);
            if known && !implemented.contains(&workload.value) {
                let (suite, server_name) = (&suite.value.settings().name, &server.value.name);
                mistakes.push(DefinitionError {
                    file: Kind::Suite.file().to_owned(),
                    line: Some(workload.line),
                    problem: format!(
                        "suite {suite}: server `{server_name}` does not implement workload `{}`",
                        workload.value
                    ),
                    hint: format!(
                        "take the workload or the server's matchup out of these cells, or add the \
                         workload to `workloads` in {}:{}",
                        Kind::Server.file(),
                        server.line
                    ),
                });
            }
        }
    }
}
