//! Stored runs compared, as a table for the terminal.

use super::wording::signed;
use crate::document::{Block, Column, Emphasis, Row, Table};
use crate::render::text::{Style, blocks};
use duet_analysis::comparison::stored::{Stored, StoredChange};

/// How to read the table.
const LEGEND: &str = "+ is worse for the head. Beside: the change beside an arm that is the same \
    executable in both runs, which takes out what the machine did to both.";

/// The table.
#[must_use]
pub fn stored(stored: &Stored, base: &str, head: &str) -> String {
    let columns = ["cell", "server", ""].map(Column::words).into_iter();
    let columns = columns.chain(["base", "head", "change"].map(Column::numbers));
    let columns = columns.chain([Column::words("beside")]).collect();
    let title = format!("{head} against {base}, not measured side by side");
    let rows = stored.changes.iter().map(row).collect();
    let table = Table::plain("", columns, rows);
    let legend = Block::paragraph(LEGEND, Emphasis::Plain);
    blocks(&[Block::heading(title), Block::Table(table), legend], Style::Plain)
}

fn row(change: &StoredChange) -> Row {
    let beside = change.beside.as_ref().map_or_else(String::new, |beside| {
        let verdict = match (beside.differs, beside.bound) {
            (Some(true), Some(bound)) => format!(", beyond the usual {}", signed(bound.exp_m1())),
            (Some(false), Some(bound)) => format!(", within the usual {}", signed(bound.exp_m1())),
            _ => String::new(),
        };
        format!("{} beside {}{verdict}", signed(beside.change.exp_m1()), beside.server)
    });
    Row::plain([
        change.cell.to_string(),
        change.server.clone(),
        change.metric.label().to_owned(),
        change.metric.format(change.base),
        change.metric.format(change.head),
        signed(change.change.exp_m1()),
        beside,
    ])
}
