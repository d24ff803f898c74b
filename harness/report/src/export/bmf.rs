//! Bencher Metric Format, for `bencher run --adapter json --file FILE`.
//!
//! An object of benchmarks, each an object of measures, each with a `value` and, where there is an
//! interval, `lower_value` and `upper_value`. The schema: `services/console/public/bmf.json` of
//! bencherdev/bencher.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::rows::{self, Row, rows};
use duet_analysis::{Analysis, Estimate};

/// An object whose keys stay in the order in which they came: base before head.
struct Object<T>(Vec<(String, T)>);

impl<T: Serialize> Serialize for Object<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        self.0.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
        map.end()
    }
}

impl<T> Object<T> {
    /// The value of a key, which is added at the end where it is missing.
    fn entry(&mut self, key: String, missing: T) -> &mut T {
        let at = self.0.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
            self.0.push((key, missing));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }
}

#[derive(serde::Serialize)]
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
    let mut all: Object<Object<Measure>> = Object(vec![]);
    // Of arms that are not to be compared there is no value: the format has no room for a warning.
    for row in rows(analysis).filter(Row::is_compared) {
        let slug = row.metric.metric.name().replace('_', "-");
        for (_, arm, estimate) in row.arms() {
            let name = format!("{}/{}", row.place(), arm.label);
            all.entry(name, Object(vec![])).0.push((slug.clone(), measure(estimate)));
        }
        if let Some(ratio) = row.metric.ratio.filter(|ratio| ratio.value.is_finite()) {
            let measures = all.entry(row.place(), Object(vec![]));
            measures.0.push((format!("{slug}-ratio"), measure(&ratio)));
        }
    }
    rows::json(&all)
}

fn measure(estimate: &Estimate) -> Measure {
    let (low, high) = estimate.interval.map(|i| (i.low, i.high)).unzip();
    Measure { value: estimate.value, lower_value: low, upper_value: high }
}
