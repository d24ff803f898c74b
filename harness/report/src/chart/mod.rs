//! The charts, drawn by plotters into SVG text.
//!
//! [`speed`] and [`memory`] are pictures for a README, in the manner of the benchmarks game's "How
//! many times slower?"; [`latency`], [`scaling`], [`long`] and [`boxes`] stand beside them.
//! [`percentiles`] is one of a single load, [`trend`] of many runs.

mod axis;
mod boxes;
pub(crate) mod canvas;
mod compare;
mod latency;
mod long;
pub(crate) mod palette;
mod panels;
mod percentiles;
mod pool;
mod rows;
pub(crate) mod scale;
mod scaling;
mod sparklines;
mod svg;
mod trend;
pub(crate) mod typography;
mod width;

pub use boxes::boxes;
pub use canvas::Picture;
pub(crate) use canvas::css;
pub use compare::{comparison, memory, speed};
pub use latency::latency;
pub use long::long;
pub use percentiles::{Curve, Quantile, percentiles};
pub(crate) use pool::pool_forest;
pub use scaling::scaling;
pub(crate) use sparklines::{log_ratios, rss_curve};
pub use trend::trend;
pub use width::Width;
