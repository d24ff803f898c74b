//! What of long windows depends on workloads: entries, bursts, services.

use super::super::errors::{DefinitionError, Kind};
use super::super::fields::At;
use super::super::files::Files;
use super::super::suites::Suites;
use duet_model::spec::{Load, Server, Workload};

/// A burst is of a workload that its servers implement, and that needs nothing of its own.
pub(super) fn check_bursts(files: &Files, mistakes: &mut Vec<DefinitionError>) {
    let mut mistake = |file: Kind, line, problem: String, hint: String| {
        let file = file.file().to_owned();
        mistakes.push(DefinitionError { file, line: Some(line), problem, hint });
    };
    for workload in files.workloads.iter().flatten() {
        let Workload { name, burst: Some(burst), .. } = &workload.value else { continue };
        // One that is not there has been reported.
        let Some(of) = files.workload(burst) else { continue };
        if of.value.burst.is_some() || of.value.churn || !of.value.services.is_empty() {
            let problem = format!("workload {name}: its burst `{burst}` cannot be one");
            let hint = "name a workload without `burst`, `churn` and `services`".to_owned();
            mistake(Kind::Workload, workload.line, problem, hint);
        }
        for server in files.servers.iter().flatten() {
            let Server { name: server_name, workloads, .. } = &server.value;
            if workloads.contains(name) && !workloads.contains(burst) {
                let problem = format!(
                    "server {server_name}: its workload `{name}` has a burst of `{burst}`, which \
                     it does not implement"
                );
                let hint = format!("add `{burst}` to its `workloads`, or take `{name}` out");
                mistake(Kind::Server, server.line, problem, hint);
            }
        }
    }
}

/// Entries need a rule that makes them, a burst a long window, and what services do is not counted
/// by arm.
pub(super) fn check_long(
    what: &str,
    (workloads, loads): (&[At<String>], &[At<String>]),
    (suites, files): (&Suites, &Files),
    mistakes: &mut Vec<DefinitionError>,
) {
    for at in loads {
        let Some(load) = suites.loads.iter().find(|load| load.value.name == at.value) else {
            continue;
        };
        for workload in workloads.iter().filter_map(|name| files.workload(&name.value)) {
            for (problem, hint) in unfit(&load.value, &workload.value) {
                mistakes.push(DefinitionError {
                    file: Kind::Load.file().to_owned(),
                    line: Some(at.line),
                    problem: format!("{what}: {problem}"),
                    hint: hint.to_owned(),
                });
            }
        }
    }
}

/// Why a load does not fit a workload.
fn unfit(load: &Load, workload: &Workload) -> Vec<(String, &'static str)> {
    let (load_name, name) = (&load.name, &workload.name);
    let mut found = vec![];
    if load.entries > 0 && workload.entries.is_none() {
        let problem = format!("load `{load_name}` has `entries`, and workload `{name}` has none");
        found.push((problem, "add `[workload.entries]` to it, or take the load out"));
    }
    if workload.burst.is_some() && load.solo_s.is_none() {
        let problem = format!("workload `{name}` has a burst, and load `{load_name}` no `solo_s`");
        found.push((problem, "choose a load with `solo_s` and `rest_s` for it"));
    }
    if load.solo_s.is_some() && !workload.services.is_empty() {
        let problem =
            format!("workload `{name}` needs services, and load `{load_name}` has `solo_s`");
        let hint = "choose a workload without services for it: their work is counted of arms that \
                    run together";
        found.push((problem, hint));
    }
    found
}
