//! The clocks read at the edges of windows: CPU time and stolen time.

use std::io;
use std::time::Instant;

use duet_process::cgroup::Group;
use duet_process::proc::{self, CpuClock, StolenTime};
use duet_process::tree::TreeClock;
use duet_protocol::{ArmJob, Job};

use crate::job_error::JobError;

/// Reads the clocks that a job names.
#[derive(Debug)]
pub(crate) struct WindowClocks<'j> {
    job: &'j Job,
    servers: Vec<ServerClock>,
    stolen: StolenTime,
}

/// The clock of an arm.
#[derive(Debug)]
enum ServerClock {
    /// Of one process.
    Process(CpuClock),
    /// Of a tree of processes, mostly of one.
    Tree(TreeClock),
}

impl ServerClock {
    fn of(index: usize, arm: &ArmJob) -> Result<Self, JobError> {
        let group = Group::parse(&arm.cgroup)
            .map_err(|why| JobError::for_arm(index as u32, format_args!("its group: {why}")))?;
        let clock = match arm.root {
            None => CpuClock::of(arm.pid).map(Self::Process),
            Some(root) => TreeClock::below(root, group.as_ref()).map(Self::Tree),
        };
        clock.map_err(|error| gone(index, arm.pid, &error))
    }

    fn look(&mut self) -> io::Result<()> {
        match self {
            Self::Process(_) => Ok(()),
            Self::Tree(clock) => clock.look(),
        }
    }

    fn read_ns(&mut self) -> io::Result<u64> {
        match self {
            Self::Process(clock) => clock.read_ns(),
            Self::Tree(clock) => clock.read_ns(),
        }
    }

    fn read_last_ns(&mut self) -> io::Result<u64> {
        match self {
            Self::Process(clock) => clock.read_ns(),
            Self::Tree(clock) => clock.read_last_ns(),
        }
    }

    fn has_lost(&self) -> bool {
        match self {
            Self::Process(_) => false,
            Self::Tree(clock) => clock.has_lost(),
        }
    }
}

/// The clocks at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClockReading {
    /// The moment.
    pub(crate) at: Instant,
    /// CPU time of each arm's processes.
    pub(crate) server_cpu_ns: Vec<u64>,
    /// CPU time of the generator.
    pub(crate) generator_cpu_ns: u64,
    /// Time stolen from the servers' CPUs.
    pub(crate) server_stolen_ns: u64,
    /// Time stolen from the generator's CPUs.
    pub(crate) generator_stolen_ns: u64,
}

/// CPU time of each arm's processes, and of the generator.
type CpuTimes = (Vec<u64>, u64);
/// Time stolen from the servers' CPUs, and from the generator's.
type StolenTimes = (u64, u64);

impl<'j> WindowClocks<'j> {
    pub(crate) fn new(job: &'j Job) -> Result<Self, JobError> {
        let servers = job.arms.iter().enumerate().map(|(index, arm)| ServerClock::of(index, arm));
        let stolen = StolenTime::open()
            .map_err(|e| JobError::general(format_args!("failed to open /proc/stat: {e}")))?;
        Ok(Self { job, servers: servers.collect::<Result<_, _>>()?, stolen })
    }

    /// Looks which processes the servers have. What begins later is counted from then on; what has
    /// ended by then was counted.
    pub(crate) fn look(&mut self) -> Result<(), JobError> {
        for (arm, clock) in self.servers.iter_mut().enumerate() {
            clock.look().map_err(|e| gone(arm, self.job.arms[arm].pid, &e))?;
        }
        Ok(())
    }

    /// Whether CPU time of an arm was lost, by arm.
    pub(crate) fn lost(&self) -> Vec<bool> {
        self.servers.iter().map(ServerClock::has_lost).collect()
    }

    /// Reads all clocks where a time begins: what takes long comes first, the moment is the last.
    pub(crate) fn begin(&mut self) -> Result<ClockReading, JobError> {
        let stolen = self.stolen()?;
        let cpu = self.cpu(ServerClock::read_ns)?;
        Ok(reading(Instant::now(), cpu, stolen))
    }

    /// Reads all clocks where a time ends: the moment is the first.
    pub(crate) fn end(&mut self) -> Result<ClockReading, JobError> {
        let at = Instant::now();
        let cpu = self.cpu(ServerClock::read_ns)?;
        Ok(reading(at, cpu, self.stolen()?))
    }

    /// Reads all clocks where a time ends in which nothing is in flight any more: there is time to
    /// look for processes that were started or have ended in it.
    pub(crate) fn end_at_rest(&mut self) -> Result<ClockReading, JobError> {
        let at = Instant::now();
        let cpu = self.cpu(ServerClock::read_last_ns)?;
        Ok(reading(at, cpu, self.stolen()?))
    }

    fn stolen(&mut self) -> Result<StolenTimes, JobError> {
        let stat = self.stolen.read();
        let stat =
            stat.map_err(|e| JobError::general(format_args!("failed to read /proc/stat: {e}")))?;
        let stolen = |cpus| proc::stolen_ns(stat, cpus);
        Ok((stolen(&self.job.server_cpus), stolen(&self.job.cpus)))
    }

    fn cpu(&mut self, read: fn(&mut ServerClock) -> io::Result<u64>) -> Result<CpuTimes, JobError> {
        let arms = &self.job.arms;
        let servers = self
            .servers
            .iter_mut()
            .enumerate()
            .map(|(arm, clock)| read(clock).map_err(|e| gone(arm, arms[arm].pid, &e)));
        let own = CpuClock::own().read_ns();
        let own = own.map_err(|e| {
            JobError::general(format_args!("failed to read the own CPU clock: {e}"))
        })?;
        Ok((servers.collect::<Result<_, _>>()?, own))
    }
}

fn reading(at: Instant, cpu: CpuTimes, stolen: StolenTimes) -> ClockReading {
    let ((server_cpu_ns, generator_cpu_ns), (server_stolen_ns, generator_stolen_ns)) =
        (cpu, stolen);
    ClockReading { at, server_cpu_ns, generator_cpu_ns, server_stolen_ns, generator_stolen_ns }
}

fn gone(arm: usize, pid: i32, error: &io::Error) -> JobError {
    JobError::for_arm(arm as u32, format_args!("the server's process {pid} is gone ({error})"))
}
