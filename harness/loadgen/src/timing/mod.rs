//! When requests are due, and waiting until then.

pub mod arrivals;
pub(crate) mod coalescing;
pub(crate) mod schedule;
pub(crate) mod timer;
