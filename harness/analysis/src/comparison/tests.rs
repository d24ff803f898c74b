use super::*;
use duet_model::record::{Absence, Failure, NoiseFloor, Run, Stage};
use duet_model::spec::{Gate, Look, Rule};
use duet_model::testing::{Scene, Speed, open, run};
use duet_units::Metric;

mod programs; // cells of programs beside those of servers

/// A record of a gate over requests per second and CPU per request with margins of 3 %: `alpha` is
/// the base, and `beta`, `worse` times worse in everything, the head.
fn record(worse: f64, change: impl FnOnce(&mut Gate)) -> Run {
    let scene = Scene::default();
    let base = scene.arms[0];
    let head = Speed {
        requests_per_second: base.requests_per_second / worse,
        cpu_ns_per_request: base.cpu_ns_per_request * worse,
        rss_bytes: base.rss_bytes * worse,
        startup_ns: base.startup_ns * worse,
        ..base
    };
    let mut run = run(&Scene { arms: [base, head], rounds: 2, noise: 0.001, ..scene });
    let rule = |metric| Rule { metric, margin: 0.03 };
    let mut gate = Gate {
        name: "g".to_owned(),
        summary: "A gate.".to_owned(),
        servers: vec!["pair".to_owned()],
        workloads: vec!["small".to_owned()],
        loads: vec!["c64".to_owned()],
        programs: vec![],
        server_cpus: 1,
        generator_cpus: 1,
        lead_ms: 20,
        window_ms: 20,
        measure_ms: 160,
        warmup_ms: 500,
        program_block_ms: 0,
        program_limit_s: 0,
        program_limit_mib: 0,
        alpha: 0.05,
        looks: vec![Look { blocks: 8, alpha: 0.05 }],
        budget_s: 60,
        rules: vec![rule(Metric::RequestsPerSecond), rule(Metric::CpuNsPerRequest)],
        budgets: vec![],
        waivers: vec![],
        ..Gate::default()
    };
    change(&mut gate);
    let version = |label: &str| Version {
        given: format!("git:{label}"),
        label: label.to_owned(),
        ..Version::default()
    };
    let experiment = Experiment::of(Question::Gate, version("old"), version("new"));
    run.header.experiment = Some(Experiment { gate: Some(gate), ..experiment });
    run
}

/// What the gate says of each metric, the principal ones only: P, R or I.
fn letters(comparison: &Comparison) -> String {
    let judgements = comparison.cells.iter().flat_map(|cell| &cell.metrics);
    let judgements = judgements.filter_map(|metric| metric.gated.as_ref());
    judgements
        .map(|gated| match gated.judgement.verdict {
            GateVerdict::Pass => 'P',
            GateVerdict::Regressed => 'R',
            GateVerdict::Inconclusive => 'I',
        })
        .collect()
}

fn compared(run: &Run, second: Option<&Run>) -> Comparison {
    compare(run, second).expect("it is of two versions")
}

#[test]
fn a_run_of_matchups_is_no_comparison() {
    let refusal = compare(&run(&Scene::default()), None).expect_err("it has no experiment");
    assert!(refusal.contains("no versions"), "{refusal}");
}

#[test]
fn verdicts_and_their_confirmation() {
    let good = record(1.0, |_| {});
    let bad = record(1.1, |_| {});
    // First experiment, second; verdicts, outcome.
    let cases = [
        (&good, None, "PP", Outcome::Pass),
        // A gate fails nobody by one experiment.
        (&bad, None, "II", Outcome::Inconclusive),
        (&bad, Some(&bad), "RR", Outcome::Regressed),
        (&bad, Some(&good), "II", Outcome::Inconclusive),
        (&good, Some(&bad), "PP", Outcome::Pass),
    ];
    for (first, second, verdicts, outcome) in cases {
        let comparison = compared(first, second);
        assert_eq!((&*letters(&comparison), comparison.outcome), (verdicts, outcome));
    }
}

/// What a comparison is asked decides what its verdicts mean.
#[test]
fn questions() {
    for (question, want) in [
        (Question::Gate, Outcome::Inconclusive),
        (Question::Confirm, Outcome::Regressed),
        (Question::Compare, Outcome::Compared),
        (Question::Null, Outcome::Compared),
    ] {
        let mut run = record(1.1, |_| {});
        if let Some(experiment) = &mut run.header.experiment {
            experiment.question = question;
        }
        assert_eq!(compared(&run, None).outcome, want, "{question:?}");
    }
}

