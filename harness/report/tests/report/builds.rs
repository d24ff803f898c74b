//! The panel of builds: alone, and within a run's report.

use duet_analysis::{
    Analysis, BuildFigures, BuildsAnalysis, Estimate, Failure, Interval, Machine, Stage,
};
use duet_report::Style;

use crate::fixture;

fn estimate(seconds: f64) -> Option<Estimate> {
    let (low, high) = (seconds * 0.95e9, seconds * 1.1e9);
    let interval = Some(Interval { low, high, confidence: 0.96875 });
    Some(Estimate { value: seconds * 1e9, interval, n: 6 })
}

fn builds(machine: Machine) -> BuildsAnalysis {
    let go = BuildFigures {
        server: "go-nethttp".into(),
        language: "Go".into(),
        version: Some("go-nethttp 0.1.0 (go1.27.3)".into()),
        toolchain_version: None,
        clean_ns: estimate(27.1),
        clean_std_compiled_ns: estimate(1.23),
        no_op_ns: estimate(0.098),
        edit_build_ns: estimate(0.8),
        edit_response_ns: estimate(0.9),
        binary_bytes: Some(8_500_000),
        stripped_bytes: Some(5_900_000),
        dependencies: Some(0),
        dependency_lines: Some(0),
        failure: None,
    };
    let rust = BuildFigures {
        server: "rust-axum".into(),
        clean_ns: estimate(41.0),
        clean_std_compiled_ns: None,
        no_op_ns: estimate(0.12),
        edit_build_ns: None,
        edit_response_ns: None,
        stripped_bytes: None,
        dependencies: Some(71),
        dependency_lines: Some(312_345),
        failure: Some(Failure {
            stage: Stage::Build,
            server: Some("rust-axum".into()),
            error: "`cargo build` exited with 101".into(),
            stderr: vec!["error: no space left on device".into()],
        }),
        ..go.clone()
    };
    BuildsAnalysis {
        command: "duet builds".into(),
        started: "2026-11-29T20:15:00Z".into(),
        duet_version: "0.1.0".into(),
        commit: Some("0123456789abcdef-dirty".into()),
        machine,
        rounds: 6,
        interrupted: Some(2),
        servers: vec![go, rust],
    }
}

#[test]
fn builds_alone() {
    let builds = builds(fixture::standard().run.machine);
    insta::assert_snapshot!(duet_report::builds::text(&builds, Style::Plain));
    let markdown = duet_report::builds::markdown(&builds);
    let html = duet_report::builds::html(&builds);
    for report in [&markdown, &html] {
        for said in ["27 s [26, 30]", "0.10 s [0.09, 0.11]", "312,345", "exited with 101"] {
            assert!(report.contains(said), "no `{said}` in\n{report}");
        }
    }
}

#[test]
fn builds_within_a_run() {
    let run = fixture::standard();
    let builds = Some(builds(run.run.machine.clone()));
    let said = "How long builds take";
    assert!(!duet_report::markdown(&run).contains(said));
    assert!(duet_report::markdown(&Analysis { builds, ..run }).contains(said));
}
