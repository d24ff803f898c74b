//! How values of several sessions depend on the state of the machine, as gauges say it.
//!
//! With five sessions and five gauges some gauge fits by accident. So a line is told of only where
//! it predicts sessions that it has not seen better than their mean does, and where hardly any
//! other assignment of the same values to the sessions would look as good.

use crate::pool::SESSIONS_MIN;
use crate::quantiles::student_quantile;
use crate::random::SplitMix64;
use crate::signed_rank::Interval;

/// Random assignments of values to sessions that a line is held against.
const PERMUTATIONS: u32 = 999;

/// The largest share of them that may look as good.
const P_MAX: f64 = 0.05;

/// Of the permutations: the same sessions say the same.
const SEED: u64 = 1;

/// A gauge whose sum of squared deviations is less has not moved: 1e-6 in a logarithm.
const MOVED_MIN: f64 = 1e-12;

/// A line `value = at_rest + slope (gauge - least gauge)` over sessions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dependence {
    /// Which gauge: the one that predicts best.
    pub gauge: usize,
    /// By how much the value grows with the gauge.
    pub slope: f64,
    /// Where the slope lies, with 95 %: `b ± t(.975, k-2) s_e / sqrt(S_gg)`.
    pub slope_interval: Interval,
    /// The value where the gauge is at its least.
    pub at_rest: f64,
    /// Where that lies, with 95 %: `± t(.975, k-2) s_e sqrt(1/k + (g_0 - mean g)^2 / S_gg)`.
    pub at_rest_interval: Interval,
    /// How far the line is off a session that it has not seen: the root of the mean square.
    pub error: f64,
    /// The same of the mean.
    pub error_of_mean: f64,
    /// The share of permutations of the values in which some gauge predicts as well.
    pub p: f64,
}

/// How values depend on gauges, a list of which is given each with a number per value. Absent below
/// [`SESSIONS_MIN`] values, where no line predicts a session that it has not seen better than the
/// mean does, and where more than one in twenty permutations of the values has a line as good.
///
/// That last condition holds for all gauges together: where values do not depend on any, and
/// sessions not on each other, 5 % at most have a line (permutation tests: P. Good, "Permutation
/// Tests", 2000, and for the count of 1 + n in the place of n, B. Phipson and G. K. Smyth, 2010).
///
/// # Panics
/// When a gauge has another number of values.
#[must_use]
pub fn dependence(values: &[f64], gauges: &[Vec<f64>]) -> Option<Dependence> {
    if values.len() < SESSIONS_MIN {
        return None;
    }
    let of_gauge = |(index, gauge): (usize, &Vec<f64>)| {
        assert_eq!(gauge.len(), values.len(), "gauge {index} has a value per session");
        Some((index, Design::of(gauge)?))
    };
    let designs: Vec<(usize, Design)> = gauges.iter().enumerate().filter_map(of_gauge).collect();
    let best = |values: &[f64]| {
        let errors = designs.iter().map(|(index, design)| (*index, design.error(values)));
        errors.min_by(|a, b| a.1.total_cmp(&b.1))
    };
    let (gauge, error) = best(values)?;
    let error_of_mean = error_of_mean(values);
    if error >= error_of_mean {
        return None;
    }
    let (mut random, mut shuffled) = (SplitMix64::new(SEED), values.to_vec());
    // Sums in another order differ in their last digits.
    let as_good = (0..PERMUTATIONS).filter(|_| {
        random.shuffle(&mut shuffled);
        best(&shuffled).is_some_and(|(_, other)| other <= error * (1.0 + 1e-9))
    });
    let p = f64::from(1 + as_good.count() as u32) / f64::from(1 + PERMUTATIONS);
    if p > P_MAX {
        return None;
    }
    let (_, design) = designs.iter().find(|(index, _)| *index == gauge)?;
    let Line { slope, slope_interval, at_rest, at_rest_interval } = design.line(values);
    Some(Dependence {
        gauge,
        slope,
        slope_interval,
        at_rest,
        at_rest_interval,
        error,
        error_of_mean,
        p,
    })
}

/// How far the mean of the others is off a value: the root of the mean square.
fn error_of_mean(values: &[f64]) -> f64 {
    let k = values.len() as f64;
    let mean = values.iter().sum::<f64>() / k;
    let off = values.iter().map(|value| ((value - mean) * k / (k - 1.0)).powi(2));
    (off.sum::<f64>() / k).sqrt()
}

