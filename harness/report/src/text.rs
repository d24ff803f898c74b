//! The terminal's report: one table a matchup, at most 100 columns wide with names of ordinary
//! length.

use anstyle::{AnsiColor, Style as Ansi};

use super::doubts;
use super::headline::headline;
use super::lines::lines;
use super::loops;
use super::words::{self, Line, Tone};
use duet_analysis::{Analysis, Arm, CellAnalysis, MatchupAnalysis};

mod pairs;

/// Whether escape codes may be written. The command decides, from the terminal and `NO_COLOR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Text alone.
    Plain,
    /// Bold and colours.
    Colour,
}

/// The whole report, the answer last: that is where a terminal stands when it is written.
#[must_use]
pub fn text(analysis: &Analysis, style: Style) -> String {
    let mut page = Page { out: String::new(), style };
    for matchup in words::controls_last(analysis) {
        if matchup.programs {
            page.pairs(analysis, matchup);
        } else {
            page.matchup(analysis, matchup);
        }
    }
    page.published(analysis);
    page.builds(analysis);
    page.doubts(analysis);
    page.failures(analysis);
    page.line("");
    for sentence in words::HOW_TO_READ {
        page.wrapped(DIM, "", sentence);
    }
    for said in loops::explanations(analysis) {
        page.wrapped(DIM, "", said);
    }
    page.wrapped(
        DIM,
        "",
        &format!("{} · {}", words::place(&analysis.run), words::maker(&analysis.run)),
    );
    page.line("");
    page.answers(analysis);
    page.line("");
    page.out.trim_start_matches('\n').to_owned()
}

const COLUMNS: usize = 100;
/// A longer label than this makes the columns too wide; the arms are then called A and B.
const LABEL: usize = 16;
const NORMAL: Ansi = Ansi::new();
const BOLD: Ansi = Ansi::new().bold();
const DIM: Ansi = Ansi::new().dimmed();
const BEST: Ansi = AnsiColor::Green.on_default().bold();
const OPEN: Ansi = AnsiColor::Yellow.on_default();
const BAD: Ansi = AnsiColor::Red.on_default();

/// A piece of text and how it looks.
type Piece = (Ansi, String);

struct Page {
    out: String,
    style: Style,
}

impl Page {
    fn line(&mut self, text: &str) {
        self.out += text.trim_end();
        self.out.push('\n');
    }

