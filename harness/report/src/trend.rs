//! A history as text: what changed, then a table per cell and metric. At most 100 columns wide with
//! names of ordinary length.

use duet_analysis::trend::{Change, MachineTrend, RUNS_ENOUGH, Series, Trend, TrendRun};
use duet_units::count;
use duet_units::{Better, Metric};

/// How to read the tables.
const LEGEND: &str = "\
A ratio says how many times worse the second arm is; [ ] is its 95 % interval. A change is one of
level by more than 1 %, p < .001 by permutation of the runs; it is no verdict.
";

/// The histories as text.
#[must_use]
pub fn trend(trend: &Trend) -> String {
    let mut out: String = trend.machines.iter().map(summary).collect();
    for machine in &trend.machines {
        if trend.machines.len() > 1 {
            out += &format!("\n=== {} ===\n", title(machine));
        }
        for series in &machine.series {
            out += &table(machine, series);
        }
    }
    format!("{out}\n{LEGEND}")
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
fn summary(machine: &MachineTrend) -> String {
    let ends = [machine.runs.first(), machine.runs.last()];
    let [Some(first), Some(last)] = ends else { return String::new() };
    let mut out = format!(
        "{}: {}, {} to {}\n",
        title(machine),
        count(machine.runs.len(), "run"),
        day(first),
        day(last)
    );
    let mut changes: Vec<(usize, String)> = vec![];
    for series in &machine.series {
        let mut found = changes_of(series);
        found.sort_by_key(|(change, _)| change.run);
        for same_run in found.chunk_by(|(a, _), (b, _)| a.run == b.run) {
            let index = same_run[0].0.run;
            let run = &machine.runs[index];
            let said: String = same_run.iter().map(|(_, said)| format!("    {said}\n")).collect();
            let head = format!("  {}{}  {}\n", day(run), commit(run), name(series));
            changes.push((index, head + &said));
        }
    }
    changes.sort();
    if changes.is_empty() {
        out += "  no change of level found\n";
    }
    out.extend(changes.into_iter().map(|(_, said)| said));
    if machine.runs.len() < RUNS_ENOUGH {
        out += &format!("  too few runs to tell a change from noise; {RUNS_ENOUGH} are enough\n");
    }
    out
}

/// Every change of a series, in words: `go-nethttp 33,010 to 35,120, 6.4 % more, better`.
fn changes_of(series: &Series) -> Vec<(Change, String)> {
    let metric = series.metric;
    let values = series.arms.iter().zip(&series.values).flat_map(|(arm, line)| {
        let said = |change: &Change| format!("{} {}", arm.label, moved(metric, change));
        line.changes.iter().map(move |change| (*change, said(change)))
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

/// A row per run that has the cell, and a line under the first run of a new level.
fn table(machine: &MachineTrend, series: &Series) -> String {
    let mut rows = vec![heads(series)];
    let mut notes: Vec<Vec<String>> = vec![vec![]];
    let changes = changes_of(series);
    for (i, run) in machine.runs.iter().enumerate() {
        let values: Vec<_> = series.values.iter().map(|line| line.points[i]).collect();
        if values.iter().all(Option::is_none) {
            continue;
        }
        let value = |value: &Option<duet_analysis::Estimate>| {
            value.map_or_else(dash, |estimate| series.metric.format(estimate.value))
        };
        let ratio = series.ratio.points[i].map_or_else(dash, |ratio| {
            ratio.interval.map_or_else(
                || duet_units::ratio(ratio.value),
                |i| duet_units::ratio_interval(ratio.value, i.low, i.high),
            )
        });
        let when = run.started.replace('T', " ");
        let when: String = when.chars().take("2026-01-31 12:00".len()).collect();
        let row = [when, commit(run).trim().to_owned()].into_iter();
        rows.push(row.chain(values.iter().map(value)).chain([ratio]).collect());
        let here = changes.iter().filter(|(change, _)| change.run == i);
        notes.push(here.map(|(_, said)| format!("  ^ from here on: {said}\n")).collect());
    }
    let widths: Vec<usize> = (0..rows[0].len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut out = format!("\n{}\n", name(series));
    for (row, notes) in rows.iter().zip(&notes) {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (text, &width))| {
            // When and which commit to the left, numbers to the right.
            if column < 2 { format!("{text:<width$}") } else { format!("{text:>width$}") }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        out += &format!("  {}\n{}", line.trim_end(), notes.concat());
    }
    out
}

fn heads(series: &Series) -> Vec<String> {
    let own = ["run", "commit"].map(str::to_owned).into_iter();
    own.chain(series.arms.iter().map(|arm| arm.label.clone())).chain(["ratio".to_owned()]).collect()
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
    format!(" {}{dirty}", hash.chars().take(7).collect::<String>())
}

fn dash() -> String {
    "–".to_owned()
}
