//! Memory by the second, of cells in which each arm runs alone in a long window: a panel per cell
//! with a line per arm, named at its end, from 0 MiB; at a fixed rate response times below it.

use super::canvas::{self, Anchor, Canvas, Picture};
use super::palette::{self, GRID, MUTED, Mark};
use super::scale::{Linear, Scale, ticks, top};
use super::typography::{GROUP, LABEL, LINE, MARGIN, SMALL, TITLE};
use super::width::Width;
use crate::wording;
use duet_analysis::{Analysis, CellAnalysis, LongAnalysis, LongArm, LongBlock, MatchupAnalysis};

const MIB: f64 = (1 << 20) as f64;

/// Width of a picture.
const WIDE: i32 = 880;
const NARROW: i32 = 380;
/// Left of a plot, for the labels of its axis, and right of it, for the arms' names.
const LEFT: i32 = 64;
const RIGHT: i32 = 150;
/// Heights: of a panel's heading, of the plot of memory, of that of response times, of what stands
/// below a plot, and between panels.
const HEADING: i32 = 44;
const MEMORY: i32 = 220;
const LATENCY: i32 = 120;
const BELOW: i32 = 52;
const GAP: i32 = 16;
/// Between two names at least: each has two lines.
const NAMES: i32 = 32;

/// A cell, and how its arms are drawn.
struct Panel<'a> {
    title: String,
    names: Vec<(Mark, &'a str)>,
    long: &'a LongAnalysis,
    blocks: u32,
}

/// What is drawn of a second, of all blocks together and of each.
#[derive(Clone, Copy)]
struct Values {
    title: &'static str,
    together: fn(&LongArm) -> &Vec<f64>,
    of_block: fn(&LongBlock) -> &Vec<u64>,
    /// What a tick of the axis is called, and a value beside a name.
    tick: fn(f64) -> String,
    value: fn(f64) -> String,
    /// What a tick is a multiple of.
    unit: f64,
}

const RESIDENT: Values = Values {
    title: "resident memory",
    together: |arm| &arm.rss_bytes,
    of_block: |block| &block.rss_bytes,
    tick: |bytes| format!("{} MiB", bytes / MIB),
    value: duet_units::bytes,
    unit: MIB,
};

const RESPONSE_TIME: Values = Values {
    title: "99\u{a0}% of each second's responses came within",
    together: |arm| &arm.latency_ns_p99,
    of_block: |block| &block.latency_ns_p99,
    tick: |ns| format!("{} ms", ns / 1e6),
    value: duet_units::nanoseconds,
    unit: 1e6,
};

/// The curves, a panel below the other; absent where no cell has any.
#[must_use]
pub fn long(analysis: &Analysis, width: Width) -> Option<Picture> {
    let matchups = wording::controls_last(analysis);
    let panels: Vec<Panel<'_>> = matchups.iter().flat_map(|m| panels(analysis, m)).collect();
    if panels.is_empty() {
        return None;
    }
    let size = if width == Width::Wide { WIDE } else { NARROW };
    let room = size - 2 * MARGIN;
    let wrap = |said: &[String]| -> Vec<String> {
        said.iter().flat_map(|said| canvas::wrap(said, room, SMALL)).collect()
    };
    let several = panels.iter().any(|panel| panel.blocks > 1);
    let lines = format!("{ALONE}{}", if several { LINES } else { "" });
    let mut said = vec![wording::place(&analysis.run), lines];
    said.extend(wording::caveats(&analysis.run));
    let (head, foot) = (wrap(&said), wrap(&[wording::maker(&analysis.run)]));
    let top = 58 + LINE * head.len() as i32 + 8;
    let bottom = top + panels.iter().map(|panel| panel.height() + GAP).sum::<i32>();
    let height = bottom + LINE * foot.len() as i32 + MARGIN / 2;
    let title = "How much memory, second by second?";
    let sentences: Vec<String> = head.iter().cloned().chain(panels.iter().map(sentence)).collect();
    Some(canvas::picture((size, height), title, &sentences.join(" "), |canvas| {
        canvas.text((MARGIN, 32), Anchor::Start, room, TITLE, title);
        for (line, text) in (0..).zip(&head) {
            canvas.text((MARGIN, 58 + LINE * line), Anchor::Start, room, SMALL, text);
        }
        let mut y = top;
        for panel in &panels {
            panel.paint(canvas, y, size);
            y += panel.height() + GAP;
        }
        for (line, text) in (0..).zip(&foot) {
            canvas.text((MARGIN, bottom + LINE * line), Anchor::Start, room, SMALL, text);
        }
    }))
}

/// What is drawn, ...
const ALONE: &str = "Each server ran alone.";
/// ... and what the lines are, where there are several of an arm.
const LINES: &str = " Thick: the median over blocks; thin: each block.";

fn panels<'a>(analysis: &Analysis, matchup: &'a MatchupAnalysis) -> Vec<Panel<'a>> {
    let languages: Vec<&str> = matchup.arms.iter().map(|a| a.language.as_str()).collect();
    let marks = palette::marks(analysis, &languages);
    let panel = |cell: &'a CellAnalysis| {
        let long = cell.long.as_ref()?;
        let names = marks.iter().copied().zip(matchup.arms.iter().map(|a| a.label.as_str()));
        let title = format!("{} · {} · {}", matchup.name, cell.id.workload, cell.load);
        Some(Panel { title, names: names.collect(), long, blocks: cell.blocks })
    };
    matchup.cells.iter().filter_map(panel).collect()
}

