//! `duet report`: everything a run's folder can show, from its record alone.

use std::fs;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::{Exit, UsageError, shown};
use duet_analysis::{self, Analysis, Who};
use duet_model::record;
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
}

pub(super) fn run(args: &Report) -> Result<Exit> {
    let analysis = write(&args.folder)?;
    show(&analysis, &args.folder);
    Ok(exit(&analysis))
}

/// What the record in `folder` says.
pub(super) fn read(folder: &Path) -> Result<Analysis> {
    if !folder.join(record::FILE_NAME).is_file() {
        let name = record::FILE_NAME;
        bail!(UsageError(format!("{} is no run's folder: it has no {name}", folder.display())));
    }
    Ok(duet_analysis::analyse(&record::read(folder)?))
}

/// Derives everything from the record in `folder` and writes it there.
pub(super) fn write(folder: &Path) -> Result<Analysis> {
    let analysis = read(folder)?;
    let summary =
        serde_json::to_string_pretty(&analysis).context("failed to encode the summary")?;
    for (name, text) in [
        ("summary.json", summary + "\n"),
        ("speed.svg", duet_report::chart::speed(&analysis).file()),
        ("memory.svg", duet_report::chart::memory(&analysis).file()),
        ("report.md", duet_report::markdown(&analysis)),
        ("report.html", duet_report::html(&analysis)),
    ]
    .into_iter()
    .chain(duet_report::chart::boxes(&analysis).map(|picture| ("programs.svg", picture.file())))
    .chain(duet_report::chart::latency(&analysis, Width::Wide).map(|picture| ("latency.svg", picture.file())))
    {
        replace(&folder.join(name), text.as_bytes())?;
    }
    Ok(analysis)
}

/// Prints the tables and where the rest lies.
pub(super) fn show(analysis: &Analysis, folder: &Path) {
    // anstream drops the colours where they are not wanted.
    let style = if std::io::stdout().is_terminal() { Style::Colour } else { Style::Plain };
    anstream::print!("{}", duet_report::text(analysis, style));
    anstream::println!("Report: {}", shown(&folder.join("report.html")));
    let latency = duet_report::chart::latency(analysis, Width::Wide).map(|_| "latency.svg");
    let charts = ["speed.svg", "memory.svg"].into_iter().chain(latency);
    let charts: Vec<String> = charts.map(|name| shown(&folder.join(name))).collect();
    anstream::println!("Charts: {}", charts.join(", "));
}

/// What a run's outcome means for the exit code: interrupted, then a failed server, then nothing
/// measured.
pub(super) fn exit(analysis: &Analysis) -> Exit {
    let measured = |who: Who| who != Who::Generator;
    let cells = || analysis.matchups.iter().flat_map(|matchup| &matchup.cells);
    if let Some(signal) = analysis.run.interrupted {
        Exit::Interrupted(signal)
    } else if !analysis.failures.is_empty() {
        Exit::ServerFailed
    } else if !cells().any(|cell| cell.blocks > 0 && measured(cell.bottleneck.who)) {
        Exit::Unmeasurable
    } else {
        Exit::Done
    }
}

/// Replaces a file whole: a reader sees the old or the new one, also when the disk is full. Its
/// folder is made where it is missing.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)
            .with_context(|| format!("failed to create {}", folder.display()))?;
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let write = || {
        let mut file = fs::File::create(&partial)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&partial, path)
    };
    write().with_context(|| {
        // The error that is reported is the one that matters.
        drop(fs::remove_file(&partial));
        format!("failed to write {} (is the disk full?)", path.display())
    })
}
