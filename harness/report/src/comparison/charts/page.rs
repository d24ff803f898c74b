//! What stands around a chart of a comparison, and the words and marks that its charts share.

use crate::chart::canvas::{self, Anchor, Canvas, Picture};
use crate::chart::palette::{self, Mark, RULE};
use crate::chart::typography::{GROUP, INSET, LINE, MARGIN, SMALL, TITLE};
use crate::comparison::wording;
use duet_analysis::comparison::{ComparedMetric, Comparison, GateVerdict};
use duet_analysis::verdict::Verdict;

pub(super) const WIDTH: i32 = 880;
/// Height of a cell's heading.
pub(super) const HEADING: i32 = 34;

/// What stands around a chart.
pub(super) struct Page<'a> {
    pub(super) title: &'a str,
    /// What the picture shows, and how to read it.
    pub(super) said: &'a [String],
    /// What it says, for those who cannot see it.
    pub(super) description: String,
    /// Height of the body.
    pub(super) body: i32,
}

/// Paints a chart: title, small print, the body from the height that `paint` is told, and what made
/// it.
pub(super) fn page(
    comparison: &Comparison,
    page: &Page<'_>,
    paint: impl FnOnce(&mut Canvas<'_>, i32),
) -> Picture {
    let room = WIDTH - 2 * MARGIN;
    let wrapped = |text: &String| canvas::wrap(&text.replace(" %", "\u{a0}%"), room, SMALL);
    let versions = format!("{} → {}", comparison.base, comparison.head);
    let lines: Vec<String> =
        std::iter::once(&versions).chain(page.said).flat_map(wrapped).collect();
    let foot = [crate::wording::place(&comparison.run), crate::wording::maker(&comparison.run)];
    let foot: Vec<String> = foot.iter().flat_map(wrapped).collect();
    let top = 58 + LINE * lines.len() as i32;
    let height = top + page.body + 22 + LINE * foot.len() as i32;
    canvas::picture((WIDTH, height), page.title, &page.description, |canvas| {
        canvas.text((MARGIN, 32), Anchor::Start, room, TITLE, page.title);
        for (line, text) in (0..).zip(&lines) {
            canvas.text((MARGIN, 58 + LINE * line), Anchor::Start, room, SMALL, text);
        }
        paint(canvas, top);
        for (line, text) in (0..).zip(&foot) {
            let y = top + page.body + 18 + LINE * line;
            canvas.text((MARGIN, y), Anchor::Start, room, SMALL, text);
        }
    })
}

/// The box of a cell's heading, from `left` to `right`: its name, and what became of it.
pub(super) fn heading(
    canvas: &mut Canvas<'_>,
    (left, right): (i32, i32),
    top: i32,
    (name, state): (&str, &str),
) {
    canvas.rect((left, top), (right, top + HEADING - 6), RULE);
    let (start, end) = (left + INSET, right - INSET);
    let wide = canvas.text((start, top + 14), Anchor::Start, end - start, GROUP, name);
    let room = (end - start - wide - 16).max(0);
    canvas.text((start + wide + 16, top + 14), Anchor::Start, room, SMALL, state);
}

/// How a metric's estimate is drawn, and whether hollow.
pub(super) fn mark(metric: &ComparedMetric) -> (Mark, bool) {
    match metric.gated.as_ref().map(|gated| gated.judgement.verdict) {
        Some(GateVerdict::Pass) => (palette::GOOD, false),
        Some(GateVerdict::Regressed) => (palette::BAD, false),
        Some(GateVerdict::Inconclusive) => (palette::OPEN, true),
        None => {
            let decided = matches!(metric.verdict, Verdict::Faster | Verdict::Slower);
            (palette::PLAIN, !decided)
        }
    }
}

/// A verdict in few words.
pub(super) fn verdict(metric: &ComparedMetric) -> String {
    let waived = metric.gated.as_ref().is_some_and(|gated| gated.waiver.is_some());
    let more = match metric.q {
        Some(_) => ", not gated",
        None if waived => ", waived",
        None => "",
    };
    wording::row(metric).verdict + more
}

/// A change with its interval: `+5.2 % (+4.8 % to +5.7 %)`.
pub(super) fn change(metric: &ComparedMetric) -> String {
    let row = wording::row(metric);
    match row.interval.is_empty() {
        true => row.change,
        false => format!("{} ({})", row.change, row.interval),
    }
}