#[test]
fn gated_metrics_come_first_and_have_their_course() {
    let comparison = compared(&record(1.0, |_| {}), None);
    let cell = &comparison.cells[0];
    let principal: Vec<Metric> = cell.principal().iter().map(|m| m.metric).collect();
    assert_eq!(principal, [Metric::RequestsPerSecond, Metric::CpuNsPerRequest]);
    for metric in &cell.metrics {
        let blocks: Vec<u32> = metric.interval_history.iter().map(|so_far| so_far.blocks).collect();
        let want: &[u32] = if metric.gated.is_some() { &[6, 7, 8] } else { &[] };
        assert_eq!(blocks, want, "{:?}", metric.metric);
        if let Some(last) = metric.interval_history.last() {
            let whole = (metric.estimate, metric.interval);
            assert_eq!((last.estimate, Some(last.interval)), whole);
        }
        assert_eq!(metric.q.is_some(), metric.gated.is_none(), "{:?}", metric.metric);
    }
    assert_eq!(cell.stolen_shares, [0.0; 8]);
}

/// Ungated metrics warn, and never fail anybody.
#[test]
fn ungated_changes_warn() {
    let only = |gate: &mut Gate| gate.rules.retain(|rule| rule.metric != Metric::CpuNsPerRequest);
    let mut run = record(1.1, only);
    for window in run.blocks.iter_mut().flat_map(|block| &mut block.windows) {
        // The head is as fast as the base.
        if window.arm == 1 {
            window.requests = (window.requests as f64 * 1.1) as u64;
        }
    }
    let comparison = compared(&run, None);
    assert_eq!(comparison.outcome, Outcome::Pass, "{:#?}", comparison.cells[0].metrics[0]);
    let warned = comparison.warnings.iter().any(|w| w.code == "ungated_change");
    assert!(warned, "{:?}", comparison.warnings);
}

/// A floor that null experiments gave stands between a margin and a failure.
#[test]
fn noise_floors() {
    let mut run = record(1.1, |_| {});
    let cell = run.header.suite.cells[0].clone();
    let estimates: Vec<f64> = (0..20).map(|i| if i % 2 == 0 { 0.2 } else { -0.2 }).collect();
    let floor = |metric| NoiseFloor {
        cell: cell.clone(),
        metric,
        estimates: estimates.clone(),
        standard_errors: vec![0.01; 20],
    };
    if let Some(experiment) = &mut run.header.experiment {
        experiment.floors = vec![floor(Metric::RequestsPerSecond)];
    }
    let comparison = compared(&run, Some(&run));
    assert_eq!(letters(&comparison), "IR");
    assert_eq!(comparison.outcome, Outcome::Regressed);
}

#[test]
fn waivers_hold_to_the_end_of_their_day() {
    // The run began on 2025-01-01; the head is 10 % worse.
    let waiver = |margin: f64, expires: &str| Waiver {
        server: "pair".to_owned(),
        workload: None,
        metric: Metric::RequestsPerSecond,
        margin,
        reason: "A cache".to_owned(),
        expires: expires.to_owned(),
    };
    let cases = [
        (waiver(0.2, "2025-01-01"), "PR", false),
        (waiver(0.2, "2026-01-01"), "PR", false),
        (waiver(0.2, "2024-12-31"), "RR", true),
        // Worse than was waived.
        (waiver(0.05, "2025-06-01"), "RR", false),
        (Waiver { server: "other".to_owned(), ..waiver(0.2, "2026-01-01") }, "RR", false),
        (Waiver { workload: Some("small".to_owned()), ..waiver(0.2, "2026-01-01") }, "PR", false),
        (Waiver { workload: Some("large".to_owned()), ..waiver(0.2, "2026-01-01") }, "RR", false),
        (Waiver { metric: Metric::CpuNsPerRequest, ..waiver(0.2, "2026-01-01") }, "RP", false),
    ];
    for (waiver, verdicts, expired) in cases {
        let run = record(1.1, |gate| gate.waivers = vec![waiver.clone()]);
        let comparison = compared(&run, Some(&run));
        assert_eq!(letters(&comparison), verdicts, "{waiver:?}");
        let warned = comparison.warnings.iter().any(|w| w.code == "expired_waiver");
        assert_eq!(warned, expired, "{waiver:?}");
    }
}