    fn styled(&self, style: Ansi, text: &str) -> String {
        match self.style {
            Style::Colour if style != NORMAL && !text.is_empty() => {
                format!("{style}{text}{style:#}")
            }
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

    fn heading(&mut self, text: &str) {
        let text = self.styled(BOLD, text);
        self.line("");
        self.line(&text);
    }

    fn answers(&mut self, analysis: &Analysis) {
        for caveat in words::caveats(&analysis.run) {
            self.wrapped(BAD, "! ", &caveat);
        }
        for matchup in words::controls_last(analysis) {
            let style = if matchup.control { DIM } else { BOLD };
            let answer = headline(analysis, matchup);
            self.wrapped(style, "", &format!("{}: {answer}", matchup.name));
        }
        if analysis.matchups.is_empty() {
            self.wrapped(BAD, "", "nothing was measured");
        }
    }

    fn matchup(&mut self, analysis: &Analysis, matchup: &MatchupAnalysis) {
        let names: Vec<&str> = matchup.arms.iter().map(|a| a.label.as_str()).collect();
        let names = names.join(" against ");
        if matchup.control {
            self.heading(&format!("{}: what no difference looks like ({names})", matchup.name));
        } else {
            self.heading(&format!("{}: {names}", words::title(matchup)));
        }
        let arms = short(&matchup.arms);
        if arms != matchup.arms {
            self.meanings(&arms, &matchup.arms);
        }
        let mut table = Table::new(&arms);
        for cell in &matchup.cells {
            cell_rows(&mut table, analysis, matchup, &arms, cell);
        }
        if !matchup.starts.is_empty() {
            let lines = matchup.starts.iter().map(|m| words::line(&analysis.run, &arms, m));
            table.group("every start".to_owned(), &lines.collect::<Vec<_>>());
        }
        if let Some(first) = matchup.means.first() {
            let lines = matchup.means.iter().map(|m| words::mean_line(&analysis.run, &arms, m));
            let title = format!("geometric mean of {} cells", first.cells);
            table.group(title, &lines.collect::<Vec<_>>());
        }
        if table.is_empty() {
            table.rows.remove(0);
        }
        self.table(&table);
    }

    /// What letters stand for.
    fn meanings(&mut self, letters: &[Arm], arms: &[Arm]) {
        for (letter, arm) in letters.iter().zip(arms) {
            self.line(&format!("  {} = {}", letter.label, arm.label));
        }
    }

    fn builds(&mut self, analysis: &Analysis) {
        if analysis.servers.is_empty() {
            return;
        }
        let width = analysis.servers.iter().map(|s| s.build.server.chars().count()).max();
        let width = width.unwrap_or_default().max(6);
        self.heading("builds");
        let head = format!("  {:width$}  {:>11}  {:>11}  version", "", "clean build", "binary");
        let head = self.styled(DIM, &head);
        self.line(&head);
        for server in &analysis.servers {
            let build = &server.build;
            let time = build.clean_build_ns.map(|ns| duet_units::nanoseconds(ns as f64));
            let size = build.binary_bytes.map(|b| duet_units::bytes(b as f64));
            let version = build.version.as_deref().unwrap_or("");
            let lead = format!(
                "  {:width$}  {:>11}  {:>11}  ",
                build.server,
                time.as_deref().unwrap_or("–"),
                size.as_deref().unwrap_or("–")
            );
            self.wrapped(NORMAL, &lead, version);
        }
    }

    fn doubts(&mut self, analysis: &Analysis) {
        let doubts = doubts::doubts(analysis);
        if !doubts.is_empty() {
            self.heading("warnings");
        }
        for doubt in doubts {
            let at = if doubt.at.is_empty() { String::new() } else { doubt.at.join(", ") + ": " };
            self.wrapped(OPEN, "  * ", &format!("{at}{}", doubt.message));
            if let Some(hint) = doubt.hint {
                self.wrapped(NORMAL, "    hint: ", &hint);
            }
        }
    }

    fn failures(&mut self, analysis: &Analysis) {
        if !analysis.failures.is_empty() {
            self.heading("failures");
        }
        for failed in &analysis.failures {
            self.wrapped(BAD, "  ! ", &doubts::failure(failed));
            for line in &failed.failure.stderr {
                self.wrapped(DIM, "    | ", line);
            }
            self.wrapped(NORMAL, "    hint: ", words::hint(failed.failure.stage));
        }
    }

    fn table(&mut self, table: &Table) {
        let widths = table.widths();
        for row in &table.rows {
            let line = match row {
                Entry::Heading(pieces) => {
                    let pieces: Vec<String> =
                        pieces.iter().map(|(style, text)| self.styled(*style, text)).collect();
                    format!("  {}", pieces.concat())
                }
                Entry::Cells(cells) => {
                    let cell = |(i, (style, text)): (usize, &Piece)| {
                        let room = widths.get(i).copied().unwrap_or_default();
                        let pad = " ".repeat(room.saturating_sub(text.chars().count()));
                        let text = self.styled(*style, text);
                        let right = (1..=table.arms).contains(&i);
                        if right { pad + &text } else { text + &pad }
                    };
                    let cells: Vec<String> = cells.iter().enumerate().map(cell).collect();
                    format!("    {}", cells.join("  "))
                }
                Entry::Words(style, text) => {
                    self.wrapped(*style, "      ", text);
                    continue;
                }
            };
            self.line(&line);
        }
    }
}

/// The arms, called A, B and so on where a label is too long for a column.
fn short(arms: &[Arm]) -> Vec<Arm> {
    if arms.iter().all(|a| a.label.chars().count() <= LABEL) {
        return arms.to_vec();
    }
    letters(arms)
}

fn letters(arms: &[Arm]) -> Vec<Arm> {
    let letter = |(letter, arm): (char, &Arm)| Arm { label: letter.to_string(), ..arm.clone() };
    ('A'..='Z').zip(arms).map(letter).collect()
}

/// A workload's heading and lines.
fn cell_rows(
    table: &mut Table,
    analysis: &Analysis,
    matchup: &MatchupAnalysis,
    arms: &[Arm],
    cell: &CellAnalysis,
) {
    let mark = if cell.warnings.is_empty() { "" } else { " *" };
    let about = format!("{mark} · {}", words::about(cell));
    table.rows.push(Entry::Heading(vec![(BOLD, cell.id.workload.clone()), (DIM, about)]));
    let lines = words::headline_lines(&analysis.run, arms, cell);
    if lines.is_empty() {
        table.rows.push(Entry::Words(BAD, words::silence(analysis, matchup, cell)));
    }
    table.lines(&lines);
}

/// Rows with aligned columns: metric, arms, ratio, verdict.
struct Table {
    arms: usize,
    rows: Vec<Entry>,
}

enum Entry {
    Heading(Vec<Piece>),
    Cells(Vec<Piece>),
    Words(Ansi, String),
}

impl Table {
    fn new(arms: &[Arm]) -> Self {
        let plain = |text: &str| (DIM, text.to_owned());
        let labels = arms.iter().map(|a| plain(&a.label));
        let head = std::iter::once(plain("")).chain(labels);
        let head = head.chain([plain("ratio [95 %]"), plain("verdict")]).collect();
        Self { arms: arms.len(), rows: vec![Entry::Cells(head)] }
    }

    fn group(&mut self, title: String, lines: &[Line]) {
        self.rows.push(Entry::Heading(vec![(BOLD, title)]));
        self.lines(lines);
    }

    fn lines(&mut self, lines: &[Line]) {
        for line in lines {
            let value = |arm: usize| {
                let style = if line.best == Some(arm) { BEST } else { NORMAL };
                (style, line.values.get(arm).cloned().unwrap_or_default())
            };
            let tone = match line.tone {
                Tone::Decided => NORMAL,
                Tone::Tie => DIM,
                Tone::Open => OPEN,
                Tone::Silent => BAD,
            };
            let cells = std::iter::once((NORMAL, line.metric.to_owned()))
                .chain((0..self.arms).map(value))
                .chain([(NORMAL, line.ratio.clone()), (tone, line.verdict.clone())])
                .collect();
            self.rows.push(Entry::Cells(cells));
        }
        let reasons = words::reasons(lines);
        self.rows.extend(reasons.into_iter().map(|reason| Entry::Words(DIM, reason)));
    }

    /// Whether there are no lines below the head.
    fn is_empty(&self) -> bool {
        !self.rows.iter().skip(1).any(|row| matches!(row, Entry::Cells(_)))
    }

    /// The width of every column.
    fn widths(&self) -> Vec<usize> {
        let mut widths = vec![];
        for row in &self.rows {
            let Entry::Cells(cells) = row else { continue };
            widths.resize(widths.len().max(cells.len()), 0);
            for (width, (_, text)) in widths.iter_mut().zip(cells) {
                *width = text.chars().count().max(*width);
            }
        }
        widths
    }
}
