//! What the HTML report says of a cell when its details are opened.

use std::collections::BTreeMap;

use maud::{Markup, PreEscaped, html};

use super::chart;
use super::html::row;
use super::words;
use duet_analysis::{
    Analysis, Arm, Arrivals, CellAnalysis, MatchupAnalysis, MetricAnalysis, OpenAnalysis, OpenArm,
    SearchAnalysis, SearchArm, Who,
};
use duet_units::{CellKind, Loop};

/// A cell's details. `id` is unique within the page.
pub(super) fn details(
    analysis: &Analysis,
    matchup: &MatchupAnalysis,
    cell: &CellAnalysis,
    id: &str,
) -> Markup {
    let arms = &matchup.arms;
    let headline: Vec<&MetricAnalysis> =
        cell.metrics.iter().filter(|m| words::is_headline(cell, m)).collect();
    let log_ratios = chart::log_ratios(arms, &headline, &format!("{id}-blocks"));
    let rss = chart::rss_curve(analysis, arms, cell, &format!("{id}-rss"));
    html! {
        details {
            summary { "Details of " (cell.id.workload) }
            p { (cell.question) }
            (metrics(analysis, matchup, cell))
            div.charts {
                @if let Some(svg) = log_ratios {
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
                @if cell.kind() != CellKind::Servers(Loop::Search) {
                    dt { "windows" }
                    dd {
                        @match cell.window_ns {
                            Some(ns) => (duet_units::nanoseconds(ns as f64)),
                            None => "none",
                        }
                    }
                }
                @if let Some(open) = &cell.open {
                    dt { "open loop" }
                    dd { (open_loop(matchup, open)) }
                }
                @if let Some(found) = &cell.search {
                    dt { "searches" }
                    dd { (searches(matchup, found, cell.blocks)) }
                }
                dt { "bottleneck" }
                dd { (bottleneck(matchup, cell)) }
                dt { "errors" }
                dd { (errors(matchup, cell)) }
                @for warning in &cell.warnings {
                    dt { "warning" }
                    dd {
                        (warning.message)
                        @if let Some(hint) = &warning.hint { div.small { "Hint: " (hint) } }
                    }
                }
            }
        }
    }
}

/// The metrics that are no headline.
fn metrics(analysis: &Analysis, matchup: &MatchupAnalysis, cell: &CellAnalysis) -> Markup {
    let rest = cell.metrics.iter().filter(|m| !words::is_headline(cell, m));
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
                tbody { @for line in &lines { (row(line, matchup.arms.len(), true)) } }
            }
            @if cell.kind() == CellKind::Servers(Loop::Closed) {
                p.small {
                    "Service time: from send to answer in a closed loop; throughput in other words."
                }
            }
        }
    }
}

/// When requests were due, and how they were sent.
fn open_loop(matchup: &MatchupAnalysis, open: &OpenAnalysis) -> String {
    let thousands = |n: u64| duet_units::thousands(n as i64);
    let arrivals = match open.arrivals {
        Arrivals::Uniform => "at equal distances",
        Arrivals::Poisson => "at random (Poisson)",
    };
    let capacity = open.capacity_per_second.map_or_else(String::new, |capacity| {
        format!("; the slower arm answers {} a second in a closed loop", thousands(capacity))
    });
    let of_arm = |(arm, sent): (&Arm, &OpenArm)| {
        let time = duet_units::nanoseconds;
        format!(
            "{}: {} requests, {} sent late, {} never; 99 % of them sent within {}, of which the \
             generator's own lag is {}; answered within {} of sending",
            arm.label,
            thousands(sent.planned),
            thousands(sent.sent_late),
            thousands(sent.never_sent),
            time(sent.send_lag_ns_p99),
            time(sent.own_lag_ns_p99),
            time(sent.service_time_ns_p99)
        )
    };
    let arms: Vec<String> = matchup.arms.iter().zip(&open.arms).map(of_arm).collect();
    format!(
        "{} requests a second, {arrivals}, the same for all arms{capacity}. {}",
        thousands(open.rate_per_second),
        arms.join(". ")
    )
}

/// What the searches found.
fn searches(matchup: &MatchupAnalysis, found: &SearchAnalysis, blocks: u32) -> String {
    let rate = |rate: Option<f64>| rate.map_or_else(|| "nothing".to_owned(), duet_units::rate);
    let of_arm = |(arm, search): (&Arm, &SearchArm)| {
        let lag = search.own_lag_ns_p99.map_or_else(String::new, |ns| {
            format!("; there the generator's own lag was {} (99 %)", duet_units::nanoseconds(ns))
        });
        format!(
            "{}: {} requests a second held and {} failed twice (medians), found in {} of {} by {} \
             probes{lag}",
            arm.label,
            rate(search.held_per_second),
            rate(search.failed_per_second),
            search.found,
            duet_units::count(blocks as usize, "block"),
            duet_units::thousands(search.probes as i64)
        )
    };
    let arms: Vec<String> = matchup.arms.iter().zip(&found.arms).map(of_arm).collect();
    format!("{}. {}", found.limit, arms.join(". "))
}

/// Who was the bottleneck, with the shares that say so.
fn bottleneck(matchup: &MatchupAnalysis, cell: &CellAnalysis) -> String {
    let who = match cell.bottleneck.who {
        Who::Server if cell.open.is_some() => "a server: it could not hold the rate",
        Who::Server => "the server",
        Who::Generator => "the generator: no ratio is printed",
        Who::Latency => "nobody was busy: more connections would bring more",
        Who::Rate => "none: the rate was given, and held",
        Who::Unknown => "unknown",
    };
    let busy = &cell.bottleneck;
    let shares = matchup.arms.iter().zip(busy.server_busy.iter().zip(&busy.generator_busy));
    let shares: Vec<String> = shares
        .map(|(arm, (server, generator))| {
            let (server, generator) =
                (duet_units::percent(*server), duet_units::percent(*generator));
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
            .map(|(kind, n)| format!("{} {kind}", duet_units::thousands(*n as i64)))
            .collect();
        (!kinds.is_empty()).then(|| format!("{}: {}", arm.label, kinds.join(", ")))
    };
    let said: Vec<String> = matchup.arms.iter().zip(&cell.errors).filter_map(of_arm).collect();
    if said.is_empty() { "none".to_owned() } else { said.join("; ") }
}
