//! The answer first: what a matchup found, in one sentence.

use std::collections::BTreeSet;

use super::wording::{self, OrientedRatio, label};
use duet_analysis::verdict::Verdict;
use duet_analysis::{Analysis, CellAnalysis, MatchupAnalysis};
use duet_units::Metric;

/// The answer of a matchup in one sentence, without its name.
pub(super) fn headline(analysis: &Analysis, matchup: &MatchupAnalysis) -> String {
    let Some((basis, found)) = basis(matchup) else {
        let said = latency_headline(analysis, matchup);
        if let Some(said) = said.or_else(|| search_headline(analysis, matchup)) {
            return said;
        }
        let first = matchup.cells.first().map(|cell| wording::silence(analysis, matchup, cell));
        return first.unwrap_or_else(|| "not measured".to_owned());
    };
    if matchup.programs {
        return program_headline(analysis, matchup, &basis, &found);
    }
    let Some((_, speed, verdict)) = of(&found, Metric::RequestsPerSecond) else {
        return format!("no ratio of requests per second {basis}");
    };
    if matchup.control {
        return control_headline(speed, *verdict, &basis);
    }
    let subject = subject(speed, *verdict);
    let (this, other) = (label(&matchup.arms, subject), label(&matchup.arms, 1 - subject));
    let text = speed.text();
    let head = match verdict {
        Verdict::Faster | Verdict::Slower => format!("{this} is slower than {other} by {text}"),
        Verdict::Tie => format!("{this} is as fast as {other} ({text}, a tie)"),
        Verdict::Inconclusive if speed.interval.is_none() || !analysis.run.verdicts => {
            format!("{this} was slower than {other} by {text} (n = {}, no verdict)", speed.n)
        }
        Verdict::Inconclusive => {
            format!("{this} may or may not be slower than {other} ({text}, inconclusive)")
        }
    };
    let rest = shares(&found, subject, (Metric::CpuNsPerRequest, "CPU per request"));
    format!("{head}{rest} {basis}")
}

/// The answer of a matchup that was measured in open loops alone: the one nearest to half of the
/// capacity stands for them, where servers are busy and not yet crowded.
fn latency_headline(analysis: &Analysis, matchup: &MatchupAnalysis) -> Option<String> {
    let found = matchup.cells.iter().filter_map(|cell| {
        let found = cell.metrics.iter().find(|m| m.metric == Metric::LatencyNsP99)?;
        let share = cell.open.as_ref()?.rate_share.unwrap_or(0.5);
        Some((share, cell, found, wording::oriented_ratio(found.ratio.as_ref()?)?))
    });
    let (_, cell, found, ratio) =
        found.min_by(|a, b| (a.0 - 0.5).abs().total_cmp(&(b.0 - 0.5).abs()))?;
    let value = |arm: usize| found.arms.get(arm).map_or(0.0, |e| e.value);
    let (worse, better) = (ratio.worse, 1 - ratio.worse);
    let end = end(analysis, found.verdict, &ratio);
    Some(format!(
        "{} responds to 99 % of requests within {}, {} within {} ({}{end}; {}, {})",
        label(&matchup.arms, better),
        duet_units::nanoseconds(value(better)),
        label(&matchup.arms, worse),
        duet_units::nanoseconds(value(worse)),
        ratio.text(),
        cell.id.workload,
        cell.load
    ))
}

/// The answer of a matchup that was measured by searches alone: its first cell's.
fn search_headline(analysis: &Analysis, matchup: &MatchupAnalysis) -> Option<String> {
    let found = matchup.cells.iter().find_map(|cell| {
        let found = cell.metrics.iter().find(|m| m.metric == Metric::RateWithinPerSecond)?;
        Some((cell, found, wording::oriented_ratio(found.ratio.as_ref()?)?))
    });
    let (cell, found, ratio) = found?;
    let value = |arm: usize| found.arms.get(arm).map_or(0.0, |e| e.value);
    let (worse, better) = (ratio.worse, 1 - ratio.worse);
    Some(format!(
        "{} holds {} requests per second, {} {} ({}{}; {}, {})",
        label(&matchup.arms, better),
        duet_units::rate(value(better)),
        label(&matchup.arms, worse),
        duet_units::rate(value(worse)),
        ratio.text(),
        end(analysis, found.verdict, &ratio),
        cell.id.workload,
        cell.load
    ))
}

/// What is said behind a ratio of which the verdict says nothing.
fn end(analysis: &Analysis, verdict: Verdict, ratio: &OrientedRatio) -> &'static str {
    match verdict {
        Verdict::Faster | Verdict::Slower => "",
        Verdict::Tie => ", a tie",
        Verdict::Inconclusive if ratio.interval.is_none() || !analysis.run.verdicts => {
            ", no verdict"
        }
        Verdict::Inconclusive => ", inconclusive",
    }
}

