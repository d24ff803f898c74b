//! Whether arms are the same executable, started in the same way.

use std::collections::BTreeMap;

use duet_model::record::{ProgramRecord, Run};
use duet_model::spec::CellId;

/// Whether both arms of a cell are the same executable, started in the same way.
#[must_use]
pub fn is_identical(run: &Run, id: &CellId) -> bool {
    let Some([base, head]) = run.header.spec.matchup(&id.matchup).map(|m| &m.arms[..]) else {
        return false;
    };
    let hash = |arm: &String| hash(run, arm, id);
    hash(base).is_some() && hash(base) == hash(head) && start(run, base, id) == start(run, head, id)
}

/// The hash of an arm's executable in a cell; absent where it is not known.
pub(super) fn hash<'a>(run: &'a Run, arm: &str, id: &CellId) -> Option<&'a str> {
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
    let spec = &run.header.spec;
    let (words, env) = if spec.is_of_programs(id) {
        let n = *spec.problem(&id.workload)?.sizes.get(&id.load)?;
        (spec.origin(arm, &id.workload)?.command(&id.workload, n), BTreeMap::new())
    } else {
        let server = spec.server(arm)?;
        (server.run.clone(), server.env.clone())
    };
    Some(Start { words: words.into_iter().skip(1).collect(), env })
}
