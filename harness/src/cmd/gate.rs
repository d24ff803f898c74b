//! `duet gate`: whether a change may be let in.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::comparison::{self, CONFIRMATION, Outputs};
use super::experiment::{self, Pair, Tools, words};
use super::{BenchFolder, Exit, Misuse, doctor, looks, noise, shown};
use crate::comparison::{Course, next};
use crate::record::{
    self, Absence, BlockRecord, BuildRecord, Experiment, FindingLevel, Question, Run, RunHeader,
};
use crate::spec::{CellId, Gate as Policy, Spec, Suite};
use crate::units;
use crate::versions::{self, Arm, Checkout, Here, Origin};

/// Blocks beyond the last look that may be measured in the place of ones that do not count: one in
/// so many.
const SPARE_SHARE: u32 = 4;
/// The name of a record in which something failed, once its pair is measured anew.
const FAILED: &str = "run-failed.jsonl";

/// Decides whether a change may be let in: PASS, REGRESSED or INCONCLUSIVE
///
/// Builds the base and the head, compares their answers, measures them in alternating windows and
/// looks at the result after fixed numbers of blocks. A regression must show in a second,
/// independent experiment before it fails. The policy is a table [[gate]] of suites.toml.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 PASS; 1 REGRESSED, or a budget is broken; 2 wrong usage or \
                        definitions; 3 INCONCLUSIVE; 4 could not measure here; 5 a server failed.")]
pub(super) struct Gate {
    /// The policy; may be left out where there is only one.
    #[arg(value_name = "GATE")]
    gate: Option<String>,

    /// The version that is: git:REF, dir:PATH, bin:PATH or server:NAME.
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

    /// Only cells whose name (server/workload/load) contains FILTER.
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
    let here = Here { root: &root, definitions: &args.bench.bench, spec: &spec };
    let Some(base) = &args.base else { unreachable!("clap requires it") };
    let servers = (base.server.as_deref(), args.head.server.as_deref());
    let (base, head) = (check_out(base, here)?, check_out(&args.head, here)?);
    let (pairs, absent) = pairs(policy, (&base, servers.0), (&head, servers.1))?;
    let spec = experiment::definitions(&spec, &pairs);
    let suite = suite(policy, &spec, &pairs, args.only.as_deref())?;
    let tools = Tools::new(root, policy.server_cpus, policy.generator_cpus)?;
    let mut header = tools.header(args.seed, &spec, &suite)?;
    header.experiment = Some(Experiment {
        question: Question::Gate,
        base: base.version,
        head: head.version,
        gate: Some(policy.clone()),
        floors: noise::floors(&tools.root, &header.machine, &suite)?,
        absent,
    });
    let builds = experiment::build(&tools, &spec)?;
    let folder = args.out.clone().unwrap_or_else(|| tools.root.join("results/gate"));
    let mut blocks = vec![];
    match make_room(&folder, args.out.is_none(), &header, &builds)? {
        Earlier::Nothing => announce(&header, &folder, ""),
        Earlier::Failed => announce(&header, &folder, "; an earlier run of the same pair failed"),
        Earlier::Undecided { seed, blocks: before } => {
            (header.seed, blocks) = (seed, before);
            announce(&header, &folder, "; continues an earlier run of the same pair");
        }
        Earlier::Decided => {
            anstream::println!("This pair has been decided; this is what was found.");
            return comparison::replay(&folder, &args.outputs);
        }
    }
    looks::carry_out(&tools, &folder, header, builds, blocks, args.even_identical)?;
    comparison::replay(&folder, &args.outputs)
}

/// The policy of this name, or the only one.
pub(super) fn choose<'a>(spec: &'a Spec, name: Option<&str>) -> Result<&'a Policy> {
    let names: Vec<&str> = spec.gates.iter().map(|gate| gate.name.as_str()).collect();
    match (name, &spec.gates[..]) {
        (Some(name), _) => spec.gate(name).ok_or_else(|| {
            let misuse = Misuse(match names.is_empty() {
                true => format!("there is no gate `{name}`: suites.toml has no table [[gate]]"),
                false => format!("there is no gate `{name}`; there are {}", names.join(", ")),
            });
            misuse.into()
        }),
        (None, [only]) => Ok(only),
        (None, []) => bail!(Misuse(
            "suites.toml has no table [[gate]] with the policy; `duet init` writes one".to_owned()
        )),
        (None, _) => bail!(Misuse(format!("which gate? There are {}", names.join(", ")))),
    }
}

