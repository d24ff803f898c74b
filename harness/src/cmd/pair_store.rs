//! The records of gates by pair of versions, in the user's cache: whoever runs a gate of the same
//! pair again, after others or on a fresh clone with the same cache, continues it.

use std::fs;
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

/// The folder of a pair's record.
fn folder(root: &Path, pair: &impl Serialize) -> Result<PathBuf> {
    let text = serde_json::to_vec(pair).context("failed to encode what makes a pair")?;
    let gates = versions::cache_folder()?.join("gates");
    Ok(gates.join(versions::project_name(root)).join(&Output::of(&text).sha256[..24]))
}

/// Copies a pair's record into a folder for records. Whether there was one.
///
/// # Errors
/// When a file cannot be read or written.
pub(super) fn restore(root: &Path, pair: &impl Serialize, to: &Path) -> Result<bool> {
    let from = folder(root, pair)?;
    if !from.join(record::FILE_NAME).is_file() {
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
    forget_old(to.parent().unwrap_or(&to))
}

/// Copies the record of an experiment, and of the one that confirms it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    for place in ["", CONFIRMATION] {
        let (from, to) = (from.join(place), to.join(place));
        let file = from.join(record::FILE_NAME);
        if file.is_file() {
            let text = fs::read(&file);
            let text = text.with_context(|| format!("failed to read {}", file.display()))?;
            folders::make(&to)?;
            folders::replace(&to.join(record::FILE_NAME), &text)?;
        }
    }
    Ok(())
}

/// Removes the records that were not written for the longest time.
fn forget_old(project: &Path) -> Result<()> {
    let mut pairs = vec![];
    let entries = fs::read_dir(project);
    for entry in entries.with_context(|| format!("failed to read {}", project.display()))? {
        let path = entry.with_context(|| format!("failed to read {}", project.display()))?.path();
        let written = fs::metadata(path.join(record::FILE_NAME)).and_then(|file| file.modified());
        pairs.push((written.unwrap_or(SystemTime::UNIX_EPOCH), path));
    }
    pairs.sort();
    let excess = pairs.len().saturating_sub(KEPT);
    pairs.into_iter().take(excess).try_for_each(|(_, path)| {
        fs::remove_dir_all(&path).with_context(|| format!("failed to remove {}", path.display()))
    })
}
