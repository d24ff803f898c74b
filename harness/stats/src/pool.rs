//! Sessions of one experiment, hours or days apart: what they say of the mean over hours, and of
//! another hour.
//!
//! A session's interval says what repeating the experiment in the same hour would give. Another
//! hour gives something else: other neighbours on the machine, other caches, another layout of
//! memory. How much else, only several sessions show.

use crate::power::standard_deviation;
use crate::quantiles::student_quantile;
use crate::signed_rank::Interval;

/// Fewer sessions give no interval: two or three that agree by accident would give a narrow one.
pub const SESSIONS_MIN: usize = 5;

/// Fewer machines give no interval.
pub const MACHINES_MIN: usize = 3;

/// What sessions say together. All sessions have the same weight, whatever their own intervals:
/// where hours differ, that is most of the variance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pool {
    /// Sessions.
    pub sessions: usize,
    /// Their mean.
    pub mean: f64,
    /// The standard deviation between them.
    pub spread: f64,
    /// Where the mean over hours lies, with 95 %: `mean ± t(.975, k-1) s / sqrt(k)`. Needs sessions
    /// that do not depend on each other, so ones on several days. Absent where there are too few.
    pub interval: Option<Interval>,
    /// Where the next session will lie, with 95 %: `mean ± t(.975, k-1) s sqrt(1 + 1/k)`. Absent
    /// where there are too few.
    pub next: Option<Interval>,
    /// From the smallest to the largest session. The next one lies within with the probability
    /// (k-1)/(k+1), whatever the law, which is the confidence here.
    pub range: Interval,
    /// The share of the variance between sessions that their own intervals do not explain, 0 to 1
    /// (J. P. T. Higgins and S. G. Thompson, "Quantifying heterogeneity in a meta-analysis",
    /// Statistics in Medicine 21, 2002, for equal weights); absent where no session says how sure
    /// it is.
    pub heterogeneity: Option<f64>,
}

