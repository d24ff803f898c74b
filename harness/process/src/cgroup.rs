//! Control groups of duet's own (cgroups(7)), one for each server: CPU time to the nanosecond or
//! microsecond, ended processes included; memory as the kernel has it; limits; and an end for all
//! of its processes.
//!
//! Version 2 keeps all of it in one folder; version 1 has a folder for each controller. Where the
//! folders are is found below a root that is given, so that tests make one up.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::unistd::{AccessFlags, access};

use crate::owner;
pub use group::{Group, GroupClock, GroupMemory, Limits};
use group::{OPTIONAL, REQUIRED, UNIFIED};

mod group;

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

/// A name that no other group has.
fn name() -> String {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    format!("{PREFIX}{}-{number}", owner::owner().unwrap_or_default())
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
