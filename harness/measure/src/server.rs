//! A server's life: start, wait for its `listening` line, stop.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::fcntl::{FcntlArg, fcntl};

use duet_model::record::{Failure, Stage};
use duet_model::spec::Server;
use duet_process::child::{self, Tail};
use duet_process::interrupt::{Interrupt, Interrupted, POLL};

mod external;

/// How long a server may take until it says that it listens.
const START_LIMIT: Duration = Duration::from_secs(10);

/// How long a server may take to end after SIGTERM; the contract's two seconds.
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// How long the reading of an ended server's standard error may take.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(1);

/// The output of a printing server is read this often, so that reading it costs the generator's CPU
/// little; the pipe is made large enough that the server never waits for it.
const DRAIN_PAUSE: Duration = Duration::from_millis(1);

/// The largest pipe that Linux gives to everybody (/proc/sys/fs/pipe-max-size).
const PIPE_BYTES: u32 = 1 << 20;

/// How a server is started.
#[derive(Debug)]
pub struct Launch<'a> {
    /// The folder its command runs in.
    pub root: &'a Path,
    /// CPUs it is pinned to.
    pub cpus: &'a [usize],
    /// Worker threads it is told to use.
    pub threads: u32,
    /// Size of an environment variable that moves its stack, so that layout effects vary by block.
    pub padding_bytes: u32,
}

/// A server that listens. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub addr: SocketAddr,
    /// Just before the process was started.
    pub started: Instant,
    child: Child,
    stderr: Tail,
    /// Reads its standard error to the end.
    stderr_reader: thread::JoinHandle<()>,
    /// Whether it may end as it likes.
    external: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        child::destroy(&mut self.child);
    }
}

/// Starts a server and waits until it listens.
///
/// # Errors A [`Failure`] when it ends, prints something else or stays silent, [`Interrupted`] when
/// the harness is interrupted, another error when it cannot be started at all.
pub fn start(server: &Server, launch: &Launch<'_>, interrupt: &Interrupt) -> Result<Running> {
    // Port 0: the system chooses when the server binds it, and the server says which it is.
    let port = if server.external { external::free_port()? } else { 0 };
    let mut command = command(server, launch, port)?;
    child::tame(&mut command, launch.cpus)?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let started = Instant::now();
    let mut child =
        command.spawn().with_context(|| format!("failed to start {}", server.run.join(" ")))?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        unreachable!("both streams were asked for");
    };
    let (stderr, stderr_reader) = Tail::follow(stderr);
    // Of a server that says where it listens this is replaced below; the value exists so that every
    // way out kills the child.
    let addr = SocketAddr::from(([127, 0, 0, 1], port));
    let (name, external) = (server.name.clone(), server.external);
    let mut running = Running { name, addr, started, child, stderr, stderr_reader, external };
    let ready = if external {
        thread::spawn(move || drain(stdout, false));
        external::listens(&mut running.child, port, START_LIMIT, interrupt).map(|()| addr)
    } else {
        listening(stdout, server.prints, interrupt)
    };
    match ready {
        Ok(addr) => {
            running.addr = addr;
            Ok(running)
        }
        Err(error) if error.is::<Interrupted>() => Err(error),
        Err(error) => Err(running.failure(Stage::Start, &format!("{error:#}")).into()),
    }
}

/// The command that starts a server, placeholders filled in.
fn command(server: &Server, launch: &Launch<'_>, port: u16) -> Result<Command> {
    let fill = |word: &String| {
        word.replace("{addr}", &format!("127.0.0.1:{port}"))
            .replace("{host}", "127.0.0.1")
            .replace("{port}", &port.to_string())
            .replace("{threads}", &launch.threads.to_string())
    };
    let (program, arguments) = server.run.split_first().context("the run command is empty")?;
    let mut command = Command::new(resolve(launch.root, &fill(program)));
    command.args(arguments.iter().map(fill)).current_dir(launch.root);
    command.envs(server.env.iter().map(|(name, value)| (name, fill(value))));
    if launch.padding_bytes > 0 {
        command.env("DUET_PADDING", "x".repeat(launch.padding_bytes as usize));
    }
    Ok(command)
}

/// A program named by path is meant relative to `root`; a bare name is looked up on the PATH.
#[must_use]
pub fn resolve(root: &Path, program: &str) -> std::path::PathBuf {
    if program.contains('/') { root.join(program) } else { program.into() }
}

