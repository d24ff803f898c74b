//! Whether a gate can do what it is for.

use std::collections::BTreeSet;

use super::super::errors::{DefinitionError, Kind};
use super::super::fields::At;
use super::super::files::Files;
use super::super::gates::GateTable;
use super::super::suites::Suites;
use super::loads::{check_loads, check_transports, check_waits};
use super::long::check_long;
use super::programs::check_problems;
use duet_model::spec::{CellId, GateScope, Load, Quantity, Server};
use duet_units::{CellKind, Loop, Metric};

/// Every server of a gate must implement one of its workloads, every workload must be implemented
/// by one of its servers, every set must have its problems and they its sizes, some cell must have
/// what is gated, and some look must be able to decide.
pub(super) fn check_gate(
    gate: &At<GateTable>,
    suites: &Suites,
    files: &Files,
    mistakes: &mut Vec<DefinitionError>,
) {
    let (line, gate) = (gate.line, &gate.value);
    let (what, cpus) = (format!("gate {}", gate.gate.name), gate.gate.generator_cpus);
    check_loads(&what, cpus, &gate.loads, suites, mistakes);
    let servers = gate.servers.iter().filter_map(|name| files.server(&name.value));
    let of = (&gate.workloads[..], &gate.loads[..]);
    check_transports(&what, servers, of, (suites, files), mistakes);
    check_waits(&what, of, (suites, files), mistakes);
    check_long(&what, of, (suites, files), mistakes);
    if !check_programs(&what, gate, files, mistakes) {
        return;
    }
    let Some(servers) = sound(gate, files) else { return };
    let mut mistake = |line, problem: String, hint: String| {
        let (file, problem) = (Kind::Gate.file().to_owned(), format!("{what}: {problem}"));
        mistakes.push(DefinitionError { file, line: Some(line), problem, hint });
    };
    if check_idle(gate, &servers, &mut mistake) {
        return;
    }
    let Some((cells, windows_ms)) = cells(gate, &servers, suites) else { return };
    check_metrics(line, gate, &cells, &mut mistake);
    check_power(gate, &cells, &mut mistake);
    check_time(gate, windows_ms, &mut mistake);
}

/// The kinds of a gate's cells, an item a cell, and what the windows of a block of each take in
/// all, in milliseconds. Nothing where a load cannot be found.
fn cells(gate: &GateTable, servers: &[&Server], suites: &Suites) -> Option<(Vec<CellKind>, u64)> {
    let load = |name: &At<String>| suites.loads.iter().find(|load| load.value.name == name.value);
    let loads = gate.loads.iter().map(load).collect::<Option<Vec<_>>>()?;
    let pairs = servers.iter().flat_map(|server| {
        gate.workloads.iter().filter(|workload| server.workloads.contains(&workload.value))
    });
    let driven: Vec<&Load> = pairs.flat_map(|_| loads.iter().map(|load| &load.value)).collect();
    let windows_ms = driven.iter().map(|load| load.windows_ms(gate.gate.measure_ms)).sum();
    let mut cells: Vec<_> = driven.iter().map(|load| CellKind::Servers(load.kind())).collect();
    let tables = gate.gate.guards().filter(|guard| guard.programs);
    let programs: BTreeSet<CellId> = tables.flat_map(GateScope::cells).collect();
    cells.extend(programs.iter().map(|_| CellKind::Programs));
    Some((cells, windows_ms))
}

/// Checks the tables of programs, and says whether they can be counted: nothing in them is wrong,
/// here or by itself.
fn check_programs(
    what: &str,
    gate: &GateTable,
    files: &Files,
    mistakes: &mut Vec<DefinitionError>,
) -> bool {
    let (before, mut whole) = (mistakes.len(), true);
    for table in &gate.programs {
        let sets = || table.matchups.iter().map(|name| files.set(&name.value));
        check_problems(what, sets().flatten(), table, files, mistakes);
        whole &= [&table.matchups, &table.workloads, &table.loads].iter().all(|l| !l.is_empty())
            && sets().all(|set| set.is_some())
            && table.workloads.iter().all(|name| files.defines(Kind::Problem, &name.value));
    }
    whole && mistakes.len() == before
}

/// Keeps a mistake of the line: the problem and its hint.
type Keep<'a> = dyn FnMut(usize, String, String) + 'a;

/// The servers of a gate in its order; none of a gate of programs alone. Nothing where a list is
/// empty, a name cannot be found, or a server names what cannot be found: that is reported as what
/// it is, and more would be guesses.
fn sound<'a>(gate: &GateTable, files: &'a Files) -> Option<Vec<&'a Server>> {
    let lists = [gate.servers.len(), gate.workloads.len(), gate.loads.len()];
    if !gate.programs.is_empty() && lists == [0; 3] {
        return Some(vec![]);
    }
    let find = |name: &At<String>| files.server(&name.value).map(|server| &server.value);
    let servers: Vec<&Server> = gate.servers.iter().map(find).collect::<Option<_>>()?;
    files.names(Kind::Workload)?;
    let defined = |name: &String| files.defines(Kind::Workload, name);
    let good = gate.workloads.iter().all(|name| defined(&name.value))
        && servers.iter().all(|s| !s.workloads.is_empty() && s.workloads.iter().all(defined))
        && !lists.contains(&0);
    good.then_some(servers)
}

