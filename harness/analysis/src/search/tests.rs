use super::*;
use crate::verdict::Verdict;
use crate::{Analysis, CellAnalysis, MetricAnalysis, analyse, running_ratio};
use duet_model::record::Run;
use duet_model::testing::{self, Scene, encode};

/// Rates of 20,000 and 15,000 a second.
fn run() -> Run {
    let scene = Scene { rounds: 3, ..Scene::default() };
    testing::searched(testing::run(&scene), [20_000.0, 15_000.0])
}

fn cell(analysis: &Analysis) -> &CellAnalysis {
    &analysis.matchups[0].cells[0]
}

fn rate(cell: &CellAnalysis) -> Option<&MetricAnalysis> {
    cell.metrics.iter().find(|m| m.metric == Metric::RateWithinPerSecond)
}

fn codes(cell: &CellAnalysis) -> Vec<&str> {
    cell.warnings.iter().map(|w| w.code.as_str()).collect()
}

/// Changes the probes of the second arm that failed.
fn change(run: &mut Run, change: impl Fn(&mut WindowResult)) {
    let windows = run.blocks.iter_mut().flat_map(|block| &mut block.windows);
    let failed = |w: &&mut WindowResult| w.arm == 1 && w.probe.is_some_and(|probe| !probe.held);
    windows.filter(failed).for_each(change);
}

#[test]
fn rates_are_compared_and_their_costs_are_not() {
    let record = run();
    let analysis = analyse(&record);
    let cell = cell(&analysis);
    let metrics: Vec<Metric> = cell.metrics.iter().map(|m| m.metric).collect();
    let want = [
        Metric::RateWithinPerSecond,
        Metric::RssBytesSteady,
        Metric::RssBytesIdle,
        Metric::RssBytesAfter,
        Metric::StartupNs,
    ];
    assert_eq!(metrics, want);
    let found = rate(cell).expect("it was searched for");
    let ratio = found.ratio.expect("nothing forbids it");
    assert!((ratio.value / (20.0 / 15.0) - 1.0).abs() < 0.02, "{found:?}");
    assert!((found.arms[0].value / 20_000.0 - 1.0).abs() < 0.02, "{found:?}");
    assert_eq!((found.verdict, found.log_ratios.len()), (Verdict::Slower, 8));
    assert_eq!(cell.load, "64 connections, p99 at most 5.00 ms");
    assert_eq!(
        (cell.kind(), &cell.open, cell.window_ns),
        (CellKind::Servers(Loop::Search), &None, None)
    );
    let search = cell.search.as_ref().expect("there was one");
    assert_eq!((search.arms[1].found, search.arms[1].probes), (8, 48));
    assert!(search.arms[1].held_per_second < search.arms[1].failed_per_second);
    assert_eq!((cell.bottleneck.who, codes(cell)), (Who::Server, vec![]));
    assert!(analysis.matchups[0].means.is_empty());
    assert_eq!(running_ratio(&record.header, &record.blocks, &cell.id), Some(ratio));
}

#[test]
fn searches_without_an_end_are_named() {
    let mut record = run();
    for (block, end) in [(2, SearchEnd::OutOfTime), (5, SearchEnd::NoneHeld)] {
        let arm = &mut record.blocks[block].arms[1];
        arm.search =
            Some(SearchResult { held_per_second: None, end, ..arm.search.expect("there was one") });
    }
    let analysis = analyse(&record);
    assert_eq!(rate(cell(&analysis)).and_then(|m| m.ratio).map(|r| r.n), Some(6));
    assert_eq!(cell(&analysis).search.as_ref().map(|s| s.arms[1].found), Some(6));
    let [warning] = &cell(&analysis).warnings[..] else { panic!("{:?}", cell(&analysis)) };
    assert_eq!(
        warning.message,
        "searches ended without a narrow interval (beta: no rate held in 1 block, there was too \
         little time in 1 block)"
    );
    for block in &mut record.blocks {
        block.arms[0].search.as_mut().expect("there was one").failed_per_second = None;
    }
    let analysis = analyse(&record);
    assert_eq!((rate(cell(&analysis)), cell(&analysis).blocks), (None, 8));
    assert_eq!(cell(&analysis).bottleneck.who, Who::Unknown);
}

#[test]
fn a_generator_that_ends_the_searches_is_named() {
    let found = |change_window: &dyn Fn(&mut WindowResult)| {
        let mut record = run();
        change(&mut record, change_window);
        let analysis = analyse(&record);
        let cell = cell(&analysis);
        let codes = codes(cell).join(" ");
        (cell.bottleneck.who, codes, rate(cell).is_some_and(|m| m.ratio.is_some()))
    };
    let late = |ns: u64| {
        move |window: &mut WindowResult| {
            let open = window.open.as_mut().expect("the loop is open");
            open.generator_lag = Some(encode(&[ns; 100]));
        }
    };
    assert_eq!(found(&late(2_000_000)), (Who::Server, String::new(), true));
    let bound = (Who::Generator, "generator_bound".to_owned(), false);
    assert_eq!(found(&late(3_000_000)), bound);
    let busy = |window: &mut WindowResult| {
        window.generator_cpu_ns = 97_000_000;
        window.open.as_mut().expect("the loop is open").generator_spin_ns = 0;
    };
    assert_eq!(found(&busy), bound);
    let idle = |window: &mut WindowResult| window.server_cpu_ns[1] = 10_000_000;
    assert_eq!(found(&idle), (Who::Unknown, String::new(), true));
}

#[test]
fn damage_is_named() {
    let mut record = run();
    let spoil = |w: &mut WindowResult| {
        w.open.as_mut().expect("the loop is open").generator_lag = Some("?".to_owned());
    };
    record.blocks.truncate(1);
    change(&mut record, spoil);
    let analysis = analyse(&record);
    assert!(codes(cell(&analysis)).contains(&"damaged_histogram"));
    assert!(rate(cell(&analysis)).is_some());
}
