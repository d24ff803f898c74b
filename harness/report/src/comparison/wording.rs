//! What is said of a comparison, wherever it is shown.

use crate::document::Emphasis;
use crate::warnings::failure;
use duet_analysis::Warning;
use duet_analysis::comparison::{
    CheckedBudget, ComparedCell, ComparedMetric, Comparison, GateVerdict, Gated, Outcome,
    PassLabel, Quantity, Question, State, Unjudged,
};
use duet_analysis::verdict::Verdict;

/// How the signs are meant.
pub(super) const SIGNS: &str = "Changes are signed so that + is worse for the head: fewer requests \
    per second, more time, more memory. The interval covers the true change with 95 %. PASS and \
    REGRESSED are each wrong with at most the gate's alpha. Margin: how much worse is still \
    accepted. Floor: what whole runs of equal versions spread on this machine, which is allowed \
    on top of the margin (`duet aa`). Finds: the smallest change that so many blocks would show, \
    four times in five.";

/// The heads of a table's columns, without the verdict's.
pub(super) const HEADINGS: [&str; 8] =
    ["", "base", "head", "change", "95 % interval", "margin", "floor", "finds"];

/// A row of a cell's table.
pub(super) struct Row {
    pub(super) metric: String,
    pub(super) base: String,
    pub(super) head: String,
    pub(super) change: String,
    pub(super) interval: String,
    pub(super) margin: String,
    pub(super) floor: String,
    pub(super) finds: String,
    pub(super) verdict: String,
    pub(super) emphasis: Emphasis,
}

/// One line that says what happened and how sure it is.
pub(super) fn headline(comparison: &Comparison) -> String {
    if let Some(signal) = comparison.run.interrupted {
        return format!(
            "Interrupted by signal {signal}; what was measured is kept, and the same command goes \
             on with it."
        );
    }
    match comparison.outcome {
        Outcome::BaseFailed => match comparison.failures.first() {
            Some(failed) => format!(
                "BASE FAILED: {}. The head did not, but there is nothing to compare it with",
                failure(failed)
            ),
            None => "BASE FAILED".to_owned(),
        },
        Outcome::Failed => match comparison.failures.first() {
            Some(failed) => format!("FAILED: {}", failure(failed)),
            None => "FAILED: a server could not be measured".to_owned(),
        },
        Outcome::Unmeasured => format!("COULD NOT MEASURE: {}", unmeasured(comparison)),
        Outcome::Regressed => format!("REGRESSED: {}", regressions(comparison).join("; ")),
        Outcome::Inconclusive => format!("INCONCLUSIVE: {}", doubtful(comparison)),
        Outcome::Pass => pass(comparison),
        Outcome::Compared => compared(comparison),
    }
}

fn pass(comparison: &Comparison) -> String {
    let all_identical = comparison.cells.iter().any(|cell| cell.state == State::Identical)
        && comparison.cells.iter().all(|cell| matches!(cell.state, State::Identical | State::New));
    if all_identical {
        return "PASS: base and head are the same, so there is nothing to measure.".to_owned();
    }
    let gated = gated(comparison).count();
    let blocks: Vec<u32> =
        comparison.cells.iter().filter(|c| c.blocks > 0).map(|cell| cell.blocks).collect();
    let blocks = match (blocks.iter().min(), blocks.iter().max()) {
        (Some(least), Some(most)) if least == most => duet_units::count(*least as usize, "block"),
        (Some(least), Some(most)) => format!("{least} to {most} blocks"),
        _ => "no block".to_owned(),
    };
    format!(
        "PASS: none of {} is worse by its margin or more, after {blocks}.",
        duet_units::count(gated, "gated metric")
    )
}

