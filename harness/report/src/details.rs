//! What the HTML report says of a cell when its details are opened.

use std::collections::BTreeMap;

use super::chart;
use super::document::{Block, Emphasis, Fold, Table};
use super::parts::{columns, figure_of, group};
use super::wording;
use duet_analysis::{
    Analysis, Arm, Arrivals, CellAnalysis, Estimate, MatchupAnalysis, MemorySearchAnalysis,
    MemorySearchArm, MetricAnalysis, OpenAnalysis, OpenArm, SearchAnalysis, SearchArm, Switching,
    Who,
};
use duet_units::{CellKind, Loop};

/// A cell's details.
pub(super) fn details(analysis: &Analysis, matchup: &MatchupAnalysis, cell: &CellAnalysis) -> Fold {
    let (headline, further): (Vec<&MetricAnalysis>, Vec<&MetricAnalysis>) =
        cell.metrics.iter().partition(|m| wording::is_headline(cell, m));
    let log_ratios = chart::log_ratios(&matchup.arms, &headline);
    let rss = chart::rss_curve(analysis, &matchup.arms, cell);
    let charts = [
        (log_ratios, "A dot per block; bar: 95 % interval"),
        (rss, "Resident memory over a block, medians over blocks"),
    ];
    let charts = charts.into_iter().filter_map(|(picture, caption)| {
        Some(Block::Figure(figure_of(None, &picture?, None, caption)))
    });
    let mut blocks = vec![Block::paragraph(&cell.question, Emphasis::Plain)];
    blocks.extend(charts);
    blocks.extend(metrics(analysis, matchup, cell, &further));
    blocks.push(Block::facts(facts(matchup, cell)));
    Fold { summary: format!("Details of {}", cell.id.workload), blocks }
}

fn facts(matchup: &MatchupAnalysis, cell: &CellAnalysis) -> Vec<(&'static str, String)> {
    let mut facts = vec![];
    let probed = [Loop::Search, Loop::MemorySearch].map(CellKind::Servers);
    if !probed.contains(&cell.kind()) {
        let windows = cell.window_ns.map(|ns| duet_units::nanoseconds(ns as f64));
        facts.push(("windows", windows.unwrap_or_else(|| "none".to_owned())));
    }
    facts.extend(cell.open.as_ref().map(|open| ("open loop", open_loop(matchup, open))));
    let found = cell.search.as_ref();
    facts.extend(found.map(|found| ("searches", searches(matchup, found, cell.blocks))));
    let found = cell.memory_search.as_ref();
    facts.extend(found.map(|found| ("searches", memory_searches(matchup, found, cell.blocks))));
    facts.push(("bottleneck", bottleneck(matchup, cell)));
    let switched = cell.switching.as_ref();
    facts.extend(switched.map(|switched| ("switching", switching(matchup, switched))));
    facts.push(("errors", errors(matchup, cell)));
    for warning in &cell.warnings {
        let hint = warning.hint.as_ref().map_or_else(String::new, |hint| format!(" Hint: {hint}"));
        facts.push(("warning", format!("{}.{hint}", warning.message)));
    }
    facts
}

/// The metrics that are no headline.
fn metrics(
    analysis: &Analysis,
    matchup: &MatchupAnalysis,
    cell: &CellAnalysis,
    further: &[&MetricAnalysis],
) -> Vec<Block> {
    if further.is_empty() {
        return vec![];
    }
    let (run, arms) = (&analysis.run, &matchup.arms);
    let rows = further.iter().map(|m| wording::row(run, arms, m));
    let groups = vec![group("", "", &rows.collect::<Vec<_>>(), arms.len())];
    let columns = columns(arms, "further metrics");
    let table = Table { columns, groups, ..Table::default() };
    let closed = (cell.kind() == CellKind::Servers(Loop::Closed)).then(|| {
        let said = "Service time: from sending a request to its whole response in a closed loop; \
                    throughput told in another way, not what a user waits for.";
        Block::paragraph(said, Emphasis::Quiet)
    });
    [Block::Table(table)].into_iter().chain(closed).collect()
}

