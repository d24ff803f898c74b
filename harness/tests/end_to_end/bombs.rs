//! Definitions that are meant to exhaust memory or patience: each is refused within a bound, with a
//! reason.

use std::fs::{self, OpenOptions};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::binary::{DUET, Folder, HELLO, Outcome, outcome};

const SERVERS: &str = "[[server]]\nname = \"a\"\nlanguage = \"C\"\nlanes = [\"std\"]\n\
    summary = \"One\"\nrun = [\"a\", \"{addr}\"]\nversion = [\"a\"]\nworkloads = [\"hello\"]\n";

const SUITES: &str = "[[load]]\nname = \"c2\"\nconnections = 2\n\
    [[matchup]]\nname = \"m\"\nlane = \"std\"\narms = [\"a\", \"a\"]\n\
    [[suite]]\nname = \"s\"\nsummary = \"One\"\n\
    [[suite.cells]]\nmatchups = [\"m\"]\nworkloads = [\"hello\"]\nloads = [\"c2\"]\n";

/// Definitions of one server.
pub(crate) fn folder() -> Folder {
    Folder::with_definitions([
        ("servers.toml", SERVERS),
        ("workloads.toml", HELLO),
        ("suites.toml", SUITES),
    ])
}

/// Within 2 GiB of addresses: what needs more would fail otherwise.
fn bounded(folder: &Folder, command: &str) -> Outcome {
    let script = format!("ulimit -v 2097152; exec {DUET} {command}");
    let mut shell = folder.program("sh", &["-c", &script]);
    outcome(&shell.output().expect("sh starts"))
}

#[test]
fn definitions_without_end_are_refused() {
    let names = |name: &str| vec![format!("\"{name}\""); 3000].join(",");
    let nested = |open: &str, close: &str| open.repeat(100_000) + &close.repeat(100_000);
    let cells = format!(
        "[[suite.cells]]\nmatchups = [{}]\nworkloads = [{}]\nloads = [{}]\n",
        names("m"),
        names("hello"),
        names("c2")
    );
    let unknown: String = (0..9_000).map(|i| format!("\"n{i}\",")).collect();
    let unknown = format!(
        "[[suite.cells]]\nmatchups = [\"m\"]\nworkloads = [\"hello\"]\n\
                           loads = [{unknown}]\n"
    );
    let cases =
        HELLO.split("path =").next().expect("a beginning").to_owned() + "cases = \"cases.jsonl\"\n";
    let case = |body: &str| format!("{{\"path\":\"/\",\"status\":200,\"body\":{body}}}\n");
    for (file, text, says) in [
        ("suites.toml", format!("a = {}", nested("[", "]")), "this is not TOML"),
        ("suites.toml", format!("a = {}", "[".repeat(100_000)), "this is not TOML"),
        ("suites.toml", format!("a = {}1", "{b=".repeat(50_000)), "this is not TOML"),
        ("suites.toml", format!("{}a = 1", "a.".repeat(100_000)), "this is not TOML"),
        ("suites.toml", SUITES.to_owned() + &" ".repeat(300_000), "longer than 256 KiB"),
        ("suites.toml", SUITES.to_owned() + &cells, "27000000001 cells"),
        ("suites.toml", SUITES.to_owned() + &unknown, "there is no load `n0`"),
        ("suites.toml", SUITES.to_owned() + &"[[load]]\n".repeat(28_000), "`name` is missing"),
        ("workloads.toml", cases.clone(), "cases.jsonl"),
    ] {
        let folder = folder();
        let bench = folder.path().join("bench");
        fs::write(bench.join(file), &text).expect("a file");
        fs::write(bench.join("cases.jsonl"), case(&nested("[", "]"))).expect("a file");
        let outcome = bounded(&folder, "list");
        outcome.exits(2).says(says);
        assert!(outcome.err.len() < 100_000, "{} bytes for {says}", outcome.err.len());
    }
}

#[test]
fn files_that_are_no_files_are_refused() {
    let folder = folder();
    let at = |name: &str| folder.path().join("bench").join(name);
    let cases =
        HELLO.split("path =").next().expect("a beginning").to_owned() + "cases = \"cases.jsonl\"\n";
    fs::write(at("workloads.toml"), cases).expect("a file");
    mkfifo(&at("cases.jsonl"), Mode::S_IRWXU).expect("a pipe");
    bounded(&folder, "list").exits(2).says("cases.jsonl").says("it is no regular file");
    bounded(&folder, "load http://127.0.0.1:1/ --cases bench/cases.jsonl")
        .exits(2)
        .says("it is no regular file");
    fs::remove_file(at("cases.jsonl")).expect("it is there");
    // Sparse: it takes no room on the disk.
    let options = OpenOptions::new().write(true).create_new(true).open(at("cases.jsonl"));
    options.expect("a file").set_len(1 << 30).expect("a long file");
    bounded(&folder, "list").exits(2).says("a file may have 8 MiB");
    fs::remove_file(at("suites.toml")).expect("it is there");
    mkfifo(&at("suites.toml"), Mode::S_IRWXU).expect("a pipe");
    bounded(&folder, "list").exits(2).says("suites.toml").says("it is no regular file");
}
