//! A run in the formats that other tools read. Each file knows one format and its limits.
//!
//! All of them show the same values: a value per metric, cell and arm, with its 95 % interval, and
//! where the format has room the ratio, which is how many times worse the second arm is.

mod bmf;
mod csv;
mod gha_bench;
mod gobench;
pub(crate) mod junit;
mod openmetrics;
mod rows;
mod verdicts;

pub use bmf::bmf;
pub use csv::csv;
pub use gha_bench::gha_bench;
pub use gobench::gobench;
pub use openmetrics::openmetrics;
pub use verdicts::verdicts;
