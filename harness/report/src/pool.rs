//! A pool of sessions: what another hour would show, cell by cell, and another machine.

use std::collections::BTreeSet;

use crate::chart::pool_forest;
use crate::document::{Block, Column, Document, Emphasis, Group, Item, Marker, Row, Span, Table};
use crate::machines::{described, machines, on_machine};
use crate::parts::{figure_of, list};
use crate::render::markdown::Place;
use crate::render::{self, text::Style};
use duet_analysis::Interval;
use duet_analysis::pool::{
    Dependence, LeftOut, MachinesLine, PoolVerdict, Pooled, PooledLine, PooledMachine, PooledMean,
    Session,
};
use duet_units::{Metric, count, percent, ratio, ratio_interval, ratio_number};

/// The metrics that are shown, in this order; `pool.json` has all.
const SHOWN: [Metric; 13] = [
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
    Metric::RssBytesKept,
    Metric::LatencyNsWorstSecond,
    Metric::RssBytesIdle,
];

/// How to read the tables.
const LEGEND: &str = "A ratio says how many times worse the second arm is. Each session has one \
    value and the same weight. [ ]: where the mean over hours lies, with 95 %, for sessions that \
    do not depend on each other. Another hour: where the next session will lie, with 95 %; both \
    need five sessions. Seen: the smallest and the largest of n sessions; the next lies between \
    with probability (n-1)/(n+1). Between: the share of the variance between sessions that their \
    own intervals do not explain. Better, worse: another hour will say so too; on average: single \
    hours may say otherwise. At rest: the ratio with \
    the gauge at the best that it was in a session; told only where the gauge predicts a session \
    which the line has not seen better than the mean of the others does, and where 5 % at most of \
    permutations of the sessions look as good: so does one in twenty of the lines that follow \
    nothing.";

/// How to read the table over machines.
const MACHINES_LEGEND: &str = "Each machine has one value, the mean of its sessions. [ ]: where \
    the mean over machines lies, another machine: where the mean of the next one will lie, both \
    with 95 % for machines that were drawn at random, from three on.";

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
        let lines = lines(pooled).filter(|line| line.metric == metric);
        Some((name, pool_forest(pooled, &lines.collect::<Vec<_>>(), metric)?))
    };
    files.into_iter().filter_map(picture).collect()
}

fn document(pooled: &Pooled) -> Document {
    let sessions =
        count((0..pooled.machines.len()).map(|m| sessions_of(pooled, m)).sum(), "session");
    let shown: Vec<Metric> = SHOWN
        .into_iter()
        .filter(|metric| lines(pooled).any(|line| line.metric == *metric))
        .collect();
    let place = format!("{}, {} to {}", machines(pooled), pooled.first, pooled.last);
    let others = match (pooled.machines.len(), pooled.over_machines.is_empty()) {
        (0 | 1, _) => "One machine; others: not known.",
        (2, _) => "Two machines; others: not known, three are needed.",
        (_, true) => "Other machines: not known, since no cell was measured on three.",
        (_, false) => "What another machine will show stands below.",
    };
    let hours = match is_judged(pooled) {
        true => "",
        false => " Another hour: not known, five sessions are needed.",
    };
    let means = pooled.means.iter().filter_map(|mean| headline(pooled, mean));
    let points = means.chain(shown.iter().filter_map(|metric| summary(pooled, *metric)));
    let answer = vec![
        Block::paragraph(format!("{sessions} on {place}. {others}{hours}"), Emphasis::Strong),
        Block::points(points),
    ];
    let mut body: Vec<Block> = pictures(pooled)
        .into_iter()
        .map(|(file, picture)| Block::Figure(figure_of(Some(file), &picture, None, "")))
        .collect();
    if !pooled.over_machines.is_empty() {
        body.push(Block::heading("Over machines"));
        body.push(Block::Table(machines_table(pooled, &shown)));
        body.push(Block::paragraph(MACHINES_LEGEND, Emphasis::Quiet));
    }
    body.push(Block::heading("All cells"));
    body.push(Block::Table(table(pooled, &shown)));
    let hidden = hidden(pooled);
    if !hidden.is_empty() {
        let of =
            hidden.iter().map(|(matchup, cells)| format!("{matchup} ({})", count(*cells, "cell")));
        let of = of.collect::<Vec<_>>().join(", ");
        let text = format!("Measured in one session, and so not shown: {of}.");
        body.push(Block::paragraph(text, Emphasis::Quiet));
    }
    if pooled.machines.len() > 1 {
        let item = |(i, machine): (usize, &PooledMachine)| {
            let sessions = count(sessions_of(pooled, i), "session");
            format!("machine {}: {}, {sessions}", i + 1, described(machine))
        };
        body.push(Block::points(pooled.machines.iter().enumerate().map(item)));
    }
    let left_out = pooled.left_out.iter().map(left_out).collect();
    body.extend(list("Not pooled", Marker::Warning, left_out));
    body.push(Block::heading("How to read this"));
    body.push(Block::paragraph(LEGEND, Emphasis::Quiet));
    Document { title: format!("Pool of {sessions}"), place, answer, body, maker: String::new() }
}

