//! `duet aa`: what this machine shows between equal versions.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::exit::Exit;
use super::folders::{self, BenchFolder, Former, shown};
use super::session::Session;
use super::{floor_store, pairs, policy, stdio};
use duet_analysis::gate::{EXTREME_MIN, Floor};
use duet_measure::versions::{Arm, Workspace};
use duet_model::record::{Experiment, Question, Run};

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

    /// Random seed [default: from the clock].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// The folder for the record [default: results/aa, whose former content is replaced].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    #[command(flatten)]
    bench: BenchFolder,
}

pub(super) fn run(args: &Aa) -> Result<Exit> {
    let (spec, root) = args.bench.open()?;
    let gate = policy::choose(&spec, args.gate.as_deref())?;
    let (definitions, say) = (&*args.bench.bench, policy::say as fn(&str));
    let here = Workspace { root: &root, definitions, spec: &spec, say };
    let version = policy::check_out(&args.version, here)?;
    let name = args.version.name.as_deref();
    let guarded = pairs::guarded(gate, &spec, (&version, name), (&version, name))?;
    let spec = pairs::definitions(&spec, &guarded.pairs);
    let mut suite = policy::suite(gate, guarded.cells, args.only.as_deref())?;
    let Some(first) = gate.looks.first() else { bail!("the gate has no looks") };
    suite.blocks = args.experiments * first.blocks;
    let session = Session::new(root, &args.bench.bench, &suite)?;
    let mut header = session.header(args.seed, &spec, &suite)?;
    header.experiment = Some(Experiment {
        question: Question::Null,
        base: version.version.clone(),
        head: version.version,
        gate: None,
        floors: vec![],
        absent: vec![],
        changed: vec![],
        policy_differences: vec![],
    });
    stdio::line(&format!(
        "{} of {} blocks for each of {}, about {} of measuring after the builds.",
        duet_units::count(args.experiments as usize, "null experiment"),
        first.blocks,
        duet_units::count(suite.cells.len(), "cell"),
        duet_units::minutes(duet_model::plan::expected_ms(&suite, &spec).div_ceil(1000))
    ))?;
    let out = args.out.as_deref();
    let folder = folders::for_record(out, &session.root, "results/aa", Former::Removed)?;
    let prepared = session.prepare(header)?;
    let run = session.measure_all(&folder, prepared)?;
    keep(&session.root, &folder, &run, first.blocks as usize)
}

/// Adds what a run found to what is known of this machine, and says it.
fn keep(root: &Path, folder: &Path, run: &Run, blocks: usize) -> Result<Exit> {
    let analysis = duet_analysis::analyse(run);
    let (machine, suite) = (&run.header.machine, &run.header.suite);
    let (floors, file) = floor_store::add(root, machine, suite, &analysis, blocks)?
        .context("no null experiment was finished, so nothing is known")?;
    for floor in &floors {
        let Some(bound) = Floor::of_experiments(&floor.estimates) else { continue };
        stdio::line(&format!(
            "{:<40} {:<22} floor {:>6}, {}",
            floor.cell.to_string(),
            floor.metric.label(),
            duet_units::percent(bound.nu.exp_m1()),
            duet_units::count(floor.estimates.len(), "experiment"),
        ))?;
    }
    if floors.iter().any(|floor| floor.estimates.len() < EXTREME_MIN) {
        stdio::line(&format!(
            "From {EXTREME_MIN} experiments on, the bound holds whatever the noise is like."
        ))?;
    }
    stdio::line(&format!("Kept in {}; record in {}.", shown(&file), shown(folder)))?;
    let interrupted = run.end.as_ref().and_then(|end| end.interrupted);
    Ok(Exit::greatest([
        interrupted.map(Exit::Interrupted),
        (!analysis.failures.is_empty()).then_some(Exit::ServerFailed),
    ]))
}
