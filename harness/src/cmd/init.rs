//! `duet init`: definitions for a server of somebody's own, from its build and run commands.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::exit::{Exit, UsageError};
use super::folders::{BenchFolder, shown};
use super::stdio;
use ci::{Ci, Place};
use duet_model::spec::{self, Lane, Server};

mod ci;
mod files;
mod response;
mod words;

/// What tells a server where to listen.
const PLACES: [&str; 3] = ["{port}", "{addr}", "{socket}"];

/// The variable by which a server is told its port whose command does not say it.
const PORT: &str = "PORT";

/// Writes definitions that guard a server of your own
///
/// They say how it is built and started, how it responds, and how much worse a change may make it.
/// Builds the server, starts it twice, and takes its response as the expected one if it is always
/// the same. Commands are split into words as a shell does, but run without one. Overwrites
/// nothing.
#[derive(Debug, Args)]
#[command(after_help = "Example: duet init --name shop --build 'go build -o shop .' \
                        --run './shop --listen {addr}' --get /health")]
pub(super) struct Init {
    /// What reports call the server: a-z, 0-9 and -.
    #[arg(long, value_name = "NAME", value_parser = words::name)]
    name: String,

    /// The command that builds it; left out where there is nothing to build.
    #[arg(long, value_name = "COMMAND", value_parser = words::split)]
    build: Option<words::Words>,

    /// The command that starts it. {port}, {addr} (127.0.0.1 and the port) or {socket} (the path
    /// of a Unix socket) stands where it is told where to listen; NAME=VALUE in front sets its
    /// environment: 'LISTEN={addr} ./app'. Without any of them it is told by the variable PORT.
    #[arg(long, value_name = "COMMAND", value_parser = words::split)]
    run: words::Words,

    /// The path to request. Its response must always have the same bytes.
    #[arg(long, value_name = "PATH", default_value = "/", value_parser = words::path)]
    get: String,

    /// The language it is written in, for reports [default: guessed from the commands].
    #[arg(long, value_name = "LANGUAGE")]
    language: Option<String>,

    /// Write what gates changes in CI, too: a workflow where GitHub or GitLab reads it, which is
    /// in the root of the repository, or a shell script for any other.
    #[arg(long, value_name = "KIND", value_enum)]
    ci: Option<Ci>,

    /// Where CI gets Duet: OWNER/REPOSITORY@VERSION for GitHub, URL@VERSION for GitLab.
    #[arg(long, value_name = "PLACE", requires = "ci")]
    duet: Option<String>,

    /// The folder to write to. The server is built and started in the folder above it.
    #[arg(long, value_name = "DIR", default_value_os_t = spec::default_folder())]
    bench: PathBuf,
}

pub(super) fn run(args: &Init) -> Result<Exit> {
    let root = root(&args.bench)?;
    let mut planned: Vec<PathBuf> = files::DEFINITIONS.map(|name| args.bench.join(name)).into();
    let place = Place::find(&root, &args.bench);
    let job =
        args.ci.map(|ci| ci::job(ci, &args.name, args.duet.as_deref(), &place)).transpose()?;
    planned.extend(job.as_ref().map(|job| job.path.clone()));
    refuse_to_overwrite(&planned)?;
    let (server, note) = server(args)?;
    if let Some(note) = &note {
        stdio::line(note)?;
    }
    let response = response::steady(&server, &args.get, &root)?;
    let body = response::beginning(&response.body);
    stdio::line(&format!("GET {} returns {}: {body}", args.get, response.status))?;

    let workload = words::workload(&args.get);
    let texts = files::definitions(&server, &workload, &args.get, &response);
    let texts = texts.iter().chain(job.as_ref().map(|job| &job.text));
    files::write_all(&planned.iter().zip(texts).collect::<Vec<_>>())?;
    for path in &planned {
        stdio::line(&format!("wrote {}", shown(path)))?;
    }
    // What has just been written must be as good as anybody's.
    BenchFolder { bench: args.bench.clone() }.load()?;
    if let Some(job) = &job {
        stdio::line(&job.next)?;
    }
    stdio::line(&format!(
        "Commit it, then compare a change with what was before it: {}\n\
         Records go to {}/: add it to .gitignore.",
        place.command(),
        shown(&root.join("results"))
    ))?;
    Ok(Exit::Done)
}

/// The folder above the definitions, which need not exist yet.
fn root(bench: &Path) -> Result<PathBuf> {
    let above = match bench.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => bail!(UsageError("the definitions cannot be in the root folder".to_owned())),
    };
    above.canonicalize().with_context(|| format!("failed to find the folder {}", above.display()))
}

fn refuse_to_overwrite(planned: &[PathBuf]) -> Result<()> {
    // A link that leads nowhere is there, too.
    let there = planned.iter().filter(|path| path.symlink_metadata().is_ok());
    let there: Vec<String> = there.map(|path| shown(path)).collect();
    if there.is_empty() {
        return Ok(());
    }
    bail!(UsageError(format!(
        "there is already {}, and nothing is overwritten: write to another folder (--bench DIR) \
         and take from it what is missing here, or remove what is there",
        there.join(", ")
    )))
}

/// The server as it will be written, and what the user should know of it.
fn server(args: &Init) -> Result<(Server, Option<String>)> {
    let build = args.build.clone().map(|words| words.0).unwrap_or_default();
    let (mut env, mut run) = words::environment(&args.run.0);
    if run.is_empty() {
        bail!(UsageError("--run names no command".to_owned()));
    }
    let note = tell_where_to_listen(&mut env, &mut run)?;
    let language = args.language.clone().unwrap_or_else(|| words::language(&build, &run));
    let bare = |words: &[String]| words.first().filter(|word| !word.contains('/')).cloned();
    let mut needs: Vec<String> = bare(&build).into_iter().chain(bare(&run)).collect();
    needs.dedup();
    let server = Server {
        name: args.name.clone(),
        summary: format!("{} by `{}`", args.name, run.join(" ")),
        language,
        lanes: vec![Lane::Idiomatic],
        needs,
        build,
        run,
        env,
        external: true,
        workloads: vec![words::workload(&args.get)],
        ..Server::default()
    };
    Ok((server, note))
}

/// Makes sure that the server is told where to listen, and says so where it was our idea: `$PORT`
/// in a command is the port, and a server whose command says nothing is told by the variable PORT,
/// as hosts of applications do.
fn tell_where_to_listen(
    env: &mut BTreeMap<String, String>,
    run: &mut [String],
) -> Result<Option<String>> {
    let told = |word: &String| PLACES.iter().any(|place| word.contains(place));
    if run.iter().chain(env.values()).any(told) {
        return Ok(None);
    }
    if let Some(port) = env.get(PORT).filter(|value| !value.contains('$')) {
        bail!(UsageError(format!(
            "--run says PORT={port}, and two versions cannot listen there at once: write \
             PORT={{port}}, and a port that is free is chosen at each start"
        )));
    }
    for word in env.values_mut().chain(run.iter_mut()) {
        *word = words::with_port(word);
    }
    if run.iter().chain(env.values()).any(told) {
        return Ok(Some("$PORT in --run is written as {port}.".to_owned()));
    }
    env.insert(PORT.to_owned(), "{port}".to_owned());
    Ok(Some(
        "--run does not say where to listen: the server is told by the variable PORT. Where it \
         does not read that, write {port}, {addr} or {socket} where its command line takes it, \
         such as './app --listen {addr}'."
            .to_owned(),
    ))
}
