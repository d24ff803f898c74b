//! `duet supervise`: the process above a server or a build, which ends all of it.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Error, Result};
use clap::Args;
use nix::sys::signal::Signal;

use super::exit::Exit;
use duet_process::cgroup::{Group, Limits};
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

    /// The control group that everything is in: CONTROLLER=FOLDER.
    #[arg(long = "cgroup", value_name = "WORD")]
    cgroup: Vec<String>,

    /// CPUs' worth of time that the group may take.
    #[arg(long, value_name = "CPUS", requires = "cgroup")]
    cpu_limit: Option<f64>,

    /// Memory that the group may take, in bytes.
    #[arg(long, value_name = "BYTES", requires = "cgroup")]
    memory_limit: Option<u64>,

    /// The command.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    words: Vec<OsString>,
}

pub(super) fn run(args: &Supervise) -> Result<Exit> {
    let signal =
        args.farewell.map(Signal::try_from).transpose().context("there is no such signal")?;
    // Go raises its own; a server that does not must hold as many connections.
    duet_loadgen::system::raise_file_limit();
    let group = Group::parse(&args.cgroup).map_err(Error::msg)?;
    let limits = Limits { cpus: args.cpu_limit, memory_bytes: args.memory_limit };
    let group = group.map(|group| (group, limits));
    let folder = args.folder.clone();
    let farewell = Farewell { user: args.uid.zip(args.gid), signal, folder, group };
    supervisor::run(&args.cpus, &args.words, &farewell).map(|()| Exit::Done)
}
