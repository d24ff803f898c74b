//! Comma-separated values (RFC 4180): a line per metric, cell and arm, for spreadsheets and data
//! frames.

use super::{Row, rows};
use duet_analysis::verdict::Verdict;
use duet_analysis::{Analysis, Arm, Estimate};
use duet_units::Better;

/// The columns. Values are in `unit`; the columns from `ratio` on compare an arm with the first one
/// and are empty for that; an interval is empty where there are too few blocks for one.
const COLUMNS: [&str; 23] = [
    "suite",
    "started",
    "commit",
    "matchup",
    "lane",
    "control",
    "workload",
    "load",
    "metric",
    "unit",
    "better",
    "arm",
    "language",
    "value",
    "value_low",
    "value_high",
    "value_n",
    "ratio",
    "ratio_low",
    "ratio_high",
    "ratio_n",
    "verdict",
    "reason",
];

/// The run as CSV. Metrics of all starts have an empty workload and load.
#[must_use]
pub fn csv(analysis: &Analysis) -> String {
    let mut out = line(&COLUMNS.map(str::to_owned));
    for row in rows(analysis) {
        for (i, arm, estimate) in row.arms() {
            out += &line(&fields(analysis, &row, i, arm, estimate));
        }
    }
    out
}

fn fields(
    analysis: &Analysis,
    row: &Row<'_>,
    i: usize,
    arm: &Arm,
    estimate: &Estimate,
) -> [String; COLUMNS.len()] {
    let (run, metric) = (&analysis.run, row.metric.metric);
    let cell = |part: fn(&duet_analysis::CellId) -> &str| {
        row.cell.map_or_else(String::new, |cell| part(&cell.id).to_owned())
    };
    let better = match metric.better() {
        Better::Higher => "higher",
        Better::Lower => "lower",
    };
    let ratio = row.metric.ratio.filter(|_| i == 1);
    let compared = i == 1;
    let verdict = match row.metric.verdict {
        Verdict::Faster => "faster",
        Verdict::Slower => "slower",
        Verdict::Tie => "tie",
        Verdict::Inconclusive => "inconclusive",
    };
    let [value, value_low, value_high, value_n] = numbers(Some(estimate));
    let [ratio, ratio_low, ratio_high, ratio_n] = numbers(ratio.as_ref());
    [
        run.suite.clone(),
        run.started.clone(),
        run.commit.clone().unwrap_or_default(),
        row.matchup.name.clone(),
        row.matchup.lane.name().to_owned(),
        row.matchup.control.to_string(),
        cell(|id| &id.workload),
        cell(|id| &id.load),
        metric.name().to_owned(),
        super::unit(metric.unit()).to_owned(),
        better.to_owned(),
        arm.label.clone(),
        arm.language.clone(),
        value,
        value_low,
        value_high,
        value_n,
        ratio,
        ratio_low,
        ratio_high,
        ratio_n,
        if compared { verdict.to_owned() } else { String::new() },
        row.metric.reason.clone().filter(|_| compared).unwrap_or_default(),
    ]
}

fn numbers(estimate: Option<&Estimate>) -> [String; 4] {
    let Some(Estimate { value, interval, n }) = estimate else { return Default::default() };
    let [low, high] = interval.map_or_else(Default::default, |i| [i.low, i.high].map(|b| b.to_string()));
    [value.to_string(), low, high, n.to_string()]
}

/// A line. A field with a comma, a quote or a line break is quoted, and its quotes doubled.
fn line(fields: &[String]) -> String {
    let quoted = fields.iter().map(|field| {
        if field.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", field.replace('"', "\"\""))
        } else {
            field.clone()
        }
    });
    quoted.collect::<Vec<_>>().join(",") + "\r\n"
}
