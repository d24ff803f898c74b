//! Earlier runs of a pair of versions: continued where their record is at hand, counted where it is
//! not.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use super::comparison::CONFIRMATION;
use super::folders::{Former, RecordFolder};
use super::{looks, pair_store};
use duet_analysis::comparison::{Decision, next};
use duet_model::record::{self, BuildRecord, Machine, Run, RunHeader};
use duet_model::spec::{self, Load, Problem, Suite, Workload};

/// The name of a record in which something failed, once its pair is measured anew.
const FAILED: &str = "run-failed.jsonl.gz";

/// The same of one that is not compressed.
const FAILED_PLAIN: &str = "run-failed.jsonl";

/// What an earlier run of the same pair came to.
pub(super) enum Earlier {
    /// There was none, or its record is lost.
    Nothing,
    /// Something failed in it, which says nothing of what else would: it is measured anew.
    Failed,
    /// It has decided.
    Decided,
    /// It was interrupted or ran out of time: its plan, which the seed gives, goes on.
    Undecided,
}

/// Makes the folder ready for a record. A second run of the same pair continues the first, also
/// where others were measured in the meantime: it gets no new chance to fail or to pass by
/// accident. Where the first run's record is lost, or is another machine's, this is a further
/// attempt.
pub(super) fn make_room(root: &Path, folder: &RecordFolder, prepared: &mut Run) -> Result<Earlier> {
    let wanted = key(prepared);
    // Where nothing was measured, there is nothing to go on with.
    let same = |folder: &Path| {
        let run = record::read(folder).ok()?;
        let measured = run.attempts().next().is_some();
        (wanted.is_some() && key(&run) == wanted && measured).then_some(run)
    };
    if let Some(run) = same(folder) {
        return take_up(run, folder, prepared);
    }
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.make_room(Former::MovedTo(&format!("{name}-previous")))?;
    let Some(wanted) = &wanted else { return Ok(Earlier::Nothing) };
    if pair_store::restore(root, wanted, folder)?
        && let Some(run) = same(folder)
    {
        return take_up(run, folder, prepared);
    }
    // Where the cache cannot be read, no attempt is known of.
    let counted = pair_store::attempts(root, &wanted.anywhere()).unwrap_or(0);
    if let Some(experiment) = &mut prepared.header.experiment {
        experiment.attempt = experiment.attempt.max(Some(counted.saturating_add(1)));
    }
    Ok(Earlier::Nothing)
}

/// Counts the attempt that is about to be measured, so that it is known of whatever becomes of its
/// record.
pub(super) fn count(root: &Path, prepared: &Run) -> Result<()> {
    let attempt = prepared.header.experiment.as_ref().and_then(|experiment| experiment.attempt);
    match key(prepared).zip(attempt) {
        Some((key, attempt)) => pair_store::set_attempts(root, &key.anywhere(), attempt),
        None => Ok(()),
    }
}

/// Keeps the record of a pair, for its next run. One in which something failed has no verdict, so
/// it was no attempt at one.
pub(super) fn keep(root: &Path, folder: &Path) -> Result<()> {
    let run = record::read(folder)?;
    let Some(key) = key(&run) else { return Ok(()) };
    if has_failed(&run) {
        let attempt = run.header.experiment.as_ref().and_then(|experiment| experiment.attempt);
        let before = attempt.unwrap_or(1).saturating_sub(1);
        return pair_store::set_attempts(root, &key.anywhere(), before);
    }
    match run.attempts().next() {
        Some(_) => pair_store::keep(root, &key, folder),
        None => Ok(()),
    }
}

