//! `duet init`: definitions for a server of somebody's own, from its build and run commands.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::exit::{Exit, ServerUnavailable, UsageError};
use super::folders::{BenchFolder, shown};
use super::verify;
use duet_measure::build;
use duet_measure::host;
use duet_measure::server::{self, Launch};
use duet_measure::verify::{Verifier, excerpt};
use duet_model::record::Stage;
use duet_model::spec;
use duet_model::spec::{ExpectedResponse, Lane, Server, Transport};
use duet_process::interrupt::{Interrupt, Interrupted};

mod files;
mod words;

/// How much of a body is shown.
const EXCERPT_BYTES: usize = 400;

/// Where the workflow goes, below the folder above the definitions.
const WORKFLOW: &str = ".github/workflows/duet.yml";

/// Writes definitions that guard a server of your own
///
/// They say how it is built and started, how it responds, and how much worse a change may make it.
/// Builds and starts the server once, and takes its response as the expected one. Commands are
/// split into words as a shell does, but run without one. Overwrites nothing.
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

    /// The command that starts it. {port} or {addr} (127.0.0.1 and the port) stands where it is
    /// told where to listen; NAME=VALUE in front sets its environment: 'PORT={port} node app.js'.
    #[arg(long, value_name = "COMMAND", value_parser = words::split)]
    run: words::Words,

    /// The path to request. Its response must always have the same bytes.
    #[arg(long, value_name = "PATH", default_value = "/", value_parser = words::path)]
    get: String,

    /// The language it is written in, for reports [default: guessed from the commands].
    #[arg(long, value_name = "LANGUAGE")]
    language: Option<String>,

    /// Write .github/workflows/duet.yml too, which gates pull requests by this action.
    #[arg(long, value_name = "OWNER/REPOSITORY@VERSION", value_parser = words::action)]
    github: Option<String>,

    /// The folder to write to. The server is built and started in the folder above it.
    #[arg(long, value_name = "DIR", default_value_os_t = spec::default_folder())]
    bench: PathBuf,
}

pub(super) fn run(args: &Init) -> Result<Exit> {
    let root = root(&args.bench)?;
    let mut planned: Vec<PathBuf> = files::DEFINITIONS.map(|name| args.bench.join(name)).into();
    planned.extend(args.github.as_ref().map(|_| root.join(WORKFLOW)));
    refuse_to_overwrite(&planned)?;
    let server = server(args)?;
    let response = first_response(&server, &args.get, &root)?;
    let body = excerpt_of(&response.body);
    anstream::println!("GET {} returns {}: {body}", args.get, response.status);

    let workload = words::workload(&args.get);
    let texts = files::definitions(&server, &workload, &args.get, &response);
    let action = args.github.as_ref().map(|action| files::workflow(action, &shown(&args.bench)));
    for (path, text) in planned.iter().zip(texts.iter().chain(&action)) {
        write(path, text)?;
        anstream::println!("wrote {}", shown(path));
    }
    // What has just been written must be as good as anybody's.
    BenchFolder { bench: args.bench.clone() }.load()?;
    anstream::println!(
        "Commit it, then compare a change with what was before it: duet gate --base git:HEAD\n\
         Records go to {}/: add it to .gitignore.",
        shown(&root.join("results"))
    );
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
    let there: Vec<String> =
        planned.iter().filter(|path| path.exists()).map(|path| shown(path)).collect();
    if there.is_empty() {
        return Ok(());
    }
    bail!(UsageError(format!(
        "there is already {}, and nothing is overwritten: write to another folder (--bench DIR) \
         and take from it what is missing here, or remove what is there",
        there.join(", ")
    )))
}

/// The server as it will be written.
fn server(args: &Init) -> Result<Server> {
    let build = args.build.clone().map(|words| words.0).unwrap_or_default();
    let (env, run) = words::environment(&args.run.0);
    let told = |word: &&String| word.contains("{addr}") || word.contains("{port}");
    if run.is_empty() || !run.iter().chain(env.values()).any(|word| told(&word)) {
        bail!(UsageError(
            "--run does not tell the server where to listen: write {port} or {addr} where its \
             command line or environment takes it, such as './app --listen {addr}' or \
             'PORT={port} node app.js'"
                .to_owned()
        ));
    }
    let language = args.language.clone().unwrap_or_else(|| words::language(&build, &run));
    let bare = |words: &[String]| words.first().filter(|word| !word.contains('/')).cloned();
    let mut needs: Vec<String> = bare(&build).into_iter().chain(bare(&run)).collect();
    needs.dedup();
    Ok(Server {
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
    })
}

/// Builds and starts the server, and requests the path twice: a response that changes cannot be
/// told from an invalid one.
fn first_response(server: &Server, path: &str, root: &Path) -> Result<ExpectedResponse> {
    let interrupt = Interrupt::watch()?;
    let built = build::build(server, root, &interrupt)?;
    if let Some(failure) = built.failure {
        return Err(unavailable(server, failure.into()));
    }
    let cpus = host::allowed_cpus()?;
    let launch = Launch {
        root,
        cpus: &cpus,
        threads: 1,
        transport: Transport::Http,
        certificate: None,
        padding_bytes: 0,
    };
    let verifier = Verifier::new()?;
    let mut running =
        server::start(server, &launch, &interrupt).map_err(|error| unavailable(server, error))?;
    let mut response = || {
        verifier.ask(&running, path, &interrupt).map_err(|error| {
            let failure = running.failure(Stage::Verify, &format!("GET {path}: {error:#}"));
            if error.is::<Interrupted>() { error } else { unavailable(server, failure.into()) }
        })
    };
    let (first, second) = (response()?, response()?);
    let body = excerpt_of(&first.body);
    if first.status >= 400 {
        bail!(UsageError(format!(
            "GET {path} returns {}: {body}; name a path that is served, with --get PATH",
            first.status
        )));
    }
    if first != second {
        let again = excerpt_of(&second.body);
        bail!(UsageError(format!(
            "GET {path} does not always return the same: {body}, then {again}; every response is \
             compared with the expected one, so name a path that has one, with --get PATH"
        )));
    }
    running.stop().map_err(|failure| unavailable(server, failure.into()))?;
    Ok(first)
}

/// Why a server is unavailable, with what it wrote to standard error. An interruption stays one.
fn unavailable(server: &Server, error: anyhow::Error) -> anyhow::Error {
    let failure = match verify::failure(error, Stage::Start, &server.name) {
        Ok(failure) => failure,
        Err(interrupted) => return interrupted.into(),
    };
    let mut text = format!("{}: {failure}", server.name);
    for line in &failure.stderr {
        text.push_str(&format!("\n  | {line}"));
    }
    ServerUnavailable(text).into()
}

/// The beginning of a body, printable.
fn excerpt_of(body: &str) -> String {
    excerpt(&body.as_bytes()[..body.len().min(EXCERPT_BYTES)], 0)
}

/// Writes a file that must not exist yet.
fn write(path: &Path, text: &str) -> Result<()> {
    let context = || format!("failed to write {}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(context)?;
    }
    let mut file =
        OpenOptions::new().write(true).create_new(true).open(path).with_context(context)?;
    file.write_all(text.as_bytes()).with_context(context)
}
