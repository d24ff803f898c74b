//! Reads a budget: `latency_ns_p99 <= 5ms`.

use super::nearest::suggestion;
use duet_model::spec::{Budget, Quantity};
use duet_units::{Better, Metric, Unit};

const FORM: &str = "write a quantity, `<=` or `>=`, and a limit: `rss_bytes_peak <= 64 MiB`";

/// The name of the share of failed requests.
const ERROR_RATE: &str = "error_rate";

/// Units of limits, each with what it is in the quantity's base unit; of none nothing is written.
const DURATIONS: [(&str, f64); 5] =
    [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)];
const SIZES: [(&str, f64); 4] =
    [("B", 1.0), ("KiB", 1024.0), ("MiB", 1_048_576.0), ("GiB", 1_073_741_824.0)];
const RATES: [(&str, f64); 2] = [("", 1.0), ("/s", 1.0)];
const SHARES: [(&str, f64); 2] = [("", 1.0), ("%", 0.01)];

/// Reads a budget.
///
/// # Errors
/// What is wrong with it, and the hint.
pub(super) fn budget(text: &str) -> Result<Budget, (String, String)> {
    let fault = |problem: &str, hint: &str| (problem.to_owned(), hint.to_owned());
    let start = text.find(['<', '>', '=']).ok_or_else(|| fault("it has no limit", FORM))?;
    let (name, rest) = text.split_at(start);
    let end = rest.find(|c| !"<>=".contains(c)).unwrap_or(rest.len());
    let (sign, limit) = rest.split_at(end);
    let quantity = quantity(name.trim())?;
    let limit = limit_of(limit.trim(), quantity)?;
    let at_least = matches!(quantity, Quantity::Metric(m) if m.better() == Better::Higher);
    match (sign, at_least) {
        (">=", true) | ("<=", false) => {}
        ("==", false) if limit == 0.0 => {}
        (_, true) => {
            return Err((format!("`{sign}`"), "write `>=`: more of it is better".to_owned()));
        }
        (_, false) => {
            let hint = "write `<=`: less of it is better; `==` can only be asked of 0";
            return Err((format!("`{sign}`"), hint.to_owned()));
        }
    }
    Ok(Budget { text: text.to_owned(), quantity, limit })
}

fn quantity(name: &str) -> Result<Quantity, (String, String)> {
    if name == ERROR_RATE {
        return Ok(Quantity::ErrorRate);
    }
    let metric = Metric::ALL.into_iter().find(|metric| metric.name() == name);
    metric.map(Quantity::Metric).ok_or_else(|| {
        let names = Metric::ALL.map(Metric::name);
        let known: Vec<&str> = [ERROR_RATE].into_iter().chain(names).collect();
        (format!("there is no `{name}`"), suggestion(name, &known, "the quantities are"))
    })
}

/// A limit in the quantity's base unit.
fn limit_of(text: &str, quantity: Quantity) -> Result<f64, (String, String)> {
    let (units, example): (&[(&str, f64)], &str) = match quantity {
        Quantity::ErrorRate => (&SHARES, "0.001 or 0.1 %"),
        Quantity::Metric(metric) => match metric.unit() {
            Unit::Nanoseconds => (&DURATIONS, "5ms, 800 us or 1.5 s"),
            Unit::Bytes => (&SIZES, "64 MiB or 512 KiB"),
            Unit::PerSecond => (&RATES, "20000"),
        },
    };
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_');
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let number: Option<f64> = number.replace('_', "").parse().ok();
    let factor = units.iter().find(|(word, _)| *word == unit.trim()).map(|(_, factor)| factor);
    let fault = |hint: String| (format!("the limit is `{text}`"), hint);
    match (number, factor) {
        (Some(number), Some(factor)) => {
            let limit = number * factor;
            match quantity {
                Quantity::ErrorRate if limit > 1.0 => Err(fault("write a share up to 1".into())),
                Quantity::Metric(_) if limit <= 0.0 => Err(fault("write a limit above 0".into())),
                _ => Ok(limit),
            }
        }
        _ => Err(fault(format!("write a number and its unit, such as {example}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        let check = |text: &str, quantity: Quantity, limit: f64| {
            assert_eq!(budget(text), Ok(Budget { text: text.to_owned(), quantity, limit }));
        };
        let rate = Quantity::Metric(Metric::RequestsPerSecond);
        let peak = Quantity::Metric(Metric::RssBytesPeak);
        let cpu = Quantity::Metric(Metric::CpuNsPerRequest);
        check("error_rate == 0", Quantity::ErrorRate, 0.0);
        check("error_rate <= 0.001", Quantity::ErrorRate, 0.001);
        check("error_rate<=1%", Quantity::ErrorRate, 0.01);
        check("requests_per_second >= 20000", rate, 20_000.0);
        check("requests_per_second >= 20_000 /s", rate, 20_000.0);
        check("rss_bytes_peak <= 64 MiB", peak, 67_108_864.0);
        check("rss_bytes_peak<=512KiB", peak, 524_288.0);
        check("cpu_ns_per_request <= 12.5us", cpu, 12_500.0);
        check("cpu_ns_per_request <= 12 µs", cpu, 12_000.0);
        check("service_time_ns_p99 <= 5ms", Quantity::Metric(Metric::ServiceTimeNsP99), 5e6);
        check("startup_ns <= 1.5 s", Quantity::Metric(Metric::StartupNs), 1.5e9);
    }

    #[test]
    fn faults() {
        let check = |text: &str, want: &str| {
            let (problem, hint) = budget(text).expect_err(text);
            let got = format!("{problem} | {hint}");
            assert!(got.starts_with(want), "{text}\ngot  {got}\nwant {want}");
        };
        check("", "it has no limit | write a quantity, `<=` or `>=`, and a limit");
        check("rss_bytes_peak", "it has no limit");
        check("<= 5ms", "there is no `` | the quantities are error_rate, ");
        check("rss_byte_peak <= 1 MiB", "there is no `rss_byte_peak` | did you mean `rss_bytes_p");
        check("elapsed <= 1s", "there is no `elapsed`");
        check("requests_per_second <= 5", "`<=` | write `>=`: more of it is better");
        check("requests_per_second == 5", "`==` | write `>=`");
        check("rss_bytes_peak >= 64 MiB", "`>=` | write `<=`: less of it is better");
        check("rss_bytes_peak < 64 MiB", "`<` | write `<=`");
        check("error_rate == 0.1", "`==` | write `<=`: less of it is better; `==` can only be");
        check("error_rate <= 2", "the limit is `2` | write a share up to 1");
        check("error_rate <= 0 ms", "the limit is `0 ms` | write a number and its unit, such as");
        check("rss_bytes_peak <= 64", "the limit is `64` | write a number and its unit");
        check("rss_bytes_peak <= 64 MB", "the limit is `64 MB` | write a number and its unit");
        check("rss_bytes_peak <= 0 MiB", "the limit is `0 MiB` | write a limit above 0");
        check("startup_ns <= -5ms", "the limit is `-5ms`");
        check("startup_ns <= 1e3ms", "the limit is `1e3ms`");
        check("startup_ns <= 1.2.3ms", "the limit is `1.2.3ms`");
        check("startup_ns <=", "the limit is ``");
    }
}
