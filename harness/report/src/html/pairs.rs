//! The pair tables of the page, in the manner of the benchmarks game's.

use maud::{Markup, html};

use super::{names, tone};
use crate::pairs::{self, COLUMNS, Section};
use crate::published::{self, Table};
use crate::words;
use duet_analysis::{Analysis, MatchupAnalysis};

pub(super) fn section(analysis: &Analysis, matchup: &MatchupAnalysis) -> Markup {
    let means = pairs::means(analysis, matchup);
    html! {
        section {
            h2 { (words::title(matchup)) }
            div.scroll {
                table.pairs {
                    caption { (names(matchup)) }
                    @for section in pairs::sections(analysis, matchup) {
                        (program(&section, &analysis.run.to_project))
                    }
                    @if let Some(first) = matchup.means.first() {
                        tbody {
                            tr.group {
                                th scope="rowgroup" colspan=(COLUMNS.len()) {
                                    "geometric mean "
                                    span.small { "of " (first.cells) " cells" }
                                }
                            }
                            @for line in &means {
                                tr {
                                    th scope="row" { (line.metric) }
                                    td.number { (line.ratio) }
                                    td colspan=(COLUMNS.len() - 2) {
                                        span class=(tone(line.tone)) { (line.verdict) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
            p.small { (pairs::LEGEND) }
        }
    }
}

fn program(section: &Section<'_>, to_project: &str) -> Markup {
    let mut about = words::about(section.cell);
    if !section.cell.warnings.is_empty() {
        about += " · with a warning";
    }
    html! {
        tbody {
            tr.group {
                th scope="rowgroup" colspan=(COLUMNS.len()) {
                    (section.cell.id.workload) " " span.small { (about) }
                    div.small { (section.cell.question) }
                }
            }
            @if let Some(silence) = &section.silence {
                tr { td.silent colspan=(COLUMNS.len()) { (silence) } }
            } @else {
                (rows(section, to_project))
            }
        }
    }
}

fn rows(section: &Section<'_>, to_project: &str) -> Markup {
    html! {
        tr.heads {
            @for (i, column) in COLUMNS.iter().enumerate() {
                th.number[i > 0] scope="col" { (column) }
            }
        }
        @for row in &section.rows {
            tr {
                th scope="row" {
                    a href={ (to_project) (row.path) } { (row.source) }
                }
                @for (text, best) in row.columns.iter().zip(row.best) {
                    td.number.best[best] { (text) }
                }
            }
        }
        @if let Some(ratios) = &section.ratios {
            tr.ratios {
                th scope="row" { "ratio" }
                @for ratio in ratios { td.number { (ratio) } }
                td {}
            }
        }
        tr {
            td.verdicts colspan=(COLUMNS.len()) {
                @for (i, (verdict, look)) in section.verdicts.iter().enumerate() {
                    @if i > 0 { " · " }
                    span class=(tone(*look)) { (verdict) }
                }
                @for row in section.rows.iter().filter(|row| !row.facts.is_empty()) {
                    div { (row.source) ": " (row.facts) }
                }
            }
        }
    }
}

pub(super) fn published(analysis: &Analysis) -> Markup {
    let tables = published::tables(analysis);
    html! {
        @if !tables.is_empty() {
            section {
                h2 { "Published figures" }
                p { (published::ABOUT) }
                @for table in &tables { (one_table(table)) }
            }
        }
    }
}

fn one_table(table: &Table) -> Markup {
    html! {
        div.scroll {
            table {
                caption { (table.title) }
                thead { tr { @for head in &table.heads { th scope="col" { (head) } } } }
                tbody {
                    @for row in &table.rows {
                        tr {
                            @for (i, word) in row.iter().enumerate() {
                                @if i == 0 { th scope="row" { (word) } }
                                @else { td { (word) } }
                            }
                        }
                    }
                }
            }
        }
        @if !table.notes.is_empty() {
            ul { @for note in &table.notes { li.small { (note) } } }
        }
    }
}
