//! Input of github-action-benchmark for its tools `customSmallerIsBetter` and
//! `customBiggerIsBetter`: an array of `{name, unit, value, range?, extra?}`.
//!
//! Which direction is better is the tool's, not the entry's: a run makes two files.

use serde::Serialize;

use super::rows::{self, Row, rows};
use duet_analysis::{Analysis, Estimate};
use duet_units::Better;

#[derive(Serialize)]
struct Entry {
    name: String,
    unit: &'static str,
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<String>,
    extra: String,
}

/// The metrics of one direction.
#[must_use]
pub fn gha_bench(analysis: &Analysis, better: Better) -> String {
    let of_direction = rows(analysis).filter(|row| row.metric.metric.better() == better);
    let entries: Vec<Entry> = of_direction
        .flat_map(|row| {
            row.arms()
                .map(move |(_, arm, estimate)| Entry {
                    name: format!("{}/{}: {}", row.place(), arm.label, row.metric.metric.label()),
                    unit: rows::unit(row.metric.metric.unit()),
                    value: estimate.value,
                    range: range(estimate),
                    extra: extra(&row, estimate),
                })
                .collect::<Vec<_>>()
        })
        .collect();
    rows::json(&entries)
}

/// The farther end of the interval, as the action shows it behind the value: `± 0.5%`.
fn range(estimate: &Estimate) -> Option<String> {
    let interval = estimate.interval?;
    let farther = (interval.high - estimate.value).max(estimate.value - interval.low);
    Some(format!("± {:.1}%", farther / estimate.value * 100.0))
}

/// What the chart shows when a point is pointed at.
fn extra(row: &Row<'_>, estimate: &Estimate) -> String {
    let n = format!("n = {} blocks", estimate.n);
    let said = match estimate.interval {
        Some(i) => format!("95 % interval {} to {}\n{n}", i.low, i.high),
        None => n,
    };
    match row.is_compared() {
        true => said,
        false => format!("{said}\narms are not to be compared: {}", row.silence()),
    }
}
