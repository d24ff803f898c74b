//! `duet baseline`: runs that are kept under a name, and comparing with them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};

use super::exit::{Exit, UsageError};
use super::folders::{self, BenchFolder, shown};
use super::output;
use super::stdio::{self, Stream};
use duet_analysis::comparison::stored::{self, RUNS_MIN};
use duet_measure::versions::{Arm, Origin};
use duet_model::record::{self, Run};
use duet_report::comparison as words;

/// The folder of baselines, below the one above the definitions.
const FOLDER: &str = "results/baselines";

/// Keeps runs under a name, to compare later ones with
///
/// A stored run is not measured side by side with a new one, so the comparison informs and never
/// fails. To compare versions, measure both: `duet compare git:REF dir:.`.
#[derive(Debug, Args)]
pub(super) struct Baseline {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Keeps a run under a name; one more under the same name adds to it.
    Save {
        /// The name: a-z, 0-9, - and dots.
        name: String,
        /// The run's folder.
        #[arg(value_name = "DIR", default_value = "results/latest")]
        run: PathBuf,
        #[command(flatten)]
        bench: BenchFolder,
    },
    /// Lists the names.
    List {
        #[command(flatten)]
        bench: BenchFolder,
    },
    /// Says what a name stands for.
    Show {
        /// The name.
        name: String,
        #[command(flatten)]
        bench: BenchFolder,
    },
    /// Forgets a name and its runs.
    Rm {
        /// The name.
        name: String,
        #[command(flatten)]
        bench: BenchFolder,
    },
}

pub(super) fn run(args: &Baseline) -> Result<Exit> {
    match &args.action {
        Action::Save { name, run, bench } => save(name, run, &bench.root()?)?,
        Action::List { bench } => list(&bench.root()?)?,
        Action::Show { name, bench } => show(name, &bench.root()?)?,
        Action::Rm { name, bench } => {
            let folder = existing(name, &bench.root()?)?;
            fs::remove_dir_all(&folder)
                .with_context(|| format!("failed to remove {}", folder.display()))?;
            stdio::line(&format!("Forgot {name}."))?;
        }
    }
    Ok(Exit::Done)
}

fn save(name: &str, run: &Path, root: &Path) -> Result<()> {
    let folder = named(name, root)?;
    let read = folders::read_run(run)?;
    let source = record::find(run).context("its record is gone")?;
    ensure!(
        read.end.as_ref().is_some_and(|end| end.interrupted.is_none()),
        "the run in {} did not come to its end, so it is no measure for others",
        run.display()
    );
    let number = entries(&folder)?.len() + 1;
    let target = folder.join(format!("{number:03}"));
    fs::create_dir_all(&target)
        .and_then(|()| fs::copy(&source, target.join(source.file_name().unwrap_or_default())))
        .with_context(|| format!("failed to copy {} to {}", run.display(), target.display()))?;
    stdio::line(&format!("Kept as {name}, {}.", duet_units::count(number, "run")))?;
    Ok(())
}

fn list(root: &Path) -> Result<()> {
    let folders = entries(&root.join(FOLDER))?;
    if folders.is_empty() {
        stdio::line("No baselines; `duet baseline save NAME` keeps the latest run.")?;
    }
    for folder in folders {
        let name = folder.file_name().unwrap_or_default().display();
        stdio::line(&format!("{name}  {}", duet_units::count(entries(&folder)?.len(), "run")))?;
    }
    Ok(())
}

fn show(name: &str, root: &Path) -> Result<()> {
    for folder in entries(&existing(name, root)?)? {
        let run = record::read(&folder)?;
        let summary = duet_analysis::analyse(&run).run;
        stdio::line(&format!(
            "{}  suite {}, {}, commit {}, {}",
            summary.started,
            summary.suite,
            duet_units::count(run.blocks.len() + run.program_blocks.len(), "block"),
            summary.commit.as_deref().unwrap_or("unknown"),
            summary.machine.cpu
        ))?;
    }
    Ok(())
}

/// The folder of a name that may be new.
fn named(name: &str, root: &Path) -> Result<PathBuf> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(allowed) {
        bail!(UsageError(format!("`{name}` cannot be a name: use letters, digits, -, _ and dots")));
    }
    Ok(root.join(FOLDER).join(name))
}

/// The folder of a name that exists.
fn existing(name: &str, root: &Path) -> Result<PathBuf> {
    let folder = named(name, root)?;
    ensure!(
        folder.is_dir(),
        "there is no baseline `{name}`: `duet baseline list` has the names, `duet baseline save \
         {name}` keeps the latest run under it"
    );
    Ok(folder)
}

/// What a folder holds, by name; stored runs are so oldest first. Nothing where there is none.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = vec![];
    if folder.is_dir() {
        for entry in fs::read_dir(folder)? {
            found.push(entry?.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Compares stored runs: for information.
pub(super) fn compare(
    base: &Arm,
    head: &Arm,
    bench: &BenchFolder,
    json: Option<&Path>,
) -> Result<Exit> {
    let read = |arm: &Arm| -> Result<Vec<Run>> {
        match &arm.origin {
            Origin::Run(folder) => Ok(vec![record::read(folder)?]),
            Origin::Baseline(name) => {
                entries(&existing(name, &bench.root()?)?)?.iter().map(|f| record::read(f)).collect()
            }
            _ => bail!("{} is no stored result", arm.given),
        }
    };
    let (bases, heads) = (read(base)?, read(head)?);
    let Some(last) = heads.last() else { bail!("{} is empty", head.given) };
    let found = match stored::compare(&bases, last) {
        Ok(found) => found,
        Err(why) => bail!(
            "{} and {} are not comparable: {why}; measure both versions side by side, as in \
             `duet compare git:REF dir:.`",
            base.given,
            head.given
        ),
    };
    let given = json.map(Path::to_owned);
    let stream = Stream::beside([&given]);
    stream.print(&words::stored(&found, &base.given, &head.given))?;
    if bases.len() < RUNS_MIN {
        stream.line(&format!(
            "For information: {} is stored, and only {RUNS_MIN} or more tell how far such a figure \
             strays by itself.",
            duet_units::count(bases.len(), "run")
        ))?;
    }
    if let Some(file) = json {
        let text = serde_json::to_string_pretty(&found).context("failed to encode")? + "\n";
        output::write(file, text.as_bytes())?;
        stream.line(&format!("Written to {}.", shown(file)))?;
    }
    Ok(Exit::Done)
}
