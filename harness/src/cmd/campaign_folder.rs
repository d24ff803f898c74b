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
    let schema = &plan.schema;
    ensure!(*schema == SCHEMA, wrong(format!("its schema is {schema}, and this reads {SCHEMA}")));
    check(&plan).map_err(wrong)?;
    Ok(plan)
}

/// Why a plan cannot be carried out.
pub(super) fn check(plan: &Campaign) -> Result<(), String> {
    let Campaign { sessions, over_ms, .. } = plan;
    if !(1..=SESSIONS_MAX as usize).contains(&sessions.len()) {
        return Err(format!("a campaign has 1 to {SESSIONS_MAX} sessions, not {}", sessions.len()));
    }
    if *over_ms > OVER_MS_MAX {
        return Err("a campaign takes 30 days at most".to_owned());
    }
    match sessions.iter().any(|session| session.after_ms > *over_ms) {
        true => Err("a session begins after the campaign's end".to_owned()),
        false => Ok(()),
    }
}

/// Writes the plan of a campaign that begins.
pub(super) fn write(folder: &Path, plan: &Campaign) -> Result<()> {
    let text = serde_json::to_string_pretty(plan).context("failed to encode the plan")? + "\n";
    folders::replace(&folder.join(FILE_NAME), text.as_bytes())
}

/// What a session has come to, by its record.
pub(super) fn state(folder: &Path) -> State {
    if record::find(folder).is_none() {
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

/// The other finished sessions of the campaign that a run's folder is part of; none where it is
/// part of none.
pub(super) fn siblings(folder: &Path) -> Result<Vec<(PathBuf, Run)>> {
    let folder = folder.canonicalize().with_context(|| format!("no folder: {}", shown(folder)))?;
    let Some(campaign) = folder.parent().filter(|parent| is_campaign(parent)) else {
        return Ok(vec![]);
    };
    let others = planned(campaign)?.into_iter().filter(|other| *other != folder);
    Ok(others.filter_map(|other| finished(&other).ok().map(|run| (other, run))).collect())
}

/// What is made of each run in these folders: in the place of a campaign's folder its sessions.
/// Those that cannot be read or were not finished are named, and left out.
pub(super) fn each_run<T>(
    folders: &[PathBuf],
    mut make: impl FnMut(&Path, Run) -> T,
) -> Result<Vec<T>> {
    let mut wanted = vec![];
    for folder in folders {
        match is_campaign(folder) {
            true => wanted.extend(planned(folder)?.into_iter().map(|session| (session, true))),
            false => wanted.push((folder.clone(), false)),
        }
    }
    wanted.sort();
    wanted.dedup_by(|later, first| later.0 == first.0);
    let mut made = vec![];
    for (folder, of_campaign) in wanted {
        let run = if of_campaign { finished(&folder) } else { folders::read_run(&folder) };
        match run {
            Ok(run) => made.push(make(&folder, run)),
            Err(error) => stdio::note(&format!("skipped {}: {error:#}", shown(&folder))),
        }
    }
    Ok(made)
}

/// The folders of a campaign's sessions.
fn planned(folder: &Path) -> Result<Vec<PathBuf>> {
    let sessions = read(folder)?.sessions.len();
    Ok((0..sessions).map(|index| folder.join(Campaign::folder(index))).collect())
}

/// The run of a session that was measured to its end.
fn finished(folder: &Path) -> Result<Run> {
    match state(folder) {
        State::Finished(run) => Ok(*run),
        State::Partial => bail!("it was not finished"),
        State::Open => bail!("it was not measured"),
    }
}
