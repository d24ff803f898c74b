//! What the kernel says about a process and about CPUs: CPU time, memory, threads, stolen time.
//!
//! Plain functions over `clock_gettime` and `/proc`. When to ask, and what an answer means for a
//! measurement, is left to the callers.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::{Pid, getppid};

/// Ticks of `/proc/stat` are hundredths of a second on every architecture that Rust supports
/// (`USER_HZ`).
pub(crate) const TICK_NS: u64 = 10_000_000;

/// The CPU clock of a process: nanoseconds in user and system mode, all threads, ended ones
/// included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuClock(ClockId);

impl CpuClock {
    /// The clock of another process.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn of(pid: i32) -> io::Result<Self> {
        Ok(Self(clock_getcpuclockid(Pid::from_raw(pid))?))
    }

    /// The clock of this process.
    #[must_use]
    pub fn own() -> Self {
        Self(ClockId::CLOCK_PROCESS_CPUTIME_ID)
    }

    /// The clock of the calling thread; no other thread may read it.
    #[must_use]
    pub fn own_thread() -> Self {
        Self(ClockId::CLOCK_THREAD_CPUTIME_ID)
    }

    /// CPU time used so far, in nanoseconds.
    ///
    /// # Errors
    /// When the process has ended and was reaped.
    pub fn read_ns(self) -> io::Result<u64> {
        // A u64 of nanoseconds holds 584 years.
        Ok(Duration::from(self.0.now()?).as_nanos() as u64)
    }
}

/// Memory at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProcessMemory {
    /// Resident set.
    pub rss_bytes: u64,
    /// Proportional set: shared pages divided by their users.
    pub pss_bytes: u64,
    /// Private pages, clean and dirty.
    pub private_bytes: u64,
}

/// What is cheap to read of memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resident {
    /// Resident set.
    pub rss_bytes: u64,
    /// That part of it that is of no file and not shared.
    pub anonymous_bytes: u64,
}

/// The memory of `pid` alone, from `smaps_rollup`. The kernel walks the page tables for it: some
/// milliseconds for a large process.
///
/// # Errors
/// When the process is gone or belongs to another user.
pub fn memory(pid: i32) -> io::Result<ProcessMemory> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    Ok(ProcessMemory {
        rss_bytes: kib_after(&rollup, "Rss:")?,
        pss_bytes: kib_after(&rollup, "Pss:")?,
        private_bytes: kib_after(&rollup, "Private_Clean:")?
            + kib_after(&rollup, "Private_Dirty:")?,
    })
}

/// The resident set of `pid` alone, from `statm`: cheap enough to sample.
///
/// # Errors
/// When the process is gone.
pub fn rss_bytes(pid: i32) -> io::Result<u64> {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm"))?;
    let pages = statm.split_ascii_whitespace().nth(1).and_then(|field| field.parse::<u64>().ok());
    Ok(pages.ok_or_else(|| unexpected("statm"))? * page_bytes()?)
}

/// The resident set of `pid` alone, and that part of it that is anonymous, from `statm`.
///
/// # Errors
/// When the process is gone.
pub fn resident(pid: i32) -> io::Result<Resident> {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm"))?;
    let mut fields = statm.split_ascii_whitespace().skip(1).map(str::parse::<u64>);
    let mut field = || fields.next().and_then(Result::ok).ok_or_else(|| unexpected("statm"));
    let (pages, shared, page_bytes) = (field()?, field()?, page_bytes()?);
    let anonymous_bytes = pages.saturating_sub(shared) * page_bytes;
    Ok(Resident { rss_bytes: pages * page_bytes, anonymous_bytes })
}

/// The largest resident set that `pid` alone ever had (`VmHWM`).
///
/// # Errors
/// When the process is gone.
pub fn rss_bytes_peak(pid: i32) -> io::Result<u64> {
    kib_after(&fs::read_to_string(format!("/proc/{pid}/status"))?, "VmHWM:")
}

