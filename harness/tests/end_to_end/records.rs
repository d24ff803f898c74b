//! Records in a folder: one process records into it, and a record that is not of one run is
//! refused. Made-up records stand for measured ones where only their readers are tested.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::binary::{Folder, outcome, signal};
use crate::cli::Bench;
use duet_model::record::{Experiment, Question, Record, Run, Version, Writer};
use duet_model::spec::{Gate, Look, Rule};
use duet_model::testing::{self, Scene};
use duet_units::Metric;

/// Writes a record as a measurement would have.
pub(crate) fn write(folder: &Path, run: &Run) {
    fs::create_dir_all(folder).expect("a folder");
    let mut writer = Writer::replace(folder, run.records()).expect("it is written");
    if let Some(end) = &run.end {
        writer.append(&Record::End(end.clone())).expect("it is appended");
    }
}

/// The record of a suite.
pub(crate) fn suite(id: &str) -> Run {
    let mut run = testing::run(&Scene::default());
    run.header.id = Some(id.to_owned());
    run
}

/// The record of a gate whose head is 25 % slower.
pub(crate) fn gate(question: Question) -> Run {
    let version = |label: &str| Version {
        given: label.to_owned(),
        label: label.to_owned(),
        ..Version::default()
    };
    let policy = Gate {
        name: "g".to_owned(),
        rules: vec![Rule { metric: Metric::RequestsPerSecond, margin: 0.03 }],
        looks: vec![Look { blocks: 8, alpha: 0.05 }],
        alpha: 0.05,
        ..Gate::default()
    };
    let mut run = suite("gate");
    run.header.experiment = Some(Experiment {
        question,
        base: version("old"),
        head: version("new"),
        gate: Some(policy),
        floors: vec![],
        absent: vec![],
        changed: vec![],
        policy_differences: vec![],
        attempt: None,
    });
    run
}

/// A regression, and the experiment that confirms it.
pub(crate) fn regressed(folder: &Path) {
    write(folder, &gate(Question::Gate));
    write(&folder.join("confirmation"), &gate(Question::Confirm));
}

#[test]
fn two_processes_do_not_record_into_one_folder() {
    let bench = Bench::long();
    let child = bench.command(&["run", "s"]).spawn().expect("the binary starts");
    bench.wait_for_a_block();
    let second = bench.duet(&["run", "s"]);
    second.exits(4).says(&format!("process {} (", child.id()));
    second.says("run s) records into results/latest at this moment").says("--out");
    // By another name it is the same folder.
    bench.duet(&["run", "s", "--out", "bench/../results/latest"]).exits(4).says("records into");
    signal(&child, Signal::SIGINT);
    outcome(&child.wait_with_output().expect("it ends")).exits(130);
    let blocks = bench.blocks();
    assert!(!blocks.is_empty());

    // A process that was killed holds nothing.
    let mut child = bench.command(&["run", "s"]).spawn().expect("the binary starts");
    bench.wait_for_a_block();
    signal(&child, Signal::SIGKILL);
    child.wait().expect("it ends");
    fs::remove_file(bench.path().join("results/latest/run.jsonl")).expect("it is there");
    let mut child = bench.command(&["run", "s"]).spawn().expect("the binary starts");
    bench.wait_for_a_block();
    signal(&child, Signal::SIGINT);
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    bench.nothing_is_left();
}

#[test]
fn lines_of_another_run_are_refused() {
    let folder = Folder::empty();
    let path = |name: &str| folder.path().join(name);
    write(&path("one"), &suite("one"));
    write(&path("two"), &suite("two"));
    folder.duet(&["report", "one"]).exits(0);
    let append = |name: &str, lines: &[&str]| {
        let mut file = OpenOptions::new().append(true).open(path(name)).expect("a record");
        lines.iter().for_each(|line| writeln!(file, "{line}").expect("it is appended"));
    };
    let two = fs::read_to_string(path("two/run.jsonl")).expect("a record");
    let two: Vec<&str> = two.lines().collect();
    append("one/run.jsonl", &two[3..4]);
    for words in [&["report", "one"][..], &["export", "one", "--format", "csv"]] {
        folder.duet(words).exits(4).says("is of another run");
    }
    // Twice the same block, after the end and before it.
    append("two/run.jsonl", &two[3..4]);
    folder.duet(&["report", "two"]).exits(4).says("the record had ended before");
    let again = [&two[..5], &two[3..]].concat().join("\n") + "\n";
    fs::write(path("two/run.jsonl"), again).expect("a record");
    folder.duet(&["report", "two"]).exits(4).says("was measured before");
}

