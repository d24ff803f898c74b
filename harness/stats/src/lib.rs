//! Location of a small sample and how sure it is: Hodges-Lehmann and the exact signed-rank law.
//!
//! Everything here assumes independent values whose law is symmetric about its centre, and nothing
//! else. Differences of logarithms between two arms under the same noise are symmetric.
//! Source: J. L. Hodges and E. L. Lehmann, "Estimates of location based on rank tests", Annals of
//! Mathematical Statistics 34 (1963); intervals as in M. Hollander and D. A. Wolfe,
//! "Nonparametric Statistical Methods", 2nd edition, sections 3.1 to 3.3.

#![warn(clippy::exit, clippy::print_stderr, clippy::print_stdout)]

mod change_points;
mod families;
mod power;
mod quantiles;
mod random;
mod signed_rank;

pub use change_points::{ChangePoint, change_points};
pub use families::{benjamini_hochberg, holm};
pub use power::{POWER, blocks_for, next_within, smallest_detectable, standard_deviation};
pub use quantiles::{normal_below, normal_quantile, student_quantile};
pub use random::SplitMix64;
pub use signed_rank::{
    Interval, interval, lower_bound, one_sided_rank, p_above, p_below, upper_bound,
};

/// The middle value, or the mean of the two middle ones.
///
/// # Panics
/// Without values, or with one that is not finite.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    assert_finite(values);
    let mut values = values.to_vec();
    median_of(&mut values)
}

/// The Hodges-Lehmann estimate of the centre: the median of all averages of two values, each value
/// with itself included. It withstands up to 29 % of wild values, and where all are normal it needs
/// only 5 % more of them than the mean.
///
/// # Panics
/// Without values, or with one that is not finite.
#[must_use]
pub fn hodges_lehmann(values: &[f64]) -> f64 {
    median_of(&mut walsh_averages(values))
}

/// Whether so many requests allow the quantile `p` to be given: at least ten must lie beyond it.
#[must_use]
pub fn supports_quantile(p: f64, requests: u64) -> bool {
    // The margin forgives the rounding of 1 - p; it is far less than one request.
    requests as f64 * (1.0 - p) >= 10.0 - 1e-6
}

/// The median of `values` in whatever order; leaves them in another.
fn median_of(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    match below.iter().copied().max_by(f64::total_cmp) {
        Some(lower) if below.len() * 2 == values.len() => f64::midpoint(lower, upper),
        _ => upper,
    }
}

/// The median of sorted values.
fn median_of_sorted(values: &[f64]) -> f64 {
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
}

/// All n(n+1)/2 averages of two values, each with itself included.
fn walsh_averages(values: &[f64]) -> Vec<f64> {
    assert_finite(values);
    let mut averages = Vec::with_capacity(values.len() * (values.len() + 1) / 2);
    for (i, &a) in values.iter().enumerate() {
        averages.extend(values[i..].iter().map(|&b| f64::midpoint(a, b)));
    }
    averages
}

fn assert_finite(values: &[f64]) {
    assert!(!values.is_empty(), "no values");
    assert!(values.iter().all(|v| v.is_finite()), "not all finite: {values:?}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SplitMix64;

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

    #[test]
    fn estimates() {
        let cases: [(&[f64], f64); 7] = [
            (&[7.0], 7.0),
            (&[1.0, 2.0], 1.5),
            (&[1.0, 2.0, 6.0], 2.75),
            (&[5.0; 8], 5.0),
            // Ties: the averages are 1, 1, 1, 1.5, 1.5, 2.
            (&[1.0, 1.0, 2.0], 1.25),
            (&[2.0, 1.0, 4.0, 3.0, 5.0], 3.0),
            // One wild value among eight moves the estimate by less than the others' spread.
            (&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 1e9], 4.5),
        ];
        for (values, want) in cases {
            assert_eq!(hodges_lehmann(values), want, "{values:?}");
        }
        for n in [8, 80] {
            let found = interval(&vec![5.0; n]).expect("they are enough");
            assert_eq!((found.low, found.high), (5.0, 5.0), "n = {n}");
        }
    }

    #[test]
    fn medians() {
        let cases: [(&[f64], f64); 4] =
            [(&[3.0], 3.0), (&[4.0, 1.0], 2.5), (&[9.0, 1.0, 5.0], 5.0), (&[-0.0, 0.0], 0.0)];
        for (values, want) in cases {
            assert_eq!(median(values), want, "{values:?}");
        }
    }

    #[test]
    #[should_panic(expected = "not all finite")]
    fn nan_is_refused() {
        let _ = hodges_lehmann(&[1.0, f64::NAN]);
    }

    #[test]
    #[should_panic(expected = "no values")]
    fn nothing_is_refused() {
        let _ = median(&[]);
    }

    #[test]
    fn quantiles_need_ten_requests_beyond() {
        let cases = [(0.5, 20), (0.9, 100), (0.99, 1_000), (0.999, 10_000)];
        for (p, requests) in cases {
            assert!(supports_quantile(p, requests), "p = {p}");
            assert!(!supports_quantile(p, requests - 1), "p = {p}");
        }
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
}