/// How many sessions a machine has.
fn sessions_of(pooled: &Pooled, machine: usize) -> usize {
    let own = pooled.lines.iter().filter(|line| line.machine == machine);
    own.map(|line| line.sessions.len()).max().unwrap_or(0)
}

/// The lines that are shown: all of several machines, else those of several sessions, if any.
fn lines(pooled: &Pooled) -> impl Iterator<Item = &PooledLine> {
    let any = pooled.machines.len() > 1 || !pooled.lines.iter().any(is_of_several);
    pooled.lines.iter().filter(move |line| any || is_of_several(line))
}

fn is_of_several(line: &PooledLine) -> bool {
    line.sessions.len() > 1
}

/// The cells that are not shown, by matchup.
fn hidden(pooled: &Pooled) -> Vec<(&str, usize)> {
    let shown: BTreeSet<_> = lines(pooled).map(|line| &line.id).collect();
    let hidden = pooled.lines.iter().map(|line| &line.id).filter(|id| !shown.contains(id));
    let mut seen = BTreeSet::new();
    let mut of_matchups: Vec<(&str, usize)> = vec![];
    for id in hidden.filter(|id| seen.insert(*id)) {
        match of_matchups.iter_mut().find(|(name, _)| *name == id.matchup) {
            Some((_, cells)) => *cells += 1,
            None => of_matchups.push((&id.matchup, 1)),
        }
    }
    of_matchups
}

/// What a mean says of another hour: `go-nethttp against rust-axum (idiomatic), mean of 8 cells:
/// CPU per request 1.63× [1.61, 1.65]; another hour: 1.58 to 1.68`. Absent of one session.
fn headline(pooled: &Pooled, mean: &PooledMean) -> Option<String> {
    let [first, second] = &mean.arms[..] else { return None };
    mean.mean?;
    Some(format!(
        "{second} against {first} ({}), mean of {}: {} {}; another hour: {}",
        on_machine(pooled, mean.matchup.clone(), mean.machine),
        count(mean.cells.len(), "cell"),
        mean.metric.label(),
        over_hours(mean.mean, mean.interval, &mean.sessions),
        another(mean.next)
    ))
}

/// Whether something is said of another hour.
fn is_judged(pooled: &Pooled) -> bool {
    let lines = pooled.lines.iter().map(|line| line.verdict);
    let means = pooled.means.iter().map(|mean| mean.verdict);
    lines.chain(means).any(|verdict| verdict != PoolVerdict::NotKnown)
}

