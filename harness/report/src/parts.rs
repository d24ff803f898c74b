//! The parts that reports share: tables of metrics, groups of cells, figures.

use super::chart::Picture;
use super::document::{Block, Column, Emphasis, Figure, Group, Item, Marker, Row, Span};
use super::wording::{self, TableRow};
use duet_analysis::{Arm, CellAnalysis, MatchupAnalysis};

/// A list under a heading; nothing where it is empty.
pub(super) fn list(heading: &str, marker: Marker, items: Vec<Item>) -> Vec<Block> {
    match items.is_empty() {
        true => vec![],
        false => vec![Block::heading(heading), Block::List(marker, items)],
    }
}

/// A picture as a part of a document.
pub(super) fn figure_of(
    file: Option<&'static str>,
    picture: &Picture,
    narrow: Option<&Picture>,
    caption: &str,
) -> Figure {
    Figure {
        file,
        alt: picture.title.clone(),
        caption: caption.to_owned(),
        svg: picture.inline(),
        narrow: narrow.map(Picture::inline),
    }
}

/// What a matchup's table is of: `a against b`.
pub(super) fn names(matchup: &MatchupAnalysis) -> String {
    let names: Vec<&str> = matchup.arms.iter().map(|arm| arm.label.as_str()).collect();
    names.join(" against ")
}

/// A longer label than this makes columns too wide; the arms are then called A and B.
pub(super) const LABEL: usize = 16;

/// The arms as tables call them, and what that stands for where it is a letter.
pub(super) fn short(arms: &[Arm], too_long: bool) -> (Vec<Arm>, String) {
    if !too_long {
        return (arms.to_vec(), String::new());
    }
    let letter = |(letter, arm): (char, &Arm)| Arm { label: letter.to_string(), ..arm.clone() };
    let letters: Vec<Arm> = ('A'..='Z').zip(arms).map(letter).collect();
    let meaning = |(letter, arm): (&Arm, &Arm)| format!("{} = {}", letter.label, arm.label);
    let meanings: Vec<String> = letters.iter().zip(arms).map(meaning).collect();
    (letters, meanings.join(" · "))
}

/// The columns of a table of metrics.
pub(super) fn columns(arms: &[Arm], metric: &str) -> Vec<Column> {
    let values = arms.iter().map(|arm| Column::numbers(&arm.label));
    let ends = [Column::words("ratio [95 %]"), Column::words("verdict")];
    std::iter::once(Column::words(metric)).chain(values).chain(ends).collect()
}

/// A metric's row in a table with so many arms.
fn table_row(row: &TableRow, arms: usize) -> Row {
    let value = |arm: usize| {
        let best = if row.best == Some(arm) { Emphasis::Good } else { Emphasis::Plain };
        Span::new(row.values.get(arm).cloned().unwrap_or_default(), best)
    };
    let verdict = Span::new(&row.verdict, row.conclusion.emphasis());
    let ends = [row.ratio.as_str().into(), verdict];
    let cells = std::iter::once(row.metric.into()).chain((0..arms).map(value)).chain(ends);
    Row { cells: cells.collect(), notes: row.another_hour.iter().cloned().collect() }
}

/// Metrics that belong together.
pub(super) fn group(name: &str, about: &str, rows: &[TableRow], arms: usize) -> Group {
    let reasons = wording::reasons(rows).into_iter();
    Group {
        name: name.to_owned(),
        about: about.to_owned(),
        rows: rows.iter().map(|row| table_row(row, arms)).collect(),
        notes: reasons.map(|why| vec![Span::new(why, Emphasis::Quiet)]).collect(),
        ..Group::default()
    }
}

/// What stands behind a cell's name.
pub(super) fn about(cell: &CellAnalysis) -> String {
    let about = wording::about(cell);
    if cell.warnings.is_empty() { about } else { format!("{about} · with a warning") }
}
