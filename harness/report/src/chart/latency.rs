//! Latency curves: how long responses take, the nearer the rate comes to what the slower server can
//! do. A panel per matchup and workload, a colour per arm, the time axis logarithmic.

use super::canvas::{Anchor, Canvas, Picture};
use super::palette::{GRID, Mark};
use super::panels::{self, Frame};
use super::scale::{Logarithmic, Scale};
use super::typography::SMALL;
use super::width::Width;
use duet_analysis::{Analysis, Arrivals, CellAnalysis, Estimate, MatchupAnalysis, Who};
use duet_units::Metric;

/// The quantiles drawn, each with the width of its line.
const QUANTILES: [(Metric, u32); 2] = [(Metric::LatencyNsP50, 1), (Metric::LatencyNsP99, 3)];

/// Height of a panel; of it, above the plot and below.
const HEIGHT: i32 = 290;
const ABOVE: i32 = 54;
const BELOW: i32 = 44;
/// Left of the plot, for the labels of the time axis.
const LEFT: i32 = 58;
/// Radius of a mark.
const MARK: i32 = 4;

/// A matchup under one workload and so many connections, at several rates.
type Panel<'a> = panels::Panel<'a, Point<'a>>;

struct Point<'a> {
    share: f64,
    cell: &'a CellAnalysis,
}

/// The curves, two panels side by side or one below the other; absent where no matchup was measured
/// at two shares of its capacity.
#[must_use]
pub fn latency(analysis: &Analysis, width: Width) -> Option<Picture> {
    let mut panels: Vec<Panel<'_>> = panels::panels(analysis, point);
    panels.iter_mut().for_each(|p| p.points.sort_by(|a, b| a.share.total_cmp(&b.share)));
    if panels.is_empty() {
        return None;
    }
    let frame = Frame {
        title: "How long to respond?",
        legend: legend(&panels),
        sentences: panels.iter().map(sentence).collect(),
        height: HEIGHT,
    };
    Some(panels::picture(analysis, width, frame, |canvas, index, corner, width| {
        panels[index].paint(canvas, corner, width);
    }))
}

/// The title of a cell's panel, and its point; absent where it has no share of a capacity.
fn point<'a>(matchup: &MatchupAnalysis, cell: &'a CellAnalysis) -> Option<(String, Point<'a>)> {
    let share = cell.open.as_ref()?.rate_share?;
    // Without the rate, which differs within a panel.
    let connections = cell.load.split(',').next().unwrap_or_default();
    let title = format!("{} · {} · {connections}", matchup.name, cell.id.workload);
    Some((title, Point { share, cell }))
}

fn legend(panels: &[Panel<'_>]) -> String {
    let points = || panels.iter().flat_map(|panel| &panel.points);
    let n = || points().map(|point| point.cell.blocks);
    let n = match (n().min(), n().max()) {
        (Some(low), Some(high)) if low != high => format!("n = {low} to {high}"),
        (low, _) => format!("n = {}", low.unwrap_or(0)),
    };
    let mut said = format!(
        "Response time from the instant at which a request was due, at rates that are shares of \
         what the slower server can do. Thick: 99\u{a0}%; thin: median. Whisker: 95\u{a0}% \
         interval over blocks ({n}), where wider than the mark."
    );
    let uniform = |point: &Point<'_>| {
        point.cell.open.as_ref().is_some_and(|open| open.arrivals == Arrivals::Uniform)
    };
    said += if points().any(uniform) {
        " Some requests come at equal distances."
    } else {
        " Requests come at random (Poisson)."
    };
    if points().any(|point| !point.held()) {
        said += " Hollow: the rate was not held, by a server or by the generator.";
    }
    said
}

/// A panel for those who cannot see it.
fn sentence(panel: &Panel<'_>) -> String {
    let value = |point: &Point<'_>, arm: usize| -> Option<String> {
        let values = QUANTILES.map(|(metric, _)| point.latency(metric, arm));
        let [Some(p50), Some(p99)] = values else { return None };
        let (p50, p99) = (duet_units::nanoseconds(p50.value), duet_units::nanoseconds(p99.value));
        Some(format!("{} of capacity: {p50} and {p99}", duet_units::percent(point.share)))
    };
    let of_arm = |(arm, (_, label)): (usize, &(Mark, &str))| {
        let values: Vec<String> = panel.points.iter().filter_map(|p| value(p, arm)).collect();
        format!("{label}, median and 99 %, at {}", values.join("; "))
    };
    let arms: Vec<String> = panel.arms.iter().enumerate().map(of_arm).collect();
    format!("{}: {}.", panel.title, arms.join(". "))
}

impl Point<'_> {
    fn latency(&self, metric: Metric, arm: usize) -> Option<Estimate> {
        let found = self.cell.metrics.iter().find(|m| m.metric == metric)?;
        found.arms.get(arm).copied().filter(|e| e.value.is_finite() && e.value > 0.0)
    }

    /// Whether the rate was held and what was measured is the server.
    fn held(&self) -> bool {
        self.cell.bottleneck.who == Who::Rate
    }
}

