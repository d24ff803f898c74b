//! Processes as a measuring instrument sees them: CPU clocks, memory and stolen time from `/proc`,
//! children that are pinned to CPUs and never outlive their parent, and Ctrl-C as a value.
//!
//! Linux only. The one `unsafe` block of the harness is here, in [`child`]: what a child does
//! between fork and exec.

#![warn(clippy::exit, clippy::print_stderr, clippy::print_stdout)]

pub mod background; // threads that may be refused
pub mod cgroup; // control groups of duet's own
pub mod child; // pinned children that end with the harness
pub mod interrupt; // Ctrl-C as a value
pub mod leftover; // what a killed supervisor has left
pub mod owner; // whose a process is
pub mod proc; // what the kernel says about one process, and about CPUs
pub mod supervised; // a process under a supervisor, which ends with all that it started
pub mod supervisor; // what `duet supervise` does
pub mod tree; // what the kernel says about a supervisor's processes
