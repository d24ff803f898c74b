//! A document as a page: one file that needs no other, no script and no network.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::link;
use crate::chart;
use crate::document::{
    Align, Block, Document, Emphasis, Figure, Fold, Group, Item, Marker, Row, Span, Table, anchor,
};

/// The whole document, the answer first.
pub(crate) fn html(document: &Document) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (document.title) }
                style { (PreEscaped(include_str!("style.css"))) (PreEscaped(chart::css())) }
            }
            body {
                header {
                    h1 { (document.title) }
                    p.small { (document.place) }
                }
                main {
                    section aria-label="Answers" { (blocks(&document.answer)) }
                    (blocks(&document.body))
                }
                footer { p.small { (document.maker) } }
            }
        }
    }
    .into_string()
}

fn blocks(all: &[Block]) -> Markup {
    html! { @for block in all { (one(block)) } }
}

fn one(block: &Block) -> Markup {
    html! {
        @match block {
            Block::Heading(spans) => {
                h2 id=(anchor(&spans.iter().map(|span| span.text.as_str()).collect::<String>())) {
                    @for span in spans { (span.text) }
                }
            }
            Block::Paragraph(text) => { p { (spans(text)) } }
            Block::Table(rows) => (table(rows)),
            Block::List(Marker::Answer, items) => { @for item in items { (answer(item)) } }
            Block::List(_, items) => { ul { @for one in items { (item(one)) } } }
            Block::Facts(facts) => {
                dl { @for (name, value) in facts { dt { (name) } dd { (spans(value)) } } }
            }
            Block::Figure(picture) => (figure(picture)),
            Block::Abridged { full, .. } => (blocks(full)),
        }
    }
}

fn spans(text: &[Span]) -> Markup {
    html! { @for part in text { (span(part)) } }
}

fn span(span: &Span) -> Markup {
    let class = class(span.emphasis);
    html! {
        @match (span.link.as_deref().and_then(link::checked), class) {
            (Some(link), _) => { a href=(link) class=[class] { (span.text) } }
            (None, Some(class)) => { span class=(class) { (span.text) } }
            (None, None) => (span.text),
        }
    }
}

fn class(emphasis: Emphasis) -> Option<&'static str> {
    match emphasis {
        Emphasis::Plain => None,
        Emphasis::Strong => Some("strong"),
        Emphasis::Quiet => Some("quiet"),
        Emphasis::Good => Some("good"),
        Emphasis::Open => Some("open"),
        Emphasis::Bad => Some("bad"),
    }
}

fn answer(item: &Item) -> Markup {
    let quiet = item.text.emphasis == Emphasis::Quiet;
    html! {
        p.answer.control[quiet] {
            @if !item.name.is_empty() { span.lane { (item.name) } " " }
            @if quiet { (item.text.text) } @else { (span(&item.text)) }
            @if !item.further.is_empty() { span.further { (item.further) } }
        }
    }
}

fn item(item: &Item) -> Markup {
    html! {
        li {
            @if !item.name.is_empty() { strong { (item.name) ": " } }
            (span(&item.text))
            @if !item.quoted.is_empty() { pre { (item.quoted.join("\n")) } }
            @if let Some(hint) = &item.hint { div.small { "Hint: " (hint) } }
        }
    }
}

fn figure(figure: &Figure) -> Markup {
    html! {
        figure {
            @match &figure.narrow {
                Some(narrow) => {
                    div.wide { (PreEscaped(&figure.svg)) }
                    div.narrow { (PreEscaped(narrow)) }
                }
                None => (PreEscaped(&figure.svg)),
            }
            @if !figure.caption.is_empty() { figcaption { (figure.caption) } }
        }
    }
}

/// Figures in a fold stand side by side.
fn fold(fold: &Fold) -> Markup {
    let is_figure = |block: &Block| matches!(block, Block::Figure(_));
    html! {
        details {
            summary { (fold.summary) }
            @for alike in fold.blocks.chunk_by(|a, b| is_figure(a) == is_figure(b)) {
                @if alike.iter().all(is_figure) { div.charts { (blocks(alike)) } }
                @else { (blocks(alike)) }
            }
        }
    }
}

fn table(table: &Table) -> Markup {
    let empty = table.groups.iter().all(|group| group.rows.is_empty());
    html! {
        div.scroll {
            table {
                @if !table.caption.is_empty() { caption { (table.caption) } }
                @if !empty {
                    thead {
                        tr {
                            @for column in &table.columns {
                                th.number[column.align == Align::Right] scope="col" {
                                    (column.head)
                                }
                            }
                        }
                    }
                }
                @for rows in &table.groups { (group(table, rows)) }
            }
        }
    }
}

fn group(table: &Table, group: &Group) -> Markup {
    let columns = table.columns.len();
    html! {
        tbody {
            @if !group.name.is_empty() {
                tr.group {
                    th scope="rowgroup" colspan=(columns) {
                        (group.name)
                        @if !group.about.is_empty() { " " span.small { (group.about) } }
                    }
                }
            }
            @for cells in &group.rows { (row(table, cells)) }
            @if !group.notes.is_empty() || !group.asides.is_empty() {
                tr {
                    td.notes colspan=(columns) {
                        @for note in &group.notes { div { (spans(note)) } }
                        @for aside in &group.asides { div { (aside) } }
                    }
                }
            }
            @if let Some(more) = &group.fold { tr { td colspan=(columns) { (fold(more)) } } }
        }
    }
}

fn row(table: &Table, row: &Row) -> Markup {
    // An interval stays on one line: `[1.83, 1.93]`.
    let whole = |cell: &Span| match cell.text.contains("× [") {
        true => Span { text: cell.text.replace(", ", ",\u{a0}"), ..cell.clone() },
        false => cell.clone(),
    };
    html! {
        tr {
            @for (i, (cell, column)) in row.cells.iter().zip(&table.columns).enumerate() {
                @if i == 0 { th scope="row" { (span(cell)) } }
                @else { td.number[column.align == Align::Right] { (span(&whole(cell))) } }
            }
        }
        @for note in &row.notes { tr { td.notes colspan=(table.columns.len()) { (note) } } }
    }
}
