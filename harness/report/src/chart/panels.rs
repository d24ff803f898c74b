//! Pictures of panels of one size, two side by side or one below the other.

use super::canvas::{self, Anchor, Canvas, Picture};
use super::palette::{self, Mark};
use super::typography::{GROUP, LABEL, LINE, MARGIN, SMALL, TITLE};
use super::width::Width;
use crate::wording;
use duet_analysis::{Analysis, CellAnalysis, MatchupAnalysis};

/// Width of a panel, and the space between two.
const WIDE: i32 = 404;
const NARROW: i32 = 332;
const GAP: i32 = 24;
/// Radius of an arm's mark in the heading.
const MARK: i32 = 5;

/// Cells of a matchup that differ in one thing, a point for each.
pub(super) struct Panel<'a, P> {
    pub(super) title: String,
    /// How each arm is drawn, and its label.
    pub(super) arms: Vec<(Mark, &'a str)>,
    pub(super) points: Vec<P>,
}

/// The panels of all matchups that have two points or more. `point` is the title of a cell's panel
/// and its point; absent where it has none.
pub(super) fn panels<'a, P>(
    analysis: &'a Analysis,
    point: impl Fn(&'a MatchupAnalysis, &'a CellAnalysis) -> Option<(String, P)>,
) -> Vec<Panel<'a, P>> {
    let mut panels: Vec<Panel<'a, P>> = vec![];
    for matchup in wording::controls_last(analysis) {
        let languages: Vec<&str> = matchup.arms.iter().map(|a| a.language.as_str()).collect();
        let marks = palette::marks(analysis, &languages);
        let arms = || marks.iter().copied().zip(matchup.arms.iter().map(|a| a.label.as_str()));
        for (title, point) in matchup.cells.iter().filter_map(|cell| point(matchup, cell)) {
            match panels.iter_mut().find(|panel| panel.title == title) {
                Some(panel) => panel.points.push(point),
                None => panels.push(Panel { title, arms: arms().collect(), points: vec![point] }),
            }
        }
    }
    panels.retain(|panel| panel.points.len() > 1);
    panels
}

impl<P> Panel<'_, P> {
    /// Draws the title, and below it the arms' marks and labels.
    pub(super) fn heading(&self, canvas: &mut Canvas<'_>, (left, top): (i32, i32), width: i32) {
        canvas.text((left, top + 8), Anchor::Start, width, GROUP, &self.title);
        let mut x = left + MARK;
        for (mark, label) in &self.arms {
            canvas.mark((x, top + 30), MARK, *mark, false);
            let room = width / self.arms.len() as i32 - 36;
            x += 12 + canvas.text((x + 12, top + 30), Anchor::Start, room, LABEL, label) + 24;
        }
    }
}

/// What stands around the panels.
pub(super) struct Frame<'a> {
    pub(super) title: &'a str,
    /// What the marks mean.
    pub(super) legend: String,
    /// Each panel for those who cannot see it.
    pub(super) sentences: Vec<String>,
    /// Height of a panel.
    pub(super) height: i32,
}

/// The picture. `paint` draws a panel, given its index, its upper left corner and its width.
pub(super) fn picture(
    analysis: &Analysis,
    width: Width,
    frame: Frame<'_>,
    mut paint: impl FnMut(&mut Canvas<'_>, usize, (i32, i32), i32),
) -> Picture {
    let (columns, panel) = match width {
        Width::Wide => (2, WIDE),
        Width::Narrow => (1, NARROW),
    };
    let size = 2 * MARGIN + columns * panel + (columns - 1) * GAP;
    let room = size - 2 * MARGIN;
    let wrap = |said: &[String]| -> Vec<String> {
        said.iter().flat_map(|said| canvas::wrap(said, room, SMALL)).collect()
    };
    let Frame { title, legend, sentences, height } = frame;
    let mut said = vec![legend, wording::place(&analysis.run)];
    said.extend(wording::caveats(&analysis.run));
    let (head, foot) = (wrap(&said), wrap(&[wording::maker(&analysis.run)]));
    let top = 58 + LINE * head.len() as i32 + 8;
    let rows = (sentences.len() as i32 + columns - 1) / columns;
    let bottom = top + rows * (height + GAP);
    let panels = sentences.len();
    let spoken: Vec<String> = head.iter().cloned().chain(sentences).collect();
    let whole = (size, bottom + LINE * foot.len() as i32 + MARGIN / 2);
    canvas::picture(whole, title, &spoken.join(" "), |canvas| {
        canvas.text((MARGIN, 32), Anchor::Start, room, TITLE, title);
        for (line, text) in (0..).zip(&head) {
            canvas.text((MARGIN, 58 + LINE * line), Anchor::Start, room, SMALL, text);
        }
        for index in 0..panels {
            let (column, row) = (index as i32 % columns, index as i32 / columns);
            let corner = (MARGIN + column * (panel + GAP), top + row * (height + GAP));
            paint(canvas, index, corner, panel);
        }
        for (line, text) in (0..).zip(&foot) {
            canvas.text((MARGIN, bottom + LINE * line), Anchor::Start, room, SMALL, text);
        }
    })
}
