//! `duet run`: a suite carried out, recorded and reported.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::{BenchFolder, Exit, UsageError, blocks, doctor, report, run_programs, shown, verify};
use crate::cmd::progress::Progress;
use duet_definitions::suggestion;
use duet_measure::block::Bench;
use duet_measure::build;
use duet_measure::host::{self, Cpus};
use duet_measure::programs::{ProgramCache, ProgramContext};
use duet_measure::verify::Verifier;
use duet_model::plan::{self, BlockPlan};
use duet_model::record::{
    self, BuildRecord, Failure, FindingLevel, Record, RunEnd, RunHeader, Stage, Writer,
};
use duet_model::spec::{CellId, Spec, Suite};
use duet_process::interrupt::{Interrupt, Interrupted};

/// Measures a suite and writes a report
///
/// Builds the servers, compares their answers with the right ones, measures them in alternating
/// windows, and writes the record, tables and charts. Ctrl-C keeps what was measured.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// The suite, such as `standard` (see `duet list`).
    #[arg(value_name = "SUITE")]
    suite: String,

    /// The folder for record and report [default: results/latest, whose former content moves to
    /// results/previous].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Decides all that varies: the order of windows and requests, ports, environment [default:
    /// from the clock].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Only cells whose name (matchup/workload/load) contains FILTER.
    #[arg(long, value_name = "FILTER")]
    only: Option<String>,

    #[command(flatten)]
    bench: BenchFolder,
}

pub(super) fn run(args: &Run) -> Result<Exit> {
    let spec = args.bench.load()?;
    let root = args.bench.root()?;
    let mut suite = choose(&spec, &args.suite, args.only.as_deref())?;
    let unfit_sets = run_programs::leave_out_unfit(&spec, &mut suite)?;
    let cpus = host::choose_cpus(suite.server_cpus, suite.generator_cpus)?;
    let mut header = header(args.seed, &spec, &suite, &cpus, &root)?;
    header.findings.splice(0..0, unfit_sets);
    refuse_unfit(&header)?;
    let interrupt = Interrupt::watch()?;
    let folder = output_folder(args.out.as_deref(), &root)?;
    header.to_project = to_project(&folder, &root)?;
    announce(&header, &folder);
    let mut writer = Writer::create(&folder)?;
    writer.append(&Record::Header(Box::new(header.clone())))?;
    let started = Instant::now();
    let outcome =
        carry_out(&header, (&root, &args.bench.bench), &cpus, &mut writer, started, &interrupt);
    let interrupted = match &outcome {
        Ok(()) => None,
        Err(error) => error.downcast_ref::<Interrupted>().map(|i| i.0),
    };
    if interrupted.is_none() {
        outcome?;
    }
    let elapsed_ns = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
    writer.append(&Record::End(RunEnd { elapsed_ns, interrupted, stopped: None }))?;
    let analysis = report::write(&folder)?;
    report::show(&analysis, &folder);
    Ok(report::exit(&analysis))
}

/// The suite, with only the cells whose name contains the filter.
fn choose(spec: &Spec, name: &str, only: Option<&str>) -> Result<Suite> {
    let Some(suite) = spec.suite(name) else {
        let known: Vec<&str> = spec.suites.iter().map(|suite| suite.name.as_str()).collect();
        let known = suggestion(name, &known, "there are");
        bail!(UsageError(format!("there is no suite `{name}`: {known}")));
    };
    let mut suite = suite.clone();
    if let Some(only) = only {
        suite.cells.retain(|cell| cell.to_string().contains(only));
        if suite.cells.is_empty() {
            bail!(UsageError(format!(
                "no cell of `{name}` contains `{only}`; `duet list` has the names"
            )));
        }
    }
    Ok(suite)
}

