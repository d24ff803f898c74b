//! `duet aa`: what this machine shows between equal versions.

use std::ops::Deref;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::exit::{Exit, UsageError};
use super::folders::{self, BenchFolder, Former, PostgresFolder, shown};
use super::session::Session;
use super::{floor_store, pairs, policy, stdio};
use duet_analysis::gate::{EXPERIMENTS_MIN, Floor};
use duet_measure::relink;
use duet_measure::versions::{Arm, Checkout, Workspace};
use duet_model::record::{Experiment, Question, Run};
use duet_model::spec::{Gate, Spec};

/// Measures what a gate guards against itself: the noise floor of this machine
///
/// Null experiments: the whole protocol with one version on both sides. What they show is kept in
/// results/noise for this machine and what was measured, and the gate adds it to its margins. Ten
/// experiments make a floor, of one call or several; the last forty count.
#[derive(Debug, Args)]
pub(super) struct Aa {
    /// The policy; may be left out where there is only one.
    #[arg(value_name = "GATE")]
    gate: Option<String>,

    /// Null experiments.
    #[arg(long, value_name = "N", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=40))]
    experiments: u32,

    /// Link the sources in another order for each experiment, and measure them against themselves:
    /// what the accidents of a link do, which every change of the sources has. For one server that
    /// cargo or go builds; each experiment takes a build.
    #[arg(long)]
    relink: bool,

    /// The version [default: the folder above the definitions].
    #[arg(long, value_name = "VERSION")]
    version: Option<Arm>,

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
    postgres: PostgresFolder,

    #[command(flatten)]
    bench: BenchFolder,
}

pub(super) fn run(args: &Aa) -> Result<Exit> {
    let (spec, root) = args.bench.open()?;
    let gate = policy::choose(&spec, args.gate.as_deref())?;
    let (definitions, say) = (&*args.bench.bench, policy::say as fn(&str));
    let here = Workspace { root: &root, definitions, spec: &spec, say };
    let arm = args.version.clone().unwrap_or_else(|| policy::folder(&root));
    let version = policy::check_out(&arm, here)?;
    let out = args.out.as_deref();
    if !args.relink {
        let null = Null { args, gate, spec: &spec, experiments: args.experiments };
        let folder = |root: &Path| folders::for_record(out, root, "results/aa", Former::Removed);
        return null.carry_out(&root, &version, &version, folder);
    }
    let Some(name) = relinked_server(args, gate) else {
        bail!(UsageError("--relink needs a gate of one server, or --version VERSION:SERVER".into()))
    };
    let parent = folders::for_record(out, &root, "results/aa", Former::Removed)?;
    let null = Null { args, gate, spec: &spec, experiments: 1 };
    let mut exits = vec![];
    for layout in 1..=args.experiments {
        let head = relink::relinked(&version, name, layout, here)
            .map_err(|error| UsageError(format!("{error:#}")))?;
        let folder = |_: &Path| {
            let folder = parent.join(format!("layout-{layout}"));
            folders::make(&folder).map(|()| folder)
        };
        let exit = null.carry_out(&root, &version, &head, folder)?;
        exits.push(Some(exit));
        if matches!(exit, Exit::Interrupted(_)) {
            break;
        }
    }
    Ok(Exit::greatest(exits))
}

/// The server whose sources are linked in other orders.
fn relinked_server<'a>(args: &'a Aa, gate: &'a Gate) -> Option<&'a str> {
    match (&args.version.as_ref().and_then(|arm| arm.name.as_deref()), &gate.servers[..]) {
        (Some(name), _) => Some(name),
        (None, [only]) if gate.programs.is_empty() => Some(only),
        (None, _) => None,
    }
}

/// Null experiments in one run.
struct Null<'a> {
    args: &'a Aa,
    gate: &'a Gate,
    spec: &'a Spec,
    experiments: u32,
}

