use crate::verdict::Verdict;
use crate::{Analysis, Standing, analyse};
use duet_model::record::{Failure, ProgramBlock, Stage};
use duet_model::spec::{CellId, Problem, Published, PublishedRow};
use duet_model::testing::programs;
use duet_units::Metric;

fn elapsed(analysis: &Analysis, cell: usize) -> &crate::MetricAnalysis {
    let metrics = &analysis.matchups[0].cells[cell].metrics;
    metrics.iter().find(|m| m.metric == Metric::ElapsedNs).expect("elapsed time")
}

#[test]
fn programs_come_before_servers_with_ratios_and_means() {
    let analysis = analyse(&programs(8, 1.25));
    let names: Vec<&str> = analysis.matchups.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names, ["programs", "pair"]);
    assert_eq!((analysis.run.blocks, analysis.run.blocks_planned), (24, 24));
    for cell in 0..2 {
        let found = elapsed(&analysis, cell);
        let ratio = found.ratio.expect("a ratio");
        assert!((1.245..1.265).contains(&ratio.value), "{ratio:?}");
        assert_eq!((found.verdict, ratio.n), (Verdict::Slower, 8));
    }
    let matchup = &analysis.matchups[0];
    let means: Vec<(Metric, usize)> =
        matchup.means.iter().map(|m| (m.metric, m.cells.len())).collect();
    let want = [Metric::ElapsedNs, Metric::CpuNs, Metric::RssBytesPeak].map(|m| (m, 2));
    assert_eq!(means, want);
    let program = matchup.cells[1].program.as_ref().expect("programs");
    assert_eq!(program.n, 1000);
    let second = &program.arms[1];
    assert_eq!((second.set.as_str(), second.source.as_str()), ("base", "src/y"));
    assert_eq!((second.gz_bytes, &second.features[..]), (Some(900), &["threads".to_owned()][..]));
    assert!((second.cpu_load[0] - 1.0).abs() < 1e-9 && (second.cpu_load[1] - 0.5).abs() < 1e-9);
    let cell = &matchup.cells[0];
    assert_eq!((cell.load.as_str(), cell.warnings.len()), ("large, N = 1,000", 0));
}

/// A run at N = 1 takes 100 MiB of the 200 and more; N is 1,000.
#[test]
fn memory_per_unit_is_what_grows_with_n() {
    let mut run = programs(8, 1.5);
    run.header.spec.problems[0].unit = Some("thing".to_owned());
    for block in run.program_blocks.iter_mut().filter(|b| b.cell.workload == "x") {
        for arm in &mut block.arms {
            arm.rss_bytes_base = Some(100 << 20);
        }
    }
    let analysis = analyse(&run);
    let [with, without] = &analysis.matchups[0].cells[..] else { panic!("two cells") };
    let of = |cell: &crate::CellAnalysis| {
        cell.metrics.iter().find(|m| m.metric == Metric::RssBytesPerUnit).cloned()
    };
    let found = of(with).expect("one was measured");
    let mib = found.arms[0].value * 999.0 / 1024.0 / 1024.0;
    assert!((103.0..104.0).contains(&mib), "{found:?}");
    let ratio = found.ratio.expect("a ratio").value;
    assert!((1.95..2.05).contains(&ratio) && found.verdict == Verdict::Slower, "{found:?}");
    assert_eq!(with.program.as_ref().and_then(|p| p.unit.as_deref()), Some("thing"));
    assert_eq!(of(without), None);
    assert!(!analysis.matchups[0].means.iter().any(|m| m.metric == Metric::RssBytesPerUnit));
}

#[test]
fn failed_blocks_do_not_count() {
    let mut run = programs(6, 1.25);
    let failure = Failure {
        stage: Stage::Run,
        server: Some("two".to_owned()),
        error: "it ran longer than 1 s and was killed".to_owned(),
        stderr: vec![],
    };
    run.program_blocks[0].arms.clear();
    run.program_blocks[0].failure = Some(failure.clone());
    run.programs[0].failure = Some(failure);
    let analysis = analyse(&run);
    assert_eq!(elapsed(&analysis, 0).verdict, Verdict::Inconclusive);
    let cells = &analysis.matchups[0].cells;
    let codes: Vec<&str> = cells[0].warnings.iter().map(|w| w.code.as_str()).collect();
    assert_eq!(codes, ["few_blocks", "blocks_failed"]);
    // A program that failed its check is a failure of each cell that needs it.
    let failed: Vec<(String, u32)> = analysis
        .failures
        .iter()
        .map(|f| (f.cell.as_ref().map(|c| c.workload.clone()).unwrap_or_default(), f.blocks))
        .collect();
    assert_eq!(failed, [("y".to_owned(), 0), ("x".to_owned(), 1)]);
}

