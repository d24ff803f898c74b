//! Limits: what a latency must not exceed.

use std::fmt;
use std::str::FromStr;

use duet_loadgen::count::latencies::{self, Latencies, Latency};

/// A quantile, or the maximum, and its limit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Limit {
    /// None: the maximum.
    p: Option<f64>,
    ns: u64,
}

/// Whether a limit is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Kept,
    Broken,
    /// Too few requests, or too many without an answer, to say.
    Unknown,
}

impl Limit {
    pub(super) fn judge(&self, latencies: &Latencies) -> Verdict {
        let at_most = match self.p {
            Some(p) => latencies.at_most(p),
            None => latencies.max().filter(|max| !max.lower_bound).map(|max| max.ns),
        };
        match self.find(latencies) {
            Some(latency) if latency.ns > self.ns => Verdict::Broken,
            Some(_) if at_most.is_some_and(|ns| ns <= self.ns) => Verdict::Kept,
            _ => Verdict::Unknown,
        }
    }

    /// What is limited, where enough requests stand behind it.
    pub(super) fn find(&self, latencies: &Latencies) -> Option<Latency> {
        match self.p {
            Some(p) => latencies.quantile(p),
            None => latencies.max(),
        }
    }

    /// The requests that it takes to say whether it is kept.
    pub(super) fn requests(&self) -> f64 {
        self.p.map_or(1.0, latencies::needed)
    }

    /// What is limited, in words: `p99.9` or `max`.
    pub(super) fn quantile(&self) -> String {
        match self.p {
            // Rounded, so that 0.999 is 99.9.
            Some(p) => format!("p{}", (p * 1e8).round() / 1e6),
            None => "max".to_owned(),
        }
    }
}

impl Verdict {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Broken => "broken",
            Self::Unknown => "unknown",
        }
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(time) = text.strip_prefix("max=") {
            // A time is at most thirty years: 10¹⁸ ns.
            return Ok(Self { p: None, ns: duet_units::parse_duration(time)?.as_nanos() as u64 });
        }
        let form = |_| "a limit is a quantile and a time, such as p99=5ms or max=1s".to_owned();
        let duet_units::Limit { quantile, latency_ns } = text.parse().map_err(form)?;
        Ok(Self { p: Some(quantile), ns: latency_ns })
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at most {}", self.quantile(), duet_units::nanoseconds(self.ns as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts() {
        let cases = [
            ("p50=2ms", 100, 0, Some(Verdict::Kept)),
            ("p50=500us", 100, 0, Some(Verdict::Broken)),
            ("p99=2ms", 100, 0, Some(Verdict::Unknown)),
            ("p99=2ms", 1000, 0, Some(Verdict::Kept)),
            ("p99.9=2ms", 1000, 0, Some(Verdict::Unknown)),
            ("p90=2ms", 50, 50, Some(Verdict::Broken)),
            ("p90=1m", 50, 50, Some(Verdict::Unknown)),
            ("p90=2ms", 950, 50, Some(Verdict::Kept)),
            ("p90=2ms", 850, 150, Some(Verdict::Broken)),
            ("max=2ms", 1, 0, Some(Verdict::Kept)),
            ("max=2ms", 1, 1, Some(Verdict::Broken)),
            ("p100=2ms", 1, 0, None),
            ("99=2ms", 1, 0, None),
            ("p99", 1, 0, None),
            ("p99=fast", 1, 0, None),
        ];
        for (text, exact, at_least, expected) in cases {
            let mut latencies = Latencies::new();
            (0..exact).for_each(|_| latencies.record(1_000_000));
            (0..at_least).for_each(|_| latencies.record_lower_bound(10_000_000_000));
            let limit = text.parse::<Limit>();
            assert_eq!(limit.ok().map(|l| l.judge(&latencies)), expected, "{text}");
        }
        let shown = |text: &str| text.parse::<Limit>().map(|limit| limit.to_string());
        assert_eq!(shown("p99.9=5ms"), Ok("p99.9 at most 5.00 ms".into()));
    }
}
