//! Processes as a measuring instrument sees them: CPU clocks, memory and stolen time from `/proc`,
//! children that are pinned to CPUs and never outlive their parent, and Ctrl-C as a value.
//!
//! Linux only. The one `unsafe` block of the harness is here, in [`child`]: what a child does
//! between fork and exec.

#![warn(clippy::exit, clippy::print_stderr, clippy::print_stdout)]

pub mod child;
pub mod interrupt;
pub mod proc;
