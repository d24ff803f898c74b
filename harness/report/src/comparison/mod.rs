//! A comparison of versions: the answer first, then a table a cell, then what is doubtful.
//!
//! What the words are is decided in `wording`, once for reports, JUnit and annotations.

use crate::document::{Block, Column, Document, Emphasis, Group, Item, Marker, Row, Span, Table};
use crate::parts::{figure_of, list};
use crate::render::markdown::Place;
use crate::render::{self, text::Style};
use crate::{github, warnings};
use duet_analysis::comparison::{ComparedCell, ComparedMetric, Comparison, Outcome};

mod charts;
mod ci;
mod explanation;
mod stored;
mod wording;

pub use charts::charts;
pub use ci::{annotations, error_annotation, github_outputs, junit};
pub use explanation::explanation;
pub use stored::stored;

/// The terminal's report of a comparison.
#[must_use]
pub fn text(comparison: &Comparison, style: Style) -> String {
    render::text::text(&document(comparison), style)
}

/// `comparison.md`, with the charts that lie beside it.
#[must_use]
pub fn markdown(comparison: &Comparison) -> String {
    render::markdown::markdown(&document(comparison), Place::Folder)
}

/// `comparison.html`: one file that needs no other.
#[must_use]
pub fn html(comparison: &Comparison) -> String {
    render::html::html(&document(comparison))
}

/// The comparison without charts, cut to what a step's summary may hold beside the `used` bytes
/// that are in its file already.
#[must_use]
pub fn summary(comparison: &Comparison, used: u64) -> String {
    let all = render::markdown::markdown(&document(comparison), Place::Anywhere);
    let used = usize::try_from(used).unwrap_or(usize::MAX);
    github::step_summary(&all, github::STEP_SUMMARY_BYTES_MAX.saturating_sub(used)).into_owned()
}

fn document(comparison: &Comparison) -> Document {
    let gate = comparison.gate.as_ref();
    let emphasis = match comparison.outcome {
        Outcome::Pass => Emphasis::Good,
        Outcome::Compared => Emphasis::Strong,
        Outcome::Inconclusive => Emphasis::Open,
        Outcome::Failed | Outcome::BaseFailed | Outcome::Unmeasured | Outcome::Regressed => {
            Emphasis::Bad
        }
    };
    let answer = vec![
        Block::paragraph(wording::headline(comparison), emphasis),
        Block::facts(wording::about(comparison)),
    ];
    let mut body = vec![Block::heading("Changes"), Block::Table(table(comparison))];
    let budget = |budget| {
        let (emphasis, text) = wording::budget(budget);
        Item { text: Span::new(text, emphasis), ..Item::default() }
    };
    let budgets = comparison.budgets.iter().map(budget).collect();
    let warning = |warning: duet_analysis::Warning| Item {
        text: warning.message.into(),
        hint: warning.hint,
        ..Item::default()
    };
    let doubtful = wording::warnings(comparison).into_iter().map(warning).collect();
    body.extend(list("Budgets", Marker::Point, budgets));
    body.extend(list("Warnings", Marker::Warning, doubtful));
    body.extend(list("Failures", Marker::Failure, warnings::failures(&comparison.failures)));
    body.push(Block::heading("How to read this"));
    body.push(Block::paragraph(wording::SIGNS, Emphasis::Quiet));
    let pictures = charts::pictures(comparison).into_iter();
    body.extend(pictures.map(|(file, p)| Block::Figure(figure_of(Some(file), &p, None, ""))));
    Document {
        title: gate.map_or("Comparison".to_owned(), |gate| format!("Gate {gate}")),
        place: crate::wording::place(&comparison.run),
        answer,
        body,
        maker: crate::wording::maker(&comparison.run),
    }
}

/// A group a cell.
fn table(comparison: &Comparison) -> Table {
    let [first, numbers @ ..] = wording::HEADINGS;
    let numbers = numbers.into_iter().map(Column::numbers);
    let columns = std::iter::once(Column::words(first)).chain(numbers);
    Table {
        caption: String::new(),
        columns: columns.chain([Column::words("verdict")]).collect(),
        groups: comparison.cells.iter().map(group).collect(),
        apart: true,
    }
}

fn group(cell: &ComparedCell) -> Group {
    let notes = wording::notes(cell).into_iter();
    Group {
        name: cell.id.to_string(),
        about: wording::state(cell),
        rows: cell.metrics.iter().map(row).collect(),
        notes: notes.map(|note| vec![Span::new(note, Emphasis::Quiet)]).collect(),
        ..Group::default()
    }
}

fn row(metric: &ComparedMetric) -> Row {
    let row = wording::row(metric);
    let plain = [
        row.metric,
        row.base,
        row.head,
        row.change,
        row.interval,
        row.margin,
        row.floor,
        row.finds,
    ];
    let verdict = Span::new(row.verdict, row.emphasis);
    Row { cells: plain.into_iter().map(Span::from).chain([verdict]).collect(), notes: vec![] }
}
