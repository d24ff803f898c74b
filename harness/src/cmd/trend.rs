//! `duet trend`: a history over several runs.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;

use super::campaign_folder;
use super::exit::{Exit, UsageError};
use super::folders::{self, shown};
use super::output;
use super::stdio::{self, Stream};
use duet_analysis::Analysis;
use duet_analysis::trend::trend;
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
/// kernel. Comparisons and gates form histories of their own. Folders that hold no run are skipped,
/// and named. Changes of level are marked, for people to look at; the exit code does not depend on
/// them.
#[derive(Debug, Args)]
pub(super) struct TrendArgs {
    /// Runs' folders, such as results/*-standard, or folders of campaigns, which stand for their
    /// finished sessions.
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
    let folders = campaign_folder::sessions(&args.folders)?;
    let runs = read_all(&folders)?;
    let only = args.only.as_deref().unwrap_or_default();
    let found =
        trend(&runs, |cell, metric| metrics.contains(&metric) && cell.to_string().contains(only));
    if found.machines.iter().all(|machine| machine.series.is_empty()) {
        bail!(UsageError("none of these runs has such a cell with such a metric".to_owned()));
    }
    let stream = Stream::beside([&args.svg]);
    stream.print(&text(&found))?;
    if let Some(path) = &args.svg {
        output::write(path, chart::trend(&found).file().as_bytes())?;
        stream.line(&format!("Chart: {}", shown(path)))?;
    }
    Ok(Exit::Done)
}

/// What folders of runs say. Those that hold none are skipped, and named.
fn read_all(folders: &[PathBuf]) -> Result<Vec<(String, Analysis)>> {
    let mut runs = vec![];
    for folder in folders {
        if let Err(error) = folder.read_dir() {
            bail!(UsageError(format!("no runs' folder: {}: {error}", folder.display())));
        }
        match history(folder) {
            Ok(analysis) => runs.push((shown(folder), analysis)),
            Err(error) => stdio::note(&format!("skipped {}: {error:#}", shown(folder))),
        }
    }
    if runs.is_empty() {
        bail!(UsageError("none of these are runs' folders".to_owned()));
    }
    Ok(runs)
}

/// What a run says, as a part of a history. The versions of comparisons and gates have other names
/// each time: here they are `base` and `head`.
fn history(folder: &Path) -> Result<Analysis> {
    let run = folders::read_run(folder)?;
    let mut analysis = duet_analysis::analyse(&run);
    if run.header.experiment.is_some() {
        for matchup in &mut analysis.matchups {
            for (arm, name) in matchup.arms.iter_mut().zip(["base", "head"]) {
                (arm.server, arm.label) = (name.to_owned(), name.to_owned());
            }
        }
    }
    Ok(analysis)
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
