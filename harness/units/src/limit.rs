//! A limit of latency, as people write it: `p99=5ms`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::duration::parse_duration;
use crate::format::nanoseconds;

/// A quantile of response times, and how long it may be at most.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// The quantile, above 0 and below 1.
    pub quantile: f64,
    /// The longest that it may be; above 0.
    pub latency_ns: u64,
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text).ok_or_else(|| "write a quantile and a time, such as \"p99=5ms\"".to_owned())
    }
}

fn parse(text: &str) -> Option<Limit> {
    let (percent, time) = text.strip_prefix('p')?.split_once('=')?;
    // Whole parts of 10⁸, so that 99.9 is 0.999 and no hair more.
    let quantile = (percent.trim().parse::<f64>().ok()? * 1e6).round() / 1e8;
    // A time is at most thirty years: 10¹⁸ ns.
    let latency_ns = parse_duration(time.trim()).ok()?.as_nanos() as u64;
    (quantile > 0.0 && quantile < 1.0 && latency_ns > 0).then_some(Limit { quantile, latency_ns })
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Rounded, so that 0.999 is 99.9.
        let percent = (self.quantile * 1e8).round() / 1e6;
        write!(f, "p{percent} at most {}", nanoseconds(self.latency_ns as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        let cases = [
            ("p99=5ms", Some("p99 at most 5.00 ms")),
            ("p99.9=800us", Some("p99.9 at most 800 µs")),
            ("p50=1.5 ms", Some("p50 at most 1.50 ms")),
            ("p90=1s", Some("p90 at most 1.00 s")),
            ("p95=250µs", Some("p95 at most 250 µs")),
            ("p100=5ms", None),
            ("p0=5ms", None),
            ("p99=0ms", None),
            ("p99=1m", Some("p99 at most 60.0 s")),
            ("p99=5", Some("p99 at most 5.00 s")),
            ("p99=ms", None),
            ("p99=-5ms", None),
            ("p99=5 minutes", None),
            ("99=5ms", None),
            ("p=5ms", None),
            ("pNaN=5ms", None),
            ("p99", None),
            ("", None),
        ];
        for (text, want) in cases {
            let got = text.parse::<Limit>().ok().map(|limit| limit.to_string());
            assert_eq!(got.as_deref(), want, "{text}");
        }
    }
}
