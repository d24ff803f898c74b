//! `duet generator`, hidden: the load generator as a process of its own.

use anyhow::Result;

use super::Exit;

pub(super) fn run() -> Result<Exit> {
    duet_loadgen::run(std::io::stdin().lock(), std::io::stdout().lock())?;
    Ok(Exit::Done)
}
