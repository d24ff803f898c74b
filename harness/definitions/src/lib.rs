//! Reads a folder of definitions (`servers.toml`, `services.toml`, `workloads.toml`,
//! `programs.toml`, `suites.toml`, `published.toml`, `claims.toml`) and reports every mistake in
//! it at once, each with file, line and hint.
//!
//! Loading runs nothing: no command, no network. [`load`] is the way in.

#![warn(clippy::exit, clippy::print_stderr, clippy::print_stdout)]

mod budgets;
mod check;
mod claims;
mod errors;
mod fields;
mod file;
mod files;
mod gates;
mod load;
mod mix;
mod nearest;
mod programs;
mod request;
mod servers;
mod services;
mod shared_keys;
mod source;
mod suites;
mod waivers;
mod workloads;

#[cfg(test)]
mod tests;

pub use errors::{DefinitionError, DefinitionErrors};
pub use load::load;
pub use mix::{Header, MixCase, is_method, read_mix};
pub use nearest::suggestion;
