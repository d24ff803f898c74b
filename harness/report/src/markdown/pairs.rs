//! Markdown's pair tables.

use super::{Place, escape};
use crate::pairs::{self, COLUMNS, Section};
use crate::published::{self, Table};
use crate::words;
use duet_analysis::{Analysis, MatchupAnalysis};

pub(super) fn section(analysis: &Analysis, matchup: &MatchupAnalysis, place: Place) -> String {
    let names: Vec<String> = matchup.arms.iter().map(|arm| escape(&arm.label)).collect();
    let title = escape(&words::title(matchup));
    let mut out =
        format!("\n## {title}\n\n{}. {}\n", names.join(" against "), escape(pairs::LEGEND));
    for section in pairs::sections(analysis, matchup) {
        out += &program(&section, &analysis.run.to_project, place);
    }
    if let Some(first) = matchup.means.first() {
        out += &format!("\n**Geometric mean of {} cells**\n\n| | ratio | verdict |\n", first.cells);
        out += "|---|---:|---|\n";
    }
    for line in pairs::means(analysis, matchup) {
        let (ratio, verdict) = (escape(&line.ratio), escape(&line.verdict));
        out += &format!("| {} | {ratio} | {verdict} |\n", line.metric);
    }
    out
}

fn program(section: &Section<'_>, to_project: &str, place: Place) -> String {
    let mark = if section.cell.warnings.is_empty() { "" } else { " \\*" };
    let name = escape(&section.cell.id.workload);
    let about = escape(&words::about(section.cell));
    let mut out = format!("\n### {name}{mark}\n\n{} ({about})\n\n", escape(&section.cell.question));
    if let Some(silence) = &section.silence {
        return out + &escape(silence) + "\n";
    }
    out += &format!("| {} |\n|---|---:|---:|---:|---:|---:|\n", COLUMNS.join(" | "));
    for row in &section.rows {
        let source = escape(row.source);
        out += &match place {
            Place::Folder => format!("| [{source}]({to_project}{}) |", row.path),
            Place::Anywhere => format!("| {source} |"),
        };
        for (text, best) in row.columns.iter().zip(row.best) {
            let bold = if best { "**" } else { "" };
            out += &format!(" {bold}{}{bold} |", escape(text));
        }
        out.push('\n');
    }
    if let Some(ratios) = &section.ratios {
        let ratios: Vec<String> = ratios.iter().map(|ratio| escape(ratio)).collect();
        out += &format!("| ratio | {} | |\n", ratios.join(" | "));
    }
    let verdicts = section.verdicts.iter().map(|(verdict, _)| escape(verdict));
    let facts = section.rows.iter().filter(|row| !row.facts.is_empty());
    let facts = facts.map(|row| format!("{}: {}", row.source, row.facts));
    let said: Vec<String> = verdicts.chain(facts.map(|text| escape(&text))).collect();
    out + &format!("\n{}.\n", said.join("; "))
}

pub(super) fn published(analysis: &Analysis) -> String {
    let tables = published::tables(analysis);
    if tables.is_empty() {
        return String::new();
    }
    let mut out = format!("\n## Published figures\n\n{}\n", escape(published::ABOUT));
    for table in &tables {
        out += &one_table(table);
    }
    out
}

fn one_table(table: &Table) -> String {
    let cells = |words: &[String]| words.iter().map(|word| escape(word)).collect::<Vec<_>>();
    let mut out = format!("\n### {}\n\n", escape(&table.title));
    out += &format!("| {} |\n", cells(&table.heads).join(" | "));
    out += &format!("|{}\n", "---|".repeat(table.heads.len()));
    for row in &table.rows {
        out += &format!("| {} |\n", cells(row).join(" | "));
    }
    if !table.notes.is_empty() {
        out.push('\n');
    }
    for note in &table.notes {
        out += &format!("- {}\n", escape(note));
    }
    out
}
