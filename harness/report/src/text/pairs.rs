//! The terminal's pair tables.

use super::{BAD, BEST, BOLD, DIM, NORMAL, OPEN, Page, letters};
use crate::pairs::{self, COLUMNS, Section};
use crate::published;
use crate::words::{self, Tone};
use duet_analysis::{Analysis, MatchupAnalysis};

/// Columns that hold a ratio are wide enough for one with its interval.
const WIDTHS: [usize; 5] = [22, 22, 8, 22, 16];
/// A longer name of a row than this makes the table too wide; the arms are then called A and B.
const SOURCE: usize = 8;

impl Page {
    pub(super) fn pairs(&mut self, analysis: &Analysis, matchup: &MatchupAnalysis) {
        let names: Vec<&str> = matchup.arms.iter().map(|a| a.label.as_str()).collect();
        self.heading(&format!("{}: {}", words::title(matchup), names.join(" against ")));
        let sources = matchup.arms.iter().map(|arm| pairs::source(&matchup.arms, arm));
        let source = sources.map(|source| source.chars().count()).max().unwrap_or(0).max(6);
        if source > SOURCE {
            let mut arms = letters(&matchup.arms);
            arms.iter_mut().for_each(|arm| arm.language.clear());
            self.meanings(&arms, &matchup.arms);
            self.sections(analysis, &MatchupAnalysis { arms, ..matchup.clone() }, 6);
        } else {
            self.sections(analysis, matchup, source);
        }
    }

    fn sections(&mut self, analysis: &Analysis, matchup: &MatchupAnalysis, source: usize) {
        let sections = pairs::sections(analysis, matchup);
        let head = self.columns(COLUMNS[0], source, &COLUMNS[1..], &|_| DIM);
        self.line(&head);
        for section in &sections {
            self.pair_section(section, source);
        }
        let means = pairs::means(analysis, matchup);
        if let Some(first) = matchup.means.first() {
            let title = self.styled(BOLD, &format!("geometric mean of {} cells", first.cells));
            self.line(&format!("  {title}"));
        }
        for line in means {
            self.line(&format!("    {:12}  {:21}  {}", line.metric, line.ratio, line.verdict));
        }
        self.wrapped(DIM, "  ", pairs::LEGEND);
    }

    fn pair_section(&mut self, section: &Section<'_>, source: usize) {
        let mark = if section.cell.warnings.is_empty() { "" } else { " *" };
        let name = self.styled(BOLD, &section.cell.id.workload);
        let about = self.styled(DIM, &format!("{mark} · {}", words::about(section.cell)));
        self.line(&format!("  {name}{about}"));
        if let Some(silence) = &section.silence {
            self.wrapped(BAD, "      ", silence);
            return;
        }
        for row in &section.rows {
            let style = |i: usize| if row.best[i] { BEST } else { NORMAL };
            let columns: Vec<&str> = row.columns.iter().map(String::as_str).collect();
            let line = self.columns(row.source, source, &columns, &style);
            self.line(&line);
        }
        if let Some([secs, memory, gz, cpu]) = &section.ratios {
            let line = self.columns("ratio", source, &[secs, memory, gz, cpu, ""], &|_| NORMAL);
            self.line(&line);
        }
        for (verdict, tone) in &section.verdicts {
            let style = match tone {
                Tone::Decided => continue,
                Tone::Tie => DIM,
                Tone::Open => OPEN,
                Tone::Silent => BAD,
            };
            self.wrapped(style, "      ", verdict);
        }
    }

    fn columns(
        &self,
        first: &str,
        width: usize,
        columns: &[&str],
        style: &dyn Fn(usize) -> anstyle::Style,
    ) -> String {
        let mut line = format!("    {first:width$}");
        for (i, (text, room)) in columns.iter().zip(WIDTHS).enumerate() {
            let pad = " ".repeat(room.saturating_sub(text.chars().count()));
            line += &format!("{pad}{}", self.styled(style(i), text));
        }
        line
    }

    /// The published figures: the newest beside this run's, without intervals, which stand above.
    pub(super) fn published(&mut self, analysis: &Analysis) {
        let Some(table) = published::brief(analysis) else { return };
        self.heading("published figures");
        self.wrapped(NORMAL, "  ", &table.title);
        let rows = || std::iter::once(&table.heads).chain(&table.rows);
        let width = |column: usize| rows().map(|row| row[column].chars().count()).max();
        let widths: Vec<usize> = (0..table.heads.len()).filter_map(width).collect();
        for (i, row) in rows().enumerate() {
            let cells = row.iter().zip(&widths).map(|(word, width)| format!("{word:width$}"));
            let line = cells.collect::<Vec<_>>().join("  ");
            let line = self.styled(if i == 0 { DIM } else { NORMAL }, line.trim_end());
            self.line(&format!("    {line}"));
        }
        self.wrapped(DIM, "  ", published::ABOUT);
    }
}
