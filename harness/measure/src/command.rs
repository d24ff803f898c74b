//! Runs a command of the definitions to its end: a build, a version.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::server::resolve;
use duet_model::record::{Failure, Stage};
use duet_process::child::{self, Tail};
use duet_process::interrupt::{Interrupt, POLL};

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
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    let (stdout, stderr, status) = wait(&words, root, environment, limit, interrupt)?;
    let outcome = match status {
        Some(status) if status.success() => return Ok(stdout),
        Some(status) => child::describe(status),
        None => format!("did not end within {} s and was killed", limit.as_secs()),
    };
    Err(CommandError::Failed { command: words.join(" "), outcome, output: stderr })
}

/// Starts a command and waits for it. Returns the last lines of standard output and of standard
/// error, and its status unless time was up.
fn wait(
    words: &[&str],
    root: &Path,
    environment: &Environment,
    limit: Duration,
    interrupt: &Interrupt,
) -> Result<(Vec<String>, Vec<String>, Option<ExitStatus>)> {
    let (program, arguments) = words.split_first().context("the command is empty")?;
    let mut command = Command::new(resolve(root, program));
    command.args(arguments).current_dir(root).envs(environment);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    child::tame(&mut command, &[])?;
    let mut child = command.spawn().with_context(|| format!("failed to start `{program}`"))?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        unreachable!("both streams were asked for");
    };
    let (stdout, stdout_end) = Tail::follow(stdout);
    let (stderr, stderr_end) = Tail::follow(stderr);
    let deadline = Instant::now() + limit;
    let status = loop {
        let status = child::wait_until(&mut child, Instant::now() + POLL);
        let over = Instant::now() >= deadline;
        match status {
            Ok(None) if !over && interrupt.signal().is_none() => {}
            other => break other,
        }
    };
    // Whatever the command left running in its group ends with it, and so do its streams.
    child::destroy(&mut child);
    for handle in [stdout_end, stderr_end] {
        ensure!(handle.join().is_ok(), "a thread that reads output died");
    }
    interrupt.check()?;
    Ok((stdout.lines(), stderr.lines(), status?))
}
