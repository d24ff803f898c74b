//! A document for terminals: at most 100 columns wide with names of ordinary length. Pictures and
//! folds are left out.

use anstyle::{AnsiColor, Style as Ansi};

use crate::document::{
    Align, Block, Column, Document, Emphasis, Group, Item, Marker, Row, Span, Table,
};
use crate::printable::printable;
use crate::wrap::wrapped;

/// Whether escape codes may be written. The command decides, from the terminal and `NO_COLOR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Text alone.
    Plain,
    /// Bold and colours.
    Colour,
}

/// Lines are at most so long, where words allow it.
const COLUMNS: usize = 100;

/// The document, its answer first.
pub(crate) fn text(document: &Document, style: Style) -> String {
    let mut page = Page { out: String::new(), style };
    page.blocks(&document.answer);
    page.blocks(&document.body);
    page.out
}

/// The document, its answer last: that is where a terminal stands when it is written.
pub(crate) fn text_answer_last(document: &Document, style: Style) -> String {
    let body = blocks(&document.body, style);
    let made = blocks(
        &[Block::paragraph(format!("{} · {}", document.place, document.maker), Emphasis::Quiet)],
        style,
    );
    format!("{body}{made}\n{}", blocks(&document.answer, style))
}

/// Parts of a document.
pub(crate) fn blocks(blocks: &[Block], style: Style) -> String {
    let mut page = Page { out: String::new(), style };
    page.blocks(blocks);
    page.out.trim_start_matches('\n').to_owned()
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

    fn styled(&self, emphasis: Emphasis, text: &str) -> String {
        let (ansi, text) = (ansi(emphasis), printable(text));
        match self.style {
            Style::Colour if ansi != Ansi::new() && !text.is_empty() => {
                format!("{ansi}{text}{ansi:#}")
            }
            _ => text,
        }
    }

    /// Text in lines of at most [`COLUMNS`], the further ones indented below `lead`.
    fn wrapped(&mut self, lead: &str, spans: &[Span]) {
        self.wrapped_at(lead, lead.chars().count(), spans);
    }

    /// The same where `lead` holds escape codes and takes `width` columns.
    fn wrapped_at(&mut self, lead: &str, width: usize, spans: &[Span]) {
        let text: String = spans.iter().map(|span| span.text.as_str()).collect();
        // What needs more than a line looks alike throughout: it is styled by its strongest part.
        let emphasis = spans.iter().map(|span| span.emphasis);
        let emphasis = emphasis.reduce(|a, b| if a == Emphasis::Plain { b } else { a });
        let emphasis = emphasis.unwrap_or_default();
        for (i, line) in wrapped(&text, width, COLUMNS).iter().enumerate() {
            let before = if i == 0 { lead } else { &" ".repeat(width) };
            let line = if i == 0 && spans.len() > 1 && line.trim_end() == text.trim_end() {
                spans.iter().map(|span| self.styled(span.emphasis, &span.text)).collect()
            } else {
                self.styled(emphasis, line)
            };
            self.line(&format!("{before}{line}"));
        }
    }

    fn blocks(&mut self, blocks: &[Block]) {
        for block in blocks {
            match block {
                Block::Heading(spans) => {
                    self.line("");
                    self.wrapped("", spans);
                }
                Block::Paragraph(spans) => self.wrapped("", spans),
                Block::Table(table) => self.table(table),
                Block::List(marker, items) => items.iter().for_each(|i| self.item(*marker, i)),
                Block::Facts(facts) => {
                    let width = facts.iter().map(|(name, _)| name.chars().count()).max();
                    let width = width.unwrap_or(0);
                    self.line("");
                    for (name, value) in facts {
                        self.wrapped(&format!("{:<width$}  ", printable(name)), value);
                    }
                }
                Block::Figure(_) => {}
                Block::Abridged { brief, .. } => self.blocks(brief),
            }
        }
    }

    fn item(&mut self, marker: Marker, item: &Item) {
        let (lead, fallback) = match marker {
            Marker::Answer => ("- ", Emphasis::Plain),
            Marker::Point => ("  - ", Emphasis::Plain),
            Marker::Warning => ("  * ", Emphasis::Open),
            Marker::Failure => ("  ! ", Emphasis::Bad),
        };
        let emphasis =
            if item.text.emphasis == Emphasis::Plain { fallback } else { item.text.emphasis };
        let name = if item.name.is_empty() { String::new() } else { format!("{}: ", item.name) };
        let mut spans = vec![Span::new(format!("{name}{}", item.text.text), emphasis)];
        if !item.further.is_empty() {
            spans.push(Span::new(format!(" {}", item.further), Emphasis::Quiet));
        }
        self.wrapped(lead, &spans);
        for line in &item.quoted {
            self.wrapped("    | ", &[Span::new(line, Emphasis::Quiet)]);
        }
        if let Some(hint) = &item.hint {
            self.wrapped("    hint: ", &[hint.as_str().into()]);
        }
    }

    fn table(&mut self, table: &Table) {
        if !table.caption.is_empty() {
            self.wrapped("  ", &[table.caption.as_str().into()]);
        }
        let named = table.groups.iter().any(|group| !group.name.is_empty());
        let layout = Layout::of(table, if named { 4 } else { 2 });
        let heads = table.columns.iter().map(|c| Span::new(&c.head, Emphasis::Quiet)).collect();
        if table.groups.iter().any(|group| !group.rows.is_empty()) {
            self.row(&layout, &Row { cells: heads, notes: vec![] });
        }
        for group in &table.groups {
            self.group(&layout, group);
        }
    }

    fn group(&mut self, layout: &Layout, group: &Group) {
        if !group.name.is_empty() {
            let mut title = vec![Span::new(&group.name, Emphasis::Strong)];
            if !group.about.is_empty() {
                title.push(Span::new(format!(" · {}", group.about), Emphasis::Quiet));
            }
            self.wrapped("  ", &title);
        }
        for row in &group.rows {
            self.row(layout, row);
        }
        for note in &group.notes {
            self.wrapped(&" ".repeat(layout.indent + 2), note);
        }
    }

    fn row(&mut self, layout: &Layout, row: &Row) {
        let (mut line, mut width) = (" ".repeat(layout.indent), layout.indent);
        for (i, (cell, (room, align))) in row.cells.iter().zip(&layout.columns).enumerate() {
            let gap = if i == 0 { 0 } else { layout.gap };
            line += &" ".repeat(gap);
            width += gap;
            let length = cell.text.chars().count();
            if width + length > COLUMNS && i + 1 == row.cells.len() && *align == Align::Left {
                self.wrapped_at(&line, width, std::slice::from_ref(cell));
                return;
            }
            let pad = " ".repeat(room.saturating_sub(length));
            let text = self.styled(cell.emphasis, &cell.text);
            line += &if *align == Align::Right { pad + &text } else { text + &pad };
            width += length.max(*room);
        }
        self.line(&line);
        for note in &row.notes {
            self.wrapped("  ^ ", &[note.as_str().into()]);
        }
    }
}

