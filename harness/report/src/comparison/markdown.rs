//! A comparison as GitHub Flavoured Markdown: `comparison.md`, and the summary of a CI step.

use super::words;
use crate::github;
use duet_analysis::comparison::{ComparedCell, Comparison};

/// The whole comparison, with the charts that lie beside it.
#[must_use]
pub fn markdown(comparison: &Comparison) -> String {
    let mut out = body(comparison);
    let charts = super::charts::charts(comparison);
    if !charts.is_empty() {
        out += "\n## Charts\n";
    }
    for (name, _) in charts {
        out += &format!("\n![{}]({name})\n", name.trim_end_matches(".svg"));
    }
    out
}

/// The comparison without charts, cut to what a step's summary may hold.
#[must_use]
pub fn summary(comparison: &Comparison) -> String {
    github::step_summary(&body(comparison), github::STEP_SUMMARY_BYTES_MAX).into_owned()
}

fn body(comparison: &Comparison) -> String {
    let name = comparison.gate.as_ref().map_or("Comparison".to_owned(), |g| format!("Gate `{g}`"));
    let mut out = format!("# {name}\n\n**{}**\n\n", escape(&words::headline(comparison)));
    for (name, value) in words::about(comparison) {
        out += &format!("- {name}: {}\n", escape(&value));
    }
    for cell in &comparison.cells {
        out += &section(cell);
    }
    if !comparison.budgets.is_empty() {
        out += "\n## Budgets\n\n";
    }
    for budget in &comparison.budgets {
        out += &format!("- {}\n", escape(&words::budget(budget).1));
    }
    let warnings = words::warnings(comparison);
    if !warnings.is_empty() {
        out += "\n## Warnings\n\n";
    }
    for warning in warnings {
        let hint = warning.hint.map(|hint| format!(" *Hint: {}.*", escape(&hint)));
        out += &format!("- {}{}\n", escape(&warning.message), hint.unwrap_or_default());
    }
    if !comparison.failures.is_empty() {
        out += "\n## Failures\n\n";
    }
    for failed in &comparison.failures {
        out += &format!("- {}\n", escape(&crate::doubts::failure(failed)));
        for line in &failed.failure.stderr {
            out += &format!("  - `{}`\n", line.replace('`', "'"));
        }
    }
    out + &format!("\n{}\n", escape(words::SIGNS))
}

fn section(cell: &ComparedCell) -> String {
    let mut out =
        format!("\n## {}\n\n{}\n", escape(&cell.id.to_string()), escape(&words::state(cell)));
    if !cell.metrics.is_empty() {
        out += &table(cell);
    }
    for note in words::notes(cell) {
        out += &format!("\n> {}\n", escape(&note));
    }
    out
}

fn table(cell: &ComparedCell) -> String {
    let heads = words::HEADINGS.map(|head| format!(" {head} |")).concat();
    let mut out =
        format!("\n|{heads} verdict |\n|---|{}---|\n", "---:|".repeat(words::HEADINGS.len() - 1));
    let rows: Vec<_> = cell.metrics.iter().map(words::row).collect();
    for row in &rows {
        let cells = [
            &row.metric,
            &row.base,
            &row.head,
            &row.change,
            &row.interval,
            &row.margin,
            &row.floor,
            &row.finds,
            &row.verdict,
        ];
        out += &format!("|{}\n", cells.map(|cell| format!(" {} |", escape(cell))).concat());
    }
    out
}

/// Text that must not be read as Markdown or HTML.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '&' => out += "&amp;",
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
