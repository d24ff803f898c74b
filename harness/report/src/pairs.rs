//! The pair table, as the benchmarks game's site has it: a small section per program, a row per
//! language. Which words stand in it is decided here, how they look in each kind of report.

use super::words::{self, Line, Tone};
use duet_analysis::{Analysis, Arm, CellAnalysis, MatchupAnalysis, ProgramSummary};
use duet_units::Metric;

/// The heads of the columns.
pub(super) const COLUMNS: [&str; 6] = ["source", "secs", "mem KB", "gz", "cpu secs", "cpu load %"];

/// How to read the table.
pub(super) const LEGEND: &str = "secs: elapsed, from starting a process to its end; mem: peak \
    resident memory; gz: source without comments and repeated white space, after gzip; cpu secs: \
    user and system time; cpu load: busy share of each CPU. Hodges-Lehmann estimates over blocks; \
    the better value is bold. Sections in the order of their ratio.";

/// A program's section.
pub(super) struct Section<'a> {
    pub(super) cell: &'a CellAnalysis,
    /// A row per arm.
    pub(super) rows: Vec<Row<'a>>,
    /// The ratios below the columns, if there are any: secs, mem KB, gz, cpu secs.
    pub(super) ratios: Option<[String; 4]>,
    /// Verdicts in words: `time: go is slower`, with how each is to be seen.
    pub(super) verdicts: Vec<(String, Tone)>,
    /// Why there is nothing to compare.
    pub(super) silence: Option<String>,
}

/// An arm's row.
pub(super) struct Row<'a> {
    /// The language, or the arm where both are of one language.
    pub(super) source: &'a str,
    /// The path of the source, relative to the project's folder.
    pub(super) path: &'a str,
    /// The other columns, in the order of [`COLUMNS`].
    pub(super) columns: [String; 5],
    /// Which of them are the better ones.
    pub(super) best: [bool; 5],
    /// The binary's size and what the source uses: `442 KiB binary, uses threads, crate rayon`;
    /// empty when nothing is known.
    pub(super) facts: String,
}

/// The sections of a matchup of programs, in the order in which they are shown.
pub(super) fn sections<'a>(
    analysis: &'a Analysis,
    matchup: &'a MatchupAnalysis,
) -> Vec<Section<'a>> {
    words::ordered(matchup).into_iter().map(|cell| section(analysis, matchup, cell)).collect()
}

fn section<'a>(
    analysis: &'a Analysis,
    matchup: &'a MatchupAnalysis,
    cell: &'a CellAnalysis,
) -> Section<'a> {
    let programs = cell.program.as_ref().map_or(&[][..], |program| &program.arms);
    let line = |metric: Metric| {
        let found = cell.metrics.iter().find(|m| m.metric == metric);
        found.map(|m| words::line(&analysis.run, &matchup.arms, m))
    };
    let lines = [Metric::ElapsedNs, Metric::RssBytesPeak, Metric::CpuNs].map(line);
    let [secs, memory, cpu] = &lines;
    let sizes: Vec<Option<u64>> = programs.iter().map(|program| program.gz_bytes).collect();
    let rows = (0..).zip(&matchup.arms).zip(programs).map(|((arm, own), program)| {
        let best = |line: &Option<Line>| line.as_ref().is_some_and(|l| l.best == Some(arm));
        Row {
            source: source(&matchup.arms, own),
            path: &program.source,
            columns: columns(cell, arm, program),
            best: [best(secs), best(memory), smallest(&sizes, arm), best(cpu), false],
            facts: facts(program),
        }
    });
    let text = |line: &Option<Line>| line.as_ref().map_or_else(dash, |line| line.ratio.clone());
    let named = [("time", secs), ("memory", memory), ("CPU", cpu)];
    let verdicts = named
        .into_iter()
        .filter_map(|(name, line)| Some((name, line.as_ref()?)))
        .map(|(name, line)| {
            let reason = line.reason.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
            (format!("{name}: {}{reason}", line.verdict), line.tone)
        })
        .collect();
    let silence = secs.is_none().then(|| words::silence(analysis, matchup, cell));
    Section {
        cell,
        rows: rows.collect(),
        ratios: secs.is_some().then(|| [text(secs), text(memory), gz_ratio(&sizes), text(cpu)]),
        verdicts,
        silence,
    }
}

/// What a set of programs is called: its language, where that tells the arms apart.
pub(super) fn source<'a>(arms: &[Arm], arm: &'a Arm) -> &'a str {
    let alike = arms.iter().filter(|other| other.language == arm.language).count();
    if alike > 1 || arm.language.is_empty() { &arm.label } else { &arm.language }
}

fn columns(cell: &CellAnalysis, arm: usize, program: &ProgramSummary) -> [String; 5] {
    let of = |metric: Metric| {
        let found = cell.metrics.iter().find(|m| m.metric == metric)?;
        found.arms.get(arm).map(|estimate| estimate.value)
    };
    let seconds = |metric| of(metric).map_or_else(dash, |ns| seconds(ns / 1e9));
    let kib = of(Metric::RssBytesPeak).map(|bytes| (bytes / 1024.0).round() as i64);
    [
        seconds(Metric::ElapsedNs),
        kib.map_or_else(dash, duet_units::thousands),
        program.gz_bytes.map_or_else(dash, |bytes| duet_units::thousands(bytes as i64)),
        seconds(Metric::CpuNs),
        load(&program.cpu_load),
    ]
}

fn facts(program: &ProgramSummary) -> String {
    let binary =
        program.binary_bytes.map(|bytes| format!("{} binary", duet_units::bytes(bytes as f64)));
    let uses = &program.features;
    let uses = (!uses.is_empty()).then(|| format!("uses {}", uses.join(", ")));
    binary.into_iter().chain(uses).collect::<Vec<_>>().join(", ")
}

/// Seconds as the site writes them, with a third decimal below ten.
pub(super) fn seconds(seconds: f64) -> String {
    if seconds < 10.0 { format!("{seconds:.3}") } else { format!("{seconds:.2}") }
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

/// The means over a matchup's programs, as lines without values.
pub(super) fn means(analysis: &Analysis, matchup: &MatchupAnalysis) -> Vec<Line> {
    let means = matchup.means.iter();
    means.map(|mean| words::mean_line(&analysis.run, &matchup.arms, mean)).collect()
}
