//! `report.html`: one file that needs no other, no script and no network.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::chart::{self, Width};
use super::headline::headline;
use super::loops;
use super::words::{self, Line, Tone};
use super::{details, doubts, facts};
use duet_analysis::{Analysis, CellAnalysis, MatchupAnalysis, ServerSummary};
use duet_units::Metric;

mod pairs;

/// The whole report, the answer first.
#[must_use]
pub fn html(analysis: &Analysis) -> String {
    let run = &analysis.run;
    let title = format!("Suite {} on {}", run.suite, words::date(run));
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(include_str!("style.css"))) (PreEscaped(chart::dark_css())) }
            }
            body {
                header {
                    h1 { "Suite " (run.suite) }
                    p.small { (words::place(run)) }
                }
                main {
                    (answers(analysis))
                    @if loops::has_speeds(analysis) {
                        (figure(analysis, Metric::RequestsPerSecond))
                    }
                    @if loops::has_peaks(analysis) {
                        (figure(analysis, Metric::RssBytesPeak))
                    }
                    @if let [Some(wide), Some(narrow)] =
                        [Width::Wide, Width::Narrow].map(|width| chart::latency(analysis, width))
                    {
                        figure {
                            div.wide { (PreEscaped(wide)) }
                            div.narrow { (PreEscaped(narrow)) }
                            figcaption { "The tables below hold the same numbers." }
                        }
                    }
                    @if let Some(svg) = chart::boxes(analysis) {
                        figure { (PreEscaped(svg)) }
                    }
                    @for (i, matchup) in words::controls_last(analysis).into_iter().enumerate() {
                        @if matchup.programs {
                            (pairs::section(analysis, matchup))
                        } @else {
                            (section(analysis, matchup, i))
                        }
                    }
                    (pairs::published(analysis))
                    (builds(analysis))
                    (how_to_read(analysis))
                    (warnings(analysis))
                    (failures(analysis))
                    (made(analysis))
                }
                footer { p.small { (words::maker(run)) } }
            }
        }
    }
    .into_string()
}

fn answers(analysis: &Analysis) -> Markup {
    html! {
        section aria-label="Answers" {
            @for caveat in words::caveats(&analysis.run) { p.caveat { strong { (caveat) } } }
            @if analysis.matchups.is_empty() { p.caveat { strong { "nothing was measured" } } }
            @for matchup in words::controls_last(analysis) {
                p.answer.control[matchup.control] {
                    span.lane { (matchup.name) } " " (headline(analysis, matchup))
                }
            }
        }
    }
}

fn figure(analysis: &Analysis, metric: Metric) -> Markup {
    html! {
        figure {
            div.wide { (PreEscaped(chart::comparison(analysis, metric, Width::Wide))) }
            div.narrow { (PreEscaped(chart::comparison(analysis, metric, Width::Narrow))) }
            figcaption { "The tables below hold the same numbers." }
        }
    }
}

fn section(analysis: &Analysis, matchup: &MatchupAnalysis, index: usize) -> Markup {
    let columns = matchup.arms.len() + 2;
    let starts = matchup.starts.iter().map(|m| words::line(&analysis.run, &matchup.arms, m));
    let means = matchup.means.iter().map(|m| words::mean_line(&analysis.run, &matchup.arms, m));
    let starts: Vec<Line> = starts.collect();
    let means: Vec<Line> = means.collect();
    html! {
        section {
            h2 { (words::title(matchup)) }
            @if matchup.control { p { (words::CONTROL) } }
            div.scroll {
                table {
                    caption { (names(matchup)) }
                    thead {
                        tr {
                            th scope="col" { "metric" }
                            @for arm in &matchup.arms { th.number scope="col" { (arm.label) } }
                            th scope="col" { "ratio, verdict" }
                        }
                    }
                    @for (i, cell) in matchup.cells.iter().enumerate() {
                        (cell_rows(analysis, matchup, cell, &format!("m{index}c{i}")))
                    }
                    @if !starts.is_empty() { (group("every start", None, &starts, columns)) }
                    @if let Some(mean) = matchup.means.first() {
                        @let about = format!("of {} cells", mean.cells);
                        (group("geometric mean", Some(&about), &means, columns))
                    }
                }
            }
        }
    }
}

/// `a against b`.
fn names(matchup: &MatchupAnalysis) -> String {
    let names: Vec<&str> = matchup.arms.iter().map(|a| a.label.as_str()).collect();
    names.join(" against ")
}

