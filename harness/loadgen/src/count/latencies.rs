//! Latencies of one load, and what can be said when some of them are known only in part.
//!
//! A request that timed out, or was never sent, took at least as long as was waited for it. Left
//! out, it would make a bad server look good. So it is kept as a censored value, of which only a
//! lower bound is known. With each censored value replaced by its lower bound, every quantile is a
//! lower bound of the true quantile; with all of them at the end, an upper bound. Where the two
//! differ, a quantile is given as a lower bound.

use std::fmt;

use hdrhistogram::Histogram;

use duet_units as units;

/// The longest latency told apart, one hour; longer ones count as at least that.
const HIGHEST_NS: u64 = 3_600_000_000_000;
/// Values are kept to one part in a thousand.
const SIGNIFICANT_DIGITS: u8 = 3;
/// A quantile p is given where this many requests are expected above it.
const ABOVE: f64 = 10.0;

/// Latencies in nanoseconds.
#[derive(Debug, Clone)]
pub struct Latencies {
    exact: Histogram<u64>,
    /// Lower bounds of those that are not known.
    censored: Histogram<u64>,
}

/// A latency, or a lower bound of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// Nanoseconds.
    pub ns: u64,
    /// Whether the true value is at least this.
    pub lower_bound: bool,
}

/// How many requests it takes to give the quantile `p`: 10/(1−p).
#[must_use]
pub fn needed(p: f64) -> f64 {
    ABOVE / (1.0 - p)
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.lower_bound { "≥ " } else { "" };
        f.pad(&format!("{mark}{}", units::nanoseconds(self.ns as f64)))
    }
}

impl Latencies {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        // They grow with the values: a load has a dozen, and most stay empty.
        let empty = || {
            Histogram::new(SIGNIFICANT_DIGITS).expect("0 to 5 digits are allowed; tests call it")
        };
        Self { exact: empty(), censored: empty() }
    }

    /// Adds a latency.
    #[inline]
    pub fn record(&mut self, ns: u64) {
        if ns <= HIGHEST_NS {
            record(&mut self.exact, ns);
        } else {
            self.record_lower_bound(ns);
        }
    }

    /// Adds a latency of which only a lower bound is known.
    pub fn record_lower_bound(&mut self, ns: u64) {
        record(&mut self.censored, ns.min(HIGHEST_NS));
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        add(&mut self.exact, &other.exact);
        add(&mut self.censored, &other.censored);
    }

    /// Those that are known, without `part` of them.
    pub(crate) fn without(&self, part: &Self) -> Self {
        let mut rest = self.known();
        rest.exact.subtract(&part.exact).expect("they are among these");
        rest
    }

    /// Those that are known.
    #[must_use]
    pub fn known(&self) -> Self {
        Self { exact: self.exact.clone(), ..Self::new() }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.exact.len() + self.censored.len()
    }

    /// How many of them are known by a lower bound only.
    #[must_use]
    pub fn censored_count(&self) -> u64 {
        self.censored.len()
    }

    /// The quantile `p`, where at least 10/(1−p) requests stand behind it.
    #[must_use]
    pub fn quantile(&self, p: f64) -> Option<Latency> {
        // A thousandth less, for (1 − p) is not exact.
        if (self.count() as f64) < needed(p) * 0.999 {
            return None;
        }
        let all = self.all();
        let lower = all.highest_equivalent(all.value_at_quantile(p));
        // Where equal, it does not matter how long the unknown ones took.
        let lower_bound = self.at_most(p) != Some(lower);
        let ns = if lower_bound { all.lowest_equivalent(lower) } else { lower };
        Some(Latency { ns, lower_bound })
    }

    /// The longest that the quantile `p` can be, in nanoseconds: with all unknown latencies at the
    /// end. None: it may be any, or there is nothing.
    #[must_use]
    pub fn at_most(&self, p: f64) -> Option<u64> {
        let rank = ((p * self.count() as f64).ceil() as u64).max(1);
        let mut below = 0;
        self.exact.iter_recorded().find_map(|v| {
            below += v.count_at_value();
            (below >= rank).then(|| v.value_iterated_to())
        })
    }

    /// The shortest.
    #[must_use]
    pub fn min(&self) -> Option<Latency> {
        let shortest = |all: &Histogram<u64>| (!all.is_empty()).then(|| all.min());
        match (shortest(&self.exact), shortest(&self.censored)) {
            (Some(exact), Some(censored)) if censored < exact => {
                Some(Latency { ns: censored, lower_bound: true })
            }
            (Some(ns), _) => Some(Latency { ns, lower_bound: false }),
            (None, Some(ns)) => Some(Latency { ns, lower_bound: true }),
            (None, None) => None,
        }
    }

    /// The longest.
    #[must_use]
    pub fn max(&self) -> Option<Latency> {
        let ns = self.exact.max().max(self.censored.max());
        let lower_bound = !self.censored.is_empty();
        let ns = if lower_bound { self.exact.lowest_equivalent(ns) } else { ns };
        (self.count() > 0).then_some(Latency { ns, lower_bound })
    }

    /// The mean, where every value is known.
    #[must_use]
    pub fn mean_ns(&self) -> Option<f64> {
        (!self.exact.is_empty() && self.censored.is_empty()).then(|| self.exact.mean())
    }

    /// All as one histogram, lower bounds as if they were the values.
    #[must_use]
    pub fn all(&self) -> Histogram<u64> {
        let mut all = self.exact.clone();
        add(&mut all, &self.censored);
        all
    }
}

