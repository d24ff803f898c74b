//! Comma-separated values (RFC 4180): a line per metric, cell and arm, for spreadsheets and data
//! frames.

use std::borrow::Cow;

use serde::Serialize;

use super::rows::{self, Row, rows};
use duet_analysis::verdict::Verdict;
use duet_analysis::{Analysis, Arm, Estimate};
use duet_units::Better;

/// A line; its fields name the columns. Values are in `unit`; the columns from `ratio` on compare
/// an arm with the first one and are empty for that; an interval is empty where there are too few
/// blocks for one. Metrics of all starts have an empty workload and load.
#[derive(Serialize, Default)]
struct Line<'a> {
    suite: Cow<'a, str>,
    started: Cow<'a, str>,
    commit: Option<Cow<'a, str>>,
    matchup: Cow<'a, str>,
    lane: &'static str,
    control: bool,
    workload: Option<Cow<'a, str>>,
    load: Option<Cow<'a, str>>,
    metric: &'static str,
    unit: &'static str,
    better: &'static str,
    arm: Cow<'a, str>,
    language: Cow<'a, str>,
    value: f64,
    value_low: Option<f64>,
    value_high: Option<f64>,
    value_n: u32,
    ratio: Option<f64>,
    ratio_low: Option<f64>,
    ratio_high: Option<f64>,
    ratio_n: Option<u32>,
    p: Option<f64>,
    q: Option<f64>,
    verdict: Option<&'static str>,
    reason: Option<Cow<'a, str>>,
}

/// The run as CSV.
#[must_use]
pub fn csv(analysis: &Analysis) -> String {
    let mut out = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(vec![]);
    let lines = rows(analysis).flat_map(|row| {
        let line = move |(i, arm, estimate)| line(analysis, &row, i, arm, estimate);
        row.arms().map(line).collect::<Vec<_>>()
    });
    let mut lines = lines.peekable();
    let is_empty = lines.peek().is_none();
    // The names of columns come with the first line; without any a blank one brings them.
    for line in lines.chain(is_empty.then(Line::default)) {
        out.serialize(line).expect("plain fields can be written into memory");
    }
    let bytes = out.into_inner().expect("memory can be flushed");
    let text = String::from_utf8(bytes).expect("fields are UTF-8");
    match text.split_once("\r\n") {
        Some((names, _)) if is_empty => format!("{names}\r\n"),
        _ => text,
    }
}

fn line<'a>(
    analysis: &'a Analysis,
    row: &Row<'a>,
    i: usize,
    arm: &'a Arm,
    estimate: &Estimate,
) -> Line<'a> {
    let (run, metric) = (&analysis.run, row.metric.metric);
    let compared = i == 1;
    let ratio = row.metric.ratio.filter(|_| compared);
    let verdict = match row.metric.verdict {
        Verdict::Faster => "faster",
        Verdict::Slower => "slower",
        Verdict::Tie => "tie",
        Verdict::Inconclusive => "inconclusive",
    };
    Line {
        suite: formula_free(&run.suite),
        started: formula_free(&run.started),
        commit: run.commit.as_deref().map(formula_free),
        matchup: formula_free(&row.matchup.name),
        lane: row.matchup.lane.name(),
        control: row.matchup.control,
        workload: row.cell.map(|cell| formula_free(&cell.id.workload)),
        load: row.cell.map(|cell| formula_free(&cell.id.load)),
        metric: metric.name(),
        unit: rows::unit(metric.unit()),
        better: match metric.better() {
            Better::Higher => "higher",
            Better::Lower => "lower",
        },
        arm: formula_free(&arm.label),
        language: formula_free(&arm.language),
        value: estimate.value,
        value_low: estimate.interval.map(|i| i.low),
        value_high: estimate.interval.map(|i| i.high),
        value_n: estimate.n,
        ratio: ratio.map(|ratio| ratio.value),
        ratio_low: ratio.and_then(|ratio| ratio.interval).map(|i| i.low),
        ratio_high: ratio.and_then(|ratio| ratio.interval).map(|i| i.high),
        ratio_n: ratio.map(|ratio| ratio.n),
        p: row.metric.p.filter(|_| compared),
        q: row.metric.q.filter(|_| compared),
        verdict: compared.then_some(verdict),
        reason: row.metric.reason.as_deref().filter(|_| compared).map(formula_free),
    }
}

/// Text that a spreadsheet takes for text: what begins like a formula gets an apostrophe (OWASP,
/// "CSV Injection").
fn formula_free(text: &str) -> Cow<'_, str> {
    match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => Cow::Owned(format!("'{text}")),
        false => Cow::Borrowed(text),
    }
}