/// A version on this disk, with what the user should know of it printed.
pub(super) fn check_out(arm: &Arm, here: Here<'_>) -> Result<Checkout> {
    if matches!(arm.origin, Origin::Run(_) | Origin::Baseline(_)) {
        bail!(Misuse(format!(
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

/// The guarded servers as pairs, and what only one version has. Versions that name a server, as
/// `git:main:mine` does, stand for that one alone.
pub(super) fn pairs(
    policy: &Policy,
    (base, base_server): (&Checkout, Option<&str>),
    (head, head_server): (&Checkout, Option<&str>),
) -> Result<(Vec<Pair>, Vec<Absence>)> {
    let mut pairs = vec![];
    let mut absent = vec![];
    let names: Vec<(&str, &str)> = match (base_server, head_server) {
        (None, None) => policy.servers.iter().map(|name| (&**name, &**name)).collect(),
        (Some(base), Some(head)) => vec![(base, head)],
        (Some(name), None) | (None, Some(name)) => vec![(name, name)],
    };
    for (old, new) in names {
        let lacks = |checkout: &Checkout, name| !checkout.servers.iter().any(|s| s.name == name);
        match experiment::pair((base, old), (head, new)) {
            Some(pair) => pairs.push(pair),
            None if lacks(base, old) && lacks(head, new) => {
                bail!(Misuse(format!("neither version has a server `{old}`")))
            }
            None => absent.push(Absence {
                server: old.to_owned(),
                workload: None,
                in_head: lacks(head, new),
            }),
        }
    }
    for pair in &pairs {
        for workload in &policy.workloads {
            let has = |of: &crate::spec::Server| of.workloads.contains(workload);
            if has(&pair.base) != has(&pair.head) {
                absent.push(Absence {
                    server: pair.name.clone(),
                    workload: Some(workload.clone()),
                    in_head: !has(&pair.head),
                });
            }
        }
    }
    Ok((pairs, absent))
}

/// The policy's cells as a suite, with blocks to spare.
pub(super) fn suite(
    policy: &Policy,
    spec: &Spec,
    pairs: &[Pair],
    only: Option<&str>,
) -> Result<Suite> {
    let mut cells = vec![];
    for pair in pairs {
        let both = |workload: &&String| {
            pair.base.workloads.contains(workload) && pair.head.workloads.contains(workload)
        };
        for workload in policy.workloads.iter().filter(both) {
            cells.extend(policy.loads.iter().map(|load| CellId {
                matchup: pair.name.clone(),
                workload: workload.clone(),
                load: load.clone(),
            }));
        }
    }
    if let Some(only) = only {
        cells.retain(|cell| cell.to_string().contains(only));
        if cells.is_empty() {
            bail!(Misuse(format!("no cell of the gate `{}` contains `{only}`", policy.name)));
        }
    }
    debug_assert!(cells.iter().all(|cell| spec.matchup(&cell.matchup).is_some()));
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
        program_block_ms: 0,
        program_limit_s: 0,
        program_limit_mib: 0,
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
    Undecided { seed: u64, blocks: Vec<BlockRecord> },
}

/// Makes the folder ready for a record. A second run of the same pair continues the first: it gets
/// no new chance to fail or to pass by accident.
fn make_room(
    folder: &Path,
    may_move: bool,
    header: &RunHeader,
    builds: &[BuildRecord],
) -> Result<Earlier> {
    if folder.join(record::FILE_NAME).exists() {
        let before = record::read(folder).ok().filter(|run| is_same(run, header, builds));
        if let Some(run) = before {
            return earlier(run, folder);
        }
        if !may_move {
            bail!(Misuse(format!(
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
    let open = matches!(next(&run, None), Course::GoOn { .. });
    let to_confirm = matches!(next(&run, None), Course::Decided(cells) if !cells.is_empty());
    let unconfirmed = to_confirm && !looks::is_confirmed(folder);
    match open && (interrupted || stopped) || unconfirmed {
        true => Ok(Earlier::Undecided { seed: run.header.seed, blocks: run.blocks }),
        false => Ok(Earlier::Decided),
    }
}

/// Whether a server could not be built, answered wrongly or failed in a block.
fn has_failed(run: &Run) -> bool {
    let builds = run.builds.iter().map(|build| &build.failure);
    builds.chain(run.blocks.iter().map(|block| &block.failure)).any(Option::is_some)
}

/// Whether a record is of the same executables, started and asked alike, under the same policy on
/// the same machine.
fn is_same(run: &Run, header: &RunHeader, builds: &[BuildRecord]) -> bool {
    let hashes = |builds: &[BuildRecord]| -> Vec<Option<String>> {
        builds.iter().map(|build| build.binary_sha256.clone()).collect()
    };
    let policy = |header: &RunHeader| header.experiment.clone().map(|e| (e.question, e.gate));
    let started = |header: &RunHeader| -> Vec<_> {
        header.spec.servers.iter().map(|s| (s.run.clone(), s.env.clone())).collect()
    };
    let asked = |header: &RunHeader| (header.spec.workloads.clone(), header.spec.loads.clone());
    hashes(&run.builds) == hashes(builds)
        && !hashes(builds).contains(&None)
        && policy(&run.header) == policy(header)
        && started(&run.header) == started(header)
        && asked(&run.header) == asked(header)
        && run.header.suite == header.suite
        && run.header.machine == header.machine
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
        words(head),
        words(base),
        units::count(header.suite.cells.len(), "cell"),
        looks.join(", "),
        units::minutes(u64::from(gate.budget_s)),
    );
    anstream::println!("Seed {}; record in {}.", header.seed, shown(folder));
    let doubts: Vec<_> =
        header.findings.iter().filter(|f| f.level != FindingLevel::Good).cloned().collect();
    anstream::print!("{}", doctor::text(&doubts));
}
