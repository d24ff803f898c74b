//! Sessions of each cell, and what they say of another hour.

use super::axis::{self, Axis};
use super::canvas::{self, Anchor, Canvas, Picture};
use super::palette::{BAND, GRID, MUTED, PLAIN, TEXT};
use super::typography::{LABEL, LINE, MARGIN, SMALL, TITLE, WORD};
use crate::machines::{cell, machines};
use duet_analysis::pool::{Pooled, PooledLine};
use duet_units::{Metric, count, ratio, ratio_interval, ratio_number};

const WIDTH: i32 = 840;
/// The plot's ends; left of it the cells' names, right of it the numbers.
const PLOT: (i32, i32) = (MARGIN + 250, WIDTH - MARGIN - 190);
const TOP: i32 = 104;
/// Height of a cell's row.
const ROW: i32 = 34;
/// Half of the height of the bar for another hour.
const BAR: i32 = 7;

/// A row a cell: a mark for each session, a bar for another hour, a thick line for the mean over
/// hours. Absent without cells.
#[must_use]
pub(crate) fn pool_forest(
    pooled: &Pooled,
    lines: &[&PooledLine],
    metric: Metric,
) -> Option<Picture> {
    if lines.is_empty() {
        return None;
    }
    let values = lines.iter().flat_map(|line| {
        let sessions = line.sessions.iter().map(|session| session.ratio);
        sessions.chain(line.next.into_iter().flat_map(|next| [next.low, next.high]))
    });
    let axis = Axis::holding(values, PLOT);
    let title = match metric {
        Metric::RssBytesPeak => "How many times more memory, hour by hour?",
        Metric::CpuNs => "How many times more CPU do programs take, hour by hour?",
        _ => "How many times more CPU, hour by hour?",
    };
    let said: Vec<String> = lines.iter().map(|line| sentence(&cell(pooled, line), line)).collect();
    let bottom = TOP + ROW * lines.len() as i32;
    let foot = format!(
        "A circle: a session. Bar: where another hour will lie, with 95 %. Line: the mean over \
         hours, with 95 %. {}; {} to {}.",
        machines(pooled),
        pooled.first,
        pooled.last
    );
    let foot = canvas::wrap(&foot, WIDTH - 2 * MARGIN, SMALL);
    let height = bottom + 40 + LINE * foot.len() as i32;
    Some(canvas::picture((WIDTH, height), title, &said.join(" "), |canvas| {
        canvas.text((MARGIN, 36), Anchor::Start, WIDTH - 2 * MARGIN, TITLE, title);
        let sub = format!("{}: the second arm's over the first's", metric.label());
        canvas.text((MARGIN, 62), Anchor::Start, WIDTH - 2 * MARGIN, SMALL, &sub);
        for (mark, x) in axis.grid() {
            canvas.line((x, TOP - 10), (x, bottom), 1, GRID);
            canvas.text((x, TOP - 18), Anchor::Middle, 50, SMALL, &axis::label(mark));
        }
        for (i, line) in (0..).zip(lines) {
            paint(canvas, &axis, TOP + ROW * i + ROW / 2, pooled, line);
        }
        for (i, text) in (0..).zip(&foot) {
            let at = (MARGIN, bottom + 28 + LINE * i);
            canvas.text(at, Anchor::Start, WIDTH - 2 * MARGIN, SMALL, text);
        }
    }))
}

/// `go-nethttp, idiomatic/hello/c64: CPU per request 1.96× [1.75, 2.19] over 5 hours; another hour
/// 1.49 to 2.57`.
fn sentence(name: &str, line: &PooledLine) -> String {
    let sessions = line.sessions.len();
    let what = format!("{name}: {}", line.metric.label());
    let Some(mean) = line.mean else {
        let only = line.sessions.first().map_or(1.0, |session| session.ratio);
        return format!("{what} {} in one hour; another hour: not known", ratio(only));
    };
    let over = count(sessions, "hour");
    match (line.interval, line.next, line.range) {
        (Some(interval), Some(next), _) => format!(
            "{what} {} over {over}; another hour {} to {}",
            ratio_interval(mean, interval.low, interval.high),
            ratio_number(next.low),
            ratio(next.high)
        ),
        (_, _, Some(range)) => format!(
            "{what} {} over {over}, {} to {}; another hour: not known below 5",
            ratio(mean),
            ratio_number(range.low),
            ratio(range.high)
        ),
        _ => what,
    }
}

fn paint(canvas: &mut Canvas<'_>, axis: &Axis, y: i32, pooled: &Pooled, line: &PooledLine) {
    canvas.text((MARGIN, y - 6), Anchor::Start, 240, LABEL, &line.id.workload);
    let sessions = count(line.sessions.len(), "session");
    let of = match pooled.machines.len() {
        0 | 1 => sessions,
        _ => format!("machine {}, {sessions}", line.machine + 1),
    };
    let of = format!("{}, {}, {of}", line.id.matchup, line.id.load);
    canvas.text((MARGIN, y + 9), Anchor::Start, 250, SMALL, &of);
    if let Some(next) = line.next {
        canvas.rect((axis.at(next.low), y - BAR), (axis.at(next.high), y + BAR), BAND);
    }
    if let Some(mean) = line.interval {
        canvas.line((axis.at(mean.low), y), (axis.at(mean.high), y), 3, MUTED);
    }
    for session in &line.sessions {
        canvas.mark((axis.at(session.ratio), y), 3, PLAIN, true);
    }
    if let Some(mean) = line.mean {
        canvas.line((axis.at(mean), y - BAR - 2), (axis.at(mean), y + BAR + 2), 2, TEXT);
    }
    let right = WIDTH - MARGIN - 180;
    let of = |low: f64, high: f64| format!("{} to {}", ratio_number(low), ratio(high));
    let mean = line.mean.or(line.sessions.first().map(|session| session.ratio));
    let mean = mean.map_or_else(String::new, ratio);
    canvas.text((right, y - 6), Anchor::Start, 180, WORD, &mean);
    let next = match (line.next, line.range) {
        (Some(next), _) => format!("another hour {}", of(next.low, next.high)),
        (None, Some(range)) => format!("seen {}", of(range.low, range.high)),
        (None, None) => "another hour: not known".to_owned(),
    };
    canvas.text((right, y + 9), Anchor::Start, 180, SMALL, &next);
}
