//! The clocks read between windows: CPU time and stolen time.

use std::io;

use duet_process::proc::{self, CpuClock, StolenTime};
use duet_protocol::Job;

use crate::job_error::JobError;

/// Reads the clocks that a job names.
#[derive(Debug)]
pub(super) struct WindowClocks<'j> {
    job: &'j Job,
    servers: Vec<CpuClock>,
    stolen: StolenTime,
}

/// The clocks at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClockReading {
    /// CPU time of each arm's process.
    pub(super) server_cpu_ns: Vec<u64>,
    /// Time stolen from the servers' CPUs.
    pub(super) server_stolen_ns: u64,
    /// Time stolen from the generator's CPUs.
    pub(super) generator_stolen_ns: u64,
}

impl<'j> WindowClocks<'j> {
    pub(super) fn new(job: &'j Job) -> Result<Self, JobError> {
        let clocks = job.arms.iter().enumerate();
        let servers = clocks
            .map(|(arm, target)| CpuClock::of(target.pid).map_err(|e| gone(arm, target.pid, &e)));
        let stolen = StolenTime::open()
            .map_err(|e| JobError::general(format_args!("failed to open /proc/stat: {e}")))?;
        Ok(Self { job, servers: servers.collect::<Result<_, _>>()?, stolen })
    }

    /// Reads all clocks, those of the servers last, so that little lies between them and the
    /// window that follows.
    pub(super) fn read(&mut self) -> Result<ClockReading, JobError> {
        let stat = self.stolen.read();
        let stat =
            stat.map_err(|e| JobError::general(format_args!("failed to read /proc/stat: {e}")))?;
        let server_stolen_ns = proc::stolen_ns(stat, &self.job.server_cpus);
        let generator_stolen_ns = proc::stolen_ns(stat, &self.job.cpus);
        let clocks =
            self.servers.iter().enumerate().map(|(arm, clock)| {
                clock.read_ns().map_err(|e| gone(arm, self.job.arms[arm].pid, &e))
            });
        Ok(ClockReading {
            server_cpu_ns: clocks.collect::<Result<_, _>>()?,
            server_stolen_ns,
            generator_stolen_ns,
        })
    }
}

fn gone(arm: usize, pid: i32, error: &io::Error) -> JobError {
    JobError::for_arm(arm as u32, format_args!("the server's process {pid} is gone ({error})"))
}
