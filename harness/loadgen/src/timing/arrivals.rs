//! When the requests of an open loop are due. Pure: nothing that happens in a run moves an instant,
//! so that a slow server cannot make the load lighter.

use duet_protocol::Arrivals;
use duet_stats::SplitMix64;

/// Requests per second: the same throughout, or changing evenly from the beginning to the end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// At the beginning; at least 0.
    pub from: f64,
    /// At the end; at least 0.
    pub to: f64,
}

impl Rate {
    /// The same throughout.
    #[must_use]
    pub fn steady(per_second: f64) -> Self {
        Self { from: per_second, to: per_second }
    }

    /// Whether it is the same throughout.
    #[must_use]
    pub fn is_steady(self) -> bool {
        self.from == self.to
    }

    /// The mean over the whole time.
    #[must_use]
    pub fn mean(self) -> f64 {
        (self.from + self.to) / 2.0
    }

    /// The rate when this share of the time is over: 0 to 1.
    #[must_use]
    pub fn at(self, share: f64) -> f64 {
        self.from + (self.to - self.from) * share.clamp(0.0, 1.0)
    }
}

/// The planned instants of one thread, ascending, as nanoseconds from a common beginning.
///
/// With the rate `from` + `slope` t, N(t) = `from` t + `slope` t² / 2 requests are expected by the
/// time t. Uniform: request i of all threads is due when N(t) = i + ½, and thread k of n has the
/// requests k, k + n, k + 2n, ...: the threads' phases are spread evenly. Poisson: each thread has
/// a process of its own with its part of the rate, a process of rate 1 whose time is stretched to
/// N(t) / n (the time change theorem, D. Daley and D. Vere-Jones, "An Introduction to the Theory of
/// Point Processes", 7.4); together they are a Poisson process of the whole rate.
#[derive(Debug, Clone)]
pub struct ArrivalSchedule {
    arrivals: Arrivals,
    from_per_second: f64,
    /// How much the rate grows in a second.
    slope: f64,
    thread: u64,
    threads: u64,
    /// Requests that are due at the same instant; with even spacing only.
    burst: u64,
    random: SplitMix64,
    /// No request is due from here on.
    span_ns: u64,
    /// The index, within the thread, of the request due next.
    index: u64,
    /// N(t) of the request due next.
    expected: f64,
    next_ns: f64,
}

impl ArrivalSchedule {
    /// The schedule of thread `thread` of `threads`, which together make requests at `rate`, from 0
    /// until before `span_ns`. With Poisson arrivals, `seed` decides the instants.
    #[must_use]
    pub fn new(
        arrivals: Arrivals,
        rate: Rate,
        (thread, threads): (usize, usize),
        seed: u64,
        span_ns: u64,
    ) -> Self {
        let mut seeds = SplitMix64::new(seed);
        let own = (0..=thread).fold(0, |_, _| seeds.next());
        let mut schedule = Self {
            arrivals,
            from_per_second: rate.from,
            slope: if rate.is_steady() {
                0.0
            } else {
                (rate.to - rate.from) * 1e9 / span_ns as f64
            },
            thread: thread as u64,
            threads: threads as u64,
            burst: 1,
            random: SplitMix64::new(own),
            span_ns,
            index: 0,
            expected: 0.0,
            next_ns: 0.0,
        };
        schedule.next_ns = schedule.following();
        schedule
    }

    /// The same in bursts of so many requests of all threads that are due at once; at least 1. The
    /// first burst of n is due where half of it is expected, when N(t) = n / 2.
    #[must_use]
    pub fn in_bursts(mut self, burst: u64) -> Self {
        self.burst = burst;
        self.next_ns = self.following();
        self
    }

    /// When the next request is due; none: there are no more.
    #[inline]
    pub(crate) fn peek(&self) -> Option<u64> {
        let next = self.next_ns as u64;
        (next < self.span_ns).then_some(next)
    }