/// The number of threads of `pid` alone.
///
/// # Errors
/// When the process is gone.
pub fn threads(pid: i32) -> io::Result<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let threads = number_after(&status, "Threads:")?;
    u32::try_from(threads).map_err(|_| unexpected("Threads:"))
}

/// How long the calling thread was ready to run and waited for a CPU, in nanoseconds.
///
/// # Errors
/// When the kernel keeps no such account.
pub fn run_delay_ns() -> io::Result<u64> {
    run_delay_ns_in(&fs::read_to_string("/proc/thread-self/schedstat")?)
}

/// How long the threads of `pid` were ready to run and waited for a CPU, in nanoseconds. Threads
/// that have ended are left out.
///
/// # Errors
/// When the process is gone, or the kernel keeps no such account.
pub fn run_delay_ns_of(pid: i32) -> io::Result<u64> {
    let mut total = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        total += run_delay_ns_in(&fs::read_to_string(task?.path().join("schedstat"))?)?;
    }
    Ok(total)
}

/// The second field of a schedstat: time on a CPU, time waiting for one, time slices
/// (kernel documentation, scheduler/sched-stats).
fn run_delay_ns_in(schedstat: &str) -> io::Result<u64> {
    let field = schedstat.split_ascii_whitespace().nth(1).and_then(|field| field.parse().ok());
    field.ok_or_else(|| unexpected("schedstat"))
}

/// Has the kernel kill this process when the thread that started it ends.
///
/// The parent must start it from a thread that lives as long as it should. A parent that died
/// before this call is noticed only if it dies within it.
///
/// # Errors
/// When the parent is already gone.
pub fn die_with_parent() -> io::Result<()> {
    let parent = getppid();
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    if getppid() == parent {
        Ok(())
    } else {
        Err(io::Error::other("the process that started this one is gone"))
    }
}

/// Reads stolen time from `/proc/stat`, which it keeps open.
#[derive(Debug)]
pub struct StolenTime {
    file: File,
    buffer: Vec<u8>,
}

impl StolenTime {
    /// Opens `/proc/stat`.
    ///
    /// # Errors
    /// When `/proc` is not mounted.
    pub fn open() -> io::Result<Self> {
        // The lines of CPUs come first, about 100 bytes each; what is behind them is not needed.
        let cpus = std::thread::available_parallelism().map_or(1, usize::from).max(64);
        Ok(Self { file: File::open("/proc/stat")?, buffer: vec![0; cpus * 256] })
    }

    /// Takes the present state. [`stolen_ns`] reads it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&mut self) -> io::Result<&str> {
        let length = self.file.read_at(&mut self.buffer, 0)?;
        str::from_utf8(&self.buffer[..length]).map_err(|_| unexpected("text"))
    }
}

/// The time stolen by the hypervisor from `cpus` since boot, by the text of `/proc/stat`.
/// A CPU that is not listed has none.
#[must_use]
pub fn stolen_ns(stat: &str, cpus: &[usize]) -> u64 {
    ticks(stat, cpus, &[7]) * TICK_NS
}

/// The time `cpus` spent in processes since boot: user, nice and system time. Interrupts are left
/// out, since they are in no process's CPU clock either.
#[must_use]
pub fn process_ns(stat: &str, cpus: &[usize]) -> u64 {
    ticks(stat, cpus, &[0, 1, 2]) * TICK_NS
}

/// The sum of some columns of `/proc/stat` (user nice system idle iowait irq softirq steal) over
/// `cpus`.
fn ticks(stat: &str, cpus: &[usize], columns: &[usize]) -> u64 {
    let per_cpu = stat.lines().filter_map(|line| {
        let mut fields = line.strip_prefix("cpu")?.split_ascii_whitespace();
        let cpu: usize = fields.next()?.parse().ok()?; // none: the line of all CPUs
        let fields: Vec<u64> = fields.map_while(|field| field.parse().ok()).collect();
        let sum = columns.iter().filter_map(|&column| fields.get(column)).sum::<u64>();
        cpus.contains(&cpu).then_some(sum)
    });
    per_cpu.sum()
}

