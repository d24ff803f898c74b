//! `duet claims`: the ledger of claims that others published.

use std::io::IsTerminal;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use super::exit::{Exit, UsageError};
use super::folders::{BenchFolder, shown};
use super::{report, stdio};
use duet_analysis::claims::{Ledger, ledger};
use duet_report::{Style, claims as words};

/// Holds claims of others against what runs have measured
///
/// The claims, and what tests them, are in claims.toml of the definitions. Of several runs the
/// newest that measured a claim speaks of it, and is named. The exit code does not depend on what
/// holds.
#[derive(Debug, Args)]
pub(super) struct Claims {
    /// Runs' folders, such as results/*.
    #[arg(value_name = "RUN", default_value = "results/latest")]
    runs: Vec<PathBuf>,

    /// The format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    #[command(flatten)]
    bench: BenchFolder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a terminal
    Text,
    /// For a comment or a document
    Markdown,
    /// For programs: schema/claims.schema.json
    Json,
}

pub(super) fn run(args: &Claims) -> Result<Exit> {
    let claims = args.bench.load()?.claims;
    if claims.is_empty() {
        let folder = args.bench.bench.display();
        bail!(UsageError(format!("there are no claims: {folder} has no claims.toml")));
    }
    let mut folders = args.runs.clone();
    folders.sort();
    folders.dedup();
    let read = |folder: &PathBuf| Ok((shown(folder), report::read(folder)?));
    let runs: Vec<_> = folders.iter().map(read).collect::<Result<_>>()?;
    print(&ledger(runs, &claims), args.format)?;
    Ok(Exit::Done)
}

fn print(ledger: &Ledger, format: Format) -> Result<()> {
    match format {
        Format::Text => {
            let terminal = std::io::stdout().is_terminal();
            let style = if terminal { Style::Colour } else { Style::Plain };
            stdio::print(&words::text(ledger, style))
        }
        Format::Markdown => stdio::print_raw(&words::markdown(ledger)),
        Format::Json => {
            let json = serde_json::to_string_pretty(ledger).context("failed to encode claims")?;
            stdio::print_raw(&(json + "\n"))
        }
    }
}