/// `CPU per request: of 21 cells the second arm is worse in any hour in 17, worse on average in 2;
/// of 2 another hour is not known`. Absent where it is not known of any.
fn summary(pooled: &Pooled, metric: Metric) -> Option<String> {
    let of_metric = || lines(pooled).filter(|line| line.metric == metric);
    let verdicts = [
        (PoolVerdict::WorseInAny, "worse in any hour"),
        (PoolVerdict::WorseOnAverage, "worse on average"),
        (PoolVerdict::BetterInAny, "better in any hour"),
        (PoolVerdict::BetterOnAverage, "better on average"),
        (PoolVerdict::Depends, "one or the other by the hour"),
    ];
    let number = |verdict| of_metric().filter(|line| line.verdict == verdict).count();
    let said: Vec<String> = verdicts
        .into_iter()
        .map(|(verdict, words)| (number(verdict), words))
        .filter(|(cells, _)| *cells > 0)
        .map(|(cells, words)| format!("{words} in {cells}"))
        .collect();
    if said.is_empty() {
        return None;
    }
    let all = match of_metric().count() {
        n if pooled.machines.len() > 1 => format!("{n} cells of machines"),
        n => count(n, "cell"),
    };
    let mut text = format!("{}: of {all} the second arm is {}", metric.label(), said.join(", "));
    let not_known = number(PoolVerdict::NotKnown);
    if not_known > 0 {
        text += &format!("; of {not_known} another hour is not known");
    }
    let dependent = of_metric().filter(|line| line.dependence.is_some()).count();
    if dependent > 0 {
        text += &format!("; in {dependent} the ratio follows the state of the machine");
    }
    Some(text)
}

fn left_out(one: &LeftOut) -> Item {
    let cell = one.cell.as_ref().map_or_else(String::new, |cell| format!(" {cell}"));
    Item { name: format!("{}{cell}", one.run), text: one.reason.clone().into(), ..Item::default() }
}

/// A group a metric and matchup, a row a cell.
fn table(pooled: &Pooled, shown: &[Metric]) -> Table {
    let numbers = ["n", "over hours", "another hour", "seen", "between"];
    let columns = std::iter::once(Column::words("")).chain(numbers.map(Column::numbers));
    let verdicts = is_judged(pooled).then(|| Column::words("second arm"));
    let mut matchups: Vec<&str> = vec![];
    for line in lines(pooled) {
        if !matchups.contains(&line.id.matchup.as_str()) {
            matchups.push(&line.id.matchup);
        }
    }
    let group = |metric: Metric, matchup: &str| {
        let of_matchup = |line: &&PooledLine| line.metric == metric && line.id.matchup == matchup;
        let arms = lines(pooled).find(of_matchup).map_or(&[][..], |line| &line.arms);
        let rows: Vec<Row> =
            lines(pooled).filter(of_matchup).map(|line| row(pooled, line)).collect();
        let of_rows = |mean: &&PooledMean| mean.metric == metric && mean.matchup == matchup;
        let means = pooled.means.iter().filter(of_rows).map(|mean| mean_row(pooled, mean));
        let rows = match rows.is_empty() {
            true => rows,
            false => means.chain(rows).collect(),
        };
        let name = format!("{}, {matchup}", metric.label());
        Group { name, about: arms.join(" against "), rows, ..Group::default() }
    };
    let groups = shown.iter().flat_map(|metric| matchups.iter().map(|one| group(*metric, one)));
    Table {
        caption: String::new(),
        columns: columns.chain(verdicts).collect(),
        groups: groups.filter(|group| !group.rows.is_empty()).collect(),
        apart: true,
    }
}

fn row(pooled: &Pooled, line: &PooledLine) -> Row {
    let over = over_hours(line.mean, line.interval, &line.sessions);
    let seen = line.range.map_or_else(String::new, span);
    let hours = line.heterogeneity.map_or_else(String::new, percent);
    let name = format!("{}/{}", line.id.workload, line.id.load);
    let (name, sessions) =
        (on_machine(pooled, name, line.machine), line.sessions.len().to_string());
    let plain = [name, sessions, over, another(line.next), seen, hours];
    let verdict = is_judged(pooled).then(|| verdict(line.verdict, "hour"));
    let cells = plain.into_iter().map(Span::from).chain(verdict);
    Row { cells: cells.collect(), notes: line.dependence.iter().map(dependence).collect() }
}

