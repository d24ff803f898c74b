//! `report.md`: GitHub Flavoured Markdown, with the charts beside it as `speed.svg`,
//! `memory.svg` and, where there is one, `latency.svg`.

use super::chart::{self, Width};
use super::headline::headline;
use super::loops;
use super::words::{self, Line};
use super::{doubts, facts};
use duet_analysis::{Analysis, CellAnalysis, MatchupAnalysis};

mod pairs;

/// Where the text will stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the run's folder below the project's: charts lie beside it, sources can be linked to.
    Folder,
    /// In a comment, a summary, a message.
    Anywhere,
}

/// The whole report, the answer first, for the run's folder.
#[must_use]
pub fn markdown(analysis: &Analysis) -> String {
    page(analysis, Place::Folder)
}

/// The same without charts and links to sources, for a place where those are not at hand.
#[must_use]
pub fn markdown_alone(analysis: &Analysis) -> String {
    page(analysis, Place::Anywhere)
}

fn page(analysis: &Analysis, place: Place) -> String {
    let mut out = format!("# Suite {}\n\n", escape(&analysis.run.suite));
    for caveat in words::caveats(&analysis.run) {
        out += &format!("> **{}**\n\n", escape(&caveat));
    }
    for matchup in words::controls_last(analysis) {
        let answer = headline(analysis, matchup);
        out += &format!("- **{}**: {}\n", escape(&matchup.name), escape(&answer));
    }
    if analysis.matchups.is_empty() {
        out += "Nothing was measured.\n";
    }
    if place == Place::Folder {
        out += &charts(analysis);
    }
    for matchup in words::controls_last(analysis) {
        out += &if matchup.programs {
            pairs::section(analysis, matchup, place)
        } else {
            section(analysis, matchup)
        };
    }
    out += &pairs::published(analysis);
    out += &builds(analysis);
    out += "\n## How to read this\n\n";
    for sentence in words::HOW_TO_READ {
        out += &format!("- {}\n", escape(sentence));
    }
    out += &format!("- {}\n", escape(words::HOW_TO_COMPARE));
    for said in loops::explanations(analysis) {
        out += &format!("- {}\n", escape(said));
    }
    out += &warnings(analysis);
    out += &failures(analysis);
    out += "\n## How it was made\n\n";
    for (name, value) in facts::facts(&analysis.run) {
        out += &format!("- {}: {}\n", escape(name), escape(&value));
    }
    out
}

fn charts(analysis: &Analysis) -> String {
    let chart = |question: &str, file: &str| {
        format!("\n![{question} The tables below hold the same numbers.]({file})\n")
    };
    let mut out = String::new();
    if loops::has_speeds(analysis) {
        out += &chart("How many times slower?", "speed.svg");
    }
    if loops::has_peaks(analysis) {
        out += &chart("How many times more memory?", "memory.svg");
    }
    if chart::latency(analysis, Width::Wide).is_some() {
        out += &chart("How long until the answer?", "latency.svg");
    }
    if analysis.matchups.iter().any(|m| m.programs) {
        out += "\n![How many times slower, all programs at once?](programs.svg)\n";
    }
    out
}

fn section(analysis: &Analysis, matchup: &MatchupAnalysis) -> String {
    let mut out = format!("\n## {}\n\n", escape(&words::title(matchup)));
    if matchup.control {
        out += &format!("{}\n\n", words::CONTROL);
    }
    out += "| | |";
    for arm in &matchup.arms {
        out += &format!(" {} |", escape(&arm.label));
    }
    out +=
        &format!(" ratio | verdict |\n|---|---|{}---:|---|\n", "---:|".repeat(matchup.arms.len()));
    for cell in &matchup.cells {
        out += &cell_rows(analysis, matchup, cell);
    }
    let run = &analysis.run;
    let starts = matchup.starts.iter().map(|m| words::line(run, &matchup.arms, m));
    out += &rows("every start", &starts.collect::<Vec<_>>(), matchup.arms.len());
    let means = matchup.means.iter().map(|m| words::mean_line(run, &matchup.arms, m));
    let cells = matchup.means.first().map_or(0, |mean| mean.cells);
    let name = format!("**geometric mean**<br>of {cells} cells");
    out += &rows(&name, &means.collect::<Vec<_>>(), matchup.arms.len());
    out
}

