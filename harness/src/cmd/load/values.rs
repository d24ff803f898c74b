//! Values of the command line: times, rates, shares.

use std::time::Duration;

use crate::load::steady::Rate;

/// The highest rate: what is planned and not sent is counted one by one.
pub(super) const RATE_MAX: f64 = 1e7;

/// Reads a time such as `1.5s`, `20ms`, `2m`, or a number of seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let seconds = match unit {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" | "" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err("a time is a number and ns, us, ms, s, m or h (a body is --body)".into()),
    };
    let number: f64 = number.parse().map_err(|_| "a time begins with a number".to_owned())?;
    if number * seconds > 1e9 {
        return Err("a time is at most thirty years".into());
    }
    Ok(Duration::from_secs_f64(number * seconds))
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

/// Reads a rate: `500`, or `100:500` for one that grows.
pub(super) fn rate(text: &str) -> Result<Rate, String> {
    let (from, to) = text.split_once(':').unwrap_or((text, text));
    let number = |text: &str| text.parse::<f64>().map_err(|_| "a rate is a number, or A:B");
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
    fn times_and_shares() {
        let ns = |text| duration(text).ok().map(|time| time.as_nanos());
        let cases = [
            ("10s", Some(10_000_000_000)),
            ("1.5", Some(1_500_000_000)),
            ("20ms", Some(20_000_000)),
            ("7us", Some(7_000)),
            ("2m", Some(120_000_000_000)),
            ("0", Some(0)),
            ("", None),
            ("-1s", None),
            ("1 day", None),
            ("99999999999s", None),
            ("{\"a\":1}", None),
        ];
        for (text, expected) in cases {
            assert_eq!(ns(text), expected, "{text}");
        }
        for (text, expected) in
            [("0", Some(0.0)), ("1%", Some(0.01)), ("0.5", Some(0.5)), ("2", None), ("x", None)]
        {
            assert_eq!(share(text).ok(), expected, "{text}");
        }
        let ramp = |from, to| Some(Rate { from, to });
        let cases = [
            ("5", ramp(5.0, 5.0)),
            ("1:2.5", ramp(1.0, 2.5)),
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
