//! Responses for people: by status, by case, by how long they took.

use super::words::{count, line};
use duet_loadgen::count::latencies::Latencies;
use duet_loadgen::load::{Case, Load, Measured};

/// The most cases that are shown one by one.
const SHOWN_MAX: usize = 20;

/// Statuses, bytes, and the cases one by one, where there is more to say than that all was as
/// expected.
pub(super) fn responses(out: &mut String, load: &Load, measured: &Measured) {
    let of_websocket = load.cases.iter().any(|case| case.exchange.message.is_some());
    if let (true, Some(rate)) = (of_websocket, measured.received_per_second()) {
        let (n, rate) = (count(measured.account.ok), duet_units::bytes(rate));
        return line(out, format_args!("messages      {n} came back; {rate} per second"));
    }
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
    for (case, stats) in load.cases.iter().zip(&measured.cases).take(SHOWN_MAX) {
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
    if measured.cases.len() > SHOWN_MAX {
        line(out, format_args!("{:>12} more are in --json", measured.cases.len() - SHOWN_MAX));
    }
    out.push('\n');
}

/// Method and path of a case.
pub(crate) fn request_line(case: &Case) -> String {
    let line = case.exchange.first_line().escape_ascii().to_string();
    line.trim_end_matches(" HTTP/1.1").to_owned()
}

/// A row for each class of times, which are as wide on a logarithmic scale, with a bar. Lower
/// bounds stand in it as if they were the times.
pub(super) fn histogram(latencies: &Latencies) -> String {
    const BAR: usize = 40;
    let (all, max) = (latencies.all(), latencies.max().map_or(1, |max| max.ns.max(1)));
    // Ends of classes: 1, 2 and 5 times powers of ten.
    let ends = (0..).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_u64.pow(power)));
    let mut classes: Vec<(u64, u64)> =
        ends.take_while(|&end| end < 10 * max).map(|end| (end, 0)).collect();
    for value in all.iter_recorded() {
        let ns = all.lowest_equivalent(value.value_iterated_to());
        let class = classes.partition_point(|&(end, _)| end < ns);
        classes[class].1 += value.count_at_value();
    }
    let is_used = |&(_, n): &(u64, u64)| n > 0;
    let first = classes.iter().position(is_used);
    let Some((first, last)) = first.zip(classes.iter().rposition(is_used)) else {
        return String::new();
    };
    let classes = &classes[first..=last];
    let most = classes.iter().map(|&(_, n)| n).max().unwrap_or(1);
    let mut out = String::new();
    for &(end, n) in classes {
        let bar = "█".repeat(((n as f64 / most as f64) * BAR as f64).round() as usize);
        let end = duet_units::nanoseconds(end as f64);
        let row = format!("≤ {end:<12}{:>12} {bar}", count(n));
        line(&mut out, format_args!("{}", row.trim_end()));
    }
    if latencies.censored_count() > 0 {
        let n = count(latencies.censored_count());
        line(&mut out, format_args!("{n} of these are lower bounds: there was no response"));
    }
    out.push('\n');
    out
}