/// A gauge, as least squares needs it.
struct Design {
    /// Deviations from the mean.
    deviations: Vec<f64>,
    /// The sum of their squares.
    squares: f64,
    /// The least of them: the machine at its best.
    least: f64,
}

/// What a [`Dependence`] says that follows from its gauge alone.
struct Line {
    slope: f64,
    slope_interval: Interval,
    at_rest: f64,
    at_rest_interval: Interval,
}

impl Design {
    /// Absent of a gauge that has not moved, or in one session alone: a line fits that one whatever
    /// its value.
    fn of(gauge: &[f64]) -> Option<Self> {
        let k = gauge.len() as f64;
        let mean = gauge.iter().sum::<f64>() / k;
        let deviations: Vec<f64> = gauge.iter().map(|g| g - mean).collect();
        let squares: f64 = deviations.iter().map(|d| d * d).sum();
        let least = deviations.iter().copied().fold(f64::INFINITY, f64::min);
        let design = Self { deviations, squares, least };
        let moved = squares.is_finite() && squares > MOVED_MIN;
        (moved && design.leverages().all(|leverage| leverage < 1.0 - 1e-9)).then_some(design)
    }

    /// How much of a session's fitted value is its own.
    fn leverages(&self) -> impl Iterator<Item = f64> {
        let k = self.deviations.len() as f64;
        self.deviations.iter().map(move |d| 1.0 / k + d * d / self.squares)
    }