/// A mean over cells, of which no session says how sure it is.
fn mean_row(pooled: &Pooled, mean: &PooledMean) -> Row {
    let of = format!("mean of {}", count(mean.cells.len(), "cell"));
    let name = on_machine(pooled, of, mean.machine);
    let over = over_hours(mean.mean, mean.interval, &mean.sessions);
    let seen = mean.range.map_or_else(String::new, span);
    let sessions = mean.sessions.len().to_string();
    let plain = [name, sessions, over, another(mean.next), seen, String::new()];
    let verdict = is_judged(pooled).then(|| verdict(mean.verdict, "hour"));
    let cells = plain.into_iter().map(Span::from).chain(verdict);
    Row { cells: cells.collect(), notes: mean.dependence.iter().map(dependence).collect() }
}

/// The mean over hours, or the only session.
fn over_hours(mean: Option<f64>, interval: Option<Interval>, sessions: &[Session]) -> String {
    match (mean, interval) {
        (Some(mean), Some(interval)) => ratio_interval(mean, interval.low, interval.high),
        (Some(mean), None) => ratio(mean),
        (None, _) => sessions.first().map_or_else(String::new, |session| ratio(session.ratio)),
    }
}

/// `grows by 0.6 % when the machine is 1 % slower (gauge: system call); at rest 1.73× [1.69,
/// 1.77]`.
fn dependence(found: &Dependence) -> String {
    let change = 1.01_f64.powf(found.slope) - 1.0;
    let moves = if change < 0.0 { "falls" } else { "grows" };
    let Interval { low, high, .. } = found.at_rest_interval;
    format!(
        "{moves} by {} when the machine is 1 % slower (gauge: {}); at rest {}",
        percent(change.abs()),
        found.gauge.label(),
        ratio_interval(found.at_rest, low, high)
    )
}

/// A group a metric, a row a cell.
fn machines_table(pooled: &Pooled, shown: &[Metric]) -> Table {
    let numbers = ["machines", "over machines", "another machine", "seen"];
    let columns = std::iter::once(Column::words("")).chain(numbers.map(Column::numbers));
    let row = |line: &MachinesLine| {
        let over = match line.interval {
            Some(Interval { low, high, .. }) => ratio_interval(line.mean, low, high),
            None => ratio(line.mean),
        };
        let machines = line.machines.len().to_string();
        let plain = [line.id.to_string(), machines, over, another(line.next), span(line.range)];
        let verdict = verdict(line.verdict, "machine");
        Row { cells: plain.into_iter().map(Span::from).chain([verdict]).collect(), notes: vec![] }
    };
    let of_metric =
        |metric: Metric| pooled.over_machines.iter().filter(move |line| line.metric == metric);
    let group = |metric: &Metric| Group {
        name: metric.label().to_owned(),
        rows: of_metric(*metric).map(row).collect(),
        ..Group::default()
    };
    Table {
        caption: String::new(),
        columns: columns.chain([Column::words("second arm")]).collect(),
        groups: shown.iter().map(group).filter(|group| !group.rows.is_empty()).collect(),
        apart: true,
    }
}

/// Where another one will lie.
fn another(next: Option<Interval>) -> String {
    next.map_or_else(|| "not known".to_owned(), span)
}

fn span(interval: Interval) -> String {
    format!("{} to {}", ratio_number(interval.low), ratio_number(interval.high))
}

/// What may be said of others: hours, or machines.
fn verdict(verdict: PoolVerdict, of: &str) -> Span {
    let (words, emphasis) = match verdict {
        PoolVerdict::BetterInAny => ("better".to_owned(), Emphasis::Strong),
        PoolVerdict::WorseInAny => ("worse".to_owned(), Emphasis::Strong),
        PoolVerdict::BetterOnAverage => ("better on average".to_owned(), Emphasis::Plain),
        PoolVerdict::WorseOnAverage => ("worse on average".to_owned(), Emphasis::Plain),
        PoolVerdict::Depends => (format!("by the {of}"), Emphasis::Open),
        PoolVerdict::NotKnown => ("not known".to_owned(), Emphasis::Open),
    };
    Span::new(words, emphasis)
}