impl Panel<'_> {
    fn paint(&self, canvas: &mut Canvas<'_>, (left, top): (i32, i32), width: i32) {
        self.heading(canvas, (left, top), width);
        let (x0, x1) = (left + LEFT, left + width - 12);
        let (y1, y0) = (top + ABOVE, top + HEIGHT - BELOW);
        let time = TimeAxis::holding(self.values(), (y0, y1));
        for ns in time.grid() {
            canvas.line((x0, time.at(ns)), (x1, time.at(ns)), 1, GRID);
            canvas.text((x0 - 8, time.at(ns)), Anchor::End, LEFT - 8, SMALL, &round_time(ns));
        }
        let at = |share: f64| x0 + (share * f64::from(x1 - x0)).round() as i32;
        for percent in [0.0, 0.25, 0.5, 0.75, 1.0] {
            canvas.line((at(percent), y0), (at(percent), y0 + 4), 1, GRID);
            let label = duet_units::percent(percent);
            canvas.text((at(percent), y0 + 14), Anchor::Middle, 60, SMALL, &label);
        }
        let axis = "rate, share of capacity";
        canvas.text(((x0 + x1) / 2, y0 + 32), Anchor::Middle, width, SMALL, axis);
        for (arm, (mark, _)) in self.arms.iter().enumerate() {
            for (metric, thick) in QUANTILES {
                self.curve(canvas, (arm, metric), (*mark, thick), &at, &time);
            }
        }
    }

    /// The curve of one arm and quantile.
    fn curve(
        &self,
        canvas: &mut Canvas<'_>,
        (arm, metric): (usize, Metric),
        (mark, thick): (Mark, u32),
        at: &dyn Fn(f64) -> i32,
        time: &TimeAxis,
    ) {
        let found = || {
            let points = self.points.iter();
            points.filter_map(|point| Some((point, point.latency(metric, arm)?)))
        };
        let place = |(point, e): (&Point<'_>, Estimate)| (at(point.share), time.at(e.value));
        canvas.path(found().map(place).collect(), thick, mark.ink);
        for (point, estimate) in found() {
            let (x, y) = place((point, estimate));
            if let Some(interval) = estimate.interval {
                let (low, high) = (time.at(interval.low), time.at(interval.high));
                if low > y + MARK || high < y - MARK {
                    canvas.line((x, low), (x, high), 1, mark.ink);
                    for end in [low, high] {
                        canvas.line((x - 5, end), (x + 5, end), 1, mark.ink);
                    }
                }
            }
            canvas.mark((x, y), MARK, mark, !point.held());
        }
    }

    /// All that must lie within the time axis.
    fn values(&self) -> impl Iterator<Item = f64> {
        let arms = 0..self.arms.len();
        let of_point = move |point: &Point<'_>| {
            let of_arm = |arm| QUANTILES.map(|(metric, _)| point.latency(metric, arm));
            let found: Vec<Estimate> = arms.clone().flat_map(of_arm).flatten().collect();
            found
        };
        let all = self.points.iter().flat_map(of_point);
        all.flat_map(|e| {
            let interval = e.interval.map(|i| [i.low, i.high]);
            interval.into_iter().flatten().chain([e.value])
        })
    }
}

/// A logarithmic axis of time, from the bottom to the top.
struct TimeAxis {
    scale: Logarithmic,
}

/// The steps of an axis within a decade; of one over many decades the first alone.
const STEPS: [f64; 3] = [1.0, 2.0, 5.0];
const MANY_DECADES: f64 = 2.5;

impl TimeAxis {
    /// An axis that begins and ends at a step, and holds all values.
    fn holding(values: impl Iterator<Item = f64>, pixels: (i32, i32)) -> Self {
        let sane = values.filter(|v| v.is_finite() && *v >= 1.0);
        let (low, high) = sane.fold((f64::INFINITY, 1.0_f64), |(l, h), v| (l.min(v), h.max(v)));
        let steps = || (0..12).flat_map(|decade| STEPS.map(|step| step * 10_f64.powi(decade)));
        let low = steps().take_while(|step| *step <= low).last().unwrap_or(1.0);
        let high = steps().find(|step| *step >= high && *step > low).unwrap_or(1e12);
        Self { scale: Scale::logarithmic(low..high, pixels) }
    }

    fn at(&self, ns: f64) -> i32 {
        self.scale.at(ns)
    }

    fn grid(&self) -> Vec<f64> {
        let many = (self.scale.high / self.scale.low).log10() > MANY_DECADES;
        let steps = if many { &STEPS[..1] } else { &STEPS[..] };
        let all = (0..13).flat_map(|decade| steps.iter().map(move |s| s * 10_f64.powi(decade)));
        // A hair of tolerance: the ends are products of floating numbers.
        all.filter(|ns| (self.scale.low * 0.999..=self.scale.high * 1.001).contains(ns)).collect()
    }
}

/// A time on a grid line: `200 µs`, `1 ms`.
fn round_time(ns: f64) -> String {
    let (value, unit) = match ns {
        ns if ns < 999.0 => (ns, "ns"),
        ns if ns < 999e3 => (ns / 1e3, "µs"),
        ns if ns < 999e6 => (ns / 1e6, "ms"),
        ns => (ns / 1e9, "s"),
    };
    format!("{value:.0} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_axes() {
        let check = |values: &[f64], want: &[&str]| {
            let axis = TimeAxis::holding(values.iter().copied(), (300, 0));
            let labels: Vec<String> = axis.grid().into_iter().map(round_time).collect();
            assert_eq!(labels, want, "{values:?}");
            assert!(values.iter().all(|v| (0..=300).contains(&axis.at(*v))));
        };
        check(&[150e3, 900e3], &["100 µs", "200 µs", "500 µs", "1 ms"]);
        check(&[1e6], &["1 ms", "2 ms"]);
        check(&[80e3, 40e6], &["100 µs", "1 ms", "10 ms"]);
        check(&[f64::NAN, 3e9], &["2 s", "5 s"]);
    }
}
