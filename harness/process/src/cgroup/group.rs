//! A group that is made for the processes of one server: its limits, its numbers, its end.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::proc::unexpected;

/// The name under which [`Group`] has the only folder of version 2.
pub(super) const UNIFIED: &str = "unified";

/// The controllers of version 1 that a group has: those that it must have, and those it may.
pub(super) const REQUIRED: [&str; 2] = ["cpuacct", "memory"];
pub(super) const OPTIONAL: [&str; 2] = ["cpu", "freezer"];

/// The period in which a quota of CPU time is counted, in microseconds: the kernel's default.
const PERIOD_US: u64 = 100_000;

/// How long the processes of a group may take to end after SIGKILL.
const END_LIMIT: Duration = Duration::from_secs(1);

/// Between two looks whether something is left.
const END_PAUSE: Duration = Duration::from_millis(1);

/// What a group may take at most.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Limits {
    /// CPUs' worth of time; absent: all there is.
    pub cpus: Option<f64>,
    /// Memory in bytes, page cache included, and no swap; absent: all there is.
    pub memory_bytes: Option<u64>,
}

/// The memory of a group at one moment, in bytes, as the kernel has it (memory.stat). Pages are in
/// the group whose process touched them first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupMemory {
    /// Anonymous memory: heaps and stacks.
    pub anonymous_bytes: u64,
    /// Pages of files, shared memory included.
    pub file_bytes: u64,
    /// Shared memory: tmpfs, shmem, and anonymous mappings that are shared.
    pub shared_bytes: u64,
    /// Buffers of sockets; absent where they are not counted.
    pub socket_bytes: Option<u64>,
}

/// A group that is made for the processes of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// By controller.
    pub(super) folders: Vec<(String, PathBuf)>,
}

impl Group {
    /// The group that these words name: `CONTROLLER=FOLDER` each, as [`Self::words`] has them.
    /// Absent where there are none.
    ///
    /// # Errors
    /// Where one is no such word.
    pub fn parse(words: &[String]) -> Result<Option<Self>, String> {
        let folder = |word: &String| {
            let (controller, folder) = word.split_once('=').unwrap_or_default();
            let known = [UNIFIED].iter().chain(&REQUIRED).chain(&OPTIONAL);
            match known.into_iter().any(|known| *known == controller) {
                true => Ok((controller.to_owned(), PathBuf::from(folder))),
                false => Err(format!("`{word}` names no folder of a controller")),
            }
        };
        let folders: Vec<_> = words.iter().map(folder).collect::<Result<_, _>>()?;
        Ok((!folders.is_empty()).then_some(Self { folders }))
    }