/// When requests were due, and how they were sent.
fn open_loop(matchup: &MatchupAnalysis, open: &OpenAnalysis) -> String {
    let thousands = |n: u64| duet_units::thousands(n as i64);
    let arrivals = match open.arrivals {
        Arrivals::Uniform => "at equal distances",
        Arrivals::Poisson => "at random (Poisson)",
    };
    let capacity = open.capacity_per_second.map_or_else(String::new, |capacity| {
        format!("; the slower arm does {} a second in a closed loop", thousands(capacity))
    });
    let of_arm = |(arm, sent): (&Arm, &OpenArm)| {
        let time = duet_units::nanoseconds;
        format!(
            "{}: {} requests, {} sent late, {} unsent; 99 % of them sent within {}, of which the \
             generator lag is {}; whole responses within {} of sending",
            arm.label,
            thousands(sent.planned),
            thousands(sent.sent_late),
            thousands(sent.unsent),
            time(sent.send_lag_ns_p99),
            time(sent.generator_lag_ns_p99),
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

/// What searches for the smallest memory limit came to.
fn memory_searches(matchup: &MatchupAnalysis, found: &MemorySearchAnalysis, blocks: u32) -> String {
    let bytes = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), duet_units::bytes);
    let of_arm = |(arm, of): (&Arm, &MemorySearchArm)| {
        format!(
            "{}: {} of {blocks} found, {} held and {} did not, {} with {} for want of memory",
            arm.label,
            of.found,
            bytes(of.held_bytes),
            bytes(of.failed_bytes),
            duet_units::count(of.probes as usize, "probe"),
            duet_units::count(of.oom_kills as usize, "kill")
        )
    };
    let arms: Vec<String> = matchup.arms.iter().zip(&found.arms).map(of_arm).collect();
    format!(
        "limits from {} to {}. {}",
        duet_units::bytes(found.least_bytes as f64),
        duet_units::bytes(found.most_bytes as f64),
        arms.join(". ")
    )
}

/// How many windows hold a stall of the machine; absent where none does.
pub(super) fn stalls_of_arms(arms: &[Arm], open: &OpenAnalysis) -> Option<String> {
    let share = |sent: &OpenArm| sent.windows_stalled as f64 / sent.windows.max(1) as f64;
    let told = arms.iter().zip(&open.arms).map(|(arm, sent)| {
        format!("{} of {}'s windows", duet_units::percent(share(sent)), arm.label)
    });
    let any = open.arms.iter().any(|sent| sent.windows_stalled > 0);
    let told = any.then(|| told.collect::<Vec<_>>().join(", "))?;
    Some(format!("stalls of the machine (the generator over 5 ms late): in {told}"))
}

/// What the searches found.
fn searches(matchup: &MatchupAnalysis, found: &SearchAnalysis, blocks: u32) -> String {
    let rate = |rate: Option<f64>| rate.map_or_else(|| "nothing".to_owned(), duet_units::rate);
    let of_arm = |(arm, search): (&Arm, &SearchArm)| {
        let lag = search.generator_lag_ns_p99.map_or_else(String::new, |ns| {
            format!("; there the generator lag was {} (99 %)", duet_units::nanoseconds(ns))
        });
        let lift = search.lift.map_or_else(String::new, |lift| {
            format!("; lift of the search {:+.1} %", (lift - 1.0) * 100.0)
        });
        format!(
            "{}: {} requests a second held and {} failed (medians), found in {} of {} by {} \
             probes{lag}{lift}",
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
        Who::Generator => "the generator: rates and response times have no ratio",
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

/// What it costs the arms that the window before was of the other one.
fn switching(matchup: &MatchupAnalysis, found: &Switching) -> String {
    let change = |of: &Estimate| {
        let percent = |ratio: f64| format!("{:+.1} %", (ratio - 1.0) * 100.0);
        let interval = of.interval.map_or_else(String::new, |interval| {
            format!(" [{}, {}]", percent(interval.low), percent(interval.high))
        });
        format!("{}{interval}", percent(of.value))
    };
    let arms = matchup.arms.iter().zip(&found.cold_over_warm);
    let arms: Vec<String> =
        arms.map(|(arm, cost)| format!("{} {}", arm.label, change(cost))).collect();
    format!(
        "CPU per request in windows after the other arm's, against those after its own: {}; \
         difference {}",
        arms.join(", "),
        change(&found.difference)
    )
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
