//! The plain data that the stages hand to each other: definitions as types ([`spec`]), the record
//! of a session ([`record`]), the plan of its blocks ([`plan`]) and that of several sessions
//! ([`campaign`]).
//!
//! Nothing here measures or judges. A record holds the definitions it was measured by, so that it
//! can be read without the folder they came from.

#![warn(clippy::exit, clippy::print_stderr, clippy::print_stdout)]

pub mod campaign;
pub mod plan;
pub mod record;
pub mod spec;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
