//! Limits: what a latency must not exceed.

use std::fmt;
use std::str::FromStr;

use super::values::duration;
use crate::load::latencies::Latencies;
use crate::units;

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
        let found = match self.p {
            Some(p) => latencies.quantile(p),
            None => latencies.max(),
        };
        match found {
            Some(latency) if latency.ns > self.ns => Verdict::Broken,
            Some(latency) if !latency.at_least => Verdict::Kept,
            _ => Verdict::Unknown,
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
        let form = || "a limit is a quantile and a time, such as p99=5ms or max=1s".to_owned();
        let (quantile, time) = text.split_once('=').ok_or_else(form)?;
        let p = match quantile.strip_prefix('p') {
            None if quantile == "max" => None,
            None => return Err(form()),
            Some(percent) => {
                let percent: f64 = percent.parse().map_err(|_| form())?;
                Some(percent / 100.0).filter(|p| *p > 0.0 && *p < 1.0).ok_or_else(form).map(Some)?
            }
        };
        Ok(Self { p, ns: duration(time)?.as_nanos() as u64 })
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = units::nanoseconds(self.ns as f64);
        match self.p {
            // Rounded, so that 0.999 is 99.9.
            Some(p) => write!(f, "p{} at most {time}", (p * 1e8).round() / 1e6),
            None => write!(f, "max at most {time}"),
        }
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
            (0..at_least).for_each(|_| latencies.record_at_least(10_000_000_000));
            let limit = text.parse::<Limit>();
            assert_eq!(limit.ok().map(|l| l.judge(&latencies)), expected, "{text}");
        }
        let shown = |text: &str| text.parse::<Limit>().map(|limit| limit.to_string());
        assert_eq!(shown("p99.9=5ms"), Ok("p99.9 at most 5.00 ms".into()));
    }
}
