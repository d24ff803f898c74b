//! `duet claims` and the prices of `duet report`, on runs of real servers.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::binary::{Folder, HELLO, SERVER};

const CLAIMS: &str = r#"[[claim]]
name = "starts"
claim = "One starts sooner"
source = "An article"
date = "2020-07-17"
kind = "measured"
remark = "One person's"
[[claim.test]]
matchups = ["pair"]
metrics = ["startup_ns"]
ahead = "Rust"
[[claim]]
name = "tasks"
claim = "The other has tasks"
source = "An article"
date = "2020"
kind = "measured"
remark = "One person's"
missing = "Tasks"
"#;

/// A folder with one server under two names, as if in two languages, and claims about them.
fn folder() -> Folder {
    let server = |name: &str, language: &str| {
        format!(
            "[[server]]\nname = \"{name}\"\nlanguage = \"{language}\"\nlanes = [\"std\"]\n\
             summary = \"For tests\"\nrun = [\"{SERVER}\", \"--addr\", \"{{addr}}\"]\n\
             version = [\"{SERVER}\", \"--version\"]\nworkloads = [\"hello\"]\n"
        )
    };
    let servers = server("one", "Rust") + &server("two", "Go");
    let suites = "[[load]]\nname = \"c2\"\nconnections = 2\n\
                  [[matchup]]\nname = \"pair\"\nlane = \"std\"\narms = [\"one\", \"two\"]\n\
                  [[suite]]\nname = \"s\"\nsummary = \"For tests\"\nblocks = 2\nwindow_ms = 5\n\
                  measure_ms = 100\nwarmup_ms = 60\nverdicts = false\n\
                  [[suite.cells]]\nmatchups = [\"pair\"]\nworkloads = [\"hello\"]\n\
                  loads = [\"c2\"]\n";
    let folder = Folder::with_definitions([
        ("servers.toml", &servers),
        ("workloads.toml", HELLO),
        ("suites.toml", suites),
    ]);
    fs::write(folder.path().join("bench/claims.toml"), CLAIMS).expect("a file");
    folder
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in\n{text}"))
}

#[test]
fn claims_are_held_against_runs() {
    let folder = folder();
    folder.duet(&["claims"]).exits(2).says("results/latest is no run's folder");
    folder.duet(&["run", "s"]).says("Claims of others").says("1 inconclusive, 1 not tested yet");
    folder
        .duet(&["claims"])
        .exits(0)
        .says("Of 2 claims: 1 inconclusive, 1 not tested yet.")
        .says("One starts sooner · An article, 2020-07-17 · results/latest")
        .says("The other has tasks (An article, 2020): Tasks");
    // The record carries the claims.
    let report = fs::read_to_string(folder.path().join("results/latest/report.md"));
    let report = report.expect("there is a report");
    assert!(report.contains("| [pair](#pair-lane-std) | start-up |"), "{report}");

    // Of several runs the newest speaks.
    folder.duet(&["run", "s"]);
    let words = ["claims", "results/previous", "results/latest", "--format"];
    folder.duet(&[&words[..], &["markdown"]].concat()).exits(0).says("# Claims of others");
    let outcome = folder.duet(&[&words[..], &["json"]].concat());
    let ledger = json(&outcome.exits(0).out);
    let runs = ledger["runs"].as_array().expect("a list");
    assert_eq!(runs.len(), 2, "{ledger}");
    assert_eq!(ledger["claims"][0]["run"], runs[0]["folder"], "{ledger}");
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema/claims.schema.json");
    let schema = json(&fs::read_to_string(schema).expect("the schema is there"));
    let validator = jsonschema::validator_for(&schema).expect("a valid schema");
    assert!(validator.is_valid(&ledger), "{:?}", validator.iter_errors(&ledger).next());
    folder.nothing_is_left();
}

#[test]
fn wrong_claims_and_prices_exit_with_2() {
    let folder = folder();
    let claims = folder.path().join("bench/claims.toml");
    let wrong = CLAIMS.replace("startup_ns", "startup").replace("measured", "mesured");
    fs::write(&claims, wrong).expect("a file");
    let outcome = folder.duet(&["claims"]);
    outcome.exits(2).says("claims.toml:10").says("claims.toml:6").says("did you mean `measured`?");
    fs::remove_file(&claims).expect("it was there");
    folder.duet(&["claims"]).exits(2).says("there are no claims: bench has no claims.toml");
    folder.duet(&["claims", "--format", "xml"]).exits(2).says("markdown");
    folder.duet(&["report", "x", "--vcpu-hour", "0"]).exits(2).says("write a number above 0");
    folder.duet(&["run", "s", "--day", "much"]).exits(2).says("write a number above 0");
}
