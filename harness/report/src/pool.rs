//! A pool of sessions: what another hour would show, cell by cell.

use crate::chart::pool_forest;
use crate::document::{Block, Column, Document, Emphasis, Group, Item, Marker, Row, Span, Table};
use crate::parts::{figure_of, list};
use crate::render::markdown::Place;
use crate::render::{self, text::Style};
use duet_analysis::pool::{HourVerdict, LeftOut, Pooled, PooledLine};
use duet_units::{Metric, count, ratio, ratio_interval, ratio_number};

/// The metrics that are shown, in this order; `pool.json` has all.
const SHOWN: [Metric; 11] = [
    Metric::CpuNsPerRequest,
    Metric::RequestsPerSecond,
    Metric::RateWithinPerSecond,
    Metric::ElapsedNs,
    Metric::CpuNs,
    Metric::ServiceTimeNsP50,
    Metric::LatencyNsP50,
    Metric::RssBytesPeak,
    Metric::RssBytesPerUnit,
    Metric::MemoryLimitBytes,
    Metric::RssBytesIdle,
];

/// How to read the tables.
const LEGEND: &str = "A ratio says how many times worse the second arm is. Each session has one \
    value and the same weight. [ ]: where the mean over hours lies, with 95 %, for sessions that \
    do not depend on each other. Another hour: where the next session will lie, with 95 %; both \
    need five sessions. Seen: the smallest and the largest of n sessions; the next lies between \
    with probability (n-1)/(n+1). Between: the share of the variance between sessions that their \
    own intervals do not explain. Any hour: another hour will say so too.";

/// The pool for the terminal.
#[must_use]
pub fn text(pooled: &Pooled, style: Style) -> String {
    render::text::text(&document(pooled), style)
}

/// `pool.md`, with the charts that lie beside it.
#[must_use]
pub fn markdown(pooled: &Pooled) -> String {
    render::markdown::markdown(&document(pooled), Place::Folder)
}

/// `pool.html`: one file that needs no other.
#[must_use]
pub fn html(pooled: &Pooled) -> String {
    render::html::html(&document(pooled))
}

/// The charts, with the names of their files.
#[must_use]
pub fn charts(pooled: &Pooled) -> Vec<(&'static str, String)> {
    pictures(pooled).into_iter().map(|(name, picture)| (name, picture.file())).collect()
}

fn pictures(pooled: &Pooled) -> Vec<(&'static str, crate::chart::Picture)> {
    let files = [
        ("pool-cpu.svg", Metric::CpuNsPerRequest),
        ("pool-programs.svg", Metric::CpuNs),
        ("pool-memory.svg", Metric::RssBytesPeak),
    ];
    let picture = |(name, metric): (&'static str, Metric)| {
        let lines = pooled.lines.iter().filter(|line| line.metric == metric);
        Some((name, pool_forest(pooled, &lines.collect::<Vec<_>>(), metric)?))
    };
    files.into_iter().filter_map(picture).collect()
}

fn document(pooled: &Pooled) -> Document {
    let hours = pooled.lines.iter().map(|line| line.sessions.len()).max().unwrap_or(0);
    let shown: Vec<Metric> = SHOWN
        .into_iter()
        .filter(|metric| pooled.lines.iter().any(|line| line.metric == *metric))
        .collect();
    let of_pool = format!(
        "{} on {}, {} to {}.",
        count(hours, "session"),
        pooled.machine,
        pooled.first,
        pooled.last
    );
    let answer = vec![
        Block::paragraph(of_pool, Emphasis::Strong),
        Block::points(shown.iter().map(|metric| summary(pooled, *metric))),
    ];
    let mut body: Vec<Block> = pictures(pooled)
        .into_iter()
        .map(|(file, picture)| Block::Figure(figure_of(Some(file), &picture, None, "")))
        .collect();
    body.push(Block::heading("All cells"));
    body.push(Block::Table(table(pooled, &shown)));
    let left_out = pooled.left_out.iter().map(left_out).collect();
    body.extend(list("Not pooled", Marker::Warning, left_out));
    body.push(Block::heading("How to read this"));
    body.push(Block::paragraph(LEGEND, Emphasis::Quiet));
    Document {
        title: format!("Pool of {}", count(hours, "session")),
        place: format!("{}; {} to {}", pooled.machine, pooled.first, pooled.last),
        answer,
        body,
        maker: String::new(),
    }
}

