//! Numbers as people read them.

/// A duration: `999 ns`, `12.3 µs`, `4.56 ms`, `7.89 s`.
#[must_use]
pub fn nanoseconds(ns: f64) -> String {
    match ns.abs() {
        a if a < 1e3 => format!("{ns:.0} ns"),
        a if a < 1e6 => format!("{} µs", digits(ns / 1e3)),
        a if a < 1e9 => format!("{} ms", digits(ns / 1e6)),
        _ => format!("{} s", digits(ns / 1e9)),
    }
}

/// A round duration, such as the label of an axis: `300 µs`, `20 ms`. What is left over is cut off.
#[must_use]
pub fn whole_nanoseconds(ns: u64) -> String {
    match ns {
        _ if ns < 1_000 => format!("{ns} ns"),
        _ if ns < 1_000_000 => format!("{} µs", ns / 1_000),
        _ if ns < 1_000_000_000 => format!("{} ms", ns / 1_000_000),
        _ => format!("{} s", ns / 1_000_000_000),
    }
}

/// An amount of memory in binary multiples: `512 B`, `14.2 KiB`, `3.45 MiB`.
#[must_use]
pub fn bytes(b: f64) -> String {
    const KIB: f64 = 1024.0;
    match b.abs() {
        a if a < KIB => format!("{b:.0} B"),
        a if a < KIB * KIB => format!("{} KiB", digits(b / KIB)),
        a if a < KIB * KIB * KIB => format!("{} MiB", digits(b / KIB / KIB)),
        _ => format!("{} GiB", digits(b / KIB / KIB / KIB)),
    }
}

/// A rate per second: `812`, `12,345`.
#[must_use]
pub fn rate(per_second: f64) -> String {
    if per_second.abs() < 100.0 { digits(per_second) } else { thousands(per_second.round() as i64) }
}

/// A ratio: `1.02×`, `12.3×`.
#[must_use]
pub fn ratio(r: f64) -> String {
    format!("{}×", ratio_number(r))
}

/// A ratio without its sign, so that the bounds of an interval can share one.
#[must_use]
pub fn ratio_number(r: f64) -> String {
    match r.abs() {
        // Near one, the third decimal is the difference between a tie and a finding.
        a if (0.9..1.1).contains(&a) => format!("{r:.3}"),
        a if a < 10.0 => format!("{r:.2}"),
        a if a < 100.0 => format!("{r:.1}"),
        _ => thousands(r.round() as i64),
    }
}

/// A ratio and its interval: `1.88× [1.83, 1.93]`. A bound near one has three decimals wherever the
/// ratio lies: the third tells a tie from a finding. So have both bounds of a ratio near one.
#[must_use]
pub fn ratio_interval(r: f64, low: f64, high: f64) -> String {
    let near_one = (0.9..1.1).contains(&r);
    let bound = |b: f64| match b.abs() {
        _ if near_one => format!("{b:.3}"),
        a if (0.9..1.1).contains(&a) => format!("{b:.3}"),
        a if a < 10.0 => format!("{b:.2}"),
        _ => ratio_number(b),
    };
    format!("{} [{}, {}]", ratio(r), bound(low), bound(high))
}

/// A share as a percentage: `0 %`, `3.2 %`, `97 %`.
#[must_use]
pub fn percent(share: f64) -> String {
    let p = share * 100.0;
    if p != 0.0 && p.abs() < 10.0 { format!("{p:.1} %") } else { format!("{p:.0} %") }
}

/// A span of time in a sentence: `45 s`, `5 min 10 s`, `1 h 2 min`.
#[must_use]
pub fn minutes(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, 0) => format!("{m} min"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

/// A number of things: `1 cell`, `18 cells`.
#[must_use]
pub fn count(n: usize, thing: &str) -> String {
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}

/// An integer with thousands separated by commas.
#[must_use]
pub fn thousands(n: i64) -> String {
    let plain = n.unsigned_abs().to_string();
    let mut out = String::with_capacity(plain.len() + plain.len() / 3 + 1);
    if n < 0 {
        out.push('-');
    }
    for (i, c) in plain.chars().enumerate() {
        if i > 0 && (plain.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// Three significant digits for values from 1 to 999, two decimals below 1.
fn digits(x: f64) -> String {
    match x.abs() {
        a if a < 9.995 => format!("{x:.2}"),
        a if a < 99.95 => format!("{x:.1}"),
        _ => format!("{x:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        let cases = [
            (nanoseconds(999.0), "999 ns"),
            (nanoseconds(12_340.0), "12.3 µs"),
            (nanoseconds(4_560_000.0), "4.56 ms"),
            (nanoseconds(7.89e9), "7.89 s"),
            (nanoseconds(123.4e6), "123 ms"),
            (bytes(512.0), "512 B"),
            (bytes(14_541.0), "14.2 KiB"),
            (bytes(3_617_587.0), "3.45 MiB"),
            (rate(12_345.4), "12,345"),
            (rate(99.0), "99.0"),
            (ratio(1.0234), "1.023×"),
            (ratio(1.8765), "1.88×"),
            (ratio(12.34), "12.3×"),
            (ratio_interval(1.8765, 1.8312, 1.9296), "1.88× [1.83, 1.93]"),
            (ratio_interval(1.0044, 0.9981, 1.0101), "1.004× [0.998, 1.010]"),
            (ratio_interval(1.12, 1.0104, 1.15), "1.12× [1.010, 1.15]"),
            (ratio_interval(12.34, 9.87, 1500.2), "12.3× [9.87, 1,500]"),
            (percent(0.032), "3.2 %"),
            (percent(0.0), "0 %"),
            (percent(0.97), "97 %"),
            (thousands(1_234_567), "1,234,567"),
            (thousands(-1_000), "-1,000"),
            (thousands(999), "999"),
            (count(1, "cell"), "1 cell"),
            (count(18, "cell"), "18 cells"),
            (minutes(45), "45 s"),
            (minutes(310), "5 min 10 s"),
            (minutes(3_725), "1 h 2 min"),
        ];
        for (got, want) in cases {
            assert_eq!(got, want);
        }
    }
}
