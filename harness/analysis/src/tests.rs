//! Analyses of runs whose truth is known.

use super::*;
use crate::verdict::Verdict;
use duet_model::record::{BlockRecord, Run};
use duet_model::testing::{Scene, encode, run};
use duet_units::Metric;

mod spoiled;
mod warnings;

fn cell(analysis: &Analysis) -> &CellAnalysis {
    &analysis.matchups[0].cells[0]
}

fn metric(metrics: &[MetricAnalysis], metric: Metric) -> &MetricAnalysis {
    metrics.iter().find(|m| m.metric == metric).unwrap_or_else(|| panic!("no {metric:?}"))
}

fn codes(warnings: &[Warning]) -> Vec<&str> {
    warnings.iter().map(|w| w.code.as_str()).collect()
}

fn failure(stage: Stage, error: &str) -> Failure {
    Failure { stage, server: Some("beta".to_owned()), error: error.to_owned(), stderr: vec![] }
}

/// Asserts that an interval holds `truth` and is no wider than 2 %.
fn assert_about(estimate: Estimate, truth: f64, what: &str) {
    let (low, high) = estimate.interval.map(|i| (i.low, i.high)).expect("an interval");
    // The synthetic arms differ from the truth by the rounding of requests to whole ones.
    assert!(low / 1.001 <= truth && truth <= high * 1.001, "{what}: {estimate:?} for {truth}");
    assert!(high / low < 1.02, "{what}: {estimate:?}");
}

#[test]
fn known_ratios_are_recovered() {
    let analysis = analyse(&run(&Scene::default()));
    let cell = cell(&analysis);
    assert_eq!((cell.blocks, cell.blocks_failed, cell.window_ns), (8, 0, Some(20_000_000)));
    let order: Vec<Metric> = cell.metrics.iter().map(|m| m.metric).collect();
    let others = |m: &Metric| {
        let of_servers = !Metric::OF_PROGRAMS.contains(m) || *m == Metric::RssBytesPeak;
        let of_other_loads = [
            Metric::RateWithinPerSecond,
            Metric::MemoryLimitBytes,
            Metric::RssBytesPerConnection,
            Metric::RssBytesKept,
            Metric::LatencyNsWorstSecond,
        ];
        let of_other_loops = m.latency_quantile().or(m.lateness_quantile()).is_some();
        !of_servers || of_other_loads.contains(m) || of_other_loops
    };
    let all = Metric::ALL.into_iter().filter(|metric| !others(metric));
    assert_eq!(order, all.collect::<Vec<_>>());
    for found in &cell.metrics {
        let ratio = found.ratio.expect("nothing forbids it");
        let truth = 1.25;
        assert_about(ratio, truth, found.metric.label());
        assert_eq!(found.verdict, Verdict::Slower, "{:?}", found.metric);
        assert_eq!((ratio.n, found.log_ratios.len(), &found.reason), (8, 8, &None));
    }
    let values = [
        (Metric::RequestsPerSecond, 50_000.0),
        (Metric::CpuNsPerRequest, 18_000.0),
        (Metric::RssBytesPeak, 9e6),
        (Metric::RssBytesSteady, 8e6),
        (Metric::RssBytesIdle, 4e6),
        (Metric::RssBytesAfter, 6e6),
        (Metric::StartupNs, 4e6),
    ];
    for (which, base) in values {
        let arms = &metric(&cell.metrics, which).arms;
        assert_about(arms[0], base, which.label());
        let worse = if which == Metric::RequestsPerSecond { 1.0 / 1.25 } else { 1.25 };
        assert_about(arms[1], base * worse, which.label());
    }
    assert_eq!(cell.bottleneck.who, Who::Server);
    assert_eq!(codes(&cell.warnings), [""; 0]);
    assert_eq!(codes(&analysis.warnings), [""; 0]);
}

#[test]
fn the_run_is_summarised() {
    let mut record = run(&Scene { workloads: vec!["small", "large"], ..Scene::default() });
    record.header.dirty = true;
    record.blocks[0].windows[0].server_stolen_ns = 10_000_000;
    let Analysis { run: summary, servers, .. } = analyse(&record);
    assert_eq!(summary.command, "duet run synthetic");
    assert_eq!(summary.started, "2025-01-01T00:00:00Z");
    assert_eq!(summary.commit.as_deref(), Some("0123abc-dirty"));
    assert_eq!((summary.blocks, summary.blocks_planned), (16, 16));
    let windows = record.blocks.iter().flat_map(|b| &b.windows);
    assert_eq!(summary.measured_ns, windows.map(|w| w.elapsed_ns).sum::<u64>());
    assert!((summary.stolen_share - 1e7 / summary.measured_ns as f64).abs() < 1e-12);
    assert!(!summary.killed);
    let named: Vec<&str> = servers.iter().map(|s| s.build.server.as_str()).collect();
    assert_eq!(named, ["alpha", "beta"]);
}

