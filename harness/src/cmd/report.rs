//! `duet report`: everything a run's folder can show, from its record alone.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;

use super::campaign_folder;
use super::exit::Exit;
use super::folders::{self, shown};
use super::prices::PriceArgs;
use super::stdio;
use duet_analysis::pool::{self, Pooled};
use duet_analysis::{self, Analysis, BuildsAnalysis, hours, money};
use duet_model::record::{self, Run};
use duet_report::{self, Style};

/// Rebuilds tables, charts and reports from a run's record
///
/// Reads run.jsonl.gz or run.jsonl and writes summary.json, report.md, report.html and the
/// charts that have something to show beside it: speed.svg, memory.svg, latency.svg,
/// scaling.svg (several numbers of CPUs), long.svg (long windows) and programs.svg. The exit
/// code is the run's own. Where it is a session of a campaign, and where --beside names
/// others, the report says what sessions of the same definitions and executables show of
/// another hour. The record of `duet builds`, builds.json, is shown in the run's report, or
/// alone as builds.md and builds.html where there is no run.
#[derive(Debug, Args)]
pub(super) struct Report {
    /// A run's folder, such as results/latest.
    #[arg(value_name = "DIR")]
    folder: PathBuf,

    /// Runs' folders, or folders of campaigns: stored sessions, which say what another hour shows.
    #[arg(long, value_name = "DIR", num_args = 1..)]
    beside: Vec<PathBuf>,

    #[command(flatten)]
    prices: PriceArgs,
}

pub(super) fn run(args: &Report) -> Result<Exit> {
    rebuild(&args.folder, args.prices, &args.beside)
}

/// Derives everything from the record in `folder`, writes it there, and shows it.
pub(super) fn rebuild(folder: &Path, prices: PriceArgs, beside: &[PathBuf]) -> Result<Exit> {
    if record::find(folder).is_none()
        && let Some(builds) = read_builds(folder)?
    {
        return rebuild_builds(&builds, folder);
    }
    let analysis = derive(folder, prices, beside)?;
    show(&analysis, folder)?;
    Ok(exit(&analysis))
}

/// Derives everything from the record in `folder`, and writes it there. Of another hour says what
/// the other sessions of its campaign show, and the runs in `beside`.
pub(super) fn derive(folder: &Path, prices: PriceArgs, beside: &[PathBuf]) -> Result<Analysis> {
    let run = folders::read_run(folder)?;
    let mut analysis = analysed(&run, folder)?;
    if let Some(pooled) = pooled(run, folder, beside)? {
        hours::add(&mut analysis, &shown(folder), &pooled);
    }
    finish(analysis, folder, prices)
}

/// The same of a run in `folder`, with a pool that it is part of.
pub(super) fn derive_in(
    run: &Run,
    folder: &Path,
    prices: PriceArgs,
    pooled: &Pooled,
) -> Result<Analysis> {
    let mut analysis = analysed(run, folder)?;
    hours::add(&mut analysis, &shown(folder), pooled);
    finish(analysis, folder, prices)
}

/// The run in `folder` with stored sessions of the same experiment. Absent where there are none.
fn pooled(run: Run, folder: &Path, beside: &[PathBuf]) -> Result<Option<Pooled>> {
    let mut others = campaign_folder::each_run(beside, |other, run| (other.to_owned(), run))?;
    others.extend(campaign_folder::siblings(folder).unwrap_or_else(|error| {
        stdio::note(&format!("its campaign says nothing of another hour: {error:#}"));
        vec![]
    }));
    let place = |folder: &Path| folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let mut known = BTreeSet::from([place(folder)]);
    others.retain(|(other, _)| known.insert(place(other)));
    let others = others.into_iter().map(|(other, run)| (shown(&other), run));
    let runs: Vec<(String, Run)> = [(shown(folder), run)].into_iter().chain(others).collect();
    if runs.len() == 1 {
        return Ok(None);
    }
    // Without any ratio there is nothing to say of another hour.
    let Ok(pooled) = pool::pool_like(&runs, 0) else { return Ok(None) };
    let of_lines = pooled.lines.iter().flat_map(|line| &line.sessions);
    let used: BTreeSet<&String> = of_lines.flat_map(|session| &session.runs).collect();
    for (name, _) in runs.iter().skip(1).filter(|(name, _)| !used.contains(name)) {
        let reason = pooled.left_out.iter().find(|left| left.run == *name);
        let reason = reason.map_or("it has no cell in common", |left| &left.reason);
        stdio::note(&format!("{name} says nothing of another hour: {reason}"));
    }
    Ok(Some(pooled))
}

