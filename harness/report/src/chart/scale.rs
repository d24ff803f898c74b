//! Axes: plotters' coordinates between two pixels. What lies outside is drawn at the edge.

use std::ops::Range;

use plotters::coord::combinators::{IntoLogRange, LogCoord};
use plotters::coord::ranged1d::Ranged;
use plotters::coord::types::RangedCoordf64;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels() {
        let linear = Scale::linear(0.0..10.0, (100, 0));
        assert_eq!([-1.0, 0.0, 5.0, 10.0, 99.0].map(|v| linear.at(v)), [100, 100, 50, 0, 0]);
        let log = Scale::logarithmic(1.0..100.0, (0, 200));
        assert_eq!([0.0, 1.0, 10.0, 100.0, f64::NAN].map(|v| log.at(v)), [0, 0, 100, 200, 0]);
        assert_eq!(Scale::linear(3.0..3.0, (7, 9)).at(3.0), 7);
    }
}
