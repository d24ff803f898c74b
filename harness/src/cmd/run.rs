//! `duet run`: a suite carried out, recorded and reported; once, or in several sessions.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;

use super::chosen::{self, Choice};
use super::exit::Exit;
use super::folders::{self, BenchFolder, Former, PostgresFolder, shown};
use super::prices::PriceArgs;
use super::session::Session;
use super::{doctor, report, stdio};
use duet_model::plan;
use duet_model::record::RunHeader;
use duet_model::spec::MOST_BLOCKS;

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

    /// Blocks of each cell [default: the suite's].
    #[arg(long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_BLOCKS)))]
    blocks: Option<u32>,

    #[command(flatten)]
    postgres: PostgresFolder,

    #[command(flatten)]
    prices: PriceArgs,

    #[command(flatten)]
    bench: BenchFolder,
}

pub(super) fn run(args: &Run) -> Result<Exit> {
    let choice = Choice { name: &args.suite, only: args.only.as_deref(), blocks: args.blocks };
    let chosen = chosen::choose(&choice, &args.bench, &args.postgres)?;
    let root = chosen.root.clone();
    let session = Session::new(root, &args.bench.bench, &chosen.suite, &args.postgres)?;
    let header = chosen.header(&session, args.seed)?;
    let (out, former) = (args.out.as_deref(), Former::MovedTo("previous"));
    let folder = folders::for_record(out, &session.root, "results/latest", former)?;
    announce(&header, &folder)?;
    let prepared = session.prepare(header)?;
    session.measure_all(&folder, prepared)?;
    report::rebuild(&folder, args.prices)
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
