//! Child processes that are pinned, stay in a group of their own and never outlive the harness.

use std::fs::File;
use std::io::{self, BufRead, BufReader, PipeWriter, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill, killpg};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{Pid, getppid};

use crate::background;

/// Lines of standard error that are kept for failure messages.
const KEPT_LINES: usize = 20;

/// The longest line that is kept; a program may print anything.
const KEPT_BYTES: usize = 500;

/// How long the rest of a stream may take to be read when its process has ended.
const READ_LIMIT: Duration = Duration::from_millis(500);

/// Makes `command` start pinned to `cpus` (all CPUs if empty), in a process group of its own (so
/// that Ctrl-C reaches the harness only, which then stops its children in order), and be killed by
/// the kernel when the harness dies.
///
/// The kernel ties the last promise to the thread that starts the process, so children are started
/// by threads that live as long as they are needed; in the harness that is the main thread.
///
/// # Errors
/// When a CPU number is not one the kernel's sets can hold.
pub fn tame(command: &mut Command, cpus: &[usize]) -> Result<()> {
    command.process_group(0);
    prepare(command, cpus, true, Entry::default())
}

/// What a process does last of all before it becomes its program.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    /// Files that move a process into a control group which writes `0` to them (cgroups(7)).
    pub(crate) groups: Vec<File>,
    /// Where it writes the time, behind all else: eight bytes of [`monotonic_ns`]. What it takes
    /// to make a process, and to move it into groups, is no part of how long its program takes to
    /// start.
    pub(crate) stamp: Option<PipeWriter>,
}

/// As [`tame`], with an entry.
///
/// # Errors
/// As [`tame`].
pub(crate) fn tame_in(command: &mut Command, cpus: &[usize], entry: Entry) -> Result<()> {
    command.process_group(0);
    prepare(command, cpus, true, entry)
}

/// Now, by CLOCK_MONOTONIC, which all processes share.
pub(crate) fn monotonic_ns() -> io::Result<u64> {
    let now = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC)?);
    Ok(now.as_nanos() as u64) // 584 years
}

/// Makes `command` start in a process group of its own and stay when the harness dies: for a
/// process that notices this itself, and has others to end then.
pub fn part(command: &mut Command) {
    command.process_group(0);
}

/// The same, pinned to `cpus` (all CPUs if empty).
///
/// # Errors
/// As [`tame`].
pub fn part_pinned(command: &mut Command, cpus: &[usize]) -> Result<()> {
    part(command);
    prepare(command, cpus, false, Entry::default())
}

/// Makes `command` start in this process's own group and be killed by the kernel when this process
/// dies: for a process whose group is somebody else's to end.
///
/// # Errors
/// Never; it is a result because [`tame`] is one.
pub fn tie(command: &mut Command) -> Result<()> {
    prepare(command, &[], true, Entry::default())
}

#[expect(unsafe_code, reason = "std offers no safe way to pin a child or tie it to its parent")]
fn prepare(command: &mut Command, cpus: &[usize], ends: bool, entry: Entry) -> Result<()> {
    let Entry { groups, mut stamp } = entry;
    let mut set = CpuSet::new();
    for &cpu in cpus {
        set.set(cpu).with_context(|| format!("CPU {cpu} is out of range"))?;
    }
    let pin = !cpus.is_empty();
    let parent = Pid::this();
    // SAFETY: the closure runs in the forked child before exec. It makes system calls only (prctl,
    // getppid, sched_setaffinity, write, clock_gettime), which are async-signal-safe, and allocates
    // nothing.
    unsafe {
        command.pre_exec(move || {
            if ends {
                set_pdeathsig(Signal::SIGKILL)?;
            }
            if ends && getppid() != parent {
                // The harness died before the kernel was told; nobody would stop this process.
                return Err(io::Error::from(nix::errno::Errno::ESRCH));
            }
            if pin {
                sched_setaffinity(Pid::from_raw(0), &set)?;
            }
            for mut group in &groups {
                group.write_all(b"0")?;
            }
            if let Some(stamp) = &mut stamp {
                stamp.write_all(&monotonic_ns()?.to_ne_bytes())?;
            }
            Ok(())
        });
    }
    Ok(())
}

/// The process id of a child.
#[must_use]
pub fn pid(child: &Child) -> Pid {
    // Linux process ids are at most 2^22, so the conversion cannot fail.
    Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX))
}

/// Asks a child to end by SIGTERM. It may have ended already.
///
/// # Errors
/// When the signal cannot be sent for another reason.
pub fn terminate(child: &Child) -> Result<()> {
    match kill(pid(child), Signal::SIGTERM) {
        Ok(()) | Err(nix::errno::Errno::ESRCH) => Ok(()),
        Err(e) => Err(e).context("failed to send SIGTERM"),
    }
}

/// Ends a child and everything in its process group, and reaps it.
pub fn destroy(child: &mut Child) {
    // Either call fails only when nothing is left to end, which is what is wanted.
    let _ = killpg(pid(child), Signal::SIGKILL);
    let _ = child.kill();
    let _ = child.wait();
}

/// Waits until the child ends or `limit` is over; None when it is over.
///
/// # Errors
/// When the child's state cannot be read.
pub fn wait_until(child: &mut Child, limit: Instant) -> Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait().context("failed to wait for a process")? {
            return Ok(Some(status));
        }
        if Instant::now() >= limit {
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// How a process ended, for people: `exited with 3`, `was killed by SIGSEGV`.
#[must_use]
pub fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with {code}"),
        (None, Some(signal)) => match Signal::try_from(signal) {
            Ok(signal) => format!("was killed by {signal}"),
            Err(_) => format!("was killed by signal {signal}"),
        },
        (None, None) => "ended".to_owned(),
    }
}

/// The last lines that a stream carried.
#[derive(Debug, Clone, Default)]
pub struct Tail {
    lines: Arc<Mutex<Vec<String>>>,
}

impl Tail {
    /// Reads `stream` to its end in the background.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn follow(stream: impl Read + Send + 'static) -> Result<(Self, thread::JoinHandle<()>)> {
        let tail = Self::default();
        let lines = Arc::clone(&tail.lines);
        let handle = background::thread("tail", move || {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            loop {
                line.clear();
                match reader.by_ref().take(64 * 1024).read_until(b'\n', &mut line) {
                    Ok(0) | Err(_) => break,
                    Ok(_) => keep(&lines, &line),
                }
            }
        })?;
        Ok((tail, handle))
    }

    /// The last lines so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a thread that reads a stream came to; None where it is not done within [`READ_LIMIT`].
///
/// Call it when the process that writes has ended. Something else may hold the stream open then, so
/// that its end never comes: the thread is left to itself.
#[must_use]
pub fn finish<T>(reader: thread::JoinHandle<T>) -> Option<thread::Result<T>> {
    let limit = Instant::now() + READ_LIMIT;
    while !reader.is_finished() {
        if Instant::now() >= limit {
            return None;
        }
        thread::sleep(Duration::from_millis(1));
    }
    Some(reader.join())
}

/// Appends a line, without its end and shortened, and forgets the oldest.
fn keep(lines: &Mutex<Vec<String>>, line: &[u8]) {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = &line[..line.len().min(KEPT_BYTES)];
    let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
    if lines.len() == KEPT_LINES {
        lines.remove(0);
    }
    lines.push(String::from_utf8_lossy(line).into_owned());
}