fn compared(comparison: &Comparison) -> String {
    let name = |cell: &ComparedCell| {
        let same = |other: &&ComparedCell| other.id.workload == cell.id.workload;
        match comparison.cells.iter().filter(same).count() {
            1 => cell.id.workload.clone(),
            _ => format!("{}/{}", cell.id.workload, cell.id.load),
        }
    };
    let of_cell = |cell: &ComparedCell| {
        if matches!(cell.state, State::Unmeasured(_)) {
            return Some(format!("{}: not measured", name(cell)));
        }
        let metric = cell.metrics.first()?;
        Some(format!(
            "{}: {} {}{}",
            name(cell),
            metric.metric.label(),
            change_words(metric),
            match metric.verdict {
                Verdict::Inconclusive => ", inconclusive",
                Verdict::Tie => ", a tie",
                _ => "",
            }
        ))
    };
    let cells: Vec<String> = comparison.cells.iter().filter_map(of_cell).collect();
    let question = match comparison.question {
        Question::Null => "One version against itself",
        _ => "Head against base",
    };
    format!("{question}: {}.", cells.join("; "))
}

/// `5.2 % worse [+4.8, +5.7 %]`.
pub(super) fn change_words(metric: &ComparedMetric) -> String {
    let change = metric.change();
    let interval = interval(metric);
    let interval = if interval.is_empty() { interval } else { format!(" [{interval}]") };
    let percent = duet_units::percent(change.abs());
    match change {
        _ if signed(change) == "0 %" => format!("no change{interval}"),
        change if change < 0.0 => format!("{percent} better{interval}"),
        _ => format!("{percent} worse{interval}"),
    }
}

/// What regressed, the worst beyond its margin first.
pub(super) fn regressions(comparison: &Comparison) -> Vec<String> {
    let mut found: Vec<(f64, String)> = regressed(comparison)
        .map(|(cell, metric, gated)| {
            let second = gated.confirmation.as_ref().and_then(|second| second.estimate);
            let second = second.map_or_else(String::new, |second| {
                format!(", confirmed by a second experiment ({})", signed(second.exp_m1()))
            });
            let words = format!(
                "{} {} {}, margin {}{second}",
                cell.id,
                metric.metric.label(),
                change_words(metric),
                duet_units::percent(gated.judgement.margin.exp_m1()),
            );
            (metric.estimate - gated.judgement.margin, words)
        })
        .collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    let missing = comparison.cells.iter().filter(|cell| cell.state == State::Missing);
    let missing = missing.map(|cell| format!("{} is gone from the head", cell.id));
    let broken = comparison.budgets.iter().filter(|budget| budget.kept == Some(false));
    let broken = broken.map(|budget| self::budget(budget).1);
    found.into_iter().map(|(_, words)| words).chain(missing).chain(broken).collect()
}

/// The gated metrics that regressed.
pub(super) fn regressed(
    comparison: &Comparison,
) -> impl Iterator<Item = (&ComparedCell, &ComparedMetric, &Gated)> {
    gated(comparison).filter(|(_, _, g)| g.judgement.verdict == GateVerdict::Regressed)
}

pub(super) fn gated(
    comparison: &Comparison,
) -> impl Iterator<Item = (&ComparedCell, &ComparedMetric, &Gated)> {
    comparison.cells.iter().flat_map(|cell| {
        cell.metrics.iter().filter_map(move |m| Some((cell, m, m.gated.as_ref()?)))
    })
}

fn doubtful(comparison: &Comparison) -> String {
    let open =
        gated(comparison).filter(|(_, _, g)| g.judgement.verdict == GateVerdict::Inconclusive);
    let open: Vec<String> = open
        .map(|(cell, metric, gated)| {
            let reason = gated.judgement.reason.as_deref().unwrap_or("not sure");
            format!("{} {}: {reason}", cell.id, metric.metric.label())
        })
        .collect();
    let unjudged = comparison
        .cells
        .iter()
        .flat_map(|cell| cell.unjudged.iter().map(move |u| format!("{} {}", cell.id, unjudged(u))));
    let budgets = comparison.budgets.iter().filter(|budget| budget.kept.is_none());
    let uncompared = comparison
        .cells
        .iter()
        .filter(|cell| matches!(cell.state, State::Changed | State::New))
        .map(|cell| format!("{}: {}", cell.id, state(cell)));
    let mut all: Vec<String> =
        open.into_iter().chain(unjudged).chain(budgets.map(|b| budget(b).1)).collect();
    all.extend(uncompared);
    match &all[..] {
        [] => "nothing was compared.".to_owned(),
        [one] => format!("{one}."),
        [first, rest @ ..] => format!("{first}; and {} more.", rest.len()),
    }
}

