//! `duet gate`: whether a change may be let in.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;

use super::comparison::{self, CONFIRMATION, Outputs};
use super::exit::Exit;
use super::folders::{self, BenchFolder, Former, shown};
use super::session::Session;
use super::{doctor, floor_store, looks, pairs, policy};
use duet_analysis::comparison::{Decision, next};
use duet_measure::versions::{Arm, Workspace};
use duet_model::record::{self, BuildRecord, Experiment, Question, Run, RunHeader};

/// The folder for the record, below the one above the definitions.
const FOLDER: &str = "results/gate";

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
                        definitions; 3 INCONCLUSIVE; 4 could not measure here; 5 a server failed.")]
pub(super) struct Gate {
    /// The policy; may be left out where there is only one.
    #[arg(value_name = "GATE")]
    gate: Option<String>,

    /// The version to compare with, such as git:main: git:REF, dir:PATH, bin:PATH, server:NAME or
    /// set:NAME.
    #[arg(long, value_name = "VERSION", required_unless_present = "replay")]
    base: Option<Arm>,

    /// The version that is to be let in, in the same forms.
    #[arg(long, value_name = "VERSION", default_value = "dir:.")]
    head: Arm,

    /// The folder for record and report [default: results/gate, whose former content moves to
    /// results/gate-previous unless it is of the same pair, which is then continued].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Random seed [default: from the clock].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Only cells whose name (server/workload/load, set/problem/size) contains FILTER.
    #[arg(long, value_name = "FILTER")]
    only: Option<String>,

    /// Measure also what is the same executable in both versions.
    #[arg(long)]
    even_identical: bool,

    /// Measure nothing; judge the records in DIR again.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["base", "out", "seed", "only"])]
    replay: Option<PathBuf>,

    #[command(flatten)]
    outputs: Outputs,

    #[command(flatten)]
    bench: BenchFolder,
}

pub(super) fn run(args: &Gate) -> Result<Exit> {
    if let Some(folder) = &args.replay {
        return comparison::replay(folder, &args.outputs);
    }
    let (spec, root) = args.bench.open()?;
    let gate = policy::choose(&spec, args.gate.as_deref())?;
    let here = Workspace { root: &root, definitions: &args.bench.bench, spec: &spec };
    let Some(base) = &args.base else { unreachable!("clap requires it") };
    let names = (base.name.as_deref(), args.head.name.as_deref());
    let (base, head) = (policy::check_out(base, here)?, policy::check_out(&args.head, here)?);
    let guarded = pairs::guarded(gate, (&base, names.0), (&head, names.1))?;
    let spec = pairs::definitions(&spec, &guarded.pairs);
    let suite = policy::suite(gate, guarded.cells, args.only.as_deref())?;
    let session = Session::new(root, &args.bench.bench, &suite)?;
    let mut header = session.header(args.seed, &spec, &suite)?;
    header.experiment = Some(Experiment {
        question: Question::Gate,
        base: base.version,
        head: head.version,
        gate: Some(gate.clone()),
        floors: floor_store::floors(&session.root, &header.machine, &suite)?,
        absent: guarded.absent,
    });
    let mut prepared = session.prepare(header)?;
    let (folder, earlier) = make_room(&session, args.out.as_deref(), &prepared)?;
    if let Earlier::Undecided(earlier) = &earlier {
        prepared.header.seed = earlier.header.seed;
        prepared.blocks.clone_from(&earlier.blocks);
        prepared.program_blocks.clone_from(&earlier.program_blocks);
    }
    announce(&prepared.header, &folder, &earlier);
    if !matches!(earlier, Earlier::Decided) {
        looks::carry_out(&session, &folder, prepared, args.even_identical)?;
    }
    comparison::replay(&folder, &args.outputs)
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

/// Makes the folder ready for a record. A second run of the same pair continues the first: it gets
/// no new chance to fail or to pass by accident.
fn make_room(session: &Session, out: Option<&Path>, prepared: &Run) -> Result<(PathBuf, Earlier)> {
    let folder = out.map_or_else(|| session.root.join(FOLDER), Path::to_owned);
    if let Some(run) = record::read(&folder).ok().filter(|run| is_same(run, prepared)) {
        let earlier = earlier(run, &folder)?;
        return Ok((folder, earlier));
    }
    let former = Former::MovedTo("gate-previous");
    Ok((folders::for_record(out, &session.root, FOLDER, former)?, Earlier::Nothing))
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

/// Whether a record is of the same executables, started and driven alike, under the same policy on
/// the same machine.
fn is_same(one: &Run, other: &Run) -> bool {
    let policy = |run: &Run| run.header.experiment.clone().map(|e| (e.question, e.gate));
    let started = |run: &Run| -> Vec<_> {
        let spec = &run.header.spec;
        let servers = spec.servers.iter().map(|s| (s.run.clone(), s.env.clone()));
        servers.chain(spec.sets.iter().map(|s| (s.run.clone(), BTreeMap::new()))).collect()
    };
    let driven = |run: &Run| {
        let spec = &run.header.spec;
        (spec.workloads.clone(), spec.loads.clone(), spec.problems.clone())
    };
    executables(one).is_some()
        && executables(one) == executables(other)
        && policy(one) == policy(other)
        && started(one) == started(other)
        && driven(one) == driven(other)
        && one.header.suite == other.header.suite
        && one.header.machine == other.header.machine
}

/// The hashes of all servers and programs; absent where one is not known. A set of programs has
/// none by itself.
fn executables(run: &Run) -> Option<Vec<&String>> {
    let is_server = |build: &&BuildRecord| run.header.spec.server(&build.server).is_some();
    let servers = run.builds.iter().filter(is_server).map(|build| build.binary_sha256.as_ref());
    servers.chain(run.programs.iter().map(|program| program.binary_sha256.as_ref())).collect()
}

/// Says what is about to be measured, or that nothing is.
fn announce(header: &RunHeader, folder: &Path, earlier: &Earlier) {
    let Some(Experiment { base, head, gate: Some(gate), .. }) = &header.experiment else {
        return;
    };
    let beside = match earlier {
        Earlier::Decided => {
            anstream::println!("This pair has been decided; this is what was found.");
            return;
        }
        Earlier::Nothing => "",
        Earlier::Failed => "; an earlier run of the same pair failed",
        Earlier::Undecided(_) => "; continues an earlier run of the same pair",
    };
    let looks: Vec<String> = gate.looks.iter().map(|look| look.blocks.to_string()).collect();
    anstream::println!(
        "Gate `{}`: {} against {}, {}, looks after {} blocks, at most {}{beside}.",
        gate.name,
        head,
        base,
        duet_units::count(header.suite.cells.len(), "cell"),
        looks.join(", "),
        duet_units::minutes(u64::from(gate.budget_s)),
    );
    anstream::println!("Seed {}; record in {}.", header.seed, shown(folder));
    anstream::print!("{}", doctor::warnings(&header.findings));
}
