//! Open loops: rates, latency, when a rate is held.

use super::*;
use crate::verdict::Verdict;
use crate::{Analysis, CellAnalysis, MetricAnalysis, analyse, running_ratio};
use duet_model::record::{BlockRecord, Run};
use duet_model::testing::{self, Scene, encode};
use duet_protocol::OpenResult;

/// Medians of 200 and 300 microseconds.
fn run() -> Run {
    testing::open(testing::run(&Scene { rounds: 5, ..Scene::default() }), [2e5, 3e5])
}

fn cell(analysis: &Analysis) -> &CellAnalysis {
    &analysis.matchups[0].cells[0]
}

fn metric(cell: &CellAnalysis, metric: Metric) -> &MetricAnalysis {
    let found = cell.metrics.iter().find(|m| m.metric == metric);
    found.unwrap_or_else(|| panic!("no {metric:?} in {:?}", cell.metrics))
}

/// Changes what the open loop adds to the windows of the second arm.
fn change(block: &mut BlockRecord, change: impl Fn(&mut OpenResult)) {
    let windows = block.windows.iter_mut().filter(|w| w.arm == 1);
    windows.filter_map(|w| w.open.as_mut()).for_each(change);
}

fn codes(cell: &CellAnalysis) -> Vec<&str> {
    cell.warnings.iter().map(|w| w.code.as_str()).collect()
}

#[test]
fn latencies_are_compared_and_rates_are_not() {
    let record = run();
    let analysis = analyse(&record);
    let cell = cell(&analysis);
    let metrics: Vec<Metric> = cell.metrics.iter().map(|m| m.metric).collect();
    let want = [
        Metric::LatencyNsP50,
        Metric::LatencyNsP90,
        Metric::LatencyNsP99,
        Metric::LatencyNsP999,
        Metric::CpuNsPerRequest,
        Metric::RssBytesSteady,
        Metric::RssBytesIdle,
        Metric::RssBytesAfter,
        Metric::StartupNs,
    ];
    assert_eq!(metrics, want);
    for (which, base) in
        [(Metric::LatencyNsP50, 2e5), (Metric::LatencyNsP90, 2.8e5), (Metric::LatencyNsP99, 2.98e5)]
    {
        let found = metric(cell, which);
        let ratio = found.ratio.expect("nothing forbids it");
        assert!((ratio.value / 1.5 - 1.0).abs() < 0.02, "{found:?}");
        assert!((found.arms[0].value / base - 1.0).abs() < 0.02, "{found:?}");
        assert_eq!((found.verdict, &found.reason), (Verdict::Slower, &None));
        assert_eq!(found.log_ratios.len(), 8);
    }
    assert_eq!(cell.load, "64 connections, 20,000 requests/s (50 % of capacity)");
    let open = cell.open.as_ref().expect("the loop is open");
    assert_eq!((open.rate_per_second, open.rate_share), (20_000, Some(0.5)));
    assert_eq!(open.capacity_per_second, Some(40_000));
    assert_eq!((open.arms[0].planned, open.arms[0].unsent), (8 * 10 * 1800, 0));
    assert_eq!(cell.bottleneck.who, Who::Rate);
    assert!(cell.bottleneck.generator_busy.iter().all(|busy| *busy < 0.16));
    assert_eq!(codes(cell), [""; 0]);
    assert!(analysis.matchups[0].means.is_empty());
    let running = running_ratio(&record.header, &record.blocks, &cell.id);
    assert_eq!(running, metric(cell, Metric::CpuNsPerRequest).ratio);
}

#[test]
fn a_rate_that_is_not_held_gives_no_latency() {
    let mut record = run();
    for block in &mut record.blocks {
        change(block, |open| open.sent_late = 54);
    }
    let analysis = analyse(&record);
    let overloaded = cell(&analysis);
    assert_eq!(overloaded.bottleneck.who, Who::Server);
    assert_eq!(codes(overloaded), ["overloaded"]);
    let p99 = metric(overloaded, Metric::LatencyNsP99);
    assert_eq!((p99.ratio, p99.verdict), (None, Verdict::Inconclusive));
    let reason = p99.reason.as_deref().expect("there is one");
    assert!(reason.starts_with("beta cannot hold this rate: 97 % of the"), "{reason}");
    // What a request costs is known all the same.
    assert!(metric(overloaded, Metric::CpuNsPerRequest).ratio.is_some());
    // 2 % late is what the end of a window does.
    for block in &mut record.blocks {
        change(block, |open| open.sent_late = 36);
    }
    assert_eq!(codes(cell(&analyse(&record))), [""; 0]);
}