#[test]
fn a_server_ties_with_itself() {
    let arm = Scene::default().arms[0];
    let scene = Scene { servers: ["alpha"; 2], arms: [arm; 2], noise: 0.002, ..Scene::default() };
    let analysis = analyse(&run(&scene));
    let matchup = &analysis.matchups[0];
    assert!(matchup.control);
    let labels: Vec<&str> = matchup.arms.iter().map(|a| a.label.as_str()).collect();
    assert_eq!(labels, ["alpha (A)", "alpha (B)"]);
    for found in &cell(&analysis).metrics {
        assert_eq!(found.verdict, Verdict::Tie, "{found:?}");
    }
    assert_eq!(analysis.servers.len(), 1);
    let differing = Scene { servers: ["alpha"; 2], ..Scene::default() };
    assert_eq!(codes(&cell(&analyse(&run(&differing))).warnings), ["control_differs"]);
}

/// 4 ms of a collector in each window of the other arm are the arm's own work.
#[test]
fn parked_cpu_is_charged_to_its_arm() {
    // One metric of many: eight blocks would not decide it beside the others, which are ties.
    let mut scene = Scene { noise: 0.0, blocks: 12, ..Scene::default() };
    scene.arms[1] = scene.arms[0];
    let requests_per_window = scene.arms[0].requests_per_second / 50.0;
    scene.arms[1].parked_cpu_ns = 4_000_000;
    let analysis = analyse(&run(&scene));
    let cell = cell(&analysis);
    let cpu = metric(&cell.metrics, Metric::CpuNsPerRequest);
    assert_eq!(cpu.arms[0].value.round(), 18_000.0);
    // The first window of a block is arm 0's, before arm 1's first: that one is not charged.
    let charged = 15.0 / 16.0 * 4e6 / requests_per_window;
    assert_eq!(cpu.arms[1].value.round(), (18_000.0 + charged).round());
    assert_eq!(cpu.verdict, Verdict::Slower);
    assert_eq!(metric(&cell.metrics, Metric::RequestsPerSecond).verdict, Verdict::Tie);
    assert_eq!(codes(&cell.warnings), ["parked_cpu"]);
    let worst = "while alpha was driven, what was parked used 20 % of its CPUs";
    assert_eq!(cell.warnings[0].message, worst);
}

#[test]
fn rounds_without_responses_are_dropped() {
    let mut record = run(&Scene::default());
    for window in &mut record.blocks[2].windows[7..9] {
        window.requests = 0;
        window.errors.insert("timeout".to_owned(), 3);
    }
    let analysis = analyse(&record);
    let found = cell(&analysis);
    // Two of eight rounds: the block counts.
    assert_eq!(found.blocks, 8);
    assert_eq!(codes(&found.warnings), ["rounds_dropped", "errors"]);
    assert_eq!(found.errors.iter().map(|e| e.values().sum::<u64>()).sum::<u64>(), 6);
    assert_about(found.metrics[0].ratio.expect("a ratio"), 1.25, "throughput");

    // Three of eight rounds: the block does not count.
    record.blocks[2].windows[13].requests = 0;
    let analysis = analyse(&record);
    let found = cell(&analysis);
    assert_eq!((found.blocks, found.blocks_failed), (7, 0));
    assert_eq!(codes(&found.warnings), ["blocks_dropped", "errors"]);
    let why = "of block 2: 3 of 8 rounds have a window without a response that is ok";
    assert!(found.warnings[0].message.contains(why), "{}", found.warnings[0].message);
}

#[test]
fn failures_are_merged() {
    let mut record = run(&Scene::default());
    let late = failure(Stage::Drive, "connection reset");
    for i in [1, 4] {
        record.blocks[i].failure = Some(late.clone());
    }
    let early = failure(Stage::Start, "exited with 1");
    record.blocks[6].failure = Some(early.clone());
    record.blocks[6].arms.clear();
    record.blocks[6].windows.clear();
    let build = failure(Stage::Build, "no compiler");
    record.builds[1].failure = Some(build.clone());
    let analysis = analyse(&record);
    let id = Some(cell(&analysis).id.clone());
    let want = [
        CellFailure { cell: None, side: None, failure: build, blocks: 1 },
        CellFailure { cell: id.clone(), side: None, failure: late, blocks: 2 },
        CellFailure { cell: id, side: None, failure: early, blocks: 1 },
    ];
    assert_eq!(analysis.failures, want);
    let found = cell(&analysis);
    assert_eq!((found.blocks, found.blocks_failed), (5, 3));
    assert_eq!(codes(&found.warnings), ["few_blocks", "blocks_failed"]);
    let throughput = &found.metrics[0];
    assert_eq!(throughput.reason.as_deref(), Some("5 blocks: no verdict below 6"));
    assert_eq!(throughput.ratio.expect("a ratio").interval, None);
}