/// A panel for those who cannot see it.
fn sentence(panel: &Panel<'_>) -> String {
    let of_arm = |((_, name), arm): (&(Mark, &str), &LongArm)| {
        let peak = arm.rss_bytes.iter().copied().fold(0.0, f64::max);
        let first = arm.rss_bytes.first().copied().unwrap_or(0.0);
        let last = arm.rss_bytes.last().copied().unwrap_or(0.0);
        let bytes = duet_units::bytes;
        format!("{name} from {} over {} to {}", bytes(first), bytes(peak), bytes(last))
    };
    let arms: Vec<String> = panel.names.iter().zip(&panel.long.arms).map(of_arm).collect();
    format!("{}: {}.", panel.title, arms.join("; "))
}

impl Panel<'_> {
    fn has_latency(&self) -> bool {
        self.long.arms.iter().any(|arm| !arm.latency_ns_p99.is_empty())
    }

    fn height(&self) -> i32 {
        let latency = if self.has_latency() { LATENCY + BELOW } else { 0 };
        HEADING + MEMORY + BELOW + latency
    }

    fn paint(&self, canvas: &mut Canvas<'_>, top: i32, size: i32) {
        canvas.text((MARGIN, top + 8), Anchor::Start, size - 2 * MARGIN, GROUP, &self.title);
        let y = top + HEADING;
        self.plot(canvas, RESIDENT, (y, y + MEMORY), size);
        if self.has_latency() {
            let y = y + MEMORY + BELOW;
            self.plot(canvas, RESPONSE_TIME, (y, y + LATENCY), size);
        }
    }

    /// One plot: axes from 0, a thin line for each block, a thick one and a name for each arm.
    fn plot(&self, canvas: &mut Canvas<'_>, of: Values, (y1, y0): (i32, i32), size: i32) {
        let (x0, x1) = (MARGIN + LEFT, size - MARGIN - RIGHT);
        let LongAnalysis { window_s, rest_s, arms } = self.long;
        let end_s = f64::from(window_s + rest_s.unwrap_or(0));
        let x = Scale::linear(0.0..end_s, (x0, x1));
        let y = Scale::linear(0.0..self.top(of), (y0, y1));
        canvas.text((x0, y1 - 12), Anchor::Start, x1 - x0, SMALL, of.title);
        for value in ticks(y.high / of.unit).into_iter().map(|tick| tick * of.unit) {
            canvas.line((x0, y.at(value)), (x1, y.at(value)), 1, GRID);
            let label = (of.tick)(value);
            canvas.text((x0 - 8, y.at(value)), Anchor::End, LEFT - 8, SMALL, &label);
        }
        for second in ticks(end_s) {
            canvas.line((x.at(second), y0), (x.at(second), y0 + 4), 1, GRID);
            let label = format!("{second} s");
            canvas.text((x.at(second), y0 + 14), Anchor::Middle, 60, SMALL, &label);
        }
        if rest_s.is_some() {
            let at = x.at(f64::from(*window_s));
            canvas.line((at, y1), (at, y0), 1, MUTED);
            canvas.text((at + 6, y1 + 8), Anchor::Start, x1 - at, SMALL, "the burst ends");
        }
        for ((mark, _), arm) in self.names.iter().zip(arms) {
            if self.blocks > 1 {
                for block in &arm.blocks {
                    let values = (of.of_block)(block).iter().map(|value| *value as f64);
                    canvas.faint_path(curve(values, &x, &y), mark.ink);
                }
            }
        }
        for ((mark, _), arm) in self.names.iter().zip(arms) {
            canvas.path(curve((of.together)(arm).iter().copied(), &x, &y), 3, mark.ink);
        }
        self.names(canvas, of, &y, (x1, (y1, y0)));
    }

    /// The arms' names at the ends of their lines, none over another.
    fn names(&self, canvas: &mut Canvas<'_>, of: Values, y: &Linear, (x, ends): (i32, (i32, i32))) {
        let last = |arm: &LongArm| (of.together)(arm).last().copied();
        let named = self.names.iter().zip(&self.long.arms);
        let mut named: Vec<(i32, f64, &(Mark, &str))> =
            named.filter_map(|(name, arm)| Some((y.at(last(arm)?), last(arm)?, name))).collect();
        named.sort_by_key(|(at, ..)| *at);
        // The lowest must have room above the next axis.
        let mut limit = ends.1 - NAMES * (named.len() as i32 - 1);
        let mut free = ends.0;
        for (at, value, (mark, name)) in named {
            let place = at.min(limit).max(free);
            canvas.mark((x + 12, place), 4, *mark, false);
            canvas.text((x + 22, place - 1), Anchor::Start, RIGHT - 22, LABEL, name);
            let value = (of.value)(value);
            canvas.text((x + 22, place + 14), Anchor::Start, RIGHT - 22, SMALL, &value);
            (free, limit) = (place + NAMES, limit + NAMES);
        }
    }

    /// The top of an axis, which holds all values: a tick.
    fn top(&self, of: Values) -> f64 {
        let blocks = self.long.arms.iter().flat_map(|arm| &arm.blocks);
        let highest = blocks.flat_map(|block| (of.of_block)(block)).copied().max().unwrap_or(0);
        top((highest as f64 / of.unit).max(1e-3)) * of.unit
    }
}

/// A line through the values of successive seconds.
fn curve(values: impl Iterator<Item = f64>, x: &Linear, y: &Linear) -> Vec<(i32, i32)> {
    (0..).zip(values).map(|(second, value)| (x.at(f64::from(second)), y.at(value))).collect()
}
