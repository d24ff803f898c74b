//! `duet gate`: whether a change may be let in.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;

use super::comparison::{self, CONFIRMATION, Outputs};
use super::exit::Exit;
use super::folders::{self, BenchFolder, Former, PostgresFolder, RecordFolder, shown};
use super::in_force::{self, InForce};
use super::session::Session;
use super::stdio::{self, Stream};
use super::{doctor, floor_store, looks, pair_store, pairs, policy};
use duet_analysis::comparison::{Decision, next};
use duet_measure::versions::{self, Arm, Origin, Workspace};
use duet_model::record::{self, BuildRecord, Experiment, Machine, Question, Run, RunHeader};
use duet_model::spec::{self, Gate as Policy, Load, Problem, Suite, Workload};

/// The folder for the record, below the one above the definitions.
const FOLDER: &str = "results/gate";

/// The folder for the record against the anchor, so that neither moves the other away.
const ANCHOR_FOLDER: &str = "results/gate-anchor";

/// The name of a record in which something failed, once its pair is measured anew.
const FAILED: &str = "run-failed.jsonl";

/// Decides whether a change may be let in: PASS, REGRESSED or INCONCLUSIVE
///
/// Builds the base and the head, verifies their responses, measures them in alternating windows
/// (programs: in alternating runs) and looks at the result after fixed numbers of blocks. A
/// regression must show in a second, independent experiment before it fails. The policy is a table
/// [[gate]] of suites.toml.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 PASS; 1 REGRESSED, or a budget is broken; 2 wrong usage or \
                        definitions; 3 INCONCLUSIVE; 4 could not measure here; 5 a server failed; \
                        6 a server of the base failed and none of the head.")]
pub(super) struct Gate {
    /// The policy; may be left out where there is only one.
    #[arg(value_name = "GATE")]
    gate: Option<String>,

    /// The version to compare with, such as git:main: git:REF, dir:PATH, bin:PATH, server:NAME or
    /// set:NAME.
    #[arg(long, value_name = "VERSION", required_unless_present_any = ["replay", "anchor"])]
    base: Option<Arm>,

    /// Compare with the policy's anchor instead, such as the last release, at twice the margins:
    /// what many changes together have lost, each of them within its margin. Its default folder is
    /// results/gate-anchor.
    #[arg(long, conflicts_with_all = ["base", "replay"])]
    anchor: bool,

    /// The version that is to be let in, in the same forms [default: the folder above the
    /// definitions].
    #[arg(long, value_name = "VERSION")]
    head: Option<Arm>,

    /// The folder for record and report [default: results/gate, whose former content moves to
    /// results/gate-previous unless it is of the same pair, which is then continued].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Compare with the tip of the base's branch, not with the latest commit that the head has in
    /// common with it: then what the branch gained since counts against the head.
    #[arg(long)]
    tip: bool,

    /// Random seed [default: from the clock].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Only cells whose name (server/workload/load, set/problem/size) contains FILTER.
    #[arg(long, value_name = "FILTER")]
    only: Option<String>,

    /// Measure also where both versions are the same.
    #[arg(long)]
    even_identical: bool,

    /// Measure nothing; judge the records in DIR again.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["base", "out", "seed", "only"])]
    replay: Option<PathBuf>,

    #[command(flatten)]
    outputs: Outputs,

    #[command(flatten)]
    postgres: PostgresFolder,

    #[command(flatten)]
    bench: BenchFolder,
}

pub(super) fn run(args: &Gate) -> Result<Exit> {
    let outcome = judge(args);
    if let Err(error) = outcome.as_ref().map_err(|error| format!("{error:#}"))
        && args.outputs.github
    {
        let annotation = duet_report::comparison::error_annotation(&error);
        // The error that is reported is the one that matters.
        drop(args.outputs.stream().print_raw(&annotation));
    }
    outcome
}

