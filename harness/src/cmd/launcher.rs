//! `duet launcher`, hidden: starts one program and says what the kernel counted.

use anyhow::Result;

use super::Exit;
use duet_measure::launcher;

pub(super) fn run() -> Result<Exit> {
    launcher::run()?;
    Ok(Exit::Done)
}