#[test]
fn budgets_in_both_directions() {
    // The base serves 50,000 requests per second at 18 µs of CPU, and so does the head.
    let speed = Quantity::Metric(Metric::RequestsPerSecond);
    let cpu = Quantity::Metric(Metric::CpuNsPerRequest);
    let cases = [
        (speed, 40_000.0, Some(true), Outcome::Pass),
        (speed, 50_000.0, None, Outcome::Inconclusive),
        (speed, 60_000.0, Some(false), Outcome::Regressed),
        (cpu, 20_000.0, Some(true), Outcome::Pass),
        (cpu, 18_000.0, None, Outcome::Inconclusive),
        (cpu, 17_000.0, Some(false), Outcome::Regressed),
        (Quantity::ErrorRate, 0.0, Some(true), Outcome::Pass),
    ];
    for (quantity, limit, kept, outcome) in cases {
        let budget = Budget { text: String::new(), quantity, limit };
        let comparison = compared(&record(1.0, |gate| gate.budgets = vec![budget]), None);
        let got = (comparison.budgets[0].kept, comparison.outcome);
        assert_eq!(got, (kept, outcome), "{quantity:?} {limit}: {:?}", comparison.budgets);
    }
}

#[test]
fn failed_requests_count_against_the_head_alone() {
    for (arm, limit, kept) in [(0, 0.0, true), (1, 0.0, false), (1, 0.5, true)] {
        let budget = Budget { text: String::new(), quantity: Quantity::ErrorRate, limit };
        let mut run = record(1.0, |gate| gate.budgets = vec![budget]);
        let window = run.blocks[0].windows.iter_mut().find(|window| window.arm == arm);
        let window = window.expect("both are driven");
        window.errors.insert("wrong status".to_owned(), 1);
        let comparison = compared(&run, None);
        assert_eq!(comparison.budgets[0].kept, Some(kept), "arm {arm}, limit {limit}");
    }
}

/// A change of a record.
type Change = fn(&mut Run);

fn fail(run: &mut Run) {
    let failure = Failure {
        stage: Stage::Drive,
        server: Some("beta".to_owned()),
        error: "it crashed".to_owned(),
        stderr: vec![],
    };
    run.blocks[7].failure = Some(failure);
    run.blocks[7].windows.clear();
}

fn miss(run: &mut Run, in_head: bool) {
    let cell = CellId { matchup: "gone".to_owned(), ..run.header.suite.cells[0].clone() };
    let absence = Absence { cell, in_head };
    if let Some(experiment) = &mut run.header.experiment {
        experiment.absent.push(absence);
    }
}

fn break_budget(run: &mut Run) {
    let quantity = Quantity::Metric(Metric::RequestsPerSecond);
    let gate = run.header.experiment.as_mut().and_then(|experiment| experiment.gate.as_mut());
    let budget = Budget { text: String::new(), quantity, limit: 1e9 };
    gate.expect("it has one").budgets.push(budget);
}

/// A cell that was planned, and of which nothing was measured.
fn plan_more(run: &mut Run) {
    let more = CellId { workload: "large".to_owned(), ..run.header.suite.cells[0].clone() };
    run.header.suite.cells.push(more);
}

/// The gravest of all that came out wins: 5, 4, 1, 3, 0 as exit codes.
#[test]
fn outcomes_by_gravity() {
    let cases: [(&[Change], f64, Outcome); 9] = [
        (&[], 1.0, Outcome::Pass),
        (&[|run| miss(run, false)], 1.0, Outcome::Pass),
        (&[|run| run.blocks.truncate(7)], 1.0, Outcome::Inconclusive),
        (&[|run| miss(run, true)], 1.0, Outcome::Regressed),
        (&[|run| run.blocks.truncate(7), break_budget], 1.0, Outcome::Regressed),
        (&[plan_more], 1.1, Outcome::Unmeasured),
        (&[plan_more, break_budget, |run| miss(run, true)], 1.0, Outcome::Unmeasured),
        (&[fail], 1.0, Outcome::Failed),
        (&[fail, plan_more, break_budget], 1.1, Outcome::Failed),
    ];
    for (i, (changes, worse, want)) in cases.into_iter().enumerate() {
        let mut run = record(worse, |_| {});
        changes.iter().for_each(|change| change(&mut run));
        assert_eq!(compared(&run, None).outcome, want, "case {i}");
    }
}

