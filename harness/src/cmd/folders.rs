//! Where definitions are read from and records go.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::exit::UsageError;
use duet_model::record::{self, Run};
use duet_model::spec::{self, Spec};

/// Where the definitions are.
#[derive(Debug, Clone, Args)]
pub(super) struct BenchFolder {
    /// The folder of definitions: servers.toml and workloads.toml, or programs.toml, or all; and
    /// suites.toml.
    ///
    /// Servers and programs are built and started in the folder above it.
    #[arg(long, value_name = "DIR", default_value_os_t = spec::default_folder())]
    pub(super) bench: PathBuf,
}

impl BenchFolder {
    /// The definitions, and the folder above them.
    pub(super) fn open(&self) -> Result<(Spec, PathBuf)> {
        Ok((self.load()?, self.root()?))
    }

    /// The definitions.
    pub(super) fn load(&self) -> Result<Spec> {
        Ok(duet_definitions::load(&self.bench)?)
    }

    /// The folder above the definitions, in which servers are built and started.
    pub(super) fn root(&self) -> Result<PathBuf> {
        let folder = self.bench.canonicalize()?;
        match folder.parent() {
            Some(parent) => Ok(parent.to_owned()),
            None => bail!(UsageError("the definitions cannot be in the root folder".to_owned())),
        }
    }
}

/// What becomes of the record that a default folder held before.
#[derive(Debug, Clone, Copy)]
pub(super) enum Former<'a> {
    /// It is removed.
    Removed,
    /// It moves to the folder of this name beside it.
    MovedTo(&'a str),
}

/// The folder for a record, made and empty of an earlier one. One that the user names must be so
/// already; the default one is relative to `root`.
pub(super) fn for_record(
    out: Option<&Path>,
    root: &Path,
    default: &str,
    former: Former<'_>,
) -> Result<PathBuf> {
    let folder = out.map_or_else(|| root.join(default), Path::to_owned);
    if out.is_some() && folder.join(record::FILE_NAME).exists() {
        bail!(UsageError(format!(
            "{} holds a run already: choose another folder, or remove it",
            folder.display()
        )));
    }
    if out.is_none() && folder.exists() {
        let previous = match former {
            Former::MovedTo(name) => folder.with_file_name(name),
            Former::Removed => folder.clone(),
        };
        if previous.exists() {
            fs::remove_dir_all(&previous)
                .with_context(|| format!("failed to remove {}", previous.display()))?;
        }
        if folder.exists() {
            fs::rename(&folder, &previous)
                .with_context(|| format!("failed to move {}", folder.display()))?;
        }
    }
    make(&folder)?;
    Ok(folder)
}

/// The record in a folder that the user names.
pub(super) fn read_run(folder: &Path) -> Result<Run> {
    if !folder.join(record::FILE_NAME).is_file() {
        let name = record::FILE_NAME;
        bail!(UsageError(format!("{} is no run's folder: it has no {name}", folder.display())));
    }
    record::read(folder)
}

/// Makes a folder and those above it, where they are missing.
pub(super) fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("failed to create {}", folder.display()))
}

/// The way from a run's folder to the project's, for links to sources.
pub(super) fn to_project(folder: &Path, root: &Path) -> Result<String> {
    let folder =
        folder.canonicalize().with_context(|| format!("failed to find {}", folder.display()))?;
    Ok(match folder.strip_prefix(root) {
        Ok(below) => "../".repeat(below.components().count()),
        Err(_) => format!("{}/", root.display()).replace(' ', "%20"),
    })
}

/// Replaces a file whole: a reader sees the old or the new one, also when the disk is full. Its
/// folder is made where it is missing.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<()> {
    path.parent().map_or(Ok(()), make)?;
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

/// A path as the user would write it: relative to the working directory where it lies below it.
pub(super) fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}
