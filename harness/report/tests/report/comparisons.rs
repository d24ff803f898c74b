//! Reports of made-up comparisons: one for every way in which a gate can end.

use duet_analysis::comparison::{
    Budget, CheckedBudget, ComparedCell, ComparedMetric, Comparison, Gated, Judgement, Outcome,
    Quantity, Question, SCHEMA, SoFar, State, Unjudged, Version, Waiver,
};
use duet_analysis::gate::{self, Evidence, Floor, LOOKS};
use duet_analysis::verdict;
use duet_analysis::{CellFailure, CellId, Estimate, Failure, Stage, Warning};
use duet_report::Style;
use duet_report::comparison as report;
use duet_stats::{hodges_lehmann, interval, smallest_detectable, standard_deviation};
use duet_units::Metric;

use crate::{fixture, markup};

/// Every comparison, by name.
pub(crate) fn comparisons() -> [(&'static str, Comparison); 8] {
    [
        ("pass", pass()),
        ("regressed", regressed()),
        ("inconclusive", inconclusive()),
        ("identical", identical()),
        ("failed", failed()),
        ("unmeasured", unmeasured()),
        ("interrupted", interrupted()),
        ("compared", compared()),
    ]
}

/// Two cells, all within their margins; a metric that is not gated is worse.
fn pass() -> Comparison {
    let floor = Some(Floor { nu: 0.011, tau: 0.006, experiments: 20 });
    let mut comparison = gate(Outcome::Pass);
    for (workload, load) in [("hello", "c64"), ("json", "c64")] {
        let log_ratios = |i: usize, centre| around(centre, 0.012, 12, i);
        let mut metrics = vec![
            gated(Metric::RequestsPerSecond, 61_234.0, log_ratios(0, -0.021), 0.03, floor),
            gated(Metric::CpuNsPerRequest, 11_300.0, log_ratios(1, 0.002), 0.03, floor),
            gated(Metric::RssBytesPeak, 5.4e6, log_ratios(2, 0.006), 0.05, floor),
        ];
        let rest = [
            (Metric::RssBytesSteady, 5.3e6, 0.006),
            (Metric::StartupNs, 4.2e6, 0.031),
            (Metric::ServiceTimeNsP50, 980_000.0, -0.02),
            (Metric::ServiceTimeNsP99, 2_410_000.0, 0.012),
        ];
        for (i, (metric, base, centre)) in rest.into_iter().enumerate() {
            let mut metric = plain(metric, base, around(centre, 0.02, 12, i));
            metric.q = Some(if centre > 0.03 { 0.003 } else { 0.41 });
            metrics.push(metric);
        }
        comparison.cells.push(cell(("mine", workload, load), State::Measured, metrics));
    }
    let quantiles = [
        (Metric::LatencyNsP50, 310_000.0, 0.001),
        (Metric::LatencyNsP90, 720_000.0, 0.004),
        (Metric::LatencyNsP999, 6_900_000.0, 0.05),
    ];
    let tail = around(0.012, 0.02, 12, 2);
    let mut metrics = vec![gated(Metric::LatencyNsP99, 2_100_000.0, tail, 0.1, floor)];
    for (i, (metric, base, centre)) in quantiles.into_iter().enumerate() {
        let spread = 0.01 * (1 + 3 * i) as f64;
        metrics.push(plain(metric, base, around(centre, spread, 12, i)));
    }
    comparison.cells.push(cell(("mine", "hello", "r5000"), State::Measured, metrics));
    comparison.budgets = vec![budget("error_rate == 0", Quantity::ErrorRate, 0.0, Some(true))];
    comparison.warnings = vec![Warning {
        code: "ungated_change".into(),
        message: "mine/hello/c64: start-up is 3.1 % worse and not gated".into(),
        hint: Some("look at it; to be held to it, give it a margin".into()),
    }];
    comparison
}

/// One of everything that breaks a build, with a waived regression beside it.
fn regressed() -> Comparison {
    let floor = Some(Floor { nu: 0.013, tau: 0.007, experiments: 10 });
    let worse = gated(Metric::RequestsPerSecond, 61_234.0, around(0.08, 0.01, 8, 0), 0.03, floor);
    let worse = confirmed(worse, &around(0.077, 0.011, 8, 1));
    let mut waived = gated(Metric::RssBytesPeak, 5.4e6, around(0.07, 0.004, 8, 2), 0.1, floor);
    if let Some(gated) = &mut waived.gated {
        gated.waiver = Some(Waiver {
            server: "mine".into(),
            workload: None,
            metric: Metric::RssBytesPeak,
            margin: 0.1,
            reason: "the cache | <b>pays</b> for itself".into(),
            expires: "2026-03-01".into(),
        });
    }
    let rest = plain(Metric::ServiceTimeNsP99, 2_410_000.0, around(0.5, 0.4, 8, 3));
    let cells = vec![
        cell(("mine", "hello", "c64"), State::Measured, vec![worse, waived, rest]),
        cell(("same", "hello", "c64"), State::Identical, vec![]),
        cell(("gone", "hello", "c64"), State::Missing, vec![]),
        cell(("fresh", "hello", "c64"), State::New, vec![]),
    ];
    let p99 = Quantity::Metric(Metric::ServiceTimeNsP99);
    let budgets = vec![
        budget("service_time_ns_p99 <= 3ms", p99, 4_020_000.0, Some(false)),
        budget("error_rate == 0", Quantity::ErrorRate, 0.0, Some(true)),
    ];
    let confirmation = gate(Outcome::Regressed).run;
    let confirmation = Some(confirmation);
    Comparison { cells, budgets, confirmation, ..gate(Outcome::Regressed) }
}

/// Noise that hides the answer, a regression that was not confirmed, a metric that could not be
/// judged, a budget that is not sure.
fn inconclusive() -> Comparison {
    let noisy = gated(Metric::RequestsPerSecond, 61_234.0, around(0.01, 0.09, 24, 0), 0.03, None);
    let once = gated(Metric::CpuNsPerRequest, 11_300.0, around(0.06, 0.01, 24, 1), 0.03, None);
    let once = confirmed(once, &around(0.001, 0.01, 12, 2));
    let mut cells = vec![cell(("mine", "hello", "c64"), State::Measured, vec![noisy, once])];
    let reason = "mine@8c2d1f0 cannot hold this rate: 61 % of the requests to it were sent in time";
    cells[0].unjudged = vec![Unjudged { metric: Metric::LatencyNsP99, reason: reason.into() }];
    cells[0].stolen_shares = (0..24).map(|i| f64::from(i % 5) * 0.011).collect();
    let p99 = Quantity::Metric(Metric::ServiceTimeNsP99);
    let mut unsure = budget("service_time_ns_p99 <= 3ms", p99, 3_020_000.0, None);
    unsure.at_best = Some(2_900_000.0);
    Comparison { cells, budgets: vec![unsure], ..gate(Outcome::Inconclusive) }
}

fn identical() -> Comparison {
    let cells = vec![cell(("mine", "hello", "c64"), State::Identical, vec![])];
    Comparison { cells, ..gate(Outcome::Pass) }
}

fn failed() -> Comparison {
    let id = id(("mine", "hello", "c64"));
    let failure = Failure {
        stage: Stage::Verify,
        server: Some("mine@8c2d1f0".into()),
        error: "wrong answer to GET / (hello): the body differs from byte 19 on".into(),
        stderr: vec!["panic: runtime error".into(), "\u{1b}[31mgoroutine 1".into()],
    };
    Comparison {
        cells: vec![cell(("mine", "hello", "c64"), State::Failed, vec![])],
        failures: vec![CellFailure { cell: Some(id), side: None, failure, blocks: 1 }],
        ..gate(Outcome::Failed)
    }
}

fn unmeasured() -> Comparison {
    let state = State::Unmeasured("the generator was the bottleneck".into());
    Comparison {
        cells: vec![cell(("mine", "hello", "c64"), state, vec![])],
        ..gate(Outcome::Unmeasured)
    }
}

fn interrupted() -> Comparison {
    let metrics = vec![
        gated(Metric::RequestsPerSecond, 61_234.0, around(0.0, 0.01, 4, 0), 0.03, None),
        plain(Metric::StartupNs, 4.2e6, around(0.0, 0.1, 4, 1)),
    ];
    let cells = vec![cell(("mine", "hello", "c64"), State::Measured, metrics)];
    let mut comparison = Comparison { cells, ..gate(Outcome::Inconclusive) };
    comparison.run.interrupted = Some(2);
    comparison
}

/// Two servers, without a policy.
fn compared() -> Comparison {
    let metrics = vec![
        plain(Metric::RequestsPerSecond, 61_234.0, around(0.61, 0.03, 8, 0)),
        plain(Metric::CpuNsPerRequest, 11_300.0, around(0.48, 0.02, 8, 1)),
        plain(Metric::RssBytesPeak, 5.4e6, around(1.9, 0.02, 8, 2)),
        plain(Metric::StartupNs, 4.2e6, around(-0.2, 0.3, 8, 3)),
    ];
    let version = |name: &str| Version { label: name.into(), ..version(&format!("server:{name}")) };
    let late = State::Unmeasured("the generator was too late".into());
    Comparison {
        question: Question::Compare,
        gate: None,
        looks: vec![],
        base: version("swift"),
        head: version("slow"),
        cells: vec![
            cell(("swift-slow", "hello", "c64"), State::Measured, metrics),
            cell(("swift-slow", "hello", "r50"), late, vec![]),
        ],
        ..gate(Outcome::Compared)
    }
}

fn gate(outcome: Outcome) -> Comparison {
    Comparison {
        schema: SCHEMA.into(),
        question: Question::Gate,
        outcome,
        gate: Some("pull-request".into()),
        looks: LOOKS.to_vec(),
        base: Version { label: "3f2a9c1".into(), ..version("git:origin/main") },
        head: Version { label: "8c2d1f0-dirty".into(), dirty: true, ..version("dir:.") },
        cells: vec![],
        budgets: vec![],
        warnings: vec![],
        failures: vec![],
        run: fixture::run(),
        confirmation: None,
    }
}

fn version(given: &str) -> Version {
    let commit = Some("3f2a9c1d5a1948800c4ea60e73640739647924ca".into());
    Version {
        given: given.into(),
        label: String::new(),
        commit,
        dirty: false,
        ..Version::default()
    }
}

fn id((matchup, workload, load): (&str, &str, &str)) -> CellId {
    CellId { matchup: matchup.into(), workload: workload.into(), load: load.into() }
}

fn cell(name: (&str, &str, &str), state: State, metrics: Vec<ComparedMetric>) -> ComparedCell {
    let blocks = metrics.first().map_or(0, |m| m.log_ratios.len() as u32);
    let load = if blocks > 0 { "64 connections".into() } else { String::new() };
    let stolen_shares = (0..blocks).map(|i| f64::from(i % 3) * 0.004).collect();
    let programs = false;
    let mut cell = ComparedCell {
        id: id(name),
        load,
        programs,
        state,
        blocks,
        metrics,
        unjudged: vec![],
        stolen_shares,
    };
    let principal = cell.principal().len();
    for metric in &mut cell.metrics[..principal] {
        let so_far = |n: usize| {
            let first = &metric.log_ratios[..n];
            let interval = interval(first)?;
            Some(SoFar { blocks: n as u32, estimate: hodges_lehmann(first), interval })
        };
        metric.interval_history = (1..=metric.log_ratios.len()).filter_map(so_far).collect();
    }
    cell
}

/// Log ratios about `centre`, as spread out as `half` says; `i` shifts their order.
fn around(centre: f64, half: f64, n: usize, i: usize) -> Vec<f64> {
    let sides = [0.9, -1.0, 0.4, -0.6, -0.8, 1.0, -0.3, 0.5, 0.1, -0.2, 0.7];
    (0..n).map(|block| centre + half * sides[(block + 3 * i) % sides.len()]).collect()
}

fn plain(metric: Metric, base: f64, log_ratios: Vec<f64>) -> ComparedMetric {
    let estimate = hodges_lehmann(&log_ratios);
    let interval = interval(&log_ratios);
    let ratios = interval.map(|interval| interval.map(f64::exp));
    let (verdict, reason) = verdict::verdict(ratios, &log_ratios);
    let sign = if metric == Metric::RequestsPerSecond { -1.0 } else { 1.0 };
    let n = log_ratios.len() as u32;
    let value = |value: f64| Estimate { value, interval: None, n };
    ComparedMetric {
        metric,
        base: value(base),
        head: value(base * (sign * estimate).exp()),
        estimate,
        interval,
        smallest_detectable: standard_deviation(&log_ratios).map(|s| smallest_detectable(n, s)),
        log_ratios,
        interval_history: vec![],
        gated: None,
        verdict,
        reason,
        q: None,
    }
}

fn gated(
    metric: Metric,
    base: f64,
    log_ratios: Vec<f64>,
    margin: f64,
    floor: Option<Floor>,
) -> ComparedMetric {
    let judgement = judge(&log_ratios, margin, floor);
    let gated = Some(Gated { judgement, confirmation: None, waiver: None });
    ComparedMetric { gated, ..plain(metric, base, log_ratios) }
}

fn judge(log_ratios: &[f64], margin: f64, floor: Option<Floor>) -> Judgement {
    gate::judge(&[Evidence { log_ratios, margin, floor }], &LOOKS).remove(0)
}

/// The metric after a second experiment.
fn confirmed(mut metric: ComparedMetric, second: &[f64]) -> ComparedMetric {
    if let Some(gated) = &mut metric.gated {
        let second = judge(second, gated.judgement.margin.exp_m1(), gated.judgement.floor);
        gated.judgement = gate::confirm(&gated.judgement, &second);
        gated.confirmation = Some(second);
    }
    metric
}

fn budget(text: &str, quantity: Quantity, value: f64, kept: Option<bool>) -> CheckedBudget {
    CheckedBudget {
        cell: id(("mine", "hello", "c64")),
        budget: Budget { text: text.into(), quantity, limit: 0.0 },
        value: Some(value),
        at_best: None,
        kept,
    }
}

#[test]
fn golden_text() {
    for (name, comparison) in comparisons() {
        let text = report::text(&comparison, Style::Plain);
        insta::assert_snapshot!(format!("{name}.txt"), text);
    }
}

#[test]
fn text_fits_the_terminal() {
    for (name, comparison) in comparisons() {
        for line in report::text(&comparison, Style::Plain).lines() {
            assert!(line.chars().count() <= 100, "{name}: {line}");
        }
    }
}

#[test]
fn what_holds_for_all_metrics_is_said_once() {
    let mut comparison = compared();
    for metric in &mut comparison.cells[0].metrics {
        *metric = plain(metric.metric, metric.base.value, metric.log_ratios[..4].to_vec());
    }
    let text = report::text(&comparison, Style::Plain);
    assert_eq!(text.matches("  4 blocks: no verdict below 6").count(), 1, "{text}");
    assert_eq!(text.matches("no verdict").count(), 1, "{text}");
}

#[test]
fn golden_markdown() {
    for (name, comparison) in comparisons() {
        insta::assert_snapshot!(format!("{name}.md"), report::markdown(&comparison));
    }
}

/// The page says what the others say, and needs no other file.
#[test]
fn golden_html() {
    for (name, comparison) in comparisons() {
        let page = report::html(&comparison);
        markup::assert_balanced(name, &page);
        assert!(!page.contains("<script") && !page.contains("src="), "{name}");
        let charts = report::charts(&comparison).len();
        assert_eq!(page.matches("<svg").count(), charts, "{name}");
    }
    insta::assert_snapshot!("regressed.html", markup::words(&report::html(&regressed())));
}

#[test]
fn golden_junit_and_annotations() {
    for (name, comparison) in comparisons() {
        let junit = report::junit(&comparison);
        roxmltree::Document::parse(&junit).expect("it is well-formed");
        insta::assert_snapshot!(format!("{name}.junit"), junit);
        insta::assert_snapshot!(format!("{name}.github"), report::annotations(&comparison));
    }
}

#[test]
fn golden_explanations() {
    for (name, comparison) in [
        ("regressed", regressed()),
        ("inconclusive", inconclusive()),
        ("compared", compared()),
        ("interrupted", interrupted()),
    ] {
        let text = report::explanation(&comparison, "", "", Style::Plain).expect("there are some");
        insta::assert_snapshot!(format!("{name}.explained"), text);
    }
    let names = report::explanation(&pass(), "no such", "", Style::Plain).expect_err("none fits");
    assert!(names.contains(&"requests_per_second".to_owned()), "{names:?}");
}

/// The words of the charts and where they stand.
#[test]
fn golden_charts() {
    for (name, comparison) in [("pass", pass()), ("regressed", regressed())] {
        for (chart, svg) in report::charts(&comparison) {
            insta::assert_snapshot!(format!("{name}.{chart}"), markup::placed_words(&svg));
        }
    }
}

#[test]
fn charts_are_readable() {
    let folder = std::env::var_os("DUET_CHARTS");
    for (name, comparison) in comparisons() {
        if let Some(folder) = &folder {
            let file = std::path::Path::new(folder).join(format!("{name}-comparison.html"));
            std::fs::write(file, report::html(&comparison)).expect("the folder is there");
        }
        for (chart, svg) in report::charts(&comparison) {
            let what = format!("{name} {chart}");
            markup::assert_balanced(&what, &svg);
            markup::assert_placed(&what, &svg);
            if let Some(folder) = &folder {
                let file = std::path::Path::new(folder).join(format!("{name}-{chart}"));
                std::fs::write(file, svg).expect("the folder is there");
            }
        }
    }
}

#[test]
fn charts_are_there_where_there_is_something_to_draw() {
    let check = |comparison: Comparison, want: &[&str]| {
        let names: Vec<&str> = report::charts(&comparison).iter().map(|(name, _)| *name).collect();
        assert_eq!(names, want, "{:?}", comparison.outcome);
    };
    let all = ["forest.svg", "blocks.svg", "looks.svg", "quantiles.svg"];
    check(pass(), &all);
    check(regressed(), &all);
    check(inconclusive(), &all[..3]);
    check(identical(), &[]);
    check(failed(), &[]);
    // Four blocks have no interval.
    check(interrupted(), &all[..2]);
}