    /// What names it to another process.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let word =
            |(controller, folder): &(String, PathBuf)| format!("{controller}={}", folder.display());
        self.folders.iter().map(word).collect()
    }

    /// Its folder for a controller of version 1; in version 2 its only one.
    fn folder(&self, controller: &str) -> io::Result<&Path> {
        let mut folders = self.folders.iter();
        let found = folders.find(|(name, _)| name == controller || name == UNIFIED);
        found.map(|(_, folder)| folder.as_path()).ok_or_else(|| {
            let why = format!("there is no controller {controller}");
            io::Error::new(io::ErrorKind::NotFound, why)
        })
    }

    fn is_v2(&self) -> bool {
        self.folders.first().is_some_and(|(name, _)| name == UNIFIED)
    }

    fn file(&self, controller: &str, (v1, v2): (&str, &str)) -> io::Result<PathBuf> {
        Ok(self.folder(controller)?.join(if self.is_v2() { v2 } else { v1 }))
    }

    fn read(&self, controller: &str, names: (&str, &str)) -> io::Result<String> {
        fs::read_to_string(self.file(controller, names)?)
    }

    /// Makes its folders.
    ///
    /// # Errors
    /// When one cannot be made.
    pub fn make(&self) -> io::Result<()> {
        for (_, folder) in &self.folders {
            match fs::create_dir(folder) {
                // Two controllers may have one mount.
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Sets what it may take.
    ///
    /// # Errors
    /// When the kernel takes no such limit.
    pub fn limit(&self, limits: &Limits) -> io::Result<()> {
        if let Some(cpus) = limits.cpus {
            let quota_us = (cpus * PERIOD_US as f64).round();
            match self.is_v2() {
                true => fs::write(
                    self.folder(UNIFIED)?.join("cpu.max"),
                    format!("{quota_us} {PERIOD_US}"),
                )?,
                false => {
                    let folder = self.folder("cpu")?;
                    fs::write(folder.join("cpu.cfs_period_us"), PERIOD_US.to_string())?;
                    fs::write(folder.join("cpu.cfs_quota_us"), quota_us.to_string())?;
                }
            }
        }
        let Some(bytes) = limits.memory_bytes else { return Ok(()) };
        let memory = self.file("memory", ("memory.limit_in_bytes", "memory.max"))?;
        fs::write(memory, bytes.to_string())?;
        // Kernels without accounts of swap have no such file, and then there is mostly no swap.
        let swap = self.file("memory", ("memory.memsw.limit_in_bytes", "memory.swap.max"))?;
        let most = if self.is_v2() { 0 } else { bytes };
        if swap.exists() { fs::write(swap, most.to_string()) } else { Ok(()) }
    }

    /// Files that move a process into it when it writes `0` to each.
    ///
    /// # Errors
    /// When one cannot be opened.
    pub fn entries(&self) -> io::Result<Vec<File>> {
        let open = |(_, folder): &(String, PathBuf)| {
            OpenOptions::new().write(true).open(folder.join("cgroup.procs"))
        };
        self.folders.iter().map(open).collect()
    }

    /// The clock of the CPU time of all processes that ever were in it.
    ///
    /// # Errors
    /// When there is no such group.
    pub fn clock(&self) -> io::Result<GroupClock> {
        let file = File::open(self.file("cpuacct", ("cpuacct.usage", "cpu.stat"))?)?;
        Ok(GroupClock { file, is_v2: self.is_v2() })
    }

    /// Its memory now.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn memory(&self) -> io::Result<GroupMemory> {
        let stat = self.read("memory", ("memory.stat", "memory.stat"))?;
        let number = |name: &str| number(&stat, name).ok_or_else(|| unexpected("memory.stat"));
        if self.is_v2() {
            return Ok(GroupMemory {
                anonymous_bytes: number("anon")?,
                file_bytes: number("file")?,
                shared_bytes: number("shmem")?,
                socket_bytes: number("sock").ok(),
            });
        }
        let sockets = self.folder("memory")?.join("memory.kmem.tcp.usage_in_bytes");
        let sockets = fs::read_to_string(sockets).ok();
        Ok(GroupMemory {
            anonymous_bytes: number("total_rss")?,
            file_bytes: number("total_cache")?,
            shared_bytes: number("total_shmem")?,
            socket_bytes: sockets.and_then(|text| text.trim().parse().ok()),
        })
    }

    /// How many of its processes the kernel has killed because its memory was at the limit.
    ///
    /// # Errors
    /// When the kernel does not say: before Linux 4.13.
    pub fn oom_kills(&self) -> io::Result<u64> {
        let events = self.read("memory", ("memory.oom_control", "memory.events"))?;
        number(&events, "oom_kill").ok_or_else(|| unexpected("count of OOM kills"))
    }

    /// The processes in it.
    #[must_use]
    pub fn processes(&self) -> Vec<i32> {
        let folder = self.folders.first();
        let text = folder.and_then(|(_, folder)| read(folder, "cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Ends all of its processes by SIGKILL, at once where the kernel can (cgroup.kill, or the
    /// freezer), and for a second at most. Who is their parent waits for them.
    pub fn kill(&self) {
        let deadline = Instant::now() + END_LIMIT;
        // From Linux 5.14 on.
        let at_once =
            self.is_v2() && self.folder(UNIFIED).is_ok_and(|f| write(f, "cgroup.kill", "1"));
        let freezer = if self.is_v2() { None } else { self.folder("freezer").ok() };
        loop {
            let processes = self.processes();
            if processes.is_empty() || Instant::now() >= deadline {
                return;
            }
            if !at_once {
                // Frozen they start no others.
                freezer.map(|folder| write(folder, "freezer.state", "FROZEN"));
                for pid in processes {
                    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL); // it may have ended
                }
                freezer.map(|folder| write(folder, "freezer.state", "THAWED"));
            }
            thread::sleep(END_PAUSE);
        }
    }

    /// Removes it. That takes a moment where its last process has just ended.
    ///
    /// # Errors
    /// When something is in it for a second.
    pub fn remove(&self) -> io::Result<()> {
        let deadline = Instant::now() + END_LIMIT;
        for (_, folder) in &self.folders {
            loop {
                match fs::remove_dir(folder) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                    Err(error) if Instant::now() >= deadline => return Err(error),
                    Err(_) => thread::sleep(END_PAUSE),
                    Ok(()) => break,
                }
            }
        }
        Ok(())
    }
}

fn read(folder: &Path, file: &str) -> Option<String> {
    fs::read_to_string(folder.join(file)).ok()
}

/// Whether a file of a group took a word.
fn write(folder: &Path, file: &str, word: &str) -> bool {
    let file = OpenOptions::new().write(true).open(folder.join(file));
    file.and_then(|mut file| file.write_all(word.as_bytes())).is_ok()
}

/// The number behind a name at the beginning of a line.
fn number(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    rest.and_then(|number| number.trim().parse().ok())
}

/// The clock of the CPU time of all processes of a group, ended ones included.
#[derive(Debug)]
pub struct GroupClock {
    file: File,
    is_v2: bool,
}

impl GroupClock {
    /// CPU time so far, in nanoseconds.
    ///
    /// # Errors
    /// When the group is gone.
    pub fn read_ns(&self) -> io::Result<u64> {
        // Version 2 has the number in its first line.
        let mut buffer = [0; 64];
        let length = self.file.read_at(&mut buffer, 0)?;
        let text = String::from_utf8_lossy(&buffer[..length]);
        let found = match self.is_v2 {
            true => number(&text, "usage_usec").map(|us| us.saturating_mul(1000)),
            false => text.trim().parse().ok(),
        };
        found.ok_or_else(|| unexpected("CPU time of a control group"))
    }
}
