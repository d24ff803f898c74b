//! What machine this is, which CPUs to use, and what is wrong with it.
//!
//! Every probe tolerates absence: virtual machines have no cpufreq, containers may lack a cgroup
//! mount, and a probe that finds nothing says nothing. What a text of the kernel means is decided
//! by pure functions, which tests feed with the texts of other machines.

use std::fs;

mod cgroup;
mod cpus;
mod findings;
mod machine;

pub use cgroup::throttled_ns;
pub use cpus::{Cpus, allowed_cpus, choose_cpus};
pub use findings::findings;
pub use machine::{commit, cpu_lacks, machine};

/// A file's text, absent where it cannot be read: these are probes of what may not exist.
fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// A field of the text of /proc/meminfo in bytes.
fn meminfo(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.split(':').next() == Some(name))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}
