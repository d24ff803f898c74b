//! Analysis in, text out: the terminal's tables, Markdown, HTML and charts.
//!
//! All of it is a pure function of [`Analysis`](crate::analysis::Analysis): nothing is measured,
//! estimated or judged here, and nothing is read or written. Which words a verdict gets is decided
//! once, in `words`, so that no two reports can disagree.

pub mod chart;
mod details;
mod doubts;
mod facts;
mod headline;
mod html;
mod markdown;
mod pairs;
mod published;
mod text;
mod words;

pub use html::html;
pub use markdown::markdown;
pub use text::{Style, text};
