//! A document as GitHub Flavoured Markdown, with the pictures beside it as files. Folds are left
//! out.

use super::link;
use crate::document::{Align, Block, Document, Emphasis, Group, Item, Marker, Row, Span, Table};
use crate::printable::printable;

/// Where the text will stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the run's folder below the project's: charts lie beside it, sources can be linked to.
    Folder,
    /// In a comment, a summary, a message.
    Anywhere,
}

/// The whole document, the answer first.
pub(crate) fn markdown(document: &Document, place: Place) -> String {
    let mut page = Page { out: format!("# {}\n", escape(&document.title)), place };
    page.blocks(&document.answer);
    page.blocks(&document.body);
    page.out
}

struct Page {
    out: String,
    place: Place,
}

impl Page {
    fn blocks(&mut self, blocks: &[Block]) {
        for block in blocks {
            match block {
                Block::Heading(spans) => {
                    let text: String = spans.iter().map(|span| escape(&span.text)).collect();
                    self.out += &format!("\n## {text}\n");
                }
                Block::Paragraph(spans) => self.out += &format!("\n{}\n", self.spans(spans)),
                Block::Table(table) => self.table(table),
                Block::List(marker, items) => {
                    self.out.push('\n');
                    items.iter().for_each(|item| self.item(*marker, item));
                }
                Block::Facts(facts) => {
                    self.out.push('\n');
                    for (name, value) in facts {
                        self.out += &format!("- {}: {}\n", escape(name), self.spans(value));
                    }
                }
                Block::Figure(figure) if self.place == Place::Folder => {
                    if let Some(file) = figure.file {
                        let alt = format!("{} {}", figure.alt, figure.caption);
                        self.out += &format!("\n![{}]({file})\n", escape(alt.trim()));
                    }
                }
                Block::Figure(_) => {}
                Block::Abridged { full, .. } => self.blocks(full),
            }
        }
    }

    fn spans(&self, spans: &[Span]) -> String {
        spans.iter().map(|span| self.span(span)).collect()
    }

    fn span(&self, span: &Span) -> String {
        let text = escape(&span.text);
        let strong = matches!(span.emphasis, Emphasis::Strong | Emphasis::Good | Emphasis::Bad);
        let text = if strong && !text.is_empty() { format!("**{text}**") } else { text };
        match span.link.as_deref().and_then(link::checked) {
            Some(link) if self.place == Place::Folder => {
                let text = text.replace('[', "\\[").replace("\\]", "]").replace(']', "\\]");
                format!("[{text}]({link})")
            }
            _ => text,
        }
    }

    fn item(&mut self, marker: Marker, item: &Item) {
        let name = match (item.name.is_empty(), marker) {
            (true, _) => String::new(),
            (false, Marker::Answer) => format!("**{}**: ", escape(&item.name)),
            (false, _) => format!("{}: ", escape(&item.name)),
        };
        let stop = if item.text.text.ends_with('.') { "" } else { "." };
        let hint = item.hint.as_ref();
        let hint = hint.map_or_else(String::new, |h| format!("{stop} *Hint:* {}", escape(h)));
        let further = match item.further.is_empty() {
            true => String::new(),
            false => format!(" {}", escape(&item.further)),
        };
        self.out += &format!("- {name}{}{further}{hint}\n", escape(&item.text.text));
        for line in &item.quoted {
            self.out += &format!("  - wrote: {}\n", escape(line));
        }
    }

    fn table(&mut self, table: &Table) {
        if !table.caption.is_empty() {
            self.out += &format!("\n{}\n", escape(&table.caption));
        }
        if table.apart {
            table.groups.iter().for_each(|group| self.apart(table, group));
            return;
        }
        let named = table.groups.iter().any(|group| !group.name.is_empty());
        self.heads(table, named);
        for group in &table.groups {
            let about = self.about(group);
            if group.rows.is_empty() {
                let empty = " |".repeat(table.columns.len());
                self.out += &format!("| {about} |{empty}\n");
            }
            for (i, row) in group.rows.iter().enumerate() {
                let first = match (named, i) {
                    (false, _) => String::new(),
                    (true, 0) => format!("| {about} "),
                    (true, _) => "| ".to_owned(),
                };
                self.out += &format!("{first}{}\n", self.cells(row));
            }
        }
    }

