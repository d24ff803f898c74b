//! The table of programs, as the benchmarks game's site has it: a small section per program, a row
//! per language.

use super::document::{Block, Column, Emphasis, Group, Row, Span, Table};
use super::parts::{about, names, short};
use super::wording::{self, TableRow, source};
use duet_analysis::{Analysis, Arm, CellAnalysis, MatchupAnalysis, ProgramSummary};
use duet_units::Metric;

/// The heads of the columns.
const COLUMNS: [&str; 6] = ["source", "secs", "mem KB", "gz", "cpu secs", "cpu load %"];

/// How to read the table.
const LEGEND: &str = "secs: elapsed, from starting a process to its end; mem: peak resident \
    memory; gz: source without comments and repeated white space, after gzip; cpu secs: user and \
    system time; cpu load: busy share of each CPU. Hodges-Lehmann estimates over blocks; the \
    better value is bold. Sections in the order of their ratio.";

/// A longer name of a row than this makes the table too wide; the arms are then called A and B.
const SOURCE: usize = 8;

/// A matchup of programs.
pub(super) fn section(analysis: &Analysis, matchup: &MatchupAnalysis) -> Vec<Block> {
    let mut sources = matchup.arms.iter().map(|arm| source(&matchup.arms, arm));
    let too_long = sources.any(|source| source.chars().count() > SOURCE);
    let (mut arms, mut caption) = short(&matchup.arms, too_long);
    if too_long {
        arms.iter_mut().for_each(|arm| arm.language.clear());
    } else {
        caption = names(matchup);
    }
    let cells = wording::ordered(matchup).into_iter();
    let (first, rest) = (Column::words(COLUMNS[0]), COLUMNS[1..].iter());
    let table = Table {
        caption,
        columns: std::iter::once(first).chain(rest.map(|head| Column::numbers(*head))).collect(),
        groups: cells.map(|cell| program(analysis, matchup, &arms, cell)).collect(),
        apart: true,
    };
    let mut blocks = vec![Block::heading(wording::title(matchup)), Block::Table(table)];
    if let Some(first) = matchup.means.first() {
        let mean = |mean| {
            let row = wording::mean_row(&analysis.run, &arms, mean);
            let verdict = Span::new(row.verdict, row.conclusion.emphasis());
            let notes = row.another_hour.into_iter().collect();
            Row { cells: vec![row.metric.into(), row.ratio.into(), verdict], notes }
        };
        let caption = format!("geometric mean of {} cells", first.cells.len());
        let columns =
            vec![Column::words(""), Column::words("ratio [95 %]"), Column::words("verdict")];
        let rows = matchup.means.iter().map(mean).collect();
        blocks.push(Block::Table(Table::plain(caption, columns, rows)));
    }
    blocks.push(Block::paragraph(LEGEND, Emphasis::Quiet));
    blocks
}

