//! What touches the machine and returns plain data: builds, servers, verification, blocks of
//! servers and of programs, versions, and the machine itself.
//!
//! Each function does one thing and returns records of `duet-model`; nothing here prints, judges or
//! decides what is measured.

#![warn(clippy::exit, clippy::print_stderr, clippy::print_stdout)]

pub mod awake; // whether this process was kept from running
pub mod block; // one block, from starting the servers to stopping them
pub mod build; // builds servers, times clean builds
pub mod builds; // times clean builds, and builds after an edit
pub mod ceiling; // what the load generator reaches at most here
pub mod certificate; // what servers speak TLS with, and what is trusted
mod client; // one request over any transport
mod command; // runs a command to its end
mod connection; // requests over a bare socket
mod copy; // a copy of a project's sources
mod dependencies; // what a server is built from beside its own sources
mod elf; // what of an executable is for debuggers only
pub mod elsewhere; // whether what a version runs is installed on this machine
mod error; // why something did not come to its end
mod events; // when events may come
pub mod gauges; // the state of the machine around a block
pub mod generator; // starts the load generator, hands it a job, reads its events
mod git; // the git command
pub mod host; // what machine this is, which CPUs to use, what is wrong with it
pub mod launcher; // starts one program and says what the kernel counted
mod loopback; // whether connections can be had at all
pub mod output; // what a program printed, and whether it is right
pub mod probe; // the first right response of a fresh server
pub mod program; // one run of a program
pub mod programs; // checks programs, makes their inputs, measures blocks of them
pub mod relink; // the same sources in another layout
pub mod requests; // cases -> bytes on the wire
pub mod server; // starts and stops servers
pub mod services; // starts, fills, counts and stops what servers need
mod socket; // how long the names of Unix sockets may be
pub mod source; // what a source says of its program: size, features
mod temporary; // folders that no end of this process leaves behind for long
mod toolchain; // has the compiler at hand that a table names
pub mod upstream; // the server that servers call
pub mod verify; // compares responses, with a full client
pub mod versions; // where the arms of a comparison come from

pub use error::MeasureError;
