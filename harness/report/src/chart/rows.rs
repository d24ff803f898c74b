//! What a chart of ratios says, before it is drawn: groups, rows, title, legend.

use super::palette::{self, MUTED, Mark};
use crate::load_kinds;
use crate::wording::{self, Conclusion, OrientedRatio};
use duet_analysis::{Analysis, CellAnalysis, MatchupAnalysis};
use duet_units::{CellKind, Loop, Metric, Unit};

/// A matchup.
pub(super) struct Group<'a> {
    pub(super) title: String,
    pub(super) arms: Vec<(Mark, &'a str)>,
    pub(super) rows: Vec<Row>,
}

/// A cell, or the geometric mean over a group's cells.
pub(super) struct Row {
    pub(super) label: String,
    pub(super) detail: String,
    pub(super) ratio: String,
    pub(super) values: String,
    pub(super) found: Found,
    pub(super) mean: bool,
}

/// What a row draws.
pub(super) enum Found {
    Ratio(OrientedRatio, Conclusion),
    Words(String),
}

/// The rows of a matchup.
pub(super) fn group<'a>(
    analysis: &Analysis,
    matchup: &'a MatchupAnalysis,
    metric: Metric,
) -> Group<'a> {
    let languages: Vec<&str> = matchup.arms.iter().map(|a| a.language.as_str()).collect();
    let mut marks = palette::marks(analysis, &languages);
    if matchup.control {
        marks.iter_mut().for_each(|m| m.ink = MUTED);
    }
    let labels = matchup.arms.iter().map(|a| a.label.as_str());
    let metric = if metric == Metric::RequestsPerSecond { wording::speed(matchup) } else { metric };
    // Open loops have metrics of their own.
    let has = |(cell, metric): &(&CellAnalysis, Metric)| {
        matches!(cell.kind(), CellKind::Servers(Loop::Closed) | CellKind::Programs)
            || cell.metrics.iter().any(|m| m.metric == *metric)
    };
    let cells = wording::ordered(matchup).into_iter();
    let cells = cells.map(|cell| (cell, load_kinds::charted(cell, metric))).filter(has);
    let cells = cells.map(|(cell, metric)| cell_row(analysis, matchup, cell, metric));
    let mean = matchup.means.iter().find(|m| m.metric == metric).and_then(|mean| {
        let line = wording::mean_row(&analysis.run, &matchup.arms, mean);
        Some(Row {
            label: "geometric mean".to_owned(),
            detail: format!("of {} cells", mean.cells.len()),
            ratio: line.ratio,
            values: String::new(),
            found: Found::Ratio(wording::oriented_ratio(&mean.ratio)?, line.conclusion),
            mean: true,
        })
    });
    Group {
        title: wording::title(matchup),
        arms: marks.into_iter().zip(labels).collect(),
        rows: cells.chain(mean).collect(),
    }
}

fn cell_row(
    analysis: &Analysis,
    matchup: &MatchupAnalysis,
    cell: &CellAnalysis,
    metric: Metric,
) -> Row {
    let measured = cell.metrics.iter().find(|m| m.metric == metric);
    let line = measured.map(|m| wording::row(&analysis.run, &matchup.arms, m));
    let ratio = measured.and_then(|m| wording::oriented_ratio(m.ratio.as_ref()?));
    let (found, text) = match (ratio, &line) {
        (Some(ratio), Some(line)) => (Found::Ratio(ratio, line.conclusion), line.ratio.clone()),
        _ => (Found::Words(wording::silence(analysis, matchup, cell)), String::new()),
    };
    let mark = if cell.warnings.is_empty() { "" } else { " *" };
    Row {
        label: format!("{}{mark}", cell.id.workload),
        detail: cell.load.clone(),
        ratio: text,
        values: line.map_or_else(String::new, |line| values(&line.values, metric)),
        found,
        mean: false,
    }
}

/// The arms' values side by side: `62,000 | 33,000 req/s`.
fn values(values: &[String], metric: Metric) -> String {
    let unit = if metric.unit() == Unit::PerSecond { " req/s" } else { "" };
    format!("{}{unit}", values.join(" | "))
}