fn judge(args: &Gate) -> Result<Exit> {
    if let Some(folder) = &args.replay {
        return comparison::replay(folder, &args.outputs);
    }
    let (spec, root) = args.bench.open()?;
    let (definitions, say) = (&*args.bench.bench, policy::say as fn(&str));
    let here = Workspace { root: &root, definitions, spec: &spec, say };
    let base = match &args.base {
        Some(base) => base.clone(),
        None => policy::anchor(policy::choose(&spec, args.gate.as_deref())?)?,
    };
    let head = args.head.clone().unwrap_or_else(|| policy::folder(&root));
    let names = (base.name.clone(), head.name.clone());
    // An anchor is the version that it names, wherever the head has forked from it.
    let (base, beyond) = match args.tip || args.anchor {
        true => (base, None),
        false => fork(base, &head, &root)?,
    };
    let (mut base, head) = (policy::check_out(&base, here)?, policy::check_out(&head, here)?);
    base.version.commits_beyond = beyond;
    let (of_base, of_head) = (base.definitions(&spec), head.definitions(&spec));
    let InForce { policy: gate, differences } =
        in_force::in_force(of_base, of_head, args.gate.as_deref())?;
    let gate = if args.anchor { gate.against_anchor() } else { gate };
    let mut guarded =
        pairs::guarded(&gate, &spec, (&base, names.0.as_deref()), (&head, names.1.as_deref()))?;
    if let Some(only) = &args.only {
        guarded.absent.retain(|absence| absence.cell.to_string().contains(only));
        guarded.changed.retain(|cell| cell.to_string().contains(only));
    }
    let spec = pairs::of_both(&spec, &base, &head, &guarded.pairs);
    let spec = pairs::definitions(&spec, &guarded.pairs);
    let suite = policy::suite(&gate, guarded.cells, args.only.as_deref())?;
    let default = if args.anchor { ANCHOR_FOLDER } else { FOLDER };
    let folder = folders::lock(args.out.as_deref(), &root, default)?;
    let session = Session::new(root, &args.bench.bench, &suite, &args.postgres)?;
    let mut header = session.header(args.seed, &spec, &suite)?;
    let floors = floor_store::floors(&session.root, &header, first_look(&gate))?;
    header.experiment = Some(Experiment {
        question: Question::Gate,
        base: base.version,
        head: head.version,
        gate: Some(gate),
        floors,
        absent: guarded.absent,
        changed: guarded.changed,
        policy_differences: differences,
    });
    let mut prepared = session.prepare(header)?;
    let earlier = make_room(&session, &folder, &prepared)?;
    if let Earlier::Undecided(earlier) = &earlier {
        prepared.header.seed = earlier.header.seed;
        prepared.blocks.clone_from(&earlier.blocks);
        prepared.program_blocks.clone_from(&earlier.program_blocks);
    }
    announce(&prepared.header, &folder, &earlier, args.outputs.stream())?;
    let mut kept = Ok(());
    if !matches!(earlier, Earlier::Decided) {
        looks::carry_out(&session, &folder, prepared, args.even_identical)?;
        kept = keep(&session, &folder);
    }
    let exit = comparison::conclude(&folder, &args.outputs)?;
    // After the verdict, which is known whatever becomes of the copy.
    if let Err(error) = kept {
        stdio::note(&format!("warning: the next run of this pair starts anew: {error:#}"));
    }
    Ok(exit)
}

/// The commit that the head forked from, in the place of the tip of the branch that is the base,
/// and how many commits the branch has beyond it; a base that is no commit stays as it is.
fn fork(base: Arm, head: &Arm, root: &Path) -> Result<(Arm, Option<u32>)> {
    let Origin::Git(reference) = &base.origin else { return Ok((base, None)) };
    let of_head = match &head.origin {
        Origin::Git(reference) => versions::commit(reference, root)?,
        // Of another repository there is no commit in common.
        Origin::Folder(folder) => match versions::head_commit(folder, root) {
            Some(commit) => commit,
            None => return Ok((base, None)),
        },
        _ => return Ok((base, None)),
    };
    let (fork, beyond) = versions::merge_base(&versions::commit(reference, root)?, &of_head, root)?;
    Ok((Arm { origin: Origin::Git(fork), ..base }, Some(beyond)))
}

/// Blocks of a null experiment: as many as there are before the first look.
fn first_look(gate: &Policy) -> u32 {
    gate.looks.first().map_or(0, |look| look.blocks)
}

/// What an earlier run of the same pair came to.
enum Earlier {
    /// There was none.
    Nothing,
    /// Something failed in it, which says nothing of what else would: it is measured anew.
    Failed,
    /// It has decided.
    Decided,
    /// It was interrupted or ran out of time: its plan, which the seed gives, goes on.
    Undecided(Box<Run>),
}

