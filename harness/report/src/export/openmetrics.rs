//! OpenMetrics text (prometheus/OpenMetrics, version 1.0), for GitLab's metrics reports.
//!
//! GitLab compares values as text and shows every one that differs: values have three significant
//! digits, so that noise is not shown as a change, and there is no time in the file.

use super::rows::{Row, rows};
use duet_analysis::Analysis;
use duet_units::{Better, Metric, Unit};

/// The run as gauges, a family per metric in base units (seconds, bytes) and one of ratios.
#[must_use]
pub fn openmetrics(analysis: &Analysis) -> String {
    let mut out = String::new();
    for metric in Metric::ALL {
        let of_metric = || rows(analysis).filter(|row| row.metric.metric == metric);
        if of_metric().next().is_some() {
            out += &family(metric);
        }
        for row in of_metric() {
            for (_, arm, estimate) in row.arms() {
                let labels = labels(&row, &[("arm", &arm.label)]);
                let value = rounded(scaled(metric, estimate.value));
                out += &format!("{}{labels} {value}\n", name(metric));
            }
        }
    }
    out += "# TYPE duet_ratio gauge\n# UNIT duet_ratio ratio\n\
            # HELP duet_ratio How many times worse the second arm is than the first.\n";
    for row in rows(analysis) {
        if let Some(ratio) = row.metric.ratio.filter(|ratio| ratio.value.is_finite()) {
            let labels = labels(&row, &[("metric", row.metric.metric.name())]);
            out += &format!("duet_ratio{labels} {}\n", rounded(ratio.value));
        }
    }
    let silent: Vec<Row<'_>> = rows(analysis).filter(|row| !row.is_compared()).collect();
    if !silent.is_empty() {
        out += "# TYPE duet_not_compared gauge\n\
                # HELP duet_not_compared The values of arms that are not to be compared.\n";
    }
    for row in silent {
        let labels = labels(&row, &[("metric", row.metric.metric.name())]);
        out += &format!("duet_not_compared{labels} 1\n");
    }
    out + "# EOF\n"
}

fn family(metric: Metric) -> String {
    let name = name(metric);
    let unit = match metric.unit() {
        Unit::PerSecond => String::new(),
        Unit::Nanoseconds => format!("# UNIT {name} seconds\n"),
        Unit::Bytes => format!("# UNIT {name} bytes\n"),
    };
    let better = match metric.better() {
        Better::Higher => "more is better",
        Better::Lower => "less is better",
    };
    format!("# TYPE {name} gauge\n{unit}# HELP {name} {}; {better}.\n", metric.label())
}

/// A family's name ends with its unit: `rss_bytes_peak` is `duet_rss_peak_bytes`.
fn name(metric: Metric) -> String {
    let name = metric.name();
    let without = |unit: &str| name.split('_').filter(|word| *word != unit).collect::<Vec<_>>();
    let (words, unit) = match metric.unit() {
        Unit::PerSecond => (without(""), ""),
        Unit::Nanoseconds => (without("ns"), "_seconds"),
        Unit::Bytes => (without("bytes"), "_bytes"),
    };
    format!("duet_{}{unit}", words.join("_"))
}

fn scaled(metric: Metric, value: f64) -> f64 {
    match metric.unit() {
        Unit::Nanoseconds => value / 1e9,
        Unit::PerSecond | Unit::Bytes => value,
    }
}

/// The labels of a row. A metric of all starts has neither workload nor load.
fn labels(row: &Row<'_>, more: &[(&str, &str)]) -> String {
    let mut all = vec![("matchup", row.matchup.name.as_str())];
    if let Some(cell) = row.cell {
        all.extend([("workload", cell.id.workload.as_str()), ("load", cell.id.load.as_str())]);
    }
    all.extend(more);
    let pairs = all.iter().map(|(key, value)| format!("{key}=\"{}\"", escape(value)));
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// A value with three significant digits, written without an exponent.
fn rounded(value: f64) -> String {
    // The standard library writes what it reads: an exponent of ten and two decimals.
    format!("{value:.2e}").parse::<f64>().unwrap_or(value).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let cases = [
            (Metric::RequestsPerSecond, "duet_requests_per_second"),
            (Metric::CpuNsPerRequest, "duet_cpu_per_request_seconds"),
            (Metric::RssBytesPeak, "duet_rss_peak_bytes"),
            (Metric::ServiceTimeNsP99, "duet_service_time_p99_seconds"),
        ];
        for (metric, want) in cases {
            assert_eq!(name(metric), want);
        }
    }

    #[test]
    fn three_digits() {
        let cases = [
            (58_449.0, "58400"),
            (1.8765, "1.88"),
            (0.999_6, "1"),
            (15.2e-6, "0.0000152"),
            (3_617_587.0, "3620000"),
            (0.0, "0"),
        ];
        for (value, want) in cases {
            assert_eq!(rounded(value), want);
        }
    }

    #[test]
    fn labels_are_escaped() {
        assert_eq!(escape("a\\b\"c\nd"), "a\\\\b\\\"c\\nd");
    }
}
