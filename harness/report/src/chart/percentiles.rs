//! Latencies by percentile, in the manner of HdrHistogram's plotter: the horizontal axis is
//! 1/(1−p), logarithmic, so that each further nine is as wide as the one before.

use super::canvas::{self, Anchor, Canvas, Type};
use super::palette::{GRID, Ink, LANGUAGES, MUTED, RULE, TEXT};
use super::typography::{LABEL, SMALL, STRONG};

/// A curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// What took so long, in a word or two.
    pub name: String,
    /// What is said of it beside its name.
    pub words: String,
    /// Ascending in p.
    pub points: Vec<Quantile>,
}

/// A quantile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantile {
    /// 0 to less than 1.
    pub p: f64,
    /// Nanoseconds.
    pub ns: u64,
    /// Whether `ns` is a lower bound: the true value may be higher.
    pub lower_bound: bool,
}

const SIZE: (i32, i32) = (860, 484);
/// The edges of the plot.
const LEFT: i32 = 84;
const RIGHT: i32 = 836;
const BOTTOM: i32 = 416;
/// The first line of the legend, and the distance to the next.
const LEGEND: i32 = 94;
const LINE: i32 = 19;

/// What takes less is drawn as this: the clock's own cost is not far below.
const LOWEST_NS: u64 = 100;
/// More decades than this have lines of their own only.
const DECADES: f64 = 5.5;

const TITLE: Type = Type { size: 17.0, bold: true, ink: TEXT };

/// The colours of the curves in turn.
const INKS: [Ink; 3] = [LANGUAGES[0], LANGUAGES[1], MUTED];

/// Where values lie on the picture.
struct Plot {
    top: i32,
    /// Decades: of 1/(1−p) from 0, ...
    nines: f64,
    /// ... and of nanoseconds from and to.
    low: f64,
    high: f64,
}

/// A picture of curves, the most important first; at most three. `whom` and `how` say what was
/// measured, a line each.
#[must_use]
pub fn percentiles(whom: &str, how: &str, curves: &[Curve]) -> String {
    let plot = Plot::holding(curves);
    let title = "Latency by percentile";
    let words = curves.iter().map(|curve| format!(" {}: {}.", curve.name, curve.words));
    let description = format!("{whom}; {how}.{}", words.collect::<String>());
    let picture = canvas::picture(SIZE, title, &description, |canvas| {
        let room = RIGHT - 24;
        canvas.text((24, 30), Anchor::Start, room, TITLE, title);
        canvas.text((24, 52), Anchor::Start, room, SMALL, whom);
        canvas.text((24, 68), Anchor::Start, room, SMALL, how);
        legend(canvas, curves);
        grid(canvas, &plot);
        for (curve, ink) in curves.iter().zip(INKS).rev() {
            draw(canvas, &plot, curve, ink);
        }
        let at = (LEFT, BOTTOM + 46);
        canvas.text(at, Anchor::Start, RIGHT - LEFT, SMALL, &footnote(curves));
    });
    picture.file()
}

fn footnote(curves: &[Curve]) -> String {
    let mut points = curves.iter().flat_map(|curve| &curve.points).peekable();
    if points.peek().is_none() {
        return "There are too few requests for quantiles.".to_owned();
    }
    let dashed = if points.any(|point| point.lower_bound) {
        " Dashed: lower bounds, since some requests have no response."
    } else {
        ""
    };
    format!("A curve ends where fewer than ten requests are above it.{dashed}")
}

fn legend(canvas: &mut Canvas<'_>, curves: &[Curve]) {
    for ((curve, ink), y) in curves.iter().zip(INKS).zip((LEGEND..).step_by(LINE as usize)) {
        canvas.line((24, y), (44, y), 3, ink);
        canvas.text((52, y), Anchor::Start, 90, STRONG, &curve.name);
        canvas.text((142, y), Anchor::Start, RIGHT - 142, LABEL, &curve.words);
    }
}

fn grid(canvas: &mut Canvas<'_>, plot: &Plot) {
    let decades = plot.low.floor() as i32..=plot.high.ceil() as i32;
    for (decade, factor) in decades.flat_map(|decade| [1, 2, 5].map(|factor| (decade, factor))) {
        let ns = f64::from(factor) * 10_f64.powi(decade);
        let at = ns.log10();
        let crowded = factor != 1 && plot.high - plot.low > DECADES;
        if crowded || at < plot.low - 1e-9 || at > plot.high + 1e-9 {
            continue;
        }
        let y = plot.y(at);
        canvas.line((LEFT, y), (RIGHT, y), 1, if factor == 1 { GRID } else { RULE });
        // Between decades there is room for words where there are few of them.
        if factor == 1 || plot.high - plot.low < 3.5 {
            canvas.text(
                (LEFT - 8, y),
                Anchor::End,
                LEFT - 8,
                SMALL,
                &duet_units::whole_nanoseconds(ns.round() as u64),
            );
        }
    }
    let halves = [(0.0, "0 %".to_owned()), (2_f64.log10(), "50 %".to_owned())];
    let nines = (1..=plot.nines as usize).map(|n| (n as f64, percent(n)));
    for (at, label) in halves.into_iter().chain(nines) {
        let x = plot.x(at);
        canvas.line((x, plot.top), (x, BOTTOM), 1, if at.fract() == 0.0 { GRID } else { RULE });
        canvas.text((x, BOTTOM + 16), Anchor::Middle, 90, SMALL, &label);
    }
}

