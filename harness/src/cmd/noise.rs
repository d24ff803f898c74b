//! `duet aa`: what this machine shows between equal versions, and where that is kept.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};

use super::experiment::{self, Tools};
use super::gate::{check_out, choose, suite};
use super::{BenchFolder, Exit, pairs, report, shown};
use duet_analysis::gate::{EXTREME_MIN, Floor};
use duet_measure::versions::{Arm, Workspace};
use duet_model::record::{Experiment, Machine, NoiseFloor, Question, Run};
use duet_model::spec::Suite;

/// The folder for what is known of machines, below the one above the definitions.
const FOLDER: &str = "results/noise";

/// Measures what a gate guards against itself: the noise floor of this machine
///
/// Null experiments: the whole protocol with one version on both sides. What they show is kept in
/// results/noise for this machine, and the gate does not fail on less. 19 experiments make a bound
/// that holds whatever the noise is like; fewer make a wider one.
#[derive(Debug, Args)]
pub(super) struct Aa {
    /// The policy; may be left out where there is only one.
    #[arg(value_name = "GATE")]
    gate: Option<String>,

    /// Null experiments.
    #[arg(long, value_name = "N", default_value_t = 19)]
    #[arg(value_parser = clap::value_parser!(u32).range(2..=100))]
    experiments: u32,

    /// The version.
    #[arg(long, value_name = "VERSION", default_value = "dir:.")]
    version: Arm,

    /// Only cells whose name (server/workload/load, set/problem/size) contains FILTER.
    #[arg(long, value_name = "FILTER")]
    only: Option<String>,

    /// Decides all that varies [default: from the clock].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// The folder for the record [default: results/aa, whose former content is replaced].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    #[command(flatten)]
    bench: BenchFolder,
}

/// What is known of a machine.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    machine: Option<Machine>,
    protocols: Vec<Protocol>,
}

/// Null experiments that were made in one way; others say nothing of them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Protocol {
    server_cpus: u32,
    generator_cpus: u32,
    window_ms: u32,
    measure_ms: u32,
    warmup_ms: u32,
    floors: Vec<NoiseFloor>,
}

impl Protocol {
    fn of(suite: &Suite) -> Self {
        Self {
            server_cpus: suite.server_cpus,
            generator_cpus: suite.generator_cpus,
            window_ms: suite.window_ms,
            measure_ms: suite.measure_ms,
            warmup_ms: suite.warmup_ms,
            floors: vec![],
        }
    }

    fn is_of(&self, suite: &Suite) -> bool {
        let way =
            |p: &Self| (p.server_cpus, p.generator_cpus, p.window_ms, p.measure_ms, p.warmup_ms);
        way(self) == way(&Self::of(suite))
    }
}

/// The noise floors that are known of this machine, for a suite's cells.
pub(super) fn floors(root: &Path, machine: &Machine, suite: &Suite) -> Result<Vec<NoiseFloor>> {
    let known = read(&file(root, machine))?;
    let of_suite = known.protocols.into_iter().filter(|protocol| protocol.is_of(suite));
    let mut floors: Vec<NoiseFloor> = of_suite.flat_map(|protocol| protocol.floors).collect();
    floors.retain(|floor| suite.cells.contains(&floor.cell));
    Ok(floors)
}

/// The file of a machine: its processor, its number of CPUs and its kernel make its name.
fn file(root: &Path, machine: &Machine) -> PathBuf {
    let text = format!("{}\n{}\n{}", machine.cpu, machine.cpus, machine.kernel);
    let digits = duet_measure::output::Output::of(text.as_bytes()).sha256;
    root.join(FOLDER).join(format!("{}.json", &digits[..12]))
}

fn read(file: &Path) -> Result<Known> {
    if !file.exists() {
        return Ok(Known::default());
    }
    let text = fs::read(file).with_context(|| format!("failed to read {}", file.display()))?;
    serde_json::from_slice(&text).with_context(|| {
        format!("{} is damaged: remove it and run `duet aa` again", file.display())
    })
}

