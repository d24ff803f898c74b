//! Control groups of duet's own (cgroups(7)), one for each server: CPU time to the nanosecond or
//! microsecond, ended processes included; memory as the kernel has it; limits; and an end for all
//! of its processes.
//!
//! Version 2 keeps all of it in one folder; version 1 has a folder for each controller. Where the
//! folders are is found below a root that is given, so that tests make one up.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{AccessFlags, Pid, access};

use crate::owner;
use crate::proc::unexpected;

/// Where the system mounts its control groups.
const ROOT: &str = "/sys/fs/cgroup";

/// The environment variable that forbids groups where it is `none`.
pub const CHOICE: &str = "DUET_CGROUP";

/// How a user gets them.
pub const HOW_TO_ALLOW: &str = "as a user under systemd: `systemd-run --user --scope -p \
    Delegate=yes -p CPUAccounting=yes duet ...`; as root or in a container: mount \
    /sys/fs/cgroup writable, with the controllers cpu and memory enabled for groups below duet's \
    own (cgroup.subtree_control)";

/// How the names of all groups of duet begin. The name of a harness follows ([`owner::owner`]),
/// and a number.
const PREFIX: &str = "duet-";

/// The name under which [`Group`] has the only folder of version 2.
const UNIFIED: &str = "unified";

/// The controllers of version 1 that a group has: those that it must have, and those it may.
const REQUIRED: [&str; 2] = ["cpuacct", "memory"];
const OPTIONAL: [&str; 2] = ["cpu", "freezer"];

/// The period in which a quota of CPU time is counted, in microseconds: the kernel's default.
const PERIOD_US: u64 = 100_000;

/// How long the processes of a group may take to end after SIGKILL.
const END_LIMIT: Duration = Duration::from_secs(1);

/// Between two looks whether something is left.
const END_PAUSE: Duration = Duration::from_millis(1);

/// Folders that are looked at in search of groups that are left, at most.
const FOLDERS_MAX: usize = 10_000;

/// The versions of control groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// A folder for each controller.
    V1,
    /// One folder for all.
    V2,
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::V1 => "cgroup v1",
            Self::V2 => "cgroup v2",
        })
    }
}

/// Where groups of duet's own can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// Its version.
    pub version: Version,
    /// Whether its groups can be given less than all CPU time.
    pub limits_cpu: bool,
    /// By controller, the folder that groups are made in.
    parents: Vec<(String, PathBuf)>,
}

/// Where this process can make groups.
///
/// # Errors
/// Why it cannot.
pub fn here() -> Result<&'static Hierarchy, &'static str> {
    static HERE: LazyLock<Result<Hierarchy, String>> = LazyLock::new(|| {
        if std::env::var_os(CHOICE).is_some_and(|choice| choice == "none") {
            return Err(format!("{CHOICE} is `none`"));
        }
        let membership = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        find(Path::new(ROOT), &membership)
    });
    HERE.as_ref().map_err(String::as_str)
}

/// Where a process with this text of /proc/self/cgroup can make groups below `root`.
///
/// # Errors
/// Why it cannot.
pub fn find(root: &Path, membership: &str) -> Result<Hierarchy, String> {
    if root.join("cgroup.controllers").exists() {
        return find_v2(root, membership);
    }
    if REQUIRED.iter().all(|controller| root.join(controller).is_dir()) {
        return find_v1(root, membership);
    }
    Err(format!("{} has no control groups with CPU time and memory", root.display()))
}

/// In version 2 a group with processes has none below it that are controlled, so groups are made
/// beside this process's own, or beside one above it. What others have enabled there stays as it
/// is: CPU time is counted without a controller, memory with one alone.
fn find_v2(root: &Path, membership: &str) -> Result<Hierarchy, String> {
    let own = membership.lines().find_map(|line| line.strip_prefix("0::"));
    let own = own.ok_or("this process is in no group of version 2")?;
    let enabled = |folder: &Path| -> Vec<String> {
        let text = fs::read_to_string(folder.join("cgroup.subtree_control")).unwrap_or_default();
        text.split_ascii_whitespace().map(str::to_owned).collect()
    };
    let has = |folder: &Path, controller: &str| enabled(folder).iter().any(|c| c == controller);
    let folders = below(root, own).ancestors().map(Path::to_owned).collect::<Vec<_>>();
    let usable = |folder: &&PathBuf| {
        folder.starts_with(root) && has(folder, "memory") && is_open(folder, true)
    };
    let usable: Vec<&PathBuf> = folders.iter().filter(usable).collect();
    let best = usable.iter().find(|folder| has(folder, "cpu")).or(usable.first());
    let folder = best.ok_or_else(|| {
        format!("no group from {own} upwards lets this user make one with the controller memory")
    })?;
    Ok(Hierarchy {
        version: Version::V2,
        limits_cpu: has(folder, "cpu"),
        parents: vec![(UNIFIED.to_owned(), (*folder).clone())],
    })
}

