//! Programs pass through the same verdicts as servers.

use super::*;
use duet_model::record::ProgramRecord;
use duet_model::testing::add_programs;

/// A record of a gate over servers that are alike and programs of which the head's take so many
/// `times` as long as the base's; gated with margins of 3 % as [`record`] does, and elapsed time.
fn mixed(times: f64, change: impl FnOnce(&mut Gate)) -> Run {
    let mut run = record(1.0, |gate| {
        gate.rules.insert(0, Rule { metric: Metric::ElapsedNs, margin: 0.03 });
        change(gate);
    });
    add_programs(&mut run, 8, times);
    run
}

#[test]
fn each_kind_has_its_own_metrics() {
    let (good, bad) = (mixed(1.0, |_| {}), mixed(1.25, |_| {}));
    let cases = [
        (&good, None, "PPPP", Outcome::Pass),
        (&bad, None, "PPII", Outcome::Inconclusive),
        (&bad, Some(&bad), "PPRR", Outcome::Regressed),
        (&bad, Some(&good), "PPII", Outcome::Inconclusive),
    ];
    for (first, second, verdicts, outcome) in cases {
        let comparison = compared(first, second);
        assert_eq!((&*letters(&comparison), comparison.outcome), (verdicts, outcome));
    }
    let comparison = compared(&bad, Some(&bad));
    let cell = &comparison.cells[1];
    assert!(cell.programs && !comparison.cells[0].programs);
    assert_eq!((cell.id.to_string().as_str(), cell.blocks), ("programs/x/large", 8));
    assert_eq!((cell.load.as_str(), &cell.stolen_shares[..]), ("large, N = 1,000", &[0.0; 8][..]));
    let metrics: Vec<Metric> = cell.metrics.iter().map(|m| m.metric).collect();
    assert_eq!(metrics, [Metric::ElapsedNs, Metric::CpuNs, Metric::RssBytesPeak]);
    assert_eq!(cell.principal().len(), 1);
    assert!((cell.metrics[0].change() - 0.255).abs() < 0.01, "{:?}", cell.metrics[0]);
}

#[test]
fn looks_wait_for_programs_too() {
    let mut few = mixed(1.0, |_| {});
    few.program_blocks.truncate(8 + 5);
    let Decision::GoOn { cells, until_blocks } = next(&few, None) else { panic!("it is open") };
    let cells: Vec<String> = cells.iter().map(CellId::to_string).collect();
    assert_eq!((&cells[..], until_blocks), (&["programs/y/large".to_owned()][..], 8));
    let called = regressions(&mixed(1.25, |_| {}));
    let called: Vec<String> = called.iter().map(|(cell, _)| cell.workload.clone()).collect();
    assert_eq!(called, ["x", "y"]);
}

#[test]
fn limits_hold_for_what_has_them() {
    let budget = |quantity, limit| Budget { text: String::new(), quantity, limit };
    let elapsed = Quantity::Metric(Metric::ElapsedNs);
    // The programs take 0.2 s.
    for (limit, kept, outcome) in [(1e9, true, Outcome::Pass), (1e8, false, Outcome::Regressed)] {
        let budgets = vec![budget(elapsed, limit), budget(Quantity::ErrorRate, 0.0)];
        let comparison = compared(&mixed(1.0, |gate| gate.budgets = budgets), None);
        let found: Vec<(&str, Option<bool>)> =
            comparison.budgets.iter().map(|b| (b.cell.workload.as_str(), b.kept)).collect();
        assert_eq!(found, [("x", Some(kept)), ("y", Some(kept)), ("small", Some(true))]);
        assert_eq!(comparison.outcome, outcome);
    }
}

#[test]
fn a_waiver_of_a_program() {
    let waiver = Waiver {
        server: "programs".to_owned(),
        workload: Some("y".to_owned()),
        metric: Metric::ElapsedNs,
        margin: 0.4,
        reason: "Readable now".to_owned(),
        expires: "2026-01-01".to_owned(),
    };
    let run = mixed(1.25, |gate| gate.waivers = vec![waiver]);
    assert_eq!(letters(&compared(&run, Some(&run))), "PPRP");
}

#[test]
fn identical_programs() {
    let mut run = mixed(1.0, |_| {});
    let program = |set: &str, problem: &str, hash: Option<&str>| ProgramRecord {
        set: set.to_owned(),
        problem: problem.to_owned(),
        binary_sha256: hash.map(str::to_owned),
        ..run.programs[0].clone()
    };
    // The second arm has its `y` from a third set.
    let programs = vec![
        program("one", "x", Some("a")),
        program("two", "x", Some("b")),
        program("one", "y", Some("c")),
        program("base", "y", Some("c")),
    ];
    run.programs = programs;
    let cells = run.header.suite.cells.clone();
    let identical: Vec<bool> = cells.iter().map(|cell| is_identical(&run, cell)).collect();
    assert_eq!(identical, [false, false, true]);
    run.program_blocks.retain(|block| block.cell.workload == "x");
    assert_eq!(compared(&run, None).cells[2].state, State::Identical);
    run.header.spec.sets[0].run = ["y", "--slow", "{n}"].map(str::to_owned).to_vec();
    assert!(!is_identical(&run, &cells[2]), "started otherwise");
    run.header.spec.sets[0].run.clear();
    run.programs[2].binary_sha256 = None;
    assert!(!is_identical(&run, &cells[2]), "nothing is known of one");
}

#[test]
fn a_program_that_fails_fails_the_gate() {
    let mut run = mixed(1.0, |_| {});
    run.program_blocks[15].arms.clear();
    run.program_blocks[15].failure = Some(Failure {
        stage: Stage::Verify,
        server: Some("two".to_owned()),
        error: "its output is wrong".to_owned(),
        stderr: vec![],
    });
    assert_eq!(compared(&run, None).outcome, Outcome::Failed);
}

/// Stored runs: the changes of a program, beside one that is the same executable in both.
#[test]
fn stored_runs_of_programs() {
    let hashed = |times: f64| {
        let mut run = mixed(times, |_| {});
        let program = |set: &str, hash: &str| ProgramRecord {
            set: set.to_owned(),
            problem: "x".to_owned(),
            binary_sha256: Some(hash.to_owned()),
            ..run.programs[0].clone()
        };
        run.programs = vec![program("one", "a"), program("two", &times.to_string())];
        run
    };
    let found = stored::compare(&[hashed(1.0)], &hashed(1.25)).expect("they are comparable");
    let of = |server: &str| {
        let mut changes = found.changes.iter().filter(|c| c.cell.workload == "x");
        let same = |c: &&stored::StoredChange| c.server == server && c.metric == Metric::ElapsedNs;
        changes.find(same).expect("it was measured")
    };
    let two = of("two");
    assert!((two.change.exp() - 1.25).abs() < 0.01, "{two:?}");
    let beside = two.beside.as_ref().expect("the other did not change");
    assert_eq!((beside.server.as_str(), of("one").beside.as_ref()), ("one", None));
    let mut larger = hashed(1.0);
    larger.header.spec.problems[0].sizes.insert("large".to_owned(), 2000);
    let found = stored::compare(&[hashed(1.0)], &larger).expect("the rest is comparable");
    assert!(found.changes.iter().all(|change| change.cell.workload != "x"), "another N");
}
