//! The records of gates by pair of versions, in the user's cache: whoever runs a gate of the same
//! pair again, after others or on a fresh clone with the same cache, continues it. Beside them the
//! number of attempts at each pair, which outlives records.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use serde::Serialize;

use super::comparison::CONFIRMATION;
use super::folders;
use duet_measure::output::Output;
use duet_measure::versions;
use duet_model::record;

/// Pairs that are kept of a project.
const KEPT: usize = 32;

/// Pairs of a project whose attempts are known.
const COUNTED: usize = 1024;

/// The name of a pair.
fn name(pair: &impl Serialize) -> Result<String> {
    let text = serde_json::to_vec(pair).context("failed to encode what makes a pair")?;
    Ok(Output::of(&text).sha256[..24].to_owned())
}

/// The folder of a pair's record.
fn folder(root: &Path, pair: &impl Serialize) -> Result<PathBuf> {
    let gates = versions::cache_folder()?.join("gates");
    Ok(gates.join(versions::project_name(root)).join(name(pair)?))
}

/// The file with the number of attempts at a pair.
fn counter(root: &Path, pair: &impl Serialize) -> Result<PathBuf> {
    let attempts = versions::cache_folder()?.join("gates/attempts");
    Ok(attempts.join(versions::project_name(root)).join(name(pair)?))
}

/// The attempts at a pair that were begun; 0 where none is known of.
///
/// # Errors
/// When there is no cache, or its file cannot be read or holds no number.
pub(super) fn attempts(root: &Path, pair: &impl Serialize) -> Result<u32> {
    let file = counter(root, pair)?;
    match fs::read_to_string(&file) {
        Ok(text) => text.trim().parse().with_context(|| format!("no number: {}", file.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error).with_context(|| format!("failed to read {}", file.display())),
    }
}

/// Keeps the number of attempts at a pair.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn set_attempts(root: &Path, pair: &impl Serialize, attempts: u32) -> Result<()> {
    let file = counter(root, pair)?;
    folders::replace(&file, format!("{attempts}\n").as_bytes())?;
    forget_old(&file, COUNTED)
}

/// Copies a pair's record into a folder for records. Whether there was one.
///
/// # Errors
/// When a file cannot be read or written.
pub(super) fn restore(root: &Path, pair: &impl Serialize, to: &Path) -> Result<bool> {
    let from = folder(root, pair)?;
    if !folders::holds_run(&from) {
        return Ok(false);
    }
    copy(&from, to)?;
    Ok(true)
}

/// Keeps the record in a folder as that of a pair.
///
/// # Errors
/// When a file cannot be read or written.
pub(super) fn keep(root: &Path, pair: &impl Serialize, from: &Path) -> Result<()> {
    let to = folder(root, pair)?;
    folders::make(&to)?;
    copy(from, &to)?;
    forget_old(&to, KEPT)
}

/// Copies the record of an experiment, and of the one that confirms it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    for place in ["", CONFIRMATION] {
        let (from, to) = (from.join(place), to.join(place));
        if let Some(file) = record::find(&from).filter(|file| file.is_file()) {
            let text = fs::read(&file);
            let text = text.with_context(|| format!("failed to read {}", file.display()))?;
            folders::make(&to)?;
            let former = record::find(&to);
            let copy = to.join(file.file_name().unwrap_or_default());
            folders::replace(&copy, &text)?;
            // One that is compressed and one that is not would be two records.
            former.filter(|former| *former != copy).map_or(Ok(()), |it| folders::remove(&it))?;
        }
    }
    Ok(())
}

/// Removes the pairs beside this one that were not written for the longest time, but for so many:
/// by the age of their record, or by their own. This one stays, whatever the clock says:
/// where it was set back, what was written before is from the future.
fn forget_old(newest: &Path, kept: usize) -> Result<()> {
    let project = newest.parent().unwrap_or(newest);
    let mut pairs = vec![];
    let entries = fs::read_dir(project);
    for entry in entries.with_context(|| format!("failed to read {}", project.display()))? {
        let path = entry.with_context(|| format!("failed to read {}", project.display()))?.path();
        let file = record::find(&path);
        let written = fs::metadata(file.as_ref().unwrap_or(&path)).and_then(|file| file.modified());
        pairs.push((written.unwrap_or(SystemTime::UNIX_EPOCH), path));
    }
    pairs.sort();
    let excess = pairs.len().saturating_sub(kept);
    pairs.retain(|(_, path)| path != newest);
    pairs.into_iter().take(excess).try_for_each(|(_, path)| folders::remove(&path))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::Duration;

    use super::*;

    /// The clock was set back by a year: what was just written is the oldest, and stays.
    #[test]
    fn what_was_just_written_is_not_forgotten() {
        let project = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str, seconds: u64| {
            let path = project.path().join(name);
            let file = File::create(&path).expect("a file");
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            file.set_modified(time).expect("it is touched");
            path
        };
        for n in 0..4 {
            at(&format!("future{n}"), 2_000_000_000 + n);
        }
        let newest = at("newest", 1_000_000_000);
        forget_old(&newest, 3).expect("they are removed");
        let mut left: Vec<_> = fs::read_dir(project.path()).expect("a folder").flatten().collect();
        left.sort_by_key(fs::DirEntry::file_name);
        let left: Vec<_> = left.iter().map(fs::DirEntry::file_name).collect();
        assert_eq!(left, ["future2", "future3", "newest"]);
    }
}
