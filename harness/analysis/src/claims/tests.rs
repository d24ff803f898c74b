//! Claims held against made-up runs, in which beta, in Go, is 1.25 times worse than alpha, in Rust.

use super::*;
use crate::run_analysis::analyse;
use duet_model::testing::{self, Scene};

fn test(metrics: &[Metric]) -> ClaimTest {
    ClaimTest {
        matchups: vec!["pair".to_owned()],
        workloads: vec![],
        loads: vec![],
        metrics: metrics.to_vec(),
        figures: vec![],
        ahead: "Rust".to_owned(),
        majority: false,
        at_least: None,
        at_most: vec![],
    }
}

fn claim(tests: Vec<ClaimTest>) -> Claim {
    Claim {
        name: "c".to_owned(),
        claim: "One is better".to_owned(),
        source: "somebody".to_owned(),
        date: "2020".to_owned(),
        kind: ClaimKind::Measured,
        remark: "hearsay".to_owned(),
        tests,
        missing: None,
    }
}

fn run() -> Analysis {
    analyse(&testing::run(&Scene::default()))
}

/// What a run says of a claim with this test.
fn found(analysis: &Analysis, test: &ClaimTest) -> ClaimAnalysis {
    judged(analysis, &claim(vec![test.clone()]))
}

const CPU: [Metric; 1] = [Metric::CpuNsPerRequest];

#[test]
fn verdicts_of_one_line() {
    let run = run();
    let check = |change: &dyn Fn(&mut ClaimTest), want: ClaimVerdict| {
        let mut test = test(&CPU);
        change(&mut test);
        assert_eq!(found(&run, &test).verdict, want, "{test:?}");
    };
    check(&|_| {}, ClaimVerdict::Holds);
    check(&|t| t.ahead = "Go".to_owned(), ClaimVerdict::DoesNotHold);
    check(&|t| t.at_least = Some(1.2), ClaimVerdict::Holds);
    check(&|t| t.at_least = Some(1.3), ClaimVerdict::HoldsInPart);
    check(&|t| t.at_least = Some(1.25), ClaimVerdict::HoldsInPart);
    check(&|t| t.at_most = vec![1.5, 2.0], ClaimVerdict::Holds);
    check(&|t| t.at_most = vec![1.1, 1.5], ClaimVerdict::HoldsInPart);
    check(&|t| t.at_most = vec![1.05, 1.1], ClaimVerdict::DoesNotHold);
    check(&|t| t.at_most = vec![1.25], ClaimVerdict::Inconclusive);
    // Who does worse is at most 1.5 times better.
    let go = |t: &mut ClaimTest| (t.ahead, t.at_most) = ("Go".to_owned(), vec![1.5]);
    check(&go, ClaimVerdict::Holds);
    check(&|t| t.ahead = "C".to_owned(), ClaimVerdict::NotMeasured);
    check(&|t| t.matchups = vec!["other".to_owned()], ClaimVerdict::NotMeasured);
    check(&|t| t.workloads = vec!["small".to_owned()], ClaimVerdict::Holds);
    check(&|t| t.loads = vec!["c8".to_owned()], ClaimVerdict::NotMeasured);
    check(&|t| t.metrics = vec![Metric::LatencyNsP99], ClaimVerdict::NotMeasured);
}

#[test]
fn a_line_is_seen_from_the_side_of_the_claim() {
    let languages = |names: [&str; 2]| names.map(str::to_owned);
    let test = test(&[Metric::RssBytesPeak]);
    let run = run();
    let rust = found(&run, &test);
    let go = found(&run, &ClaimTest { ahead: "Go".to_owned(), ..test });
    let ([rust], [go]) = (&rust.lines[..], &go.lines[..]) else { panic!("a line each") };
    assert_eq!(
        (&rust.languages, &go.languages),
        (&languages(["Rust", "Go"]), &languages(["Go", "Rust"]))
    );
    assert!((rust.ratio.value - 1.25).abs() < 0.01, "{rust:?}");
    assert!((rust.ratio.value * go.ratio.value - 1.0).abs() < 1e-12, "{go:?}");
    let inverse = go.ratio.interval.expect("eight blocks").inverse();
    let interval = rust.ratio.interval.expect("eight blocks");
    assert!((interval.low - inverse.low).abs() < 1e-12, "{interval:?} {inverse:?}");
    assert_eq!(rust.values, go.values.map(|[a, b]| [b, a]));
    // A quarter of 9 MB.
    let difference = rust.difference_bytes.expect("memory has one");
    assert!((difference - 2.25e6).abs() < 5e4, "{difference}");
    assert_eq!(rust.cell.as_ref().map(ToString::to_string).as_deref(), Some("pair/small/c64"));
}

#[test]
fn lines_that_differ_hold_in_part() {
    let (rust, mut go) = (test(&CPU), test(&[Metric::StartupNs]));
    go.ahead = "Go".to_owned();
    let found = judge(&run(), &[claim(vec![rust, go])]);
    assert_eq!(found[0].verdict, ClaimVerdict::HoldsInPart);
    let standings: Vec<ClaimStanding> = found[0].lines.iter().map(|line| line.standing).collect();
    assert_eq!(standings, [ClaimStanding::Agrees, ClaimStanding::Disagrees]);
    // Start-up does not depend on the cell.
    assert_eq!(found[0].lines[1].cell, None);
}

