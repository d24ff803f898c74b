//! Small pictures for a cell's details: memory over time, and the block log ratios behind a ratio.

use super::canvas::{self, Anchor, Canvas, Picture};
use super::palette::{self, GRID, MUTED, TEXT};
use super::scale::Scale;
use super::typography::{SMALL, WORD};
use crate::wording;
use duet_analysis::verdict::TIE_BAND;
use duet_analysis::{Analysis, Arm, CellAnalysis, MetricAnalysis, RssPoint};

const WIDTH: i32 = 340;
/// Where the plots begin: right of the vertical axis' labels.
const LEFT: i32 = 70;

/// Resident memory over the time of a block, a line per arm. Absent where nothing was sampled.
pub(crate) fn rss_curve(analysis: &Analysis, arms: &[Arm], cell: &CellAnalysis) -> Option<Picture> {
    let points = || cell.rss.iter().flatten();
    let end_ms = points().map(|p| p.at_ms).max().filter(|ms| *ms > 0)?;
    let top = points().map(|p| p.rss_bytes).filter(|b| b.is_finite()).fold(0.0, f64::max);
    let top = step(top);
    if top <= 0.0 {
        return None;
    }
    let (size, y0, y1) = ((WIDTH, 150), 128, 26);
    let right = WIDTH - 10;
    let (x, y) =
        (Scale::linear(0.0..end_ms as f64, (LEFT, right)), Scale::linear(0.0..top, (y0, y1)));
    let place = |p: &RssPoint| (x.at(p.at_ms as f64), y.at(p.rss_bytes));
    let languages: Vec<&str> = arms.iter().map(|a| a.language.as_str()).collect();
    let marks = palette::marks(analysis, &languages);
    let title = "Resident memory over the time of a block";
    let description = format!("From 0 to {}; medians over blocks.", duet_units::bytes(top));
    Some(canvas::picture(size, title, &description, |canvas| {
        for share in [0.0, 0.5, 1.0] {
            let y = y.at(share * top);
            canvas.line((LEFT, y), (right, y), 1, GRID);
            let label = if share == 0.0 { "0".to_owned() } else { duet_units::bytes(share * top) };
            canvas.text((LEFT - 6, y), Anchor::End, LEFT - 6, SMALL, &label);
        }
        let end = duet_units::nanoseconds(end_ms as f64 * 1e6);
        canvas.text((LEFT, y0 + 14), Anchor::Start, 60, SMALL, "0 s");
        canvas.text((right, y0 + 14), Anchor::End, 80, SMALL, &end);
        let mut x = LEFT;
        for ((mark, arm), curve) in marks.iter().zip(arms).zip(&cell.rss) {
            canvas.path(curve.iter().map(place).collect(), 2, mark.ink);
            canvas.mark((x + 5, 11), 4, *mark, false);
            x += 14
                + canvas.text(
                    (x + 14, 11),
                    Anchor::Start,
                    (right - LEFT) / 2 - 20,
                    WORD,
                    &arm.label,
                );
            x += 14;
        }
    }))
}

/// The smallest round amount, in binary multiples, that is at least `bytes`.
fn step(bytes: f64) -> f64 {
    let unit = [1.0, 1024.0, 1024.0 * 1024.0, 1024.0 * 1024.0 * 1024.0];
    let steps = [1.0, 2.0, 4.0, 6.0, 8.0, 10.0, 16.0, 20.0, 30.0, 40.0, 60.0, 80.0, 100.0];
    let more = [160.0, 200.0, 300.0, 400.0, 600.0, 800.0, 1000.0];
    unit.iter()
        .flat_map(|u| steps.iter().chain(&more).map(move |s| u * s))
        .find(|top| *top >= bytes)
        .unwrap_or(bytes)
}

/// The ratios of the blocks, a dot each, over the interval of their common ratio. A row per metric;
/// absent where no metric has a ratio.
pub(crate) fn log_ratios(arms: &[Arm], metrics: &[&MetricAnalysis]) -> Option<Picture> {
    let rows: Vec<_> = metrics
        .iter()
        .filter_map(|m| Some((m, wording::oriented_ratio(m.ratio.as_ref()?)?)))
        .map(|(m, ratio)| {
            // OrientedRatio as the ratio is, so that a dot right of one is bad for the same arm.
            let sign = if ratio.worse == 1 { 1.0 } else { -1.0 };
            let dots: Vec<f64> = m.log_ratios.iter().map(|c| (sign * c).exp()).collect();
            (m.metric.label(), ratio, dots)
        })
        .collect();
    if rows.is_empty() {
        return None;
    }
    let title = "Ratios of the single blocks";
    let description = "A dot per block; the bar is the 95 % interval of the ratio.";
    let size = (WIDTH, STRIP * rows.len() as i32);
    Some(canvas::picture(size, title, description, |canvas| {
        for (i, (label, ratio, dots)) in (0..).zip(&rows) {
            let worse = wording::label(arms, ratio.worse);
            let words = format!("{label}: {worse} {}", ratio.text());
            canvas.text((0, STRIP * i + 8), Anchor::Start, WIDTH, WORD, &words);
            strip(canvas, STRIP * i, ratio, dots);
        }
    }))
}

/// Height of a metric's strip.
const STRIP: i32 = 50;

/// One metric's dots and interval, on an axis of its own from the smallest to the largest ratio.
fn strip(canvas: &mut Canvas<'_>, top: i32, ratio: &wording::OrientedRatio, dots: &[f64]) {
    let (low, high) = ratio.interval.unwrap_or((ratio.value, ratio.value));
    // At least 1 % either way, so that a tie does not look like a scatter.
    let ends = [low, high, ratio.value / (1.0 + TIE_BAND), ratio.value * (1.0 + TIE_BAND)];
    let all = || dots.iter().copied().chain(ends).filter(|r| r.is_finite());
    let (first, last) = (all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max));
    let (left, right) = (60, WIDTH - 60);
    let scale = Scale::linear(first..last, (left, right));
    let place = |ratio: f64| scale.at(ratio);
    let y = top + 28;
    canvas.line((left, y), (right, y), 1, GRID);
    let (below, above) = (duet_units::ratio(first), duet_units::ratio(last));
    canvas.text((left - 10, y), Anchor::End, left - 10, SMALL, &below);
    canvas.text((right + 10, y), Anchor::Start, left - 10, SMALL, &above);
    for dot in dots {
        canvas.dot((place(*dot), y), 4, MUTED);
    }
    if ratio.interval.is_some() {
        let (low, high) = (place(low), place(high));
        canvas.line((low, y), (high, y), 2, TEXT);
        for end in [low, high] {
            canvas.line((end, y - 6), (end, y + 6), 2, TEXT);
        }
    }
}