fn unmeasured(comparison: &Comparison) -> String {
    let reason = comparison.cells.iter().find_map(|cell| match &cell.state {
        State::Unmeasured(reason) => Some(format!("{}: {reason}", cell.id)),
        _ => None,
    });
    reason.unwrap_or_else(|| "there was nothing to measure".to_owned())
}

/// What the comparison is of.
pub(super) fn about(comparison: &Comparison) -> Vec<(&'static str, String)> {
    let version = |version: &duet_analysis::comparison::Version| {
        let dirty = if version.dirty { ", with uncommitted changes" } else { "" };
        let commit = version.commit.as_deref().map(|c| format!("  {c}{dirty}")).unwrap_or_default();
        format!("{}{commit}", version.given)
    };
    let run = &comparison.run;
    let machine = &run.machine;
    let elapsed = run.elapsed_ns.map(|ns| duet_units::minutes(ns / 1_000_000_000));
    let second = comparison.confirmation.as_ref().and_then(|run| run.elapsed_ns);
    let second =
        second.map(|ns| format!(", {} to confirm", duet_units::minutes(ns / 1_000_000_000)));
    let mut about = vec![("base", version(&comparison.base)), ("head", version(&comparison.head))];
    about.push((
        "took",
        format!(
            "{}{} on {} ({}), seed {}",
            elapsed.unwrap_or_else(|| "killed".to_owned()),
            second.unwrap_or_default(),
            machine.cpu,
            duet_units::count(machine.cpus, "CPU"),
            run.seed
        ),
    ));
    about
}

/// A cell's state, behind its name.
pub(super) fn state(cell: &ComparedCell) -> String {
    match &cell.state {
        State::Measured => {
            format!("{}, {}", cell.load, duet_units::count(cell.blocks as usize, "block"))
        }
        State::Identical => "the same in both versions: nothing to measure".to_owned(),
        State::Missing => "the head does not have it: a guard is gone. Take it out of the gate if \
                           that is meant"
            .to_owned(),
        State::Changed => {
            "not compared: the versions define its requests or responses differently".to_owned()
        }
        State::New => "new: the base does not have it, so there is nothing to compare".to_owned(),
        State::Failed => "failed".to_owned(),
        State::Unmeasured(reason) => format!("not measured: {reason}"),
    }
}

/// A metric's row.
pub(super) fn row(metric: &ComparedMetric) -> Row {
    let judgement = metric.gated.as_ref().map(|gated| &gated.judgement);
    let (verdict, emphasis) = match &metric.gated {
        Some(gated) => gated_verdict(gated),
        None => (plain_verdict(metric.verdict).to_owned(), Emphasis::Quiet),
    };
    let floor = judgement.and_then(|judgement| judgement.floor);
    Row {
        metric: metric.metric.label().to_owned(),
        base: metric.metric.format(metric.base.value),
        head: metric.metric.format(metric.head.value),
        change: signed(metric.change()),
        interval: interval(metric),
        margin: judgement.map_or_else(String::new, |j| duet_units::percent(j.margin.exp_m1())),
        floor: floor.map_or_else(String::new, |f| duet_units::percent(f.nu.exp_m1())),
        finds: metric
            .smallest_detectable
            .map_or_else(String::new, |d| duet_units::percent(d.exp_m1())),
        verdict,
        emphasis,
    }
}

/// What is said below a cell's table.
pub(super) fn notes(cell: &ComparedCell) -> Vec<String> {
    let mut notes = reasons(cell);
    notes.extend(cell.unjudged.iter().map(unjudged));
    for metric in &cell.metrics {
        if let Some(waiver) = metric.gated.as_ref().and_then(|gated| gated.waiver.as_ref()) {
            let label = metric.metric.label();
            notes.push(format!("{label}: waived until {}: {}", waiver.expires, waiver.reason));
        }
    }
    let others: Vec<String> = cell
        .metrics
        .iter()
        .filter_map(|metric| Some((metric.metric.label(), metric.q?)))
        .map(|(label, q)| format!("{label} ({})", adjusted(q)))
        .collect();
    if !others.is_empty() {
        notes.push(format!("not gated: {}", others.join("; ")));
    }
    notes
}

/// An adjusted p value: `q = 0.041`.
pub(super) fn adjusted(q: f64) -> String {
    if q < 0.001 { "q < 0.001".to_owned() } else { format!("q = {q:.3}") }
}

