//! The axis of changes: ln of how many times worse, labelled in per cent.

use crate::chart::scale::{Linear, Scale};

/// Distances between grid lines in per cent, the finest first.
const STEPS: [f64; 12] = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 25.0, 50.0, 100.0, 200.0];

/// Grid lines in per cent of an axis over which no even distance fits, the most wanted first.
const FAR: [f64; 12] =
    [0.0, 900.0, -90.0, 100.0, -50.0, 9_900.0, -99.0, 400.0, -80.0, 200.0, 99_900.0, -99.9];

/// From here on, either way, distances in per cent are not even any more: three times.
const FAR_FROM: f64 = 1.1;

/// The air at either end, as a share of what is between.
const AIR: f64 = 0.05;

/// No axis spans less than 2 %: what lies within is no change.
const LEAST: f64 = 0.01;

/// An axis between two pixels; the second may be the smaller one.
pub(super) struct ChangesAxis {
    scale: Linear,
}

impl ChangesAxis {
    /// An axis that holds all of `changes`, no change, and some air.
    pub(super) fn holding(changes: impl Iterator<Item = f64>, ends: (i32, i32)) -> Self {
        let sane = changes.filter(|change| change.is_finite());
        let (low, high) = sane.fold((-LEAST, LEAST), |(l, h), c| (l.min(c), h.max(c)));
        let air = AIR * (high - low);
        Self { scale: Scale::linear(low - air..high + air, ends) }
    }

    /// The pixel of a change; what lies outside is drawn at the edge.
    pub(super) fn at(&self, change: f64) -> i32 {
        self.scale.at(change)
    }

    /// On which side of the axis a change lies outside of it.
    pub(super) fn beyond(&self, change: f64) -> Option<i32> {
        match change {
            c if c < self.scale.low => Some(-1),
            c if c > self.scale.high => Some(1),
            _ => None,
        }
    }

    /// Grid lines, `gap` pixels apart or more: labels and pixels.
    pub(super) fn grid(&self, gap: i32) -> Vec<(String, i32)> {
        let place = |percent: f64| self.at((percent / 100.0).ln_1p());
        let inside =
            |percent: &f64| *percent > -100.0 && self.beyond((percent / 100.0).ln_1p()).is_none();
        let apart = |lines: &[f64], percent: f64| {
            lines.iter().all(|line| (place(*line) - place(percent)).abs() >= gap)
        };
        let even = |step: f64| -> Option<Vec<f64>> {
            let (first, last) =
                (100.0 * self.scale.low.exp_m1() / step, 100.0 * self.scale.high.exp_m1() / step);
            // An axis with so many lines has a coarser step that fits.
            if last - first > 100.0 {
                return None;
            }
            let lines = (first.ceil() as i64..=last.floor() as i64).map(|i| i as f64 * step);
            let lines: Vec<f64> = lines.filter(inside).collect();
            let fits = lines.windows(2).all(|pair| apart(&pair[..1], pair[1]));
            fits.then_some(lines)
        };
        let near = self.scale.low > -FAR_FROM && self.scale.high < FAR_FROM;
        let lines = STEPS.iter().filter(|_| near).find_map(|step| even(*step));
        let lines = lines.unwrap_or_else(|| {
            FAR.into_iter().filter(inside).fold(vec![], |mut lines, percent| {
                if apart(&lines, percent) {
                    lines.push(percent);
                }
                lines
            })
        });
        lines.into_iter().map(|percent| (label(percent), place(percent))).collect()
    }
}

/// What a grid line is called: `+2.5 %`, `−1 %`, `0`.
fn label(percent: f64) -> String {
    let sign = if percent < 0.0 { "−" } else { "+" };
    let size = percent.abs();
    match (size * 10.0).round() as i64 {
        0 => "0".to_owned(),
        tenths if tenths % 10 == 0 => format!("{sign}{} %", duet_units::thousands(tenths / 10)),
        tenths => format!("{sign}{}.{} %", tenths / 10, tenths % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grid_lines() {
        let check = |percents: &[f64], want: &str| {
            let changes = percents.iter().map(|percent| (percent / 100.0).ln_1p());
            let scale = ChangesAxis::holding(changes, (0, 400));
            let mut lines = scale.grid(60);
            lines.sort_by_key(|(_, x)| *x);
            let got: Vec<String> = lines.into_iter().map(|(label, _)| label).collect();
            assert_eq!(got.join(" "), want, "{percents:?}");
        };
        check(&[], "−1 % −0.5 % 0 +0.5 % +1 %");
        check(&[3.0], "−1 % 0 +1 % +2 % +3 %");
        check(&[-6.0, 12.0], "−5 % 0 +5 % +10 %");
        check(&[-40.0, 90.0], "0 +50 % +100 %");
        check(&[-60.0, 900.0], "−50 % 0 +100 % +400 % +900 %");
        check(&[f64::NAN, f64::INFINITY], "−1 % −0.5 % 0 +0.5 % +1 %");
    }

    #[test]
    fn pixels() {
        let scale = ChangesAxis::holding([-0.1, 0.1].into_iter(), (300, 100));
        assert_eq!(scale.at(0.0), 200);
        assert!(scale.at(0.1) < scale.at(-0.1));
        assert_eq!((scale.at(5.0), scale.beyond(5.0)), (100, Some(1)));
        assert_eq!((scale.at(-5.0), scale.beyond(-5.0)), (300, Some(-1)));
        assert_eq!(scale.beyond(0.1), None);
    }
}