fn program(
    analysis: &Analysis,
    matchup: &MatchupAnalysis,
    arms: &[Arm],
    cell: &CellAnalysis,
) -> Group {
    let programs = cell.program.as_ref().map_or(&[][..], |program| &program.arms);
    let name = |arm: &Arm| Arm { label: source(arms, arm).to_owned(), ..arm.clone() };
    let named: Vec<Arm> = arms.iter().map(name).collect();
    let row = |metric: Metric| {
        let found = cell.metrics.iter().find(|m| m.metric == metric);
        found.map(|m| wording::row(&analysis.run, &named, m))
    };
    let found = [Metric::ElapsedNs, Metric::RssBytesPeak, Metric::CpuNs].map(row);
    let group = |rows, note, asides| Group {
        name: cell.id.workload.clone(),
        about: about(cell),
        rows,
        notes: vec![note],
        asides,
        fold: None,
    };
    if found[0].is_none() {
        let silence = wording::silence(analysis, matchup, cell);
        return group(vec![], vec![Span::new(silence, Emphasis::Bad)], vec![cell.question.clone()]);
    }
    let [secs, memory, cpu] = &found;
    let sizes: Vec<Option<u64>> = programs.iter().map(|program| program.gz_bytes).collect();
    let values = columns(cell, programs);
    let project = &analysis.run.to_project;
    let rows = (0..).zip(arms).zip(programs).zip(values).map(|(((arm, own), program), values)| {
        let best = |row: &Option<TableRow>| row.as_ref().is_some_and(|row| row.best == Some(arm));
        let best = [best(secs), best(memory), smallest(&sizes, arm), best(cpu), false];
        let link = Some(format!("{project}{}", program.source));
        let source = Span { link, ..source(arms, own).into() };
        let cell = |(text, best)| match best {
            true => Span::new(text, Emphasis::Good),
            false => Span::new(text, Emphasis::Plain),
        };
        let cells = std::iter::once(source).chain(values.into_iter().zip(best).map(cell));
        Row { cells: cells.collect(), notes: vec![] }
    });
    let text = |row: &Option<TableRow>| row.as_ref().map_or_else(dash, |row| row.ratio.clone());
    let ratios = [&text(secs), &text(memory), &gz_ratio(&sizes), &text(cpu), ""];
    let hours = [("secs", secs), ("mem", memory), ("cpu secs", cpu)].into_iter();
    let hours = hours.filter_map(|(column, row)| {
        let said = row.as_ref()?.another_hour.as_ref()?;
        Some(format!("{column}, {said}"))
    });
    let ratios = Row::plain(std::iter::once("ratio").chain(ratios));
    let ratios = Row { notes: hours.collect(), ..ratios };
    let known = arms.iter().zip(programs).map(|(arm, program)| (arm, facts(program)));
    let known = known.filter(|(_, facts)| !facts.is_empty());
    let known = known.map(|(arm, facts)| format!("{}: {facts}", source(arms, arm)));
    let known = known.collect::<Vec<_>>().join(" · ");
    let asides = [cell.question.clone(), known].into_iter().filter(|aside| !aside.is_empty());
    let asides = asides.collect();
    let mut verdicts = verdicts(&found);
    verdicts.extend(per_unit(analysis, cell, &named));
    group(rows.chain([ratios]).collect(), verdicts, asides)
}

/// Memory per unit, behind the verdicts: ` · memory per task: Rust 574 B, Go 2.65 KiB (4.73×, Go
/// uses 2.09 KiB more)`. It has no column, since few programs have it.
fn per_unit(analysis: &Analysis, cell: &CellAnalysis, named: &[Arm]) -> Option<Span> {
    let unit = cell.program.as_ref()?.unit.as_deref()?;
    let found = cell.metrics.iter().find(|m| m.metric == Metric::RssBytesPerUnit)?;
    let row = wording::row(&analysis.run, named, found);
    let values = named.iter().zip(&row.values).map(|(arm, value)| format!("{} {value}", arm.label));
    let values = values.collect::<Vec<_>>().join(", ");
    let text = format!(" · memory per {unit}: {values} ({}, {})", row.ratio, row.verdict);
    Some(Span::new(text, row.conclusion.emphasis()))
}

/// The verdicts in words: `time: go is slower · memory: tie`.
fn verdicts(rows: &[Option<TableRow>; 3]) -> Vec<Span> {
    let mut said = vec![];
    for (name, row) in ["time", "memory", "CPU"].into_iter().zip(rows) {
        let Some(row) = row else { continue };
        let reason = row.reason.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
        let between = if said.is_empty() { "" } else { " · " };
        let text = format!("{between}{name}: {}{reason}", row.verdict);
        said.push(Span::new(text, row.conclusion.emphasis()));
    }
    said
}