/// A gated metric that could not be judged, and why.
pub(super) fn unjudged(unjudged: &Unjudged) -> String {
    format!("{}: not judged: {}", unjudged.metric.label(), unjudged.reason)
}

/// Why verdicts are inconclusive. What holds for all metrics is said once.
fn reasons(cell: &ComparedCell) -> Vec<String> {
    let reason = |metric: &'_ ComparedMetric| match &metric.gated {
        Some(gated) => gated.judgement.reason.clone(),
        None => metric.reason.clone().filter(|_| metric.q.is_none()),
    };
    let reasons: Vec<Option<String>> = cell.metrics.iter().map(reason).collect();
    if let [Some(first), others @ ..] = &reasons[..]
        && !others.is_empty()
        && others.iter().all(|other| other.as_ref() == Some(first))
    {
        return vec![first.clone()];
    }
    let with_label = |(metric, reason): (&ComparedMetric, Option<String>)| {
        reason.map(|reason| format!("{}: {reason}", metric.metric.label()))
    };
    cell.metrics.iter().zip(reasons).filter_map(with_label).collect()
}

fn gated_verdict(gated: &Gated) -> (String, Emphasis) {
    let judgement = &gated.judgement;
    match judgement.verdict {
        GateVerdict::Regressed => ("REGRESSED".to_owned(), Emphasis::Bad),
        GateVerdict::Inconclusive => ("INCONCLUSIVE".to_owned(), Emphasis::Open),
        GateVerdict::Pass => {
            let label = match judgement.label {
                Some(PassLabel::Improved) => ", better",
                Some(PassLabel::Same) => ", same",
                Some(PassLabel::SmallRegression) => ", worse",
                Some(PassLabel::NotWorse) | None => "",
            };
            (format!("PASS{label}"), Emphasis::Good)
        }
    }
}

fn plain_verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Faster => "better",
        Verdict::Slower => "worse",
        Verdict::Tie => "tie",
        Verdict::Inconclusive => "inconclusive",
    }
}

/// A change with its sign: `+5.2 %`.
pub(super) fn signed(change: f64) -> String {
    let percent = duet_units::percent(change.abs());
    match change {
        _ if percent.starts_with("0 ") || percent.starts_with("0.0 ") => "0 %".to_owned(),
        change if change < 0.0 => format!("−{percent}"),
        _ => format!("+{percent}"),
    }
}

fn interval(metric: &ComparedMetric) -> String {
    match metric.interval {
        // The sign of per cent once, behind both.
        Some(i) => {
            let (low, high) = (signed(i.low.exp_m1()), signed(i.high.exp_m1()));
            format!("{} to {high}", low.trim_end_matches(" %"))
        }
        None => String::new(),
    }
}

/// A budget in words.
pub(super) fn budget(budget: &CheckedBudget) -> (Emphasis, String) {
    let format = |value: f64| match budget.budget.quantity {
        Quantity::ErrorRate => duet_units::percent(value),
        Quantity::Metric(metric) => metric.format(value),
    };
    let value = budget.value.map_or_else(|| "not measured".to_owned(), format);
    let (emphasis, word) = match budget.kept {
        Some(true) => (Emphasis::Good, "kept"),
        Some(false) => (Emphasis::Bad, "broken"),
        None => (Emphasis::Open, "not sure"),
    };
    (
        emphasis,
        format!("{} budget {}: {word}, the head has {value}", budget.cell, budget.budget.text),
    )
}

/// The comparison's own warnings.
pub(super) fn warnings(comparison: &Comparison) -> Vec<Warning> {
    let uncalibrated = gated(comparison).filter(|(_, _, g)| g.judgement.floor.is_none()).count();
    let mut warnings = comparison.warnings.clone();
    if uncalibrated > 0 {
        warnings.push(Warning {
            code: "no_noise_floor".to_owned(),
            message: format!(
                "no noise floor is known for {}: what whole runs of equal versions show on this \
                 machine",
                duet_units::count(uncalibrated, "metric")
            ),
            hint: Some("run `duet aa` on this machine, and the gate allows for it".to_owned()),
        });
    }
    warnings
}
