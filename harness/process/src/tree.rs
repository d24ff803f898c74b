//! A tree of processes: everything below its root, which is a supervisor and does not count.
//!
//! A server is its tree: whatever it starts belongs to it. What left its own parent is still there,
//! since the root is a subreaper (prctl(2), PR_SET_CHILD_SUBREAPER) to which the kernel gives it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::cgroup::{Group, GroupClock};
use crate::proc::{self, CpuClock, ProcessMemory, Resident, TICK_NS};

/// Processes that are looked at, at most: bounds the walk should the tree change meanwhile.
const PROCESSES_MAX: usize = 4000;

/// Walks of a tree that changes meanwhile, at most.
const WALKS_MAX: usize = 5;

/// A tree of one process is looked at again after this time: it may have started another.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// A group whose clock is so much ahead of its only process's has had others. Less than the least
/// process takes, and more than the two differ by at rest.
const OTHERS_NS: u64 = 200_000;

/// All processes below `root`, parents first.
#[must_use]
pub fn processes(root: i32) -> Vec<i32> {
    // Kernels without CONFIG_PROC_CHILDREN have no such file.
    if !Path::new("/proc/thread-self/children").exists() {
        return below(root, &parents());
    }
    // Whose parent ends during the walk moves up to the root, whose children were read before that.
    let mut of_root = children(root);
    for _ in 1..WALKS_MAX {
        let found = walk(of_root.clone());
        let now = children(root);
        if now == of_root {
            return found;
        }
        of_root = now;
    }
    walk(of_root)
}

/// These processes and all below them.
fn walk(mut found: Vec<i32>) -> Vec<i32> {
    let mut next = 0;
    while next < found.len() && found.len() < PROCESSES_MAX {
        found.extend(children(found[next]));
        next += 1;
    }
    found
}

fn children(pid: i32) -> Vec<i32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return vec![] };
    let lists =
        tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok());
    let mut children: Vec<i32> = lists
        .flat_map(|list| list.split_ascii_whitespace().flat_map(str::parse).collect::<Vec<_>>())
        .collect();
    children.sort_unstable();
    children
}

/// The parent of every process of the machine.
fn parents() -> BTreeMap<i32, i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, stat_field(pid, PARENT).ok()?.try_into().ok()?))).collect()
}

/// The processes below `root`, by everybody's parents.
fn below(root: i32, parents: &BTreeMap<i32, i32>) -> Vec<i32> {
    let of = |parent: i32| parents.iter().filter(move |(_, p)| **p == parent).map(|(pid, _)| *pid);
    let mut found: Vec<i32> = of(root).collect();
    let mut next = 0;
    while next < found.len() && found.len() < PROCESSES_MAX {
        found.extend(of(found[next]));
        next += 1;
    }
    found
}

/// Fields of `/proc/PID/stat`, counted from the one behind the name (proc_pid_stat(5)).
const PARENT: usize = 1;
const USER: usize = 11;
const SYSTEM: usize = 12;
const WAITED_FOR_USER: usize = 13;
const WAITED_FOR_SYSTEM: usize = 14;

fn stat_field(pid: i32, field: usize) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    field_of(&stat, field).ok_or_else(|| proc::unexpected("stat"))
}

/// A name may have spaces and brackets, so fields are counted from the last bracket.
fn field_of(stat: &str, field: usize) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(field)?.parse().ok()
}

/// CPU time of the ended processes that `pid` has waited for, and of those that they waited for.
/// The kernel says it in ticks of 10 ms.
fn ended_ns(pid: i32) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let field = |field| field_of(&stat, field).ok_or_else(|| proc::unexpected("stat"));
    Ok((field(WAITED_FOR_USER)? + field(WAITED_FOR_SYSTEM)?) * TICK_NS)
}

/// Something of every process below `root`, without those that end meanwhile.
fn of_each<T>(root: i32, of: impl Fn(i32) -> io::Result<T>) -> io::Result<Vec<T>> {
    let mut found = vec![];
    for pid in processes(root) {
        match of(pid) {
            Ok(value) => found.push(value),
            Err(error) if proc::has_ended(&error) => {}
            Err(error) => return Err(error),
        }
    }
    if found.is_empty() { Err(ended()) } else { Ok(found) }
}

