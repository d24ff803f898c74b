//! Histories of made-up runs.

use duet_analysis::Analysis;
use duet_analysis::trend::{self, Source, Trend};
use duet_report::{self as report, chart};
use duet_units::Metric;

use super::{fixture, markup};

/// A run a day; from the 13th on the second arm of the article's matchup serves 8 % less. The last
/// two are on another machine, the third was interrupted.
fn history() -> Trend {
    let of_day = |day| {
        let (name, run) = one(day);
        (name, Source::Run(Box::new(run)))
    };
    let runs: Vec<(String, Source)> = (0..26).map(of_day).collect();
    trend::trend(&runs, |cell, metric| {
        let metrics = [Metric::RequestsPerSecond, Metric::RssBytesPeak];
        ["article", "null"].contains(&&cell.matchup[..])
            && cell.workload.starts_with("ho")
            && metrics.contains(&metric)
    })
}

fn one(day: usize) -> (String, Analysis) {
    let mut analysis = if day == 2 { fixture::interrupted() } else { fixture::standard() };
    analysis.run.started = format!("2026-01-{:02}T09:30:11Z", day + 1);
    analysis.run.commit = Some(format!("{day:02}f2a9c15{}", if day == 3 { "-dirty" } else { "" }));
    if day >= 24 {
        analysis.run.machine.cpus = 64;
    }
    for metric in analysis.matchups[0].cells.iter_mut().flat_map(|cell| &mut cell.metrics) {
        if metric.metric == Metric::RequestsPerSecond {
            // Noise of half a per cent, by the golden ratio.
            let noise = ((day as f64 * 0.618).fract() - 0.5) / 100.0;
            let factor = (if day < 12 { 1.0 } else { 0.92 }) * (1.0 + noise);
            metric.arms[1].value *= factor;
            if let Some(ratio) = &mut metric.ratio {
                ratio.value /= factor;
                ratio.interval = ratio.interval.map(|i| i.map(|v| v / factor));
            }
        }
    }
    (format!("results/{day}"), analysis)
}

#[test]
fn golden_trend() {
    let text = report::trend(&history());
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    insta::assert_snapshot!("trend.txt", text);
    insta::assert_snapshot!("trend.svg", markup::placed_words(&chart::trend(&history()).file()));
}

#[test]
fn the_chart_is_well_formed() {
    let svg = chart::trend(&history()).file();
    if let Some(folder) = std::env::var_os("DUET_CHARTS") {
        let file = std::path::Path::new(&folder).join("trend.svg");
        std::fs::write(file, &svg).expect("the folder is there");
    }
    markup::assert_balanced("trend", &svg);
    markup::assert_placed("trend", &svg);
    let empty = Trend { machines: vec![] };
    markup::assert_balanced("empty", &chart::trend(&empty).file());
    assert!(report::trend(&empty).contains("A ratio"));
}
