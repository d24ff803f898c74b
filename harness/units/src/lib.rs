//! The vocabulary of numbers of a benchmark: which metrics there are, their units and directions,
//! limits of latency, and how durations, bytes, rates and ratios are written for people and read
//! from them.
//!
//! A [`Metric`] knows its unit, which direction is better, which kinds of measurement have it, and
//! how to write a value of it. A [`Limit`] is a quantile and how long it may be, `p99=5ms`. The
//! functions write numbers with as many digits as matter: `4.56 ms`, `1.88× [1.83, 1.93]`. Pure,
//! and no state: every function takes a number and returns text, or the reverse.

#![warn(clippy::exit, clippy::print_stderr, clippy::print_stdout)]

mod duration;
mod format;
mod limit;
mod memory_range;
mod metric;

pub use duration::{duration_ns, parse_count, parse_duration};
pub use format::{
    bytes, count, minutes, nanoseconds, percent, rate, ratio, ratio_interval, ratio_number,
    thousands, whole_nanoseconds,
};
pub use limit::Limit;
pub use memory_range::MemoryRange;
pub use metric::{Better, CellKind, Loop, Metric, Unit};
