//! Showing a comparison: from its records, whether they are new or old, so that both say the same.

use std::fs::OpenOptions;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;

use super::exit::{Exit, UsageError};
use super::folders::{self, shown};
use super::output;
use super::stdio::{self, Stream};
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
    /// Also write the comparison as JSON; `-` is standard output, here and below.
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
    show(folder, outputs, true)
}

/// The same of records that have just been made.
pub(super) fn conclude(folder: &Path, outputs: &Outputs) -> Result<Exit> {
    show(folder, outputs, false)
}

fn show(folder: &Path, outputs: &Outputs, stored: bool) -> Result<Exit> {
    let comparison = read(folder)?;
    let stream = outputs.stream();
    let terminal = match stream {
        Stream::Output => std::io::stdout().is_terminal(),
        Stream::Error => std::io::stderr().is_terminal(),
    };
    let style = if terminal { Style::Colour } else { Style::Plain };
    let text = words::text(&comparison, style);
    // The verdict is known: it is said first, and what fails afterwards is said too.
    let mut outcome = Outcomes::default();
    let printed = stream.print(&text);
    if printed.is_err() {
        stdio::note(&text);
    }
    outcome.of(printed);
    match write(&comparison, folder) {
        Ok(()) => {
            outcome.of(stream.line(&format!("Report: {}", shown(&folder.join("comparison.html")))));
        }
        // A record that others keep may be read and not added to.
        Err(error) if stored && is_read_only(&error) => {
            stdio::note(&format!("note: no report was written beside the record: {error:#}"));
        }
        Err(error) => outcome.of(Err(error)),
    }
    outputs.write(&comparison, &mut outcome);
    Ok(Exit::greatest([Some(exit(&comparison)), outcome.failed.then_some(Exit::Unmeasurable)]))
}

/// What became of the outputs.
#[derive(Default)]
struct Outcomes {
    failed: bool,
}

impl Outcomes {
    /// Says what failed, and goes on.
    fn of(&mut self, written: Result<()>) {
        if let Err(error) = written {
            stdio::note(&format!("error: {error:#}"));
            self.failed = true;
        }
    }
}

/// Whether somebody may read here and not write.
fn is_read_only(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    matches!(kind, Some(ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem))
}

/// The comparison that a folder's records hold.
pub(super) fn read(folder: &Path) -> Result<Comparison> {
    let run = folders::read_run(folder)?;
    let confirmation = folder.join(CONFIRMATION);
    let second = match folders::holds_run(&confirmation) {
        true => Some(record::read(&confirmation)?),
        false => None,
    };
    comparison::compare(&run, second.as_ref())
        .map_err(|why| UsageError(format!("{}: {why}", folder.display())).into())
}

/// Writes what follows from a record beside it.
fn write(comparison: &Comparison, folder: &Path) -> Result<()> {
    folders::replace(&folder.join("comparison.json"), json(comparison)?.as_bytes())?;
    folders::replace(&folder.join("comparison.md"), words::markdown(comparison).as_bytes())?;
    folders::replace(&folder.join("comparison.html"), words::html(comparison).as_bytes())?;
    for (name, svg) in words::charts(comparison) {
        folders::replace(&folder.join(name), svg.as_bytes())?;
    }
    Ok(())
}

fn json(comparison: &Comparison) -> Result<String> {
    Ok(serde_json::to_string_pretty(comparison).context("failed to encode")? + "\n")
}

impl Outputs {
    /// Where text for people goes: `-` makes standard output a file for programs.
    pub(super) fn stream(&self) -> Stream {
        Stream::beside([&self.json, &self.markdown, &self.junit])
    }

    /// Writes those that are wanted, each whatever becomes of the others.
    fn write(&self, comparison: &Comparison, outcome: &mut Outcomes) {
        if let Some(file) = &self.json {
            outcome.of(json(comparison).and_then(|text| output::write(file, text.as_bytes())));
        }
        if let Some(file) = &self.markdown {
            outcome.of(output::write(file, words::markdown(comparison).as_bytes()));
        }
        if let Some(file) = &self.junit {
            outcome.of(output::write(file, words::junit(comparison).as_bytes()));
        }
        if self.github {
            outcome.of(self.stream().print_raw(&words::annotations(comparison)));
            outcome.of(append(GITHUB_SUMMARY, |used| words::summary(comparison, used)));
            outcome.of(append(GITHUB_OUTPUT, |_| words::github_outputs(comparison)));
        }
    }
}

/// Appends a text to the file that a variable names, if it does; the text is told how many bytes
/// the file has already.
fn append(variable: &str, text: impl Fn(u64) -> String) -> Result<()> {
    let Some(file) = std::env::var_os(variable) else { return Ok(()) };
    let path = PathBuf::from(file);
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(&path)
        .with_context(|| format!("failed to open {}", path.display()))?;
    let used = file.metadata().map_or(0, |file| file.len());
    file.write_all(text(used).as_bytes())
        .with_context(|| format!("failed to write {}", path.display()))
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
