//! The noise floor: what difference this machine makes between runs of two arms that are the same,
//! beyond the noise between their blocks.

use serde::{Deserialize, Serialize};

use duet_stats::{standard_deviation, student_quantile};

/// How far whole runs of equal arms spread, by null experiments.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Floor {
    /// What is added to a margin: t(.95, K-1) tau, as a logarithm of a ratio.
    pub nu: f64,
    /// The standard deviation between runs that the spread of their blocks does not explain.
    pub tau: f64,
    /// Null experiments, K.
    pub experiments: u32,
}

/// With fewer null experiments there is no floor: t would be large, and the spread little known.
pub const EXPERIMENTS_MIN: usize = 10;

/// So many of the last null experiments count. A machine changes, and one experiment that was
/// disturbed must not weigh for ever.
pub const EXPERIMENTS_MAX: usize = 40;

/// The level of a look's test that a floor keeps where runs spread by tau, if noise is normal.
const LEVEL: f64 = 0.95;

impl Floor {
    /// The floor by null experiments, whose `estimates` compare an arm with a copy of itself, each
    /// with its standard error; absent below [`EXPERIMENTS_MIN`]. The estimates' variance is that
    /// of the noise between blocks, which every gate sees for itself, and that between runs, which
    /// none sees: tau squared is what is left of the first without the mean of the second (the
    /// estimate by moments of a random effect, DerSimonian and Laird 1986, for equal weights).
    ///
    /// The largest of all experiments would only grow: one that was disturbed would disarm the
    /// gate.
    #[must_use]
    pub fn of_experiments(estimates: &[f64], standard_errors: &[f64]) -> Option<Self> {
        let n = estimates.len();
        if n != standard_errors.len() || n < EXPERIMENTS_MIN {
            return None;
        }
        let first = n.saturating_sub(EXPERIMENTS_MAX);
        let (estimates, errors) = (&estimates[first..], &standard_errors[first..]);
        let between = standard_deviation(estimates)?.powi(2);
        let within = errors.iter().map(|error| error.powi(2)).sum::<f64>() / errors.len() as f64;
        let tau = (between - within).max(0.0).sqrt();
        let experiments = estimates.len() as u32;
        Some(Self { nu: student_quantile(LEVEL, experiments - 1) * tau, tau, experiments })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use duet_stats::SplitMix64;

    #[test]
    fn floors_by_experiments() {
        let estimates = |n: usize| -> Vec<f64> {
            (0..n).map(|i| if i % 2 == 0 { 0.01 } else { -0.01 }).collect()
        };
        let floor = |n: usize, error: f64| Floor::of_experiments(&estimates(n), &vec![error; n]);
        assert_eq!((floor(0, 0.0), floor(1, 0.0), floor(9, 0.0)), (None, None, None));
        // s^2 = 10/9 1e-4; t(.95, 9) = 1.8331.
        let ten = floor(10, 0.0).expect("ten are enough");
        assert!((ten.tau - 0.010_541).abs() < 1e-6, "{ten:?}");
        assert!((ten.nu - 1.8331 * 0.010_541).abs() < 1e-5, "{ten:?}");
        // What the blocks explain is no floor, in part or whole.
        let part = floor(10, 0.006).expect("ten are enough");
        assert!((part.tau - (1e-3_f64 / 9.0 - 3.6e-5).sqrt()).abs() < 1e-9, "{part:?}");
        assert_eq!(floor(10, 0.02).map(|floor| floor.nu), Some(0.0));
        // Estimates without errors are of an older record.
        assert_eq!(Floor::of_experiments(&estimates(20), &[]), None);
    }

    /// One experiment of fifty was disturbed by 15 %. With the largest as the floor it would count
    /// for ever; here it counts for forty experiments.
    #[test]
    fn the_last_forty_count() {
        let mut estimates: Vec<f64> =
            (0..50).map(|i| if i % 2 == 0 { 0.001 } else { -0.001 }).collect();
        let errors = vec![0.001; 50];
        estimates[9] = 0.15;
        let old = Floor::of_experiments(&estimates, &errors).expect("fifty are enough");
        assert!(old.experiments == 40 && old.nu < 1e-3, "{old:?}");
        estimates[10] = 0.15;
        let counted = Floor::of_experiments(&estimates, &errors).expect("fifty are enough");
        assert!((0.03..0.05).contains(&counted.nu), "{counted:?}");
    }

    /// Runs that spread by tau beside the noise of their blocks: the estimate finds tau.
    #[test]
    fn tau_is_found() {
        let mut random = SplitMix64::new(11);
        let mut normal = || (0..12).map(|_| random.unit()).sum::<f64>() - 6.0;
        let (tau, error, trials) = (0.02, 0.01, 200);
        let mut sum = 0.0;
        for _ in 0..trials {
            let estimates: Vec<f64> = (0..40).map(|_| tau * normal() + error * normal()).collect();
            let floor = Floor::of_experiments(&estimates, &[error; 40]).expect("forty are enough");
            sum += floor.tau.powi(2);
        }
        let found = (sum / f64::from(trials)).sqrt();
        assert!((found / tau - 1.0).abs() < 0.05, "{found}");
    }
}
