//! `duet supervise`: the process above a server or a build, which ends all of it.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use nix::sys::signal::Signal;

use super::exit::Exit;
use duet_process::supervisor::{self, Farewell};

/// What is supervised.
#[derive(Debug, Args)]
pub(super) struct Supervise {
    /// A CPU that it is pinned to; all if none is named.
    #[arg(long = "cpu", value_name = "CPU")]
    cpus: Vec<usize>,

    /// The user that it runs as.
    #[arg(long, value_name = "UID", requires = "gid")]
    uid: Option<u32>,

    /// The group that it runs as.
    #[arg(long, value_name = "GID", requires = "uid")]
    gid: Option<u32>,

    /// The number of the signal that it is sent before everything is ended.
    #[arg(long, value_name = "SIGNAL")]
    farewell: Option<i32>,

    /// A folder that is removed when everything has ended.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,

    /// The command.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    words: Vec<OsString>,
}

pub(super) fn run(args: &Supervise) -> Result<Exit> {
    let signal =
        args.farewell.map(Signal::try_from).transpose().context("there is no such signal")?;
    // Go raises its own; a server that does not must hold as many connections.
    duet_loadgen::system::raise_file_limit();
    let farewell = Farewell { user: args.uid.zip(args.gid), signal, folder: args.folder.clone() };
    supervisor::run(&args.cpus, &args.words, &farewell).map(|()| Exit::Done)
}
