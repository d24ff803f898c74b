//! The load generator: a process of its own, pinned, with a job on standard input.

pub mod job;
