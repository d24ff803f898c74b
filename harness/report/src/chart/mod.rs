//! The charts, drawn by plotters into SVG text.
//!
//! [`speed`] and [`memory`] are pictures for a README, in the manner of the benchmarks game's "How
//! many times slower?": they carry their own background, follow light and dark, and need nothing
//! else; [`latency`] stands beside them. [`percentiles`] is one of a single load. [`rss_curve`] and
//! [`log_ratios`] are parts of the HTML report.

mod axis;
mod boxes;
pub(super) mod canvas;
mod compare;
mod latency;
pub(super) mod palette;
mod percentiles;
mod rows;
mod small;
mod trend;
pub(super) mod types;

pub use boxes::boxes;
pub use compare::{Width, comparison, memory, speed};
pub use latency::latency;
pub(super) use palette::dark_css;
pub use percentiles::{Curve, Quantile, percentiles};
pub use small::{log_ratios, rss_curve};
pub use trend::trend;
