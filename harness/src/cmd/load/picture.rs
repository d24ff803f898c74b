//! `--svg`: the latencies by percentile, as a picture.

use url::Url;

use super::text;
use super::values::{self, Percentile};
use duet_loadgen::count::latencies::{self, Latencies};
use duet_loadgen::load::{Load, Measured};
use duet_report::chart::{self, Curve, Quantile};

/// Points of a curve to a further nine: as close as a line needs to look round.
const POINTS: u32 = 60;

/// The picture, as SVG.
pub(super) fn picture(load: &Load, url: &Url, measured: &Measured) -> String {
    let columns = text::columns(load, measured);
    let curves: Vec<Curve> =
        columns.iter().map(|(name, latencies)| curve(name, latencies)).collect();
    chart::percentiles(&text::target(load, url), &text::how(load), &curves)
}

fn curve(name: &str, latencies: &Latencies) -> Curve {
    let quantiles = values::quantiles(&[]);
    let words = quantiles.iter().map(|Percentile { name, p }| (&**name, latencies.quantile(*p)));
    let words = words.chain([("max", latencies.max())]);
    let words = words.filter_map(|(name, found)| Some(format!("{name} {}", found?)));
    // As far as there are enough requests.
    let nines = (latencies.count() as f64 / latencies::needed(0.0)).log10();
    let steps = 0..=(nines.max(-1.0) * f64::from(POINTS)) as i64;
    let points = steps.map(|step| 1.0 - 10_f64.powf(-(step as f64) / f64::from(POINTS)));
    let points = points.filter_map(|p| {
        let found = latencies.quantile(p)?;
        Some(Quantile { p, ns: found.ns, lower_bound: found.lower_bound })
    });
    let words = match latencies.count() {
        0 => "none".to_owned(),
        _ => words.collect::<Vec<_>>().join(" · "),
    };
    Curve { name: name.to_owned(), words, points: points.collect() }
}