fn find_v1(root: &Path, membership: &str) -> Result<Hierarchy, String> {
    let own = |controller: &str| {
        membership.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (controllers, path) = (parts.next()?, parts.next()?);
            controllers.split(',').any(|name| name == controller).then_some(path)
        })
    };
    // A container sees its group's path, but not always the folders of that path.
    let parent = |controller: &str| {
        let mount = root.join(controller);
        let own = below(&mount, own(controller).unwrap_or_default());
        let folder = if own.is_dir() { own } else { mount };
        is_open(&folder, false).then(|| (controller.to_owned(), folder))
    };
    let mut parents = vec![];
    for controller in REQUIRED {
        let found = parent(controller);
        parents.push(found.ok_or_else(|| {
            format!("{} lets this user make no group", root.join(controller).display())
        })?);
    }
    parents.extend(OPTIONAL.into_iter().filter_map(parent));
    let limits_cpu = parents.iter().any(|(controller, _)| controller == "cpu");
    Ok(Hierarchy { version: Version::V1, limits_cpu, parents })
}

/// A group's folder. Its path is absolute, and would replace that of the mount.
fn below(mount: &Path, group: &str) -> PathBuf {
    mount.join(group.trim_start_matches('/'))
}

/// Whether a group can be made in `folder`, and where `moves` processes be moved out of it into
/// one: that takes leave to write into the processes of the group above both (cgroups(7)).
fn is_open(folder: &Path, moves: bool) -> bool {
    let may = AccessFlags::W_OK;
    if moves && access(&folder.join("cgroup.procs"), may).is_err() {
        return false;
    }
    // What may be written to may still be of a mount that is read-only, or full.
    let probe = folder.join(name());
    fs::create_dir(&probe).is_ok() && fs::remove_dir(&probe).is_ok()
}

/// A name that no other group has.
fn name() -> String {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    format!("{PREFIX}{}-{number}", owner::owner().unwrap_or_default())
}

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
    folders: Vec<(String, PathBuf)>,
}

impl Hierarchy {
    /// A group with a name of its own and these limits, which is not made yet. It shares CPU time
    /// as its processes did outside of it, unless that is limited.
    #[must_use]
    pub fn group(&self, limits: &Limits) -> Group {
        let name = name();
        let needed =
            |(controller, _): &&(String, PathBuf)| controller != "cpu" || limits.cpus.is_some();
        let of =
            |(controller, parent): &(String, PathBuf)| (controller.clone(), parent.join(&name));
        Group { folders: self.parents.iter().filter(needed).map(of).collect() }
    }
}

impl Group {
    /// The group that these words name: `CONTROLLER=FOLDER` each, as [`Self::words`] has them. None
    /// where one is no such word.
    #[must_use]
    pub fn parse(words: &[String]) -> Option<Self> {
        let folder = |word: &String| {
            let (controller, folder) = word.split_once('=')?;
            let known = controller == UNIFIED
                || REQUIRED.iter().chain(&OPTIONAL).any(|known| *known == controller);
            known.then(|| (controller.to_owned(), PathBuf::from(folder)))
        };
        Some(Self { folders: words.iter().map(folder).collect::<Option<_>>()? })
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

/// Ends and removes the groups that a harness that is gone has left, and removes those of this one
/// that nothing is in.
pub(crate) fn remove_left(is_gone: impl Fn(&str) -> bool) {
    remove_left_below(Path::new(ROOT), is_gone);
}

fn remove_left_below(root: &Path, is_gone: impl Fn(&str) -> bool) {
    let own = owner::owner();
    let mounts: Vec<(String, PathBuf)> = match root.join("cgroup.controllers").exists() {
        true => vec![(UNIFIED.to_owned(), root.to_owned())],
        false => {
            let mount = |controller: &str| (controller.to_owned(), root.join(controller));
            REQUIRED.into_iter().chain(OPTIONAL).map(mount).collect()
        }
    };
    let mut left = BTreeMap::<String, Vec<(String, PathBuf)>>::new();
    for (controller, mount) in mounts {
        for folder in folders(mount) {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let owner = name.strip_prefix(PREFIX).and_then(|name| name.rsplit_once('-'));
            let Some((owner, _)) = owner else { continue };
            if is_gone(owner) {
                left.entry(name).or_default().push((controller.clone(), folder));
            } else if own.as_deref() == Some(owner) {
                // What is in use is not empty, and stays.
                let _ = fs::remove_dir(folder);
            }
        }
    }
    for folders in left.into_values() {
        let group = Group { folders };
        group.kill();
        // Another user's stays.
        let _ = group.remove();
    }
}

/// The folders below a mount, itself included.
fn folders(mount: PathBuf) -> Vec<PathBuf> {
    let mut found = vec![mount];
    let mut next = 0;
    while next < found.len() && found.len() < FOLDERS_MAX {
        let entries = fs::read_dir(&found[next]).into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        found.extend(folders.map(|entry| entry.path()));
        next += 1;
    }
    found
}

#[cfg(test)]
mod tests;
