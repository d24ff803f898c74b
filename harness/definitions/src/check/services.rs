//! Checks of services: servers must know those of their workloads, and work must be of a service.

use crate::errors::{DefinitionError, Kind, MISTAKES_MAX};
use crate::fields::At;
use crate::files::Files;
use duet_model::spec::{Server, ServiceKind, Workload};

/// Checks what servers and workloads say of services. References to nothing are reported already.
pub(super) fn check_services(files: &Files, mistakes: &mut Vec<DefinitionError>) {
    for server in files.servers.iter().flatten() {
        check_server(server, files, mistakes);
    }
    for workload in files.workloads.iter().flatten() {
        check_work(workload, files, mistakes);
    }
}

/// A server must have a way to be told of each service and each option of its workloads.
fn check_server(server: &At<Server>, files: &Files, mistakes: &mut Vec<DefinitionError>) {
    let Server { name, services, options, workloads, .. } = &server.value;
    let mut lacks = |workload: &str, what: String, add: String| {
        if mistakes.len() < MISTAKES_MAX {
            mistakes.push(DefinitionError {
                file: Kind::Server.file().to_owned(),
                line: Some(server.line),
                problem: format!("server {name}: its workload `{workload}` needs the {what}"),
                hint: format!("add `{add}`, or take the workload out"),
            });
        }
    };
    for workload in workloads.iter().filter_map(|name| files.workload(name)) {
        let Workload { name, services: needed, options: wanted, .. } = &workload.value;
        for option in wanted.iter().filter(|option| !options.contains_key(*option)) {
            let add = format!("options = {{ {option} = {{ args = [\"--{option}\"] }} }}");
            lacks(name, format!("option `{option}`"), add);
        }
        let needed = needed.iter().filter(|service| files.service(service).is_some());
        for service in needed.filter(|service| !services.contains_key(*service)) {
            let add = format!(
                "services = {{ {service} = {{ args = [\"--{service}\", \
                 \"{{service.{service}}}\"] }} }}"
            );
            let what = format!("service `{service}`, of which it has no way to be told");
            lacks(name, what, add);
        }
    }
}

/// What is counted in a service needs that service.
fn check_work(workload: &At<Workload>, files: &Files, mistakes: &mut Vec<DefinitionError>) {
    let Workload { name, services, database, cases, .. } = &workload.value;
    let known = |service: &String| files.service(service);
    if services.iter().any(|service| known(service).is_none()) || files.services.is_none() {
        return;
    }
    let count = |kind| {
        services.iter().filter_map(known).filter(|service| service.value.kind == kind).count()
    };
    let calls = cases.iter().any(|case| case.upstream_calls.is_some());
    let mut mistake = |problem: String, hint: &str| {
        mistakes.push(DefinitionError {
            file: Kind::Workload.file().to_owned(),
            line: Some(workload.line),
            problem: format!("workload {name}: {problem}"),
            hint: hint.to_owned(),
        });
    };
    if database.is_some() && count(ServiceKind::Postgres) != 1 {
        let hint = "name exactly one in `services`, or remove `database`";
        mistake("`database` is counted in a service of the kind `postgres`".to_owned(), hint);
    }
    if calls && count(ServiceKind::Upstream) != 1 {
        let hint = "name exactly one in `services`, or remove `upstream_calls` from its cases";
        mistake("`upstream_calls` are counted in a service of the kind `upstream`".into(), hint);
    }
}
