//! One run of a program: pinned, its time and memory bounded. Its output goes to /dev/null, so that
//! nothing is timed but the program, or to the harness, which hashes it.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::launcher::{Job, Report};
use crate::output::{Output, OutputHasher};
use crate::server::resolve;
use duet_model::record::{Failure, Stage};
use duet_process::background;
use duet_process::child::{self, Tail};
use duet_process::interrupt::Interrupt;
use duet_process::owner;
use duet_process::proc;
use duet_process::tree;

/// Time between two looks at the program's memory: often enough to stop one before the machine
/// swaps, seldom enough to take less than a hundredth of a CPU.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// How long a launcher may take to end: longer than it waits for what it ends.
const LAUNCHER_END_LIMIT: Duration = Duration::from_millis(1500);

/// Pieces in which output is read.
const PIECE_BYTES: usize = 1 << 18;

/// What to run and within which limits.
#[derive(Debug)]
pub struct Task<'a> {
    /// The folder it runs in.
    pub root: &'a Path,
    /// The command; its first word is a path relative to `root` or a name on the PATH.
    pub command: Vec<String>,
    /// The file that is its standard input; absent: nothing.
    pub input: Option<PathBuf>,
    /// CPUs it is pinned to.
    pub cpus: Vec<usize>,
    /// Size of an environment variable that moves its stack.
    pub padding_bytes: u32,
    /// The longest time it may take.
    pub limit: Duration,
    /// The most memory it may take.
    pub limit_bytes: u64,
}

/// Where a program's standard output goes.
#[derive(Debug, Clone, Copy)]
enum Stdout<'a> {
    /// To /dev/null.
    Null,
    /// To the harness, which hashes it, and to a file if one is given.
    Hashed(Option<&'a Path>),
}

/// A run that went to its end.
#[derive(Debug)]
pub struct Finished {
    /// What the kernel counted.
    pub report: Report,
    /// The largest resident set.
    pub rss_bytes_peak: u64,
    /// CPU time that processes other than the program and the harness took on its CPUs.
    pub foreign_cpu_ns: u64,
}

/// Why a run does not count.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// The program failed, or broke a limit.
    #[error("{error}")]
    Run {
        /// What happened.
        error: String,
        /// Its last lines of standard error.
        stderr: Vec<String>,
        /// Whether it broke a limit, as it would again.
        over_limit: bool,
    },
    /// It printed something else than it should have.
    #[error("{0}")]
    Output(String),
    /// It printed something else than the other arm, and nobody knows which is right.
    #[error("{0}")]
    Disagreement(String),
    /// The harness itself failed, or was interrupted.
    #[error(transparent)]
    Harness(#[from] anyhow::Error),
}

impl ProgramError {
    /// The same in the record's terms, of a program of this set.
    #[must_use]
    pub fn failure(self, set: &str) -> Failure {
        let stage = match self {
            Self::Output(_) => Stage::Verify,
            Self::Disagreement(_) => Stage::Agree,
            Self::Run { .. } | Self::Harness(_) => Stage::Run,
        };
        let error = format!("{self:#}");
        let stderr = if let Self::Run { stderr, .. } = self { stderr } else { vec![] };
        Failure { stage, server: Some(set.to_owned()), error, stderr }
    }
}

/// The launcher's process, and our end of its socket. Dropping it ends the program and everything
/// that it has started.
struct Launcher {
    child: Child,
    socket: UnixStream,
}

impl Drop for Launcher {
    fn drop(&mut self) {
        // It is gone, or notices this and ends what is below it.
        drop(self.socket.shutdown(Shutdown::Write));
        drop(child::wait_until(&mut self.child, Instant::now() + LAUNCHER_END_LIMIT));
        child::destroy(&mut self.child);
    }
}

/// Runs a program to its end, with /dev/null as its standard output: the run to be timed.
///
/// # Errors
/// When it fails or breaks a limit, or the harness fails or is interrupted.
pub fn run(task: &Task<'_>, interrupt: &Interrupt) -> Result<Finished, ProgramError> {
    let (finished, _) = observe(task, Stdout::Null, interrupt)?;
    Ok(finished)
}

