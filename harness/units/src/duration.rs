//! A length of time, as people write it: `1.5s`, `20ms`, `2m`.

use std::time::Duration;

/// Reads a time such as `1.5s`, `20ms`, `2m`, `1m30s`, `1d`, or a number of seconds; at most thirty
/// years.
///
/// # Errors
/// How times are written.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let mut rest = text.trim();
    let (mut sum, mut parts) = (0.0, 0);
    while !rest.is_empty() || parts == 0 {
        let (number, behind) = rest.split_at(rest.find(|c| !is_number(c)).unwrap_or(rest.len()));
        let (unit, next) = behind.split_at(behind.find(is_number).unwrap_or(behind.len()));
        let seconds = match unit.trim() {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "" if parts == 0 => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => {
                return Err("a time is numbers with ns, us, ms, s, m, h or d: 500ms, 1m30s".into());
            }
        };
        let number: f64 = number.parse().map_err(|_| "a time begins with a number".to_owned())?;
        sum += number * seconds;
        parts += 1;
        rest = next;
    }
    if sum > 1e9 {
        return Err("a time is at most thirty years".into());
    }
    Ok(Duration::from_secs_f64(sum))
}

/// Reads a number of things: `10000`, `10k`, `1.5M`.
///
/// # Errors
/// How such numbers are written.
pub fn parse_count(text: &str) -> Result<u64, String> {
    let (number, factor) = match text.strip_suffix(['k', 'K']) {
        Some(number) => (number, 1e3),
        None => match text.strip_suffix('M') {
            Some(number) => (number, 1e6),
            None => (text, 1.0),
        },
    };
    let wrong = || "a number is whole, such as 10000, 10k or 1.5M".to_owned();
    if factor == 1.0 {
        return number.parse().map_err(|_| wrong());
    }
    let count = number.parse::<f64>().map_err(|_| wrong())? * factor;
    match count.fract() == 0.0 && (0.0..=1e15).contains(&count) {
        true => Ok(count as u64),
        false => Err(wrong()),
    }
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
    fn counts() {
        let cases = [
            ("7", Some(7)),
            ("10k", Some(10_000)),
            ("1.5M", Some(1_500_000)),
            ("18446744073709551615", Some(u64::MAX)),
            ("1.5", None),
            ("1.0001k", None),
            ("-1k", None),
            ("k", None),
            ("1G", None),
            ("infk", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_count(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn durations() {
        let cases = [
            ("10s", Some(10_000_000_000)),
            ("1m30s", Some(90_000_000_000)),
            ("1h2m3s4ms", Some(3_723_004_000_000)),
            ("1d", Some(86_400_000_000_000)),
            ("1m30", None),
            ("1m s", None),
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
