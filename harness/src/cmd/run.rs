//! `duet run`: a suite carried out, recorded and reported.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;

use super::exit::{Exit, UsageError};
use super::folders::{self, BenchFolder, Former, PostgresFolder, shown};
use super::prices::PriceArgs;
use super::session::Session;
use super::{doctor, fitness, report, stdio};
use duet_model::plan;
use duet_model::record::RunHeader;
use duet_model::spec::{Spec, Suite};

/// Measures a suite and writes a report
///
/// Builds the servers, verifies their responses, measures them in alternating
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

    /// Random seed for window order, request order, ports and environment [default: from the
    /// clock].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Only cells whose name (matchup/workload/load) contains FILTER.
    #[arg(long, value_name = "FILTER")]
    only: Option<String>,

    #[command(flatten)]
    postgres: PostgresFolder,

    #[command(flatten)]
    prices: PriceArgs,

    #[command(flatten)]
    bench: BenchFolder,
}

pub(super) fn run(args: &Run) -> Result<Exit> {
    let (spec, root) = args.bench.open()?;
    let mut suite = choose(&spec, &args.suite, args.only.as_deref())?;
    let mut left_out = fitness::leave_out_unfit(&spec, &mut suite)?;
    left_out.extend(fitness::leave_out_absent(&spec, &mut suite, (&args.postgres, &root))?);
    let session = Session::new(root, &args.bench.bench, &suite, &args.postgres)?;
    let mut header = session.header(args.seed, &spec, &suite)?;
    header.findings.splice(0..0, left_out);
    let (out, former) = (args.out.as_deref(), Former::MovedTo("previous"));
    let folder = folders::for_record(out, &session.root, "results/latest", former)?;
    announce(&header, &folder)?;
    let prepared = session.prepare(header)?;
    session.measure_all(&folder, prepared)?;
    report::rebuild(&folder, args.prices)
}

/// The suite, with only the cells whose name contains the filter.
fn choose(spec: &Spec, name: &str, only: Option<&str>) -> Result<Suite> {
    let Some(suite) = spec.suite(name) else {
        let known: Vec<&str> = spec.suites.iter().map(|suite| suite.name.as_str()).collect();
        bail!(UsageError::unknown("suite", name, &known));
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

/// Says what will run, for how long, and what `duet doctor` warns of.
fn announce(header: &RunHeader, folder: &Path) -> Result<()> {
    let suite = &header.suite;
    let list = |cpus: &[usize]| {
        let cpus: Vec<String> = cpus.iter().map(ToString::to_string).collect();
        cpus.join(", ")
    };
    stdio::line(&format!(
        "Suite `{}`: {}, {} each, about {} of measuring after the builds.",
        suite.name,
        duet_units::count(suite.cells.len(), "cell"),
        duet_units::count(suite.blocks as usize, "block"),
        duet_units::minutes(plan::expected_ms(suite, &header.spec).div_ceil(1000))
    ))?;
    let programs = suite.cells.iter().any(|cell| header.spec.is_of_programs(cell));
    stdio::line(&format!(
        "Servers on CPU {}, load generator on CPU {}{}; seed {}; record in {}.",
        list(&header.server_cpus),
        list(&header.generator_cpus),
        if programs { ", programs on all of them" } else { "" },
        header.seed,
        shown(folder)
    ))?;
    stdio::print(&doctor::warnings(&header.findings))
}