#[test]
fn a_run_in_which_all_fails_is_analysed() {
    let mut record = run(&Scene::default());
    for block in &mut record.blocks {
        block.arms.clear();
        block.windows.clear();
        block.failure = Some(failure(Stage::Start, "exited with 1"));
    }
    let analysis = analyse(&record);
    let found = cell(&analysis);
    assert_eq!((found.blocks, found.blocks_failed, found.window_ns), (0, 8, None));
    assert_eq!(found.bottleneck.who, Who::Unknown);
    assert!(found.metrics.is_empty());
    assert_eq!((found.rss.len(), found.errors.len()), (2, 2));
    assert_eq!(analysis.run.stolen_share, 0.0);
    assert_eq!(analysis.failures[0].blocks, 8);
}

/// A record of whatever length is analysed, and what is in it does not depend on what is missing.
#[test]
fn a_partial_record_is_analysed_like_any_other() {
    let scene = Scene { workloads: vec!["small", "large"], rounds: 2, ..Scene::default() };
    let whole = run(&scene);
    for kept in 0..=whole.blocks.len() {
        let mut record = whole.clone();
        record.blocks.truncate(kept);
        record.end = None;
        record.truncated = true;
        if kept == 0 {
            record.builds.clear();
        }
        let analysis = analyse(&record);
        assert_eq!(analysis.run.blocks, kept as u32);
        assert!(analysis.run.killed);
        assert_eq!(codes(&analysis.warnings), ["killed"]);
        assert_eq!(analysis.servers.len(), 2);
        let blocks: Vec<u32> = analysis.matchups[0].cells.iter().map(|c| c.blocks).collect();
        assert_eq!(blocks, [kept.div_ceil(2) as u32, (kept / 2) as u32]);
    }
    let mut interrupted = whole;
    interrupted.end.as_mut().expect("it has an end").interrupted = Some(2);
    let analysis = analyse(&interrupted);
    assert_eq!(analysis.run.interrupted, Some(2));
    assert_eq!(codes(&analysis.warnings), ["interrupted"]);
}

#[test]
fn the_order_of_lines_does_not_matter() {
    let scene = Scene { workloads: vec!["small", "large"], rounds: 2, ..Scene::default() };
    let mut record = run(&scene);
    record.blocks[3].failure = Some(failure(Stage::Drive, "connection reset"));
    record.blocks[5].failure = Some(failure(Stage::Stop, "still running"));
    let want = analyse(&record);
    let mut random = duet_stats::SplitMix64::new(3);
    for _ in 0..5 {
        random.shuffle(&mut record.blocks);
        assert_eq!(analyse(&record), want);
    }
}

/// The machine slows down by 0.1 % a window. In the planned orders that cancels; in AABB it is
/// reported as a difference between two equal arms.
#[test]
fn drift_cancels_in_the_planned_order_and_not_in_aabb() {
    let arm = Scene::default().arms[0];
    let planned = Scene { arms: [arm; 2], drift: -0.01, noise: 0.0, ..Scene::default() };
    let aabb = Scene { orders: [[0, 0, 1, 1]; 2], ..planned.clone() };
    let ratio = |scene: &Scene| {
        let analysis = analyse(&run(scene));
        let throughput = &cell(&analysis).metrics[0];
        (throughput.ratio.expect("a ratio").value, throughput.verdict)
    };
    let (value, verdict) = ratio(&planned);
    assert!((value - 1.0).abs() < 1e-6, "{value}");
    assert_eq!(verdict, Verdict::Tie);
    let (value, verdict) = ratio(&aabb);
    assert!((value - 0.02_f64.exp()).abs() < 1e-6, "{value}");
    assert_eq!(verdict, Verdict::Slower);
}