/// The answer of a matchup of programs.
fn program_headline(
    analysis: &Analysis,
    matchup: &MatchupAnalysis,
    basis: &str,
    found: &[Found],
) -> String {
    let Some((_, time, verdict)) = of(found, Metric::ElapsedNs) else {
        return format!("no ratio of elapsed times {basis}");
    };
    let subject = subject(time, *verdict);
    let (this, other) = (label(&matchup.arms, subject), label(&matchup.arms, 1 - subject));
    let text = time.text();
    let head = match verdict {
        Verdict::Faster | Verdict::Slower => format!("{this} takes {text} the time of {other}"),
        Verdict::Tie => format!("{this} takes as long as {other} ({text}, a tie)"),
        Verdict::Inconclusive if time.interval.is_none() || !analysis.run.verdicts => {
            format!("{this} took {text} the time of {other} (n = {}, no verdict)", time.n)
        }
        Verdict::Inconclusive => {
            format!("{this} may or may not take longer than {other} ({text}, inconclusive)")
        }
    };
    let rest = shares(found, subject, (Metric::CpuNs, "CPU time"));
    format!("{head}{rest} {basis}")
}

/// The arm that a headline speaks of: the slower one, or of equal ones the one that seems so.
fn subject(time: &OrientedRatio, verdict: Verdict) -> usize {
    match verdict {
        Verdict::Faster => 0,
        Verdict::Slower => 1,
        Verdict::Tie | Verdict::Inconclusive => time.worse,
    }
}

/// What the subject of a headline needs of CPU and memory: `, with 2.1× the CPU time and ...`.
fn shares(found: &[Found], subject: usize, cpu: (Metric, &str)) -> String {
    let shares: Vec<String> = [cpu, (Metric::RssBytesPeak, "peak memory")]
        .into_iter()
        .filter_map(|(metric, noun)| {
            let (_, ratio, verdict) = of(found, metric)?;
            Some(share_of(ratio, *verdict, subject, noun))
        })
        .collect();
    if shares.is_empty() { String::new() } else { format!(", with {}", shares.join(" and ")) }
}

/// What the subject of a headline needs of `noun`, as a multiple of what the other arm needs.
fn share_of(ratio: &OrientedRatio, verdict: Verdict, subject: usize, noun: &str) -> String {
    let share = if ratio.worse == subject { ratio.value } else { 1.0 / ratio.value };
    match verdict {
        Verdict::Tie => format!("equal {noun}"),
        Verdict::Inconclusive if ratio.interval.is_some() => format!("{noun} undecided"),
        _ => format!("{} the {noun}", duet_units::ratio(share)),
    }
}

/// The answer of an A/A matchup.
fn control_headline(speed: &OrientedRatio, verdict: Verdict, basis: &str) -> String {
    let end = match verdict {
        _ if speed.interval.is_none() => "too few blocks to say more",
        Verdict::Tie => "a tie, as it must be",
        Verdict::Inconclusive => "no difference found, as it must be",
        Verdict::Faster | Verdict::Slower => {
            "a difference where there is none: distrust others of this size"
        }
    };
    format!("requests per second differ by {}: {end} {basis}", speed.text())
}

/// A metric's ratio and its verdict.
type Found = (Metric, OrientedRatio, Verdict);

fn of(found: &[Found], metric: Metric) -> Option<&Found> {
    found.iter().find(|(m, ..)| *m == metric)
}

/// What a headline rests on: the geometric means, or the only cell with a ratio.
fn basis(matchup: &MatchupAnalysis) -> Option<(String, Vec<Found>)> {
    if let Some(first) = matchup.means.first() {
        let loads: BTreeSet<&str> = matchup.cells.iter().map(|c| c.id.load.as_str()).collect();
        let noun = match loads.len() {
            1 if matchup.programs => "programs",
            1 => "workloads",
            _ => "cells",
        };
        let found = matchup.means.iter();
        let found = found
            .filter_map(|m| Some((m.metric, wording::oriented_ratio(&m.ratio)?, m.verdict)))
            .collect();
        return Some((format!("(geometric mean of {} {noun})", first.cells.len()), found));
    }
    let metric = wording::speed(matchup);
    let speed =
        |c: &&CellAnalysis| c.metrics.iter().any(|m| m.metric == metric && m.ratio.is_some());
    let cell = matchup.cells.iter().find(speed)?;
    let found = cell.metrics.iter();
    let found = found
        .filter_map(|m| Some((m.metric, wording::oriented_ratio(m.ratio.as_ref()?)?, m.verdict)))
        .collect();
    Some((format!("({}, {})", cell.id.workload, cell.load), found))
}