#[test]
fn blocks_discarded_do_not_count() {
    let mut run = programs(6, 1.25);
    let mut disturbed = run.program_blocks[0].clone();
    disturbed.arms[1].elapsed_ns *= 9;
    disturbed.discarded = Some("other processes".to_owned());
    run.program_blocks.insert(0, disturbed);
    let before = elapsed(&analyse(&programs(6, 1.25)), 0).clone();
    let analysis = analyse(&run);
    assert_eq!(*elapsed(&analysis, 0), before);
    let cell = &analysis.matchups[0].cells[0];
    assert_eq!((cell.blocks, cell.blocks_discarded), (6, 1));
    let running = crate::running_program_ratio(&run.program_blocks, &cell.id);
    assert_eq!(running, before.ratio);
}

#[test]
fn disturbances() {
    let run = programs(1, 1.25);
    let block = &run.program_blocks[0];
    let check = |foreign_ms: u64, stolen_ms: [u64; 2], times: u64, want: Option<&str>| {
        let mut block = block.clone();
        block.arms[0].foreign_cpu_ns = foreign_ms * 1_000_000;
        for (arm, stolen_ms) in block.arms.iter_mut().zip(stolen_ms) {
            arm.elapsed_ns *= times;
            arm.stolen_ns = stolen_ms * 1_000_000;
        }
        let got = crate::program_disturbance(&block, &run.header);
        assert_eq!(got.as_deref(), want, "{foreign_ms} {stolen_ms:?} {times}");
    };
    // 450 ms in all, on two CPUs: 5 % are 45 ms, less than five ticks.
    check(0, [0, 0], 1, None);
    check(49, [0, 0], 1, None);
    check(90, [0, 0], 1, Some("other processes took 10 % of the CPUs"));
    check(90, [0, 0], 4, None);
    check(0, [49, 0], 1, None);
    check(0, [60, 60], 1, None);
    check(
        0,
        [0, 100],
        1,
        Some("the hypervisor stole 20 % of one arm's time and 0 % of the other's"),
    );
}

#[test]
fn published_figures_are_compared_in_their_own_order_of_languages() {
    let row = |secs: [f64; 2]| PublishedRow {
        problem: "x".to_owned(),
        secs: secs.to_vec(),
        mem_kb: None,
        gz_bytes: None,
        busy_secs: None,
        cpu_load: None,
        plain_secs: None,
        figure: None,
        note: None,
    };
    let cases = [
        (["Rust", "Go"], [1.0, 1.5], 1.25, Standing::Stands),
        (["Rust", "Go"], [1.0, 9.0], 1.25, Standing::Shrunk),
        (["Go", "Rust"], [1.0, 1.5], 0.8, Standing::Reversed),
    ];
    for (languages, secs, today, standing) in cases {
        let mut run = programs(8, 1.25);
        run.header.spec.published = vec![Published {
            date: "2020-01-01".to_owned(),
            about: String::new(),
            languages: languages.map(str::to_owned).to_vec(),
            rows: vec![row(secs), PublishedRow { problem: "z".to_owned(), ..row(secs) }],
        }];
        let analysis = analyse(&run);
        let [table] = &analysis.published[..] else { panic!("one table") };
        assert_eq!(table.rows.len(), 1, "what was not measured is left out");
        let found = &table.rows[0].today[0];
        assert!((found.ratio.value / today - 1.0).abs() < 0.02, "{found:?}");
        assert_eq!(found.standing, standing, "{languages:?} {secs:?}");
        assert!((table.today[0].ratio.value / today - 1.0).abs() < 0.02);
    }
}

/// A matchup of the same languages over problems that a table has not is no part of its means.
#[test]
fn published_figures_stand_beside_matchups_of_their_problems() {
    let mut run = programs(8, 1.25);
    let row = PublishedRow {
        problem: "x".to_owned(),
        secs: vec![1.0, 1.5],
        mem_kb: None,
        gz_bytes: None,
        busy_secs: None,
        cpu_load: None,
        plain_secs: None,
        figure: None,
        note: None,
    };
    let languages = ["Rust", "Go"].map(str::to_owned).to_vec();
    let (date, about) = ("2020-01-01".to_owned(), String::new());
    run.header.spec.published = vec![Published { date, about, languages, rows: vec![row] }];
    let spec = &mut run.header.spec;
    let mut other = spec.matchups.last().cloned().expect("one of programs");
    other.name = "others".to_owned();
    spec.matchups.push(other);
    let z = Problem { name: "z".to_owned(), ..spec.problems[1].clone() };
    spec.problems.push(z);
    let of_y = |block: &&ProgramBlock| block.cell.workload == "y";
    let blocks: Vec<ProgramBlock> = run.program_blocks.iter().filter(of_y).cloned().collect();
    for problem in ["y", "z"] {
        let [matchup, workload, load] = ["others", problem, "large"].map(str::to_owned);
        let cell = CellId { matchup, workload, load };
        let moved = blocks.iter().map(|b| ProgramBlock { cell: cell.clone(), ..b.clone() });
        run.program_blocks.extend(moved);
        run.header.suite.cells.push(cell);
    }
    let today = &analyse(&run).published[0].today;
    let matchups: Vec<&str> = today.iter().map(|mean| mean.matchup.as_str()).collect();
    assert_eq!(matchups, ["programs"]);
}