    fn heads(&mut self, table: &Table, named: bool) {
        let heads = table.columns.iter().map(|column| format!(" {} |", escape(&column.head)));
        let rules = table.columns.iter().map(|column| match column.align {
            Align::Left => "---|",
            Align::Right => "---:|",
        });
        let (head, rule) = if named { ("| ", "---|") } else { ("", "") };
        let (heads, rules): (String, String) = (heads.collect(), rules.collect());
        self.out += &format!("\n{head}|{heads}\n|{rule}{rules}\n");
    }

    /// A row from the bar before its first cell on.
    fn cells(&self, row: &Row) -> String {
        let last = row.cells.len().saturating_sub(1);
        let cell = |(i, cell): (usize, &Span)| {
            let notes = row.notes.iter().filter(|_| i == last);
            let notes: String = notes.map(|note| format!("<br>{}", escape(note))).collect();
            format!(" {}{notes} |", self.span(cell))
        };
        format!("|{}", row.cells.iter().enumerate().map(cell).collect::<String>())
    }

    /// What stands before a group's rows in a column of its own.
    fn about(&self, group: &Group) -> String {
        let name = format!("**{}**", escape(&group.name));
        let name = if group.name.is_empty() { String::new() } else { name };
        let about = (!group.about.is_empty()).then(|| escape(&group.about));
        let notes = group.notes.iter().map(|note| self.spans(note));
        let asides = group.asides.iter().map(|aside| escape(aside));
        let rest = about.into_iter().chain(notes).chain(asides);
        std::iter::once(name).chain(rest).collect::<Vec<_>>().join("<br>")
    }

    /// A group as a section.
    fn apart(&mut self, table: &Table, group: &Group) {
        self.out += &format!("\n### {}\n\n{}\n", escape(&group.name), escape(&group.about));
        if !group.rows.is_empty() {
            self.heads(table, false);
        }
        for row in &group.rows {
            self.out += &(self.cells(row) + "\n");
        }
        for note in &group.notes {
            self.out += &format!("\n{}\n", self.spans(note));
        }
        for aside in &group.asides {
            self.out += &format!("\n{}\n", escape(aside));
        }
    }
}

/// Text that Markdown and HTML leave as it is, on one line. Brackets stay, except where they would
/// make a link. It mentions nobody: GitHub sends a message to every `@name`.
fn escape(text: &str) -> String {
    let text = printable(text);
    let mut out = String::with_capacity(text.len());
    let (marker, text) = marker(&text);
    out += &marker;
    let mut before = marker.chars().next_back().unwrap_or(' ');
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '@' if !before.is_alphanumeric()
                && chars.peek().is_some_and(|next| next.is_alphanumeric()) =>
            {
                out.extend(['@', '\u{200b}']);
            }
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '&' => out += "&amp;",
            '\\' | '`' | '*' | '|' | '_' | '~' => out.extend(['\\', c]),
            ']' if matches!(chars.peek(), Some('(' | '[' | ':')) => out += "\\]",
            c => out.push(c),
        }
        before = c;
    }
    out
}

/// What a text begins with that would make it a heading, a list or a rule, made plain, and the
/// rest.
fn marker(text: &str) -> (String, &str) {
    let trimmed = text.trim_start();
    let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
    let of_list = match trimmed[digits..].chars().next() {
        Some('.' | ')') if digits > 0 => digits,
        _ => 0,
    };
    let sign = trimmed[of_list..].chars().next().filter(|c| match of_list {
        0 => matches!(c, '#' | '+' | '-' | '='),
        _ => true,
    });
    let Some(sign) = sign else { return (String::new(), text) };
    let rest = &trimmed[of_list + 1..];
    let ends = rest.trim_start_matches(sign);
    match ends.is_empty() || ends.starts_with(' ') {
        true => (format!("{}\\{sign}", &trimmed[..of_list]), rest),
        false => (String::new(), text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_said_is_markup() {
        let cases = [
            ("plain, -5 % and 1.5×", "plain, -5 % and 1.5×"),
            ("-5 %", "-5 %"),
            ("1.5 s", "1.5 s"),
            ("# big", "\\# big"),
            ("### big", "\\### big"),
            ("- item", "\\- item"),
            ("1. item", "1\\. item"),
            ("---", "\\---"),
            ("<b>&[a](b)", "&lt;b&gt;&amp;[a\\](b)"),
            ("`a`*b*|c", "\\`a\\`\\*b\\*\\|c"),
            ("a\nb\u{202e}c", "a b c"),
            ("@all and name@v1", "@\u{200b}all and name@v1"),
        ];
        for (text, want) in cases {
            assert_eq!(escape(text), want, "{text:?}");
        }
    }
}