/// Whole where the values are known, dashed where they may be higher.
fn draw(canvas: &mut Canvas<'_>, plot: &Plot, curve: &Curve, ink: Ink) {
    let at = |point: &Quantile| (plot.x(nines(point.p)), plot.y(decade(point.ns)));
    let known = curve.points.iter().take_while(|point| !point.lower_bound).count();
    canvas.path(curve.points[..known].iter().map(at).collect(), 2, ink);
    let unknown: Vec<(i32, i32)> = curve.points[known.saturating_sub(1)..].iter().map(at).collect();
    for dash in dashes(&unknown) {
        canvas.path(dash, 2, ink);
    }
}

/// A line in dashes of six pixels with gaps of five, measured along it.
fn dashes(line: &[(i32, i32)]) -> Vec<Vec<(i32, i32)>> {
    const DASH: f64 = 6.0;
    const PERIOD: f64 = 11.0;
    let mut dashes: Vec<Vec<(i32, i32)>> = vec![];
    let mut walked = 0.0;
    for pair in line.windows(2) {
        let [(x0, y0), (x1, y1)] = [pair[0], pair[1]].map(|(x, y)| (f64::from(x), f64::from(y)));
        let length = (x1 - x0).hypot(y1 - y0);
        let point = |along: f64| {
            let share = along / length;
            ((x0 + (x1 - x0) * share).round() as i32, (y0 + (y1 - y0) * share).round() as i32)
        };
        let mut along = 0.0;
        while along < length {
            let phase: f64 = (walked + along) % PERIOD;
            let next = if phase < DASH { DASH - phase } else { PERIOD - phase };
            let end = (along + next.max(0.01)).min(length);
            if phase < DASH {
                match dashes.last_mut() {
                    Some(dash) if phase > 0.0 && dash.last() == Some(&point(along)) => {
                        dash.push(point(end));
                    }
                    _ => dashes.push(vec![point(along), point(end)]),
                }
            }
            along = end;
        }
        walked += length;
    }
    dashes
}

impl Plot {
    /// Room for all points.
    fn holding(curves: &[Curve]) -> Self {
        let points = || curves.iter().flat_map(|curve| &curve.points);
        let decades = || points().map(|point| decade(point.ns));
        let low = decades().min_by(f64::total_cmp).unwrap_or(3.0);
        let high = decades().max_by(f64::total_cmp).unwrap_or(6.0);
        let nines = points().map(|point| nines(point.p)).max_by(f64::total_cmp);
        Self {
            top: LEGEND + LINE * curves.len() as i32 + 12,
            nines: nines.unwrap_or(1.0).max(1.0),
            low: step_below(low),
            // At least a factor of two.
            high: step_above(high.max(low + 2_f64.log10())),
        }
    }

    /// The pixel of so many nines.
    fn x(&self, nines: f64) -> i32 {
        LEFT + (nines / self.nines * f64::from(RIGHT - LEFT)).round() as i32
    }

    /// The pixel of 10 to so many nanoseconds.
    fn y(&self, decade: f64) -> i32 {
        let share = (decade - self.low) / (self.high - self.low);
        BOTTOM - (share * f64::from(BOTTOM - self.top)).round() as i32
    }
}

/// The logarithm of a latency as it is drawn.
fn decade(ns: u64) -> f64 {
    (ns.max(LOWEST_NS) as f64).log10()
}

/// How many nines p has: 1 of 0.9, 2 of 0.99.
fn nines(p: f64) -> f64 {
    -(1.0 - p).log10()
}

/// `90 %`, `99.9 %`.
fn percent(nines: usize) -> String {
    match nines {
        1 => "90 %".to_owned(),
        2 => "99 %".to_owned(),
        n => format!("99.{} %", "9".repeat(n - 2)),
    }
}

/// The largest of 1, 2 and 5 times a power of ten that is not above, as a logarithm.
fn step_below(decade: f64) -> f64 {
    let steps = [5.0_f64, 2.0, 1.0].map(|factor| factor.log10() + decade.floor());
    steps.into_iter().find(|step| *step <= decade).unwrap_or(decade.floor())
}

/// The smallest of them that is not below.
fn step_above(decade: f64) -> f64 {
    let steps = [1.0_f64, 2.0, 5.0, 10.0].map(|factor| factor.log10() + decade.floor());
    steps.into_iter().find(|step| *step >= decade).unwrap_or(decade.ceil())
}
