//! Starts the load generator as its own process, hands it a job and reads its events.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use duet_process::background;
use duet_process::child::{self, Tail};
use duet_protocol::{Event, Job};

/// A generator at work. Dropping it kills it.
#[derive(Debug)]
pub struct Generator {
    child: Child,
    stdin: ChildStdin,
    events: Receiver<Result<Event>>,
    stderr: Tail,
}

impl Drop for Generator {
    fn drop(&mut self) {
        child::destroy(&mut self.child);
    }
}

/// Starts a generator: this program's own binary, as a process that can be measured and lost.
///
/// # Errors
/// When it cannot be started or does not take the job.
pub fn start(job: &Job) -> Result<Generator> {
    let binary = std::env::current_exe().context("failed to find this program's own binary")?;
    let mut command = Command::new(binary);
    command.arg("generator");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    child::tame(&mut command, &job.cpus)?;
    let mut child = command.spawn().context("failed to start the load generator")?;
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        unreachable!("all streams were asked for");
    };
    let (sender, events) = mpsc::channel();
    // Whatever fails from here on, the generator ends with the value.
    let mut generator = Generator { child, stdin, events, stderr: Tail::default() };
    (generator.stderr, _) = Tail::follow(stderr)?;
    background::thread("events", move || {
        for line in BufReader::new(stdout).lines() {
            let event = line.context("failed to read from the load generator").and_then(|line| {
                serde_json::from_str(&line).context("the load generator sent no event")
            });
            if sender.send(event).is_err() {
                break;
            }
        }
    })?;
    let mut line = serde_json::to_vec(job).context("failed to encode the job")?;
    line.push(b'\n');
    generator.stdin.write_all(&line).context("the load generator did not take its job")?;
    Ok(generator)
}

impl Generator {
    /// The next event; None when none came within `limit`.
    ///
    /// # Errors
    /// When the generator ended or sent something else.
    pub fn next(&mut self, limit: Duration) -> Result<Option<Event>> {
        match self.events.recv_timeout(limit) {
            Ok(event) => event.map(Some),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.child.wait().context("failed to wait for the load generator")?;
                let how = child::describe(status);
                bail!("the load generator {how}: {}", self.stderr.lines().join(" / "))
            }
        }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        child::pid(&self.child).as_raw()
    }

    /// Tells a generator that has driven its last window to close its connections.
    ///
    /// # Errors
    /// When it has ended.
    pub fn go_on(&mut self) -> Result<()> {
        self.stdin.write_all(b"\n").map_err(|e| anyhow!("the load generator is gone: {e}"))
    }
}
