//! Analysis in, text out: the terminal's tables, Markdown, HTML, charts, and other tools' formats.
//!
//! All of it is a pure function of [`Analysis`](duet_analysis::Analysis): nothing is measured,
//! estimated or judged here, and nothing is read or written. Which words a verdict gets is decided
//! once, in `words`, so that no two reports can disagree.

#![warn(clippy::exit, clippy::print_stderr, clippy::print_stdout)]

pub mod chart;
pub mod comparison;
mod details;
mod doubts;
pub mod export;
mod facts;
pub mod github;
mod headline;
mod html;
mod lines;
mod loops;
mod markdown;
mod pairs;
mod published;
mod text;
mod trend;
mod words;

pub use html::html;
pub use lines::hanging;
pub use markdown::{markdown, markdown_alone};
pub use text::{Style, text};
pub use trend::trend;
