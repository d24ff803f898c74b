//! The ledger and the costs, in a run's report and alone.

use duet_analysis::claims::{Ledger, LedgerRun, SCHEMA};
use duet_analysis::money::analyse;
use duet_analysis::{
    Analysis, CellId, ClaimAnalysis, ClaimCells, ClaimFigure, ClaimKind, ClaimLine, ClaimQuantity,
    ClaimStanding, ClaimVerdict, Estimate, Interval, Prices,
};
use duet_report::{self as report, Style, claims};
use duet_units::Metric;

use super::{fixture, markup};

fn claim(text: &str, kind: ClaimKind, verdict: ClaimVerdict) -> ClaimAnalysis {
    ClaimAnalysis {
        name: "a-claim".into(),
        claim: text.into(),
        source: "Somebody, An article".into(),
        date: "2020-07-17".into(),
        kind,
        remark: "One person's impression.".into(),
        missing: None,
        verdict,
        lines: vec![],
        differs: vec![],
        run: None,
    }
}

fn line(matchup: &str, metric: Metric, ratio: (f64, f64, f64)) -> ClaimLine {
    let (low, value, high) = ratio;
    let interval = Some(Interval { low, high, confidence: 0.961 });
    ClaimLine {
        matchup: matchup.into(),
        cell: None,
        mean_of: None,
        quantity: ClaimQuantity::Metric(metric),
        languages: ["Rust".into(), "Go".into()],
        values: None,
        difference_bytes: None,
        ratio: Estimate { value, interval, n: 8 },
        limits: vec![],
        standing: ClaimStanding::Agrees,
    }
}

/// A mean, a cell and a start that agree in part; a figure; and claims without lines.
fn ledger() -> Vec<ClaimAnalysis> {
    let mut mixed = claim("Rust is faster", ClaimKind::Measured, ClaimVerdict::HoldsInPart);
    let mean_of = Some(ClaimCells { cells: 8, ahead: 7, behind: 1 });
    let cell = CellId { matchup: "std".into(), workload: "hello".into(), load: "c64".into() };
    mixed.lines = vec![
        ClaimLine { mean_of, ..line("idiomatic", Metric::CpuNsPerRequest, (1.8, 1.9, 2.0)) },
        ClaimLine {
            cell: Some(cell),
            values: Some([20_000.0, 18_000.0]),
            standing: ClaimStanding::Disagrees,
            ..line("std", Metric::CpuNsPerRequest, (0.88, 0.9, 0.92))
        },
        ClaimLine {
            values: Some([4e6, 8e6]),
            difference_bytes: Some(4e6),
            limits: vec![1.5, 2.0],
            standing: ClaimStanding::Unclear,
            ..line("idiomatic", Metric::RssBytesIdle, (1.9, 2.0, 2.1))
        },
    ];
    mixed.missing = Some("the same on another machine".into());
    mixed.differs = vec!["the arms give different responses".into()];
    let mut shown = claim("Go is simpler", ClaimKind::Figures, ClaimVerdict::FiguresOnly);
    shown.lines = vec![ClaimLine {
        quantity: ClaimQuantity::Figure(ClaimFigure::BinaryBytes),
        values: Some([1e6, 4e6]),
        ratio: Estimate { value: 4.0, interval: None, n: 1 },
        standing: ClaimStanding::Shown,
        ..line("std", Metric::ElapsedNs, (1.0, 1.0, 1.0))
    }];
    let mut untested =
        claim("A million tasks are cheap", ClaimKind::Measured, ClaimVerdict::Untested);
    untested.missing = Some("tasks and goroutines, both spawned".into());
    vec![
        mixed,
        shown,
        claim("Memory is given back", ClaimKind::Measured, ClaimVerdict::NotMeasured),
        untested,
        claim("A proxy became faster", ClaimKind::Unrelated, ClaimVerdict::Unrelated),
    ]
}

fn analysis() -> Analysis {
    let mut analysis = fixture::standard();
    analysis.claims = ledger();
    analysis.money = analyse(&analysis, Prices::default());
    analysis
}

/// What stands under a heading of Markdown.
fn section<'a>(markdown: &'a str, heading: &str) -> &'a str {
    let (_, rest) = markdown.split_once(&format!("## {heading}\n")).expect("there is a section");
    rest.split("\n## ").next().unwrap_or_default()
}

#[test]
fn golden_sections() {
    let markdown = report::markdown(&analysis());
    insta::assert_snapshot!("claims.md", section(&markdown, "Claims of others"));
    insta::assert_snapshot!("money.md", section(&markdown, "What the CPU time costs"));
}

#[test]
fn a_terminal_says_how_many_hold() {
    let text = report::text(&analysis(), Style::Plain).replace('\n', " ");
    let want = "Of 5 claims: 1 holds in part, 1 with figures and no verdict, 1 not measured here, \
                1 not tested yet, 1 no evidence for this question. duet claims shows them.";
    assert!(text.contains(want), "{text}");
    assert!(!text.contains("vCPU"), "{text}");
}

#[test]
fn golden_ledger() {
    let mut claims = ledger();
    claims[0].run = Some("results/one".into());
    let run = |folder: &str, day: &str| LedgerRun {
        folder: folder.into(),
        suite: "standard".into(),
        started: format!("2026-02-{day}T08:00:00Z"),
    };
    let runs = vec![run("results/one", "12"), run("results/two", "11")];
    let ledger = Ledger { schema: SCHEMA.into(), runs, claims };
    let text = claims::text(&ledger, Style::Plain);
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    insta::assert_snapshot!("ledger.txt", text);
    // Where the report is not at hand there are no links into it.
    assert!(!claims::markdown(&ledger).contains("](#"), "{}", claims::markdown(&ledger));
}

#[test]
fn links_lead_to_sections() {
    let page = report::html(&analysis());
    markup::assert_balanced("claims", &page);
    let links: Vec<&str> = page.split("href=\"#").skip(1).collect();
    assert_eq!(links.len(), 4);
    for link in links {
        let name = link.split('"').next().unwrap_or_default();
        assert!(page.contains(&format!("<h2 id=\"{name}\"")), "{name}");
    }
}