/// `CPU per request: of 21 cells the second arm is worse in any hour in 17, on average in 2`.
fn summary(pooled: &Pooled, metric: Metric) -> String {
    let of_metric = || pooled.lines.iter().filter(|line| line.metric == metric);
    let verdicts = [
        (HourVerdict::WorseInAnyHour, "worse in any hour"),
        (HourVerdict::WorseOnAverage, "worse on average"),
        (HourVerdict::BetterInAnyHour, "better in any hour"),
        (HourVerdict::BetterOnAverage, "better on average"),
        (HourVerdict::DependsOnTheHour, "one or the other by the hour"),
        (HourVerdict::NotKnown, "not known of another hour: five sessions are needed"),
    ];
    let said: Vec<String> = verdicts
        .into_iter()
        .map(|(verdict, words)| (of_metric().filter(|line| line.verdict == verdict).count(), words))
        .filter(|(cells, _)| *cells > 0)
        .map(|(cells, words)| format!("{words} in {cells}"))
        .collect();
    let all = count(of_metric().count(), "cell");
    format!("{}: of {all} the second arm is {}", metric.label(), said.join(", "))
}

fn left_out(one: &LeftOut) -> Item {
    let cell = one.cell.as_ref().map_or_else(String::new, |cell| format!(" {cell}"));
    Item { name: format!("{}{cell}", one.run), text: one.reason.clone().into(), ..Item::default() }
}

/// A group a metric, a row a cell.
fn table(pooled: &Pooled, shown: &[Metric]) -> Table {
    let numbers = ["n", "over hours", "another hour", "seen", "between"];
    let columns = std::iter::once(Column::words("")).chain(numbers.map(Column::numbers));
    let group = |metric: &Metric| Group {
        name: metric.label().to_owned(),
        rows: pooled.lines.iter().filter(|line| line.metric == *metric).map(row).collect(),
        ..Group::default()
    };
    Table {
        caption: String::new(),
        columns: columns.chain([Column::words("second arm")]).collect(),
        groups: shown.iter().map(group).collect(),
        apart: true,
    }
}

fn row(line: &PooledLine) -> Row {
    let only = line.sessions.first().map_or_else(String::new, |session| ratio(session.ratio));
    let over = match (line.mean, line.interval) {
        (Some(mean), Some(interval)) => ratio_interval(mean, interval.low, interval.high),
        (Some(mean), None) => ratio(mean),
        (None, _) => only,
    };
    let next = line.next.map_or_else(
        || "not known".to_owned(),
        |next| format!("{} to {}", ratio_number(next.low), ratio_number(next.high)),
    );
    let seen = line.range.map_or_else(String::new, |range| {
        format!("{} to {}", ratio_number(range.low), ratio_number(range.high))
    });
    let hours = line.heterogeneity.map_or_else(String::new, duet_units::percent);
    let (words, emphasis) = match line.verdict {
        HourVerdict::BetterInAnyHour => ("better, any hour", Emphasis::Strong),
        HourVerdict::WorseInAnyHour => ("worse, any hour", Emphasis::Strong),
        HourVerdict::BetterOnAverage => ("better, average", Emphasis::Plain),
        HourVerdict::WorseOnAverage => ("worse, average", Emphasis::Plain),
        HourVerdict::DependsOnTheHour => ("by the hour", Emphasis::Open),
        HourVerdict::NotKnown => ("not known", Emphasis::Open),
    };
    let plain = [line.id.to_string(), line.sessions.len().to_string(), over, next, seen, hours];
    let verdict = Span::new(words, emphasis);
    Row { cells: plain.into_iter().map(Span::from).chain([verdict]).collect(), notes: vec![] }
}