    /// Goes on to the request after the next.
    #[inline]
    pub(crate) fn advance(&mut self) {
        self.index += 1;
        self.next_ns = self.following();
    }

    /// Ends it at `span_ns`, if it does not end before.
    pub(crate) fn cut(&mut self, span_ns: u64) {
        self.span_ns = self.span_ns.min(span_ns);
    }

    fn following(&mut self) -> f64 {
        self.expected = match self.arrivals {
            Arrivals::Uniform => {
                let number = self.index * self.threads + self.thread;
                (number - number % self.burst) as f64 + self.burst as f64 / 2.0
            }
            Arrivals::Poisson => {
                self.expected - (1.0 - self.random.unit()).ln() * self.threads as f64
            }
        };
        self.instant_ns(self.expected)
    }

    /// The time t at which N(t) is `expected`; infinite where it never is. The root of the
    /// quadratic equation in the form that loses no digits and holds for a slope of zero.
    fn instant_ns(&self, expected: f64) -> f64 {
        let square = self.from_per_second * self.from_per_second + 2.0 * self.slope * expected;
        if square < 0.0 {
            return f64::INFINITY;
        }
        2.0 * expected / (self.from_per_second + square.sqrt()) * 1e9
    }
}

impl Iterator for ArrivalSchedule {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let next = self.peek()?;
        self.advance();
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn instants(arrivals: Arrivals, per_second: f64, of: (usize, usize), seed: u64) -> Vec<u64> {
        ArrivalSchedule::new(arrivals, Rate::steady(per_second), of, seed, SECOND).collect()
    }

    #[test]
    fn uniform() {
        const MS: u64 = 1_000_000;
        let cases: [(f64, (usize, usize), &[u64]); 5] = [
            (4.0, (0, 1), &[125 * MS, 375 * MS, 625 * MS, 875 * MS]),
            (4.0, (0, 2), &[125 * MS, 625 * MS]),
            (4.0, (1, 2), &[375 * MS, 875 * MS]),
            (0.5, (0, 1), &[]),
            (1.0, (1, 2), &[]),
        ];
        for (rate, of, expected) in cases {
            assert_eq!(instants(Arrivals::Uniform, rate, of, 0), expected, "{rate} {of:?}");
        }
    }

    #[test]
    fn bursts() {
        const MS: u64 = 1_000_000;
        let of = |thread| {
            let rate = Rate::steady(8.0);
            let all = ArrivalSchedule::new(Arrivals::Uniform, rate, (thread, 2), 0, SECOND);
            all.in_bursts(4).collect::<Vec<u64>>()
        };
        assert_eq!(of(0), [250 * MS, 250 * MS, 750 * MS, 750 * MS]);
        assert_eq!(of(1), of(0), "half of each burst");
    }

    #[test]
    fn threads_share_what_is_planned() {
        for (rate, threads) in [(1000.0, 3), (999.0, 2), (7.0, 8), (123_456.0, 5)] {
            let parts = (0..threads).map(|k| instants(Arrivals::Uniform, rate, (k, threads), 0));
            let mut all: Vec<u64> = parts.flatten().collect();
            all.sort_unstable();
            assert_eq!(all, instants(Arrivals::Uniform, rate, (0, 1), 0), "{rate} {threads}");
            assert_eq!(all.len(), rate as usize);
        }
    }

    #[test]
    fn poisson() {
        let of = |seed, thread| instants(Arrivals::Poisson, 40_000.0, (thread, 4), seed);
        assert_eq!(of(1, 0), of(1, 0));
        assert_ne!(of(1, 0), of(2, 0));
        assert_ne!(of(1, 0), of(1, 1));
        for seed in 0..5 {
            let at = of(seed, 1);
            assert!(at.is_sorted());
            // 10,000 expected: six standard deviations are 600.
            assert!((9_400..10_600).contains(&at.len()), "{}", at.len());
            let gaps: Vec<f64> = at.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
            let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
            let above = gaps.iter().filter(|&&gap| gap > mean).count() as f64;
            // Exponential: 1/e of the gaps are longer than their mean.
            let share = above / gaps.len() as f64;
            assert!((share - (-1_f64).exp()).abs() < 0.03, "{share}");
        }
    }

