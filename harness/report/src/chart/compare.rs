//! "How many times slower?": a row per cell, the better arm at one, the other at its ratio, with
//! the interval as a whisker.

use super::axis::{self, Axis};
use super::canvas::{self, Anchor, Canvas, Picture};
use super::palette::{BAND, GRID, Ink, Mark, PAPER, RULE};
use super::rows::{self, Found, Group, Line, Row};
use super::typography::{GROUP, INSET, LABEL, LINE, MARGIN, SMALL, STRONG, TITLE};
use super::width::Width;
use crate::ranking;
use crate::wording::{self, Conclusion, OrientedRatio};
use duet_analysis::Analysis;
use duet_analysis::verdict::TIE_BAND;
use duet_units::Metric;

/// The chart of speed: elapsed time of programs, requests per second of servers.
#[must_use]
pub fn speed(analysis: &Analysis) -> Picture {
    comparison(analysis, Metric::RequestsPerSecond, Width::Wide)
}

/// The chart of memory: the peak of resident memory.
#[must_use]
pub fn memory(analysis: &Analysis) -> Picture {
    comparison(analysis, Metric::RssBytesPeak, Width::Wide)
}

/// The chart of any metric.
#[must_use]
pub fn comparison(analysis: &Analysis, metric: Metric, width: Width) -> Picture {
    let groups: Vec<Group<'_>> = ranking::shown(analysis)
        .iter()
        .map(|shown| rows::group_of(analysis, shown, metric))
        .filter(|group| !group.rows.is_empty())
        .collect();
    let frame = frame(width, &groups);
    let head = head(analysis, metric, &groups, &frame);
    let foot = canvas::wrap(&wording::maker(&analysis.run), frame.size - 2 * MARGIN, SMALL);
    let body: i32 = groups.iter().map(|g| g.height(&frame)).sum();
    let height = head.height + body + AXIS + 14 + LINE * foot.len() as i32 + MARGIN / 2;
    let description = rows::description(&groups, &head.lines);
    canvas::picture((frame.size, height), head.title, &description, |canvas| {
        head.paint(canvas);
        let axis = Axis::holding(groups.iter().flat_map(Group::extent), frame.plot);
        paint_labels(canvas, &axis, (head.height, head.height + body));
        let mut y = head.height;
        for group in &groups {
            group.paint(canvas, &frame, &axis, y);
            y += group.height(&frame);
        }
        for (line, text) in (0..).zip(&foot) {
            let at = (MARGIN, y + AXIS + 14 + LINE * line);
            canvas.text(at, Anchor::Start, frame.size - 2 * MARGIN, SMALL, text);
        }
    })
}

/// Height of the axis' labels.
const AXIS: i32 = 22;
/// Radius of a mark.
const MARK: i32 = 4;
/// Height of a line of remarks.
const ASIDE: i32 = 14;
/// Half of the height of a whisker's ends.
const WHISKER: i32 = 7;
/// Height of a heading of one line.
const HEADING: i32 = 34;
/// The air above the first line of a row of several arms.
const LINES_AIR: i32 = 12;
/// Room between mark and words.
const AIR: i32 = 10;

/// Where things stand within a row, and how wide the picture is.
struct Frame {
    size: i32,
    /// Height of a group's heading; where its legend starts if not behind its title.
    heading: i32,
    legend: Option<i32>,
    row: i32,
    /// Where the lines of a row of several arms begin, their height, and how far above its mark
    /// each has its words.
    lines: i32,
    pitch: i32,
    above: i32,
    /// Where grid lines run within a row.
    grid: (i32, i32),
    /// Room for the label from the left margin on.
    label: i32,
    /// The plot's left and right end.
    plot: (i32, i32),
    /// Room for the numbers up to the right margin.
    numbers: i32,
    /// Offsets within a row: names and numbers, small print, marks.
    label_y: i32,
    small_y: i32,
    mark_y: i32,
}

