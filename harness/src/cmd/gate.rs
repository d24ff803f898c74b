//! `duet gate`: whether a change may be let in.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::comparison::{self, CONFIRMATION, Outputs};
use super::experiment::{self, Tools};
use super::{BenchFolder, Exit, UsageError, doctor, looks, noise, pairs, shown};
use duet_analysis::comparison::{Decision, next};
use duet_definitions::suggestion;
use duet_measure::versions::{self, Arm, Checkout, Origin, Workspace};
use duet_model::record::{self, BuildRecord, Experiment, FindingLevel, Question, Run, RunHeader};
use duet_model::spec::{CellId, Gate as Policy, Spec, Suite};

/// Blocks beyond the last look that may be measured in the place of ones that do not count: one in
/// so many.
const SPARE_SHARE: u32 = 4;
/// The name of a record in which something failed, once its pair is measured anew.
const FAILED: &str = "run-failed.jsonl";

/// Decides whether a change may be let in: PASS, REGRESSED or INCONCLUSIVE
///
/// Builds the base and the head, compares their answers, measures them in alternating windows
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

    /// Decides all that varies [default: from the clock].
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
    let spec = args.bench.load()?;
    let root = args.bench.root()?;
    let policy = choose(&spec, args.gate.as_deref())?;
    let here = Workspace { root: &root, definitions: &args.bench.bench, spec: &spec };
    let Some(base) = &args.base else { unreachable!("clap requires it") };
    let names = (base.name.as_deref(), args.head.name.as_deref());
    let (base, head) = (check_out(base, here)?, check_out(&args.head, here)?);
    let guarded = pairs::guarded(policy, (&base, names.0), (&head, names.1))?;
    let spec = pairs::definitions(&spec, &guarded.pairs);
    let suite = suite(policy, guarded.cells, args.only.as_deref())?;
    let cpus = (policy.server_cpus, policy.generator_cpus);
    let tools = Tools::new((root, &args.bench.bench), cpus)?;
    let mut header = tools.header(args.seed, &spec, &suite)?;
    header.experiment = Some(Experiment {
        question: Question::Gate,
        base: base.version,
        head: head.version,
        gate: Some(policy.clone()),
        floors: noise::floors(&tools.root, &header.machine, &suite)?,
        absent: guarded.absent,
    });
    let mut run = experiment::prepare(&tools, header)?;
    let folder = args.out.clone().unwrap_or_else(|| tools.root.join("results/gate"));
    match make_room(&folder, args.out.is_none(), &run)? {
        Earlier::Nothing => announce(&run.header, &folder, ""),
        Earlier::Failed => {
            announce(&run.header, &folder, "; an earlier run of the same pair failed");
        }
        Earlier::Undecided(earlier) => {
            run.header.seed = earlier.header.seed;
            (run.blocks, run.program_blocks) = (earlier.blocks, earlier.program_blocks);
            announce(&run.header, &folder, "; continues an earlier run of the same pair");
        }
        Earlier::Decided => {
            anstream::println!("This pair has been decided; this is what was found.");
            return comparison::replay(&folder, &args.outputs);
        }
    }
    looks::carry_out(&tools, &folder, run, args.even_identical)?;
    comparison::replay(&folder, &args.outputs)
}

/// The policy of this name, or the only one.
pub(super) fn choose<'a>(spec: &'a Spec, name: Option<&str>) -> Result<&'a Policy> {
    let names: Vec<&str> = spec.gates.iter().map(|gate| gate.name.as_str()).collect();
    match (name, &spec.gates[..]) {
        (Some(name), _) => spec.gate(name).ok_or_else(|| {
            let misuse = UsageError(match names.is_empty() {
                true => format!("there is no gate `{name}`: suites.toml has no table [[gate]]"),
                false => {
                    let known = suggestion(name, &names, "there are");
                    format!("there is no gate `{name}`: {known}")
                }
            });
            misuse.into()
        }),
        (None, [only]) => Ok(only),
        (None, []) => bail!(UsageError(
            "suites.toml has no table [[gate]] with the policy; `duet init` writes one".to_owned()
        )),
        (None, _) => bail!(UsageError(format!("which gate? There are {}", names.join(", ")))),
    }
}

