//! The launcher: starts one program, waits for it, and says what the kernel counted.
//!
//! It is `duet launcher`, a process of its own, because the kernel adds up the processor time and
//! memory of ended children per parent: this parent has one child. Its standard input is a socket
//! to the harness: a [`Job`] comes in, a [`Report`] goes back. Its standard output and error are
//! handed on to the program as they are, so that nobody stands between the program and the harness.
//!
//! It is the program's supervisor too: what the program leaves running ends with it, and all of it
//! when the harness closes the socket or is gone.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use serde::{Deserialize, Serialize};

use duet_process::background;
use duet_process::child;
use duet_process::proc::{self, CpuClock};
use duet_process::supervisor;

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The file that is its standard input; absent: nothing.
    pub input: Option<PathBuf>,
    /// The CPUs whose busy time is reported.
    pub cpus: Vec<usize>,
}

/// How the program did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Why the program could not be started, if so; nothing else then means anything.
    pub error: Option<String>,
    /// Its wait status.
    pub status: i32,
    /// From just before its process was made until it was reaped.
    pub elapsed_ns: u64,
    /// CPU time in user mode, of all processes below the launcher.
    pub user_ns: u64,
    /// CPU time in the kernel.
    pub system_ns: u64,
    /// The largest resident set of any process. The kernel counts from the fork on, when a process
    /// still shares the launcher's memory, but for mapped files: so it is never less than the about
    /// 1 MiB that the launcher has written to.
    pub rss_bytes_peak: u64,
    /// Busy time per CPU of the job.
    pub cpu_busy_ns: Vec<u64>,
    /// CPU time that processes other than the program and the launcher took on these CPUs.
    pub others_ns: u64,
    /// Time stolen by the hypervisor from these CPUs.
    pub stolen_ns: u64,
}

/// Does one job.
///
/// # Errors
/// When the harness cannot be understood or is gone.
pub fn run() -> Result<()> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut line = String::new();
    BufReader::new(&socket).read_line(&mut line).context("failed to read the job")?;
    let job: Job = serde_json::from_str(&line).context("this is no job")?;
    supervisor::adopt()?;
    let mut harness = socket.try_clone().context("failed to share the socket")?;
    // Nothing else comes but the end of the socket. The program's end is then noticed below.
    background::thread("harness", move || {
        if matches!(harness.read(&mut [0]), Ok(0) | Err(_)) {
            drop(supervisor::end_descendants());
        }
    })?;
    let report = match launch(&job) {
        Ok(report) => report,
        Err(error) => Report { error: Some(format!("{error:#}")), ..Report::default() },
    };
    let mut line = serde_json::to_vec(&report).context("failed to encode the report")?;
    line.push(b'\n');
    let sent = (&socket).write_all(&line);
    let left = supervisor::end_descendants();
    ensure!(left.is_empty(), "the program started what cannot be ended: {}", left.join(", "));
    sent.context("the harness is gone")
}

fn launch(job: &Job) -> Result<Report> {
    let mut command = Command::new(&job.program);
    command.args(&job.arguments);
    command.stdin(match &job.input {
        Some(path) => Stdio::from(
            File::open(path).with_context(|| format!("failed to open {}", path.display()))?,
        ),
        None => Stdio::null(),
    });
    child::tie(&mut command)?;
    let mut clock = proc::StolenTime::open()?;
    let cpus_before = Cpus::of(clock.read()?, &job.cpus);
    let before = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let own_before_ns = CpuClock::own().read_ns()?;
    let started = Instant::now();
    let mut child =
        command.spawn().with_context(|| format!("failed to start {}", job.program.display()))?;
    let status = child.wait().context("failed to wait for the program")?;
    let elapsed = started.elapsed();
    wait_for_orphans();
    let after = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let own_ns = CpuClock::own().read_ns()? - own_before_ns;
    let cpus_after = Cpus::of(clock.read()?, &job.cpus);
    let user_ns = nanoseconds(after.user_time()) - nanoseconds(before.user_time());
    let system_ns = nanoseconds(after.system_time()) - nanoseconds(before.system_time());
    let process_ns = cpus_after.process_ns.saturating_sub(cpus_before.process_ns);
    let kib = |kib: i64| u64::try_from(kib).unwrap_or(0) * 1024;
    Ok(Report {
        error: None,
        status: status.into_raw(),
        elapsed_ns: duet_units::duration_ns(elapsed),
        user_ns,
        system_ns,
        rss_bytes_peak: kib(after.max_rss()),
        cpu_busy_ns: cpus_before
            .busy_ns
            .iter()
            .zip(cpus_after.busy_ns)
            .map(|(a, b)| b.saturating_sub(*a))
            .collect(),
        others_ns: process_ns.saturating_sub(user_ns + system_ns + own_ns),
        stolen_ns: cpus_after.stolen_ns.saturating_sub(cpus_before.stolen_ns),
    })
}

/// Waits for children of the program that have ended after it did not wait for them: what they took
/// is counted then.
fn wait_for_orphans() {
    while waitpid(None, Some(WaitPidFlag::WNOHANG))
        .is_ok_and(|status| status != WaitStatus::StillAlive)
    {}
}

/// What the kernel has counted on the job's CPUs since boot.
struct Cpus {
    busy_ns: Vec<u64>,
    process_ns: u64,
    stolen_ns: u64,
}

impl Cpus {
    fn of(stat: &str, cpus: &[usize]) -> Self {
        Self {
            busy_ns: proc::busy_ns(stat, cpus),
            process_ns: proc::process_ns(stat, cpus),
            stolen_ns: proc::stolen_ns(stat, cpus),
        }
    }
}

fn nanoseconds(time: TimeVal) -> u64 {
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(time.tv_usec()).unwrap_or(0) * 1000
}