fn cell_rows(analysis: &Analysis, matchup: &MatchupAnalysis, cell: &CellAnalysis) -> String {
    let mark = if cell.warnings.is_empty() { "" } else { " \\*" };
    let about = escape(&words::about(cell));
    let name = format!("**{}**{mark}<br>{about}", escape(&cell.id.workload));
    let lines = words::headline_lines(&analysis.run, &matchup.arms, cell);
    if lines.is_empty() {
        let empty = " |".repeat(matchup.arms.len() + 2);
        return format!(
            "| {name} |{empty} {} |\n",
            escape(&words::silence(analysis, matchup, cell))
        );
    }
    rows(&name, &lines, matchup.arms.len())
}

/// Rows of a table, the first of them with `name` (Markdown) in front.
fn rows(name: &str, lines: &[Line], arms: usize) -> String {
    let mut out = String::new();
    for (i, line) in lines.iter().enumerate() {
        out += &format!("| {} | {} |", if i == 0 { name } else { "" }, line.metric);
        for arm in 0..arms {
            let value = line.values.get(arm).map_or("", String::as_str);
            let bold = if line.best == Some(arm) && !value.is_empty() { "**" } else { "" };
            out += &format!(" {bold}{value}{bold} |");
        }
        let told = i > 0 && lines[i - 1].reason == line.reason;
        let reason = line.reason.as_ref().filter(|_| !told);
        let reason = reason.map_or_else(String::new, |r| format!(": {}", escape(r)));
        out += &format!(" {} | {}{reason} |\n", escape(&line.ratio), escape(&line.verdict));
    }
    out
}

fn builds(analysis: &Analysis) -> String {
    if analysis.servers.is_empty() {
        return String::new();
    }
    let mut out = "\n## Builds\n\n| server | language | clean build | binary | version |\n\
                   |---|---|---:|---:|---|\n"
        .to_owned();
    for server in &analysis.servers {
        let build = &server.build;
        let time = build
            .clean_build_ns
            .map_or_else(|| "–".into(), |ns| duet_units::nanoseconds(ns as f64));
        let size = build.binary_bytes.map_or_else(|| "–".into(), |b| duet_units::bytes(b as f64));
        out += &format!(
            "| {} | {} | {time} | {size} | {} |\n",
            escape(&build.server),
            escape(&server.language),
            escape(build.version.as_deref().unwrap_or("–"))
        );
    }
    out
}

fn warnings(analysis: &Analysis) -> String {
    let mut out = String::new();
    for doubt in doubts::doubts(analysis) {
        if out.is_empty() {
            out += "\n## Warnings\n\n";
        }
        let at = if doubt.at.is_empty() { String::new() } else { doubt.at.join(", ") + ": " };
        out += &format!("- {}{}", escape(&at), escape(&doubt.message));
        if let Some(hint) = doubt.hint {
            out += &format!(". *Hint:* {}", escape(&hint));
        }
        out.push('\n');
    }
    out
}

fn failures(analysis: &Analysis) -> String {
    let mut out = String::new();
    for failed in &analysis.failures {
        if out.is_empty() {
            out += "\n## Failures\n\n";
        }
        let hint = words::hint(failed.failure.stage);
        out += &format!("- {}. *Hint:* {}\n", escape(&doubts::failure(failed)), hint);
        for line in &failed.failure.stderr {
            out += &format!("  - wrote: {}\n", escape(line));
        }
    }
    out
}

/// Text that Markdown and HTML leave as it is, on one line. Brackets stay, except where they would
/// make a link.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '&' => out += "&amp;",
            '\\' | '`' | '*' | '|' | '_' | '~' => out.extend(['\\', c]),
            ']' if matches!(chars.peek(), Some('(' | '[' | ':')) => out += "\\]",
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