/// The columns behind the source, an arm after the other.
fn columns(cell: &CellAnalysis, programs: &[ProgramSummary]) -> Vec<[String; 5]> {
    let values = |metric: Metric| -> Vec<f64> {
        let found = cell.metrics.iter().find(|m| m.metric == metric);
        found.map_or_else(Vec::new, |m| m.arms.iter().map(|estimate| estimate.value).collect())
    };
    let seconds = |metric| alike_seconds(&values(metric));
    let (elapsed, cpu) = (seconds(Metric::ElapsedNs), seconds(Metric::CpuNs));
    let memory = values(Metric::RssBytesPeak);
    let of_arm = |(arm, program): (usize, &ProgramSummary)| {
        let kib = memory.get(arm).map(|bytes| (bytes / 1024.0).round() as i64);
        [
            elapsed.get(arm).cloned().unwrap_or_else(dash),
            kib.map_or_else(dash, duet_units::thousands),
            program.gz_bytes.map_or_else(dash, |bytes| duet_units::thousands(bytes as i64)),
            cpu.get(arm).cloned().unwrap_or_else(dash),
            load(&program.cpu_load),
        ]
    };
    programs.iter().enumerate().map(of_arm).collect()
}

fn facts(program: &ProgramSummary) -> String {
    let binary =
        program.binary_bytes.map(|bytes| format!("{} binary", duet_units::bytes(bytes as f64)));
    let uses = &program.features;
    let uses = (!uses.is_empty()).then(|| format!("uses {}", uses.join(", ")));
    binary.into_iter().chain(uses).collect::<Vec<_>>().join(", ")
}

/// Nanoseconds as seconds with so many decimals, alike for all, that the least has three digits
/// that count: else a ratio beside them would contradict them.
fn alike_seconds(ns: &[f64]) -> Vec<String> {
    let least = ns.iter().map(|ns| ns / 1e9).fold(f64::INFINITY, f64::min);
    let decimals = decimals(least);
    ns.iter().map(|ns| format!("{:.decimals$}", ns / 1e9)).collect()
}

/// Seconds as the site writes them, with a third decimal below ten, and more where it needs them.
pub(super) fn seconds(seconds: f64) -> String {
    format!("{seconds:.*}", decimals(seconds))
}

fn decimals(seconds: f64) -> usize {
    match seconds {
        s if s >= 10.0 => 2,
        s if s >= 0.1 => 3,
        s if s >= 0.01 => 4,
        s if s >= 0.001 => 5,
        _ => 6,
    }
}

/// The busy share per CPU; of more than four CPUs their mean.
pub(super) fn load(shares: &[f64]) -> String {
    let percent = |share: f64| format!("{:.0}", share * 100.0);
    match shares.len() {
        0 => dash(),
        1..=4 => shares.iter().map(|share| percent(*share)).collect::<Vec<_>>().join(" "),
        n => format!("{} of {n}", percent(shares.iter().sum::<f64>() / n as f64)),
    }
}

fn smallest(sizes: &[Option<u64>], arm: usize) -> bool {
    let known: Option<Vec<u64>> = sizes.iter().copied().collect();
    known.is_some_and(|sizes| {
        let others = sizes.iter().enumerate().filter(|(other, _)| *other != arm);
        sizes.len() > 1 && others.map(|(_, size)| size).all(|size| sizes[arm] < *size)
    })
}

/// How many times larger the larger source is. Sizes are exact: no interval.
fn gz_ratio(sizes: &[Option<u64>]) -> String {
    match sizes {
        [Some(a), Some(b)] if *a > 0 && *b > 0 => {
            duet_units::ratio(*a.max(b) as f64 / *a.min(b) as f64)
        }
        _ => dash(),
    }
}

fn dash() -> String {
    "–".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_their_ratio_agree() {
        let check = |ns: [f64; 2], want: [&str; 2]| assert_eq!(alike_seconds(&ns), want);
        check([1.23e6, 1.55e6], ["0.00123", "0.00155"]);
        check([14.12e6, 168.2e6], ["0.0141", "0.1682"]);
        check([0.5e9, 12.0e9], ["0.500", "12.000"]);
        check([11.0e9, 12.0e9], ["11.00", "12.00"]);
    }
}