/// What sessions say together: a value each, and the variance of its estimate where it is known.
/// Absent below two, and without intervals below `least`. Means of machines are pooled alike.
///
/// # Panics
/// With a value that is not finite.
#[must_use]
pub fn pool(sessions: &[(f64, Option<f64>)], least: usize) -> Option<Pool> {
    let values: Vec<f64> = sessions.iter().map(|(value, _)| *value).collect();
    assert!(values.iter().all(|value| value.is_finite()), "sessions are finite: {values:?}");
    let spread = standard_deviation(&values)?;
    let k = values.len() as f64;
    let mean = values.iter().sum::<f64>() / k;
    let around = |reach: f64| {
        let t = student_quantile(0.975, values.len() as u32 - 1);
        let (low, high) = (mean - t * reach, mean + t * reach);
        (values.len() >= least).then_some(Interval { low, high, confidence: 0.95 })
    };
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let within: Option<Vec<f64>> = sessions.iter().map(|(_, variance)| *variance).collect();
    let explained = within.map(|all| all.iter().sum::<f64>() / k);
    Some(Pool {
        sessions: values.len(),
        mean,
        spread,
        interval: around(spread / k.sqrt()),
        next: around(spread * (1.0 + 1.0 / k).sqrt()),
        range: Interval { low, high, confidence: (k - 1.0) / (k + 1.0) },
        heterogeneity: explained.map(|explained| match spread {
            0.0 => 0.0,
            spread => (1.0 - explained / (spread * spread)).max(0.0),
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantiles::normal_quantile;
    use crate::random::SplitMix64;

    #[test]
    fn five_sessions() {
        let values = [1.88, 1.73, 2.10, 1.95, 2.15_f64].map(|ratio| (ratio.ln(), Some(0.0002)));
        let pool = pool(&values, SESSIONS_MIN).expect("five are enough");
        let [mean, next] = [pool.interval, pool.next].map(|i| i.expect("five are enough"));
        // By hand: mean .6714, s .0875; t(.975, 4) = 2.7764.
        let near = |got: f64, want: f64| assert!((got - want).abs() < 5e-4, "{got} {want}");
        near(pool.mean, 0.6714);
        near(pool.spread, 0.0875);
        near(mean.high - pool.mean, 2.7764 * pool.spread / 5.0_f64.sqrt());
        near(next.high - pool.mean, 2.7764 * pool.spread * 1.2_f64.sqrt());
        near(pool.range.low, 1.73_f64.ln());
        near(pool.range.confidence, 4.0 / 6.0);
        near(pool.heterogeneity.expect("known"), 1.0 - 0.0002 / pool.spread.powi(2));
    }

    #[test]
    fn few_sessions_give_no_interval() {
        assert_eq!(pool(&[(0.5, None)], SESSIONS_MIN), None);
        let four = pool(&[(0.5, None); 4], SESSIONS_MIN).expect("two are enough");
        assert_eq!((four.interval, four.next, four.heterogeneity), (None, None, None));
        assert_eq!((four.mean, four.spread), (0.5, 0.0));
    }

    /// A machine whose hours differ.
    #[derive(Clone, Copy, Debug)]
    enum Hours {
        /// By normal noise of the size that was observed: 9 %.
        Normal,
        /// By two states of the machine, 15 % apart, each for half of the hours.
        TwoStates,
        /// By Student's law with three degrees of freedom.
        HeavyTails,
        /// By normal noise that half persists from one session to the next.
        Persistent,
    }

    /// The true mean is 0. Sessions have noise of their own of 2.4 %.
    fn sessions(hours: Hours, count: usize, random: &mut SplitMix64) -> Vec<f64> {
        let mut normal = || normal_quantile(random.unit().clamp(1e-12, 1.0 - 1e-12));
        let mut before = normal();
        let mut session = || {
            let hour = match hours {
                Hours::Normal => normal(),
                Hours::TwoStates => 0.15 / 0.09 / 2.0 * normal().signum(),
                Hours::HeavyTails => {
                    let chi: f64 = (0..3).map(|_| normal().powi(2)).sum();
                    normal() / (chi / 3.0).sqrt() / 3.0_f64.sqrt()
                }
                Hours::Persistent => {
                    before = 0.5 * before + 0.75_f64.sqrt() * normal();
                    before
                }
            };
            0.09 * hour + 0.024 * normal()
        };
        (0..count).map(|_| session()).collect()
    }

    /// How often the interval of another hour holds the next session, and that of the mean 0.
    fn coverage(hours: Hours, k: usize, least: usize) -> (f64, f64) {
        const RUNS: u32 = 1500;
        let mut random = SplitMix64::new(13);
        let (mut next, mut mean) = (0, 0);
        for _ in 0..RUNS {
            let all = sessions(hours, k + 1, &mut random);
            let known: Vec<(f64, Option<f64>)> = all[..k].iter().map(|y| (*y, None)).collect();
            let pool = pool(&known, least).expect("enough");
            let holds = |interval: Option<Interval>, value: f64| {
                u32::from(interval.is_some_and(|i| i.low <= value && value <= i.high))
            };
            next += holds(pool.next, all[k]);
            mean += holds(pool.interval, 0.0);
        }
        let share = |count: u32| f64::from(count) / f64::from(RUNS);
        (share(next), share(mean))
    }

    /// 95 % are promised; where the state of the machine persists from one session to the next, the
    /// mean over hours is held less often, and METHOD.md says how often.
    #[test]
    fn what_intervals_hold() {
        let check = |hours: Hours, k: usize, least: (f64, f64)| {
            let (next, mean) = coverage(hours, k, SESSIONS_MIN);
            assert!(next >= least.0 && mean >= least.1, "{hours:?} {k}: {next} {mean}");
        };
        for k in [5, 8] {
            check(Hours::Normal, k, (0.93, 0.93));
            check(Hours::HeavyTails, k, (0.92, 0.93));
        }
        check(Hours::TwoStates, 5, (0.93, 0.91));
        check(Hours::TwoStates, 8, (0.93, 0.93));
        check(Hours::Persistent, 5, (0.91, 0.77));
        check(Hours::Persistent, 8, (0.91, 0.74));
    }

    /// Three machines, each with its own mean. Of two kinds of machine three may all be of one.
    #[test]
    fn what_intervals_of_machines_hold() {
        let check = |hours: Hours, least: (f64, f64)| {
            let (next, mean) = coverage(hours, 3, MACHINES_MIN);
            assert!(next >= least.0 && mean >= least.1, "{hours:?}: {next} {mean}");
        };
        check(Hours::Normal, (0.93, 0.93));
        check(Hours::HeavyTails, (0.92, 0.93));
        check(Hours::TwoStates, (0.80, 0.77));
        let two = pool(&[(0.1, None), (0.2, None)], MACHINES_MIN).expect("two have a mean");
        assert_eq!((two.interval, two.next), (None, None));
    }
}