/// Where the cells of a table's rows stand.
struct Layout {
    indent: usize,
    gap: usize,
    /// Widths in characters.
    columns: Vec<(usize, Align)>,
}

impl Layout {
    fn of(table: &Table, indent: usize) -> Self {
        let rows = || table.groups.iter().flat_map(|group| &group.rows);
        let column = |(i, column): (usize, &Column)| {
            let cells = rows().filter_map(|row| row.cells.get(i)).map(|cell| &cell.text);
            let width = cells.chain([&column.head]).map(|text| text.chars().count()).max();
            // Other rows are not filled up to a name that is longer than a line.
            (width.unwrap_or(0).min(COLUMNS), column.align)
        };
        let columns: Vec<(usize, Align)> = table.columns.iter().enumerate().map(column).collect();
        let width = columns.iter().map(|(width, _)| width).sum::<usize>();
        let gaps = columns.len().saturating_sub(1);
        match () {
            () if indent + width + 2 * gaps <= COLUMNS => Self { indent, gap: 2, columns },
            () if indent + width + gaps <= COLUMNS => Self { indent, gap: 1, columns },
            () => Self { indent: 0, gap: 1, columns },
        }
    }
}

fn ansi(emphasis: Emphasis) -> Ansi {
    match emphasis {
        Emphasis::Plain => Ansi::new(),
        Emphasis::Strong => Ansi::new().bold(),
        Emphasis::Quiet => Ansi::new().dimmed(),
        Emphasis::Good => AnsiColor::Green.on_default().bold(),
        Emphasis::Open => AnsiColor::Yellow.on_default(),
        Emphasis::Bad => AnsiColor::Red.on_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_narrows_before_it_is_too_wide() {
        let spans: Vec<Span> = vec!["x".repeat(46).into(), "y".repeat(51).into()];
        let columns = vec![Column::words("a"), Column::words("b")];
        let rows = vec![Row { cells: spans, notes: vec!["said".to_owned()] }];
        let text = blocks(&[Block::Table(Table::plain("", columns, rows))], Style::Plain);
        let widths: Vec<usize> = text.lines().map(|line| line.chars().count()).collect();
        assert_eq!(widths, [50, 100, 8], "{text}");
    }
}
