//! `duet trend`: a history over several runs.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use super::exit::{Exit, UsageError};
use super::folders::{self, shown};
use super::{export, report};
use duet_analysis::trend::trend;
use duet_model::record;
use duet_report::{chart, trend as text};
use duet_units::Metric;

/// Metrics that are shown unless others are named.
const USUAL: [Metric; 5] = [
    Metric::ElapsedNs,
    Metric::CpuNs,
    Metric::RequestsPerSecond,
    Metric::CpuNsPerRequest,
    Metric::RssBytesPeak,
];

/// Shows what several runs say of the same cells over time
///
/// Runs are put in order by when they began, and apart by machine: processor, number of CPUs and
/// kernel. Changes of level are marked, for people to look at; the exit code does not depend on
/// them.
#[derive(Debug, Args)]
pub(super) struct TrendArgs {
    /// Runs' folders, such as results/*-standard.
    #[arg(value_name = "DIR", required = true)]
    folders: Vec<PathBuf>,
    /// Only cells whose name (matchup/workload/load) contains FILTER.
    #[arg(long, value_name = "FILTER")]
    only: Option<String>,
    /// Only this metric, by its name in summary.json; may be given several times.
    #[arg(long = "metric", value_name = "NAME")]
    metrics: Vec<String>,
    /// Also draw the histories into this file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

pub(super) fn run(args: &TrendArgs) -> Result<Exit> {
    let metrics = metrics(&args.metrics)?;
    let mut folders = args.folders.clone();
    folders.sort();
    folders.dedup();
    let is_run = |folder: &&PathBuf| folder.join(record::FILE_NAME).is_file();
    let (runs, others): (Vec<_>, Vec<_>) = folders.iter().partition(is_run);
    if !others.is_empty() {
        let others: Vec<String> =
            others.iter().map(|folder| folder.display().to_string()).collect();
        let name = record::FILE_NAME;
        bail!(UsageError(format!(
            "no runs' folders, for they have no {name}: {}",
            others.join(", ")
        )));
    }
    let read = |folder: &&PathBuf| Ok((shown(folder), report::read(folder)?));
    let runs: Vec<_> = runs.iter().map(read).collect::<Result<_>>()?;
    let only = args.only.as_deref().unwrap_or_default();
    let found =
        trend(&runs, |cell, metric| metrics.contains(&metric) && cell.to_string().contains(only));
    if found.machines.iter().all(|machine| machine.series.is_empty()) {
        bail!(UsageError("none of these runs has such a cell with such a metric".to_owned()));
    }
    export::print(&text(&found))?;
    if let Some(path) = &args.svg {
        folders::replace(path, chart::trend(&found).file().as_bytes())?;
        anstream::println!("Chart: {}", shown(path));
    }
    Ok(Exit::Done)
}

fn metrics(names: &[String]) -> Result<Vec<Metric>> {
    if names.is_empty() {
        return Ok(USUAL.to_vec());
    }
    let by_name = |name: &String| match Metric::ALL.into_iter().find(|m| m.name() == *name) {
        Some(metric) => Ok(metric),
        None => bail!(UsageError::unknown("metric", name, &Metric::ALL.map(Metric::name))),
    };
    names.iter().map(by_name).collect()
}