/// Runs a program to its end and hashes what it prints, which is also kept in the file `keep`, if
/// there is one. The harness reads while the program runs, perhaps on the same CPUs: how long it
/// took is not to be compared.
///
/// # Errors
/// When it fails or breaks a limit, or the harness fails or is interrupted.
pub fn run_hashed(
    task: &Task<'_>,
    keep: Option<&Path>,
    interrupt: &Interrupt,
) -> Result<(Finished, Output), ProgramError> {
    let (finished, output) = observe(task, Stdout::Hashed(keep), interrupt)?;
    let output = output.context("nobody read the program's output")?;
    Ok((finished, output.context("failed to take the program's output")?))
}

type TakenOutput = std::io::Result<Output>;

/// Starts a program and waits for its end. Returns how it did, and what it printed where that was
/// read.
fn observe(
    task: &Task<'_>,
    stdout: Stdout<'_>,
    interrupt: &Interrupt,
) -> Result<(Finished, Option<TakenOutput>), ProgramError> {
    let (outcome, output, stderr) = start_and_wait(task, stdout, interrupt)?;
    let failed = |error, over_limit| ProgramError::Run { error, stderr, over_limit };
    let (report, seen) = match outcome {
        Outcome::Over(error) => return Err(failed(error, true)),
        Outcome::Reported(report, seen) => (report, seen),
    };
    if let Some(error) = failure(&report) {
        return Err(failed(error, false));
    }
    // Of several processes the kernel reports the largest, a look sees the sum.
    let rss_bytes_peak = report.rss_bytes_peak.max(seen);
    Ok((Finished { rss_bytes_peak, foreign_cpu_ns: report.others_ns, report }, output))
}

/// How a program ended, what it printed where that was read, and its last lines of standard error.
type Ended = (Outcome, Option<TakenOutput>, Vec<String>);

fn start_and_wait(task: &Task<'_>, stdout: Stdout<'_>, interrupt: &Interrupt) -> Result<Ended> {
    let (ours, theirs) = UnixStream::pair().context("failed to make a socket")?;
    let mut launcher = Launcher { child: start(task, stdout, theirs)?, socket: ours };
    let reader = match (stdout, launcher.child.stdout.take()) {
        (Stdout::Hashed(keep), Some(stdout)) => Some(read_output(stdout, keep)?),
        _ => None,
    };
    let stderr = launcher.child.stderr.take().context("standard error was asked for")?;
    let (stderr, stderr_end) = Tail::follow(stderr)?;
    let own_before_ns = own_cpu_ns()?;
    send(&launcher.socket, task)?;
    let outcome = watch(task, &launcher, interrupt);
    let own_ns = own_cpu_ns()? - own_before_ns;
    // Whatever the program left running ends here, so that reading its streams ends too.
    drop(launcher);
    let mut outcome = outcome?;
    let output = match reader.map(child::finish) {
        None => None,
        Some(Some(output)) => Some(output.ok().context("the thread that reads output died")?),
        Some(None) => bail!("something that the program started still holds its output: end it"),
    };
    let read = child::finish(stderr_end);
    ensure!(read.is_none_or(|end| end.is_ok()), "the thread that reads standard error died");
    if let Outcome::Reported(report, _) = &mut outcome {
        // The harness looks at memory meanwhile, and may read and hash the output.
        report.others_ns = report.others_ns.saturating_sub(own_ns);
    }
    Ok((outcome, output, stderr.lines()))
}

fn own_cpu_ns() -> Result<u64> {
    proc::CpuClock::own().read_ns().context("failed to read the CPU clock")
}