    fn mean_and_slope(&self, values: &[f64]) -> (f64, f64) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let product: f64 = self.deviations.iter().zip(values).map(|(d, y)| d * y).sum();
        (mean, product / self.squares)
    }

    fn residuals(&self, values: &[f64]) -> impl Iterator<Item = f64> {
        let (mean, slope) = self.mean_and_slope(values);
        self.deviations.iter().zip(values).map(move |(d, y)| y - mean - slope * d)
    }

    /// How far lines through the other sessions are off a session: the root of the mean square. Of
    /// least squares that is the residual over one less the leverage (D. Allen, "The relationship
    /// between variable selection and data augmentation", 1974).
    fn error(&self, values: &[f64]) -> f64 {
        let off = self.residuals(values).zip(self.leverages());
        let squares: f64 = off.map(|(residual, own)| (residual / (1.0 - own)).powi(2)).sum();
        (squares / values.len() as f64).sqrt()
    }

    fn line(&self, values: &[f64]) -> Line {
        let k = values.len();
        let (mean, slope) = self.mean_and_slope(values);
        let squares: f64 = self.residuals(values).map(|residual| residual * residual).sum();
        let noise = (squares / (k - 2) as f64).sqrt();
        let t = student_quantile(0.975, k as u32 - 2);
        let around = |value: f64, reach: f64| {
            let reach = t * noise * reach;
            Interval { low: value - reach, high: value + reach, confidence: 0.95 }
        };
        let at_rest = mean + slope * self.least;
        let reach = (1.0 / k as f64 + self.least.powi(2) / self.squares).sqrt();
        Line {
            slope,
            slope_interval: around(slope, 1.0 / self.squares.sqrt()),
            at_rest,
            at_rest_interval: around(at_rest, reach),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantiles::normal_quantile;

    /// Against numbers by hand.
    #[test]
    fn a_line() {
        let gauge = vec![0.0, 1.0, 2.0, 3.0, 4.0];
        let values = [1.0, 3.1, 4.9, 7.0, 9.0];
        let found = dependence(&values, &[vec![0.0; 5], gauge.clone()]).expect("it is one");
        assert_eq!(found.gauge, 1);
        let near = |got: f64, want: f64| assert!((got - want).abs() < 1e-3, "{got} {want}");
        // Slope 19.9 / 10, mean 5, residuals -.02 .09 -.10 .01 .02; s_e^2 = .019 / 3.
        near(found.slope, 1.99);
        near(found.at_rest, 1.02);
        near(found.slope_interval.high - found.slope, 3.1824 * 0.07958 / 10.0_f64.sqrt());
        near(found.at_rest_interval.high - found.at_rest, 3.1824 * 0.07958 * 0.6_f64.sqrt());
        assert!(found.p <= 0.02 && found.error < 0.2 && found.error_of_mean > 3.0, "{found:?}");
        // What a line through the other four says of each.
        let others = |i: usize| {
            let without = |all: &[f64]| {
                let kept = all.iter().enumerate().filter(|(j, _)| *j != i);
                kept.map(|(_, value)| *value).collect::<Vec<f64>>()
            };
            let (g, y) = (without(&gauge), without(&values));
            let (mean, slope) = Design::of(&g).expect("it moves").mean_and_slope(&y);
            values[i] - mean - slope * (gauge[i] - g.iter().sum::<f64>() / 4.0)
        };
        let squares: f64 = (0..5).map(|i| others(i).powi(2)).sum();
        assert!((found.error - (squares / 5.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn what_says_nothing() {
        let gauge = vec![0.0, 1.0, 2.0, 3.0, 4.0];
        assert_eq!(dependence(&[1.0; 4], &[gauge[..4].to_vec()]), None);
        assert_eq!(dependence(&[1.0, 2.0, 3.0, 4.0, 5.0], &[]), None);
        // One that does not move, and one that moves in one session alone.
        assert_eq!(dependence(&gauge, &[vec![7.0; 5]]), None);
        assert_eq!(dependence(&gauge, &[vec![0.0, 0.0, 0.0, 0.0, 1.0]]), None);
        assert_eq!(dependence(&[1.0, -1.0, 1.0, -1.0, 1.0], &[gauge]), None);
        assert_eq!(dependence(&[1.0; 5], &[vec![0.0, 1.0, 2.0, 3.0, 4.0]]), None);
    }

    struct Simulated {
        /// How often a line is told of, and how often it is of the first gauge.
        found: f64,
        of_first: f64,
        /// Of those, how often their intervals hold slope and value at rest.
        slope_held: f64,
        rest_held: f64,
    }

    /// Sessions of which five gauges differ by 8 %; values follow the first by `slope`, with 1 %
    /// noise of their own, and without a slope with 9 %. What persists from one session to the
    /// next, of values and gauges alike, is `persistent`.
    fn simulate(k: usize, slope: f64, persistent: f64, runs: u32) -> Simulated {
        let mut random = SplitMix64::new(17);
        let mut series = |spread: f64| {
            let mut before = 0.0;
            let mut next = |i: usize| {
                let new = normal_quantile(random.unit().clamp(1e-12, 1.0 - 1e-12));
                let rest = (1.0 - persistent * persistent).sqrt();
                before = if i == 0 { new } else { persistent * before + rest * new };
                spread * before
            };
            (0..k).map(&mut next).collect::<Vec<f64>>()
        };
        let (mut found, mut of_first, mut slope_held, mut rest_held) = (0, 0, 0, 0);
        for _ in 0..runs {
            let gauges: Vec<Vec<f64>> = (0..5).map(|_| series(0.08)).collect();
            let noise = series(if slope == 0.0 { 0.09 } else { 0.01 });
            let values: Vec<f64> =
                gauges[0].iter().zip(&noise).map(|(g, e)| 0.6 + slope * g + e).collect();
            let Some(line) = dependence(&values, &gauges) else { continue };
            found += 1;
            if line.gauge != 0 {
                continue;
            }
            of_first += 1;
            let holds = |i: Interval, value: f64| u32::from(i.low <= value && value <= i.high);
            slope_held += holds(line.slope_interval, slope);
            let least = gauges[0].iter().copied().fold(f64::INFINITY, f64::min);
            rest_held += holds(line.at_rest_interval, 0.6 + slope * least);
        }
        let share = |count: u32, of: u32| f64::from(count) / f64::from(of.max(1));
        Simulated {
            found: share(found, runs),
            of_first: share(of_first, found),
            slope_held: share(slope_held, of_first),
            rest_held: share(rest_held, of_first),
        }
    }

    #[test]
    fn a_planted_slope_is_found() {
        // With five sessions another gauge may fit as well by accident.
        for (k, least) in [(5, 0.65), (8, 0.98)] {
            let said = simulate(k, 0.6, 0.0, 400);
            assert!(said.found >= least && said.of_first >= 0.93, "{k}: {:?}", said.found);
            assert!(said.slope_held >= 0.92, "{k}: slope {}", said.slope_held);
            assert!(said.rest_held >= 0.92, "{k}: at rest {}", said.rest_held);
        }
    }

    /// 5 % are promised where sessions do not depend on each other; 1,000 simulations stray by 1.4
    /// points (two standard deviations).
    #[test]
    fn no_slope_is_claimed_where_there_is_none() {
        for k in [5, 8, 12] {
            let said = simulate(k, 0.0, 0.0, 1000);
            assert!(said.found <= 0.064, "{k}: {}", said.found);
        }
        // Where half of a state persists from session to session, of gauges and values alike.
        let said = simulate(8, 0.0, 0.5, 1000);
        assert!(said.found <= 0.12, "{}", said.found);
    }
}
