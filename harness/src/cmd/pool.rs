//! `duet pool`: what another hour would show.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::campaign_folder;
use super::exit::{Exit, UsageError};
use super::folders::{self, shown};
use super::stdio;
use duet_analysis::pool::{FILE_NAME, Pooled, SCHEMA};
use duet_model::record::Run;
use duet_report::{Style, pool as words};

/// Pools sessions: what the mean over hours is, and what another hour would show
///
/// An interval of one run holds for its hour. Of runs of the same suite in different hours, each is
/// one value here; from five on there is an interval for another hour. Each machine has its hours
/// for itself; from three on there is an interval for another machine. What differs from the newest
/// run that has the cell, in definitions or executables, is left out and listed.
#[derive(Debug, Args)]
pub(super) struct PoolArgs {
    /// Runs' folders, such as results/*-standard, or folders of campaigns, which stand for their
    /// finished sessions.
    #[arg(value_name = "DIR", required = true)]
    folders: Vec<PathBuf>,
    /// Also write pool.json, pool.md, pool.html and charts into this folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn run(args: &PoolArgs) -> Result<Exit> {
    let runs = campaign_folder::each_run(&args.folders, |folder, run| (shown(folder), run))?;
    pool(&runs, args.out.as_deref())?;
    Ok(Exit::Done)
}

/// Pools runs, shows the pool and, where `out` is given, writes it there.
pub(super) fn pool(runs: &[(String, Run)], out: Option<&Path>) -> Result<Pooled> {
    let pooled = duet_analysis::pool::pool(runs).map_err(UsageError)?;
    stdio::print(&words::text(&pooled, Style::Plain))?;
    let Some(out) = out else { return Ok(pooled) };
    folders::make(out)?;
    let json = serde_json::to_string_pretty(&pooled).context("failed to encode")? + "\n";
    folders::replace(&out.join(FILE_NAME), json.as_bytes())?;
    folders::replace(&out.join("pool.md"), words::markdown(&pooled).as_bytes())?;
    folders::replace(&out.join("pool.html"), words::html(&pooled).as_bytes())?;
    for (name, svg) in words::charts(&pooled) {
        folders::replace(&out.join(name), svg.as_bytes())?;
    }
    stdio::line(&format!("Pool: {}", shown(&out.join("pool.html"))))?;
    Ok(pooled)
}

/// The largest pool that is read: several thousand lines of a hundred sessions.
const BYTES_MAX: u64 = 256 << 20;

/// A pool as it was written.
pub(super) fn read(path: &Path) -> Result<Pooled> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(BYTES_MAX).read_to_string(&mut text));
    read.with_context(|| format!("failed to read {}", shown(path)))?;
    let wrong = |why: String| UsageError(format!("{} is no pool: {why}", shown(path)));
    let json: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let schema = json.get("schema").and_then(serde_json::Value::as_str).unwrap_or("absent");
    ensure!(
        schema == SCHEMA,
        wrong(format!("its schema is {schema}, and this reads {SCHEMA}: pool the sessions anew"))
    );
    Ok(serde_json::from_value(json).map_err(|error| wrong(error.to_string()))?)
}