fn cell_rows(
    analysis: &Analysis,
    matchup: &MatchupAnalysis,
    cell: &CellAnalysis,
    id: &str,
) -> Markup {
    let columns = matchup.arms.len() + 2;
    let lines = words::headline_lines(&analysis.run, &matchup.arms, cell);
    let mut about = words::about(cell);
    if !cell.warnings.is_empty() {
        about += " · with a warning";
    }
    html! {
        (group(&cell.id.workload, Some(&about), &lines, columns))
        tbody.more {
            @if lines.is_empty() {
                tr { td.silent colspan=(columns) { (words::silence(analysis, matchup, cell)) } }
            }
            tr { td colspan=(columns) { (details::details(analysis, matchup, cell, id)) } }
        }
    }
}

fn group(title: &str, about: Option<&str>, lines: &[Line], columns: usize) -> Markup {
    html! {
        tbody {
            tr.group {
                th scope="rowgroup" colspan=(columns) {
                    (title) @if let Some(about) = about { " " span.small { (about) } }
                }
            }
            @for (i, line) in lines.iter().enumerate() {
                (row(line, columns - 2, i == 0 || lines[i - 1].reason != line.reason))
            }
        }
    }
}

/// A line of a table, with its reason unless the line above has just given it.
pub(super) fn row(line: &Line, arms: usize, with_reason: bool) -> Markup {
    html! {
        tr {
            th scope="row" { (line.metric) }
            @for arm in 0..arms {
                td.number.best[line.best == Some(arm)] {
                    (line.values.get(arm).map_or("", String::as_str))
                }
            }
            td {
                span.ratio { (line.ratio) } " "
                span class=(tone(line.tone)) { (line.verdict) }
                @if let Some(reason) = line.reason.as_ref().filter(|_| with_reason) {
                    br;
                    span.small { (reason) }
                }
            }
        }
    }
}

fn tone(tone: Tone) -> &'static str {
    match tone {
        Tone::Decided => "decided",
        Tone::Tie => "tie",
        Tone::Open => "open",
        Tone::Silent => "silent",
    }
}

fn builds(analysis: &Analysis) -> Markup {
    html! {
        section {
            h2 { "Builds" }
            div.scroll {
                table {
                    thead {
                        tr {
                            th scope="col" { "server" }
                            th scope="col" { "language" }
                            th.number scope="col" { "clean build" }
                            th.number scope="col" { "binary" }
                        }
                    }
                    tbody { @for server in &analysis.servers { (build(server)) } }
                }
            }
        }
    }
}

fn build(server: &ServerSummary) -> Markup {
    let build = &server.build;
    let dash = || "–".to_owned();
    let time = build.clean_build_ns.map_or_else(dash, |ns| duet_units::nanoseconds(ns as f64));
    let size = build.binary_bytes.map_or_else(dash, |b| duet_units::bytes(b as f64));
    html! {
        tr {
            th.server scope="row" {
                (build.server)
                div.small { (server.summary) }
                @if server.prints {
                    div.small { "Prints while it serves; its output was thrown away." }
                }
                @if let Some(version) = &build.version { div.small { (version) } }
            }
            td { (server.language) }
            td.number { (time) }
            td.number { (size) }
        }
    }
}

fn how_to_read(analysis: &Analysis) -> Markup {
    html! {
        section {
            h2 { "How to read this" }
            ul {
                @for sentence in words::HOW_TO_READ { li { (sentence) } }
                li { (words::HOW_TO_COMPARE) }
                li {
                    "Service times are those of a closed loop: throughput told in another way, \
                     not what a user waits for. They are in the details and in no headline."
                }
                @for said in loops::explanations(analysis) { li { (said) } }
            }
        }
    }
}

fn warnings(analysis: &Analysis) -> Markup {
    let doubts = doubts::doubts(analysis);
    html! {
        @if !doubts.is_empty() {
            section {
                h2 { "Warnings" }
                ul {
                    @for doubt in doubts {
                        li {
                            @if !doubt.at.is_empty() { strong { (doubt.at.join(", ")) ": " } }
                            (doubt.message)
                            @if let Some(hint) = doubt.hint { div.small { "Hint: " (hint) } }
                        }
                    }
                }
            }
        }
    }
}

fn failures(analysis: &Analysis) -> Markup {
    html! {
        @if !analysis.failures.is_empty() {
            section {
                h2 { "Failures" }
                ul {
                    @for failed in &analysis.failures {
                        li {
                            (doubts::failure(failed))
                            @if !failed.failure.stderr.is_empty() {
                                pre { (failed.failure.stderr.join("\n")) }
                            }
                            div.small { "Hint: " (words::hint(failed.failure.stage)) }
                        }
                    }
                }
            }
        }
    }
}

fn made(analysis: &Analysis) -> Markup {
    html! {
        section {
            h2 { "How it was made" }
            dl {
                @for (name, value) in facts::facts(&analysis.run) {
                    dt { (name) }
                    dd { (value) }
                }
            }
        }
    }
}
