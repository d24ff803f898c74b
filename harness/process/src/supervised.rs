//! A process under a supervisor (see [`crate::supervisor`]): it ends with everything that it has
//! started, whatever way the harness ends.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::cgroup::{Group, Limits};
use crate::child::monotonic_ns;
use crate::supervisor::{Farewell, Report};
use crate::{child, owner, tree};

/// How long a supervisor may take to start its process.
const START_LIMIT: Duration = Duration::from_secs(10);

/// How long it may take to end: longer than it waits for its group, for what else it ends and for
/// the group's removal.
const END_LIMIT: Duration = Duration::from_millis(3500);

/// How a process is supervised beyond its command.
#[derive(Debug, Clone, Default)]
pub struct Supervision {
    /// The user and group it runs as; absent: this process's own.
    pub user: Option<(u32, u32)>,
    /// The signal that it is sent before everything is ended, and after which it has two seconds:
    /// for processes that leave something in the kernel when they are killed.
    pub farewell: Option<Signal>,
    /// A folder that the supervisor removes when all has ended, unless it is told to keep it.
    pub folder: Option<PathBuf>,
    /// The control group that it is started in, which the supervisor makes and removes, and what it
    /// may take at most.
    pub group: Option<(Group, Limits)>,
}

/// A process, and all that it has started. Dropping it ends them.
#[derive(Debug)]
pub struct Supervised {
    supervisor: Child,
    socket: UnixStream,
    /// What the supervisor has sent of its next line.
    received: Vec<u8>,
    pid: i32,
    started: Instant,
    status: Option<ExitStatus>,
    /// Processes that could not be ended.
    left: Option<String>,
    /// The supervisor says no more.
    closed: bool,
    /// It was waited for.
    reaped: bool,
    /// How long the supervisor may take to end.
    end_limit: Duration,
    /// The control group that it is in, with all that it has started.
    group: Option<Group>,
}

impl Drop for Supervised {
    fn drop(&mut self) {
        // Who wants to know what is left has asked before.
        let _ = self.end();
    }
}

/// Starts a command with its environment and folder, pinned to `cpus` (all if empty), in a process
/// group of its own, with nothing as its standard input. Its other streams are those of `outputs`:
/// standard output and standard error.
///
/// # Errors
/// When it cannot be started.
pub fn start(command: &Command, cpus: &[usize], outputs: (Stdio, Stdio)) -> Result<Supervised> {
    start_under(command, cpus, outputs, &Supervision::default())
}

/// The same, supervised in a certain way.
///
/// # Errors
/// When it cannot be started.
pub fn start_under(
    command: &Command,
    cpus: &[usize],
    outputs: (Stdio, Stdio),
    supervision: &Supervision,
) -> Result<Supervised> {
    let (ours, theirs) = UnixStream::pair().context("failed to make a socket")?;
    let binary = std::env::current_exe().context("failed to find this program's own binary")?;
    let mut outer = Command::new(binary);
    outer.arg("supervise");
    for cpu in cpus {
        outer.args(["--cpu", &cpu.to_string()]);
    }
    if let Some((uid, gid)) = supervision.user {
        outer.args(["--uid", &uid.to_string(), "--gid", &gid.to_string()]);
    }
    if let Some(signal) = supervision.farewell {
        outer.args(["--farewell", &(signal as i32).to_string()]);
    }
    if let Some(folder) = &supervision.folder {
        outer.arg("--folder").arg(folder);
    }
    if let Some((group, limits)) = &supervision.group {
        for word in group.words() {
            outer.args(["--cgroup", &word]);
        }
        if let Some(cpus) = limits.cpus {
            outer.args(["--cpu-limit", &cpus.to_string()]);
        }
        if let Some(bytes) = limits.memory_bytes {
            outer.args(["--memory-limit", &bytes.to_string()]);
        }
    }
    outer.arg("--").arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        outer.current_dir(folder);
    }
    outer.envs(owner::owner().map(|owner| (owner::OWNER, owner)));
    outer.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(outputs.0).stderr(outputs.1);
    child::part(&mut outer);
    let supervisor = outer.spawn().context("failed to start the supervisor")?;
    let mut supervised = Supervised {
        supervisor,
        socket: ours,
        received: vec![],
        pid: 0,
        started: Instant::now(),
        status: None,
        left: None,
        closed: false,
        reaped: false,
        end_limit: match supervision.farewell {
            Some(_) => END_LIMIT + Farewell::LIMIT,
            None => END_LIMIT,
        },
        group: supervision.group.as_ref().map(|(group, _)| group.clone()),
    };
    // The command holds the other end of the socket, and of the streams.
    drop(outer);
    supervised.await_start()?;
    Ok(supervised)
}