pub(super) fn run(args: &Aa) -> Result<Exit> {
    let spec = args.bench.load()?;
    let root = args.bench.root()?;
    let policy = choose(&spec, args.gate.as_deref())?;
    let here = Workspace { root: &root, definitions: &args.bench.bench, spec: &spec };
    let version = check_out(&args.version, here)?;
    let name = args.version.name.as_deref();
    let guarded = pairs::guarded(policy, (&version, name), (&version, name))?;
    let spec = pairs::definitions(&spec, &guarded.pairs);
    let mut suite = suite(policy, guarded.cells, args.only.as_deref())?;
    let Some(first) = policy.looks.first() else { bail!("the gate has no looks") };
    suite.blocks = args.experiments * first.blocks;
    let cpus = (suite.server_cpus, suite.generator_cpus);
    let tools = Tools::new((root, &args.bench.bench), cpus)?;
    let mut header = tools.header(args.seed, &spec, &suite)?;
    header.experiment = Some(Experiment {
        question: Question::Null,
        base: version.version.clone(),
        head: version.version,
        gate: None,
        floors: vec![],
        absent: vec![],
    });
    anstream::println!(
        "{} of {} blocks for each of {}, about {} of measuring after the builds.",
        duet_units::count(args.experiments as usize, "null experiment"),
        first.blocks,
        duet_units::count(suite.cells.len(), "cell"),
        duet_units::minutes(duet_model::plan::expected_ms(&suite, &spec).div_ceil(1000))
    );
    let folder = experiment::folder(args.out.as_deref(), &tools.root, "results/aa")?;
    let begun = experiment::prepare(&tools, header)?;
    let run = experiment::carry_out(&tools, &folder, begun)?;
    keep(&tools.root, &folder, &run, first.blocks as usize)
}

/// Adds what a run found to what is known of this machine, and says it.
fn keep(root: &Path, folder: &Path, run: &Run, blocks: usize) -> Result<Exit> {
    let analysis = duet_analysis::analyse(run);
    let file = file(root, &run.header.machine);
    let mut known = read(&file)?;
    known.machine = Some(run.header.machine.clone());
    let suite = &run.header.suite;
    if !known.protocols.iter().any(|protocol| protocol.is_of(suite)) {
        known.protocols.push(Protocol::of(suite));
    }
    let Some(protocol) = known.protocols.iter_mut().find(|protocol| protocol.is_of(suite)) else {
        unreachable!("it was added above")
    };
    let mut found = 0;
    for cell in analysis.matchups.iter().flat_map(|matchup| &matchup.cells) {
        for metric in &cell.metrics {
            let experiments = metric.log_ratios.chunks_exact(blocks);
            let estimates: Vec<f64> = experiments.map(duet_stats::hodges_lehmann).collect();
            let same = |f: &&mut NoiseFloor| f.cell == cell.id && f.metric == metric.metric;
            match protocol.floors.iter_mut().find(same) {
                Some(floor) => floor.estimates.extend(&estimates),
                None => protocol.floors.push(NoiseFloor {
                    cell: cell.id.clone(),
                    metric: metric.metric,
                    estimates: estimates.clone(),
                }),
            }
            found += estimates.len();
        }
    }
    ensure!(found > 0, "no null experiment was finished, so nothing is known");
    for floor in &protocol.floors {
        let Some(bound) = Floor::of_experiments(&floor.estimates) else { continue };
        anstream::println!(
            "{:<40} {:<22} floor {:>6}, {}",
            floor.cell.to_string(),
            floor.metric.label(),
            duet_units::percent(bound.nu.exp_m1()),
            duet_units::count(floor.estimates.len(), "experiment"),
        );
    }
    if protocol.floors.iter().any(|floor| floor.estimates.len() < EXTREME_MIN) {
        anstream::println!(
            "From {EXTREME_MIN} experiments on, the bound holds whatever the noise is like."
        );
    }
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent)
            .with_context(|| format!("failed to create {}", parent.display()))?;
    }
    let text = serde_json::to_string_pretty(&known).context("failed to encode noise floors")?;
    report::replace(&file, (text + "\n").as_bytes())?;
    anstream::println!("Kept in {}; record in {}.", shown(&file), shown(folder));
    match run.end.as_ref().and_then(|end| end.interrupted) {
        Some(signal) => Ok(Exit::Interrupted(signal)),
        None if !analysis.failures.is_empty() => Ok(Exit::ServerFailed),
        None => Ok(Exit::Done),
    }
}
