//! `duet run` with responses that are streams of events.

use std::fs;

use crate::binary::{Folder, SERVER};
use duet_model::record::{self, BlockRecord};
use duet_protocol::EventsResult;

/// Definitions in which a server that sends four events, 40 ms apart, meets one with a fault that
/// strikes from the 40th request on, after it has been verified.
fn bench(fault: &str, load: &str) -> Folder {
    let server = |name: &str, fault: &str| {
        format!(
            "[[server]]\nname = \"{name}\"\nlanguage = \"Rust\"\nlanes = [\"std\"]\n\
             summary = \"For tests\"\nversion = [\"{SERVER}\", \"--version\"]\n\
             workloads = [\"ticks\"]\nrun = [\"{SERVER}\", \"--addr\", \"{{addr}}\", \
             \"--event-ms\", \"40\", \"--after\", \"40\", \"--fault\", \"{fault}\"]\n"
        )
    };
    let servers = [server("one", ""), server("other", fault)].concat();
    let workloads = "[[workload]]\nname = \"ticks\"\nquestion = \"How late?\"\npath = \"/\"\n\
                     least_ms = 160\nevent_ms = 40\n[workload.expect]\nstatus = 200\n\
                     content_type = \"text/event-stream\"\nchunked = true\n\
                     body = \"data: 1\\n\\ndata: 2\\n\\ndata: 3\\n\\ndata: 4\\n\\n\"\n";
    let suites = format!(
        "[[load]]\nname = \"some\"\n{load}\n\
         [[matchup]]\nname = \"pair\"\nlane = \"std\"\narms = [\"one\", \"other\"]\n\
         [[suite]]\nname = \"s\"\nsummary = \"For tests\"\nverdicts = false\nwindow_ms = 5\n\
         measure_ms = 100\nwarmup_ms = 60\nblocks = 1\n[[suite.cells]]\n\
         matchups = [\"pair\"]\nworkloads = [\"ticks\"]\nloads = [\"some\"]\n"
    );
    Folder::with_definitions([
        ("servers.toml", &servers),
        ("workloads.toml", workloads),
        ("suites.toml", &suites),
    ])
}

fn block(folder: &Folder) -> BlockRecord {
    let blocks = record::read(&folder.path().join("results/latest")).expect("a record").blocks;
    blocks.into_iter().next().expect("a block")
}

#[test]
fn events_that_come_when_they_are_due() {
    for load in ["connections = 16", "connections = 40\nrate = 200"] {
        let folder = bench("", load);
        folder.duet(&["run", "s"]).exits(0);
        let block = block(&folder);
        assert_eq!(block.failure, None);
        for arm in 0..2 {
            let windows = block.windows.iter().filter(|window| window.arm == arm);
            let of_arm = windows.filter_map(|window| window.events.as_ref());
            let sum = |of: fn(&EventsResult) -> u64| of_arm.clone().map(of).sum::<u64>();
            assert!(sum(|e| e.count) > 50 && sum(|e| e.early) == 0, "{load}: {:?}", block.windows);
        }
        let report = fs::read_to_string(folder.path().join("results/latest/report.md"));
        let report = report.expect("a report");
        assert!(report.contains("lateness of events, median"), "{report}");
        folder.nothing_is_left();
    }
}

#[test]
fn events_that_are_not_what_they_should_be() {
    let cases = [
        ("out-of-order", "first difference at byte 15"),
        ("skips-event", "expected a body of 36 bytes, got 27"),
        ("ends-early", "expected a body of 36 bytes, got 18"),
        ("breaks-off", "closed the connection in the middle of a response"),
        ("rushes-events", "the server does not wait"),
        ("holds-events", "came when the next one was due, or later"),
        ("stalls", "came when the next one was due, or later"),
    ];
    for (fault, says) in cases {
        let folder = bench(fault, "connections = 16");
        folder.duet(&["run", "s"]).exits(5).says(says);
        let failure = block(&folder).failure.expect("it failed");
        assert_eq!(failure.server.as_deref(), Some("other"), "{fault}");
        folder.nothing_is_left();
    }
}

/// The body is right and comes when the last event is due: what comes when is looked at.
#[test]
fn events_that_are_sent_together_fail_verification() {
    let folder = bench("holds-events", "connections = 4");
    let path = folder.path().join("bench/servers.toml");
    let text = fs::read_to_string(&path).expect("definitions");
    fs::write(&path, text.replace("\"40\", \"--fault\"", "\"0\", \"--fault\"")).expect("a file");
    folder.duet(&["verify", "one"]).exits(0).says("ok one: 1 valid response");
    folder
        .duet(&["verify", "other"])
        .exits(5)
        .says("GET / (ticks, events)")
        .says("3 of 4 events came when the next one was due, or later");
    folder.nothing_is_left();
}

#[test]
fn definitions_of_events() {
    let cases = [
        ("least_ms = 160", "least_ms = 120", "`least_ms` is not when the last of 4 events is due"),
        ("least_ms = 160", "", "`least_ms` is not when the last of 4 events is due"),
        (
            "data: 1\\n\\ndata: 2\\n\\ndata: 3\\n\\ndata: 4\\n\\n",
            "x",
            "without an event in the body",
        ),
    ];
    for (from, to, says) in cases {
        let folder = bench("", "connections = 4");
        let path = folder.path().join("bench/workloads.toml");
        let text = fs::read_to_string(&path).expect("definitions");
        assert!(text.contains(from), "{text}");
        fs::write(&path, text.replace(from, to)).expect("a file");
        folder.duet(&["run", "s"]).exits(2).says(says);
    }
}
