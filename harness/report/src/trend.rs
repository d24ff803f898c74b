//! A history: what changed, then a table per cell and metric.

use crate::document::{Block, Column, Emphasis, Item, Marker, Row, Table};
use crate::render::text::{Style, blocks};
use crate::wording::estimate;
use duet_analysis::trend::{Change, MachineTrend, RUNS_ENOUGH, Series, Trend, TrendRun};
use duet_units::count;
use duet_units::{Better, Metric};

/// How to read the tables.
const LEGEND: &str = "A ratio says how many times worse the second arm is; [ ] is its 95 % \
    interval. A change is one of level by more than 1 %, p < .001 by permutation of the \
    sessions; it is no verdict. Of sessions of a pool only ratios are known.";

/// The histories as text.
#[must_use]
pub fn trend(trend: &Trend) -> String {
    let mut all: Vec<Block> = trend.machines.iter().flat_map(summary).collect();
    for machine in &trend.machines {
        for series in &machine.series {
            let several = trend.machines.len() > 1;
            let on = if several { format!(", on {}", title(machine)) } else { String::new() };
            all.push(Block::heading(format!("{}{on}", name(series))));
            all.push(Block::Table(table(machine, series)));
        }
    }
    all.push(Block::heading("How to read this"));
    all.push(Block::paragraph(LEGEND, Emphasis::Plain));
    blocks(&all, Style::Plain)
}

/// A machine in a line: `AMD EPYC, 2 CPUs, Linux 6.1`.
pub(super) fn title(machine: &MachineTrend) -> String {
    format!("{}, {}, {}", machine.cpu, count(machine.cpus, "CPU"), machine.kernel)
}

/// What a series is about: `idiomatic/hello/c64: requests per second`.
pub(super) fn name(series: &Series) -> String {
    format!("{}: {}", series.cell, series.metric.label())
}

/// The machine, its runs, and what changed: the answer first.
fn summary(machine: &MachineTrend) -> Vec<Block> {
    let ends = [machine.runs.first(), machine.runs.last()];
    let [Some(first), Some(last)] = ends else { return vec![] };
    let runs = count(machine.runs.len(), "session");
    let head = format!("{}: {runs}, {} to {}", title(machine), day(first), day(last));
    let mut changes: Vec<(usize, Item)> = vec![];
    for series in &machine.series {
        for (change, said) in changes_of(series) {
            let run = &machine.runs[change.run];
            let at = [day(run), &commit(run), &name(series)].map(str::to_owned);
            let at = at.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
            changes.push((change.run, Item { name: at, text: said.into(), ..Item::default() }));
        }
    }
    changes.sort_by_key(|(run, _)| *run);
    let mut blocks = vec![Block::heading(head)];
    if changes.is_empty() {
        blocks.push(Block::points(["no change of level found"]));
    }
    blocks.push(Block::List(Marker::Point, changes.into_iter().map(|(_, item)| item).collect()));
    if machine.runs.len() < RUNS_ENOUGH {
        let few = format!("too few sessions to tell a change from noise; {RUNS_ENOUGH} are enough");
        blocks.push(Block::points([few]));
    }
    blocks
}

/// Every change of a series, in words: `go-nethttp 33,010 to 35,120, 6.4 % more, better`.
fn changes_of(series: &Series) -> Vec<(Change, String)> {
    let metric = series.metric;
    let values = series.arms.iter().zip(&series.values).flat_map(|(arm, series)| {
        let said = |change: &Change| format!("{} {}", arm.label, moved(metric, change));
        series.changes.iter().map(move |change| (*change, said(change)))
    });
    let ratio = series.ratio.changes.iter().map(|change| {
        let (before, after) = (duet_units::ratio(change.before), duet_units::ratio(change.after));
        (*change, format!("ratio {before} to {after}"))
    });
    values.chain(ratio).collect()
}

fn moved(metric: Metric, change: &Change) -> String {
    let share = change.after / change.before - 1.0;
    let more = if share > 0.0 { "more" } else { "less" };
    let better = (share > 0.0) == (metric.better() == Better::Higher);
    format!(
        "{} to {}, {} {more}, {}",
        metric.format(change.before),
        metric.format(change.after),
        duet_units::percent(share.abs()),
        if better { "better" } else { "worse" }
    )
}

/// A row per run that has the cell, with what changed from it on.
fn table(machine: &MachineTrend, series: &Series) -> Table {
    let changes = changes_of(series);
    let own = ["run", "commit"].map(Column::words).into_iter();
    let arms = series.arms.iter().map(|arm| Column::numbers(&arm.label));
    let columns = own.chain(arms).chain([Column::numbers("ratio")]).collect();
    let row = |(i, run): (usize, &TrendRun)| {
        let values: Vec<_> = series.values.iter().map(|series| series.points[i]).collect();
        if values.iter().all(Option::is_none) && series.ratio.points[i].is_none() {
            return None;
        }
        let value = |value: &Option<duet_analysis::Estimate>| {
            value.map_or_else(dash, |estimate| series.metric.format(estimate.value))
        };
        let ratio = series.ratio.points[i].map_or_else(dash, |ratio| estimate(&ratio));
        let when = run.started.replace('T', " ");
        let when: String = when.chars().take("2026-01-31 12:00".len()).collect();
        let cells = [when, commit(run)].into_iter().chain(values.iter().map(value));
        let here = changes.iter().filter(|(change, _)| change.run == i);
        let notes = here.map(|(_, said)| format!("from here on: {said}")).collect();
        Some(Row { notes, ..Row::plain(cells.chain([ratio])) })
    };
    Table::plain("", columns, machine.runs.iter().enumerate().filter_map(row).collect())
}

fn day(run: &TrendRun) -> &str {
    run.started.split('T').next().unwrap_or_default()
}

/// The commit as people write it: seven digits, and whether there were changes on top.
fn commit(run: &TrendRun) -> String {
    let Some(commit) = &run.commit else { return String::new() };
    let (hash, dirty) = match commit.strip_suffix("-dirty") {
        Some(hash) => (hash, "+"),
        None => (commit.as_str(), ""),
    };
    format!("{}{dirty}", hash.chars().take(7).collect::<String>())
}

fn dash() -> String {
    "–".to_owned()
}