/// A gated metric without a ratio is not forgotten: nothing passes of which it was not judged.
#[test]
fn what_cannot_be_judged_does_not_pass() {
    let check = |run: &Run, metric: Metric, want: &str| {
        let comparison = compared(run, None);
        let [unjudged] = &comparison.cells[0].unjudged[..] else {
            panic!("{metric:?}: {:#?}", comparison.cells[0])
        };
        assert_eq!((unjudged.metric, comparison.outcome), (metric, Outcome::Inconclusive));
        assert!(unjudged.reason.contains(want), "{unjudged:?}");
    };
    let gating = |metric| record(1.0, |gate| gate.rules.push(Rule { metric, margin: 0.03 }));
    let nothing = compared(&record(1.0, |gate| gate.rules.clear()), None);
    assert_eq!(nothing.outcome, Outcome::Inconclusive);
    let mut no_startup = gating(Metric::StartupNs);
    let arms = no_startup.blocks.iter_mut().flat_map(|block| &mut block.arms);
    arms.for_each(|arm| arm.startup_ns = 0);
    check(&no_startup, Metric::StartupNs, "no block has a value of it");

    // Both read 0, as where it is too short for the kernel's clock or was lost: that is not equal.
    let mut no_cpu = record(1.0, |_| {});
    for window in no_cpu.blocks.iter_mut().flat_map(|block| &mut block.windows) {
        window.server_cpu_ns.fill(0);
    }
    check(&no_cpu, Metric::CpuNsPerRequest, "too short to measure");

    let mut overloaded = open(gating(Metric::LatencyNsP50), [2e5, 2e5]);
    assert_eq!(compared(&overloaded, None).outcome, Outcome::Pass);
    for window in overloaded.blocks.iter_mut().flat_map(|block| &mut block.windows) {
        if let Some(open) = window.open.as_mut().filter(|_| window.arm == 1) {
            open.sent_late = open.planned;
        }
    }
    check(&overloaded, Metric::LatencyNsP50, "beta cannot hold this rate");
}

/// What is no gate is done where anything was measured.
#[test]
fn comparisons_do_without_a_cell() {
    let cases: [(&[Change], Outcome); 4] = [
        (&[], Outcome::Compared),
        (&[plan_more], Outcome::Compared),
        (&[plan_more, |run| run.blocks.clear()], Outcome::Unmeasured),
        (&[fail, plan_more], Outcome::Failed),
    ];
    for (i, (changes, want)) in cases.into_iter().enumerate() {
        for question in [Question::Compare, Question::Null] {
            let mut run = record(1.0, |_| {});
            changes.iter().for_each(|change| change(&mut run));
            if let Some(experiment) = &mut run.header.experiment {
                (experiment.question, experiment.gate) = (question, None);
            }
            assert_eq!(compared(&run, None).outcome, want, "case {i}, {question:?}");
        }
    }
}

#[test]
fn what_is_missing_new_or_identical() {
    let mut run = record(1.0, |_| {});
    miss(&mut run, true);
    miss(&mut run, false);
    let states: Vec<State> = compared(&run, None).cells.into_iter().map(|c| c.state).collect();
    assert_eq!(states, [State::Measured, State::Missing, State::New]);

    let cell = run.header.suite.cells[0].clone();
    let set = |run: &mut Run, hashes: [Option<&str>; 2]| {
        for (build, hash) in run.builds.iter_mut().zip(hashes) {
            build.binary_sha256 = hash.map(str::to_owned);
        }
    };
    for (hashes, want) in
        [([Some("a"), Some("a")], true), ([Some("a"), Some("b")], false), ([None, None], false)]
    {
        set(&mut run, hashes);
        assert_eq!(is_identical(&run, &cell), want, "{hashes:?}");
    }
    set(&mut run, [Some("a"), Some("a")]);
    // Measured all the same, as `--even-identical` does.
    assert_eq!(compared(&run, None).cells[0].state, State::Measured);
    run.blocks.clear();
    let comparison = compared(&run, None);
    assert_eq!(comparison.cells[0].state, State::Identical);
    // The same executable, started otherwise, is another version.
    run.header.spec.servers[1].run.push("--slow".to_owned());
    assert!(!is_identical(&run, &cell));
}

#[test]
fn looks_go_on_until_all_is_decided() {
    let check = |run: &Run, want: &str| {
        let got = match next(run, None) {
            Decision::Decided(cells) => format!("decided, {} to confirm", cells.len()),
            Decision::GoOn { cells, until_blocks } => {
                format!("{} until {until_blocks}", cells.len())
            }
            Decision::Futile(_) => "futile".to_owned(),
        };
        assert_eq!(got, want);
    };
    check(&record(1.0, |_| {}), "decided, 0 to confirm");
    check(&record(1.1, |_| {}), "decided, 1 to confirm");
    let mut few = record(1.1, |_| {});
    few.blocks.truncate(5);
    check(&few, "1 until 8");
    assert!(regressions(&few).is_empty());
    assert_eq!(regressions(&record(1.1, |_| {})).len(), 2);
    check(&record(1.03, |_| {}), "futile");
}

/// A comparison travels as JSON and comes back the same.
#[test]
fn json_round_trip() {
    let bad = record(1.1, |_| {});
    let comparison = compared(&bad, Some(&bad));
    let json = serde_json::to_string(&comparison).expect("it has no odd keys");
    let back: Comparison = serde_json::from_str(&json).expect("it is what was written");
    assert_eq!(back, comparison);
}
