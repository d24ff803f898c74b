//! What a chart of ratios says, before it is drawn: groups, rows, title, legend.

use super::palette::{self, MUTED, Mark};
use crate::load_kinds;
use crate::ranking::{self, Ranked, Several, Shown};
use crate::wording::{self, Conclusion, OrientedRatio};
use duet_analysis::{Analysis, CellAnalysis, Estimate, MatchupAnalysis};
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
    /// Several arms, each at its ratio to the first, a line for each.
    Several(Vec<Line>),
    Words(String),
}

/// An arm among several.
pub(super) struct Line {
    pub(super) mark: Mark,
    /// Absent where it may not be compared.
    pub(super) ratio: Option<Estimate>,
    pub(super) conclusion: Conclusion,
    /// Its name and its ratio.
    pub(super) text: String,
}

/// What is drawn of what reports show as one.
pub(super) fn group_of<'a>(analysis: &Analysis, shown: &Shown<'a>, metric: Metric) -> Group<'a> {
    match shown {
        Shown::Pair(matchup) => group(analysis, matchup, metric),
        Shown::Several(several) => group_of_several(analysis, several, metric),
    }
}

/// The rows of a matchup of several arms. Its lines have the names of the arms.
fn group_of_several<'a>(analysis: &Analysis, several: &Several<'a>, metric: Metric) -> Group<'a> {
    let cells = several.cells();
    let rows = cells.iter().filter_map(|cell| {
        let (_, first) = cell.first()?;
        let metric = load_kinds::charted(first, metric);
        let closed = first.kind() == CellKind::Servers(Loop::Closed);
        let ranked = ranking::ranked(analysis, cell, metric);
        let lines: Vec<Line> = ranked.iter().filter_map(|of| line(analysis, of)).collect();
        // Beside the first arm's own.
        let found = match lines.iter().filter(|line| line.ratio.is_some()).count() {
            0 | 1 if !closed => return None,
            0 | 1 => Found::Words("no ratio".to_owned()),
            _ => Found::Several(lines),
        };
        let warned = cell.iter().any(|(_, of_pair)| !of_pair.warnings.is_empty());
        Some(Row {
            label: format!("{}{}", first.id.workload, if warned { " *" } else { "" }),
            detail: first.load.clone(),
            ratio: String::new(),
            values: String::new(),
            found,
            mean: false,
        })
    });
    let mean = mean_of_several(analysis, several, metric);
    Group { title: several.title(), arms: vec![], rows: rows.chain(mean).collect() }
}

/// The geometric mean over the cells of a matchup of several arms.
fn mean_of_several(analysis: &Analysis, several: &Several<'_>, metric: Metric) -> Option<Row> {
    let ranked = ranking::ranked_means(analysis, several, metric);
    let lines: Vec<Line> = ranked.iter().filter_map(|of| line(analysis, of)).collect();
    let mean = several.mean(metric)?;
    (lines.len() > 1).then(|| Row {
        label: "geometric mean".to_owned(),
        detail: format!("of {} cells", mean.cells.len()),
        ratio: String::new(),
        values: String::new(),
        found: Found::Several(lines),
        mean: true,
    })
}

fn line(analysis: &Analysis, of: &Ranked<'_>) -> Option<Line> {
    let ratio = of.ratio.filter(|ratio| ratio.value.is_finite() && ratio.value > 0.0);
    let mark = palette::marks(analysis, &[of.arm.language.as_str()]).pop()?;
    let said = if ratio.is_some() { of.ratio_text() } else { "no ratio".to_owned() };
    let text = format!("{} {said}", of.arm.label);
    Some(Line { mark, ratio, conclusion: of.conclusion, text })
}

/// The rows of a matchup of two arms.
fn group<'a>(analysis: &Analysis, matchup: &'a MatchupAnalysis, metric: Metric) -> Group<'a> {
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
        Found::Several(lines) => {
            let lines: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
            format!("{} {} {}", r.label, r.detail, lines.join(", "))
        }
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
    let (mut pairs, mut several) = (false, false);
    // How many blocks, whether there is an interval, what it says.
    let mut found: Vec<(u32, bool, Conclusion)> = vec![];
    for row in rows {
        match &row.found {
            Found::Ratio(ratio, conclusion) => {
                pairs = true;
                found.push((ratio.n, ratio.interval.is_some(), *conclusion));
            }
            Found::Several(lines) => {
                several = true;
                let of_line = |l: &Line| {
                    let ratio = l.ratio?;
                    Some((ratio.n, ratio.interval.is_some(), l.conclusion))
                };
                // But for the first arm, which is compared with nobody.
                found.extend(lines.iter().filter_map(of_line).filter(|(n, ..)| *n > 0));
            }
            Found::Words(_) => {}
        }
    }
    let n = || found.iter().map(|(n, ..)| *n);
    let (Some(low), Some(high)) = (n().min(), n().max()) else {
        return format!("{what}: nothing could be compared.");
    };
    let n = if low == high { format!("n = {low}") } else { format!("n = {low} to {high}") };
    let stands = match (pairs, several) {
        (true, false) => "the better of each pair stands at 1×, the other at its ratio.",
        (false, _) => "one server stands at 1×, each other at its ratio to that one.",
        (true, true) => {
            "the better of each pair stands at 1×, the other at its ratio; of several servers one \
             stands at 1×, each other at its ratio to that one."
        }
    };
    let mut said = format!("{what}: {stands} ");
    said += &if found.iter().any(|(_, interval, _)| *interval) {
        format!("Whisker: 95\u{a0}% interval over blocks ({n}), where wider than the mark.")
    } else {
        format!("Too few blocks for intervals ({n}).")
    };
    if several {
        said += " Those of several servers hold together.";
    }
    said += " Shaded: within 1\u{a0}%, a tie.";
    if found.iter().any(|(_, _, conclusion)| *conclusion != Conclusion::Decided) {
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
            Found::Several(lines) => {
                let span = |ratio: &Estimate| {
                    let interval = ratio.interval.map_or([ratio.value; 2], |i| [i.low, i.high]);
                    interval.into_iter().chain([ratio.value])
                };
                lines.iter().filter_map(|line| line.ratio.as_ref()).flat_map(span).collect()
            }
            Found::Words(_) => vec![],
        })
    }
}