/// Reports servers and workloads that make no cell, and says whether there are any.
fn check_idle(gate: &GateTable, servers: &[&Server], mistake: &mut Keep<'_>) -> bool {
    let mut idle = false;
    for (name, server) in gate.servers.iter().zip(servers) {
        if !gate.workloads.iter().any(|workload| server.workloads.contains(&workload.value)) {
            idle = true;
            mistake(
                name.line,
                format!("server `{}` implements none of its workloads", name.value),
                format!(
                    "take it out, or add one that it implements: {}",
                    server.workloads.join(", ")
                ),
            );
        }
    }
    for workload in &gate.workloads {
        if !servers.iter().any(|server| server.workloads.contains(&workload.value)) {
            idle = true;
            mistake(
                workload.line,
                format!("none of its servers implements workload `{}`", workload.value),
                "take it out, or add a server that implements it".to_owned(),
            );
        }
    }
    idle
}

/// A one-sided signed-rank test of n blocks gives no p below 2⁻ⁿ, and Holm's correction asks α/m
/// of the first of m tests: a regression can be found at a look only if 2⁻ⁿ ≤ α/m.
fn check_power(gate: &GateTable, cells: &[CellKind], mistake: &mut Keep<'_>) {
    let tests = cells
        .iter()
        .flat_map(|kind| gate.gate.rules.iter().filter(|rule| rule.metric.is_result(*kind)));
    let tests = tests.count() as f64;
    let least = |blocks: u32| 0.5_f64.powi(blocks.cast_signed());
    let Some(last) = gate.gate.looks.last() else { return };
    if gate.gate.looks.iter().any(|look| least(look.blocks) * tests <= look.alpha) {
        return;
    }
    let needed = (tests / last.alpha).log2().ceil();
    mistake(
        gate.looks,
        format!(
            "no look can find a regression: {} blocks give no p below {:.1e}, and {tests} tests \
             (cells × metrics) ask for {:.1e}",
            last.blocks,
            least(last.blocks),
            last.alpha / tests
        ),
        format!("raise the last of `looks` to {needed} or more, or gate fewer metrics or cells"),
    );
}

/// Some cell must have each metric that is gated or limited.
fn check_metrics(line: usize, gate: &GateTable, cells: &[CellKind], mistake: &mut Keep<'_>) {
    let servers = cells.iter().any(|kind| *kind != CellKind::Programs);
    let has = |metric: Metric| cells.iter().any(|kind| metric.is_result(*kind));
    for rule in gate.gate.rules.iter().filter(|rule| !has(rule.metric)) {
        let name = rule.metric.name();
        let loops = Loop::ALL.into_iter();
        let loops = loops.filter(|of| rule.metric.is_result(CellKind::Servers(*of)));
        let loops: Vec<&str> = loops.map(Loop::plural).collect();
        let (what, such) = match &loops[..] {
            [] => ("programs, and it guards none".to_owned(), "programs"),
            _ if !servers => ("servers, and it guards none".to_owned(), "servers"),
            [one] => (format!("{one}, and none of its loads is one"), "such a load"),
            [several @ .., last] => {
                let several = several.join(", ");
                (format!("{several} and {last}, and none of its loads is one"), "such a load")
            }
        };
        let problem = format!("it gates `{name}`, a result of {what}");
        let hint = format!("add {such}, or name other metrics in `margins_percent` than `{name}`");
        mistake(line, problem, hint);
    }
    for budget in &gate.gate.budgets {
        let limited = match budget.quantity {
            Quantity::ErrorRate => servers,
            Quantity::Metric(metric) => has(metric),
        };
        if !limited {
            let problem = format!("the budget `{}` is on what none of its cells has", budget.text);
            mistake(line, problem, "take it out, or add a cell that has it".to_owned());
        }
    }
}

/// Measuring up to the first look must fit into the budget of time: so many milliseconds of windows
/// for a block of each cell.
fn check_time(gate: &GateTable, windows_ms: u64, mistake: &mut Keep<'_>) {
    let policy = &gate.gate;
    let Some(first) = policy.looks.first() else { return };
    let needed = (u64::from(first.blocks) * windows_ms).div_ceil(1000);
    if needed > u64::from(policy.budget_s) {
        mistake(
            gate.budget_s,
            format!(
                "`budget_s` is {}, and the windows before the first look, {} blocks of each cell, \
                 take {needed} s",
                policy.budget_s, first.blocks
            ),
            format!("raise `budget_s` above {needed}, lower `measure_ms`, or gate fewer cells"),
        );
    }
}
