//! The folder of a campaign: its plan, and a folder for each session. What has been measured is
//! read from the sessions' records, so that no second account of it can be wrong.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::exit::UsageError;
use super::folders::{self, shown};
use super::stdio;
use duet_model::campaign::{Campaign, FILE_NAME, OVER_MS_MAX, SCHEMA, SESSIONS_MAX};
use duet_model::record::{self, Run};

/// The longest plan that is read: thousands of times what one needs.
const BYTES_MAX: u64 = 1 << 20;

/// What a session has come to.
#[derive(Debug)]
pub(super) enum State {
    /// Nothing of it was measured.
    Open,
    /// Its record has no end, or that of an interruption.
    Partial,
    /// It was measured to its end.
    Finished(Box<Run>),
}

/// Whether a folder holds a campaign.
pub(super) fn is_campaign(folder: &Path) -> bool {
    folder.join(FILE_NAME).is_file()
}

/// The plan in a folder.
pub(super) fn read(folder: &Path) -> Result<Campaign> {
    let path = folder.join(FILE_NAME);
    ensure!(
        is_campaign(folder),
        UsageError(format!("{} is no campaign's folder: it has no {FILE_NAME}", shown(folder)))
    );
    let mut text = String::new();
    let read = File::open(&path).and_then(|file| file.take(BYTES_MAX).read_to_string(&mut text));
    read.with_context(|| format!("failed to read {}", shown(&path)))?;
    let wrong = |why: String| UsageError(format!("{} is no plan: {why}", shown(&path)));
    let plan: Campaign = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let Campaign { schema, sessions, over_ms, .. } = &plan;
    ensure!(*schema == SCHEMA, wrong(format!("its schema is {schema}, and this reads {SCHEMA}")));
    let bounded = (1..=SESSIONS_MAX as usize).contains(&sessions.len())
        && *over_ms <= OVER_MS_MAX
        && sessions.iter().all(|session| session.after_ms <= *over_ms);
    ensure!(bounded, wrong("its sessions are too many, or begin after its end".to_owned()));
    Ok(plan)
}

/// Writes the plan of a campaign that begins.
pub(super) fn write(folder: &Path, plan: &Campaign) -> Result<()> {
    let text = serde_json::to_string_pretty(plan).context("failed to encode the plan")? + "\n";
    folders::replace(&folder.join(FILE_NAME), text.as_bytes())
}

/// What a session has come to, by its record.
pub(super) fn state(folder: &Path) -> State {
    if !folder.join(record::FILE_NAME).exists() {
        return State::Open;
    }
    match record::read(folder) {
        Ok(run) if run.end.as_ref().is_some_and(|end| end.interrupted.is_none()) => {
            State::Finished(Box::new(run))
        }
        _ => State::Partial,
    }
}

/// Moves what was half measured aside, under a name that says so. The plan's folder is free then.
pub(super) fn move_aside(folder: &Path) -> Result<PathBuf> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let aside = (1..=u32::from(u16::MAX))
        .map(|n| folder.with_file_name(format!("{name}-interrupted-{n}")))
        .find(|path| path.symlink_metadata().is_err());
    let Some(aside) = aside else { bail!("{} was interrupted too often", shown(folder)) };
    fs::rename(folder, &aside).with_context(|| format!("failed to move {}", shown(folder)))?;
    Ok(aside)
}

/// The finished sessions of the campaign that a run's folder is part of; none where it is part of
/// none.
pub(super) fn siblings(folder: &Path) -> Result<Vec<PathBuf>> {
    let folder = folder.canonicalize().with_context(|| format!("no folder: {}", shown(folder)))?;
    let Some(campaign) = folder.parent().filter(|parent| is_campaign(parent)) else {
        return Ok(vec![]);
    };
    let folders = (0..read(campaign)?.sessions.len()).map(|i| campaign.join(Campaign::folder(i)));
    Ok(folders.filter(|folder| matches!(state(folder), State::Finished(_))).collect())
}

/// Folders of runs: in the place of a campaign's folder those of its finished sessions. Sessions
/// that are not finished are named.
pub(super) fn sessions(folders: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = vec![];
    for folder in folders {
        if !is_campaign(folder) {
            found.push(folder.clone());
            continue;
        }
        for index in 0..read(folder)?.sessions.len() {
            let session = folder.join(Campaign::folder(index));
            match state(&session) {
                State::Finished(_) => found.push(session),
                State::Partial => {
                    stdio::note(&format!("skipped {}: it was not finished", shown(&session)));
                }
                State::Open => {
                    stdio::note(&format!("skipped {}: it was not measured", shown(&session)));
                }
            }
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}
