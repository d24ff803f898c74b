//! Responses for people: by status, by case, by how long they took.

use super::{count, line};
use duet_loadgen::count::latencies::Latencies;
use duet_loadgen::load::{Case, Load, Measured};

/// Statuses, bytes, and the cases one by one, where there is more to say than that all was as
/// expected.
pub(super) fn responses(out: &mut String, load: &Load, measured: &Measured) {
    let statuses = measured.statuses(load);
    let words: Vec<String> =
        statuses.iter().map(|(status, &n)| format!("{} with {status}", count(n))).collect();
    let rate = measured.received_per_second().map(duet_units::bytes);
    if let (false, Some(rate)) = (words.is_empty(), rate) {
        line(out, format_args!("responses     {}; {rate} per second", words.join(", ")));
    }
    if measured.cases.is_empty() {
        return;
    }
    line(out, format_args!("\n{:>12}{:>10}{:>12}{:>12}  case", "ok", "failed", "p50", "p99"));
    for (case, stats) in load.cases.iter().zip(&measured.cases) {
        let shown = |p| stats.service.quantile(p).map_or("".to_owned(), |found| found.to_string());
        line(
            out,
            format_args!(
                "{:>12}{:>10}{:>12}{:>12}  {}",
                count(stats.ok),
                count(stats.failed),
                shown(0.5),
                shown(0.99),
                request_line(case)
            ),
        );
    }
    out.push('\n');
}

/// Method and path of a case.
pub(in crate::cmd::load) fn request_line(case: &Case) -> String {
    let request = &case.exchange.request;
    let end = request.iter().position(|byte| b"\r\n".contains(byte));
    let line = request[..end.unwrap_or(request.len())].escape_ascii().to_string();
    line.trim_end_matches(" HTTP/1.1").to_owned()
}

/// A row for each class of times, which are as wide on a logarithmic scale, with a bar.
pub(super) fn histogram(latencies: &Latencies) -> String {
    const BAR: usize = 40;
    let all = latencies.all();
    let (Some(min), Some(max)) = (latencies.min(), latencies.max()) else { return String::new() };
    // Ends of classes: 1, 2 and 5 times powers of ten.
    let ends = (0..).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_u64.pow(power)));
    let ends: Vec<u64> = ends.take_while(|&end| end < 10 * max.ns.max(1)).collect();
    let class = |ns| ends.partition_point(|&end| end < ns);
    let mut counts = vec![0; ends.len() + 1];
    for value in all.iter_recorded() {
        counts[class(value.value_iterated_to())] += value.count_at_value();
    }
    let classes: Vec<(u64, u64)> = ends.iter().copied().zip(counts).collect();
    let classes = &classes[class(min.ns)..=class(max.ns)];
    let most = classes.iter().map(|&(_, n)| n).max().unwrap_or(1).max(1);
    let mut out = String::new();
    for &(end, n) in classes {
        let bar = "█".repeat(((n as f64 / most as f64) * BAR as f64).round() as usize);
        let end = duet_units::nanoseconds(end as f64);
        line(&mut out, format_args!("{}", format!("≤ {end:<12}{:>12} {bar}", count(n)).trim_end()));
    }
    out.push('\n');
    out
}
