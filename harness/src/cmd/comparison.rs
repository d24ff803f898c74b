//! Showing a comparison: from its records, whether they are new or old, so that both say the same.

use std::fs::OpenOptions;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;

use super::exit::{Exit, UsageError};
use super::folders::{self, shown};
use duet_analysis::comparison::{self, Comparison, Outcome};
use duet_model::record;
use duet_report::Style;
use duet_report::comparison as words;

/// The folder, within an experiment's, of the one that confirms it.
pub(super) const CONFIRMATION: &str = "confirmation";

/// The variable that names the file of a step's summary, in GitHub's workflows.
const GITHUB_SUMMARY: &str = "GITHUB_STEP_SUMMARY";

/// The variable that names the file for what later steps may ask.
const GITHUB_OUTPUT: &str = "GITHUB_OUTPUT";

/// Where a comparison goes beside the terminal.
#[derive(Debug, Args)]
pub(super) struct Outputs {
    /// Also write the comparison as JSON.
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,

    /// Also write it as Markdown.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,

    /// Also write it as JUnit XML, for GitLab, Jenkins and others.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// Print annotations and append a summary as GitHub's workflows read them.
    #[arg(long)]
    pub(super) github: bool,
}

/// Judges the records in a folder, writes everything that follows from them beside them, and shows
/// it.
pub(super) fn replay(folder: &Path, outputs: &Outputs) -> Result<Exit> {
    let comparison = read(folder)?;
    write(&comparison, folder, outputs)?;
    let style = if std::io::stdout().is_terminal() { Style::Colour } else { Style::Plain };
    anstream::print!("{}", words::text(&comparison, style));
    anstream::println!("Report: {}", shown(&folder.join("comparison.html")));
    if outputs.github {
        github(&comparison)?;
        append(GITHUB_OUTPUT, &words::github_outputs(&comparison))?;
    }
    Ok(exit(&comparison))
}

/// The comparison that a folder's records hold.
pub(super) fn read(folder: &Path) -> Result<Comparison> {
    let run = folders::read_run(folder)?;
    let confirmation = folder.join(CONFIRMATION);
    let second = match confirmation.join(record::FILE_NAME).is_file() {
        true => Some(record::read(&confirmation)?),
        false => None,
    };
    comparison::compare(&run, second.as_ref())
        .map_err(|why| UsageError(format!("{}: {why}", folder.display())).into())
}

fn write(comparison: &Comparison, folder: &Path, outputs: &Outputs) -> Result<()> {
    let json = serde_json::to_string_pretty(comparison).context("failed to encode")? + "\n";
    let markdown = words::markdown(comparison);
    folders::replace(&folder.join("comparison.json"), json.as_bytes())?;
    folders::replace(&folder.join("comparison.md"), markdown.as_bytes())?;
    folders::replace(&folder.join("comparison.html"), words::html(comparison).as_bytes())?;
    for (name, svg) in words::charts(comparison) {
        folders::replace(&folder.join(name), svg.as_bytes())?;
    }
    for (file, text) in [(&outputs.json, &json), (&outputs.markdown, &markdown)] {
        if let Some(file) = file {
            folders::replace(file, text.as_bytes())?;
        }
    }
    if let Some(file) = &outputs.junit {
        folders::replace(file, words::junit(comparison).as_bytes())?;
    }
    Ok(())
}

/// Annotations on standard output, and the summary of the step.
fn github(comparison: &Comparison) -> Result<()> {
    anstream::print!("{}", words::annotations(comparison));
    append(GITHUB_SUMMARY, &words::summary(comparison))
}

/// Appends a text to the file that a variable names, if it does.
fn append(variable: &str, text: &str) -> Result<()> {
    let Some(file) = std::env::var_os(variable) else { return Ok(()) };
    let path = PathBuf::from(file);
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(&path)
        .with_context(|| format!("failed to open {}", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("failed to write {}", path.display()))
}

/// What a comparison means for the exit code.
pub(super) fn exit(comparison: &Comparison) -> Exit {
    let runs = std::iter::once(&comparison.run).chain(&comparison.confirmation);
    let interrupted = runs.map(|run| run.interrupted.map(Exit::Interrupted));
    let outcome = match comparison.outcome {
        Outcome::Failed => Exit::ServerFailed,
        Outcome::BaseFailed => Exit::BaseFailed,
        Outcome::Unmeasured => Exit::Unmeasurable,
        Outcome::Regressed => Exit::Broken,
        Outcome::Inconclusive => Exit::Inconclusive,
        Outcome::Pass | Outcome::Compared => Exit::Done,
    };
    Exit::greatest(interrupted.chain([Some(outcome)]))
}
