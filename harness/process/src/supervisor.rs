//! A supervisor: starts one process, and ends it with everything that it has started when it is
//! told to, or when the harness is gone.
//!
//! It is `duet supervise`, a process of its own, so that it outlives a harness that is killed. Its
//! standard input is a socket to the harness. A byte asks the process to end, or a folder to be
//! kept; the end of the socket ends all; lines go back, as [`Report`] has them. Whatever leaves its
//! own parent, by a second fork or setsid, becomes the supervisor's child (prctl(2),
//! PR_SET_CHILD_SUBREAPER). It sleeps but for that, and is in no figure.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, dup2_stderr, dup2_stdout};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::cgroup::{self, Group, Limits};
use crate::child::{self, Entry};
use crate::{background, tree};

/// How long everything may take to end after SIGKILL; it takes longer only in the kernel's hands.
const END_LIMIT: Duration = Duration::from_secs(1);

/// Between two looks whether something is left.
const END_PAUSE: Duration = Duration::from_millis(1);

/// What a supervisor says, a line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Report {
    /// The process was started: its id, and when it became its program, by CLOCK_MONOTONIC.
    Started { pid: i32, at_ns: u64 },
    /// It could not be started.
    Failed(String),
    /// It has ended, with this wait status.
    Ended(i32),
    /// Processes that could not be ended.
    Left(String),
}

impl Report {
    fn line(&self) -> String {
        match self {
            Self::Started { pid, at_ns } => format!("started {pid} {at_ns}\n"),
            Self::Failed(why) => format!("failed {}\n", why.replace('\n', " ")),
            Self::Ended(status) => format!("ended {status}\n"),
            Self::Left(names) => format!("left {}\n", names.replace('\n', " ")),
        }
    }

    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (word, rest) = line.split_once(' ')?;
        Some(match word {
            "started" => {
                let (pid, at_ns) = rest.split_once(' ')?;
                Self::Started { pid: pid.parse().ok()?, at_ns: at_ns.parse().ok()? }
            }
            "failed" => Self::Failed(rest.to_owned()),
            "ended" => Self::Ended(rest.parse().ok()?),
            "left" => Self::Left(rest.to_owned()),
            _ => return None,
        })
    }

    /// Nobody may be there to read it any more.
    fn send(&self, mut socket: &UnixStream) {
        drop(socket.write_all(self.line().as_bytes()));
    }
}

/// What a supervisor does beside starting and ending.
#[derive(Debug, Clone, Default)]
pub struct Farewell {
    /// The user and group that the process runs as.
    pub user: Option<(u32, u32)>,
    /// The signal that the process is sent before everything is ended.
    pub signal: Option<Signal>,
    /// The folder that is removed when everything has ended.
    pub folder: Option<PathBuf>,
    /// The control group that everything is in, which is made before and removed after it.
    pub group: Option<(Group, Limits)>,
}

/// How often the removal of a folder is tried.
const REMOVALS_MAX: u32 = 1000;

impl Farewell {
    /// How long a process may take to end after its signal.
    pub const LIMIT: Duration = Duration::from_secs(2);
}

/// Supervises the command of these words, pinned to `cpus` (all if empty).
///
/// # Errors
/// When this process cannot become a supervisor. That the command cannot be started is a report.
pub fn run(cpus: &[usize], words: &[OsString], farewell: &Farewell) -> Result<()> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let (program, arguments) = words.split_first().context("there is no command")?;
    adopt()?;
    // A name of its own: who kills all of `duet` by name leaves this one to end the rest.
    prctl::set_name(c"supervisor").context("failed to take a name")?;
    // Signals that are meant for everybody leave it to end the rest, too.
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::default()).context("failed to catch signals")?;
    }
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    if let Some((uid, gid)) = farewell.user {
        command.uid(uid).gid(gid);
    }
    let spawned = enter(farewell).and_then(|groups| spawn(command, cpus, groups));
    let (child, at_ns) = match spawned {
        Ok(spawned) => spawned,
        Err(error) => {
            Report::Failed(format!("{error:#}")).send(&socket);
            remove(farewell);
            return Ok(());
        }
    };
    close_streams()?;
    let pid = child::pid(&child);
    Report::Started { pid: pid.as_raw(), at_ns }.send(&socket);
    let ended = Arc::new(AtomicBool::new(false));
    let reaper = (socket.try_clone().context("failed to share the socket")?, Arc::clone(&ended));
    if let Err(error) = background::thread("reaper", move || reap_all(pid, &reaper.0, &reaper.1)) {
        // What the harness hears of is the end; what was started must not stay.
        drop(end_all(farewell));
        return Err(error);
    }
    let (mut byte, mut keep) = ([0], false);
    while let Ok(1) = (&socket).read(&mut byte) {
        match byte {
            [b'k'] => keep = true,
            _ if !ended.load(Ordering::SeqCst) => {
                // It may be ending at this moment.
                let _ = kill(pid, Signal::SIGTERM);
            }
            _ => {}
        }
    }
    if let Some(signal) = farewell.signal {
        let deadline = Instant::now() + Farewell::LIMIT;
        let _ = kill(pid, signal);
        while !ended.load(Ordering::SeqCst) && Instant::now() < deadline {
            thread::sleep(END_PAUSE);
        }
    }
    let left = end_all(farewell);
    if !keep {
        remove_folder(farewell);
    }
    if !left.is_empty() {
        Report::Left(left.join(", ")).send(&socket);
    }
    Ok(())
}

