//! Histories as pictures: per cell and metric the arms' values on the left, the ratio on the right.

use super::canvas::{self, Anchor, Canvas, Picture, Type};
use super::palette::{self, GRID, Mark, RULE, Shape, TEXT};
use super::scale::Scale;
use super::typography::{SMALL, STRONG, WORD};
use crate::trend::{name, title};
use duet_analysis::trend::{Line, MachineTrend, Series, Trend};

const WIDTH: i32 = 960;
const MARGIN: i32 = 16;
/// Room for the picture's head, a machine's, a series'.
const HEAD: i32 = 44;
const MACHINE: i32 = 34;
const SERIES: i32 = 150;
/// The plots of a series, from and to: values, ratio.
const PLOTS: [(i32, i32); 2] = [(90, 540), (620, 930)];
/// Below the series' name, the height of a plot.
const PLOT: (i32, i32) = (46, 124);

const HEADING: &str = "Values and ratios over time";
const TITLE: Type = Type { size: 16.0, bold: true, ink: TEXT };

/// The histories as SVG, for `trend.svg`.
#[must_use]
pub fn trend(trend: &Trend) -> Picture {
    let of_machine = |m: &MachineTrend| MACHINE + SERIES * m.series.len() as i32;
    let height = HEAD + trend.machines.iter().map(of_machine).sum::<i32>() + MARGIN;
    let description = "A row per cell and metric; upright lines mark changes of level.";
    canvas::picture((WIDTH, height), HEADING, description, |canvas| {
        let room = WIDTH - 2 * MARGIN;
        canvas.text((MARGIN, 26), Anchor::Start, room, TITLE, HEADING);
        let mut top = HEAD;
        for machine in &trend.machines {
            canvas.text((MARGIN, top + 12), Anchor::Start, room, STRONG, &title(machine));
            top += MACHINE;
            for series in &machine.series {
                row(canvas, machine, series, top);
                top += SERIES;
            }
        }
    })
}

fn row(canvas: &mut Canvas<'_>, machine: &MachineTrend, series: &Series, top: i32) {
    canvas.line((MARGIN, top - 6), (WIDTH - MARGIN, top - 6), 1, RULE);
    let [(left, right), (ratio_left, ratio_right)] = PLOTS;
    canvas.text((MARGIN, top + 8), Anchor::Start, right - MARGIN, STRONG, &name(series));
    let about = "ratio: how many times worse the second arm is";
    let room = ratio_right - ratio_left + 60;
    canvas.text((ratio_right, top + 8), Anchor::End, room, SMALL, about);
    let marks = palette::marks_by_language(&series.arms);
    let mut x = left;
    for (mark, arm) in marks.iter().zip(&series.arms) {
        canvas.mark((x + 5, top + 28), 4, *mark, false);
        x += 14 + canvas.text((x + 14, top + 28), Anchor::Start, 190, WORD, &arm.label) + 16;
    }
    let values: Vec<(&Line, Mark)> = series.values.iter().zip(marks).collect();
    plot(canvas, machine, &values, ((left, right), top), &|v| series.metric.format(v));
    let ratio = [(&series.ratio, Mark { ink: TEXT, shape: Shape::Circle })];
    plot(canvas, machine, &ratio, ((ratio_left, ratio_right), top), &duet_units::ratio);
}

/// Lines of points with their intervals, on a logarithmic axis from the least to the greatest.
fn plot(
    canvas: &mut Canvas<'_>,
    machine: &MachineTrend,
    lines: &[(&Line, Mark)],
    ((left, right), top): ((i32, i32), i32),
    label: &dyn Fn(f64) -> String,
) {
    let (above, below) = (top + PLOT.0, top + PLOT.1);
    let points = || lines.iter().flat_map(|(line, _)| line.points.iter().flatten());
    let ends = points().flat_map(|p| {
        let interval = p.interval.map(|i| [i.low, i.high]);
        interval.into_iter().flatten().chain([p.value])
    });
    let (low, high) = ends
        .filter(|v| v.is_finite() && *v > 0.0)
        .fold((f64::INFINITY, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
    if high <= 0.0 {
        canvas.text((left, (above + below) / 2), Anchor::Start, right - left, SMALL, "no ratio");
        return;
    }
    // At least 2 % either way, so that noise does not look like a mountain.
    let (low, high) = (low / 1.02, high * 1.02);
    let scale = Scale::logarithmic(low..high, (below, above));
    let y = |value: f64| scale.at(value);
    let last = machine.runs.len().saturating_sub(1).max(1) as i32;
    let x = |run: usize| left + (right - left) * run as i32 / last;
    for (value, at) in [(low, below), (high, above)] {
        canvas.line((left, at), (right, at), 1, GRID);
        canvas.text((left - 8, at), Anchor::End, 70, SMALL, &label(value));
    }
    for (line, mark) in lines {
        let ink = mark.ink;
        for change in &line.changes {
            canvas.line((x(change.run), above), (x(change.run), below), 1, ink);
        }
        let present = || line.points.iter().enumerate().filter_map(|(i, p)| Some((i, p.as_ref()?)));
        canvas.path(present().map(|(i, p)| (x(i), y(p.value))).collect(), 1, ink);
        for (i, point) in present() {
            if let Some(interval) = point.interval {
                canvas.bar((x(i), y(interval.low)), (x(i), y(interval.high)), ink);
            }
            canvas.mark((x(i), y(point.value)), 3, *mark, false);
        }
    }
    let day = |run: usize| machine.runs.get(run).map(|run| run.started.chars().take(10).collect());
    let days: [Option<String>; 2] = [day(0), day(machine.runs.len().saturating_sub(1))];
    let room = (right - left) / 2;
    if let [Some(first), Some(last)] = days {
        canvas.text((left, below + 14), Anchor::Start, room, SMALL, &first);
        if machine.runs.len() > 1 {
            canvas.text((right, below + 14), Anchor::End, room, SMALL, &last);
        }
    }
}
