//! The axis "how many times": logarithmic, with the benchmarks game's marks 1, 3, 5, 10, 30, 50, …

use super::scale::{Logarithmic, Scale};

/// Ratios that may get a grid line in every decade, the most wanted first.
const WANTED: [f64; 4] = [1.0, 3.0, 5.0, 2.0];

/// More of them for the first decade, where most ratios lie.
const WANTED_NEAR_ONE: [f64; 3] = [1.5, 1.2, 1.1];

/// Ratios below one that may get a grid line, where the axis begins below.
const WANTED_BELOW_ONE: [f64; 6] = [0.5, 0.8, 0.9, 0.7, 0.6, 0.2];

/// Pixels between a grid line and the others at least, so that their labels do not touch.
fn gap(ratio: f64) -> i32 {
    if ratio < 1000.0 { 34 } else { 54 }
}

/// A logarithmic axis of ratios between two pixels.
pub(super) struct Axis {
    scale: Logarithmic,
}

impl Axis {
    /// An axis that holds all of `values`, one, and some air, and ends at a grid line.
    pub(super) fn holding(values: impl Iterator<Item = f64>, pixels: (i32, i32)) -> Self {
        let sane = values.filter(|v| v.is_finite() && *v > 0.0);
        // At least half as much again, so that ties stand close together.
        let (low, high) = sane.fold((1.0_f64, 1.4_f64), |(l, h), v| (l.min(v), h.max(v)));
        let high = (0..12)
            .flat_map(|decade| [1.5, 2.0, 3.0, 5.0, 10.0].map(|m| m * 10f64.powi(decade)))
            .find(|end| *end >= high * 1.02)
            .unwrap_or(high);
        // Room for the mark at one, and for intervals that reach below.
        let low = (low / high.powf(0.02)).min(high.powf(-0.04));
        Self { scale: Scale::logarithmic(low..high, pixels) }
    }

    /// The pixel of a ratio; what lies outside is drawn at the edge.
    pub(super) fn at(&self, ratio: f64) -> i32 {
        self.scale.at(ratio)
    }

    /// Grid lines from left to right: ratios and pixels.
    pub(super) fn grid(&self) -> Vec<(f64, i32)> {
        let mut lines: Vec<(f64, i32)> = vec![];
        let decades = WANTED.iter().flat_map(|m| (0..12).map(move |d| m * 10f64.powi(d)));
        for ratio in decades.chain(WANTED_NEAR_ONE).chain(WANTED_BELOW_ONE) {
            let x = self.at(ratio);
            // A hair of tolerance: the end is the product of floating numbers.
            let inside = self.scale.low <= ratio && ratio <= self.scale.high * 1.000_001;
            if inside && lines.iter().all(|(_, other)| (x - other).abs() >= gap(ratio)) {
                lines.push((ratio, x));
            }
        }
        lines.sort_by(|a, b| a.0.total_cmp(&b.0));
        lines
    }
}

/// What a grid line is called: `1.5×`, `1,000×`.
pub(super) fn label(ratio: f64) -> String {
    // Grid lines are whole from 2 on, and short decimals below.
    if ratio < 2.0 {
        format!("{ratio}×")
    } else {
        format!("{}×", duet_units::thousands(ratio as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grid_lines() {
        let check = |highest: f64, want: &[f64]| {
            let axis = Axis::holding([highest].into_iter(), (0, 480));
            let got: Vec<f64> = axis.grid().iter().map(|(ratio, _)| *ratio).collect();
            assert_eq!(got, want, "highest {highest}");
        };
        check(1.0, &[1.0, 1.1, 1.2, 1.5]);
        check(1.4, &[1.0, 1.1, 1.2, 1.5]);
        check(4.1, &[1.0, 1.2, 1.5, 2.0, 3.0, 5.0]);
        check(18.0, &[1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0]);
        // The benchmarks game's own axis.
        check(250.0, &[1.0, 3.0, 5.0, 10.0, 30.0, 50.0, 100.0, 300.0]);
    }

    #[test]
    fn pixels() {
        let axis = Axis::holding([0.9, 4.0, f64::NAN, f64::INFINITY].into_iter(), (100, 500));
        assert_eq!(axis.at(5.0), 500);
        assert_eq!(axis.at(1e9), 500);
        assert_eq!(axis.at(1e-9), 100);
        assert!(axis.at(0.9) > 100);
        // Pixels are whole.
        let [one, two, four] = [1.0, 2.0, 4.0].map(|ratio| axis.at(ratio));
        assert!((two - one).abs_diff(four - two) <= 1);
    }
}
