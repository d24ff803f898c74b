//! Runs made of numbers, for tests of whatever reads a run.

mod programs;
mod servers;

pub use programs::{add_programs, programs, set};
pub use servers::{Scene, Speed, encode, open, run, searched, third};