fn ended() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "all of its processes have ended")
}

/// The memory of all processes below `root`. The kernel walks the page tables for it: some
/// milliseconds for large processes.
///
/// # Errors
/// When there is none, or one cannot be read.
pub fn memory(root: i32) -> io::Result<ProcessMemory> {
    Ok(of_each(root, proc::memory)?.into_iter().fold(ProcessMemory::default(), |a, b| {
        ProcessMemory {
            rss_bytes: a.rss_bytes + b.rss_bytes,
            pss_bytes: a.pss_bytes + b.pss_bytes,
            private_bytes: a.private_bytes + b.private_bytes,
        }
    }))
}

/// The sum of the resident sets of all processes below `root`: cheap enough to sample.
///
/// # Errors
/// As [`memory`].
pub fn rss_bytes(root: i32) -> io::Result<u64> {
    Ok(of_each(root, proc::rss_bytes)?.iter().sum())
}

/// The sum of the same with what is anonymous of it.
///
/// # Errors
/// As [`memory`].
pub fn resident(root: i32) -> io::Result<Resident> {
    Ok(of_each(root, proc::resident)?.into_iter().fold(Resident::default(), |a, b| Resident {
        rss_bytes: a.rss_bytes + b.rss_bytes,
        anonymous_bytes: a.anonymous_bytes + b.anonymous_bytes,
    }))
}

/// The sum of the largest resident sets that each process below `root` ever had. Those that have
/// ended are not in it.
///
/// # Errors
/// As [`memory`].
pub fn rss_bytes_peak(root: i32) -> io::Result<u64> {
    // A process that has ended and was not waited for has no memory, and no line that says so.
    Ok(of_each(root, |pid| Ok(proc::rss_bytes_peak(pid).unwrap_or(0)))?.iter().sum())
}

/// The number of threads of all processes below `root`.
///
/// # Errors
/// As [`memory`].
pub fn threads(root: i32) -> io::Result<u32> {
    Ok(of_each(root, proc::threads)?.iter().sum())
}

/// CPU time of everything below `root`, and of `root` itself, up to now: exact where everything is
/// in a control group of its own, else to 10 ms for each process that has ended.
///
/// # Errors
/// When `root` is gone.
pub fn cpu_ns(root: i32, group: Option<&Group>) -> io::Result<u64> {
    let own_ns = CpuClock::of(root)?.read_ns()?;
    if let Some(group) = group {
        return Ok(own_ns + group.clock()?.read_ns()?);
    }
    let mut total = own_ns + ended_ns(root)?;
    for pid in processes(root) {
        let live = CpuClock::of(pid).and_then(CpuClock::read_ns);
        total += live.unwrap_or(0) + ended_ns(pid).unwrap_or(0); // ended meanwhile
    }
    Ok(total)
}

/// CPU time of everything below `root`, and of `root` itself, in user mode and in the kernel, from
/// the kernel's ticks of 10 ms.
///
/// # Errors
/// When `root` is gone.
pub fn user_system_ns(root: i32) -> io::Result<(u64, u64)> {
    let of = |pid: i32| -> io::Result<(u64, u64)> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let field = |field| field_of(&stat, field).ok_or_else(|| proc::unexpected("stat"));
        let user = field(USER)? + field(WAITED_FOR_USER)?;
        let system = field(SYSTEM)? + field(WAITED_FOR_SYSTEM)?;
        Ok((user * TICK_NS, system * TICK_NS))
    };
    let mut all = of_each(root, of)?;
    all.push(of(root)?);
    Ok(all.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1)))
}

