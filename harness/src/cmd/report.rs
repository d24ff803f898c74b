//! `duet report`: everything a run's folder can show, from its record alone.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;

use super::exit::Exit;
use super::folders::{self, shown};
use super::prices::PriceArgs;
use duet_analysis::{self, Analysis, money};
use duet_report::chart::Width;
use duet_report::{self, Style};

/// Rebuilds tables, charts and reports from a run's record
///
/// Reads run.jsonl in DIR and writes summary.json, report.md, report.html, speed.svg, memory.svg
/// and, where there are programs or latency curves, programs.svg and latency.svg beside it. The
/// exit code is the run's own.
#[derive(Debug, Args)]
pub(super) struct Report {
    /// A run's folder, such as results/latest.
    #[arg(value_name = "DIR")]
    folder: PathBuf,

    #[command(flatten)]
    prices: PriceArgs,
}

pub(super) fn run(args: &Report) -> Result<Exit> {
    rebuild(&args.folder, args.prices)
}

/// Derives everything from the record in `folder`, writes it there, and shows it.
pub(super) fn rebuild(folder: &Path, prices: PriceArgs) -> Result<Exit> {
    let mut analysis = read(folder)?;
    analysis.money = money::analyse(&analysis, prices.prices());
    write(&analysis, folder)?;
    show(&analysis, folder);
    Ok(exit(&analysis))
}

/// What the record in `folder` says.
pub(super) fn read(folder: &Path) -> Result<Analysis> {
    Ok(duet_analysis::analyse(&folders::read_run(folder)?))
}

fn write(analysis: &Analysis, folder: &Path) -> Result<()> {
    let summary = serde_json::to_string_pretty(analysis).context("failed to encode the summary")?;
    for (name, text) in [
        ("summary.json", summary + "\n"),
        ("speed.svg", duet_report::chart::speed(analysis).file()),
        ("memory.svg", duet_report::chart::memory(analysis).file()),
        ("report.md", duet_report::markdown(analysis)),
        ("report.html", duet_report::html(analysis)),
    ]
    .into_iter()
    .chain(duet_report::chart::boxes(analysis).map(|p| ("programs.svg", p.file())))
    .chain(duet_report::chart::latency(analysis, Width::Wide).map(|p| ("latency.svg", p.file())))
    {
        folders::replace(&folder.join(name), text.as_bytes())?;
    }
    Ok(())
}

/// Prints the tables and where the rest lies.
fn show(analysis: &Analysis, folder: &Path) {
    // anstream drops the colours where they are not wanted.
    let style = if std::io::stdout().is_terminal() { Style::Colour } else { Style::Plain };
    anstream::print!("{}", duet_report::text(analysis, style));
    anstream::println!("Report: {}", shown(&folder.join("report.html")));
    let latency = duet_report::chart::latency(analysis, Width::Wide).map(|_| "latency.svg");
    let charts = ["speed.svg", "memory.svg"].into_iter().chain(latency);
    let charts: Vec<String> = charts.map(|name| shown(&folder.join(name))).collect();
    anstream::println!("Charts: {}", charts.join(", "));
}

/// What a run's outcome means for the exit code.
fn exit(analysis: &Analysis) -> Exit {
    let mut cells = analysis.matchups.iter().flat_map(|matchup| &matchup.cells);
    let is_measured = cells.any(|cell| cell.metrics.iter().any(|found| found.ratio.is_some()));
    Exit::greatest([
        analysis.run.interrupted.map(Exit::Interrupted),
        (!analysis.failures.is_empty()).then_some(Exit::ServerFailed),
        (!is_measured).then_some(Exit::Unmeasurable),
    ])
}
