//! Blocks in which each server runs alone in one long window: memory by the second, a cache of
//! entries, and what is left after a burst.

use crate::binary::{Folder, HELLO, SERVER};
use duet_model::record::{self, BlockRecord, MemorySecond};

/// A healthy server and one with this fault, under a window of `seconds` at a fixed rate beside so
/// many entries, and under a burst.
fn bench(fault: &str, entries: u32, seconds: u32) -> Folder {
    let server = |(i, fault): (usize, &str)| {
        let run = format!("\"{SERVER}\", \"--addr\", \"{{addr}}\"{fault}");
        format!(
            "[[server]]\nname = \"s{i}\"\nlanguage = \"Any\"\nlanes = [\"std\"]\n\
             summary = \"For tests\"\nworkloads = [\"hello\", \"cache\", \"after\"]\n\
             version = [\"{SERVER}\", \"--version\"]\nrun = [{run}]\n"
        )
    };
    let servers: String = ["", fault].into_iter().enumerate().map(server).collect();
    let workloads = format!(
        "{HELLO}\n{}\n[workload.entries]\npath = \"/kv\"\nvalue_bytes = 100\n{}",
        HELLO.replace("\"hello\"", "\"cache\""),
        HELLO.replace("\"hello\"", "\"after\"\nburst = \"hello\""),
    );
    let suites = format!(
        "[[load]]\nname = \"long\"\nconnections = 4\nrate = 1000\nsolo_s = {seconds}\n\
         entries = {entries}\n\
         [[load]]\nname = \"burst\"\nconnections = 20\nsolo_s = 1\nrest_s = 1\n\
         [[matchup]]\nname = \"pair\"\nlane = \"std\"\narms = [\"s0\", \"s1\"]\n\
         [[suite]]\nname = \"s\"\nsummary = \"For tests\"\nblocks = 1\nverdicts = false\n\
         [[suite.cells]]\nmatchups = [\"pair\"]\nworkloads = [\"cache\"]\nloads = [\"long\"]\n\
         [[suite.cells]]\nmatchups = [\"pair\"]\nworkloads = [\"after\"]\nloads = [\"burst\"]\n"
    );
    Folder::with_definitions([
        ("servers.toml", &servers),
        ("workloads.toml", &workloads),
        ("suites.toml", &suites),
    ])
}

/// A value for each second from the first to the last, in their order.
#[track_caller]
fn is_complete(seconds: &[MemorySecond], last_s: u64) {
    assert_eq!(seconds.len() as u64, last_s + 1, "{seconds:?}");
    assert!(seconds.windows(2).all(|pair| pair[0].at_ms < pair[1].at_ms), "{seconds:?}");
    assert!(seconds[0].at_ms < 1000, "{seconds:?}");
    let sound = |second: &MemorySecond| {
        second.rss_bytes > 0 && (1..=second.rss_bytes).contains(&second.anonymous_bytes)
    };
    assert!(seconds.iter().all(sound), "{seconds:?}");
}

/// One window of each arm, each alone.
#[track_caller]
fn has_a_window_of_each_arm(block: &BlockRecord) {
    let mut arms: Vec<u32> = block.windows.iter().map(|window| window.arm).collect();
    arms.sort_unstable();
    assert_eq!(arms, [0, 1]);
    for window in &block.windows {
        assert_eq!(window.server_cpu_ns[1 - window.arm as usize], 0);
        let counted: u64 = window.seconds.iter().map(|second| second.requests).sum();
        assert_eq!(counted, window.requests, "{window:?}");
    }
}

#[test]
fn memory_and_latency_by_the_second() {
    // The second closes connections that are idle for 1.2 s: that of the client that verifies.
    let folder = bench(", \"--fault\", \"closes-idle\", \"--after\", \"12\"", 200, 2);
    let run = folder.duet(&["run", "s"]);
    // 4 where the machine is so busy that nothing can be said.
    assert!(matches!(run.code, Some(0 | 4)), "{}{}", run.out, run.err);
    folder.nothing_is_left();
    let results = folder.path().join("results/latest");
    let record = record::read(&results).expect("a record");
    let of = |workload: &str| {
        let mut own = record.blocks.iter().filter(|block| block.cell.workload == workload);
        own.find(|block| block.failure.is_none()).expect("one block at least")
    };
    let long = of("cache");
    has_a_window_of_each_arm(long);
    for arm in &long.arms {
        is_complete(&arm.seconds, 2);
        assert!(arm.rest.is_empty() && arm.rss.is_empty() && arm.rss_bytes_peak > 0);
    }
    for window in &long.windows {
        assert_eq!(window.seconds.len(), 2);
        let planned = window.open.as_ref().expect("a rate").planned;
        let failed: u64 = window.seconds.iter().map(|second| second.failed).sum();
        assert_eq!(window.requests + failed, planned);
        assert!(window.seconds.iter().all(|s| s.ns_p50 <= s.ns_p99 && s.ns_p99 <= s.ns_max));
    }
    let burst = of("after");
    has_a_window_of_each_arm(burst);
    assert_eq!(burst.open, None);
    for arm in &burst.arms {
        is_complete(&arm.seconds, 1);
        is_complete(&arm.rest, 1);
    }
    assert!(record.header.spec.workload("hello").is_some(), "what a burst is of is in the record");
    let report = folder.duet(&["report", "results/latest"]);
    report.says("memory kept after a burst").says("latency, worst second").says("long.svg");
    let page = std::fs::read_to_string(results.join("report.html")).expect("a page");
    assert!(page.contains("How much memory, second by second?"));
    assert!(results.join("long.svg").is_file());
}

/// Runs the cell with a cache, in which the second server must fail.
#[track_caller]
fn fails(fault: &str, entries: u32, why: &str) {
    let folder = bench(fault, entries, 1);
    let run = folder.duet(&["run", "s", "--only", "long"]);
    run.exits(5).says("s1").says(why);
    folder.nothing_is_left();
}

#[test]
fn a_cache_that_forgets_is_caught() {
    // This one is driven: the generator misses it, or the last look does.
    fails(", \"--fault\", \"forgets\", \"--after\", \"100\"", 200, "404");
    // This one is not.
    let last = ", \"--fault\", \"forgets\", \"--after\", \"9000\"";
    fails(last, 9000, "has not kept what was stored in it");
}

#[test]
fn a_cache_with_a_wrong_value_is_caught() {
    fails(", \"--fault\", \"wrong-value\", \"--after\", \"42\"", 200, "another value");
}

#[test]
fn a_server_that_dies_in_a_long_window_ends_it() {
    fails(", \"--fault\", \"crash\", \"--after\", \"500\"", 200, "the answer is 42");
}