/// What is written at the head of the record.
pub(super) fn header(
    seed: Option<u64>,
    spec: &Spec,
    suite: &Suite,
    cpus: &Cpus,
    root: &Path,
) -> Result<RunHeader> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    let (commit, dirty) = host::commit(root);
    let connections = suite
        .cells
        .iter()
        .filter_map(|cell| spec.load(&cell.load))
        .map(|load| load.connections)
        .max();
    let of_servers = servers(spec, suite).filter_map(|server| spec.server(server));
    let of_servers = of_servers.flat_map(|server| &server.needs);
    let of_sets = spec.origins(&suite.cells).flat_map(|set| &set.needs);
    let needs: BTreeSet<String> = of_servers.chain(of_sets).cloned().collect();
    Ok(RunHeader {
        schema: record::SCHEMA,
        duet_version: env!("CARGO_PKG_VERSION").to_owned(),
        command: std::env::args().skip(1).collect(),
        started_unix_s: now.as_secs(),
        seed: seed.unwrap_or(u64::from(now.subsec_nanos())),
        commit,
        dirty,
        to_project: String::new(),
        machine: host::machine(),
        findings: host::findings(
            connections.unwrap_or(1),
            suite.server_cpus + suite.generator_cpus,
            &needs.into_iter().collect::<Vec<_>>(),
        ),
        server_cpus: cpus.servers.clone(),
        generator_cpus: cpus.generator.clone(),
        suite: suite.clone(),
        spec: spec.clone(),
        experiment: None,
    })
}

/// # Errors
/// When the machine is one that cannot measure.
pub(super) fn refuse_unfit(header: &RunHeader) -> Result<()> {
    match header.findings.iter().find(|finding| finding.level == FindingLevel::Unfit) {
        Some(f) => bail!("this machine cannot measure: {}: {}; {}", f.name, f.found, f.hint),
        None => Ok(()),
    }
}

/// The servers that take part in a suite, in the definitions' order.
pub(super) fn servers<'a>(spec: &'a Spec, suite: &'a Suite) -> impl Iterator<Item = &'a String> {
    let arms: BTreeSet<&String> = suite
        .cells
        .iter()
        .filter_map(|cell| spec.matchup(&cell.matchup))
        .flat_map(|matchup| &matchup.arms)
        .collect();
    spec.servers.iter().map(|server| &server.name).filter(move |name| arms.contains(name))
}

/// The folder for the record, empty of an earlier one.
fn output_folder(out: Option<&Path>, root: &Path) -> Result<PathBuf> {
    let folder = match out {
        Some(folder) if folder.join(record::FILE_NAME).exists() => bail!(UsageError(format!(
            "{} holds a run already: choose another folder, or remove it",
            folder.display()
        ))),
        Some(folder) => folder.to_owned(),
        None => {
            let latest = root.join("results/latest");
            let previous = root.join("results/previous");
            if latest.exists() {
                if previous.exists() {
                    fs::remove_dir_all(&previous)
                        .with_context(|| format!("failed to remove {}", previous.display()))?;
                }
                fs::rename(&latest, &previous)
                    .with_context(|| format!("failed to move {}", latest.display()))?;
            }
            latest
        }
    };
    fs::create_dir_all(&folder)
        .with_context(|| format!("failed to create {}", folder.display()))?;
    Ok(folder)
}

/// The way from a run's folder to the project's, for links to sources.
fn to_project(folder: &Path, root: &Path) -> Result<String> {
    let folder =
        folder.canonicalize().with_context(|| format!("failed to find {}", folder.display()))?;
    Ok(match folder.strip_prefix(root) {
        Ok(below) => "../".repeat(below.components().count()),
        Err(_) => format!("{}/", root.display()).replace(' ', "%20"),
    })
}

/// Says what will run, for how long, and what is doubtful about the machine.
fn announce(header: &RunHeader, folder: &Path) {
    let suite = &header.suite;
    let list = |cpus: &[usize]| {
        let cpus: Vec<String> = cpus.iter().map(ToString::to_string).collect();
        cpus.join(", ")
    };
    anstream::println!(
        "Suite `{}`: {}, {} each, about {} of measuring after the builds.",
        suite.name,
        duet_units::count(suite.cells.len(), "cell"),
        duet_units::count(suite.blocks as usize, "block"),
        duet_units::minutes(plan::expected_ms(suite, &header.spec).div_ceil(1000))
    );
    let programs = suite.cells.iter().any(|cell| header.spec.is_of_programs(cell));
    anstream::println!(
        "Servers on CPU {}, load generator on CPU {}{}; seed {}; record in {}.",
        list(&header.server_cpus),
        list(&header.generator_cpus),
        if programs { ", programs on all of them" } else { "" },
        header.seed,
        shown(folder)
    );
    let doubts: Vec<_> =
        header.findings.iter().filter(|f| f.level != FindingLevel::Good).cloned().collect();
    anstream::print!("{}", doctor::text(&doubts));
}