impl Default for Latencies {
    fn default() -> Self {
        Self::new()
    }
}

#[inline]
fn record(histogram: &mut Histogram<u64>, ns: u64) {
    histogram.record(ns).expect("it grows, and holds all that a usize can count");
}

fn add(mine: &mut Histogram<u64>, theirs: &Histogram<u64>) {
    mine.add(theirs).expect("it grows, and holds all that a usize can count");
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// `exact` of 1 ms, and others of which these lower bounds are known, in ms.
    fn latencies(exact: u64, censored: &[u64]) -> Latencies {
        let mut latencies = Latencies::new();
        (0..exact).for_each(|_| latencies.record(MS));
        censored.iter().for_each(|ms| latencies.record_lower_bound(ms * MS));
        latencies
    }

    #[test]
    fn quantiles() {
        let ms = |found: Option<Latency>| {
            found.map(|l| ((l.ns as f64 / MS as f64).round() as u64, l.lower_bound))
        };
        type Case<'a> = (&'a str, u64, Vec<u64>, f64, Option<(u64, bool)>);
        let cases: [Case<'_>; 10] = [
            ("too few", 99, vec![], 0.9, None),
            ("just enough", 100, vec![], 0.9, Some((1, false))),
            ("enough for the median", 20, vec![], 0.5, Some((1, false))),
            ("enough at three nines", 10_000, vec![], 0.999, Some((1, false))),
            ("too few at three nines", 9_900, vec![], 0.999, None),
            ("unknown ones above", 980, vec![5; 20], 0.9, Some((1, false))),
            ("unknown ones there", 980, vec![5; 20], 0.99, Some((5, true))),
            ("an unknown one below", 999, vec![0], 0.5, Some((1, false))),
            ("unknown ones below that matter", 980, vec![0; 20], 0.99, Some((1, true))),
            ("nothing known", 0, vec![7; 1000], 0.5, Some((7, true))),
        ];
        for (name, exact, censored, p, expected) in cases {
            assert_eq!(ms(latencies(exact, &censored).quantile(p)), expected, "{name}");
        }
        assert_eq!(ms(latencies(3, &[]).max()), Some((1, false)));
        assert_eq!(ms(latencies(3, &[9]).max()), Some((9, true)));
        assert_eq!(latencies(0, &[]).max(), None);
        assert_eq!(latencies(1, &[1]).mean_ns(), None);
    }

    #[test]
    fn upper_bounds() {
        let cases: [(u64, &[u64], f64, Option<u64>); 6] = [
            (0, &[], 0.5, None),
            (10, &[], 1.0, Some(1)),
            (10, &[], 0.0, Some(1)),
            (9, &[0], 0.9, Some(1)),
            (9, &[0], 0.91, None),
            (0, &[3], 0.5, None),
        ];
        for (exact, censored, p, expected) in cases {
            let found = latencies(exact, censored).at_most(p);
            let ms = found.map(|ns| (ns as f64 / MS as f64).round() as u64);
            assert_eq!(ms, expected, "{exact} {censored:?} {p}");
        }
    }

    #[test]
    fn merged() {
        let mut one = latencies(3, &[5]);
        one.merge(&latencies(4, &[6, 7]));
        assert_eq!((one.count(), one.censored_count()), (10, 3));
        let mut long = Latencies::new();
        long.record(HIGHEST_NS + 1);
        assert_eq!((long.count(), long.censored_count()), (1, 1));
    }

    #[test]
    fn shown() {
        let shown = |lower_bound| Latency { ns: 1_500_000, lower_bound }.to_string();
        assert_eq!((shown(false), shown(true)), ("1.50 ms".into(), "≥ 1.50 ms".into()));
    }
}