/// The chart's title, in the manner of the benchmarks game.
pub(super) fn question(metric: Metric) -> &'static str {
    match metric {
        Metric::RequestsPerSecond | Metric::RateWithinPerSecond | Metric::ElapsedNs => {
            "How many times slower?"
        }
        Metric::CpuNsPerRequest | Metric::CpuNs => "How many times more CPU?",
        Metric::RssBytesIdle
        | Metric::RssBytesSteady
        | Metric::RssBytesPeak
        | Metric::RssBytesPerUnit
        | Metric::RssBytesAfter
        | Metric::RssBytesKept
        | Metric::RssBytesPerConnection
        | Metric::MemoryLimitBytes => "How many times more memory?",
        Metric::StartupNs
        | Metric::ServiceTimeNsP50
        | Metric::ServiceTimeNsP99
        | Metric::LatencyNsP50
        | Metric::LatencyNsP90
        | Metric::LatencyNsP99
        | Metric::LatencyNsP999
        | Metric::LatencyNsWorstSecond => "How many times longer?",
        Metric::LatenessNsP50 | Metric::LatenessNsP99 => "How many times later?",
    }
}

/// What is compared, at the beginning of a sentence.
pub(super) fn what(analysis: &Analysis, metric: Metric) -> &'static str {
    let of_programs = |m: &MatchupAnalysis| m.programs;
    match metric {
        Metric::RequestsPerSecond if analysis.matchups.iter().any(of_programs) => {
            "Elapsed time of programs, requests per second of servers"
        }
        Metric::RequestsPerSecond if load_kinds::has(analysis, Loop::Search) => {
            "Requests per second, or the highest rate within a limit of latency"
        }
        Metric::RequestsPerSecond => "Requests per second",
        Metric::RssBytesPeak => "Peak resident memory",
        metric => metric.label(),
    }
}

/// The chart's rows as sentences.
pub(super) fn description(groups: &[Group<'_>], lines: &[String]) -> String {
    let row = |r: &Row| match &r.found {
        Found::Ratio(..) => format!("{} {} {}", r.label, r.detail, r.ratio),
        Found::Words(words) => format!("{} {} {words}", r.label, r.detail),
    };
    let group = |g: &Group<'_>| {
        let rows: Vec<String> = g.rows.iter().map(row).collect();
        format!("{}: {}.", g.title, rows.join("; "))
    };
    lines.iter().cloned().chain(groups.iter().map(group)).collect::<Vec<_>>().join(" ")
}

/// What the marks mean, as far as they occur.
pub(super) fn legend<'a>(what: &str, rows: impl Iterator<Item = &'a Row>) -> String {
    let found: Vec<(&OrientedRatio, Conclusion)> = rows
        .filter_map(|r| match &r.found {
            Found::Ratio(ratio, conclusion) => Some((ratio, *conclusion)),
            Found::Words(_) => None,
        })
        .collect();
    let n = || found.iter().map(|(ratio, _)| ratio.n);
    let (Some(low), Some(high)) = (n().min(), n().max()) else {
        return format!("{what}: nothing could be compared.");
    };
    let n = if low == high { format!("n = {low}") } else { format!("n = {low} to {high}") };
    let mut said =
        format!("{what}: the better of each pair stands at 1×, the other at its ratio. ");
    said += &if found.iter().any(|(ratio, _)| ratio.interval.is_some()) {
        format!("Whisker: 95\u{a0}% interval over blocks ({n}), where wider than the mark.")
    } else {
        format!("Too few blocks for intervals ({n}).")
    };
    said += " Shaded: within 1\u{a0}%, a tie.";
    if found.iter().any(|(_, conclusion)| *conclusion != Conclusion::Decided) {
        said += " Hollow: no difference shown.";
    }
    said
}

impl Group<'_> {
    /// All ratios that must lie within the axis.
    pub(super) fn extent(&self) -> impl Iterator<Item = f64> {
        self.rows.iter().flat_map(|row| match &row.found {
            Found::Ratio(t, _) => {
                let (low, high) = t.interval.unwrap_or((t.value, t.value));
                vec![t.value, low, high]
            }
            Found::Words(_) => vec![],
        })
    }
}
