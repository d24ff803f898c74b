//! The noise floor: what difference this machine makes between two arms that are the same.

use serde::{Deserialize, Serialize};

use duet_stats::SplitMix64;
use duet_stats::{hodges_lehmann, next_within};

/// A bound on the estimates of null experiments.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Floor {
    /// The bound, as a logarithm of a ratio.
    pub nu: f64,
    /// What it comes from.
    pub source: FloorSource,
}

/// What a floor comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FloorSource {
    /// The largest estimate of so many null experiments, 19 or more.
    Extreme {
        /// Null experiments.
        experiments: u32,
    },
    /// The spread of the estimates of so many null experiments.
    Spread {
        /// Null experiments.
        experiments: u32,
    },
    /// The blocks of the run itself: uncalibrated.
    InRun,
}

/// From so many null experiments on, the largest of them is exceeded by one more with a probability
/// of at most 1/20, whatever the law: each of 20 is as likely to be the largest.
pub const EXTREME_MIN: usize = 19;

/// The quantile of estimates under the null hypothesis that makes a floor.
const QUANTILE: f64 = 0.95;

/// Up to so many blocks all sign patterns are tried.
const EXACT_BLOCKS_MAX: usize = 12;

/// Sign patterns tried beyond: the quantile is then right to about 0.3 points.
const PATTERNS: u32 = 4096;

/// The seed of those patterns. Fixed, so that a record always gives the same verdict.
const SEED: u64 = 5;

impl Floor {
    /// The floor by null experiments, whose `estimates` compare an arm with a copy of itself;
    /// absent below two. From 19 on it is the largest size of any; below, what the next one stays
    /// within with 95 % where estimates are normal: |mean| and what [`next_within`] adds. The mean
    /// belongs to it, since a machine that favours one place over another is not a quiet one.
    #[must_use]
    pub fn of_experiments(estimates: &[f64]) -> Option<Self> {
        let experiments = estimates.len() as u32;
        if estimates.len() >= EXTREME_MIN {
            let nu = estimates.iter().fold(0.0_f64, |largest, e| largest.max(e.abs()));
            return Some(Self { nu, source: FloorSource::Extreme { experiments } });
        }
        let (mean, reach) = next_within(estimates)?;
        Some(Self { nu: mean.abs() + reach, source: FloorSource::Spread { experiments } })
    }

    /// The floor by the blocks of the run itself: the 95 % quantile of the estimates' size if the
    /// sign of each block's distance from the estimate were drawn. It knows how far blocks spread,
    /// and nothing of what makes whole runs differ: uncalibrated.
    ///
    /// # Panics
    /// Without log ratios, or with one that is not finite.
    #[must_use]
    pub fn in_run(log_ratios: &[f64]) -> Self {
        let centre = hodges_lehmann(log_ratios);
        let distances: Vec<f64> = log_ratios.iter().map(|c| c - centre).collect();
        let size = |pattern: u64| {
            let sign = |i: usize| if pattern >> (i % 64) & 1 == 1 { -1.0 } else { 1.0 };
            let flipped: Vec<f64> =
                distances.iter().enumerate().map(|(i, d)| sign(i) * d).collect();
            hodges_lehmann(&flipped).abs()
        };
        let mut sizes: Vec<f64> = if distances.len() <= EXACT_BLOCKS_MAX {
            // A pattern and its opposite give the same size: the last sign stays.
            (0..1 << (distances.len() - 1)).map(size).collect()
        } else {
            let mut random = SplitMix64::new(SEED);
            (0..PATTERNS).map(|_| size(random.next())).collect()
        };
        sizes.sort_unstable_by(f64::total_cmp);
        // The quantile lies within 0 and 1, so the index within the sizes.
        let index = (QUANTILE * sizes.len() as f64).ceil() as usize - 1;
        Self { nu: sizes[index], source: FloorSource::InRun }
    }

    /// Whether null experiments stand behind it.
    #[must_use]
    pub fn is_calibrated(&self) -> bool {
        self.source != FloorSource::InRun
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use duet_stats::standard_deviation;

    #[test]
    fn floors_by_experiments() {
        assert_eq!(Floor::of_experiments(&[]), None);
        assert_eq!(Floor::of_experiments(&[0.01]), None);
        // t(.975, 1) = 12.706; s = 0.01 sqrt 2; sqrt(1.5): 0.2201. The mean is 0.
        let two = Floor::of_experiments(&[0.01, -0.01]).expect("two are enough");
        assert!((two.nu - 0.2201).abs() < 1e-4, "{two:?}");
        // A bias shows although nothing spreads.
        let biased = Floor::of_experiments(&[0.02; 5]).expect("five are enough");
        assert!((biased.nu - 0.02).abs() < 1e-12, "{biased:?}");
        let mut many: Vec<f64> = (0..18).map(|i| f64::from(i) / 1000.0).collect();
        let source = |e: &[f64]| Floor::of_experiments(e).map(|f| f.source);
        assert_eq!(source(&many), Some(FloorSource::Spread { experiments: 18 }));
        many.push(-0.03);
        let all = Floor::of_experiments(&many).expect("19 are enough");
        assert_eq!(all, Floor { nu: 0.03, source: FloorSource::Extreme { experiments: 19 } });
        assert!(all.is_calibrated());
    }

    #[test]
    fn floors_in_the_run() {
        // Nothing spreads: nothing is noise. The centre does not matter.
        assert_eq!(Floor::in_run(&[0.5; 8]).nu, 0.0);
        assert_eq!(Floor::in_run(&[0.5; 20]).nu, 0.0);
        // Eight times +-1 about 0: the estimate of k signs up is 1 from k = 7 on, which 18 of 256
        // patterns reach in either direction: more than 5 %.
        let signs: Vec<f64> = (0..8).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
        let floor = Floor::in_run(&signs);
        assert_eq!((floor.nu, floor.source), (1.0, FloorSource::InRun));
        let moved: Vec<f64> = signs.iter().map(|s| s + 7.0).collect();
        assert_eq!(Floor::in_run(&moved).nu, 1.0);
        assert!(!floor.is_calibrated());
    }

    /// Sampled patterns agree with all of them, and with theory: for normal noise the estimate's
    /// 95 % quantile is about 1.96 s / sqrt(.955 n).
    #[test]
    fn sampled_patterns_are_enough() {
        let mut random = SplitMix64::new(3);
        let values: Vec<f64> =
            (0..24).map(|_| (0..12).map(|_| random.unit()).sum::<f64>() - 6.0).collect();
        let (twelve, all) = (Floor::in_run(&values[..12]).nu, Floor::in_run(&values).nu);
        let theory = |n: usize| {
            1.96 * standard_deviation(&values[..n]).expect("more than one")
                / (0.955 * n as f64).sqrt()
        };
        assert!((0.8..1.2).contains(&(twelve / theory(12))), "{twelve}, {}", theory(12));
        assert!((0.8..1.2).contains(&(all / theory(24))), "{all}, {}", theory(24));
        assert_eq!(all, Floor::in_run(&values).nu);
    }
}
