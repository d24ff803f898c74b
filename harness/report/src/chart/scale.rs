//! Axes: plotters' coordinates between two pixels. What lies outside is drawn at the edge.

use std::ops::Range;

use plotters::coord::combinators::{IntoLogRange, LogCoord};
use plotters::coord::ranged1d::Ranged;
use plotters::coord::types::RangedCoordf64;

/// Steps of an axis from 0 at most.
const STEPS_MAX: f64 = 6.0;

/// An axis from `low` to `high`, and the pixels of these two.
pub(crate) struct Scale<C> {
    coord: C,
    pub(crate) low: f64,
    pub(crate) high: f64,
    pixels: (i32, i32),
}

/// An axis of equal differences.
pub(crate) type Linear = Scale<RangedCoordf64>;

/// An axis of equal ratios; both ends are above zero.
pub(crate) type Logarithmic = Scale<LogCoord<f64>>;

impl Linear {
    pub(crate) fn linear(Range { start, end }: Range<f64>, pixels: (i32, i32)) -> Self {
        Self { coord: (start..end).into(), low: start, high: end, pixels }
    }
}

impl Logarithmic {
    pub(crate) fn logarithmic(Range { start, end }: Range<f64>, pixels: (i32, i32)) -> Self {
        Self { coord: (start..end).log_scale().into(), low: start, high: end, pixels }
    }
}

impl<C: Ranged<ValueType = f64>> Scale<C> {
    /// The pixel of a value.
    pub(crate) fn at(&self, value: f64) -> i32 {
        if value.is_nan() || self.low >= self.high {
            return self.pixels.0;
        }
        self.coord.map(&value.clamp(self.low, self.high), self.pixels)
    }
}

/// From one tick to the next: 1, 2 or 5 times a power of ten.
fn step(end: f64) -> f64 {
    let steps = (-6..12).flat_map(|decade| [1.0, 2.0, 5.0].map(|s| (s, decade)));
    let of = |(s, decade): (f64, i32)| match decade {
        0.. => s * 10_f64.powi(decade),
        _ => s / 10_f64.powi(-decade), // written as short as it is
    };
    steps.map(of).find(|step| end / step <= STEPS_MAX).unwrap_or(end)
}

/// The ticks of an axis from 0.
pub(super) fn ticks(end: f64) -> Vec<f64> {
    let step = step(end);
    let count = (end / step + 1e-9).floor() as u32;
    (0..=count).map(|n| (f64::from(n) * step * 1e6).round() / 1e6).collect()
}

/// The tick at the top of an axis from 0 that holds values up to `highest`.
pub(super) fn top(highest: f64) -> f64 {
    let step = step(highest);
    (highest / step).ceil() * step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_from_zero() {
        for (end, want) in [
            (150.0, &[0.0, 50.0, 100.0, 150.0][..]),
            (65.0, &[0.0, 20.0, 40.0, 60.0]),
            (3.0, &[0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0]),
            (0.7, &[0.0, 0.2, 0.4, 0.6]),
        ] {
            assert_eq!(ticks(end), want, "{end}");
        }
        assert_eq!([150.0, 65.0, 3.0].map(top), [150.0, 80.0, 3.0]);
    }

    #[test]
    fn pixels() {
        let linear = Scale::linear(0.0..10.0, (100, 0));
        assert_eq!([-1.0, 0.0, 5.0, 10.0, 99.0].map(|v| linear.at(v)), [100, 100, 50, 0, 0]);
        let log = Scale::logarithmic(1.0..100.0, (0, 200));
        assert_eq!([0.0, 1.0, 10.0, 100.0, f64::NAN].map(|v| log.at(v)), [0, 0, 100, 200, 0]);
        assert_eq!(Scale::linear(3.0..3.0, (7, 9)).at(3.0), 7);
    }
}
