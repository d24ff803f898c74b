//! Pictures of panels of one size, two side by side or one below the other.

use super::canvas::{self, Anchor, Canvas, Picture};
use super::typography::{LINE, MARGIN, SMALL, TITLE};
use super::width::Width;
use crate::wording;
use duet_analysis::Analysis;

/// Width of a panel, and the space between two.
const WIDE: i32 = 404;
const NARROW: i32 = 332;
const GAP: i32 = 24;

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