#[test]
fn lower_bounds_are_not_compared() {
    let mut record = run();
    change(&mut record.blocks[3], |open| {
        // One in a thousand: the 99th percentile lies below them.
        open.response_time_lower_bounds = Some(encode(&[900_000; 2]));
    });
    let quantiles = [Metric::LatencyNsP50, Metric::LatencyNsP90, Metric::LatencyNsP99];
    let refused = |record: &Run| {
        let analysis = analyse(record);
        quantiles.map(|which| metric(cell(&analysis), which).reason.clone())
    };
    assert_eq!(refused(&record), [None, None, None]);
    change(&mut record.blocks[3], |open| {
        open.response_time_lower_bounds = Some(encode(&[440_000; 40]));
    });
    let [p50, p90, p99] = refused(&record);
    assert_eq!((p50, p90), (None, None));
    let reason = p99.expect("there is a reason");
    assert!(reason.starts_with("in 1 of 8 blocks it is only known that beta's"), "{reason}");
}

#[test]
fn a_generator_that_is_late_is_named() {
    let late = |share: u64| {
        let mut record = run();
        for block in &mut record.blocks {
            change(block, |open| {
                open.generator_lag = Some(encode(&[450_000 * share / 100; 100]));
            });
        }
        let analysis = analyse(&record);
        let cell = cell(&analysis);
        let codes = codes(cell).join(" ");
        (cell.bottleneck.who, codes, metric(cell, Metric::LatencyNsP50).ratio.is_some())
    };
    assert_eq!(late(5), (Who::Rate, String::new(), true));
    assert_eq!(late(20), (Who::Rate, "send_lag".to_owned(), true));
    assert_eq!(late(60), (Who::Generator, "generator_bound send_lag".to_owned(), false));
}

/// A window has 1,800 requests, of which 18 lie beyond its 99th percentile; a block has ten
/// windows.
#[test]
fn quantiles_that_few_windows_reach_beyond_are_shown_and_not_judged() {
    let p99 = |record: &Run| {
        let analysis = analyse(record);
        let found = metric(cell(&analysis), Metric::LatencyNsP99).clone();
        assert!(found.ratio.is_some() && found.p.is_some() != found.informational);
        (found.verdict, found.reason.unwrap_or_default())
    };
    assert_eq!(p99(&run()), (Verdict::Slower, String::new()));
    let mut fewer = run();
    for block in &mut fewer.blocks {
        block.windows.retain(|window| window.round < 4);
    }
    let (verdict, reason) = p99(&fewer);
    let want = "for information: 8 windows of a block and arm reach beyond it, a verdict \
                needs 10";
    assert_eq!((verdict, reason.as_str()), (Verdict::Inconclusive, want));
    let mut short = run();
    let few = encode(&(0..800).map(|i| 250_000 + i).collect::<Vec<_>>());
    short.blocks.iter_mut().for_each(|b| change(b, |open| open.response_time = Some(few.clone())));
    let (verdict, reason) = p99(&short);
    let want = "for information: windows hold fewer than 1,000 requests";
    assert!(verdict == Verdict::Inconclusive && reason.starts_with(want), "{reason}");
}

#[test]
fn windows_with_a_stall_are_counted() {
    let mut record = run();
    let stalled = encode(&[1_000, 6_000_000]);
    change(&mut record.blocks[0], |open| open.generator_lag = Some(stalled.clone()));
    let analysis = analyse(&record);
    let open = cell(&analysis).open.as_ref().expect("the loop is open");
    assert_eq!((open.arms[1].windows, open.arms[1].windows_stalled), (80, 10));
}

#[test]
fn damage_is_named() {
    let mut record = run();
    change(&mut record.blocks[0], |open| open.send_lag = Some("?".to_owned()));
    let analysis = analyse(&record);
    assert_eq!(codes(cell(&analysis)), ["damaged_histogram"]);
    assert_eq!(metric(cell(&analysis), Metric::LatencyNsP50).ratio.map(|r| r.n), Some(7));
}
