//! Analysis in, text out: the terminal's tables, Markdown, HTML, charts, and other tools' formats.
//!
//! All of it is a pure function of [`Analysis`], of a
//! [`Comparison`](duet_analysis::comparison::Comparison) or of a
//! [`Trend`](duet_analysis::trend::Trend): nothing is measured, estimated or judged here, and
//! nothing is read or written. What there is to say becomes a `document` once and is rendered three
//! times, so that no two reports can disagree.

#![warn(clippy::exit, clippy::print_stderr, clippy::print_stdout)]

use duet_analysis::Analysis;

pub mod builds;
pub mod chart;
pub mod claims;
pub mod comparison;
mod details;
mod document;
pub mod export;
pub mod github;
mod headline;
mod load_kinds;
mod machines;
mod money;
mod parts;
pub mod pool;
mod printable;
mod program_table;
mod published;
mod ranking;
mod render;
mod run;
mod run_metadata;
mod several;
mod trend;
mod warnings;
mod wording;
mod wrap;

pub use printable::{for_terminal, printable, printable_lines};
pub use render::text::Style;
pub use trend::trend;
pub use wrap::hanging;

use render::markdown::Place;

/// A run for the terminal, the answer last: that is where a terminal stands when it is written.
#[must_use]
pub fn text(analysis: &Analysis, style: Style) -> String {
    render::text::text_answer_last(&run::document(analysis), style)
}

/// A run as Markdown, for `report.md` in its folder, where its charts lie.
#[must_use]
pub fn markdown(analysis: &Analysis) -> String {
    render::markdown::markdown(&run::document(analysis), Place::Folder)
}

/// The same without charts and links to sources, for a place where those are not at hand.
#[must_use]
pub fn markdown_alone(analysis: &Analysis) -> String {
    render::markdown::markdown(&run::document(analysis), Place::Anywhere)
}

/// A run as a page, for `report.html`: one file that needs no other.
#[must_use]
pub fn html(analysis: &Analysis) -> String {
    render::html::html(&run::document(analysis))
}

/// The charts of a run that have something to show, as SVG, with the names of their files.
#[must_use]
pub fn charts(analysis: &Analysis) -> Vec<(&'static str, String)> {
    let pictures = run::pictures(analysis, chart::Width::Wide);
    let all = pictures.into_iter().chain(run::boxes(analysis));
    all.map(|(name, picture)| (name, picture.file())).collect()
}