/// A version on this disk, with what the user should know of it printed.
pub(super) fn check_out(arm: &Arm, here: Workspace<'_>) -> Result<Checkout> {
    if matches!(arm.origin, Origin::Run(_) | Origin::Baseline(_)) {
        bail!(UsageError(format!(
            "{} is a stored result, and a gate measures both versions side by side: name the \
             commit it was made of, as git:COMMIT",
            arm.given
        )));
    }
    let checkout = versions::check_out(arm, here)?;
    if let Some(note) = &checkout.note {
        anstream::eprintln!("note: {note}");
    }
    Ok(checkout)
}

/// A policy's cells as a suite, with blocks to spare.
pub(super) fn suite(policy: &Policy, mut cells: Vec<CellId>, only: Option<&str>) -> Result<Suite> {
    if let Some(only) = only {
        cells.retain(|cell| cell.to_string().contains(only));
        if cells.is_empty() {
            bail!(UsageError(format!("no cell of the gate `{}` contains `{only}`", policy.name)));
        }
    }
    let last = policy.looks.last().map_or(0, |look| look.blocks);
    Ok(Suite {
        name: policy.name.clone(),
        summary: policy.summary.clone(),
        server_cpus: policy.server_cpus,
        generator_cpus: policy.generator_cpus,
        blocks: last + last / SPARE_SHARE,
        window_ms: policy.window_ms,
        measure_ms: policy.measure_ms,
        warmup_ms: policy.warmup_ms,
        program_block_ms: policy.program_block_ms,
        program_limit_s: policy.program_limit_s,
        program_limit_mib: policy.program_limit_mib,
        verdicts: true,
        cells,
    })
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
fn make_room(folder: &Path, may_move: bool, begun: &Run) -> Result<Earlier> {
    if folder.join(record::FILE_NAME).exists() {
        let before = record::read(folder).ok().filter(|run| is_same(run, begun));
        if let Some(run) = before {
            return earlier(run, folder);
        }
        if !may_move {
            bail!(UsageError(format!(
                "{} holds another run already: choose another folder, or remove it",
                folder.display()
            )));
        }
        let previous = folder.with_file_name("gate-previous");
        if previous.exists() {
            fs::remove_dir_all(&previous)
                .with_context(|| format!("failed to remove {}", previous.display()))?;
        }
        fs::rename(folder, &previous)
            .with_context(|| format!("failed to move {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("failed to create {}", folder.display()))?;
    Ok(Earlier::Nothing)
}

/// What a run of the same pair came to. The record of one that failed is put aside.
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

/// Whether a server or a program could not be built, answered wrongly or failed in a block.
fn has_failed(run: &Run) -> bool {
    let builds = run.builds.iter().map(|build| build.failure.is_some());
    let programs = run.programs.iter().map(|program| program.failure.is_some());
    let blocks = run.attempts().map(|attempt| attempt.failure.is_some());
    builds.chain(programs).chain(blocks).any(|failed| failed)
}

/// Whether a record is of the same executables, started and asked alike, under the same policy on
/// the same machine.
fn is_same(one: &Run, other: &Run) -> bool {
    let policy = |run: &Run| run.header.experiment.clone().map(|e| (e.question, e.gate));
    let started = |run: &Run| -> Vec<_> {
        let spec = &run.header.spec;
        let servers = spec.servers.iter().map(|s| (s.run.clone(), s.env.clone()));
        servers.chain(spec.sets.iter().map(|s| (s.run.clone(), BTreeMap::new()))).collect()
    };
    let asked = |run: &Run| {
        let spec = &run.header.spec;
        (spec.workloads.clone(), spec.loads.clone(), spec.problems.clone())
    };
    executables(one).is_some()
        && executables(one) == executables(other)
        && policy(one) == policy(other)
        && started(one) == started(other)
        && asked(one) == asked(other)
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

/// Says what is about to be measured. `beside`: what else there is to say of it.
fn announce(header: &RunHeader, folder: &Path, beside: &str) {
    let Some(Experiment { base, head, gate: Some(gate), .. }) = &header.experiment else {
        return;
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
    let doubts: Vec<_> =
        header.findings.iter().filter(|f| f.level != FindingLevel::Good).cloned().collect();
    anstream::print!("{}", doctor::text(&doubts));
}