/// The time that each of `cpus` was busy since boot, by the text of `/proc/stat`: in user mode,
/// niced or not, and in the kernel, interrupts included. A CPU that is not listed has none.
#[must_use]
pub fn busy_ns(stat: &str, cpus: &[usize]) -> Vec<u64> {
    cpus.iter().map(|&cpu| ticks(stat, &[cpu], &[0, 1, 2, 5, 6]) * TICK_NS).collect()
}

fn page_bytes() -> io::Result<u64> {
    let bytes = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)?;
    bytes.and_then(|b| u64::try_from(b).ok()).ok_or_else(|| unexpected("page size"))
}

fn kib_after(text: &str, label: &str) -> io::Result<u64> {
    Ok(number_after(text, label)? * 1024)
}

fn number_after(text: &str, label: &str) -> io::Result<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(label));
    let number = rest.and_then(|rest| rest.split_ascii_whitespace().next());
    number.and_then(|number| number.parse().ok()).ok_or_else(|| unexpected(label))
}

/// Whether an error says that a process has ended.
pub(crate) fn has_ended(error: &io::Error) -> bool {
    const ESRCH: i32 = nix::errno::Errno::ESRCH as i32;
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(ESRCH)
}

pub(crate) fn unexpected(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("/proc has no readable {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "cpu  20 0 0 0 0 0 0 9 0 0\ncpu0 10 0 0 0 0 0 0 4 0 0\n\
        cpu1 10 1 2 3 4 5 6 5 0 0\ncpu10 1 1 1 1 1 1 1 7 0 0\nintr 5 6 7\n";

    #[test]
    fn times_of_cpus() {
        let cases: [(&[usize], u64); 5] =
            [(&[0], 4), (&[1], 5), (&[0, 1], 9), (&[10], 7), (&[2], 0)];
        for (cpus, ticks) in cases {
            assert_eq!(stolen_ns(STAT, cpus), ticks * TICK_NS, "{cpus:?}");
        }
        assert_eq!(process_ns(STAT, &[1, 10]), (10 + 1 + 2 + 3) * TICK_NS);
    }

    #[test]
    fn busy_time_of_cpus() {
        // cpu1: 10 + 1 + 2 and 5 + 6.
        let want = [24 * TICK_NS, 10 * TICK_NS, 5 * TICK_NS, 0];
        assert_eq!(busy_ns(STAT, &[1, 0, 10, 2]), want);
    }

    #[test]
    fn own_process() -> io::Result<()> {
        let pid = std::process::id() as i32;
        let memory = memory(pid)?;
        assert!(memory.rss_bytes > 0 && memory.pss_bytes > 0);
        assert!(memory.pss_bytes <= memory.rss_bytes);
        assert!(memory.private_bytes <= memory.rss_bytes);
        assert!(rss_bytes(pid)? > 0);
        assert!(rss_bytes_peak(pid)? > 0);
        assert!(threads(pid)? > 0);
        assert!(StolenTime::open()?.read()?.starts_with("cpu"));
        Ok(())
    }

    #[test]
    fn run_delays() {
        let cases = [("0 69865 1\n", Some(69_865)), ("5 x 1", None), ("", None)];
        for (text, want) in cases {
            assert_eq!(run_delay_ns_in(text).ok(), want, "{text:?}");
        }
    }

    #[test]
    fn cpu_clocks_never_go_back() -> io::Result<()> {
        let own = CpuClock::own();
        let same = CpuClock::of(std::process::id() as i32)?;
        let readings = [own.read_ns()?, same.read_ns()?, own.read_ns()?, same.read_ns()?];
        assert!(readings.is_sorted(), "{readings:?}");
        assert!(readings[0] > 0);
        Ok(())
    }

    #[test]
    fn a_process_that_is_gone() {
        let gone = (1 << 22) + 1; // above the kernel's largest process id
        assert!(CpuClock::of(gone).is_err());
        assert!(memory(gone).is_err());
        assert!(rss_bytes(gone).is_err());
    }
}