/// The CPU clock of everything below a root. It never goes back.
///
/// Of one process it is the clock of that. Of several it is the clock of their control group, where
/// they have one of their own: ended processes count exactly. (It takes twice as long to read as
/// the clock of a process, and less than those of three.) Without one it is the sum of their
/// clocks, in nanoseconds, and of what ended ones left to those that waited for them, in ticks of
/// 10 ms.
#[derive(Debug)]
pub struct TreeClock {
    root: i32,
    /// The group's clock, and what it is ahead of this one (it may be behind).
    group: Option<(GroupClock, i64)>,
    live: Vec<(i32, CpuClock)>,
    /// What ended processes have left.
    ended_ns: u64,
    /// There was more than one process at a time, or one has ended.
    several: bool,
    looked: Instant,
    highest_ns: u64,
    /// Time of ended processes was lost: nobody waited for them.
    lost: bool,
}

impl TreeClock {
    /// The clock of all processes below `root`, which have this control group to themselves.
    ///
    /// # Errors
    /// When there is none.
    pub fn below(root: i32, group: Option<&Group>) -> io::Result<Self> {
        let mut clock = Self {
            root,
            group: None,
            live: vec![],
            ended_ns: 0,
            several: false,
            looked: Instant::now(),
            highest_ns: 0,
            lost: false,
        };
        clock.find()?;
        // What has ended before is no reason to look for more.
        clock.several = clock.live.len() > 1;
        if let Some(group) = group {
            let group = group.clock()?;
            let ahead_ns = group.read_ns()?.cast_signed() - clock.sum_ns().cast_signed();
            clock.group = Some((group, ahead_ns));
        }
        Ok(clock)
    }

    /// Looks for processes that were started or have ended. Takes some 10 µs a process; of a tree
    /// that has ever been one process it is done ten times a second only.
    ///
    /// # Errors
    /// When all have ended.
    pub fn look(&mut self) -> io::Result<()> {
        if let Some(group_ns) = self.group_ns()? {
            self.several = self.several || group_ns > self.sum_ns() + OTHERS_NS;
            if self.several && self.looked.elapsed() < LOOK_PAUSE {
                return Ok(());
            }
        }
        if self.several || self.looked.elapsed() >= LOOK_PAUSE { self.find() } else { Ok(()) }
    }

    /// What the group's clock says, as this one counts.
    fn group_ns(&self) -> io::Result<Option<u64>> {
        let Some((group, ahead_ns)) = &self.group else { return Ok(None) };
        Ok(Some(group.read_ns()?.saturating_add_signed(-ahead_ns)))
    }

    /// The clocks of those that the last look found, and what ended ones had left then.
    fn sum_ns(&self) -> u64 {
        let live = self.live.iter().map(|(_, clock)| clock.read_ns().unwrap_or(0));
        live.sum::<u64>() + self.ended_ns
    }

    fn find(&mut self) -> io::Result<()> {
        let pids = processes(self.root);
        let before_ns = self.ended_ns;
        self.ended_ns = ended_ns(self.root)?;
        for &pid in &pids {
            self.ended_ns += ended_ns(pid).unwrap_or(0); // ended meanwhile
        }
        let clocks = pids.into_iter().filter_map(|pid| Some((pid, CpuClock::of(pid).ok()?)));
        self.live = clocks.collect();
        self.several |= self.live.len() > 1 || self.ended_ns != before_ns;
        self.looked = Instant::now();
        if self.live.is_empty() { Err(ended()) } else { Ok(()) }
    }

    /// CPU time so far, in nanoseconds, of the processes that the last look found, and of those
    /// that had ended by then.
    ///
    /// # Errors
    /// When all have ended.
    pub fn read_ns(&mut self) -> io::Result<u64> {
        if self.several
            && let Some(group_ns) = self.group_ns()?
        {
            // A process's clock and a group's are late by up to a tick each while it runs.
            self.highest_ns = self.highest_ns.max(group_ns);
            return Ok(self.highest_ns);
        }
        let read = |live: &[(i32, CpuClock)]| -> io::Result<u64> {
            live.iter().map(|(_, clock)| clock.read_ns()).sum()
        };
        let live_ns = match read(&self.live) {
            Ok(ns) => ns,
            // One has ended, and was waited for.
            Err(_) => {
                self.several = true;
                self.find()?;
                if self.group.is_some() {
                    return self.read_ns();
                }
                self.live.iter().map(|(_, clock)| clock.read_ns().unwrap_or(0)).sum()
            }
        };
        let total_ns = live_ns + self.ended_ns;
        // Of every process that waits for others, two times are cut off to ticks.
        let ticks_ns = 2 * (self.live.len() as u64 + 2) * TICK_NS;
        self.lost |= total_ns + ticks_ns < self.highest_ns;
        self.highest_ns = self.highest_ns.max(total_ns);
        Ok(self.highest_ns)
    }

