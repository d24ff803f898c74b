//! Whether a gate can do what it is for.

use super::super::fields::At;
use super::super::gates::GateTable;
use super::super::load::{Files, Kind, Mistake};
use super::super::suites::Suites;
use super::{Server, check_loads};
use crate::metric::Loop;
use crate::spec::SEARCH_MS;

/// Every server of a gate must implement one of its workloads, every workload must be implemented
/// by one of its servers, its loads must have what it gates, and some look must be able to decide.
pub(super) fn check_gate(
    gate: &At<GateTable>,
    suites: &Suites,
    files: &Files,
    mistakes: &mut Vec<Mistake>,
) {
    let (line, gate) = (gate.line, &gate.value);
    let (what, cpus) = (format!("gate {}", gate.gate.name), gate.gate.generator_cpus);
    check_loads(&what, cpus, &gate.loads, suites, mistakes);
    let Some(servers) = sound(gate, files) else { return };
    let mut mistake = |line, problem: String, cure: String| {
        let (file, problem) = (Kind::Gate.file().to_owned(), format!("{what}: {problem}"));
        mistakes.push(Mistake { file, line: Some(line), problem, cure });
    };
    if check_idle(gate, &servers, &mut mistake) {
        return;
    }
    check_metrics(line, gate, suites, &mut mistake);
    let pairs = servers.iter().flat_map(|server| {
        gate.workloads.iter().filter(|workload| server.workloads.contains(&workload.value))
    });
    let pairs = pairs.count();
    check_power(gate, pairs * gate.loads.len(), &mut mistake);
    check_time(gate, pairs, suites, &mut mistake);
}

/// Keeps a mistake of the line: the problem and its cure.
type Keep<'a> = dyn FnMut(usize, String, String) + 'a;

/// The servers of a gate in its order. Nothing where a list is empty, a name cannot be found, or a
/// server names what cannot be found: that is reported as what it is, and more would be guesses.
fn sound<'a>(gate: &GateTable, files: &'a Files) -> Option<Vec<&'a Server>> {
    let find = |name: &At<String>| files.server(&name.value).map(|server| &server.value);
    let servers: Vec<&Server> = gate.servers.iter().map(find).collect::<Option<_>>()?;
    files.names(Kind::Workload)?;
    let defined = |name: &String| files.defines(Kind::Workload, name);
    let good = gate.workloads.iter().all(|name| defined(&name.value))
        && servers.iter().all(|s| !s.workloads.is_empty() && s.workloads.iter().all(defined))
        && ![servers.len(), gate.workloads.len(), gate.loads.len()].contains(&0);
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
fn check_power(gate: &GateTable, cells: usize, mistake: &mut Keep<'_>) {
    let tests = (cells * gate.gate.rules.len()) as f64;
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

/// Some load must have each metric that is gated.
fn check_metrics(line: usize, gate: &GateTable, suites: &Suites, mistake: &mut Keep<'_>) {
    let load = |name: &At<String>| suites.loads.iter().find(|load| load.value.name == name.value);
    let Some(loads) = gate.loads.iter().map(load).collect::<Option<Vec<_>>>() else { return };
    for rule in &gate.gate.rules {
        let has = |of: &Loop| loads.iter().any(|load| load.value.kind() == *of);
        let kinds: Vec<Loop> =
            Loop::ALL.into_iter().filter(|of| rule.metric.is_result(*of)).collect();
        if !kinds.iter().any(has) {
            let of: Vec<&str> = kinds.iter().map(|of| of.plural()).collect();
            let (name, of) = (rule.metric.name(), of.join(" and "));
            mistake(
                line,
                format!("it gates `{name}`, a result of {of}, and none of its loads is one"),
                format!(
                    "add such a load, or name other metrics in `margins_percent` than `{name}`"
                ),
            );
        }
    }
}

/// Measuring up to the first look must fit into the budget of time.
fn check_time(gate: &GateTable, pairs: usize, suites: &Suites, mistake: &mut Keep<'_>) {
    let policy = &gate.gate;
    let Some(first) = policy.looks.first() else { return };
    let searches = |name: &At<String>| {
        let load = suites.loads.iter().find(|load| load.value.name == name.value);
        load.is_some_and(|load| load.value.kind() == Loop::Search)
    };
    let of_load = |name| if searches(name) { SEARCH_MS } else { policy.measure_ms };
    let of_pair_ms: u64 = gate.loads.iter().map(|name| u64::from(of_load(name))).sum();
    let windows_ms = u64::from(first.blocks) * of_pair_ms * pairs as u64;
    let needed = windows_ms.div_ceil(1000);
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
