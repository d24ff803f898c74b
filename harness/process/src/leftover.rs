//! What is left where a supervisor was killed with its harness, or alone: processes that are in
//! nobody's tree any more. They are known by a variable of their environment, which names the
//! harness that started them.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::owner::{OWNER, is_gone, owner};
use crate::supervisor::named;
use crate::{cgroup, tree};

/// How long what is killed may take to end.
const END_LIMIT: Duration = Duration::from_secs(1);

/// Ends by SIGKILL what a harness that is gone has started and left, and what this one has started
/// and has in no tree any more, and removes the control groups that are left. Returns what was
/// found: ids and names.
#[must_use]
pub fn end() -> Vec<String> {
    let own = owner();
    let is_left = |owner: &str| own.as_deref() == Some(owner) || is_gone(owner);
    let left: Vec<(i32, String)> = marked(is_left).into_iter().map(|p| (p, named(p))).collect();
    for (pid, _) in &left {
        // It may have ended, or be another user's.
        let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
    }
    cgroup::remove_left(is_gone);
    let deadline = Instant::now() + END_LIMIT;
    while !left.is_empty() && !marked(is_left).is_empty() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(10));
    }
    left.into_iter().map(|(_, name)| name).collect()
}

/// The processes whose variable names such a harness, without this one and what is below it.
fn marked(is_meant: impl Fn(&str) -> bool) -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let own = std::process::id().cast_signed();
    let below = tree::processes(own);
    let owner = |pid: i32| -> Option<String> {
        // Of other users it cannot be read, and what has ended has none.
        let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
        let values = environment.split(|byte| *byte == 0);
        let mut values = values.filter_map(|value| value.strip_prefix(OWNER.as_bytes()));
        let value = values.find_map(|value| value.strip_prefix(b"="))?;
        String::from_utf8(value.to_owned()).ok()
    };
    let found = pids.filter(|pid| {
        *pid != own && !below.contains(pid) && owner(*pid).is_some_and(|owner| is_meant(&owner))
    });
    let mut found: Vec<i32> = found.collect();
    found.sort_unstable();
    found
}
