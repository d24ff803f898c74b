//! Cells side by side, each a stack of strips over one axis of blocks.

use super::changes_axis::ChangesAxis;
use super::page::{HEADING, Page, WIDTH, change, heading, page, verdict};
use crate::chart::canvas::{Anchor, Canvas, Picture};
use crate::chart::palette::{BAND, GRID, MUTED};
use crate::chart::typography::{INSET, MARGIN, SMALL, STRONG};
use duet_analysis::comparison::{ComparedCell, ComparedMetric, Comparison};

/// Room between two columns.
const BETWEEN: i32 = 24;
/// Height of a strip: its words and its plot.
pub(super) const STRIP: i32 = 128;
/// Height of a strip's words.
const WORDS: i32 = 34;
/// Height of a strip's plot.
const PLOT: i32 = 84;
/// Room for the labels of the upright axis.
const LABELS: i32 = 56;
/// Room for words at lines that run through a plot.
pub(super) const ASIDE: i32 = 52;
/// Pixels between grid lines.
const GAP: i32 = 14;

/// A kind of chart of strips.
pub(super) struct Strips<'a> {
    pub(super) title: &'a str,
    pub(super) said: Vec<String>,
    /// Height of what stands beneath a cell's strips.
    pub(super) beneath: i32,
    /// Whether a metric is drawn.
    pub(super) shown: fn(&ComparedMetric) -> bool,
    /// Changes that a metric's axis must hold.
    pub(super) extent: fn(&ComparedMetric) -> Vec<f64>,
}

/// Where a strip's plot is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Area {
    pub(super) left: i32,
    pub(super) right: i32,
    pub(super) top: i32,
    pub(super) bottom: i32,
}

impl Area {
    /// The pixel of the `i`th of `n` places side by side.
    pub(super) fn x(&self, i: usize, n: usize) -> i32 {
        let share = (i as f64 + 0.5) / n.max(1) as f64;
        self.left + (share * f64::from(self.right - self.left)).round() as i32
    }

    /// The pixels between which the `i`th of `n` places lies.
    pub(super) fn slot(&self, i: usize, n: usize) -> (i32, i32) {
        let edge = |i: usize| self.left + (self.right - self.left) * i as i32 / n.max(1) as i32;
        (edge(i), edge(i + 1))
    }
}

