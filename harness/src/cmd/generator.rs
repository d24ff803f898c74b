//! `duet generator`, hidden: the load generator as a process of its own.

use anyhow::Result;

use super::Exit;
use crate::load;

pub(super) fn run() -> Result<Exit> {
    load::run(std::io::stdin().lock(), std::io::stdout().lock())?;
    Ok(Exit::Done)
}