#[test]
fn few_blocks_say_nothing() {
    let run = analyse(&testing::run(&Scene { blocks: 3, ..Scene::default() }));
    assert_eq!(found(&run, &test(&CPU)).verdict, ClaimVerdict::Inconclusive);
    let limited = ClaimTest { at_most: vec![2.0], ..test(&CPU) };
    assert_eq!(found(&run, &limited).verdict, ClaimVerdict::Inconclusive);
}

#[test]
fn claims_that_are_not_judged() {
    let analysis = run();
    let check = |claim: Claim, want: ClaimVerdict, lines: usize| {
        let found = &judge(&analysis, std::slice::from_ref(&claim))[0];
        assert_eq!((found.verdict, found.lines.len()), (want, lines), "{claim:?}");
        assert!(found.lines.iter().all(|line| line.standing == ClaimStanding::Shown));
    };
    check(claim(vec![]), ClaimVerdict::Untested, 0);
    let unrelated = Claim { kind: ClaimKind::Unrelated, ..claim(vec![]) };
    check(unrelated, ClaimVerdict::Unrelated, 0);
    let taste = Claim { kind: ClaimKind::Figures, ..claim(vec![test(&CPU)]) };
    check(taste, ClaimVerdict::FiguresOnly, 1);
    let mut counted = test(&[]);
    counted.figures = vec![ClaimFigure::BinaryBytes, ClaimFigure::CleanBuildNs];
    check(claim(vec![counted]), ClaimVerdict::FiguresOnly, 2);
}

#[test]
fn unequal_work_is_said() {
    let mut run = testing::run(&Scene::default());
    for block in &mut run.blocks {
        block.arms[0].wire.body_bytes += 1;
    }
    let found = found(&analyse(&run), &test(&CPU));
    assert_eq!(found.differs.len(), 1, "{:?}", found.differs);
}

#[test]
fn a_majority_is_of_the_cells_of_a_mean() {
    let scene = Scene { workloads: vec!["one", "two", "three"], ..Scene::default() };
    let test = ClaimTest { majority: true, ..test(&CPU) };
    let of_servers = found(&analyse(&testing::run(&scene)), &test);
    assert_eq!(of_servers.verdict, ClaimVerdict::Holds);
    let mean_of = of_servers.lines[0].mean_of.expect("it is a mean");
    assert_eq!((mean_of.cells, mean_of.ahead, mean_of.behind), (3, 3, 0));
    let mean = |ahead, behind| ClaimCells { cells: 10, ahead, behind };
    let ratio = Estimate { value: 1.2, interval: None, n: 8 };
    let check = |lead, cells, want| {
        assert_eq!(standing_of_mean(&test, &ratio, lead, cells), want, "{lead:?} {cells:?}");
    };
    check(Lead::Ahead, mean(6, 4), ClaimStanding::Agrees);
    check(Lead::Ahead, mean(5, 0), ClaimStanding::InPart);
    check(Lead::Tie, mean(6, 4), ClaimStanding::InPart);
    check(Lead::Behind, mean(4, 6), ClaimStanding::Disagrees);
    check(Lead::Open, mean(9, 0), ClaimStanding::Unclear);
}

#[test]
fn programs_have_figures_over_their_cells() {
    let run = analyse(&testing::programs(8, 1.5));
    let matchup = run.matchups[0].name.clone();
    let mut test = test(&[Metric::ElapsedNs]);
    (test.matchups, test.majority) = (vec![matchup], true);
    let found = found(&run, &test);
    assert_eq!(found.lines.len(), 1, "{found:?}");
    assert!(found.lines[0].mean_of.is_some_and(|of| of.cells == 2), "{found:?}");
}

#[test]
fn a_ledger_takes_the_newest_run_that_measured_a_claim() {
    let analysis = run();
    let started = |day: &str, mut analysis: Analysis| {
        analysis.run.started = format!("2026-11-{day}T00:00:00Z");
        analysis
    };
    let mut other = analysis.clone();
    other.matchups.clear();
    let runs = vec![
        ("first".to_owned(), started("01", analysis.clone())),
        ("third".to_owned(), started("03", other)),
        ("second".to_owned(), started("02", analysis)),
    ];
    let mut unmeasured = test(&CPU);
    unmeasured.matchups = vec!["other".to_owned()];
    let ledger = ledger(runs, &[claim(vec![test(&CPU)]), claim(vec![unmeasured])]);
    let folders: Vec<&str> = ledger.runs.iter().map(|run| run.folder.as_str()).collect();
    assert_eq!(folders, ["third", "second", "first"]);
    assert_eq!(ledger.claims[0].run.as_deref(), Some("second"));
    assert_eq!(
        (ledger.claims[1].verdict, &ledger.claims[1].run),
        (ClaimVerdict::NotMeasured, &None)
    );
}
