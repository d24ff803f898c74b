//! The real binary against a real server, mostly one that fails: every failure has a stage, a
//! reason and an exit code, and leaves nothing behind.

use std::fs;
use std::ops::Deref;
use std::path::PathBuf;

use nix::sys::signal::Signal;

use crate::binary::{DUET, Folder, HELLO, SERVER, outcome, record_text, signal, wait};

/// A folder with definitions of a good and a faulty server.
pub(crate) struct Bench {
    folder: Folder,
}

impl Bench {
    /// `fault` is the command line of the faulty server behind `--addr`.
    pub(crate) fn new(fault: &str) -> Self {
        Self::with(fault, "blocks = 2\nverdicts = false", r#"build = []"#)
    }

    fn with(fault: &str, suite: &str, build: &str) -> Self {
        let fault: String = fault.split_whitespace().map(|word| format!(", \"{word}\"")).collect();
        let server = |name: &str, fault: &str, build: &str| {
            format!(
                "[[server]]\nname = \"{name}\"\nlanguage = \"Rust\"\nlanes = [\"std\"]\n\
                 summary = \"For tests\"\nrun = [\"{SERVER}\", \"--addr\", \"{{addr}}\"{fault}]\n\
                 version = [\"{SERVER}\", \"--version\"]\nworkloads = [\"hello\"]\n{build}\n"
            )
        };
        let servers = server("good", "", "") + &server("faulty", &fault, build);
        let suites = format!(
            "[[load]]\nname = \"c2\"\nconnections = 2\n\
             [[matchup]]\nname = \"fine\"\nlane = \"std\"\narms = [\"good\", \"good\"]\n\
             [[matchup]]\nname = \"pair\"\nlane = \"std\"\narms = [\"good\", \"faulty\"]\n\
             [[suite]]\nname = \"s\"\nsummary = \"For tests\"\nwindow_ms = 5\nmeasure_ms = 100\n\
             warmup_ms = 60\n{suite}\n\
             [[suite.cells]]\nmatchups = [\"fine\", \"pair\"]\nworkloads = [\"hello\"]\n\
             loads = [\"c2\"]\n"
        );
        let folder = Folder::with_definitions([
            ("servers.toml", &servers),
            ("workloads.toml", HELLO),
            ("suites.toml", &suites),
        ]);
        Self { folder }
    }

    /// A run long enough to be interrupted.
    pub(crate) fn long() -> Self {
        Self::with("", "blocks = 60\nverdicts = false", "")
    }

    fn latest(&self, name: &str) -> PathBuf {
        self.path().join("results/latest").join(name)
    }

    fn read(&self, name: &str) -> String {
        let path = self.latest(name);
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// Blocks of the record, failed or not.
    pub(crate) fn blocks(&self) -> Vec<duet_model::record::BlockRecord> {
        duet_model::record::read(&self.path().join("results/latest")).expect("a record").blocks
    }

    /// Waits until the record holds a block that counts.
    pub(crate) fn wait_for_a_block(&self) {
        wait(|| {
            let text = record_text(&self.latest(""));
            text.contains("\"failure\":null,\"discarded\":null")
        });
    }
}

impl Deref for Bench {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
}

#[test]
fn a_run_measures_and_reports() {
    let bench = Bench::new("");
    bench.duet(&["run", "s", "--seed", "7"]).exits(0).says("good").says("Report:");
    let blocks = bench.blocks();
    assert_eq!(blocks.len(), 4);
    assert!(blocks.iter().all(|block| block.failure.is_none() && !block.windows.is_empty()));
    assert!(blocks.iter().all(|block| block.arms.iter().all(|arm| arm.rss_bytes_peak > 0)));
    let mut windows = blocks.iter().flat_map(|block| &block.windows);
    assert!(windows.any(|window| window.times.is_some() && window.service_time.is_none()));
    for name in ["summary.json", "report.md", "report.html", "speed.svg", "memory.svg"] {
        assert!(bench.latest(name).is_file(), "{name}");
    }
    bench.nothing_is_left();

    // The record alone gives the same report elsewhere.
    let copy = bench.path().join("copy");
    fs::create_dir(&copy).expect("a folder");
    fs::copy(bench.latest("run.jsonl.gz"), copy.join("run.jsonl.gz")).expect("a copy");
    bench.duet(&["report", "copy"]).exits(0);
    for name in ["summary.json", "report.md", "report.html", "speed.svg", "memory.svg"] {
        let again = fs::read_to_string(copy.join(name)).expect("the report is there");
        assert_eq!(again, bench.read(name), "{name}");
    }

    // Other tools' formats, on standard output or into a file.
    let words = ["export", "results/latest", "--format", "openmetrics"];
    let metrics = bench.duet(&words).exits(0).out.clone();
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");
    bench.duet(&[&words[..], &["--out", "metrics.txt"]].concat()).exits(0);
    let file = fs::read_to_string(bench.path().join("metrics.txt")).expect("the file is there");
    assert_eq!(file, metrics);

    // A second run keeps the first; its number of blocks may be another than the suite's.
    let words = ["run", "s", "--only", "fine", "--blocks", "3", "--full"];
    bench.duet(&words).exits(0).says("3 blocks each");
    assert!(bench.path().join("results/previous/run.jsonl.gz").is_file());
    let blocks = bench.blocks();
    assert_eq!(blocks.len(), 3);
    assert!(blocks.iter().flat_map(|b| &b.windows).all(|window| window.service_time.is_some()));

    // Both make a history.
    let words = ["trend", "results/previous", "results/latest", "--svg", "trend.svg"];
    bench.duet(&words).exits(0).says("2 sessions").says("fine/hello/c2: requests per second");
    assert!(bench.path().join("trend.svg").is_file());
    let words = ["trend", "results/latest", "--only", "pair"];
    bench.duet(&words).exits(2).says("none of these has such a cell");
}

#[test]
fn an_open_loop_measures_latency() {
    let bench = Bench::new("");
    let path = bench.path().join("bench/suites.toml");
    let suites = fs::read_to_string(&path).expect("definitions")
        + "[[load]]\nname = \"half\"\nconnections = 2\nrate_share = 0.5\n\
           [[load]]\nname = \"slow\"\nconnections = 2\nrate = 200\narrivals = \"uniform\"\n\
           [[suite]]\nname = \"open\"\nsummary = \"For tests\"\nblocks = 2\nverdicts = false\n\
           measure_ms = 200\nwarmup_ms = 60\n\
           [[suite.cells]]\nmatchups = [\"fine\"]\nworkloads = [\"hello\"]\n\
           loads = [\"half\", \"slow\"]\n";
    fs::write(&path, suites).expect("a file");
    let outcome = bench.duet(&["run", "open"]);
    // 4 where the machine is so busy that the generator was late.
    assert!(matches!(outcome.code, Some(0 | 4)), "{}{}", outcome.out, outcome.err);
    outcome.says("latency, median").says("200 requests/s").says("50 % of capacity");
    let blocks = bench.blocks();
    let rates = |load: &str| -> Vec<_> {
        blocks.iter().filter(|b| b.cell.load == load).map(|b| b.open.expect("open")).collect()
    };
    let (half, slow) = (rates("half"), rates("slow"));
    assert!(half.iter().chain(&slow).all(|rate| rate.rate_per_second > 0));
    assert!(slow.iter().all(|r| (r.rate_per_second, r.capacity_per_second) == (200, None)));
    // A pilot in every block, and the rate is half of what it found.
    for rate in &half {
        let capacity = rate.capacity_per_second.expect("a pilot found it");
        assert_eq!(rate.rate_per_second, ((capacity as f64 * 0.5).round() as u64).max(1));
    }
    for block in &blocks {
        assert_eq!(block.failure, None);
        assert!((100_000_000..=250_000_000).contains(&block.window_ns), "{block:?}");
        for window in &block.windows {
            let open = window.open.as_ref().expect("the loop is open");
            assert_eq!(open.planned, open.sent + open.unsent);
            assert_eq!(open.sent, window.requests + window.errors.values().sum::<u64>());
        }
    }
    // Rates that were given are no result: there is no chart of them.
    assert!(!outcome.out.contains("speed.svg"), "{}", outcome.out);
    assert!(!bench.path().join("results/latest/speed.svg").exists());
    bench.nothing_is_left();
}

#[test]
fn a_search_finds_the_highest_rate_within_a_limit() {
    let bench = Bench::new("");
    let path = bench.path().join("bench/suites.toml");
    let suites = fs::read_to_string(&path).expect("definitions")
        + "[[load]]\nname = \"within\"\nconnections = 2\nrate_within = \"p50=200ms\"\n\
           [[suite]]\nname = \"search\"\nsummary = \"For tests\"\nblocks = 2\nverdicts = false\n\
           warmup_ms = 60\n\
           [[suite.cells]]\nmatchups = [\"fine\"]\nworkloads = [\"hello\"]\nloads = [\"within\"]\n";
    fs::write(&path, suites).expect("a file");
    let outcome = bench.duet(&["run", "search"]);
    // 4 where the generator was busier than the servers, or late.
    assert!(matches!(outcome.code, Some(0 | 4)), "{}{}", outcome.out, outcome.err);
    outcome.says("2 connections, p50 at most 200 ms").says("requests per second");
    for block in bench.blocks() {
        assert_eq!((&block.failure, block.open), (&None, None));
        let order: Vec<u32> = block.windows.iter().map(|window| window.arm).collect();
        assert!(["[0, 1, 1, 0]", "[1, 0, 0, 1]"].contains(&format!("{:?}", &order[..4]).as_str()));
        for (arm, record) in (0..).zip(&block.arms) {
            let found = record.search.expect("it was searched for");
            let probes = block.windows.iter().filter(|window| window.arm == arm);
            let probes: Vec<_> = probes.map(|window| window.probe.expect("a probe")).collect();
            let came_out = |rate: u64, held: bool| {
                probes.iter().filter(|p| p.held == held && p.rate_per_second == rate).count()
            };
            if let (Some(held), Some(failed)) = (found.held_per_second, found.failed_per_second) {
                assert!(held < failed, "{found:?}");
                let twice = (came_out(held, true), came_out(failed, false));
                assert_eq!(twice, (2, 2), "{found:?}: {probes:?}");
            }
        }
    }
    bench.nothing_is_left();
}

#[test]
fn wrong_usage_exits_with_2() {
    let bench = Bench::new("");
    bench.duet(&["run"]).exits(2);
    bench.duet(&["walk"]).exits(2);
    bench.duet(&["run", "t"]).exits(2).says("there is no suite `t`: there are s");
    bench.duet(&["run", "s", "--only", "xyz"]).exits(2).says("no cell of `s` contains `xyz`");
    bench.duet(&["run", "s", "--bench", "nowhere"]).exits(2).says("nowhere");
    bench.duet(&["run", "s", "--blocks", "0"]).exits(2).says("1..=60");
    bench
        .duet(&["verify", "god"])
        .exits(2)
        .says("there is no server or set `god`: did you mean `good`? there are good, faulty");
    bench.duet(&["report", "bench"]).exits(2).says("is no run's folder");
    bench.duet(&["export", "bench", "--format", "csv"]).exits(2).says("is no run's folder");
    bench
        .duet(&["trend", "bench", "nowhere"])
        .exits(2)
        .says("no run's folder and no pool")
        .says("nowhere");
    bench.duet(&["trend", ".", "--metric", "speed"]).exits(2).says("requests_per_second");
    bench.duet(&["export", "bench", "--format", "xml"]).exits(2).says("gha-bench-smaller");
    fs::create_dir(bench.path().join("out")).expect("a folder");
    fs::write(bench.path().join("out/run.jsonl"), "").expect("a file");
    bench.duet(&["run", "s", "--out", "out"]).exits(2).says("holds a run already");
}

#[test]
fn all_mistakes_in_definitions_are_reported_at_once() {
    let bench = Bench::new("");
    let folder = bench.path().join("bench");
    for name in ["servers.toml", "suites.toml"] {
        let text = fs::read_to_string(folder.join(name)).expect("definitions");
        let text = text
            .replace("language =", "langage =")
            .replace("\"good\", \"good\"", "\"good\", \"best\"");
        fs::write(folder.join(name), text).expect("a file");
    }
    let outcome = bench.duet(&["list"]);
    outcome.exits(2).says("servers.toml:3").says("langage").says("suites.toml:").says("best");
    assert!(!bench.path().join("results").exists());
}

#[test]
fn too_few_cpus_exits_with_4() {
    let bench = Bench::with("", "blocks = 2\nverdicts = false\nserver_cpus = 256", "");
    bench.duet(&["run", "s"]).exits(4).says("CPUs are needed");
    bench.duet(&["doctor"]).exits(4).says("unfit");
}

#[test]
fn the_doctor_names_effects_and_cures() {
    let outcome = Bench::new("").duet(&["doctor"]);
    assert!(matches!(outcome.code, Some(0 | 4)), "{}", outcome.err);
    outcome.says("CPUs").says("stolen time");
}

#[test]
fn the_list_names_everything() {
    Bench::new("")
        .duet(&["list"])
        .exits(0)
        .says("faulty")
        .says("good against faulty")
        .says("2 cells");
}

#[test]
fn verify_says_which_server_fails() {
    let bench = Bench::new("--fault wrong-body");
    bench
        .duet(&["verify"])
        .exits(5)
        .says("good: 1 valid response")
        .says("failed faulty: wrong answer to GET / (hello): the body differs from byte 19 on")
        .says("hello w0rld");
    bench.duet(&["verify", "good"]).exits(0);
}

/// Runs the suite with a faulty server: exit 5, the failure named in terminal and report, the other
/// cell measured, nothing left.
#[track_caller]
fn check_failure(bench: &Bench, reason: &str) {
    bench.duet(&["run", "s"]).exits(5).says(reason);
    assert!(bench.read("report.md").contains(reason), "{}", bench.read("report.md"));
    let blocks = bench.blocks();
    let fine = blocks.iter().filter(|block| block.cell.matchup == "fine");
    assert_eq!(fine.filter(|block| block.failure.is_none()).count(), 2);
    bench.nothing_is_left();
}

#[test]
fn a_server_that_does_not_build() {
    let build = "needs = []\nbuild = [\"sh\", \"-c\", \"echo no compiler here >&2; exit 9\"]";
    let bench = Bench::with("", "blocks = 2\nverdicts = false", build);
    check_failure(&bench, "exited with 9");
    assert!(bench.read("report.md").contains("no compiler here"));
}

#[test]
fn a_server_whose_tool_is_missing() {
    let bench = Bench::with("", "blocks = 2\nverdicts = false", "needs = [\"no-such-tool\"]");
    check_failure(&bench, "is not on the PATH");
}

#[test]
fn a_server_that_does_not_start() {
    let bench = Bench::new("--fault exit-at-start");
    check_failure(&bench, "the server exited with 3");
    assert!(bench.read("report.md").contains("the configuration is missing"));
}

#[test]
fn a_server_that_never_listens() {
    check_failure(&Bench::new("--fault silent"), "line within 10 s");
}

#[test]
fn a_server_that_babbles() {
    check_failure(&Bench::new("--fault babble"), "starting up, please wait");
}

#[test]
fn a_server_that_answers_wrongly() {
    check_failure(&Bench::new("--fault wrong-body"), "the body differs from byte 19 on");
}

/// Enough requests to get through verification and into the load.
const DEEP: &str = "--after 100";

#[test]
fn a_server_that_answers_wrongly_under_load() {
    check_failure(&Bench::new(&format!("--fault wrong-body {DEEP}")), "hello w0rld");
}

#[test]
fn a_server_that_crashes_under_load() {
    let bench = Bench::new(&format!("--fault crash {DEEP}"));
    check_failure(&bench, "was killed by SIGABRT");
    assert!(bench.read("report.md").contains("the answer is 42"));
}

#[test]
fn a_server_that_hangs_under_load() {
    check_failure(&Bench::new(&format!("--fault hang {DEEP}")), "within 2.00 s");
}

#[test]
fn a_server_that_drops_connections_under_load() {
    let bench = Bench::new(&format!("--fault drop {DEEP}"));
    bench.duet(&["run", "s"]).exits(5);
    bench.nothing_is_left();
}

#[test]
fn a_server_that_ignores_sigterm() {
    check_failure(&Bench::new("--fault ignore-sigterm"), "did not end within 2 s of SIGTERM");
}

#[test]
fn a_server_that_exits_badly() {
    check_failure(&Bench::new("--fault bad-exit"), "exited with 7 on SIGTERM");
}

#[track_caller]
fn check_interruption(with: Signal, code: i32) {
    let bench = Bench::long();
    let child = bench.command(&["run", "s"]).spawn().expect("the binary starts");
    bench.wait_for_a_block();
    signal(&child, with);
    let outcome = outcome(&child.wait_with_output().expect("it ends"));
    outcome.exits(code).says("interrupted");
    assert!(!bench.blocks().is_empty());
    assert!(bench.read("report.md").contains("interrupted"));
    bench.nothing_is_left();
    // The report made later says the same.
    bench.duet(&["report", "results/latest"]).exits(code).says("interrupted");
}

#[test]
fn ctrl_c_keeps_finished_blocks() {
    check_interruption(Signal::SIGINT, 130);
}

#[test]
fn sigterm_keeps_finished_blocks() {
    check_interruption(Signal::SIGTERM, 143);
}

#[test]
fn an_interrupted_build_leaves_nothing() {
    let build = "build = [\"sh\", \"-c\", \"touch building; sleep 100 & wait\"]";
    let bench = Bench::with("", "blocks = 2\nverdicts = false", build);
    let child = bench.command(&["run", "s"]).spawn().expect("the binary starts");
    wait(|| bench.path().join("building").exists());
    signal(&child, Signal::SIGINT);
    outcome(&child.wait_with_output().expect("it ends")).exits(130);
    bench.nothing_is_left();
}

#[test]
fn a_killed_harness_leaves_no_process() {
    let bench = Bench::long();
    let mut child = bench.command(&["run", "s"]).spawn().expect("the binary starts");
    bench.wait_for_a_block();
    signal(&child, Signal::SIGKILL);
    child.wait().expect("it ends");
    bench.nothing_is_left();
    bench.duet(&["report", "results/latest"]).exits(0).says("killed");
}

#[test]
fn a_full_disk_keeps_finished_blocks() {
    let bench = Bench::long();
    // A limit on file size stands for a full disk: writes fail after so many blocks of 512 bytes.
    let script = format!("ulimit -f 160; exec {DUET} run s");
    let outcome = outcome(&bench.program("sh", &["-c", &script]).output().expect("it ends"));
    outcome.exits(4).says("is the disk full?");
    assert!(!bench.blocks().is_empty());
    bench.nothing_is_left();
    bench.duet(&["report", "results/latest"]).says("good");
}
