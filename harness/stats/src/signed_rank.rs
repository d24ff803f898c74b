//! The signed-rank law, and the one-sided tests and bounds of a centre that follow from it.
//!
//! A test and a bound of the same level always agree: `p_above(values, bar) <= alpha` exactly where
//! `lower_bound(values, alpha)` lies above `bar`. Values at the bar, and pairs that balance each
//! other about it, count against what is to be shown; so the tests keep their level with ties.

use std::sync::OnceLock;

use crate::location::{median_of_sorted, walsh_averages};
use crate::quantiles::normal_below;

/// The largest sample whose law is computed exactly. All 2^60 sign patterns still count in a `u64`;
/// beyond, the normal law takes over: right to a rank at 5 %, and on the safe side further out.
const EXACT_N_MAX: usize = 60;

/// The probability that an interval leaves out on either side at most, where nothing else is said.
pub const TAIL: f64 = 0.025;

/// Where a centre lies, with a known probability.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// The probability that such an interval covers the centre: that of the exact law up to 60
    /// values, of the normal law beyond. At least 0.95 by the former; 0.9609 for 8 values.
    pub confidence: f64,
}

impl Interval {
    /// The interval of what `increasing` makes of the centre; such a function keeps the confidence.
    #[must_use]
    pub fn map(self, increasing: impl Fn(f64) -> f64) -> Self {
        Self { low: increasing(self.low), high: increasing(self.high), ..self }
    }

    /// The interval of one divided by the centre, where both ends have one sign.
    #[must_use]
    pub fn inverse(self) -> Self {
        Self { low: 1.0 / self.high, high: 1.0 / self.low, ..self }
    }
}

