//! Where definitions are read from and records go.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write};
use std::ops::Deref;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use super::exit::UsageError;
use super::stdio;
use duet_model::record::{self, Run};
use duet_model::spec::{self, Service, Spec};

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

/// Where PostgreSQL is.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct PostgresFolder {
    /// The folder of PostgreSQL, which has `bin/initdb` and `bin/postgres` [default: that of the
    /// PATH, of the system, or the one that `make postgres` has unpacked]. `none` uses none.
    #[arg(long, value_name = "DIR")]
    pub(super) postgres: Option<PathBuf>,
}

impl PostgresFolder {
    /// Those of the services that need a PostgreSQL where there is none, and why.
    pub(super) fn absent<'a>(
        &self,
        services: impl IntoIterator<Item = &'a Service>,
        root: &Path,
    ) -> Result<Vec<(&'a Service, String)>> {
        let absent = duet_measure::services::absent(services, self.postgres.as_deref(), root);
        absent.map_err(|error| UsageError(format!("--postgres: {error:#}")).into())
    }
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

/// A folder into which this process records, and no other at the same time.
#[derive(Debug)]
pub(super) struct RecordFolder {
    path: PathBuf,
    /// Whether the user named it.
    named: bool,
    /// The folders that were made for it, itself first.
    made: Vec<PathBuf>,
    /// The folder, open. The kernel's lock on it ends with this value, or with the process.
    _lock: File,
}

impl Drop for RecordFolder {
    /// Where nothing came of a record, no folder stays that was made for it.
    fn drop(&mut self) {
        for folder in &self.made {
            // One that holds something stays.
            drop(fs::remove_dir(folder));
        }
    }
}

impl Deref for RecordFolder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.path
    }
}

/// Makes the folder for a record where it is missing, and locks it: the one that the user names, or
/// the default one below `root`.
///
/// # Errors
/// When another process records into it, or it is no folder.
pub(super) fn lock(out: Option<&Path>, root: &Path, default: &str) -> Result<RecordFolder> {
    let path = out.map_or_else(|| root.join(default), Path::to_owned);
    let made = path.ancestors().take_while(|folder| !folder.exists()).map(Path::to_owned);
    let made = made.filter(|folder| !folder.as_os_str().is_empty()).collect();
    make(&path)?;
    let lock = File::open(&path).with_context(|| format!("failed to open {}", path.display()))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => bail!(
            "{} records into {} at this moment: wait for its end, or choose another folder with \
             --out",
            holder(&lock).unwrap_or_else(|| "another process".to_owned()),
            shown(&path)
        ),
        // Some file systems of networks lock no folders; the ids of a record's lines still tell.
        Err(TryLockError::Error(error)) => stdio::note(&format!(
            "warning: {} cannot be locked ({error}): record into it with one duet at a time",
            shown(&path)
        )),
    }
    Ok(RecordFolder { path, named: out.is_some(), made, _lock: lock })
}

/// The process that holds the lock on a file, as far as the kernel tells: `process 4711 (duet run
/// standard)`.
fn holder(file: &File) -> Option<String> {
    let inode = format!(":{}", file.metadata().ok()?.ino());
    // `1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF`, see proc_locks(5).
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let fields = locks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let of_file = |field: &Vec<&str>| {
        field.get(1) == Some(&"FLOCK") && field.get(5).is_some_and(|of| of.ends_with(&inode))
    };
    // 0 is a process outside of this container.
    let pid = fields.filter(of_file).find_map(|field| field[4].parse::<u32>().ok());
    let pid = pid.filter(|pid| *pid > 0)?;
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = String::from_utf8_lossy(&words).replace('\0', " ");
    let words = duet_report::printable(words.trim());
    Some(match words.char_indices().nth(80) {
        _ if words.is_empty() => format!("process {pid}"),
        Some((end, _)) => format!("process {pid} ({}…)", &words[..end]),
        None => format!("process {pid} ({words})"),
    })
}

