//! Whether arms are the same version: the same files, built and started in the same way.

use std::collections::BTreeMap;

use duet_model::record::{ProgramRecord, Run};
use duet_model::spec::{CellId, Toolchain};

/// Whether both arms of a cell are the same, so that there is nothing to compare. Versions with
/// folders of their own are the same where all files are, whatever of them runs: a server may read
/// any of them when it starts. Otherwise the same executable must be started in the same way.
#[must_use]
pub fn is_identical(run: &Run, id: &CellId) -> bool {
    let spec = &run.header.spec;
    let Some([base, head]) = spec.matchup(&id.matchup).map(|m| &m.arms[..]) else {
        return false;
    };
    let (hash, start) = (|arm| executable_sha256(run, arm, id), |arm| start(run, arm, id));
    if start(base) != start(head) {
        return false;
    }
    let trees = run.header.experiment.as_ref().map(|e| (&e.base.tree_sha256, &e.head.tree_sha256));
    match trees {
        None | Some((None, None)) => hash(base).is_some() && hash(base) == hash(head),
        Some((one, other)) => {
            one == other
                && built(run, base) == built(run, head)
                && binary(run, base, id) == binary(run, head, id)
        }
    }
}

/// What built an arm.
fn built<'a>(run: &'a Run, arm: &str) -> Option<(&'a [String], Option<&'a Toolchain>)> {
    let spec = &run.header.spec;
    let of_server = spec.server(arm).map(|one| (&one.build[..], one.toolchain.as_ref()));
    of_server.or_else(|| spec.set(arm).map(|set| (&set.build[..], set.toolchain.as_ref())))
}

/// The hash of an arm's executable in a cell; absent where it is not known.
pub(crate) fn executable_sha256<'a>(run: &'a Run, arm: &str, id: &CellId) -> Option<&'a str> {
    let spec = &run.header.spec;
    if !spec.is_of_programs(id) {
        let build = run.builds.iter().rfind(|build| build.server == *arm)?;
        return build.binary_sha256.as_deref();
    }
    let set = spec.origin(arm, &id.workload)?;
    let same = |p: &&ProgramRecord| p.set == set.name && p.problem == id.workload;
    run.programs.iter().rfind(same)?.binary_sha256.as_deref()
}

/// What an arm is started with, beside its executable.
#[derive(PartialEq)]
struct Start {
    /// The words behind the executable.
    words: Vec<String>,
    env: BTreeMap<String, String>,
}

fn start(run: &Run, arm: &str, id: &CellId) -> Option<Start> {
    let (words, env) = command(run, arm, id)?;
    Some(Start { words: words.into_iter().skip(1).collect(), env })
}

/// The first word of the command that starts an arm.
fn binary(run: &Run, arm: &str, id: &CellId) -> Option<String> {
    command(run, arm, id)?.0.into_iter().next()
}

/// The command that starts an arm, and its environment.
fn command(run: &Run, arm: &str, id: &CellId) -> Option<(Vec<String>, BTreeMap<String, String>)> {
    let spec = &run.header.spec;
    Some(if spec.is_of_programs(id) {
        let n = *spec.problem(&id.workload)?.sizes.get(&id.load)?;
        (spec.origin(arm, &id.workload)?.command(&id.workload, n), BTreeMap::new())
    } else {
        let server = spec.server(arm)?;
        (server.run.clone(), server.env.clone())
    })
}
