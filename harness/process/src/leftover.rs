//! What is left where a supervisor was killed with its harness, or alone: processes that are in
//! nobody's tree any more. They are known by a variable of their environment, which names the
//! harness that started them.

use std::fs;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::proc;
use crate::supervisor::named;
use crate::tree;

/// The variable that every process under a supervisor or a launcher inherits.
pub const OWNER: &str = "DUET_OWNER";

/// How long what is killed may take to end.
const END_LIMIT: Duration = Duration::from_secs(1);

/// The field of `/proc/PID/stat` behind the name that says when a process was started
/// (proc_pid_stat(5)).
const STARTED: usize = 19;

/// What names this process, of one length for all: its namespace of process ids, its id, and when
/// it was started. Absent where there is no `/proc`.
#[must_use]
pub fn owner() -> Option<String> {
    name(std::process::id().cast_signed()).ok()
}

fn name(pid: i32) -> io::Result<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields);
    let started = fields.and_then(|fields| fields.split_ascii_whitespace().nth(STARTED));
    let started: u64 = started.and_then(|at| at.parse().ok()).ok_or(proc::unexpected("stat"))?;
    Ok(format!("{:010}-{pid:010}-{started:020}", namespace()?))
}

/// The namespace of this process's ids: `pid:[4026531836]`.
fn namespace() -> io::Result<u64> {
    let link = fs::read_link("/proc/self/ns/pid")?;
    let digits: String = link.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    digits.parse().map_err(|_| proc::unexpected("ns/pid"))
}

/// Whether what a variable names is gone. What runs in another container cannot be told.
fn is_gone(owner: &str) -> bool {
    let mut parts = owner.split('-');
    let (space, pid) = (parts.next(), parts.next().and_then(|pid| pid.parse().ok()));
    let ours = namespace().ok().is_some_and(|own| space == Some(&format!("{own:010}")));
    ours && pid.is_some_and(|pid| name(pid).ok().as_deref() != Some(owner))
}

/// Ends by SIGKILL what a harness that is gone has started and left, and what this one has started
/// and has in no tree any more. Returns what was found: ids and names.
#[must_use]
pub fn end() -> Vec<String> {
    let own = owner();
    let is_left = |owner: &str| own.as_deref() == Some(owner) || is_gone(owner);
    let left: Vec<(i32, String)> = marked(is_left).into_iter().map(|p| (p, named(p))).collect();
    for (pid, _) in &left {
        // It may have ended, or be another user's.
        let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_that_are_gone() {
        let own = owner().expect("there is /proc");
        assert_eq!(own.len(), 42, "{own}");
        assert!(!is_gone(&own));
        // The same id, of a process that was started at another time.
        let (rest, started) = own.rsplit_once('-').expect("three parts");
        let started = started.parse::<u64>().expect("a number");
        assert!(is_gone(&format!("{rest}-{:020}", started + 1)));
        // Of another container, or no name of a process at all.
        assert!(!is_gone(&format!("0000000001{}", &own[10..])));
        assert!(!is_gone("") && !is_gone("x-y-z"));
    }
}
