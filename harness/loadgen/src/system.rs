//! What threads and processes are allowed.

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;

use crate::job_error::JobError;

/// Pins the calling thread to a CPU.
pub(crate) fn pin(cpu: usize) -> Result<(), JobError> {
    let mut set = CpuSet::new();
    set.set(cpu).and_then(|()| sched_setaffinity(Pid::from_raw(0), &set)).map_err(|error| {
        let error = error.desc();
        JobError::general(format_args!("failed to pin to CPU {cpu}: {error}; may it be used here?"))
    })
}

/// Allows as many open files as the system lets this process and those that it starts have: its
/// soft limit becomes the hard one. Where that is too few, opening them fails and says so.
pub fn raise_file_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Within the hard limit this is always allowed.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
