//! A comparison of versions as text: the answer first, then the table, then what is doubtful.
//!
//! What the words are is decided in `words`, once for the terminal, Markdown, JUnit and
//! annotations.

use anstyle::{AnsiColor, Style as Ansi};

use super::Style;
use super::lines::lines;
use duet_analysis::comparison::{ComparedCell, Comparison, Outcome};
use words::{Row, Tone};

mod charts;
mod explanation;
mod markdown;
mod outlets;
mod stored;
mod words;

pub use charts::charts;
pub use explanation::explanation;
pub use markdown::{markdown, summary};
pub use outlets::{annotations, junit};
pub use stored::stored;

const BOLD: Ansi = Ansi::new().bold();
const DIM: Ansi = Ansi::new().dimmed();
const GOOD: Ansi = AnsiColor::Green.on_default().bold();
const OPEN: Ansi = AnsiColor::Yellow.on_default();
const BAD: Ansi = AnsiColor::Red.on_default().bold();

/// Lines are at most so long, where words allow it.
const COLUMNS: usize = 100;

/// The terminal's report of a comparison.
#[must_use]
pub fn text(comparison: &Comparison, style: Style) -> String {
    let mut page = Page { out: String::new(), style };
    let tone = match comparison.outcome {
        Outcome::Pass => GOOD,
        Outcome::Compared => BOLD,
        Outcome::Inconclusive => OPEN,
        Outcome::Failed | Outcome::Unmeasured | Outcome::Regressed => BAD,
    };
    page.wrapped(tone, "", &words::headline(comparison));
    page.line("");
    for (name, value) in words::about(comparison) {
        page.wrapped(Ansi::new(), &format!("{name:<6}"), &value);
    }
    for cell in &comparison.cells {
        page.cell(cell);
    }
    page.budgets(comparison);
    page.line("");
    page.wrapped(DIM, "", words::SIGNS);
    for warning in words::warnings(comparison) {
        page.line("");
        page.wrapped(OPEN, "* ", &warning.message);
        if let Some(hint) = &warning.hint {
            page.wrapped(Ansi::new(), "  hint: ", hint);
        }
    }
    for failed in &comparison.failures {
        page.line("");
        page.wrapped(BAD, "! ", &super::doubts::failure(failed));
        for line in &failed.failure.stderr {
            page.wrapped(DIM, "  | ", line);
        }
        page.wrapped(Ansi::new(), "  hint: ", super::words::hint(failed.failure.stage));
    }
    page.out
}

struct Page {
    out: String,
    style: Style,
}

impl Page {
    fn line(&mut self, text: &str) {
        self.out += &text.trim_end().replace('\u{a0}', " ");
        self.out.push('\n');
    }

    fn styled(&self, style: Ansi, text: &str) -> String {
        match self.style {
            Style::Colour if style != Ansi::new() => format!("{style}{text}{style:#}"),
            _ => text.to_owned(),
        }
    }

    /// Text in lines of at most [`COLUMNS`], the further ones indented below `lead`.
    fn wrapped(&mut self, style: Ansi, lead: &str, text: &str) {
        let width = lead.chars().count();
        for (i, line) in lines(text, width, COLUMNS).iter().enumerate() {
            let line =
                if i == 0 { format!("{lead}{line}") } else { format!("{:width$}{line}", "") };
            let line = self.styled(style, &line);
            self.line(&line);
        }
    }

    fn cell(&mut self, cell: &ComparedCell) {
        self.line("");
        let (name, state) = (cell.id.to_string(), words::state(cell));
        let fits = name.chars().count() + 2 + state.chars().count() <= COLUMNS;
        let name = self.styled(BOLD, &name);
        if fits {
            self.line(&format!("{name}  {state}"));
        } else {
            self.line(&name);
            self.wrapped(Ansi::new(), "  ", &state);
        }
        if !cell.metrics.is_empty() {
            self.table(cell);
        }
        for note in words::notes(cell) {
            self.wrapped(DIM, "  ", &note);
        }
    }

    fn table(&mut self, cell: &ComparedCell) {
        let rows: Vec<Row> = cell.metrics.iter().map(words::row).collect();
        let columns = |row: &Row| {
            [
                row.metric.clone(),
                row.base.clone(),
                row.head.clone(),
                row.change.clone(),
                row.interval.replacen(" % to ", " to ", 1), // narrower by two
                row.margin.clone(),
                row.floor.clone(),
                row.finds.clone(),
            ]
        };
        let table: Vec<[String; 8]> = std::iter::once(words::HEADINGS.map(str::to_owned))
            .chain(rows.iter().map(columns))
            .collect();
        let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max();
        let widths: Vec<usize> = (0..8).map(|column| width(column).unwrap_or(0)).collect();
        let verdict = rows.iter().map(|row| row.verdict.chars().count()).max().unwrap_or(0);
        let columns = widths.iter().sum::<usize>() + verdict;
        let gap = if columns + 2 * widths.len() <= COLUMNS { "  " } else { " " };
        for (i, cells) in table.iter().enumerate() {
            let mut line = String::new();
            for (column, text) in cells.iter().enumerate() {
                let pad = " ".repeat(widths[column] - text.chars().count());
                line +=
                    &if column == 0 { format!("{text}{pad}") } else { format!("{gap}{pad}{text}") };
            }
            let row = i.checked_sub(1).map(|i| &rows[i]);
            let (style, verdict) =
                row.map_or((DIM, "verdict"), |row| (tone(row.tone), &row.verdict));
            let line = if row.is_none() { self.styled(DIM, &line) } else { line };
            let verdict = self.styled(style, verdict);
            self.line(&format!("{line}{gap}{verdict}"));
        }
    }

    fn budgets(&mut self, comparison: &Comparison) {
        for budget in &comparison.budgets {
            let (tone_of, words) = words::budget(budget);
            self.wrapped(tone(tone_of), "  ", &words);
        }
    }
}

fn tone(tone: Tone) -> Ansi {
    match tone {
        Tone::Good => GOOD,
        Tone::Quiet => DIM,
        Tone::Open => OPEN,
        Tone::Bad => BAD,
    }
}