/// Makes the folder ready for a record. A second run of the same pair continues the first, also
/// where others were measured in the meantime: it gets no new chance to fail or to pass by
/// accident.
fn make_room(session: &Session, folder: &RecordFolder, prepared: &Run) -> Result<Earlier> {
    let wanted = key(prepared);
    // Where nothing was measured, there is nothing to go on with.
    let same = |folder: &Path| {
        let run = record::read(folder).ok()?;
        let measured = run.attempts().next().is_some();
        (wanted.is_some() && key(&run) == wanted && measured).then_some(run)
    };
    if let Some(run) = same(folder) {
        return earlier(run, folder);
    }
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.make_room(Former::MovedTo(&format!("{name}-previous")))?;
    if let Some(wanted) = &wanted
        && pair_store::restore(&session.root, wanted, folder)?
        && let Some(run) = same(folder)
    {
        return earlier(run, folder);
    }
    Ok(Earlier::Nothing)
}

/// Keeps the record of a pair, for its next run.
fn keep(session: &Session, folder: &Path) -> Result<()> {
    let run = record::read(folder)?;
    match key(&run) {
        Some(key) if !has_failed(&run) && run.attempts().next().is_some() => {
            pair_store::keep(&session.root, &key, folder)
        }
        _ => Ok(()),
    }
}

/// What a run of the same pair came to. The record of one that failed is renamed.
fn earlier(run: Run, folder: &Path) -> Result<Earlier> {
    let second = folder.join(CONFIRMATION);
    if has_failed(&run) || record::read(&second).is_ok_and(|run| has_failed(&run)) {
        for folder in [folder, &second] {
            let file = folder.join(record::FILE_NAME);
            if file.exists() {
                fs::rename(&file, folder.join(FAILED))
                    .with_context(|| format!("failed to move {}", file.display()))?;
            }
        }
        return Ok(Earlier::Failed);
    }
    let interrupted = run.end.as_ref().is_none_or(|end| end.interrupted.is_some());
    let stopped = run.end.as_ref().is_some_and(|end| end.stopped.is_some());
    let open = matches!(next(&run, None), Decision::GoOn { .. });
    let to_confirm = matches!(next(&run, None), Decision::Decided(cells) if !cells.is_empty());
    let unconfirmed = to_confirm && !looks::is_confirmed(folder);
    match open && (interrupted || stopped) || unconfirmed {
        true => Ok(Earlier::Undecided(Box::new(run))),
        false => Ok(Earlier::Decided),
    }
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
#[derive(PartialEq, Serialize)]
struct PairKey {
    trees: [Option<String>; 2],
    executables: Option<Vec<String>>,
    policy: Option<spec::Gate>,
    started: Vec<(Vec<String>, BTreeMap<String, String>)>,
    driven: (Vec<Workload>, Vec<Load>, Vec<Problem>),
    suite: Suite,
    machine: Machine,
}

fn key(run: &Run) -> Option<PairKey> {
    let RunHeader { spec, suite, machine, experiment, .. } = &run.header;
    let experiment = experiment.as_ref()?;
    let trees = [&experiment.base, &experiment.head].map(|version| version.tree_sha256.clone());
    let executables = executables(run);
    if executables.is_none() && trees.contains(&None) {
        return None;
    }
    let servers = spec.servers.iter().map(|s| (s.run.clone(), s.env.clone()));
    let sets = spec.sets.iter().map(|s| (s.run.clone(), BTreeMap::new()));
    Some(PairKey {
        trees,
        executables,
        policy: experiment.gate.clone(),
        started: servers.chain(sets).collect(),
        driven: (spec.workloads.clone(), spec.loads.clone(), spec.problems.clone()),
        suite: suite.clone(),
        machine: machine.clone(),
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

/// Says what is about to be measured, or that nothing is.
fn announce(header: &RunHeader, folder: &Path, earlier: &Earlier, stream: Stream) -> Result<()> {
    let Some(Experiment { base, head, gate: Some(gate), .. }) = &header.experiment else {
        return Ok(());
    };
    let beside = match earlier {
        Earlier::Decided => {
            return stream.line(
                "This pair has been decided, of versions with the same files; this is what was \
                 found.",
            );
        }
        Earlier::Nothing => "",
        Earlier::Failed => "; an earlier run of the same pair failed",
        Earlier::Undecided(_) => "; continues an earlier run of the same pair",
    };
    let looks: Vec<String> = gate.looks.iter().map(|look| look.blocks.to_string()).collect();
    stream.line(&format!(
        "Gate `{}`: {} against {}, {}, looks after {} blocks, at most {}{beside}.",
        gate.name,
        head,
        base,
        duet_units::count(header.suite.cells.len(), "cell"),
        looks.join(", "),
        duet_units::minutes(u64::from(gate.budget_s)),
    ))?;
    stream.line(&format!("Seed {}; record in {}.", header.seed, shown(folder)))?;
    stream.print(&doctor::warnings(&header.findings))
}
