//! A mean of centres, each estimated from a sample of its own: what several cells say together.

use crate::location::hodges_lehmann;
use crate::power::{EFFICIENCY, standard_deviation};
use crate::quantiles::{student_below, student_quantile};
use crate::signed_rank::Interval;

/// A weighted mean of centres, with its standard error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanOfCentres {
    /// The mean.
    pub value: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// The degrees of freedom behind the standard error, at least 1.
    pub freedom: u32,
}

/// The weighted mean of the samples' Hodges-Lehmann estimates; weights add up to one. Samples need
/// not have the same size, nor do their values belong together in pairs.
///
/// The standard error is `sqrt(sum(w^2 s^2 / (.955 n)))`, with the standard deviation s and size n
/// of each sample, and its degrees of freedom are Satterthwaite's (F. E. Satterthwaite, "An
/// approximate distribution of estimates of variance components", Biometrics Bulletin 2, 1946),
/// rounded down. Assumes samples that do not depend on each other. Absent without samples, or with
/// one of fewer than two values.
///
/// # Panics
/// With a value that is not finite.
#[must_use]
pub fn mean_of_centres(samples: &[(f64, &[f64])]) -> Option<MeanOfCentres> {
    let mut value = 0.0;
    let (mut variance, mut squares) = (0.0, 0.0);
    for (weight, values) in samples {
        let n = values.len() as f64;
        let of_sample = (weight * standard_deviation(values)?).powi(2) / (EFFICIENCY * n);
        value += weight * hodges_lehmann(values);
        variance += of_sample;
        squares += of_sample.powi(2) / (n - 1.0);
    }
    let all: usize = samples.iter().map(|(_, values)| values.len() - 1).sum();
    let freedom = if squares > 0.0 { variance * variance / squares } else { all as f64 };
    // Satterthwaite's are at most `all`, which fits.
    (!samples.is_empty()).then(|| MeanOfCentres {
        value,
        standard_error: variance.sqrt(),
        freedom: (freedom + 1e-9).floor().max(1.0) as u32,
    })
}

impl MeanOfCentres {
    /// The interval that leaves out the probability `tail` on either side, by Student's law.
    ///
    /// # Panics
    /// With a `tail` outside of (0, 0.5).
    #[must_use]
    pub fn interval(self, tail: f64) -> Interval {
        let reach = student_quantile(1.0 - tail, self.freedom) * self.standard_error;
        let (low, high) = (self.value - reach, self.value + reach);
        Interval { low, high, confidence: 1.0 - 2.0 * tail }
    }

    /// The two-sided p value of "the mean lies within `band` of 0".
    #[must_use]
    pub fn p_beyond(self, band: f64) -> f64 {
        let distance = self.value.abs() - band;
        if self.standard_error == 0.0 {
            return if distance > 0.0 { 0.0 } else { 1.0 };
        }
        (2.0 * student_below(-distance / self.standard_error, self.freedom)).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SplitMix64;

    /// s = 1.5811 each; SE = sqrt(2 (1/4) 2.5 / (.955 5)) = .5117, 8 degrees of freedom.
    #[test]
    fn a_mean_of_two() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0, 5.0], [3.0, 4.0, 5.0, 6.0, 7.0]);
        let found = mean_of_centres(&[(0.5, &a), (0.5, &b)]).expect("two samples");
        assert_eq!((found.value, found.freedom), (4.0, 8));
        assert!((found.standard_error - 0.5117).abs() < 1e-4, "{found:?}");
        let Interval { low, high, confidence } = found.interval(0.025);
        // t(.975, 8) = 2.306.
        assert!((high - 5.180).abs() < 1e-3 && (low - 2.820).abs() < 1e-3, "{low} {high}");
        assert_eq!(confidence, 0.95);
        // t = 4 / .5117 = 7.82 with 8 degrees of freedom; within a band of 4 nothing is beyond.
        assert!((found.p_beyond(0.0) - 5.2e-5).abs() < 1e-5, "{}", found.p_beyond(0.0));
        assert_eq!(found.p_beyond(4.0), 1.0);
    }

    #[test]
    fn too_little_is_nothing() {
        assert_eq!(mean_of_centres(&[]), None);
        assert_eq!(mean_of_centres(&[(0.5, &[1.0]), (0.5, &[1.0, 2.0])]), None);
        let equal = mean_of_centres(&[(1.0, &[2.0, 2.0, 2.0])]).expect("three are enough");
        assert_eq!((equal.standard_error, equal.freedom, equal.p_beyond(1.0)), (0.0, 2, 0.0));
    }

    /// Intervals hold the truth as often as they say, with unequal sizes and spreads, and whether
    /// noise has long tails or not.
    #[test]
    fn intervals_cover() {
        let mut random = SplitMix64::new(5);
        let mut normal = || {
            let radius = (-2.0 * (1.0 - random.unit()).ln()).sqrt();
            radius * (std::f64::consts::TAU * random.unit()).cos()
        };
        for (name, long_tails) in [("normal", false), ("long tails", true)] {
            let shape = |z: f64, u: f64| if long_tails { z / (u * u).max(0.05).sqrt() } else { z };
            let trials = 2_000;
            let mut covered = 0;
            for _ in 0..trials {
                let mut sample = |n: usize, spread: f64| -> Vec<f64> {
                    (0..n).map(|_| spread * shape(normal(), normal())).collect()
                };
                let samples = [sample(8, 0.01), sample(8, 0.05), sample(6, 0.02), sample(5, 0.03)];
                let weighted: Vec<(f64, &[f64])> =
                    samples.iter().zip([0.5, 0.1, 0.2, 0.2]).map(|(s, w)| (w, &s[..])).collect();
                let found = mean_of_centres(&weighted).expect("four samples").interval(0.025);
                covered += u32::from(found.low <= 0.0 && 0.0 <= found.high);
            }
            let share = f64::from(covered) / f64::from(trials);
            assert!((0.935..0.99).contains(&share), "{name}: {share}");
        }
    }
}