/// What a run of the same pair came to; what goes on has its seed and blocks, and any has its
/// number of attempts. The record of one that failed is renamed.
fn take_up(run: Run, folder: &Path, prepared: &mut Run) -> Result<Earlier> {
    let attempt = run.header.experiment.as_ref().and_then(|experiment| experiment.attempt);
    let own = prepared.header.experiment.as_mut();
    let second = folder.join(CONFIRMATION);
    if has_failed(&run) || record::read(&second).is_ok_and(|run| has_failed(&run)) {
        for folder in [folder, &second] {
            if let Some(file) = record::find(folder) {
                let plain = file.ends_with(record::PLAIN_FILE_NAME);
                fs::rename(&file, folder.join(if plain { FAILED_PLAIN } else { FAILED }))
                    .with_context(|| format!("failed to move {}", file.display()))?;
            }
        }
        own.into_iter().for_each(|own| own.attempt = own.attempt.max(attempt));
        return Ok(Earlier::Failed);
    }
    let interrupted = run.end.as_ref().is_none_or(|end| end.interrupted.is_some());
    let stopped = run.end.as_ref().is_some_and(|end| end.stopped.is_some());
    let open = matches!(next(&run, None), Decision::GoOn { .. });
    let to_confirm = matches!(next(&run, None), Decision::Decided(cells) if !cells.is_empty());
    let unconfirmed = to_confirm && !looks::is_confirmed(folder);
    if !(open && (interrupted || stopped) || unconfirmed) {
        return Ok(Earlier::Decided);
    }
    own.into_iter().for_each(|own| own.attempt = attempt);
    prepared.header.seed = run.header.seed;
    (prepared.blocks, prepared.program_blocks) = (run.blocks, run.program_blocks);
    Ok(Earlier::Undecided)
}

/// Whether a server or a program could not be built, failed verification or failed in a block.
fn has_failed(run: &Run) -> bool {
    let builds = run.builds.iter().map(|build| build.failure.is_some());
    let programs = run.programs.iter().map(|program| program.failure.is_some());
    let blocks = run.attempts().map(|attempt| attempt.failure.is_some());
    builds.chain(programs).chain(blocks).any(|failed| failed)
}

/// What two runs of the same pair have in common: the versions, built, started and driven alike,
/// under the same policy on the same machine. Absent where neither the versions' files nor their
/// executables are known.
#[derive(Clone, PartialEq, Serialize)]
struct PairKey {
    trees: [Option<String>; 2],
    executables: Option<Vec<String>>,
    policy: Option<spec::Gate>,
    started: Vec<(Vec<String>, BTreeMap<String, String>)>,
    driven: (Vec<Workload>, Vec<Load>, Vec<Problem>),
    suite: Suite,
    machine: Option<Machine>,
}

impl PairKey {
    /// What the pair is on any machine. Where the versions' files are known, what they were built
    /// to is not asked for: another machine may build other executables.
    fn anywhere(&self) -> Self {
        let known = self.trees.iter().all(Option::is_some);
        let executables = self.executables.clone().filter(|_| !known);
        Self { machine: None, executables, ..self.clone() }
    }
}

fn key(run: &Run) -> Option<PairKey> {
    let RunHeader { spec, suite, machine, experiment, .. } = &run.header;
    let experiment = experiment.as_ref()?;
    let trees = [&experiment.base, &experiment.head].map(|version| version.tree_sha256.clone());
    let executables = executables(run);
    if executables.is_none() && trees.contains(&None) {
        return None;
    }
    // A record has no others.
    let workloads = spec.workloads_of(&suite.cells).into_iter().cloned().collect();
    let servers = spec.servers.iter().map(|s| (s.run.clone(), s.env.clone()));
    let sets = spec.sets.iter().map(|s| (s.run.clone(), BTreeMap::new()));
    Some(PairKey {
        trees,
        executables,
        policy: experiment.gate.clone(),
        started: servers.chain(sets).collect(),
        driven: (workloads, spec.loads.clone(), spec.problems.clone()),
        suite: suite.clone(),
        machine: Some(machine.clone()),
    })
}

/// The hashes of all servers and programs; absent where one is not known. A set of programs has
/// none by itself.
fn executables(run: &Run) -> Option<Vec<String>> {
    let is_server = |build: &&BuildRecord| run.header.spec.server(&build.server).is_some();
    let servers = run.builds.iter().filter(is_server).map(|build| build.binary_sha256.as_ref());
    let programs = run.programs.iter().map(|program| program.binary_sha256.as_ref());
    servers.chain(programs).map(Option::<&String>::cloned).collect()
}
