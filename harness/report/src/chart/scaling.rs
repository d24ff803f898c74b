//! What more CPUs are worth: a panel per matchup and workload, throughput over the number of CPUs
//! that each arm has, both axes from 0, so that what scales without loss is a straight line.

use super::canvas::{Anchor, Canvas, Picture};
use super::palette::{GRID, Mark};
use super::panels::{self, Frame};
use super::scale::{Linear, Scale, ticks, top};
use super::typography::SMALL;
use super::width::Width;
use duet_analysis::{Analysis, CellAnalysis, Estimate, MatchupAnalysis};
use duet_units::Metric;

/// Height of a panel; of it, above the plot and below.
const HEIGHT: i32 = 290;
const ABOVE: i32 = 54;
const BELOW: i32 = 44;
/// Left of the plot, for the labels of its axis.
const LEFT: i32 = 58;
/// Radius of a mark.
const MARK: i32 = 4;

/// A matchup under one workload, with a point for each number of CPUs.
type Panel<'a> = panels::Panel<'a, (u32, &'a CellAnalysis)>;

/// The curves; absent where no matchup was driven as fast as it goes on two numbers of CPUs.
#[must_use]
pub fn scaling(analysis: &Analysis, width: Width) -> Option<Picture> {
    let mut panels: Vec<Panel<'_>> = panels::panels(analysis, point);
    panels.iter_mut().for_each(|panel| panel.points.sort_by_key(|(cpus, _)| *cpus));
    if panels.is_empty() {
        return None;
    }
    let legend = "Responses a second over the number of CPUs of each server. Faint: as if nothing \
                  were lost. Whisker: 95\u{a0}% interval over blocks, where wider than the mark.";
    let frame = Frame {
        title: "How much faster with more CPUs?",
        legend: legend.to_owned(),
        sentences: panels.iter().map(sentence).collect(),
        height: HEIGHT,
    };
    Some(panels::picture(analysis, width, frame, |canvas, index, corner, width| {
        panels[index].paint(canvas, corner, width);
    }))
}

/// The title of a cell's panel, and its point; absent where servers have no number of CPUs of their
/// own, or the rate was given.
fn point<'a>(
    matchup: &MatchupAnalysis,
    cell: &'a CellAnalysis,
) -> Option<(String, (u32, &'a CellAnalysis))> {
    let cpus = cell.server_cpus.filter(|_| cell.open.is_none() && rate(cell, 0).is_some())?;
    Some((format!("{} · {}", matchup.name, cell.id.workload), (cpus, cell)))
}

/// Responses a second of an arm.
fn rate(cell: &CellAnalysis, arm: usize) -> Option<Estimate> {
    let found = cell.metrics.iter().find(|m| m.metric == Metric::RequestsPerSecond)?;
    found.arms.get(arm).copied().filter(|estimate| estimate.value.is_finite())
}

/// A panel for those who cannot see it.
fn sentence(panel: &Panel<'_>) -> String {
    let of_arm = |(arm, (_, label)): (usize, &(Mark, &str))| {
        let value = |(cpus, cell): &(u32, &CellAnalysis)| {
            let rate = duet_units::rate(rate(cell, arm)?.value);
            Some(format!("{rate} on {}", duet_units::count(*cpus as usize, "CPU")))
        };
        let values: Vec<String> = panel.points.iter().filter_map(value).collect();
        format!("{label}: {}", values.join(", "))
    };
    let arms: Vec<String> = panel.arms.iter().enumerate().map(of_arm).collect();
    format!("{}: {}.", panel.title, arms.join("; "))
}

impl Panel<'_> {
    fn paint(&self, canvas: &mut Canvas<'_>, (left, upper): (i32, i32), width: i32) {
        self.heading(canvas, (left, upper), width);
        let (x0, x1) = (left + LEFT, left + width - 12);
        let (y1, y0) = (upper + ABOVE, upper + HEIGHT - BELOW);
        let most = self.points.last().map_or(1, |(cpus, _)| *cpus);
        let x = Scale::linear(0.0..f64::from(most), (x0, x1));
        let y = Scale::linear(0.0..top(self.highest() / 1e3) * 1e3, (y0, y1));
        for thousands in ticks(y.high / 1e3) {
            let at = y.at(thousands * 1e3);
            canvas.line((x0, at), (x1, at), 1, GRID);
            let label = format!("{thousands} k/s");
            canvas.text((x0 - 8, at), Anchor::End, LEFT - 8, SMALL, &label);
        }
        for (cpus, _) in &self.points {
            let at = x.at(f64::from(*cpus));
            canvas.line((at, y0), (at, y0 + 4), 1, GRID);
            canvas.text((at, y0 + 14), Anchor::Middle, 60, SMALL, &cpus.to_string());
        }
        canvas.text(((x0 + x1) / 2, y0 + 32), Anchor::Middle, width, SMALL, "CPUs of each server");
        for (arm, (mark, _)) in self.arms.iter().enumerate() {
            self.curve(canvas, (arm, *mark), (&x, &y));
        }
    }

    /// The line of an arm, and the one it would have without loss.
    fn curve(
        &self,
        canvas: &mut Canvas<'_>,
        (arm, mark): (usize, Mark),
        (x, y): (&Linear, &Linear),
    ) {
        let found = || {
            let points = self.points.iter();
            points.filter_map(|(cpus, cell)| Some((f64::from(*cpus), rate(cell, arm)?)))
        };
        if let Some((cpus, first)) = found().next() {
            // As far as both axes go.
            let end = x.high.min(y.high * cpus / first.value.max(1e-9));
            let ends = [0.0, end].map(|at| (x.at(at), y.at(first.value * at / cpus)));
            canvas.faint_path(ends.to_vec(), mark.ink);
        }
        canvas.path(found().map(|(cpus, e)| (x.at(cpus), y.at(e.value))).collect(), 3, mark.ink);
        for (cpus, estimate) in found() {
            let (at, middle) = (x.at(cpus), y.at(estimate.value));
            if let Some(interval) = estimate.interval {
                let (low, high) = (y.at(interval.low), y.at(interval.high));
                if low > middle + MARK || high < middle - MARK {
                    canvas.line((at, low), (at, high), 1, mark.ink);
                }
            }
            canvas.mark((at, middle), MARK, mark, false);
        }
    }

    /// The highest rate, ends of intervals included.
    fn highest(&self) -> f64 {
        let arms = 0..self.arms.len();
        let rates =
            self.points.iter().flat_map(|(_, cell)| arms.clone().map(|arm| rate(cell, arm)));
        let ends = rates.flatten().map(|e| e.interval.map_or(e.value, |i| i.high.max(e.value)));
        ends.fold(1.0, f64::max)
    }
}
