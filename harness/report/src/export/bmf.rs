//! Bencher Metric Format, for `bencher run --adapter json --file FILE`.
//!
//! An object of benchmarks, each an object of measures, each with a `value` and, where there is an
//! interval, `lower_value` and `upper_value`. The schema: `services/console/public/bmf.json` of
//! bencherdev/bencher.

use std::collections::BTreeMap;

use serde::Serialize;

use super::rows::{self, Row, rows};
use duet_analysis::{Analysis, Estimate};

#[derive(Serialize)]
struct Measure {
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lower_value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upper_value: Option<f64>,
}

/// The run as BMF. A benchmark is a cell and an arm, `matchup/workload/load/arm`; a measure is a
/// metric in its own unit, `cpu-ns-per-request`. The ratio of a metric is a measure of the cell
/// without an arm, `cpu-ns-per-request-ratio`: the number that a change of machine moves least.
#[must_use]
pub fn bmf(analysis: &Analysis) -> String {
    let mut all: BTreeMap<String, BTreeMap<String, Measure>> = BTreeMap::new();
    // Of arms that are not to be compared there is no value: the format has no room for a warning.
    for row in rows(analysis).filter(Row::is_compared) {
        let slug = row.metric.metric.name().replace('_', "-");
        for (_, arm, estimate) in row.arms() {
            let benchmark = all.entry(format!("{}/{}", row.place(), arm.label)).or_default();
            benchmark.insert(slug.clone(), measure(estimate));
        }
        if let Some(ratio) = row.metric.ratio.filter(|ratio| ratio.value.is_finite()) {
            let benchmark = all.entry(row.place()).or_default();
            benchmark.insert(format!("{slug}-ratio"), measure(&ratio));
        }
    }
    rows::json(&all)
}

fn measure(estimate: &Estimate) -> Measure {
    let (low, high) = estimate.interval.map(|i| (i.low, i.high)).unzip();
    Measure { value: estimate.value, lower_value: low, upper_value: high }
}
