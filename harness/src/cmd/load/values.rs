//! Values of the command line: times, rates, shares.

use std::time::Duration;

use duet_loadgen::request::exchange::Status;
use duet_loadgen::timing::arrivals::Rate;

/// The highest rate: what is planned and not sent is counted one by one.
pub(super) const RATE_MAX: f64 = 1e7;

/// Reads a time. `-d` is the body of a request elsewhere.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    duet_units::parse_duration(text).map_err(|why| format!("{why} (a body is --body)"))
}

/// Reads how long an answer may take. Less than a millisecond is less than what timeouts are looked
/// after in.
pub(super) fn timeout(text: &str) -> Result<Duration, String> {
    let timeout = duration(text)?;
    if timeout < Duration::from_millis(1) {
        return Err("a timeout is at least 1ms".into());
    }
    Ok(timeout)
}

/// Reads a status: `404`, or `2xx` for any success.
pub(super) fn status(text: &str) -> Result<Status, String> {
    match text.parse() {
        Ok(status @ 100..=999) => Ok(Status::Exactly(status)),
        _ if text == "2xx" => Ok(Status::Successful),
        _ => Err("a status is a number from 100 to 999, or 2xx".to_owned()),
    }
}

/// A quantile that is shown.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Percentile {
    /// `p99.5`.
    pub(super) name: String,
    /// 0.995.
    pub(super) p: f64,
}

/// The quantiles that are shown unless others are asked for, where enough requests stand behind
/// them.
pub(super) fn quantiles(asked: &[Percentile]) -> Vec<Percentile> {
    if !asked.is_empty() {
        return asked.to_vec();
    }
    let all = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999)];
    all.map(|(name, p)| Percentile { name: name.to_owned(), p }).into()
}

/// Reads a percentile: `99.5`, or `p99.5`.
pub(super) fn percentile(text: &str) -> Result<Percentile, String> {
    let number = text.strip_prefix('p').unwrap_or(text);
    let percent: Option<f64> = number.parse().ok();
    let within = percent.filter(|percent| (0.0..100.0).contains(percent));
    let percent = within.ok_or("a percentile is a number from 0 to below 100, such as 99.9")?;
    Ok(Percentile { name: format!("p{percent}"), p: percent / 100.0 })
}

/// Reads a number of requests.
pub(super) fn count(text: &str) -> Result<u64, String> {
    match duet_units::parse_count(text)? {
        0 => Err("a load has at least one request".to_owned()),
        count => Ok(count),
    }
}

/// Reads a rate: `500`, or `100:500` for one that grows.
pub(super) fn rate(text: &str) -> Result<Rate, String> {
    let (from, to) = text.split_once(':').unwrap_or((text, text));
    let number = |text: &str| match duet_units::parse_count(text) {
        Ok(number) => Ok(number as f64),
        Err(_) => text.parse::<f64>().map_err(|_| "a rate is a number, such as 0.5 or 10k, or A:B"),
    };
    let rate = Rate { from: number(from)?, to: number(to)? };
    let fits = [rate.from, rate.to].iter().all(|rate| (0.0..=RATE_MAX).contains(rate));
    if fits && rate.mean() > 0.0 {
        Ok(rate)
    } else {
        Err(format!("a rate is above 0 and at most {RATE_MAX}"))
    }
}

/// Reads a share: `0.01` or `1%`.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let (number, whole) = match text.strip_suffix('%') {
        Some(percent) => (percent.trim_end(), 100.0),
        None => (text, 1.0),
    };
    let share = number.parse::<f64>().map(|n| n / whole);
    share
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "a share is between 0 and 1, or 0% and 100%".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        let exactly = |status| Some(Status::Exactly(status));
        for (text, expected) in
            [("404", exactly(404)), ("999", exactly(999)), ("2xx", Some(Status::Successful))]
        {
            assert_eq!(status(text).ok(), expected, "{text}");
        }
        for text in ["99", "1000", "4xx", "ok", "-1"] {
            assert!(status(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shares_and_rates() {
        for (text, expected) in
            [("0", Some(0.0)), ("1%", Some(0.01)), ("0.5", Some(0.5)), ("2", None), ("x", None)]
        {
            assert_eq!(share(text).ok(), expected, "{text}");
        }
        let ramp = |from, to| Some(Rate { from, to });
        let cases = [
            ("5", ramp(5.0, 5.0)),
            ("1:2.5", ramp(1.0, 2.5)),
            ("0.2:1.5k", ramp(0.2, 1500.0)),
            ("0:9", ramp(0.0, 9.0)),
            ("9:0", ramp(9.0, 0.0)),
            ("0", None),
            ("0:0", None),
            ("inf", None),
            ("NaN", None),
            ("1:-2", None),
            ("1:2:3", None),
            (":2", None),
        ];
        for (text, expected) in cases {
            assert_eq!(rate(text).ok(), expected, "{text}");
        }
    }
}
