//! Whose a process is: a name of the harness that started it, which everything below a supervisor
//! or a launcher inherits, and which its control groups bear.

use std::fs;
use std::io;

use crate::proc;

/// The variable that every process under a supervisor or a launcher inherits.
pub const OWNER: &str = "DUET_OWNER";

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
pub(crate) fn is_gone(owner: &str) -> bool {
    let mut parts = owner.split('-');
    let (space, pid) = (parts.next(), parts.next().and_then(|pid| pid.parse().ok()));
    let ours = namespace().ok().is_some_and(|own| space == Some(&format!("{own:010}")));
    ours && pid.is_some_and(|pid| match name(pid) {
        Ok(name) => name != owner,
        Err(error) => proc::has_ended(&error),
    })
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
