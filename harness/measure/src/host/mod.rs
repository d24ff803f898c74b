//! What machine this is, which CPUs to use, and what is wrong with it.
//!
//! Every probe tolerates absence: virtual machines have no cpufreq, containers may lack a cgroup
//! mount, and a probe that finds nothing says nothing. What a text of the kernel means is decided
//! by pure functions, which tests feed with the texts of other machines.

mod cgroup;
mod cpus;
mod findings;
mod kernel_files;
mod machine;
mod queues;

pub use cgroup::throttled_ns;
pub use cpus::{Cpus, allowed_cpus, choose_cpus, half_of_cpus, service_cpus};
pub use findings::{files_max, files_wanted, findings, toolchain};
pub use machine::{commit, cpu_lacks, machine};
pub use queues::listen_overflows;