    /// The same at the end of a time, in which processes may have been started or have ended.
    ///
    /// # Errors
    /// When all have ended.
    pub fn read_last_ns(&mut self) -> io::Result<u64> {
        let first_ns = self.read_ns()?;
        if !self.several || self.group.is_some() {
            return Ok(first_ns);
        }
        self.find()?;
        self.read_ns()
    }

    /// Whether CPU time was lost: processes ended and nobody waited for them, as where SIGCHLD is
    /// ignored (wait(2)).
    #[must_use]
    pub fn has_lost(&self) -> bool {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufRead;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn fields_of_stat() {
        let stat = "7 (a) b (c)) S 3 7 7 0 -1 4 1 2 3 4 5 6 70 80 20 0 1 0 9";
        for (field, want) in [
            (PARENT, Some(3)),
            (USER, Some(5)),
            (SYSTEM, Some(6)),
            (WAITED_FOR_USER, Some(70)),
            (WAITED_FOR_SYSTEM, Some(80)),
        ] {
            assert_eq!(field_of(stat, field), want, "{field}");
        }
        assert_eq!(field_of("7 (a", 0), None);
    }

    #[test]
    fn children_and_theirs() {
        let parents = BTreeMap::from([(2, 1), (3, 1), (4, 3), (5, 4), (6, 9)]);
        assert_eq!(below(1, &parents), [2, 3, 4, 5]);
        assert_eq!(below(5, &parents), []);
    }

    /// A shell whose child has worked, ended and was waited for; another one sleeps.
    #[test]
    fn what_ended_processes_took_stays() {
        let script = "sleep 60 & sh -c 'echo up; read go; i=0; while [ $i -lt 100000 ]; do \
                      i=$((i+1)); done'; echo done; wait";
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        crate::child::tame(&mut command, &[]).expect("no CPUs are named");
        let mut shell = command.spawn().expect("there is a shell");
        let mut lines = io::BufReader::new(shell.stdout.take().expect("a pipe")).lines();
        assert_eq!(lines.next().expect("a line").expect("it is read"), "up");
        let root = crate::child::pid(&shell).as_raw();
        let mut clock = TreeClock::below(root, None).expect("it has children");
        let first_ns = clock.read_ns().expect("they live");
        let stdin = shell.stdin.as_mut().expect("a pipe");
        io::Write::write_all(stdin, b"go\n").expect("it reads");
        assert_eq!(lines.next().expect("a line").expect("it is read"), "done");
        // What the kernel says in ticks is cut off twice.
        let took_ns = clock.read_last_ns().expect("one sleeps") - first_ns;
        assert!(took_ns >= 2 * TICK_NS, "{took_ns} ns");
        assert!(!clock.has_lost() && clock.live.len() == 1, "{clock:?}");
        crate::child::destroy(&mut shell);
        assert!(clock.read_last_ns().is_err());
    }

    #[test]
    fn both_walks_find_the_same() {
        let script = "sleep 60 & echo up; wait";
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdout(Stdio::piped());
        crate::child::tame(&mut command, &[]).expect("no CPUs are named");
        let mut shell = command.spawn().expect("there is a shell");
        let mut up = [0; 3];
        let stdout = shell.stdout.as_mut().expect("a pipe");
        io::Read::read_exact(stdout, &mut up).expect("it says so");
        let pid = crate::child::pid(&shell).as_raw();
        let found = processes(pid);
        assert_eq!(found.len(), 1);
        assert_eq!(below(pid, &parents()), found);
        assert!(memory(pid).expect("it lives").rss_bytes > 0);
        assert_eq!(threads(pid).ok(), Some(1));
        crate::child::destroy(&mut shell);
        assert!(memory(pid).is_err());
    }
}
