//! What the HTML report says of a cell when its details are opened.

use std::collections::BTreeMap;

use maud::{Markup, PreEscaped, html};

use super::chart;
use super::html::row;
use super::words::{self, HEADLINE};
use crate::analysis::{Analysis, Arm, CellAnalysis, MatchupAnalysis, MetricAnalysis, Who};
use crate::units;

/// A cell's details. `id` is unique within the page.
pub(super) fn details(
    analysis: &Analysis,
    matchup: &MatchupAnalysis,
    cell: &CellAnalysis,
    id: &str,
) -> Markup {
    let arms = &matchup.arms;
    let headline: Vec<&MetricAnalysis> =
        cell.metrics.iter().filter(|m| HEADLINE.contains(&m.metric)).collect();
    let contrasts = chart::contrasts(arms, &headline, &format!("{id}-blocks"));
    let rss = chart::rss_curve(analysis, arms, cell, &format!("{id}-rss"));
    html! {
        details {
            summary { "Details of " (cell.id.workload) }
            p { (cell.question) }
            (metrics(analysis, matchup, cell))
            div.charts {
                @if let Some(svg) = contrasts {
                    figure {
                        (PreEscaped(svg))
                        figcaption { "A dot per block; bar: 95 % interval" }
                    }
                }
                @if let Some(svg) = rss {
                    figure {
                        (PreEscaped(svg))
                        figcaption { "Resident memory over a block, medians over blocks" }
                    }
                }
            }
            dl {
                dt { "windows" }
                dd {
                    @match cell.window_ns {
                        Some(ns) => (units::nanoseconds(ns as f64)),
                        None => "none",
                    }
                }
                dt { "bottleneck" }
                dd { (bottleneck(matchup, cell)) }
                dt { "errors" }
                dd { (errors(matchup, cell)) }
                @for warning in &cell.warnings {
                    dt { "warning" }
                    dd {
                        (warning.message)
                        @if let Some(cure) = &warning.cure { div.small { "Cure: " (cure) } }
                    }
                }
            }
        }
    }
}

/// The metrics that are no headline.
fn metrics(analysis: &Analysis, matchup: &MatchupAnalysis, cell: &CellAnalysis) -> Markup {
    let rest = cell.metrics.iter().filter(|m| !HEADLINE.contains(&m.metric));
    let lines: Vec<_> = rest.map(|m| words::line(&analysis.run, &matchup.arms, m)).collect();
    html! {
        @if !lines.is_empty() {
            table {
                thead {
                    tr {
                        th scope="col" { "further metrics" }
                        @for arm in &matchup.arms { th.number scope="col" { (arm.label) } }
                        th scope="col" { "ratio, verdict" }
                    }
                }
                tbody { @for line in &lines { (row(line, matchup.arms.len())) } }
            }
            p.small {
                "Service time: from send to answer in a closed loop; throughput in other words."
            }
        }
    }
}

/// Who was the bottleneck, with the shares that say so.
fn bottleneck(matchup: &MatchupAnalysis, cell: &CellAnalysis) -> String {
    let who = match cell.bottleneck.who {
        Who::Server => "the server",
        Who::Generator => "the generator: no ratio is printed",
        Who::Latency => "nobody was busy: more connections would bring more",
        Who::Unknown => "unknown",
    };
    let busy = &cell.bottleneck;
    let shares = matchup.arms.iter().zip(busy.server_busy.iter().zip(&busy.generator_busy));
    let shares: Vec<String> = shares
        .map(|(arm, (server, generator))| {
            let (server, generator) = (units::percent(*server), units::percent(*generator));
            format!("{} busy {server}, generator meanwhile {generator}", arm.label)
        })
        .collect();
    if shares.is_empty() { who.to_owned() } else { format!("{who} ({})", shares.join("; ")) }
}

/// Errors by arm and kind.
fn errors(matchup: &MatchupAnalysis, cell: &CellAnalysis) -> String {
    let of_arm = |(arm, errors): (&Arm, &BTreeMap<String, u64>)| {
        let kinds: Vec<String> = errors
            .iter()
            .filter(|(_, n)| **n > 0)
            .map(|(kind, n)| format!("{} {kind}", units::thousands(*n as i64)))
            .collect();
        (!kinds.is_empty()).then(|| format!("{}: {}", arm.label, kinds.join(", ")))
    };
    let said: Vec<String> = matchup.arms.iter().zip(&cell.errors).filter_map(of_arm).collect();
    if said.is_empty() { "none".to_owned() } else { said.join("; ") }
}