fn start(task: &Task<'_>, stdout: Stdout<'_>, socket: UnixStream) -> Result<Child> {
    let binary = std::env::current_exe().context("failed to find this program's own binary")?;
    let mut command = Command::new(binary);
    command.arg("launcher").current_dir(task.root);
    if task.padding_bytes > 0 {
        command.env("DUET_PADDING", "x".repeat(task.padding_bytes as usize));
    }
    command.envs(owner::owner().map(|owner| (owner::OWNER, owner)));
    command.stdin(Stdio::from(OwnedFd::from(socket)));
    command.stdout(match stdout {
        Stdout::Null => Stdio::null(),
        Stdout::Hashed(_) => Stdio::piped(),
    });
    command.stderr(Stdio::piped());
    child::part_pinned(&mut command, &task.cpus)?;
    command.spawn().context("failed to start the launcher")
}

fn send(mut socket: &UnixStream, task: &Task<'_>) -> Result<()> {
    let (program, arguments) = task.command.split_first().context("the command is empty")?;
    let job = Job {
        program: resolve(task.root, program),
        arguments: arguments.to_vec(),
        input: task.input.clone(),
        cpus: task.cpus.clone(),
    };
    let mut line = serde_json::to_vec(&job).context("failed to encode the job")?;
    line.push(b'\n');
    socket.write_all(&line).context("the launcher did not take its job")
}

/// Reads, hashes and perhaps keeps an output, in the background.
fn read_output(
    mut stdout: impl Read + Send + 'static,
    keep: Option<&Path>,
) -> Result<JoinHandle<TakenOutput>> {
    let mut kept = keep.map(std::fs::File::create).transpose().context("failed to make a file")?;
    background::thread("output", move || {
        let mut hasher = OutputHasher::default();
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let length = stdout.read(&mut piece)?;
            if length == 0 {
                return Ok(hasher.output());
            }
            hasher.write_all(&piece[..length])?;
            if let Some(kept) = &mut kept {
                kept.write_all(&piece[..length])?;
            }
        }
    })
}

/// How waiting ended.
enum Outcome {
    /// With a report, and with the largest memory that was seen.
    Reported(Report, u64),
    /// With a broken limit.
    Over(String),
}

/// Waits for the report, and looks at time and memory meanwhile.
fn watch(task: &Task<'_>, launcher: &Launcher, interrupt: &Interrupt) -> Result<Outcome> {
    let mut socket = &launcher.socket;
    socket.set_read_timeout(Some(LOOK_PAUSE)).context("failed to set a time limit")?;
    let pid = child::pid(&launcher.child).as_raw();
    let deadline = Instant::now() + task.limit;
    let (mut line, mut piece, mut peak) = (Vec::new(), [0; 4096], 0);
    loop {
        match socket.read(&mut piece) {
            Ok(0) => return Ok(Outcome::Reported(ended_early(), peak)),
            Ok(length) => line.extend(&piece[..length]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("failed to read from the launcher"),
        }
        if line.ends_with(b"\n") {
            let report = serde_json::from_slice(&line).context("the launcher sent no report")?;
            return Ok(Outcome::Reported(report, peak));
        }
        interrupt.check()?;
        if Instant::now() >= deadline {
            let seconds = task.limit.as_secs();
            return Ok(Outcome::Over(format!("it ran longer than {seconds} s and was killed")));
        }
        // Before the program is started, and after its end, there is nothing to look at.
        peak = peak.max(tree::rss_bytes_peak(pid).unwrap_or(0));
        if peak > task.limit_bytes {
            let mib = task.limit_bytes >> 20;
            return Ok(Outcome::Over(format!("it took more than {mib} MiB and was killed")));
        }
    }
}

/// The report of a launcher that sent none.
fn ended_early() -> Report {
    let error = Some("its launcher ended without a report: was it killed?".to_owned());
    Report { error, ..Report::default() }
}

/// Why a run does not count, by its report.
fn failure(report: &Report) -> Option<String> {
    let status = ExitStatus::from_raw(report.status);
    match &report.error {
        Some(error) => Some(error.clone()),
        None if status.success() => None,
        None => Some(format!("it {}", child::describe(status))),
    }
}