#[test]
fn means_and_starts_are_over_all_cells() {
    let scene = Scene { workloads: vec!["small", "large"], ..Scene::default() };
    let mut record = run(&scene);
    // In the second cell the arms change places, so that the geometric mean of ratios is one.
    for block in record.blocks.iter_mut().filter(|b| b.cell.workload == "large") {
        for window in &mut block.windows {
            window.arm = 1 - window.arm;
            window.server_cpu_ns.reverse();
        }
        let (a, b) = block.arms.split_at_mut(1);
        std::mem::swap(&mut a[0].rss_bytes_peak, &mut b[0].rss_bytes_peak);
    }
    record.blocks[0].failure = Some(failure(Stage::Drive, "connection reset"));
    let analysis = analyse(&record);
    let matchup = &analysis.matchups[0];
    let metrics: Vec<Metric> = matchup.means.iter().map(|m| m.metric).collect();
    let want = [Metric::RequestsPerSecond, Metric::CpuNsPerRequest, Metric::RssBytesPeak];
    assert_eq!(metrics, want);
    for mean in &matchup.means {
        assert_eq!((mean.cells.len(), mean.kinds, mean.ratio.n), (2, 2, 7));
        assert_about(mean.ratio, 1.0, mean.metric.label());
        assert_eq!(mean.verdict, Verdict::Tie);
    }
    let starts: Vec<Metric> = matchup.starts.iter().map(|m| m.metric).collect();
    assert_eq!(starts, [Metric::StartupNs, Metric::RssBytesIdle]);
    for start in &matchup.starts {
        let ratio = start.ratio.expect("a ratio");
        assert_eq!(ratio.n, 15);
        assert_about(ratio, 1.25, start.metric.label());
    }
    assert!(analyse(&run(&Scene::default())).matchups[0].means.is_empty());
}

/// One metric of eleven lines differs: alone it is decided, and as one of many eight blocks are too
/// few.
#[test]
fn verdicts_hold_for_the_whole_run() {
    let found = |blocks: u32| {
        let mut scene = Scene { blocks, ..Scene::default() };
        scene.arms[1] = scene.arms[0];
        scene.arms[1].cpu_ns_per_request *= 1.1;
        let analysis = analyse(&run(&scene));
        let cpu = metric(&cell(&analysis).metrics, Metric::CpuNsPerRequest).clone();
        (cpu.verdict, cpu.p.expect("p"), cpu.q.expect("q"), cpu.reason.unwrap_or_default())
    };
    let (verdict, p, q, reason) = found(8);
    assert_eq!((verdict, p), (Verdict::Inconclusive, 2.0 / 256.0));
    assert!(q > 0.05 && reason.contains("one of the run's 11 lines (q = 0.09"), "{q} {reason}");
    let (verdict, _, q, _) = found(12);
    assert!(verdict == Verdict::Slower && q < 0.01, "{q}");
}

#[test]
fn quantiles_need_enough_requests() {
    let mut record = run(&Scene::default());
    let mut quantiles = |requests_per_window: usize| -> Vec<Metric> {
        for window in record.blocks.iter_mut().flat_map(|b| &mut b.windows) {
            window.service_time = Some(encode(&vec![1_000; requests_per_window]));
        }
        let analysis = analyse(&record);
        let metrics = cell(&analysis).metrics.iter().map(|m| m.metric);
        metrics.filter(|m| m.label().starts_with("service time")).collect()
    };
    // 16 windows per block and arm; the median needs 20 requests, the 99th percentile 1,000.
    assert_eq!(quantiles(1), []);
    assert_eq!(quantiles(2), [Metric::ServiceTimeNsP50]);
    assert_eq!(quantiles(62), [Metric::ServiceTimeNsP50]);
    assert_eq!(quantiles(63), [Metric::ServiceTimeNsP50, Metric::ServiceTimeNsP99]);
}

#[test]
fn memory_over_time() {
    let mut record = run(&Scene { noise: 0.0, ..Scene::default() });
    // One block goes on for longer than the others: the curve does not follow it.
    let longer = record.blocks[0].arms[0].rss[9];
    record.blocks[0].arms[0].rss.push(duet_model::record::RssSample { at_ms: 5_000, ..longer });
    let analysis = analyse(&record);
    let curve = &cell(&analysis).rss[0];
    assert_eq!(curve.len(), 10);
    assert_eq!(curve[9], RssPoint { at_ms: 900, rss_bytes: 8e6 });
}

#[test]
fn the_running_ratio_is_the_final_one() {
    let record = run(&Scene::default());
    let analysis = analyse(&record);
    let id = &cell(&analysis).id;
    let so_far = |n: usize| running_ratio(&record.header, &record.blocks[..n], id);
    assert_eq!(so_far(0), None);
    assert_eq!(so_far(1).map(|e| (e.n, e.interval)), Some((1, None)));
    assert_eq!(so_far(8), cell(&analysis).metrics[0].ratio);
}

#[test]
fn json_round_trip() {
    let analysis = analyse(&run(&Scene { workloads: vec!["small", "large"], ..Scene::default() }));
    let json = serde_json::to_string(&analysis).expect("an analysis has no odd keys");
    let back: Analysis = serde_json::from_str(&json).expect("it was just written");
    assert_eq!(back, analysis);
}
