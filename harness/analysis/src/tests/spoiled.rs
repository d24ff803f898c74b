//! What keeps a ratio from being told, or some of them.

use super::*;
use duet_model::record::{ServiceCounts, ServiceUse};

/// A generator that is the bottleneck limits rates, and not what a server spends on a request.
#[test]
fn a_busy_generator_spoils_rates_and_not_costs() {
    let mut scene = Scene { workloads: vec!["small", "large"], ..Scene::default() };
    scene.arms[0].generator_cpu_ns_per_request = 19_000.0;
    let record = run(&scene);
    let analysis = analyse(&record);
    let cell = cell(&analysis);
    assert_eq!(cell.bottleneck.who, Who::Generator);
    let rates = [Metric::RequestsPerSecond, Metric::ServiceTimeNsP50, Metric::ServiceTimeNsP99];
    for found in &cell.metrics {
        if !rates.contains(&found.metric) {
            assert_about(found.ratio.expect("a ratio"), 1.25, found.metric.label());
            assert_eq!((found.verdict, &found.reason), (Verdict::Slower, &None));
            continue;
        }
        assert_eq!((found.ratio, found.verdict), (None, Verdict::Inconclusive));
        assert!(found.log_ratios.is_empty() && found.arms.len() == 2);
        let reason = found.reason.as_deref().expect("a reason");
        assert!(reason.contains("generator_cpus"), "{reason}");
    }
    assert_eq!(codes(&cell.warnings), ["generator_bound"]);
    let matchup = &analysis.matchups[0];
    assert!(matchup.starts.iter().all(|m| m.ratio.is_some()));
    let means: Vec<(Metric, usize)> =
        matchup.means.iter().map(|m| (m.metric, m.cells.len())).collect();
    assert_eq!(means, [(Metric::CpuNsPerRequest, 2), (Metric::RssBytesPeak, 2)]);
    assert_eq!(running_ratio(&record.header, &record.blocks, &cell.id), None);
    scene.arms[0].generator_cpu_ns_per_request = 15_000.0;
    assert_eq!(codes(&self::cell(&analyse(&run(&scene))).warnings), ["generator_busy"]);
}

/// So does a service whose CPUs have no time left.
#[test]
fn a_busy_service_spoils_rates_and_not_costs() {
    let record = |busy_ns: u64| {
        let mut record = run(&Scene::default());
        for block in &mut record.blocks {
            let service = "db".to_owned();
            let used = ServiceUse { service, cpus_busy_ns: busy_ns, cpus: 1, ..Default::default() };
            (block.driven_ns, block.services) = (1_000, vec![used]);
        }
        record
    };
    let analysis = analyse(&record(900));
    for found in &cell(&analysis).metrics {
        let is_cost = matches!(found.metric, Metric::CpuNsPerRequest | Metric::RssBytesPeak);
        assert!(!is_cost || found.ratio.is_some(), "{found:?}");
        let of_rate = found.metric == Metric::RequestsPerSecond;
        assert!(!of_rate || found.ratio.is_none(), "{found:?}");
        let reason = found.reason.as_deref().unwrap_or_default();
        assert!(!of_rate || reason.contains("the service db was the limit"), "{reason}");
    }
    assert_eq!(codes(&cell(&analysis).warnings), ["service_bound"]);
    let analysis = analyse(&record(899));
    assert!(cell(&analysis).metrics.iter().all(|found| found.ratio.is_some()));
    assert!(cell(&analysis).warnings.is_empty());
}

/// Arms that compress to different sizes have not done the same work.
#[test]
fn compressed_sizes_that_differ_spoil_all_ratios() {
    let record = |more: u64, gzip: bool| {
        let mut record = run(&Scene { workloads: vec!["small", "large"], ..Scene::default() });
        let workloads = &mut record.header.spec.workloads;
        workloads.iter_mut().flat_map(|w| &mut w.cases).for_each(|case| case.expect.gzip = gzip);
        for window in record.blocks.iter_mut().flat_map(|block| &mut block.windows) {
            let each = if window.arm == 0 { 1_000 } else { 1_000 + more };
            window.received_bytes = window.requests * each;
        }
        record
    };
    let analysis = analyse(&record(51, true));
    for found in &cell(&analysis).metrics {
        let reason = found.reason.as_deref().unwrap_or_default();
        assert!(found.ratio.is_none() && reason.contains("1000 bytes, of beta 1051"), "{found:?}");
    }
    assert_eq!(codes(&cell(&analysis).warnings), ["compressed_sizes"]);
    assert!(analysis.matchups[0].means.is_empty(), "what has no ratio is in no mean");
    for (more, gzip) in [(50, true), (51, false)] {
        let analysis = analyse(&record(more, gzip));
        assert!(cell(&analysis).metrics.iter().all(|found| found.ratio.is_some()));
        assert!(!analysis.matchups[0].means.is_empty());
    }
}

#[test]
fn connections_that_are_not_kept_are_told() {
    let counts = |calls, accepts| ServiceCounts {
        calls: Some(calls),
        accepts: Some(accepts),
        ..Default::default()
    };
    let mut record = run(&Scene::default());
    for block in &mut record.blocks {
        let arms = vec![counts(4_000, 1_000), counts(4_000, 1_001)];
        block.driven_ns = 1_000;
        block.services =
            vec![ServiceUse { service: "up".into(), arms, cpus: 1, ..Default::default() }];
    }
    let analysis = analyse(&record);
    let [warning] = &cell(&analysis).warnings[..] else { panic!("{:?}", cell(&analysis).warnings) };
    assert_eq!(warning.code, "upstream_connections");
    let said = "beta opened 8,008 connections for 32,000 calls";
    assert!(warning.message.ends_with(said), "{}", warning.message);
}
