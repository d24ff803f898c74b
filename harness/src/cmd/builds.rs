//! `duet builds`: how long servers take to build, clean and after an edit.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::exit::{CommandError, Exit, UsageError};
use super::folders::{self, BenchFolder, Former, RecordFolder};
use super::prices::PriceArgs;
use super::progress::Progress;
use super::{report, session};
use duet_measure::builds::{self, Site};
use duet_measure::host;
use duet_model::record::{BUILDS_FILE_NAME, BUILDS_SCHEMA, BuildsRecord};
use duet_model::spec::{Server, Spec};
use duet_process::interrupt::{Interrupt, Interrupted};

/// The folder for the record, below the one above the definitions.
const FOLDER: &str = "results/builds";

/// Times builds: clean, with nothing changed, from an edit to a response
///
/// Every build is repeated in a copy of the sources, so nothing in the project is edited, emptied
/// or rebuilt. Minutes per server. Servers with `build` and `build_cache` are built; `edit`,
/// `std_build` and `dependencies` in their tables add figures.
#[derive(Debug, Args)]
pub(super) struct Builds {
    /// Servers to build; all that have `build` and `build_cache` if none is named.
    #[arg(value_name = "SERVER")]
    servers: Vec<String>,

    /// How often each build is timed; from 6 on there are intervals of 95 %.
    #[arg(long, value_name = "N", default_value_t = 6)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=60))]
    rounds: u32,

    /// The folder for record and report; that of a run shows the builds in the run's report
    /// [default: results/builds, whose former content is replaced].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    #[command(flatten)]
    bench: BenchFolder,
}

pub(super) fn run(args: &Builds) -> Result<Exit> {
    let (spec, root) = args.bench.open()?;
    let servers = choose(&spec, &args.servers)?;
    let interrupt = Interrupt::watch()?;
    let folder = folder(args.out.as_deref(), &root)?;
    let mut record = begin(&root, args.rounds)?;
    match measure(&mut record, &folder, (&spec, &servers), &root, &interrupt) {
        Err(CommandError::Interrupted(Interrupted(signal))) => record.interrupted = Some(signal),
        measured => measured?,
    }
    write(&record, &folder)?;
    report::rebuild(&folder, PriceArgs::default(), &[])?;
    Ok(report::builds_exit(&duet_analysis::builds::analyse(&record)))
}

/// The servers of these names; without names, all that can be built clean.
fn choose<'a>(spec: &'a Spec, names: &[String]) -> Result<Vec<&'a Server>> {
    let known: Vec<&str> = spec.servers.iter().map(|server| server.name.as_str()).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        bail!(UsageError::unknown("server", unknown, &known));
    }
    let has_build = |server: &Server| !server.build.is_empty() && !server.build_cache.is_empty();
    let wanted = |server: &&Server| match names {
        [] => has_build(server),
        names => names.contains(&server.name),
    };
    let servers: Vec<&Server> = spec.servers.iter().filter(wanted).collect();
    if servers.is_empty() {
        let what = "no server has `build` and `build_cache`, which say how a clean build is made";
        bail!(UsageError(what.to_owned()));
    }
    Ok(servers)
}

/// The folder for the record. One that the user names may be a run's.
fn folder(out: Option<&Path>, root: &Path) -> Result<RecordFolder> {
    match out {
        Some(_) => folders::lock(out, root, FOLDER),
        None => folders::for_record(None, root, FOLDER, Former::Removed),
    }
}

/// A record without servers.
fn begin(root: &Path, rounds: u32) -> Result<BuildsRecord> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    let (commit, dirty) = host::commit(root);
    Ok(BuildsRecord {
        schema: BUILDS_SCHEMA,
        duet_version: env!("CARGO_PKG_VERSION").to_owned(),
        command: session::command_line(),
        started_unix_s: now.as_secs(),
        commit,
        dirty,
        machine: host::machine(),
        rounds,
        interrupted: None,
        servers: vec![],
    })
}

/// Builds all servers round by round, in one order and the reverse, so that a machine that becomes
/// slower does so for all of them. What is known is written after every build.
fn measure(
    record: &mut BuildsRecord,
    folder: &Path,
    (spec, servers): (&Spec, &[&Server]),
    root: &Path,
    interrupt: &Interrupt,
) -> Result<(), CommandError> {
    let progress = Progress::new();
    let site = Site::copy(root)?;
    for server in servers {
        progress.say(&format!("building {} for the first time", server.name));
        record.servers.push(builds::first(&site, server, interrupt)?);
        write(record, folder)?;
    }
    for number in 1..=record.rounds {
        let mut order: Vec<usize> = (0..servers.len()).collect();
        if number % 2 == 0 {
            order.reverse();
        }
        for index in order {
            let (server, found) = (servers[index], &mut record.servers[index]);
            if found.failure.is_none() {
                progress.say(&format!("round {number} of {}: {}", record.rounds, server.name));
                builds::round(found, &site, (spec, server), number, interrupt)?;
                write(record, folder)?;
            }
        }
    }
    progress.finish();
    Ok(())
}

fn write(record: &BuildsRecord, folder: &Path) -> Result<()> {
    let text = serde_json::to_string_pretty(record).context("failed to encode the record")?;
    folders::replace(&folder.join(BUILDS_FILE_NAME), (text + "\n").as_bytes())
}
