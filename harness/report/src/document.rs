//! What reports say, as plain data: a document of headings, paragraphs, tables, lists and figures.
//! It is built once from findings and rendered three times, in `render`: for terminals, as
//! Markdown, as a page of HTML. A document holds no layout; where a medium has no room it says what
//! to leave out.

/// A report.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Document {
    /// What it is a report of.
    pub(crate) title: String,
    /// When and where, in a line.
    pub(crate) place: String,
    /// The answer: it stands first on pages, and last where a reader sees the end first.
    pub(crate) answer: Vec<Block>,
    /// What the answer rests on.
    pub(crate) body: Vec<Block>,
    /// What made it.
    pub(crate) maker: String,
}

/// A part of a document.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Block {
    Heading(Spans),
    Paragraph(Spans),
    Table(Table),
    List(Marker, Vec<Item>),
    /// Names and what they stand for.
    Facts(Vec<(String, Spans)>),
    Figure(Figure),
    /// The same in two lengths: `brief` for a screen of lines, `full` for whatever is scrolled.
    Abridged {
        brief: Vec<Self>,
        full: Vec<Self>,
    },
}

/// Text whose parts look different.
pub(crate) type Spans = Vec<Span>;

/// A piece of text of one look.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) text: String,
    pub(crate) emphasis: Emphasis,
    /// What it points to, relative to the report's folder.
    pub(crate) link: Option<String>,
}

/// How a piece of text is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Emphasis {
    #[default]
    Plain,
    Strong,
    /// It matters less.
    Quiet,
    /// As it should be, or the better one.
    Good,
    /// Not decided.
    Open,
    /// Not as it should be.
    Bad,
}

/// Rows under common columns, in groups.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Table {
    /// What it is of.
    pub(crate) caption: String,
    pub(crate) columns: Vec<Column>,
    pub(crate) groups: Vec<Group>,
    /// Whether groups are tables of their own where rows cannot be grouped (in Markdown).
    pub(crate) apart: bool,
}

/// A column's head, and where its values stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) head: String,
    pub(crate) align: Align,
}

/// Words begin at the left, numbers end at the right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Rows that belong together.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Group {
    /// Its name; empty where all rows are one group.
    pub(crate) name: String,
    /// What stands behind the name.
    pub(crate) about: String,
    pub(crate) rows: Vec<Row>,
    /// What is said below the rows.
    pub(crate) notes: Vec<Spans>,
    /// More to know, for readers at leisure: left out in a terminal.
    pub(crate) asides: Vec<String>,
    pub(crate) fold: Option<Fold>,
}

/// A cell per column, and what is said beneath them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Row {
    pub(crate) cells: Vec<Span>,
    pub(crate) notes: Vec<String>,
}

/// What items of a list are, and so how each is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marker {
    Answer,
    Point,
    Warning,
    Failure,
}

/// An item of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Item {
    /// What it is about.
    pub(crate) name: String,
    pub(crate) text: Span,
    /// What stands beside it and matters less.
    pub(crate) further: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
    /// Lines that a program wrote.
    pub(crate) quoted: Vec<String>,
}

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Figure {
    /// The file beside the report, where there is one.
    pub(crate) file: Option<&'static str>,
    /// What it shows, in place of it.
    pub(crate) alt: String,
    pub(crate) caption: String,
    pub(crate) svg: String,
    /// The same for telephones.
    pub(crate) narrow: Option<String>,
}

/// What only those read who look closer, and the line that stands for it: folded on a page, left
/// out elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fold {
    pub(crate) summary: String,
    pub(crate) blocks: Vec<Block>,
}

impl Span {
    pub(crate) fn new(text: impl Into<String>, emphasis: Emphasis) -> Self {
        Self { text: text.into(), emphasis, link: None }
    }
}

impl<T: Into<String>> From<T> for Span {
    fn from(text: T) -> Self {
        Self::new(text, Emphasis::Plain)
    }
}

/// What a link to a heading points to, after the `#`: GitHub's rule, so that it is the same in
/// Markdown, where GitHub makes anchors, and on a page, where the page does.
pub(crate) fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

impl Block {
    pub(crate) fn heading(text: impl Into<String>) -> Self {
        Self::Heading(vec![Span::new(text, Emphasis::Strong)])
    }

    pub(crate) fn paragraph(text: impl Into<String>, emphasis: Emphasis) -> Self {
        Self::Paragraph(vec![Span::new(text, emphasis)])
    }

    /// Sentences as a list.
    pub(crate) fn points<T: Into<String>>(sentences: impl IntoIterator<Item = T>) -> Self {
        let item = |text: T| Item { text: text.into().into(), ..Item::default() };
        Self::List(Marker::Point, sentences.into_iter().map(item).collect())
    }

    /// Names and plain values.
    pub(crate) fn facts(facts: Vec<(&'static str, String)>) -> Self {
        let fact = |(name, value): (&str, String)| (name.to_owned(), vec![value.into()]);
        Self::Facts(facts.into_iter().map(fact).collect())
    }
}

impl Column {
    /// A column of words.
    pub(crate) fn words(head: impl Into<String>) -> Self {
        Self { head: head.into(), align: Align::Left }
    }

    /// A column of numbers.
    pub(crate) fn numbers(head: impl Into<String>) -> Self {
        Self { head: head.into(), align: Align::Right }
    }
}

impl Row {
    /// A row of plain text.
    pub(crate) fn plain<T: Into<Span>>(cells: impl IntoIterator<Item = T>) -> Self {
        Self { cells: cells.into_iter().map(Into::into).collect(), notes: vec![] }
    }
}

impl Table {
    /// A table of one group.
    pub(crate) fn plain(caption: impl Into<String>, columns: Vec<Column>, rows: Vec<Row>) -> Self {
        let groups = vec![Group { rows, ..Group::default() }];
        Self { caption: caption.into(), columns, groups, apart: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors() {
        let cases = [
            ("std", "std"),
            ("other (lane tuned)", "other-lane-tuned"),
            ("null, the same server twice", "null-the-same-server-twice"),
            ("Claims of others", "claims-of-others"),
        ];
        for (heading, want) in cases {
            assert_eq!(anchor(heading), want);
        }
    }
}