impl Supervised {
    fn await_start(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        while self.pid == 0 {
            ensure!(!self.closed, "the supervisor ended before it started anything");
            ensure!(Instant::now() < deadline, "the supervisor did not start it in time");
            self.receive(Duration::from_millis(50))?;
        }
        Ok(())
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// The supervisor's process id: the root of the tree that the process belongs to.
    #[must_use]
    pub fn root(&self) -> i32 {
        child::pid(&self.supervisor).as_raw()
    }

    /// The control group that it is in, if it is in one of its own.
    #[must_use]
    pub fn group(&self) -> Option<&Group> {
        self.group.as_ref()
    }

    /// Just before the process became its program: it was pinned, and in its control group.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Its standard output and standard error, where they are pipes and nobody has taken them.
    pub fn take_outputs(&mut self) -> (Option<ChildStdout>, Option<ChildStderr>) {
        (self.supervisor.stdout.take(), self.supervisor.stderr.take())
    }

    /// How the process ended; None while it runs.
    ///
    /// # Errors
    /// When the supervisor cannot be understood.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        self.wait_until(Instant::now())
    }

    /// Whether it is still there: the process itself or, where that has ended well, something that
    /// it left running.
    pub fn is_alive(&mut self) -> bool {
        match self.try_wait() {
            Ok(None) => true,
            Ok(Some(status)) => status.success() && !tree::processes(self.root()).is_empty(),
            Err(_) => false,
        }
    }

    /// Waits until the process ends or `limit` is over; None when it is over.
    ///
    /// # Errors
    /// When the supervisor cannot be understood.
    pub fn wait_until(&mut self, limit: Instant) -> Result<Option<ExitStatus>> {
        loop {
            let rest = limit.saturating_duration_since(Instant::now());
            if self.status.is_none() {
                self.receive(rest)?;
            }
            if self.status.is_some() || rest.is_zero() {
                return Ok(self.status);
            }
        }
    }

    /// Asks the process to end by SIGTERM. It may have ended already.
    pub fn terminate(&mut self) {
        // Without a supervisor it has ended.
        drop(self.socket.write_all(b"t"));
    }

    /// Has the supervisor keep the folder that it would remove.
    pub fn keep_folder(&mut self) {
        // Without a supervisor nobody removes it.
        drop(self.socket.write_all(b"k"));
    }

    /// Ends the process and everything that it has started, by SIGKILL. Returns what could not be
    /// ended, if so: ids and names.
    #[must_use]
    pub fn end(&mut self) -> Option<&str> {
        if self.reaped {
            return self.left.as_deref();
        }
        // Without a supervisor there is nobody to be told.
        drop(self.socket.shutdown(Shutdown::Write));
        let deadline = Instant::now() + self.end_limit;
        while !self.closed && Instant::now() < deadline {
            if self.receive(Duration::from_millis(50)).is_err() {
                break;
            }
        }
        if self.pid != 0 && (!self.closed || self.supervisor_was_killed()) {
            // What is in the process's group is all that can still be found.
            let _ = killpg(Pid::from_raw(self.pid), Signal::SIGKILL);
        }
        child::destroy(&mut self.supervisor);
        // The supervisor has done it, unless it was killed or is not done yet.
        if let Some(group) = &self.group {
            group.kill();
            drop(group.remove());
        }
        self.reaped = true;
        self.left.as_deref()
    }

    /// Whether the supervisor ended otherwise than by itself.
    fn supervisor_was_killed(&mut self) -> bool {
        !self.supervisor.wait().is_ok_and(|status| status.success())
    }

    /// Takes what the supervisor says next, if it says something within `limit`.
    fn receive(&mut self, limit: Duration) -> Result<()> {
        let limit = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        let mut polled = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        match poll(&mut polled, limit) {
            Ok(0) | Err(Errno::EINTR) => return Ok(()),
            other => other.context("failed to wait for the supervisor")?,
        };
        let mut piece = [0; 1024];
        match self.socket.read(&mut piece) {
            Ok(0) => self.close(),
            Ok(length) => self.received.extend(&piece[..length]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // As where it was killed with bytes of ours unread.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => self.close(),
            Err(error) => return Err(error).context("failed to read from the supervisor"),
        }
        while let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.received.drain(..=end).collect();
            self.take(String::from_utf8_lossy(&line[..end]).as_ref())?;
        }
        Ok(())
    }

    /// A process whose supervisor is gone was killed with it (prctl(2), PR_SET_PDEATHSIG).
    fn close(&mut self) {
        self.closed = true;
        self.status.get_or_insert(ExitStatus::from_raw(Signal::SIGKILL as i32));
    }

    fn take(&mut self, line: &str) -> Result<()> {
        match Report::parse(line) {
            Some(Report::Started { pid, at_ns }) => {
                let ago = monotonic_ns().context("failed to read the clock")?.saturating_sub(at_ns);
                let started = Instant::now().checked_sub(Duration::from_nanos(ago));
                (self.pid, self.started) = (pid, started.unwrap_or(self.started));
            }
            Some(Report::Failed(why)) => bail!(why),
            Some(Report::Ended(status)) => self.status = Some(ExitStatus::from_raw(status)),
            Some(Report::Left(names)) => self.left = Some(names),
            None => bail!("the supervisor said {line:?}"),
        }
        Ok(())
    }
}