/// The law of the signed-rank statistic W of a sample whose centre is the point in question.
#[derive(Debug)]
enum Law {
    /// Of 2^n sign patterns, how many have W of at most the index.
    Exact(&'static [u64]),
    /// The normal law that approximates it.
    Normal { mean: f64, deviation: f64, most: usize },
}

/// The largest k with P(W <= k - 1) <= `alpha` for `n` values: the k-th smallest average of two of
/// them bounds their centre from below at that level. Absent where there is none, which is where
/// 2^-n exceeds `alpha`.
#[must_use]
pub fn one_sided_rank(n: usize, alpha: f64) -> Option<usize> {
    law(n, 0.0).rank(alpha)
}

/// The interval of the centre: the k-th smallest and the k-th largest average of two values, with
/// the largest k that leaves out at most [`TAIL`], 2.5 %, on either side. What it leaves out is
/// less than that, since ranks are whole: [`Interval::confidence`]. Absent below n = 6, where even
/// all values on one side of a point do not exclude it.
///
/// # Panics
/// Without values, or with one that is not finite.
#[must_use]
pub fn interval(values: &[f64]) -> Option<Interval> {
    interval_at(values, TAIL)
}

/// The same, leaving out at most `tail` on either side.
///
/// # Panics
/// Without values, or with one that is not finite.
#[must_use]
pub fn interval_at(values: &[f64], tail: f64) -> Option<Interval> {
    let averages = sorted_averages(values);
    let law = law(values.len(), ties(values, median_of_sorted(&averages)));
    let rank = law.rank(tail)?;
    let (low, high) = (averages[rank - 1], averages[averages.len() - rank]);
    Some(Interval { low, high, confidence: 1.0 - 2.0 * law.at_most(rank - 1) })
}

/// A bound below which the centre lies with probability at most `alpha`. Absent where so few values
/// give none; see [`one_sided_rank`].
///
/// # Panics
/// Without values, or with one that is not finite.
#[must_use]
pub fn lower_bound(values: &[f64], alpha: f64) -> Option<f64> {
    let averages = sorted_averages(values);
    let rank = law(values.len(), ties(values, median_of_sorted(&averages))).rank(alpha)?;
    Some(averages[rank - 1])
}

/// A bound above which the centre lies with probability at most `alpha`; otherwise as
/// [`lower_bound`].
///
/// # Panics
/// Without values, or with one that is not finite.
#[must_use]
pub fn upper_bound(values: &[f64], alpha: f64) -> Option<f64> {
    Some(-lower_bound(&mirrored(values), alpha)?)
}

/// The p value of "the centre lies at `bar` or below" against "above": the probability of values
/// that speak so clearly for "above" if the centre lies at `bar`.
///
/// # Panics
/// Without values, or with one that is not finite.
#[must_use]
pub fn p_above(values: &[f64], bar: f64) -> f64 {
    let averages = walsh_averages(values);
    let not_above = averages.iter().filter(|&&average| average <= bar).count();
    law(values.len(), ties(values, bar)).at_most(not_above)
}

/// The p value of "the centre lies at `bar` or above" against "below".
///
/// # Panics
/// Without values, or with one that is not finite.
#[must_use]
pub fn p_below(values: &[f64], bar: f64) -> f64 {
    p_above(&mirrored(values), -bar)
}

/// The two-sided p value of "the centre lies within `band` of 0": twice the smaller of the two
/// one-sided ones. At most 2 `tail` exactly where [`interval_at`] lies wholly beyond the band.
///
/// # Panics
/// Without values, or with one that is not finite.
#[must_use]
pub fn p_beyond(values: &[f64], band: f64) -> f64 {
    (2.0 * p_above(values, band).min(p_below(values, -band))).min(1.0)
}

fn sorted_averages(values: &[f64]) -> Vec<f64> {
    let mut averages = walsh_averages(values);
    averages.sort_unstable_by(f64::total_cmp);
    averages
}

fn mirrored(values: &[f64]) -> Vec<f64> {
    values.iter().map(|v| -v).collect()
}

/// The law for `n` values; `ties` as [`ties`] counts them, which the exact law does not need.
fn law(n: usize, ties: f64) -> Law {
    if n <= EXACT_N_MAX {
        return Law::Exact(LAWS[n].get_or_init(|| cumulated(signed_rank_counts(n))));
    }
    let size = n as f64;
    let variance = size * (size + 1.0) * (2.0 * size + 1.0) / 24.0 - ties / 48.0;
    let mean = size * (size + 1.0) / 4.0;
    Law::Normal { mean, deviation: variance.sqrt(), most: n * (n + 1) / 2 }
}

/// Exact laws by n, worked out when first needed: a gate asks for the same few again and again.
static LAWS: [OnceLock<Vec<u64>>; EXACT_N_MAX + 1] = [const { OnceLock::new() }; EXACT_N_MAX + 1];

fn cumulated(mut counts: Vec<u64>) -> Vec<u64> {
    let mut below = 0;
    for count in &mut counts {
        below += *count;
        *count = below;
    }
    counts
}

impl Law {
    /// P(W <= `w`).
    fn at_most(&self, w: usize) -> f64 {
        match self {
            // The last entry counts all patterns; w is at most n(n+1)/2.
            Self::Exact(below) => below[w] as f64 / below[below.len() - 1] as f64,
            Self::Normal { mean, deviation, .. } => {
                normal_below((w as f64 + 0.5 - mean) / deviation)
            }
        }
    }