/// Paints the strips of all cells' principal metrics; absent where there are none. `strip` paints
/// one metric, `beneath` what stands below all of a cell's.
pub(super) fn strips(
    comparison: &Comparison,
    kind: &Strips<'_>,
    strip: impl Fn(&mut Canvas<'_>, &ComparedMetric, (&ChangesAxis, Area)),
    beneath: impl Fn(&mut Canvas<'_>, &ComparedCell, Area),
) -> Option<Picture> {
    let shown = |cell: &ComparedCell| cell.principal().iter().any(kind.shown);
    let cells: Vec<&ComparedCell> = comparison.cells.iter().filter(|cell| shown(cell)).collect();
    if cells.is_empty() {
        return None;
    }
    let columns = if cells.len() == 1 { 1 } else { 2 };
    let width = (WIDTH - 2 * MARGIN - BETWEEN * (columns - 1)) / columns;
    let height = |cell: &ComparedCell| {
        let strips = cell.principal().iter().filter(|m| (kind.shown)(m)).count() as i32;
        HEADING + STRIP * strips + kind.beneath
    };
    let rows: Vec<&[&ComparedCell]> = cells.chunks(columns as usize).collect();
    let tall = |row: &[&ComparedCell]| row.iter().map(|c| height(c)).max().unwrap_or(0) + 12;
    let sentence = |cell: &&ComparedCell| {
        let of = |m: &ComparedMetric| format!("{} {}.", m.metric.label(), change(m));
        let metrics: Vec<String> = cell.principal().iter().map(of).collect();
        format!("{}: {}", cell.id, metrics.join(" "))
    };
    let about = Page {
        title: kind.title,
        said: &kind.said,
        description: cells.iter().map(sentence).collect::<Vec<_>>().join(" "),
        body: rows.iter().map(|row| tall(row)).sum(),
    };
    Some(page(comparison, &about, |canvas, top| {
        let mut y = top;
        for row in &rows {
            for (column, cell) in (0..).zip(*row) {
                let left = MARGIN + (width + BETWEEN) * column;
                paint(canvas, kind, cell, (left, left + width, y), (&strip, &beneath));
            }
            y += tall(row);
        }
    }))
}

/// A cell's strips from `top` on.
fn paint(
    canvas: &mut Canvas<'_>,
    kind: &Strips<'_>,
    cell: &ComparedCell,
    (left, right, top): (i32, i32, i32),
    (strip, beneath): (
        &impl Fn(&mut Canvas<'_>, &ComparedMetric, (&ChangesAxis, Area)),
        &impl Fn(&mut Canvas<'_>, &ComparedCell, Area),
    ),
) {
    heading(canvas, (left, right), top, (&cell.id.to_string(), &cell.load));
    let (start, end) = (left + LABELS, right - ASIDE);
    let mut y = top + HEADING;
    for metric in cell.principal().iter().filter(|m| (kind.shown)(m)) {
        let room = right - left - 2 * INSET;
        let name = metric.metric.label();
        let wide = canvas.text((left + INSET, y + 8), Anchor::Start, room, STRONG, name);
        let at = (right - INSET, y + 8);
        canvas.text(at, Anchor::End, room - wide - 12, SMALL, &verdict(metric));
        canvas.text((left + INSET, y + 23), Anchor::Start, room, SMALL, &change(metric));
        let area = Area { left: start, right: end, top: y + WORDS, bottom: y + WORDS + PLOT };
        let changes = (kind.extent)(metric).into_iter();
        let scale = ChangesAxis::holding(changes, (area.bottom, area.top));
        paint_axis(canvas, &scale, area);
        strip(canvas, metric, (&scale, area));
        y += STRIP;
    }
    beneath(canvas, cell, Area { left: start, right: end, top: y, bottom: y + kind.beneath });
}

fn paint_axis(canvas: &mut Canvas<'_>, scale: &ChangesAxis, area: Area) {
    for (label, y) in scale.grid(GAP) {
        canvas.line((area.left, y), (area.right, y), 1, GRID);
        canvas.text((area.left - 6, y), Anchor::End, LABELS - 8, SMALL, &label);
    }
    let zero = scale.at(0.0);
    canvas.line((area.left, zero), (area.right, zero), 1, MUTED);
}

/// A line across a plot with a word behind it.
pub(super) fn rule(
    canvas: &mut Canvas<'_>,
    area: Area,
    y: i32,
    word: &str,
    ink: crate::chart::palette::Ink,
) {
    canvas.line((area.left, y), (area.right, y), 2, ink);
    canvas.text((area.right + 5, y), Anchor::Start, ASIDE - 5, SMALL, word);
}

/// The numbers of blocks beneath a plot: the first, the last, and some between.
pub(super) fn numbers(canvas: &mut Canvas<'_>, area: Area, (first, last): (usize, usize), y: i32) {
    let n = last + 1 - first;
    let fitting = ((area.right - area.left) / 28).max(2) as usize;
    let step = [1, 2, 4, 5, 10, 20, 50, 100].into_iter().find(|step| n / step < fitting);
    let step = step.unwrap_or(n);
    for (i, number) in (first..=last).enumerate() {
        if number % step == 0 || (number == first && step > 2 && first % step < step - 1) {
            canvas.text((area.x(i, n), y), Anchor::Middle, 40, SMALL, &number.to_string());
        }
    }
}

/// The band between two changes, over all blocks.
pub(super) fn band(canvas: &mut Canvas<'_>, area: Area, (low, high): (i32, i32)) {
    canvas.rect((area.left, high), (area.right, low), BAND);
}
