//! Loads a folder of definitions: reads its files, then checks what one file says of another.

use std::io;
use std::path::Path;

use super::check;
use super::errors::{DefinitionError, DefinitionErrors, Found};
use super::fields::At;
use super::file::{read_file, read_file_if_any};
use super::files::Files;
use super::source::{Read, files_of};
use super::{claims, programs, servers, services, suites, workloads};
use duet_model::spec::Spec;

/// Reads and checks a folder of definitions. Runs nothing.
///
/// # Errors
/// All mistakes at once, over all files.
pub fn load(folder: &Path) -> Result<Spec, DefinitionErrors> {
    let mistakes = if folder.is_dir() {
        match load_from(&files_of(folder)) {
            Ok(spec) => return Ok(spec),
            Err(mistakes) => mistakes,
        }
    } else {
        vec![DefinitionError {
            file: ".".to_owned(),
            line: None,
            problem: "there is no such folder of definitions".to_owned(),
            hint: "run in the folder that holds `bench`, or name another with --bench DIR"
                .to_owned(),
        }]
    };
    Err(DefinitionErrors { folder: folder.to_owned(), mistakes })
}

/// Loads definitions from wherever `read` gets them.
pub(super) fn load_from(read: &Read<'_>) -> Result<Spec, Vec<DefinitionError>> {
    let mut found = Found::default();
    let absent = absent(read);
    let files = Files {
        servers: match absent.contains(&"servers.toml") {
            true => Some(Vec::new()),
            false => read_file("servers.toml", read, &mut found, servers::read),
        },
        services: read_file_if_any("services.toml", read, &mut found, |fields| {
            services::read(fields, read)
        }),
        workloads: match absent.contains(&"workloads.toml") {
            true => Some(Vec::new()),
            false => read_file("workloads.toml", read, &mut found, |fields| {
                workloads::read(fields, read)
            }),
        },
        programs: read_file_if_any("programs.toml", read, &mut found, |fields| {
            programs::read(fields, read)
        }),
        suites: read_file("suites.toml", read, &mut found, suites::read),
        published: read_file_if_any("published.toml", read, &mut found, programs::read_published),
        claims: read_file_if_any("claims.toml", read, &mut found, claims::read),
        absent,
    };
    let mut mistakes = found.mistakes;
    mistakes.extend(check::check(&files, &found.references));
    match files {
        Files {
            servers: Some(servers),
            services: Some(services),
            workloads: Some(workloads),
            programs: Some(programs),
            suites: Some(suites),
            published: Some(published),
            claims: Some(claims),
            absent: _,
        } if mistakes.is_empty() => Ok(Spec {
            servers: values(servers),
            services: values(services),
            workloads: values(workloads),
            problems: values(programs.problems),
            sets: values(programs.sets),
            published,
            claims: claims.into_iter().map(|at| at.value.claim).collect(),
            loads: values(suites.loads),
            matchups: values(suites.matchups),
            suites: suites.suites.into_iter().map(|at| at.value.suite()).collect(),
            gates: suites.gates.into_iter().map(|at| at.value.gate).collect(),
        }),
        _ => {
            mistakes.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
            Err(mistakes)
        }
    }
}

/// The files that are left out and may be. Who defines programs needs no servers, and without these
/// no workloads; where neither servers nor programs are defined, servers are missing.
fn absent(read: &Read<'_>) -> Vec<&'static str> {
    let is_absent =
        |file: &&str| read(file).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    let all = ["programs.toml", "servers.toml", "workloads.toml"];
    let may_be = match all.map(|file| is_absent(&file)) {
        [false, true, _] => &all[1..],
        [true, ..] => &all[..1],
        _ => &[],
    };
    // Services are nobody's duty.
    may_be.iter().chain(&["services.toml"]).copied().filter(is_absent).collect()
}

fn values<T>(all: Vec<At<T>>) -> Vec<T> {
    all.into_iter().map(|at| at.value).collect()
}