/// Waits for the `listening` line, then leaves a thread that reads on, so that a printing server
/// never blocks on a full pipe.
fn listening(stdout: ChildStdout, prints: bool, interrupt: &Interrupt) -> Result<SocketAddr> {
    let (sender, first_line) = mpsc::channel();
    if prints {
        let size = FcntlArg::F_SETPIPE_SZ(PIPE_BYTES.cast_signed());
        fcntl(&stdout, size).context("failed to enlarge the pipe of a printing server")?;
    }
    thread::spawn(move || {
        let mut reader = BufReader::with_capacity(PIPE_BYTES as usize, stdout);
        let mut line = String::new();
        let outcome = reader.by_ref().take(4096).read_line(&mut line).map(|_| line);
        // The receiver is gone only when nobody waits any more.
        drop(sender.send(outcome));
        drain(reader, prints);
    });
    let limit = Instant::now() + START_LIMIT;
    loop {
        interrupt.check()?;
        match first_line.recv_timeout(POLL) {
            Ok(line) => return parse_listening(&line.context("failed to read its output")?),
            Err(RecvTimeoutError::Disconnected) => bail!("the thread that reads its output died"),
            Err(RecvTimeoutError::Timeout) => ensure!(
                Instant::now() < limit,
                "it printed no `listening HOST:PORT` line within {} s",
                START_LIMIT.as_secs()
            ),
        }
    }
}

/// Reads and throws away what a server prints.
fn drain(mut from: impl Read, prints: bool) {
    let mut buffer = vec![0; PIPE_BYTES as usize];
    // An error means that the pipe is gone, as it is when the server ends.
    while matches!(from.read(&mut buffer), Ok(n) if n > 0) {
        if prints {
            thread::sleep(DRAIN_PAUSE);
        }
    }
}

/// The address in a `listening HOST:PORT` line.
fn parse_listening(line: &str) -> Result<SocketAddr> {
    ensure!(!line.is_empty(), "it closed its output before it printed a `listening` line");
    let line = line.trim_end();
    line.strip_prefix("listening ")
        .and_then(|addr| addr.to_socket_addrs().ok()?.next())
        .filter(|addr| addr.port() != 0)
        .with_context(|| {
            format!("it printed `{line}` where `listening HOST:PORT` was due (CONTRACT.md, 1.2)")
        })
}

impl Running {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        child::pid(&self.child).as_raw()
    }

    /// A failure of this server: with how it ended, if it has ended, and its last lines of standard
    /// error.
    pub fn failure(&mut self, stage: Stage, error: &str) -> Failure {
        // A server that has just crashed may need a moment until the kernel has reaped it.
        let limit = Instant::now() + Duration::from_millis(100);
        let error = match child::wait_until(&mut self.child, limit) {
            Ok(Some(status)) => {
                self.await_last_words();
                format!("the server {}; {error}", child::describe(status))
            }
            Ok(None) | Err(_) => error.to_owned(),
        };
        Failure { stage, server: Some(self.name.clone()), error, stderr: self.stderr.lines() }
    }

    /// Waits until all that an ended server wrote to standard error has been read, but not for
    /// long: a child of its own may hold the pipe open.
    fn await_last_words(&self) {
        let limit = Instant::now() + LAST_WORDS_LIMIT;
        while !self.stderr_reader.is_finished() && Instant::now() < limit {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Whether it is still running.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Stops it as the contract says: SIGTERM, exit 0 within two seconds. A external server may end
    /// otherwise.
    ///
    /// # Errors
    /// When it does not keep the contract. It is then killed.
    pub fn stop(mut self) -> Result<(), Failure> {
        let limit = Instant::now() + STOP_LIMIT;
        let external = self.external;
        let outcome = child::terminate(&self.child)
            .and_then(|()| child::wait_until(&mut self.child, limit))
            .and_then(|status| match status {
                _ if external => Ok(()),
                Some(status) if status.success() => Ok(()),
                Some(status) => bail!(
                    "it {} on SIGTERM where exit 0 was due (CONTRACT.md, 1.5)",
                    child::describe(status)
                ),
                None => bail!(
                    "it did not end within {} s of SIGTERM and was killed (CONTRACT.md, 1.5)",
                    STOP_LIMIT.as_secs()
                ),
            });
        outcome.map_err(|e| Failure {
            stage: Stage::Stop,
            server: Some(self.name.clone()),
            error: format!("{e:#}"),
            stderr: self.stderr.lines(),
        })
    }
}