/// Starts the process in these groups. Returns it, and when it became its program, by
/// CLOCK_MONOTONIC.
fn spawn(mut command: Command, cpus: &[usize], groups: Vec<File>) -> Result<(Child, u64)> {
    let (mut stamped, stamp) = io::pipe()?;
    child::tame_in(&mut command, cpus, Entry { groups, stamp: Some(stamp) })?;
    let child = command.spawn()?;
    let mut at_ns = [0; 8];
    stamped.read_exact(&mut at_ns)?;
    Ok((child, u64::from_ne_bytes(at_ns)))
}

/// Makes the control group, if there is to be one. Returns the files that move a process into it.
fn enter(farewell: &Farewell) -> Result<Vec<File>> {
    let Some((group, limits)) = &farewell.group else { return Ok(vec![]) };
    let made = group.make().and_then(|()| group.limit(limits)).and_then(|()| group.entries());
    made.with_context(|| {
        format!("failed to make a control group (`{}=none` does without)", cgroup::CHOICE)
    })
}

/// Ends everything, and removes its control group. Returns what is left: id and name.
fn end_all(farewell: &Farewell) -> Vec<String> {
    let group = farewell.group.as_ref().map(|(group, _)| group);
    if let Some(group) = group {
        group.kill();
    }
    let left = end_descendants();
    // What is left keeps its group. The next session tries again.
    drop(group.map(Group::remove));
    left
}

/// Removes what there is of something that did not start.
fn remove(farewell: &Farewell) {
    drop(farewell.group.as_ref().map(|(group, _)| group.remove()));
    remove_folder(farewell);
}

/// Removes the folder of what has ended. Somebody who was told of it may still write into it, which
/// is then not empty when its turn comes.
fn remove_folder(farewell: &Farewell) {
    let Some(folder) = &farewell.folder else { return };
    for _ in 0..REMOVALS_MAX {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => thread::sleep(END_PAUSE),
            // Removed, or the harness has done it.
            _ => return,
        }
    }
}

/// Makes this process the parent of everything below it that loses its own.
///
/// # Errors
/// On kernels before 3.4.
pub fn adopt() -> Result<()> {
    prctl::set_child_subreaper(true).context("failed to become a subreaper")
}

/// Lets go of the streams that the process was given, so that they end with it.
fn close_streams() -> Result<()> {
    let null = File::options().write(true).open("/dev/null").context("failed to open /dev/null")?;
    dup2_stdout(&null).and_then(|()| dup2_stderr(&null)).context("failed to close the streams")
}

/// Waits for all children, own and adopted, and says when `process` has ended.
fn reap_all(process: Pid, socket: &UnixStream, ended: &AtomicBool) {
    loop {
        match waitpid(None, None) {
            Ok(status) if status.pid() == Some(process) => {
                ended.store(true, Ordering::SeqCst);
                Report::Ended(raw(status)).send(socket);
            }
            Ok(_) | Err(Errno::EINTR) => {}
            // A signal that nix has no name for ended one of them.
            Err(Errno::EINVAL) => {
                if !ended.load(Ordering::SeqCst) && kill(process, None).is_err() {
                    ended.store(true, Ordering::SeqCst);
                    Report::Ended(Signal::SIGKILL as i32).send(socket);
                }
            }
            // None is left, and nobody could start another.
            Err(_) => return,
        }
    }
}

/// A wait status as the kernel encodes it (wait(2)).
fn raw(status: WaitStatus) -> i32 {
    const CORE: i32 = 0x80;
    match status {
        WaitStatus::Exited(_, code) => (code & 0xff) << 8,
        WaitStatus::Signaled(_, signal, core) => signal as i32 | if core { CORE } else { 0 },
        _ => 0,
    }
}

/// Ends everything below this process by SIGKILL, parents first, until nothing is left or a second
/// is over. Returns what is left: id and name.
#[must_use]
pub fn end_descendants() -> Vec<String> {
    let own = Pid::this().as_raw();
    let deadline = Instant::now() + END_LIMIT;
    loop {
        let left = tree::processes(own);
        for &pid in &left {
            // It may have ended, or be another user's; what is left is seen below.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        while waitpid(None, Some(WaitPidFlag::WNOHANG))
            .is_ok_and(|status| status != WaitStatus::StillAlive)
        {}
        if left.is_empty() {
            return vec![];
        }
        if Instant::now() >= deadline {
            return left.into_iter().map(named).collect();
        }
        thread::sleep(END_PAUSE);
    }
}

/// A process as people know it: `7 (nginx)`.
#[must_use]
pub fn named(pid: i32) -> String {
    match fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(name) => format!("{pid} ({})", name.trim_end()),
        Err(_) => pid.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_read_as_they_were_written() {
        let reports = [
            Report::Started { pid: 7, at_ns: 1_234_567_890 },
            Report::Failed("No such file".to_owned()),
            Report::Ended(256),
            Report::Left("7 (a b), 8 (c)".to_owned()),
        ];
        for report in reports {
            let line = report.line();
            assert_eq!(line.strip_suffix('\n').and_then(Report::parse), Some(report), "{line:?}");
        }
        for line in ["", "started", "started 7", "ended x", "more 7"] {
            assert_eq!(Report::parse(line), None, "{line:?}");
        }
    }

    #[test]
    fn statuses_as_the_kernel_has_them() {
        let pid = Pid::from_raw(7);
        let cases = [
            (WaitStatus::Exited(pid, 3), 0x300),
            (WaitStatus::Signaled(pid, Signal::SIGKILL, false), 9),
            (WaitStatus::Signaled(pid, Signal::SIGABRT, true), 0x86),
        ];
        for (status, want) in cases {
            assert_eq!(raw(status), want, "{status:?}");
        }
    }
}