impl Null<'_> {
    /// Measures two versions that ought to be equal, and keeps what they show. `folder` makes the
    /// one for the record, below that of the definitions.
    fn carry_out<F: Deref<Target = Path>>(
        &self,
        root: &Path,
        base: &Checkout,
        head: &Checkout,
        folder: impl FnOnce(&Path) -> Result<F>,
    ) -> Result<Exit> {
        let Self { args, gate, .. } = self;
        let name = args.version.as_ref().and_then(|arm| arm.name.as_deref());
        let name = if args.relink { relinked_server(args, gate) } else { name };
        let guarded = pairs::guarded(gate, self.spec, (base, name), (head, name))?;
        let spec = pairs::definitions(self.spec, &guarded.pairs);
        let mut suite = policy::suite(gate, guarded.cells, args.only.as_deref())?;
        let Some(first) = gate.looks.first() else { bail!("the gate has no looks") };
        suite.blocks = self.experiments * first.blocks;
        let session = Session::new(root.to_owned(), &args.bench.bench, &suite, &args.postgres)?;
        let mut header = session.header(args.seed, &spec, &suite)?;
        let (base, head) = (base.version.clone(), head.version.clone());
        header.experiment = Some(Experiment::of(Question::Null, base, head));
        stdio::line(&format!(
            "{} of {} blocks for each of {}, about {} of measuring after the builds.",
            duet_units::count(self.experiments as usize, "null experiment"),
            first.blocks,
            duet_units::count(suite.cells.len(), "cell"),
            duet_units::minutes(duet_model::plan::expected_ms(&suite, &spec).div_ceil(1000))
        ))?;
        let folder = folder(&session.root)?;
        let prepared = session.prepare(header)?;
        if args.relink {
            refuse_the_same(&prepared)?;
        }
        let run = session.measure_all(&folder, prepared)?;
        keep(&session.root, &folder, &run, (first.blocks, args.relink))
    }
}

/// A build that ignores what it was told would be taken for another layout.
fn refuse_the_same(prepared: &Run) -> Result<()> {
    let hashes: Vec<_> = prepared.builds.iter().map(|b| &b.binary_sha256).collect();
    let failed = prepared.builds.iter().any(|build| build.failure.is_some());
    if failed || matches!(hashes[..], [Some(one), Some(other)] if one != other) {
        return Ok(());
    }
    bail!(UsageError(
        "linked once more, the server is the same executable, or none that is known: its build \
         passes no flags on to the linker, or the linker cannot shuffle functions (lld, mold and \
         Go's can); leave --relink out"
            .to_owned()
    ))
}

/// Adds what a run found to what is known of this machine, and says it. The experiments were made
/// in so many blocks each, and with another layout or without.
fn keep(root: &Path, folder: &Path, run: &Run, made: (u32, bool)) -> Result<Exit> {
    let analysis = duet_analysis::analyse(run);
    let (floors, file) = floor_store::add(root, &run.header, &analysis, made)?
        .context("no null experiment was finished, so nothing is known")?;
    for floor in &floors {
        let bound = Floor::of_experiments(&floor.estimates, &floor.standard_errors);
        let bound = bound.map(|bound| duet_units::percent(bound.nu.exp_m1()));
        stdio::line(&format!(
            "{:<40} {:<22} floor {:>6}, {}",
            floor.cell.to_string(),
            floor.metric.label(),
            bound.as_deref().unwrap_or("none"),
            duet_units::count(floor.estimates.len(), "experiment"),
        ))?;
    }
    if floors.iter().any(|floor| floor.estimates.len() < EXPERIMENTS_MIN) {
        stdio::line(&format!(
            "There is a floor from {EXPERIMENTS_MIN} experiments on: run `duet aa` again."
        ))?;
    }
    stdio::line(&format!("Kept in {}; record in {}.", shown(&file), shown(folder)))?;
    let interrupted = run.end.as_ref().and_then(|end| end.interrupted);
    Ok(Exit::greatest([
        interrupted.map(Exit::Interrupted),
        (!analysis.failures.is_empty()).then_some(Exit::ServerFailed),
    ]))
}