    /// How many of the values of W, from 0 on, have P(W <= w) <= `alpha`; absent if none.
    fn rank(&self, alpha: f64) -> Option<usize> {
        let most = match self {
            Self::Exact(below) => below.len() - 1,
            Self::Normal { most, .. } => *most,
        };
        // P(W <= w) grows with w: halve the range that holds the first w beyond alpha.
        let (mut low, mut high) = (0, most);
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.at_most(middle) <= alpha {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (low > 0).then_some(low)
    }
}

/// The sum of t(t - 1)(t + 1) over groups of t equal distances from `centre`, by which ties make
/// the normal law's variance smaller (Hollander and Wolfe, section 3.1).
fn ties(values: &[f64], centre: f64) -> f64 {
    if values.len() <= EXACT_N_MAX {
        return 0.0;
    }
    let mut distances: Vec<f64> = values.iter().map(|v| (v - centre).abs()).collect();
    distances.sort_unstable_by(f64::total_cmp);
    let groups = distances.chunk_by(|a, b| a == b).map(|tied| tied.len() as f64);
    groups.map(|t| t * (t - 1.0) * (t + 1.0)).sum()
}

/// How many of the 2^n sign patterns give each value of the signed-rank statistic, from 0 to
/// n(n+1)/2: the number of subsets of 1..=n with that sum, rank by rank.
fn signed_rank_counts(n: usize) -> Vec<u64> {
    assert!(n <= EXACT_N_MAX, "counts of {n} ranks do not fit");
    let mut counts = vec![0; n * (n + 1) / 2 + 1];
    counts[0] = 1;
    for rank in 1..=n {
        for sum in (rank..counts.len()).rev() {
            counts[sum] += counts[sum - rank];
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SplitMix64, hodges_lehmann};

    fn level(n: usize, rank: usize) -> f64 {
        law(n, 0.0).at_most(rank - 1)
    }

    /// n, then k and coverage of the two-sided 95 % interval, then k and level of the one-sided
    /// test at 5 %, in per cent; as in published tables of the signed-rank statistic.
    #[test]
    fn exact_ranks() {
        let cases = [
            (6, 1, 96.9, 3, 4.69),
            (8, 4, 96.1, 6, 3.91),
            (10, 9, 95.1, 11, 4.20),
            (12, 14, 95.8, 18, 4.61),
            (16, 30, 95.6, 36, 4.67),
            (20, 53, 95.2, 61, 4.87),
            (24, 82, 95.1, 92, 4.75),
        ];
        for (n, two_sided, coverage, one_sided, percent) in cases {
            assert_eq!(one_sided_rank(n, 0.025), Some(two_sided), "n = {n}");
            assert_eq!(one_sided_rank(n, 0.05), Some(one_sided), "n = {n}");
            let values: Vec<f64> = (0..n).map(|v| v as f64).collect();
            let got = 100.0 * interval(&values).expect("it has one").confidence;
            assert!((got - coverage).abs() < 0.051, "n = {n}: coverage {got}");
            let got = 100.0 * level(n, one_sided);
            assert!((got - percent).abs() < 0.0051, "n = {n}: {got}");
        }
    }

    /// A narrower tail never gives a narrower interval, and p agrees with the interval.
    #[test]
    fn tails_and_p_values_agree() {
        let mut random = SplitMix64::new(3);
        for trial in 0..200 {
            let n = 6 + trial % 12;
            let values: Vec<f64> = (0..n).map(|_| random.unit() - 0.2).collect();
            for tail in [0.02, TAIL] {
                let Some(found) = interval_at(&values, tail) else { continue };
                let beyond = found.low > 0.01 || found.high < -0.01;
                assert_eq!(p_beyond(&values, 0.01) <= 2.0 * tail, beyond, "{values:?}");
                assert!(found.confidence >= 1.0 - 2.0 * tail);
            }
        }
        // All eight above the band: 2 of 256 sign patterns.
        assert_eq!(p_beyond(&[0.5; 8], 0.01), 2.0 / 256.0);
        assert_eq!(p_beyond(&[0.0; 8], 0.01), 1.0);
    }

    /// The ranks and levels of four looks at .005, .010, .015 and .020.
    #[test]
    fn ranks_of_looks() {
        let cases = [
            (8, 0.005, 1, 0.0039),
            (12, 0.010, 10, 0.0081),
            (16, 0.015, 27, 0.0145),
            (24, 0.020, 79, 0.0197),
        ];
        for (n, alpha, rank, want) in cases {
            assert_eq!(one_sided_rank(n, alpha), Some(rank), "n = {n}");
            assert!((level(n, rank) - want).abs() < 5.1e-5, "n = {n}: {}", level(n, rank));
        }
    }

    #[test]
    fn smallest_p_values() {
        for n in 1..=60_i32 {
            let values: Vec<f64> = (1..=n).map(f64::from).collect();
            let want = 2_f64.powi(-n);
            assert_eq!(p_above(&values, 0.0), want, "n = {n}");
            assert_eq!(p_below(&values, f64::from(n) + 1.0), want, "n = {n}");
            assert_eq!(one_sided_rank(n as usize, want), Some(1), "n = {n}");
            assert_eq!(one_sided_rank(n as usize, want * 0.999), None, "n = {n}");
        }
        assert_eq!(one_sided_rank(0, 0.5), None);
    }

    #[test]
    fn counts_are_whole_up_to_the_limit() {
        let counts = signed_rank_counts(60);
        assert_eq!(counts.iter().sum::<u64>(), 1 << 60);
        assert_eq!(counts.len(), 1831);
    }

    /// Hamilton's depression scale (see `stats`): R's `wilcox.test` of the nine differences gives
    /// V = 40 of 45 and p = 0.01953 for "greater".
    #[test]
    fn textbook_p_value() {
        let values = [952.0, -147.0, 1022.0, 430.0, 620.0, 590.0, 490.0, -80.0, 10.0];
        assert!((p_above(&values, 0.0) - 0.019_531_25).abs() < 1e-12);
        assert!((p_below(&values, 0.0) - 0.986_328_125).abs() < 1e-12);
    }

    #[test]
    fn ties_and_zeros_count_against() {
        let cases: [(&[f64], f64); 4] = [
            // All at the bar: nothing is shown.
            (&[0.0; 8], 1.0),
            (&[1.0; 8], 1.0 / 256.0),
            // A zero may fall on either side: W is 36 - 1.
            (&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], 2.0 / 256.0),
            // -1 and 1 balance: of the ranks 1 and 2, the value below takes the higher: W = 36 - 2.
            (&[-1.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], 3.0 / 256.0),
        ];
        for (values, want) in cases {
            assert_eq!(p_above(values, 0.0), want, "{values:?}");
        }
    }

    #[test]
    fn an_interval_is_two_bounds() {
        let bits = |low: f64, high: f64| (low.to_bits(), high.to_bits());
        let mut random = SplitMix64::new(7);
        for n in [6, 8, 9, 24, 60, 61, 90] {
            let values: Vec<f64> = (0..n).map(|_| random.unit() - 0.4).collect();
            let Interval { low, high, .. } = interval(&values).expect("enough values");
            let bounds = (lower_bound(&values, TAIL), upper_bound(&values, TAIL));
            let (Some(lower), Some(upper)) = bounds else { panic!("n = {n}: {bounds:?}") };
            assert_eq!(bits(low, high), bits(lower, upper), "n = {n}");
        }
    }

    #[test]
    fn tests_and_bounds_agree() {
        let samples: Vec<Vec<f64>> = vec![
            vec![0.5, -0.2, 0.9, 1.4, 0.3, 0.8, 0.1, 0.6],
            vec![1.0, 1.0, 2.0, 2.0, 2.0, 0.0, 0.0, 3.0, -1.0, 1.0],
        ];
        for values in &samples {
            for alpha in [0.004, 0.01, 0.05, 0.3] {
                for bar in walsh_averages(values) {
                    let low = lower_bound(values, alpha).is_some_and(|low| low > bar);
                    let high = upper_bound(values, alpha).is_some_and(|high| high < bar);
                    assert_eq!(p_above(values, bar) <= alpha, low, "{values:?} above {bar}");
                    assert_eq!(p_below(values, bar) <= alpha, high, "{values:?} below {bar}");
                    assert!(!(low && high), "{values:?}: {bar}");
                }
            }
        }
    }

    #[test]
    fn normal_approximation_meets_the_exact_law() {
        let normal = |n: usize| Law::Normal {
            mean: (n * (n + 1)) as f64 / 4.0,
            deviation: ((n * (n + 1) * (2 * n + 1)) as f64 / 24.0).sqrt(),
            most: n * (n + 1) / 2,
        };
        for alpha in [0.001, 0.005, 0.025, 0.05, 0.5] {
            let rank = normal(60).rank(alpha).expect("60 values have a rank");
            // In the far tail the normal law is too wide, which is the safe side.
            let got = level(60, rank) / alpha;
            assert!((0.8..1.02).contains(&got), "level {got} of {alpha}");
        }
        // Ties make the variance smaller and so the rank higher.
        let tied: Vec<f64> = (0..80).map(|i| f64::from(i % 2)).collect();
        let with_ties = law(80, ties(&tied, hodges_lehmann(&tied))).rank(0.025);
        assert!(with_ties > one_sided_rank(80, 0.025), "{with_ties:?}");
    }

    #[test]
    fn no_interval_below_six_values() {
        for n in 1..6 {
            assert_eq!(interval(&vec![1.0; n]), None, "n = {n}");
        }
        let six = Interval { low: 1.0, high: 6.0, confidence: 1.0 - 2.0 / 64.0 };
        assert_eq!(interval(&[3.0, 1.0, 2.0, 6.0, 5.0, 4.0]), Some(six));
    }

    /// Hamilton's depression scale before and after tranquilliser, nine patients. Hollander and
    /// Wolfe, examples 3.1, 3.3 and 3.4: estimate -0.46; interval (-0.786, -0.010) at 96.1 %.
    /// The data are also those of the example in R's `wilcox.test`.
    #[test]
    fn textbook_example() {
        let before = [1830, 500, 1620, 2480, 1680, 1880, 1550, 3060, 1300];
        let after = [878, 647, 598, 2050, 1060, 1290, 1060, 3140, 1290];
        let thousandths = |(b, a): (&i32, i32)| f64::from(a - b) / 1000.0;
        let change: Vec<f64> = before.iter().zip(after).map(thousandths).collect();
        assert!((hodges_lehmann(&change) - -0.46).abs() < 1e-9);
        let Interval { low, high, confidence } = interval(&change).expect("n = 9 has an interval");
        assert!((low - -0.786).abs() < 1e-9, "{low}");
        assert!((high - -0.010).abs() < 1e-9, "{high}");
        assert!((confidence - 0.961).abs() < 5e-4, "{confidence}");
    }

    /// The interval at n = 8 covers 96.1 % whatever the law, as long as it is symmetric: so for
    /// normal noise and for the difference of two skewed noises, which is what an A/A log ratio is.
    #[test]
    fn interval_covers_what_it_says() {
        fn normal(random: &mut SplitMix64) -> f64 {
            let radius = (-2.0 * (1.0 - random.unit()).ln()).sqrt();
            radius * (std::f64::consts::TAU * random.unit()).cos()
        }
        fn skewed_difference(random: &mut SplitMix64) -> f64 {
            (2.0 * normal(random)).exp() - (2.0 * normal(random)).exp()
        }
        for (name, noise) in [
            ("normal", normal as fn(&mut SplitMix64) -> f64),
            ("difference of skewed", skewed_difference),
        ] {
            let mut random = SplitMix64::new(8);
            let trials = 4_000;
            let covered = (0..trials)
                .filter(|_| {
                    let sample: Vec<f64> = (0..8).map(|_| noise(&mut random)).collect();
                    let found = interval(&sample).expect("n = 8 has an interval");
                    found.low <= 0.0 && 0.0 <= found.high
                })
                .count();
            let share = covered as f64 / f64::from(trials);
            // Three standard errors of 4,000 trials are 0.9 points.
            assert!((0.952..0.970).contains(&share), "{name}: {share}");
        }
    }

    #[test]
    fn an_interval_of_equal_values_is_a_point() {
        for n in [8, 80] {
            let found = interval(&vec![5.0; n]).expect("they are enough");
            assert_eq!((found.low, found.high), (5.0, 5.0), "n = {n}");
        }
    }
}
