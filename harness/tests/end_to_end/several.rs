//! Matchups of several servers: they take turns in the same blocks, and each is compared with the
//! first.

use std::fs;

use duet_model::record;
use serde_json::Value;

use crate::binary::{Folder, HELLO, SERVER};

/// Definitions of three servers, each slower than the one before, and of suites of one cell.
fn three_servers(arms: &str) -> Folder {
    let server = |(name, delay): (&str, &str)| {
        format!(
            "[[server]]\nname = \"{name}\"\nlanguage = \"Rust\"\nlanes = [\"std\"]\n\
             summary = \"For tests\"\nversion = [\"{SERVER}\", \"--version\"]\n\
             run = [\"{SERVER}\", \"--addr\", \"{{addr}}\", \"--delay-us\", \"{delay}\"]\n\
             workloads = [\"hello\"]\n"
        )
    };
    let servers: String = [("one", "400"), ("two", "900"), ("three", "90")].map(server).concat();
    let suite = |name: &str, more: &str| {
        format!(
            "[[suite]]\nname = \"{name}\"\nsummary = \"For tests\"\nmeasure_ms = 320\n\
             warmup_ms = 100\n{more}[[suite.cells]]\nmatchups = [\"trio\"]\n\
             workloads = [\"hello\"]\nloads = [\"c2\"]\n"
        )
    };
    let suites = format!(
        "[[load]]\nname = \"c2\"\nconnections = 2\n\
         [[matchup]]\nname = \"trio\"\nlane = \"std\"\narms = {arms}\n{}{}",
        suite("s", "blocks = 2\nverdicts = false\n"),
        suite("full", "blocks = 8\n")
    );
    Folder::with_definitions([
        ("servers.toml", &servers),
        ("workloads.toml", HELLO),
        ("suites.toml", &suites),
    ])
}

const TRIO: &str = "[\"one\", \"two\", \"three\"]";

#[test]
fn each_of_three_is_compared_with_the_first() {
    let folder = three_servers(TRIO);
    let said = folder.duet(&["run", "full"]);
    said.exits(0).says("Each against one: how many times worse, so that below 1× is better.");
    said.says("trio (lane std)").says("of 8 blocks done").says("beside one (1×)");
    folder.nothing_is_left();
    let latest = folder.path().join("results/latest");
    let run = record::read(&latest).expect("a record");
    for block in &run.blocks {
        assert_eq!((block.arms.len(), &block.failure), (3, &None));
        let round: Vec<u32> =
            block.windows.iter().filter(|w| w.round == 0).map(|w| w.arm).collect();
        let reversed: Vec<u32> = round.iter().rev().copied().collect();
        assert_eq!((round.len(), &round), (6, &reversed), "an order and its reverse");
        let of = |arm: u32| block.windows.iter().filter(move |w| w.arm == arm).count();
        assert!(of(0) == of(1) && of(1) == of(2), "{:?}", block.windows);
    }

    let read = |name: &str| fs::read_to_string(latest.join(name)).expect("a file");
    let summary: Value = serde_json::from_str(&read("summary.json")).expect("JSON");
    assert_eq!(summary["run"]["blocks"], 8);
    let ratio = |matchup: usize| {
        let matchup = &summary["matchups"][matchup];
        assert_eq!(matchup["pair_of"], "trio");
        let metrics = matchup["cells"][0]["metrics"].as_array().expect("a list");
        let speed = metrics.iter().find(|m| m["metric"] == "requests_per_second");
        let ratio = &speed.expect("it is measured")["ratio"];
        assert!(ratio["interval"]["confidence"].as_f64() > Some(0.975), "{ratio}");
        ratio["value"].as_f64().expect("a number")
    };
    assert!(ratio(0) > 1.2, "two waits longer than one");
    assert!(ratio(1) < 0.8, "three does not wait as long as one");

    // The best first, in the report and in the chart.
    let chart = read("speed.svg");
    let at = |text: &str| chart.find(text).unwrap_or_else(|| panic!("no {text:?}"));
    assert!(at("three 0.") < at("one 1×") && at("one 1×") < at("two 1."), "{chart}");
    let page = read("report.html");
    folder.duet(&["report", "results/latest"]).exits(0);
    assert_eq!(read("report.html"), page, "the same from the record alone");
    let csv = folder.duet(&["export", "results/latest", "--format", "csv"]);
    csv.exits(0).says("trio/two").says("trio/three");
    folder.duet(&["trend", "results/latest"]).exits(0);
    folder.duet(&["compare", "results/latest", "results/latest"]).exits(0);
}

#[test]
fn a_first_look_has_no_intervals() {
    let folder = three_servers(TRIO);
    folder.duet(&["run", "s"]).exits(0).says("too few blocks for intervals and verdicts");
}

#[test]
fn a_matchup_of_several_names_each_server_once() {
    let folder = three_servers("[\"one\", \"two\", \"four\"]");
    let said = folder.duet(&["run", "s"]);
    said.exits(2).says("there is no server `four`");
    let folder = three_servers("[\"one\", \"two\", \"one\"]");
    folder.duet(&["run", "s"]).exits(2).says("`arms` names a server twice");
    let folder = three_servers("[\"one\"]");
    folder.duet(&["run", "s"]).exits(2).says("`arms` names 1 server");
}