    fn ramp(arrivals: Arrivals, from: f64, to: f64, of: (usize, usize), seed: u64) -> Vec<u64> {
        ArrivalSchedule::new(arrivals, Rate { from, to }, of, seed, SECOND).collect()
    }

    /// From 0 to 8 a second: N(t) = 4 t², so that request i is due at √(i + ½) / 2. Downwards, it
    /// is the same backwards.
    #[test]
    fn ramps() {
        let up = ramp(Arrivals::Uniform, 0.0, 8.0, (0, 1), 0);
        let expected = [0.353_553, 0.612_372, 0.790_569, 0.935_414];
        assert_eq!(up.len(), expected.len());
        for (at, expected) in up.iter().zip(expected) {
            assert!((*at as f64 / 1e9 - expected).abs() < 1e-6, "{at} {expected}");
        }
        let down = ramp(Arrivals::Uniform, 8.0, 0.0, (0, 1), 0);
        for (up, down) in up.iter().zip(down.iter().rev()) {
            assert!((up + down).abs_diff(SECOND) < 1000, "{up} {down}");
        }
        let cases =
            [(0.0, 10_000.0, 5_000), (10_000.0, 0.0, 5_000), (1e3, 3e3, 2_000), (5.0, 5.0, 5)];
        for (from, to, count) in cases {
            let all = ramp(Arrivals::Uniform, from, to, (0, 1), 0);
            assert_eq!(all.len(), count, "{from} to {to}");
            assert!(all.is_sorted(), "{from} to {to}");
            let parts = (0..3).flat_map(|k| ramp(Arrivals::Uniform, from, to, (k, 3), 0));
            let mut parts: Vec<u64> = parts.collect();
            parts.sort_unstable();
            assert_eq!(parts, all, "{from} to {to} in three threads");
        }
        assert!(instants(Arrivals::Uniform, 0.0, (0, 1), 0).is_empty());
    }

    /// Each quarter of the time has its part of the requests, in both kinds.
    #[test]
    fn ramps_in_quarters() {
        for arrivals in [Arrivals::Uniform, Arrivals::Poisson] {
            let parts = (0..4).map(|k| ramp(arrivals, 8_000.0, 40_000.0, (k, 4), 7));
            let all: Vec<u64> = parts.flatten().collect();
            // N(t) = 8,000 t + 16,000 t².
            for (quarter, expected) in [(0, 3_000), (1, 5_000), (2, 7_000), (3, 9_000)] {
                let ns = quarter * SECOND / 4..(quarter + 1) * SECOND / 4;
                let count = all.iter().filter(|at| ns.contains(at)).count();
                // Six standard deviations of the largest are 570.
                assert!(count.abs_diff(expected) < 570, "{arrivals:?} {quarter}: {count}");
            }
        }
        let of = |seed| ramp(Arrivals::Poisson, 100.0, 900.0, (0, 1), seed);
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn a_ramp_cut_short_is_as_steep() {
        let mut arrivals = ArrivalSchedule::new(
            Arrivals::Uniform,
            Rate { from: 0.0, to: 800.0 },
            (0, 1),
            0,
            SECOND,
        );
        let whole: Vec<u64> = arrivals.clone().collect();
        arrivals.cut(SECOND / 2);
        let cut: Vec<u64> = arrivals.collect();
        assert_eq!(cut, whole[..100]);
    }

    #[test]
    fn cut_short() {
        let mut arrivals =
            ArrivalSchedule::new(Arrivals::Uniform, Rate::steady(10.0), (0, 1), 0, SECOND);
        arrivals.cut(500_000_000);
        assert_eq!(arrivals.clone().count(), 5);
        arrivals.cut(2_000_000_000);
        assert_eq!(arrivals.count(), 5);
    }
}
