//! When the requests of an open loop are due. Pure: nothing that happens in a run moves an instant,
//! so that a slow server cannot make the load lighter.

use serde::{Deserialize, Serialize};

use crate::random::SplitMix64;

/// How the requests of an open loop are spread over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrivals {
    /// The same time between any two.
    #[default]
    Uniform,
    /// As if of many users who know nothing of each other: exponential times between them.
    Poisson,
}

/// The planned instants of one thread, ascending, as nanoseconds from a common beginning.
///
/// Uniform: request i of all threads is due at (i + ½) / rate, and thread k of n has the requests
/// k, k + n, k + 2n, ...: the threads' phases are spread evenly. Poisson: each thread has a process
/// of its own with its part of the rate; together they are a Poisson process of the whole rate.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    arrivals: Arrivals,
    per_second: f64,
    thread: u64,
    threads: u64,
    random: SplitMix64,
    /// No request is due from here on.
    span_ns: u64,
    /// The index, within the thread, of the request due next.
    index: u64,
    next_ns: f64,
}

impl Pace {
    /// The pace of thread `thread` of `threads`, which together make `per_second` requests, from 0
    /// until before `span_ns`.
    pub(super) fn new(
        arrivals: Arrivals,
        per_second: f64,
        (thread, threads): (usize, usize),
        seed: u64,
        span_ns: u64,
    ) -> Self {
        let mut seeds = SplitMix64::new(seed);
        let own = (0..=thread).fold(0, |_, _| seeds.next());
        let mut pace = Self {
            arrivals,
            per_second,
            thread: thread as u64,
            threads: threads as u64,
            random: SplitMix64::new(own),
            span_ns,
            index: 0,
            next_ns: 0.0,
        };
        pace.next_ns = pace.following();
        pace
    }

    /// When the next request is due; none: there are no more.
    #[inline]
    pub(super) fn peek(&self) -> Option<u64> {
        let next = self.next_ns as u64;
        (next < self.span_ns).then_some(next)
    }

    /// Goes on to the request after the next.
    #[inline]
    pub(super) fn advance(&mut self) {
        self.index += 1;
        self.next_ns = self.following();
    }

    /// Ends it at `span_ns`, if it does not end before.
    pub(super) fn cut(&mut self, span_ns: u64) {
        self.span_ns = self.span_ns.min(span_ns);
    }

    fn following(&mut self) -> f64 {
        match self.arrivals {
            Arrivals::Uniform => {
                let of_all = self.index * self.threads + self.thread;
                (of_all as f64 + 0.5) / self.per_second * 1e9
            }
            Arrivals::Poisson => {
                let mean_ns = 1e9 * self.threads as f64 / self.per_second;
                self.next_ns - (1.0 - self.random.unit()).ln() * mean_ns
            }
        }
    }
}

impl Iterator for Pace {
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

    fn instants(arrivals: Arrivals, per_second: f64, of: (usize, usize), seed: u64) -> Vec<u64> {
        Pace::new(arrivals, per_second, of, seed, 1_000_000_000).collect()
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

    #[test]
    fn cut_short() {
        let mut pace = Pace::new(Arrivals::Uniform, 10.0, (0, 1), 0, 1_000_000_000);
        pace.cut(500_000_000);
        assert_eq!(pace.clone().count(), 5);
        pace.cut(2_000_000_000);
        assert_eq!(pace.count(), 5);
    }
}