#[test]
fn what_is_no_record_is_not_waited_for() {
    let folder = Folder::empty();
    fs::create_dir(folder.path().join("pipe")).expect("a folder");
    mkfifo(&folder.path().join("pipe/run.jsonl"), Mode::S_IRWXU).expect("a pipe");
    folder.duet(&["report", "pipe"]).exits(2).says("is no run's folder");
    folder.duet(&["compare", "pipe"]).exits(2);
    // Sparse: it takes no room on the disk.
    let big = folder.path().join("big");
    write(&big, &suite("big"));
    let file = OpenOptions::new().write(true).open(big.join("run.jsonl")).expect("a record");
    file.set_len(1 << 30).expect("a long file");
    folder.duet(&["report", "big"]).exits(4).says("a line is longer than");
}

#[test]
fn a_history_skips_what_is_no_run_and_says_so() {
    let folder = Folder::empty();
    write(&folder.path().join("results/a"), &suite("a"));
    write(&folder.path().join("results/b"), &suite("b"));
    fs::create_dir(folder.path().join("results/noise")).expect("a folder");
    let words = ["trend", "results/a", "results/b", "results/noise"];
    folder
        .duet(&words)
        .exits(0)
        .says("2 sessions")
        .says("skipped results/noise")
        .says("no run.jsonl");
    folder.duet(&["trend", "results/noise"]).exits(2).says("none of these");

    // Gates form a history although their versions have other names each time.
    for (name, version) in [("g1", "v1"), ("g2", "v2")] {
        let mut run = gate(Question::Gate);
        let text = serde_json::to_string(&run.header).expect("a header");
        let text = text.replace("\"beta\"", &format!("\"beta@{version}\""));
        run.header = serde_json::from_str(&text).expect("a header");
        for block in &mut run.blocks {
            block.arms[1].server = format!("beta@{version}");
        }
        run.builds[1].server = format!("beta@{version}");
        write(&folder.path().join("results").join(name), &run);
    }
    let words = ["trend", "results/g1", "results/g2", "--metric", "requests_per_second"];
    let found = folder.duet(&words);
    found.exits(0).says("2 sessions").says("head");
    assert_eq!(
        found.out.matches("pair/small/c64: requests per second").count(),
        1,
        "{}",
        found.out
    );
}

#[test]
fn a_regression_is_a_failure_in_junit() {
    let folder = Folder::empty();
    regressed(&folder.path().join("gate"));
    folder.duet(&["gate", "--replay", "gate"]).exits(1).says("REGRESSED");
    let junit = folder.duet(&["export", "gate", "--format", "junit"]);
    junit.exits(0);
    let document = roxmltree::Document::parse(&junit.out).expect("it is XML");
    let failures = document.descendants().filter(|node| node.has_tag_name("failure"));
    assert_eq!(failures.count(), 1, "{}", junit.out);
}

#[test]
fn a_verdict_is_printed_whatever_fails_afterwards() {
    let folder = Folder::empty();
    regressed(&folder.path().join("gate"));
    // A report cannot be written; the other outputs are, and the verdict is said.
    fs::create_dir(folder.path().join("gate/comparison.html")).expect("a folder");
    let words = ["gate", "--replay", "gate", "--json", "o.json", "--junit", "bench/../no/x.xml"];
    fs::write(folder.path().join("no"), "").expect("a file");
    let outcome = folder.duet(&words);
    outcome.exits(4).says("REGRESSED").says("comparison.html").says("is there");
    assert!(folder.path().join("o.json").is_file());

    // Who may read the record may judge it.
    let readable = folder.path().join("kept");
    regressed(&readable);
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", crate::binary::DUET];
    let words = [&nobody[..], &["gate", "--replay", "kept"]].concat();
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("permissions");
    match folder.program("setpriv", &words).output() {
        Ok(output) if output.status.code() != Some(127) && nix::unistd::geteuid().is_root() => {
            let judged = crate::binary::outcome(&output);
            judged.exits(1).says("REGRESSED").says("no report was written beside the record");
        }
        _ => eprintln!("skipped: setpriv is not installed, or this is not root"),
    }
}

/// GitHub drops a summary above 1 MiB whole, with what others wrote into it before.
#[test]
fn a_step_summary_has_room_for_what_is_there() {
    let folder = Folder::empty();
    regressed(&folder.path().join("gate"));
    let summary = folder.path().join("summary.md");
    for (used, says) in [(0, true), ((1 << 20) - 2000, true), ((1 << 20) - 10, false)] {
        fs::write(&summary, "x".repeat(used)).expect("a file");
        let mut command = folder.command(&["gate", "--replay", "gate", "--github"]);
        let output = command.env("GITHUB_STEP_SUMMARY", &summary).output().expect("it ends");
        outcome(&output).exits(1);
        let text = fs::read_to_string(&summary).expect("a file");
        assert!(text.len() <= 1 << 20, "{} bytes after {used}", text.len());
        assert_eq!(text[used..].contains("REGRESSED"), says, "{used}");
    }
}