/// Builds, verifies and measures, appending to the record as it goes.
fn carry_out(
    header: &RunHeader,
    (root, definitions): (&Path, &Path),
    cpus: &Cpus,
    writer: &mut Writer,
    started: Instant,
    interrupt: &Interrupt,
) -> Result<()> {
    let (spec, suite) = (&header.spec, &header.suite);
    let verifier = Verifier::new()?;
    let progress = Progress::new();
    let mut unusable = BTreeSet::new();
    for name in servers(spec, suite) {
        progress.say(&format!("building and verifying {name}"));
        let record = prepare((spec, suite), name, root, &verifier, interrupt)?;
        if let Some(failure) = &record.failure {
            progress.print(&format!("{name} cannot be measured: {failure}"));
            unusable.insert(name.clone());
        }
        writer.append(&Record::Build(record))?;
    }
    let all_cpus = cpus.all();
    let context = ProgramContext {
        root,
        definitions,
        spec,
        limit: Duration::from_secs(suite.program_limit_s.into()),
        limit_bytes: u64::from(suite.program_limit_mib) << 20,
        cpus: &all_cpus,
        run_started: started,
        interrupt,
    };
    let mut memory = ProgramCache::default();
    let mut checked = vec![];
    for set in spec.origins(&suite.cells) {
        let (build, programs) =
            run_programs::prepare(&context, suite, &mut memory, set, &progress)?;
        writer.append(&Record::Build(build))?;
        for program in &programs {
            writer.append(&Record::Program(program.clone()))?;
        }
        checked.extend(programs);
    }
    let usable = |cell: &CellId| {
        let arms = spec.matchup(&cell.matchup).map_or(&[][..], |matchup| &matchup.arms);
        arms.iter().all(|arm| !unusable.contains(arm))
            && run_programs::is_usable(spec, cell, &checked)
    };
    let plans: Vec<BlockPlan> = plan::plan(suite, spec, header.seed)
        .into_iter()
        .filter(|plan| usable(&plan.cell))
        .collect();
    let bench =
        Bench { root, spec, suite, cpus, verifier: &verifier, run_started: started, interrupt };
    measure(&bench, (&context, &mut memory), header, &plans, writer, &progress)
}

/// Builds a server and compares all its answers, over the transports of the suite; what goes wrong
/// is part of the record.
pub(super) fn prepare(
    (spec, suite): (&Spec, &Suite),
    name: &str,
    root: &Path,
    verifier: &Verifier,
    interrupt: &Interrupt,
) -> Result<BuildRecord> {
    let Some(server) = spec.server(name) else {
        unreachable!("the names come from the definitions")
    };
    let root = server.root.as_deref().unwrap_or(root);
    let mut record = build::build(server, root, interrupt)?;
    if record.failure.is_none() {
        let over = spec.transports(&suite.cells, name).into_iter();
        record.failure = match verify::answers((spec, server), over, root, verifier, interrupt) {
            Ok(_) => None,
            Err(error) if error.is::<Interrupted>() => return Err(error),
            Err(error) => Some(error.downcast().unwrap_or_else(|error| Failure {
                stage: Stage::Verify,
                server: Some(name.to_owned()),
                error: format!("{error:#}"),
                stderr: vec![],
            })),
        };
    }
    Ok(record)
}

/// Measures the blocks in the plan's order.
fn measure(
    bench: &Bench<'_>,
    (context, memory): (&ProgramContext<'_>, &mut ProgramCache),
    header: &RunHeader,
    plans: &[BlockPlan],
    writer: &mut Writer,
    progress: &Progress,
) -> Result<()> {
    let mut measured = vec![];
    let mut measured_programs = vec![];
    progress.start(plans.len());
    for plan in plans {
        bench.interrupt.check()?;
        if bench.spec.is_of_programs(&plan.cell) {
            let so_far = &mut measured_programs;
            run_programs::measure(context, memory, (header, plan), so_far, writer, progress)?;
            progress.advance();
            continue;
        }
        blocks::measure(bench, plan, header, &mut measured, writer, progress)?;
        progress.advance();
    }
    progress.finish();
    Ok(())
}
