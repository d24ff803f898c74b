//! `duet supervise`: the process above a server or a build, which ends all of it.

use std::ffi::OsString;

use anyhow::Result;
use clap::Args;

use super::exit::Exit;
use duet_process::supervisor;

/// What is supervised.
#[derive(Debug, Args)]
pub(super) struct Supervise {
    /// A CPU that it is pinned to; all if none is named.
    #[arg(long = "cpu", value_name = "CPU")]
    cpus: Vec<usize>,

    /// The command.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    words: Vec<OsString>,
}

pub(super) fn run(args: &Supervise) -> Result<Exit> {
    supervisor::run(&args.cpus, &args.words).map(|()| Exit::Done)
}