fn frame(width: Width, groups: &[Group<'_>]) -> Frame {
    let rows = || groups.iter().flat_map(|g| &g.rows);
    let widest = |of: &dyn Fn(&Row) -> i32| rows().map(of).max().unwrap_or(0);
    let label = widest(&|r| canvas::width(&r.label, STRONG).max(canvas::width(&r.detail, SMALL)));
    let numbers = widest(&|r| {
        let lines = match &r.found {
            Found::Several(lines) => &lines[..],
            _ => &[],
        };
        let lines = lines.iter().map(|line| canvas::width(&line.text, STRONG)).max();
        let pair = canvas::width(&r.ratio, STRONG).max(canvas::width(&r.values, SMALL));
        pair.max(lines.unwrap_or(0))
    });
    match width {
        Width::Wide => {
            let (label, numbers) = (label.clamp(110, 290), numbers.clamp(150, 270));
            let size = 880;
            let plot = (MARGIN + INSET + label + 16, size - MARGIN - INSET - numbers - 20);
            Frame {
                size,
                heading: HEADING,
                legend: None,
                row: 38,
                lines: 0,
                pitch: 18,
                above: 0,
                grid: (0, 38),
                label,
                plot,
                numbers,
                label_y: 12,
                small_y: 27,
                mark_y: 19,
            }
        }
        Width::Narrow => {
            let size = 380;
            let plot = (MARGIN + INSET, size - MARGIN - INSET);
            let label = size - 2 * (MARGIN + INSET) - numbers.clamp(120, 170) - 8;
            let numbers = numbers.clamp(120, size - 2 * (MARGIN + INSET));
            Frame {
                size,
                heading: 56,
                legend: Some(MARGIN + INSET),
                row: 64,
                lines: 38,
                pitch: 34,
                above: 15,
                grid: (38, 62),
                label,
                plot,
                numbers,
                label_y: 13,
                small_y: 29,
                mark_y: 50,
            }
        }
    }
}

/// What stands above the plot.
struct Head {
    title: &'static str,
    lines: Vec<String>,
    height: i32,
}

fn head(analysis: &Analysis, metric: Metric, groups: &[Group<'_>], frame: &Frame) -> Head {
    let rows = || groups.iter().flat_map(|g| &g.rows);
    let mut said =
        vec![rows::legend(rows::what(analysis, metric), rows()), wording::place(&analysis.run)];
    said.extend(wording::caveats(&analysis.run));
    if rows().any(|r| r.label.ends_with(" *")) {
        said.push("* measured with a warning; the report says which".to_owned());
    }
    let room = frame.size - 2 * MARGIN;
    let lines: Vec<String> = said.iter().flat_map(|s| canvas::wrap(s, room, SMALL)).collect();
    let height = 58 + LINE * lines.len() as i32 + AXIS;
    Head { title: rows::question(metric), lines, height }
}

impl Head {
    fn paint(&self, canvas: &mut Canvas<'_>) {
        canvas.text((MARGIN, 32), Anchor::Start, 850, TITLE, self.title);
        for (line, text) in (0..).zip(&self.lines) {
            canvas.text((MARGIN, 58 + LINE * line), Anchor::Start, 850, SMALL, text);
        }
    }
}

/// The axis' labels above and below the plot.
fn paint_labels(canvas: &mut Canvas<'_>, axis: &Axis, (top, bottom): (i32, i32)) {
    for (ratio, x) in axis.grid() {
        let label = axis::label(ratio);
        canvas.text((x, top - 12), Anchor::Middle, 80, SMALL, &label);
        canvas.text((x, bottom + 12), Anchor::Middle, 80, SMALL, &label);
    }
}

/// Grid lines and the band of ties from `top` to `bottom`.
fn paint_grid(canvas: &mut Canvas<'_>, axis: &Axis, (top, bottom): (i32, i32)) {
    canvas.rect((axis.at(1.0 / (1.0 + TIE_BAND)), top), (axis.at(1.0 + TIE_BAND), bottom), BAND);
    for (_, x) in axis.grid() {
        canvas.line((x, top), (x, bottom), 1, GRID);
    }
}

impl Group<'_> {
    fn height(&self, frame: &Frame) -> i32 {
        let rows: i32 = self.rows.iter().map(|row| row.height(frame)).sum();
        self.heading(frame) + rows + 8
    }

    /// Height of the heading: without a legend, none is below the title.
    fn heading(&self, frame: &Frame) -> i32 {
        if self.arms.is_empty() { frame.heading.min(HEADING) } else { frame.heading }
    }

    fn paint(&self, canvas: &mut Canvas<'_>, frame: &Frame, axis: &Axis, top: i32) {
        let (left, right) = (MARGIN + INSET, frame.size - MARGIN - INSET);
        let heading = self.heading(frame);
        canvas.rect((MARGIN, top), (frame.size - MARGIN, top + heading - 6), RULE);
        let mut y = top + 14;
        let title = canvas.text((left, y), Anchor::Start, right - left, GROUP, &self.title);
        let mut x = left + title + 24;
        if let Some(start) = frame.legend {
            (x, y) = (start + MARK, y + 22);
        }
        for (i, (mark, label)) in (0..).zip(&self.arms) {
            let arms = self.arms.len() as i32 - i;
            let room = ((right - x) / arms - AIR - 12).max(0);
            canvas.mark((x, y), MARK + 1, *mark, false);
            x += AIR + canvas.text((x + AIR, y), Anchor::Start, room, LABEL, label) + 22;
        }
        let marks: Vec<Mark> = self.arms.iter().map(|(mark, _)| *mark).collect();
        let mut at = top + heading;
        for (i, row) in self.rows.iter().enumerate() {
            let height = row.height(frame);
            if i > 0 {
                let ink = if row.mean { GRID } else { RULE };
                canvas.line((MARGIN, at), (frame.size - MARGIN, at), 1, ink);
            }
            paint_grid(canvas, axis, (at + frame.grid.0, at + height + frame.grid.1 - frame.row));
            row.paint(canvas, frame, axis, &marks, at);
            at += height;
        }
    }
}

impl Row {
    fn height(&self, frame: &Frame) -> i32 {
        match &self.found {
            Found::Several(lines) => {
                frame.row.max(frame.lines + frame.pitch * lines.len() as i32 + LINES_AIR)
            }
            Found::Ratio(..) | Found::Words(_) => frame.row,
        }
    }

    fn paint(&self, canvas: &mut Canvas<'_>, frame: &Frame, axis: &Axis, marks: &[Mark], top: i32) {
        let (left, right) = (MARGIN + INSET, frame.size - MARGIN - INSET);
        let name = if self.mean { STRONG } else { LABEL };
        let (upper, lower) = (top + frame.label_y, top + frame.small_y);
        canvas.text((left, upper), Anchor::Start, frame.label, name, &self.label);
        canvas.text((left, lower), Anchor::Start, frame.label, SMALL, &self.detail);
        canvas.text((right, lower), Anchor::End, frame.numbers, SMALL, &self.values);
        let y = top + frame.mark_y;
        match &self.found {
            Found::Ratio(ratio, conclusion) => {
                let numbers = if *conclusion == Conclusion::Decided { STRONG } else { LABEL };
                canvas.text((right, upper), Anchor::End, frame.numbers, numbers, &self.ratio);
                paint_pair(canvas, frame, axis, marks, y, (ratio, *conclusion));
            }
            Found::Several(lines) => {
                for (i, line) in (0..).zip(lines) {
                    let y = top + frame.lines + LINES_AIR + frame.above + frame.pitch * i;
                    line.paint(canvas, frame, axis, y);
                }
            }
            Found::Words(words) => {
                let x = axis.at(1.0) + AIR;
                aside(canvas, (x, y), frame.plot.1 - x, words);
            }
        }
    }
}

impl Line {
    /// An arm at its ratio to the first, its whisker, and its name with the numbers.
    fn paint(&self, canvas: &mut Canvas<'_>, frame: &Frame, axis: &Axis, y: i32) {
        let decided = self.conclusion == Conclusion::Decided;
        if let Some(ratio) = &self.ratio {
            let (one, x) = (axis.at(1.0), axis.at(ratio.value));
            let whisker = ratio.interval.map(|i| (axis.at(i.low), axis.at(i.high)));
            canvas.bar((one.min(x), y), (one.max(x), y), self.mark.ink);
            paint_whisker(canvas, (x, y), whisker.unwrap_or((x, x)), self.mark.ink);
            canvas.mark((x, y), MARK, self.mark, !decided);
        }
        let numbers = if decided { STRONG } else { LABEL };
        let at = (frame.size - MARGIN - INSET, y - frame.above);
        canvas.text(at, Anchor::End, frame.numbers, numbers, &self.text);
    }
}

/// An interval about a mark. One shorter than the mark would only fray it.
fn paint_whisker(canvas: &mut Canvas<'_>, (x, y): (i32, i32), (low, high): (i32, i32), ink: Ink) {
    if low < x - MARK || high > x + MARK {
        canvas.line((low, y), (high, y), 2, ink);
        for end in [low, high] {
            canvas.line((end, y - WHISKER), (end, y + WHISKER), 2, ink);
        }
    }
}

/// The better arm at one, the other at its ratio with its whisker, and a word where neither is
/// better.
fn paint_pair(
    canvas: &mut Canvas<'_>,
    frame: &Frame,
    axis: &Axis,
    marks: &[Mark],
    y: i32,
    (ratio, conclusion): (&OrientedRatio, Conclusion),
) {
    let (Some(worse), Some(better)) = (marks.get(ratio.worse), marks.get(1 - ratio.worse)) else {
        return;
    };
    let (one, x) = (axis.at(1.0), axis.at(ratio.value));
    let (low, high) = ratio.interval.map_or((x, x), |(l, h)| (axis.at(l), axis.at(h)));
    let hollow = conclusion != Conclusion::Decided;
    canvas.bar((one, y), (x, y), worse.ink);
    canvas.mark((one, y), MARK, *better, hollow);
    paint_whisker(canvas, (x, y), (low, high), worse.ink);
    canvas.mark((x, y), MARK, *worse, hollow);
    let word = match conclusion {
        Conclusion::Tie => "tie",
        Conclusion::Open if ratio.interval.is_some() => "inconclusive",
        Conclusion::Open | Conclusion::Decided | Conclusion::Silent => return,
    };
    let width = canvas::width(word, SMALL);
    let (after, before) = (high.max(x + MARK) + AIR, low.min(one - MARK) - AIR - width);
    let start = match () {
        () if after + width <= frame.plot.1 => after,
        () if before >= frame.plot.0 => before,
        // A whisker from end to end: upon its longer half.
        () if high - x >= x - low => x + MARK + AIR,
        () => low + AIR,
    };
    aside(canvas, (start, y), width, word);
}

/// A remark within the plot, on paper so that no grid line runs through it; in two lines where one
/// is too short for it.
fn aside(canvas: &mut Canvas<'_>, (x, y): (i32, i32), room: i32, words: &str) {
    let lines = canvas::wrap(words, room, SMALL);
    let lines = match &lines[..] {
        [first, rest @ ..] if !rest.is_empty() => vec![first.clone(), rest.join(" ")],
        _ => lines,
    };
    let top = y - ASIDE / 2 * (lines.len() as i32 - 1);
    for (i, line) in (0..).zip(&lines) {
        let (y, width) = (top + ASIDE * i, canvas::width(line, SMALL).min(room));
        canvas.rect((x - 2, y - ASIDE / 2), (x + width, y + ASIDE / 2), PAPER);
        canvas.text((x, y), Anchor::Start, room, SMALL, line);
    }
}
