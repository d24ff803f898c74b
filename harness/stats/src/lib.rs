//! Exact statistics for few, noisy, paired measurements. No dependencies.
//!
//! A benchmark that compares two programs has a handful of paired measurements, five or fifty, with
//! noise of unknown law. This crate says how large the difference is and how sure that is, without
//! assuming normal noise and without resampling: [`hodges_lehmann`] estimates the centre,
//! [`interval`] bounds it with a confidence that is known exactly, [`p_above`] and [`p_below`] test
//! it against a margin, all by the signed-rank law. Around these: means of such centres
//! ([`mean_of_centres`]), corrections for many tests ([`holm`], [`benjamini_hochberg`]), what so
//! many measurements can find and how many it takes ([`smallest_detectable`], [`blocks_for`]),
//! where a history changes its level ([`change_points`]), and a generator of random numbers that is
//! the same for ever ([`SplitMix64`]).
//!
//! Give it the logarithms of ratios, one a pair: ln 1.03 where the second is 3 % worse. Their law
//! must be symmetric about its centre, which differences of logarithms between two arms under the
//! same noise are, and they must not depend on each other; nothing else is assumed.
//!
//! ```
//! let log_ratios = [1.031, 1.024, 1.040, 1.028, 1.019, 1.033, 1.030, 1.027].map(f64::ln);
//! let ratio = duet_stats::hodges_lehmann(&log_ratios).exp();
//! let interval = duet_stats::interval(&log_ratios).expect("six are enough").map(f64::exp);
//! assert!((ratio - 1.029).abs() < 0.001);
//! assert!(interval.low > 1.02 && interval.high < 1.04 && interval.confidence > 0.96);
//! assert!(duet_stats::p_above(&log_ratios, 1.01_f64.ln()) < 0.005);
//! ```
//!
//! Sources: J. L. Hodges and E. L. Lehmann, "Estimates of location based on rank tests", Annals of
//! Mathematical Statistics 34 (1963); M. Hollander and D. A. Wolfe, "Nonparametric Statistical
//! Methods", 2nd edition, sections 3.1 to 3.3; others beside what follows them. Functions panic on
//! values that are not finite, and say so.
//!
//! Features: `serde` makes [`Interval`] serialisable.

#![warn(clippy::exit, clippy::print_stderr, clippy::print_stdout)]

mod change_points;
mod dependence;
mod families;
mod location;
mod means;
mod pool;
mod power;
mod quantiles;
mod random;
mod signed_rank;

pub use change_points::{ChangePoint, change_points};
pub use dependence::{Dependence, dependence};
pub use families::{benjamini_hochberg, holm};
pub use location::{hodges_lehmann, median};
pub use means::{MeanOfCentres, mean_of_centres};
pub use pool::{MACHINES_MIN, Pool, SESSIONS_MIN, pool};
pub use power::{
    POWER, blocks_for, blocks_for_tie, next_within, smallest_detectable, standard_deviation,
    standard_error,
};
pub use quantiles::{normal_below, normal_quantile, student_quantile, supports_quantile};
pub use random::SplitMix64;
pub use signed_rank::{
    Interval, TAIL, interval, interval_at, lower_bound, one_sided_rank, p_above, p_below, p_beyond,
    upper_bound,
};
