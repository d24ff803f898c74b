//! Windows, for `duet run`: one arm at a time is driven for some milliseconds, over connections
//! that are kept from window to window.
//!
//! [`session`] decides which window is next, [`search`] the rates that are tried, [`workers`] has
//! the threads, and in each an [`arm_worker`] for every arm.

mod arm_worker;
mod health;
mod idle;
mod results;
mod search;
pub(crate) mod session;
mod warmup;
mod workers;
