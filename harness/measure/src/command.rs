//! Runs a command of the definitions to its end: a build, a version.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{Read, Seek};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::MeasureError;
use crate::git;
use crate::server::resolve;
use duet_model::record::{Failure, Stage};
use duet_process::child::{self, Tail};
use duet_process::interrupt::{Interrupt, POLL};
use duet_process::supervised;

/// Variables that send what a build makes to another place than the one its project says.
const REDIRECTING: [&str; 4] =
    ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR", "CARGO_BUILD_BUILD_DIR", "GOBIN"];

/// Environment variables by name.
pub(crate) type Environment = BTreeMap<String, OsString>;

/// Why a command did not do what it was run for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// It failed itself.
    #[error("`{command}` {outcome}")]
    Failed {
        /// Its words.
        command: String,
        /// How it ended.
        outcome: String,
        /// The last lines it wrote to standard error.
        output: Vec<String>,
    },
    /// What was built did not start, or did not respond.
    #[error(transparent)]
    Server(#[from] MeasureError),
    /// Whatever else.
    #[error(transparent)]
    Harness(#[from] anyhow::Error),
}

impl CommandError {
    /// The failure of the server's build that it is.
    pub(crate) fn failure(self, server: &str) -> Failure {
        let error = format!("{self:#}");
        let stderr = if let Self::Failed { output, .. } = self { output } else { vec![] };
        Failure { stage: Stage::Build, server: Some(server.to_owned()), error, stderr }
    }
}

/// Whether a program can be found on the PATH.
pub(crate) fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Runs a command to its end. Returns the last lines of its standard output.
///
/// # Errors
/// When it cannot be started, fails, takes longer than `limit`, or a signal came.
pub(crate) fn run(
    words: &[impl AsRef<str>],
    root: &Path,
    environment: &Environment,
    limit: Duration,
    interrupt: &Interrupt,
) -> Result<Vec<String>, CommandError> {
    let ran = wait(words, root, environment, (limit, Stdio::piped()), interrupt)?;
    check(words, ran, limit)
}

/// Runs a command to its end. Returns all that it wrote to standard output.
///
/// # Errors
/// As [`run`].
pub(crate) fn output(
    words: &[impl AsRef<str>],
    root: &Path,
    environment: &Environment,
    limit: Duration,
    interrupt: &Interrupt,
) -> Result<String, CommandError> {
    let mut file = tempfile::tempfile().context("failed to create a temporary file")?;
    let into = file.try_clone().context("failed to share a temporary file")?;
    let ran = wait(words, root, environment, (limit, into.into()), interrupt)?;
    check(words, ran, limit)?;
    let mut text = String::new();
    file.rewind()
        .and_then(|()| file.read_to_string(&mut text))
        .context("failed to read what a command wrote")?;
    Ok(text)
}

/// What came of a command: the last lines of its streams, and its status unless time was up.
struct Ran {
    stdout: Vec<String>,
    stderr: Vec<String>,
    status: Option<ExitStatus>,
}

/// The last lines of a command's standard output, if it ended well.
fn check(
    words: &[impl AsRef<str>],
    ran: Ran,
    limit: Duration,
) -> Result<Vec<String>, CommandError> {
    let outcome = match ran.status {
        Some(status) if status.success() => return Ok(ran.stdout),
        Some(status) => child::describe(status),
        None => format!("did not end within {} s and was killed", limit.as_secs()),
    };
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    Err(CommandError::Failed { command: words.join(" "), outcome, output: ran.stderr })
}

/// Starts a command with its standard output going `into` somewhere, and waits for it. Whatever it
/// leaves running ends with it: a daemon would be work beside what is measured, and may hold the
/// streams.
fn wait(
    words: &[impl AsRef<str>],
    root: &Path,
    environment: &Environment,
    (limit, into): (Duration, Stdio),
    interrupt: &Interrupt,
) -> Result<Ran> {
    let (program, arguments) = words.split_first().context("the command is empty")?;
    let program = program.as_ref();
    let mut command = Command::new(resolve(root, program));
    command.args(arguments.iter().map(AsRef::as_ref)).current_dir(root);
    for name in git::LOCAL_VARIABLES.iter().chain(&REDIRECTING) {
        command.env_remove(name);
    }
    command.envs(environment);
    let mut child = supervised::start(&command, &[], (into, Stdio::piped()))
        .with_context(|| format!("failed to start `{program}`"))?;
    let (stdout, stderr) = child.take_outputs();
    let stdout = stdout.map(Tail::follow).transpose()?;
    let stderr = stderr.map(Tail::follow).transpose()?;
    let deadline = Instant::now() + limit;
    let status = loop {
        let status = child.wait_until(Instant::now() + POLL);
        let over = Instant::now() >= deadline;
        match status {
            Ok(None) if !over && interrupt.signal().is_none() => {}
            other => break other,
        }
    };
    let left = child.end().map(str::to_owned);
    let lines = |stream: Option<(Tail, JoinHandle<()>)>| -> Result<Vec<String>> {
        let Some((tail, end)) = stream else { return Ok(vec![]) };
        // What still holds the stream is not waited for.
        ensure!(child::finish(end).is_none_or(|end| end.is_ok()), "a thread that reads died");
        Ok(tail.lines())
    };
    let (stdout, stderr) = (lines(stdout)?, lines(stderr)?);
    interrupt.check()?;
    if let Some(left) = left {
        bail!("`{program}` started processes that cannot be ended: {left}; end them");
    }
    Ok(Ran { stdout, stderr, status: status? })
}