impl RecordFolder {
    /// Makes room for a record. A folder that the user names must not hold one; what a default
    /// folder holds moves, or is removed. The folder itself stays, and so does its lock.
    pub(super) fn make_room(&self, former: Former<'_>) -> Result<()> {
        if self.named {
            ensure!(
                !self.join(record::FILE_NAME).exists(),
                UsageError(format!(
                    "{} holds a run already: choose another folder, or remove it",
                    self.display()
                ))
            );
            return Ok(());
        }
        let former_files = entries(self)?;
        match former {
            _ if former_files.is_empty() => Ok(()),
            Former::MovedTo(name) => move_all(&former_files, &self.with_file_name(name)),
            Former::Removed => former_files.iter().try_for_each(|path| remove(path)),
        }
    }
}

/// What a folder holds.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
    };
    read().with_context(|| format!("failed to read the folder {}", folder.display()))
}

/// Moves files into a folder, in the place of what it held.
fn move_all(files: &[PathBuf], folder: &Path) -> Result<()> {
    if folder.symlink_metadata().is_ok() {
        remove(folder)?;
    }
    make(folder)?;
    for file in files {
        let Some(name) = file.file_name() else { continue };
        fs::rename(file, folder.join(name))
            .with_context(|| format!("failed to move {}", file.display()))?;
    }
    Ok(())
}

/// Removes a file, or a folder with all it holds; of a link the link.
pub(super) fn remove(path: &Path) -> Result<()> {
    let is_folder = path.symlink_metadata().is_ok_and(|kind| kind.is_dir());
    let removed = if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.with_context(|| format!("failed to remove {}", path.display()))
}

/// The folder for a record: locked, and with room for one. One that the user names must have it
/// already.
pub(super) fn for_record(
    out: Option<&Path>,
    root: &Path,
    default: &str,
    former: Former<'_>,
) -> Result<RecordFolder> {
    let folder = lock(out, root, default)?;
    folder.make_room(former)?;
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
    match fs::create_dir_all(folder) {
        Err(error)
            if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::NotADirectory) =>
        {
            bail!(UsageError(format!(
                "{} cannot be a folder, since a file is there: choose another",
                folder.display()
            )))
        }
        made => made.with_context(|| format!("failed to create {}", folder.display())),
    }
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

/// The way from a record's folder to another one, where both lie in the project: what is published
/// names no path of this machine.
pub(super) fn within_project(folder: &Path, root: &Path, other: &Path) -> Result<Option<String>> {
    let find = |path: &Path| {
        path.canonicalize().with_context(|| format!("failed to find {}", path.display()))
    };
    let (folder, root, other) = (find(folder)?, find(root)?, find(other)?);
    let (Ok(folder), Ok(other)) = (folder.strip_prefix(&root), other.strip_prefix(&root)) else {
        return Ok(None);
    };
    let other = other.to_str().context("the folder's name is not UTF-8")?;
    Ok(Some("../".repeat(folder.components().count()) + other))
}

/// Replaces a file of a folder whole: a reader sees the old or the new one, also when the disk is
/// full. A link of its name is replaced, not followed. Its folder is made where it is missing.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<()> {
    path.parent().map_or(Ok(()), make)?;
    let Some(name) = path.file_name() else {
        bail!(UsageError(format!("{} is no name for a file", path.display())));
    };
    // Of this process alone, and new: nobody else writes into it, and it is no link to elsewhere.
    let mut partial = std::ffi::OsString::from(".");
    partial.push(name);
    partial.push(format!(".{}.partial", std::process::id()));
    let partial = path.with_file_name(partial);
    let write = || {
        match fs::remove_file(&partial) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = File::create_new(&partial)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&partial, path)
    };
    write().with_context(|| {
        // The error that is reported is the one that matters.
        drop(fs::remove_file(&partial));
        format!("failed to write {}", path.display())
    })
}

/// A path as the user would write it: relative to the working directory where it lies below it.
pub(super) fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}