fn finish(mut analysis: Analysis, folder: &Path, prices: PriceArgs) -> Result<Analysis> {
    analysis.money = money::analyse(&analysis, prices.prices());
    write(&analysis, folder)?;
    Ok(analysis)
}

/// What the record in `folder` says.
pub(super) fn read(folder: &Path) -> Result<Analysis> {
    analysed(&folders::read_run(folder)?, folder)
}

/// What a run says that is in `folder`, with the builds that are recorded there.
fn analysed(run: &Run, folder: &Path) -> Result<Analysis> {
    Ok(Analysis { builds: read_builds(folder)?, ..duet_analysis::analyse(run) })
}

/// What the record of builds in `folder` says, if there is one.
fn read_builds(folder: &Path) -> Result<Option<BuildsAnalysis>> {
    Ok(record::read_builds(folder)?.as_ref().map(duet_analysis::builds::analyse))
}

/// Writes and shows what a record of builds without a run says.
fn rebuild_builds(builds: &BuildsAnalysis, folder: &Path) -> Result<Exit> {
    folders::replace(&folder.join("builds.md"), duet_report::builds::markdown(builds).as_bytes())?;
    folders::replace(&folder.join("builds.html"), duet_report::builds::html(builds).as_bytes())?;
    stdio::print(&duet_report::builds::text(builds, style()))?;
    stdio::line(&format!("Report: {}", shown(&folder.join("builds.html"))))?;
    Ok(builds_exit(builds))
}

/// What the outcome of builds means for the exit code.
pub(super) fn builds_exit(builds: &BuildsAnalysis) -> Exit {
    let failed = builds.servers.iter().any(|server| server.failure.is_some());
    let interrupted = builds.interrupted.map(Exit::Interrupted);
    Exit::greatest([interrupted, failed.then_some(Exit::ServerFailed)])
}

fn write(analysis: &Analysis, folder: &Path) -> Result<()> {
    let summary = serde_json::to_string_pretty(analysis).context("failed to encode the summary")?;
    let texts = [
        ("summary.json", summary + "\n"),
        ("report.md", duet_report::markdown(analysis)),
        ("report.html", duet_report::html(analysis)),
    ];
    for (name, text) in texts.into_iter().chain(duet_report::charts(analysis)) {
        folders::replace(&folder.join(name), text.as_bytes())?;
    }
    Ok(())
}

/// Prints the tables and where the rest lies.
fn show(analysis: &Analysis, folder: &Path) -> Result<()> {
    stdio::print(&duet_report::text(analysis, style()))?;
    stdio::line(&format!("Report: {}", shown(&folder.join("report.html"))))?;
    let charts = duet_report::charts(analysis);
    let charts: Vec<String> = charts.iter().map(|(name, _)| shown(&folder.join(name))).collect();
    if charts.is_empty() {
        return Ok(());
    }
    stdio::line(&format!("Charts: {}", charts.join(", ")))
}

/// The style of text on standard output. anstream drops colours where they are not wanted.
fn style() -> Style {
    if std::io::stdout().is_terminal() { Style::Colour } else { Style::Plain }
}

/// What a run's outcome means for the exit code.
pub(super) fn exit(analysis: &Analysis) -> Exit {
    let mut cells = analysis.matchups.iter().flat_map(|matchup| &matchup.cells);
    let is_measured = cells.any(|cell| cell.blocks > 0);
    Exit::greatest([
        analysis.run.interrupted.map(Exit::Interrupted),
        (!analysis.failures.is_empty()).then_some(Exit::ServerFailed),
        (!is_measured).then_some(Exit::Unmeasurable),
    ])
}
