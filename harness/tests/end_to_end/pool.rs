//! `duet pool` on runs of real servers.

use std::fs;

use duet_model::record::{self, Gauge};
use serde_json::Value;

use crate::binary::{Folder, HELLO, SERVER, record_text, write_record};

const SUITES: &str = "[[load]]\nname = \"c2\"\nconnections = 2\n\
    [[matchup]]\nname = \"pair\"\nlane = \"std\"\narms = [\"one\", \"two\"]\n\
    [[suite]]\nname = \"s\"\nsummary = \"For tests\"\nblocks = 3\nverdicts = false\n\
    window_ms = 5\nmeasure_ms = 60\nwarmup_ms = 40\n\
    [[suite.cells]]\nmatchups = [\"pair\"]\nworkloads = [\"hello\"]\nloads = [\"c2\"]\n";

/// Definitions of two servers, the second slower, and of a suite `s` of one cell.
pub(crate) fn two_servers() -> Folder {
    let server = |name: &str, delay: &str| {
        format!(
            "[[server]]\nname = \"{name}\"\nlanguage = \"Rust\"\nlanes = [\"std\"]\n\
             summary = \"For tests\"\nversion = [\"{SERVER}\", \"--version\"]\n\
             run = [\"{SERVER}\", \"--addr\", \"{{addr}}\", \"--delay-us\", \"{delay}\"]\n\
             workloads = [\"hello\"]\n"
        )
    };
    let servers = server("one", "90") + &server("two", "900");
    Folder::with_definitions([
        ("servers.toml", &servers),
        ("workloads.toml", HELLO),
        ("suites.toml", SUITES),
    ])
}

/// A run, and four more that began on other days.
fn five_days() -> Folder {
    let folder = two_servers();
    folder.duet(&["run", "s", "--out", "day0"]).exits(0);
    let text = record_text(&folder.path().join("day0"));
    let header: Value = serde_json::from_str(text.lines().next().expect("a header")).expect("JSON");
    let key = |second: u64| format!("\"started_unix_s\":{second}");
    let began = header["started_unix_s"].as_u64().expect("a number");
    for day in 1..5 {
        let to = folder.path().join(format!("day{day}"));
        fs::create_dir(&to).expect("a folder");
        let text = text.replacen(&key(began), &key(began + day * 86_400), 1);
        fs::write(to.join("run.jsonl"), text).expect("a file");
    }
    folder
}

/// The machine's state is read around every block, and beside it what the servers took in user mode
/// and in the kernel.
#[test]
fn blocks_have_gauges() {
    let folder = two_servers();
    folder.duet(&["run", "s"]).exits(0);
    let run = record::read(&folder.path().join("results/latest")).expect("a record");
    assert!(!run.blocks.is_empty());
    for block in &run.blocks {
        let gauges = block.gauges.expect("they were read");
        for reading in [gauges.before, gauges.after] {
            assert!(Gauge::ALL.iter().all(|gauge| reading.of(*gauge) > 0.0), "{reading:?}");
        }
        // In ticks of 10 ms: either may be none.
        assert!(block.arms.iter().all(|arm| arm.user_ns.is_some() && arm.system_ns.is_some()));
    }
    folder.nothing_is_left();
}

#[test]
fn five_sessions_say_what_another_hour_will_show() {
    let folder = five_days();
    let days = ["pool", "day0", "day1", "day2", "day3", "day4"];
    let said = folder.duet(&[&days[..], &["--out", "pooled"]].concat());
    said.exits(0).says("5 sessions on").says("worse in any hour in 1").says("pooled/pool.html");
    let read = |name: &str| fs::read_to_string(folder.path().join("pooled").join(name));
    let json: Value = serde_json::from_str(&read("pool.json").expect("a file")).expect("JSON");
    assert_eq!(json["schema"], "duet.pool/2");
    for name in ["pool.md", "pool.html", "pool-cpu.svg", "pool-memory.svg"] {
        assert!(read(name).is_ok_and(|text| text.len() > 500), "{name}");
    }
    // A pool is a history of its sessions, by its file or its folder, beside records.
    for pool in ["pooled", "pooled/pool.json"] {
        let said = folder.duet(&["trend", pool, "day1", "--metric", "cpu_ns_per_request"]);
        said.exits(0).says("5 sessions, ");
    }
    fs::create_dir(folder.path().join("old")).expect("a folder");
    let text = read("pool.json").expect("a file").replacen("duet.pool/2", "duet.pool/1", 1);
    fs::write(folder.path().join("old/pool.json"), text).expect("a file");
    let said = folder.duet(&["trend", "old"]);
    said.exits(2).says("old/pool.json is no pool: its schema is duet.pool/1");

    folder.duet(&days[..5]).exits(0).says("Another hour: not known, five sessions are needed");

    // Beside a session's own ratios stands what they say of another hour.
    folder.duet(&["report", "day2"]).exits(0).says("what another hour says is not known.");
    let said = folder.duet(&["report", "day2", "--beside", "day0", "day1", "day3", "day4"]);
    said.exits(0).says("another hour: ").says("(5 sessions)").says("Another hour: ");
    let summary = fs::read_to_string(folder.path().join("day2/summary.json")).expect("a file");
    let summary: Value = serde_json::from_str(&summary).expect("JSON");
    let metrics = &summary["matchups"][0]["cells"][0]["metrics"];
    assert_eq!(metrics[0]["another_hour"]["sessions"], 5, "{metrics}");
    let said = folder.duet(&["report", "day2", "--beside", "day2", "day1"]);
    said.exits(0).says("another hour: not known (2 sessions, ").says("five are needed");
    folder.duet(&["report", "day2", "--beside", "bench"]).exits(0).says("skipped bench");

    // Of another load: left out, and said.
    let day0 = folder.path().join("day0");
    let text = record_text(&day0);
    write_record(&day0, &text.replacen("\"connections\":2", "\"connections\":3", 1));
    let said = folder.duet(&days);
    said.exits(0).says("day0 pair/hello/c2").says("its workload, load, windows or CPUs are others");
    let said = folder.duet(&["report", "day2", "--beside", "day0"]);
    said.exits(0).says("day0 says nothing of another hour: its workload, load, windows or CPUs");
    folder.duet(&["pool", "bench"]).exits(2).says("skipped bench").says("there are no runs");
}
