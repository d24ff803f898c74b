//! What of loads depends on servers, workloads and CPUs.

use super::super::errors::{DefinitionError, Kind};
use super::super::fields::At;
use super::super::files::Files;
use super::super::suites::Suites;
use duet_model::spec::{Load, OpenLoop, Rate, Server, Workload};

/// Every server must speak the transports of its loads; and HTTP/2 has no connection for each
/// request.
pub(super) fn check_transports<'a>(
    what: &str,
    servers: impl Iterator<Item = &'a At<Server>>,
    (workloads, loads): (&[At<String>], &[At<String>]),
    (suites, files): (&Suites, &Files),
    mistakes: &mut Vec<DefinitionError>,
) {
    let mut mistake = |line, problem: String, hint: String| {
        let (file, problem) = (Kind::Load.file().to_owned(), format!("{what}: {problem}"));
        mistakes.push(DefinitionError { file, line: Some(line), problem, hint });
    };
    let servers: Vec<_> = servers.collect();
    for name in loads {
        let Some(load) = suites.loads.iter().find(|load| load.value.name == name.value) else {
            continue;
        };
        let transport = load.value.transport;
        for server in servers.iter().filter(|s| s.value.arguments(transport).is_none()) {
            let key = if transport.is_tls() { "tls_args" } else { "h2c_args" };
            let hint = format!(
                "add `{key}` to {}:{}, the arguments with which it is started for that; or take \
                 the load, or the server, out of these cells",
                Kind::Server.file(),
                server.line
            );
            let server = &server.value.name;
            let problem = format!(
                "load `{}` is {transport}, and server `{server}` has no `{key}`",
                name.value
            );
            mistake(name.line, problem, hint);
        }
        let used = |workload: &&At<Workload>| {
            workloads.iter().any(|name| name.value == workload.value.name)
        };
        for workload in files.workloads.iter().flatten().filter(used) {
            for (problem, hint) in unfit(&workload.value, &load.value) {
                mistake(name.line, problem, hint.to_owned());
            }
        }
    }
}

/// Why a load cannot drive a workload, each with what to do about it.
fn unfit(workload: &Workload, load: &Load) -> Vec<(String, &'static str)> {
    let (of, over) = (&workload.name, &load.name);
    let http2 = load.transport.is_http2();
    let rules = [
        (
            workload.churn && http2,
            format!(
                "workload `{of}` has a connection for each request, and load `{over}` is HTTP/2"
            ),
            "choose a load over `http` or `https` for it",
        ),
        (
            !workload.churn && load.tls_resume,
            format!("workload `{of}` keeps its connections, and load `{over}` has `tls_resume`"),
            "choose a workload with `churn = true` for it: where connections are kept there is \
             nothing to resume",
        ),
        (
            http2 && workload.cases.iter().any(|case| case.event_ms.is_some()),
            format!("workload `{of}` has streams of events, and load `{over}` is HTTP/2"),
            "choose a load over `http` or `https` for it",
        ),
        (
            workload.members().is_some() && http2,
            format!("workload `{of}` is WebSocket, and load `{over}` is HTTP/2"),
            "choose a load over `http` or `https` for it",
        ),
        (
            workload.is_grpc() && !http2,
            format!("workload `{of}` is gRPC, and load `{over}` is HTTP/1.1"),
            "choose a load over `h2c` or `h2` for it",
        ),
        (
            workload.members().is_some_and(|n| !load.connections.is_multiple_of(n)),
            format!(
                "the {} connections of load `{over}` are no whole rooms of workload `{of}` \
                 (`members`)",
                load.connections
            ),
            "choose a load with a multiple of `members` for it",
        ),
        (
            workload.members().is_some() && load.idle > 0,
            format!("workload `{of}` is WebSocket, and load `{over}` has idle connections"),
            "choose a load without `idle` for it",
        ),
        (
            !workload.services.is_empty() && load.memory_limit.is_some(),
            format!("workload `{of}` needs services, and load `{over}` has `memory_limit`"),
            "choose a workload without services for it: their work is not counted by probe",
        ),
        (
            workload.churn && load.idle > 0,
            format!(
                "workload `{of}` has a connection for each request, and load `{over}` has idle ones"
            ),
            "choose a load without `idle` for it",
        ),
    ];
    let applies = rules.into_iter().filter(|(applies, ..)| *applies);
    applies.map(|(_, problem, hint)| (problem, hint)).collect()
}

/// A rate at which more requests have to wait at once than a load may have in flight cannot be
/// held.
pub(super) fn check_waits(
    what: &str,
    (workloads, loads): (&[At<String>], &[At<String>]),
    (suites, files): (&Suites, &Files),
    mistakes: &mut Vec<DefinitionError>,
) {
    for name in loads {
        let Some(load) = suites.loads.iter().find(|load| load.value.name == name.value) else {
            continue;
        };
        let Some(OpenLoop { rate: Rate::PerSecond(rate), .. }) = load.value.open else { continue };
        let room = load.value.connections.saturating_mul(load.value.streams);
        let used = |workload: &&At<Workload>| {
            workloads.iter().any(|name| name.value == workload.value.name)
        };
        for workload in files.workloads.iter().flatten().filter(used) {
            let waiting = workload.value.waiting(rate);
            if waiting <= f64::from(room) {
                continue;
            }
            mistakes.push(DefinitionError {
                file: Kind::Suite.file().to_owned(),
                line: Some(name.line),
                problem: format!(
                    "{what}: of workload `{}` {waiting:.0} requests wait at once at {rate} a \
                     second (`least_ms`), and load `{}` has room for {room}",
                    workload.value.name, name.value
                ),
                hint: format!("lower `rate` or raise `connections` in line {}", load.line),
            });
        }
    }
}

/// Every thread of the generator needs a connection.
pub(super) fn check_loads(
    what: &str,
    cpus: u32,
    loads: &[At<String>],
    suites: &Suites,
    mistakes: &mut Vec<DefinitionError>,
) {
    for name in loads {
        let Some(load) = suites.loads.iter().find(|load| load.value.name == name.value) else {
            continue;
        };
        let connections = load.value.connections;
        // None at all has been reported.
        if connections > 0 && connections < cpus {
            mistakes.push(DefinitionError {
                file: Kind::Suite.file().to_owned(),
                line: Some(name.line),
                problem: format!(
                    "{what}: load `{}` has fewer connections ({connections}) than the generator \
                     has CPUs ({cpus})",
                    name.value
                ),
                hint: format!(
                    "raise `connections` in line {} or lower `generator_cpus`",
                    load.line
                ),
            });
        }
    }
}
