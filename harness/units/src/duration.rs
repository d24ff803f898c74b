//! A length of time, as people write it: `1.5s`, `20ms`, `2m`.

use std::time::Duration;

/// Reads a time such as `1.5s`, `20ms`, `2m`, or a number of seconds; at most thirty years.
///
/// # Errors
/// How times are written.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let seconds = match unit.trim() {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" | "" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err("a time is a number and ns, us, ms, s, m or h".into()),
    };
    let number: f64 = number.parse().map_err(|_| "a time begins with a number".to_owned())?;
    if number * seconds > 1e9 {
        return Err("a time is at most thirty years".into());
    }
    Ok(Duration::from_secs_f64(number * seconds))
}

/// A length of time in nanoseconds; at most the 585 years that fit.
#[must_use]
pub fn duration_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let cases = [
            ("10s", Some(10_000_000_000)),
            ("1.5", Some(1_500_000_000)),
            ("20ms", Some(20_000_000)),
            ("20 ms", Some(20_000_000)),
            ("7us", Some(7_000)),
            ("7µs", Some(7_000)),
            ("2m", Some(120_000_000_000)),
            ("2min", Some(120_000_000_000)),
            ("1h", Some(3_600_000_000_000)),
            ("0", Some(0)),
            ("", None),
            ("ms", None),
            ("1.2.3s", None),
            ("-1s", None),
            ("1 day", None),
            ("99999999999s", None),
            ("{\"a\":1}", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_duration(text).ok().map(|t| t.as_nanos()), expected, "{text}");
        }
    }
}
