//! `duet trend`: a history over several runs.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use super::campaign_folder;
use super::exit::{Exit, UsageError};
use super::folders::{self, shown};
use super::output;
use super::pool;
use super::stdio::{self, Stream};
use duet_analysis::Analysis;
use duet_analysis::pool::FILE_NAME as POOL;
use duet_analysis::trend::{Source, trend};
use duet_model::record::Run;
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
/// Sessions are put in order by when they began, and apart by machine: processor, number of CPUs
/// and kernel. A pool is a history of its sessions, of which it knows the ratios; where the record
/// of one is given too, that is taken. Comparisons and gates form histories of their own. Folders
/// that hold neither are skipped, and named. Changes of level are marked, for people to look at;
/// the exit code does not depend on them.
#[derive(Debug, Args)]
pub(super) struct TrendArgs {
    /// Runs' folders, such as results/*-standard, folders of campaigns, which stand for their
    /// finished sessions, and pools: pool.json, or the folder it is in.
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
    let sources = read_all(&args.folders)?;
    let only = args.only.as_deref().unwrap_or_default();
    let found = trend(&sources, |cell, metric| {
        metrics.contains(&metric) && cell.to_string().contains(only)
    });
    if found.machines.iter().all(|machine| machine.series.is_empty()) {
        bail!(UsageError("none of these has such a cell with such a metric".to_owned()));
    }
    let stream = Stream::beside([&args.svg]);
    stream.print(&text(&found))?;
    if let Some(path) = &args.svg {
        output::write(path, chart::trend(&found).file().as_bytes())?;
        stream.line(&format!("Chart: {}", shown(path)))?;
    }
    Ok(Exit::Done)
}

/// What folders of runs and pools say. Those that hold none are skipped, and named.
fn read_all(paths: &[PathBuf]) -> Result<Vec<(String, Source)>> {
    let (mut sources, mut folders) = (vec![], vec![]);
    for path in paths {
        let pool = if path.is_dir() { path.join(POOL) } else { path.clone() };
        let holds_more = campaign_folder::is_campaign(path) || folders::holds_run(path);
        let is_pool = pool.is_file();
        if is_pool {
            match pool::read(&pool) {
                Ok(pooled) => sources.push((shown(path), Source::Pool(pooled))),
                // Records say the same.
                Err(error) if holds_more => stdio::note(&format!("skipped: {error:#}")),
                Err(error) => return Err(error),
            }
        }
        if is_pool && !holds_more {
            continue;
        }
        if let Err(error) = path.read_dir() {
            bail!(UsageError(format!("no run's folder and no pool: {}: {error}", path.display())));
        }
        folders.push(path.clone());
    }
    sources.extend(campaign_folder::each_run(&folders, |folder, run| {
        (shown(folder), Source::Run(Box::new(history(&run))))
    })?);
    if sources.is_empty() {
        bail!(UsageError("none of these are runs' folders or pools".to_owned()));
    }
    Ok(sources)
}

/// What a run says, as a part of a history. The versions of comparisons and gates have other names
/// each time: here they are `base` and `head`.
fn history(run: &Run) -> Analysis {
    let mut analysis = duet_analysis::analyse(run);
    if run.header.experiment.is_some() {
        for matchup in &mut analysis.matchups {
            for (arm, name) in matchup.arms.iter_mut().zip(["base", "head"]) {
                (arm.server, arm.label) = (name.to_owned(), name.to_owned());
            }
        }
    }
    analysis
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
