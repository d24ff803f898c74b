//! Made-up records of programs.

use super::servers::{Scene, run};
use crate::record::{ProgramBlock, ProgramRecord, ProgramRun, Run};
use crate::spec::{CellId, Lane, Matchup, Problem, ProgramSet};

/// A set whose sources and binaries do not exist.
pub fn set(name: &str, language: &str, problems: &[&str], rest: Option<&str>) -> ProgramSet {
    ProgramSet {
        name: name.to_owned(),
        language: language.to_owned(),
        lanes: vec![Lane::Std],
        summary: String::new(),
        needs: vec![],
        toolchain: None,
        build: vec![],
        build_cache: Default::default(),
        shared_cache: Default::default(),
        build_env: Default::default(),
        needs_cpu: Default::default(),
        version: vec![],
        run: vec![],
        source: "src/{problem}".to_owned(),
        own: vec![],
        problems: problems.iter().map(|&p| p.to_owned()).collect(),
        borrows: Default::default(),
        rest: rest.map(str::to_owned),
        root: None,
    }
}

/// A program that ran for `ms`, on two CPUs of which the second was half busy.
fn run_of(set: &str, ms: u64) -> ProgramRun {
    ProgramRun {
        set: set.to_owned(),
        elapsed_ns: ms * 1_000_000,
        user_ns: ms * 1_400_000,
        system_ns: ms * 100_000,
        rss_bytes_peak: ms << 20,
        cpu_busy_ns: vec![ms * 1_000_000, ms * 500_000],
        foreign_cpu_ns: 0,
        stolen_ns: 0,
        output_bytes: 1,
        output_sha256: String::new(),
        checked_elapsed_ns: Some(ms * 1_000_000),
        rss_bytes_base: None,
    }
}

/// A record of servers and of programs.
pub fn programs(blocks: u32, times: f64) -> Run {
    let mut run = run(&Scene { blocks, rounds: 2, ..Scene::default() });
    add_programs(&mut run, blocks, times);
    run
}

/// Adds two problems by `one` and `two`; `two` takes so many `times` as long, give or take 1 %, and
/// has the second problem from `base`.
pub fn add_programs(run: &mut Run, blocks: u32, times: f64) {
    let spec = &mut run.header.spec;
    spec.sets = vec![
        set("base", "Go", &["y"], None),
        set("one", "Rust", &["x", "y"], None),
        set("two", "Go", &["x"], Some("base")),
    ];
    let problem = |name: &str| Problem {
        name: name.to_owned(),
        question: String::new(),
        sizes: [("large".to_owned(), 1000)].into(),
        input: None,
        outputs: Default::default(),
        within: None,
        unit: None,
    };
    spec.problems = vec![problem("x"), problem("y")];
    let arms = vec!["one".to_owned(), "two".to_owned()];
    spec.matchups.push(Matchup { name: "programs".to_owned(), lane: Lane::Std, arms });
    for problem in ["x", "y"] {
        let [matchup, workload, load] = ["programs", problem, "large"].map(str::to_owned);
        let cell = CellId { matchup, workload, load };
        run.header.suite.cells.push(cell.clone());
        for block in 0..blocks {
            let ms = 200 + u64::from(block);
            let slow_ms = (ms as f64 * times) as u64 + u64::from(block % 3);
            run.program_blocks.push(ProgramBlock {
                cell: cell.clone(),
                block,
                started_ns: u64::from(block),
                elapsed_ns: 1,
                order: vec![0, 1],
                gauges: None,
                arms: vec![run_of("one", ms), run_of("two", slow_ms)],
                failure: None,
                discarded: None,
            });
        }
    }
    run.programs.push(ProgramRecord {
        set: "base".to_owned(),
        problem: "y".to_owned(),
        source: "src/y".to_owned(),
        gz_bytes: Some(900),
        binary_bytes: Some(1),
        binary_sha256: None,
        features: vec!["threads".to_owned()],
        failure: None,
    });
}
