//! `duet gate` and its neighbours with the real binary: every exit code, and what is written.
//!
//! Verdicts are asked for only where they are certain: a server that sleeps ten times as long, or
//! looks that cannot decide.

use std::fs;
use std::path::Path;

use duet_analysis::comparison::{Decision, next};
use duet_model::record;
use nix::sys::signal::Signal;

pub(crate) mod bench;
mod installed;
mod null;
mod programs;
mod versions;

use crate::binary::{DUET, SERVER, outcome, record_text, signal, wait, write_record};
use bench::{BUILD, Bench};

/// A gate that decides after six blocks.
const SIX: &str = "looks = [6]";

#[test]
fn what_is_better_passes() {
    let bench = Bench::new(SIX);
    let summary = bench.path().join("summary.md");
    fs::write(&summary, "Before.\n").expect("a file");
    let words = [
        "gate",
        "g",
        "--base",
        "server:slow",
        "--head",
        "server:fast",
        "--seed",
        "7",
        "--github",
        "--json",
        "o.json",
        "--markdown",
        "o.md",
        "--junit",
        "o.xml",
    ];
    let mut command = bench.command(&words);
    let outputs = bench.path().join("outputs");
    command.env("GITHUB_STEP_SUMMARY", &summary).env("GITHUB_OUTPUT", &outputs);
    let outcome = outcome(&command.output().expect("it ends"));
    outcome.exits(0).says("PASS: none of 1 gated metric").says("PASS, better");
    outcome.says("::notice ").says("after 6 blocks");
    bench.nothing_is_left();

    let read = |name: &str| fs::read_to_string(bench.path().join(name)).expect("it was written");
    let json: serde_json::Value = serde_json::from_str(&read("o.json")).expect("it is JSON");
    assert_eq!((&json["outcome"], &json["question"]), (&"PASS".into(), &"gate".into()));
    assert_eq!(read("o.json"), read("results/gate/comparison.json"));
    assert_eq!(read("o.md"), read("results/gate/comparison.md"));
    let xml = read("o.xml");
    let xml = roxmltree::Document::parse(&xml).expect("it is XML");
    assert_eq!(xml.descendants().filter(|node| node.has_tag_name("testcase")).count(), 1);
    assert_eq!(read("outputs"), "verdict=PASS\nbeyond-margin=false\n");
    let summary = read("summary.md");
    assert!(summary.starts_with("Before.\n# Gate g"), "{summary}");
    assert!(!summary.contains(".svg"), "{summary}");
    for chart in ["forest.svg", "blocks.svg", "looks.svg", "quantiles.svg"] {
        assert!(read(&format!("results/gate/{chart}")).starts_with("<svg"), "{chart}");
        assert!(read("o.md").contains(chart), "{chart}");
    }

    // The same pair again: what was found stands.
    bench.duet(&words[..8]).exits(0).says("This pair has been decided").says("PASS");
    replays(&bench, 0);
    let explained = bench.duet(&["explain", "results/gate", "ns_p50"]).exits(0).out.clone();
    assert!(explained.contains("Rule: REGRESSED when surely more than"), "{explained}");
    bench.duet(&["explain", "results/gate", "beauty"]).exits(2).says("requests_per_second");
    // A pair that is another one: the first moves away.
    bench.duet(&["gate", "g", "--base", "server:fast", "--head", "server:fast"]).exits(0);
    assert!(bench.path().join("results/gate-previous/run.jsonl.gz").is_file());
}

/// Records alone give the same verdict, reports and charts elsewhere, byte for byte.
#[track_caller]
fn replays(bench: &Bench, code: i32) {
    let (here, copy) = (bench.path().join("results/gate"), bench.path().join("copy"));
    let confirmation = here.join("confirmation/run.jsonl.gz");
    fs::create_dir_all(copy.join("confirmation")).expect("a folder");
    fs::copy(here.join(record::FILE_NAME), copy.join(record::FILE_NAME)).expect("a copy");
    if confirmation.exists() {
        fs::copy(confirmation, copy.join("confirmation/run.jsonl.gz")).expect("a copy");
    }
    bench.duet(&["gate", "--replay", "copy"]).exits(code);
    let files = ["comparison.json", "comparison.md", "forest.svg", "blocks.svg", "looks.svg"];
    let of_servers = record_text(&here);
    let of_servers = of_servers.contains("\"record\":\"block\"").then_some("quantiles.svg");
    for name in files.into_iter().chain(of_servers) {
        let [one, other] = [&here, &copy].map(|folder| fs::read(folder.join(name)).ok());
        assert!(one.is_some() && one == other, "{name}");
    }
}

#[test]
fn what_is_worse_is_confirmed_and_fails() {
    let bench = Bench::new("looks = [8]");
    let words = ["gate", "g", "--base", "server:fast", "--head", "server:slow"];
    // Interrupted while the second experiment is under way.
    let child = bench.command(&words).spawn().expect("the binary starts");
    let second = bench.path().join("results/gate/confirmation");
    wait(|| counts(&second));
    signal(&child, Signal::SIGINT);
    let said = outcome(&child.wait_with_output().expect("it ends"));
    said.exits(130).says("1 regression found; a second experiment must confirm it");
    bench.nothing_is_left();
    let before = record::read(&second).expect("a record").blocks;

    let said = bench.duet(&[&words[..], &["--github", "--junit", "o.xml"]].concat());
    said.exits(1).says("continues an earlier run").says("::error ");
    said.says("REGRESSED: fast-slow/hello/c2").says("confirmed by a second experiment");
    let after = record::read(&second).expect("a record").blocks;
    assert_eq!(after[..before.len()], before);
    let xml = fs::read_to_string(bench.path().join("o.xml")).expect("it was written");
    assert!(xml.contains("<failure"), "{xml}");
    bench.nothing_is_left();
    bench.duet(&words).exits(1).says("This pair has been decided");
    replays(&bench, 1);
    bench.duet(&["explain", "copy", "ns_p50"]).exits(0).says("confirms it");
}

/// Whether a folder's record has a block that counts.
fn counts(folder: &Path) -> bool {
    let text = record_text(folder);
    text.contains("\"failure\":null,\"discarded\":null")
}

#[test]
fn a_broken_budget_fails() {
    let gate = format!("{SIX}\nbudgets = [\"requests_per_second >= 100000000\"]");
    let bench = Bench::new(&gate);
    bench
        .duet(&["gate", "--base", "server:slow", "--head", "server:fast"])
        .exits(1)
        .says("budget requests_per_second >= 100000000: broken");
}

/// No verdict is possible with the part of alpha that the first look has; then the time is up.
#[test]
fn what_is_not_sure_is_inconclusive() {
    let bench = Bench::new("looks = [6, 60]\nalpha = 0.03\nbudget_s = 1");
    let words = ["gate", "--base", "server:fast", "--head", "server:slow"];
    bench.duet(&words).exits(3).says("INCONCLUSIVE").says("blocks would decide");
    replays(&bench, 3);
}

/// Changes that each lose less than the margin, held to a commit from before all of them.
#[test]
fn an_anchor_stops_slow_drift() {
    let bench = Bench::new(&format!("{SIX}\nanchor = \"git:v1\""));
    bench.git(&["init", "--quiet", "--initial-branch=main"]);
    bench.commit("before");
    // A release of a branch of its own: the head has not forked from it.
    bench.git(&["checkout", "--quiet", "-b", "release"]);
    bench.commit_empty("release");
    bench.git(&["tag", "v1"]);
    bench.git(&["checkout", "--quiet", "main"]);
    bench.edit("servers.toml", |text| text.replacen("\"90\"", "\"900\"", 1));
    let said = bench.duet(&["gate", "--anchor"]);
    said.exits(1).says("REGRESSED").says("git:v1").says("confirmed by a second experiment");
    let run = record::read(&bench.path().join("results/gate-anchor")).expect("a record");
    let experiment = run.header.experiment.expect("it is one");
    assert_eq!(experiment.base.given, "git:v1");
    assert_eq!(experiment.base.commit.as_deref(), Some(bench.git(&["rev-parse", "v1"]).trim()));
    let margins = experiment.gate.expect("a policy").rules;
    assert_eq!(margins.iter().map(|rule| rule.margin).collect::<Vec<f64>>(), [0.1]);
    assert!(!bench.path().join("results/gate").exists());
    bench.duet(&["gate", "--anchor", "--base", "git:v1"]).exits(2).says("--base");
    let bench = Bench::new(SIX);
    bench.duet(&["gate", "--anchor"]).exits(2).says("the gate `g` has no anchor");
}

#[test]
fn only_what_can_be_linked_otherwise_is() {
    let bench = Bench::new(SIX);
    let said = bench.duet(&["aa", "--relink"]);
    said.exits(2).says("is built by neither cargo nor go").says("leave --relink out");
    bench.nothing_is_left();
}

#[test]
fn identical_executables_are_not_measured() {
    let bench = Bench::new(SIX);
    let said = bench.duet(&["gate", "--base", "server:fast", "--head", "server:fast"]);
    said.exits(0).says("PASS: base and head are the same");
    let run = record::read(&bench.path().join("results/gate")).expect("a record");
    assert!(run.blocks.is_empty());
    assert!(!bench.path().join("results/gate/forest.svg").exists());
}

#[test]
fn wrong_usage_exits_with_2() {
    let bench = Bench::new(SIX);
    let check = |words: &[&str], reason: &str| {
        bench.duet(&[&["gate"], words].concat()).exits(2).says(reason);
    };
    check(&[], "--base");
    check(&["h", "--base", "server:fast"], "there is no gate `h`: there are g");
    check(&["h", "--base", "server:fast", "--github"], "::error title=duet gate::there is no gate");
    check(&["--base", "svn:trunk"], "write server:NAME, set:NAME, git:REF");
    check(&["--base", "baseline:v1"], "a gate measures both versions side by side");
    check(&["--base", "server:none", "--head", "server:none"], "neither version has a server");
    check(&["--base", "server:fast", "--only", "xyz"], "contains `xyz`");
    check(&["--replay", "nowhere"], "is no run's folder");
    bench.duet(&["compare", "server:fast"]).exits(2).says("compare with what?");
    assert!(!bench.path().join("results").exists());
    // A folder that holds another run.
    fs::write(bench.path().join("run.jsonl"), "somebody's").expect("a file");
    for command in [&["aa"][..], &["compare", "server:fast", "server:slow"]] {
        bench.duet(&[command, &["--out", "."]].concat()).exits(2).says("holds a run already");
    }
    let kept = fs::read_to_string(bench.path().join("run.jsonl"));
    assert_eq!(kept.ok().as_deref(), Some("somebody's"));
}

#[test]
fn all_mistakes_in_a_policy_are_reported_at_once() {
    let bench = Bench::new(
        "looks = [6, 4]\nbudgets = [\"latency <= 5\"]\nmargins_percent = { speed = 3 }\n\
         [[gate.waivers]]\nserver = \"other\"\nmetric = \"requests_per_second\"\n\
         margin_percent = 8\nreason = \"A cache\"\nexpires = \"tomorrow\"",
    );
    let said = bench.duet(&["gate", "--base", "server:fast"]);
    said.exits(2).says("looks").says("latency <= 5").says("speed").says("other").says("tomorrow");
    said.says("suites.toml:");
}

/// What is wrong with definitions is said before anything is built, and no pipe is waited for.
#[test]
fn checks_come_before_builds() {
    let built = "build = [\"touch\", \"built\"]";
    let check = |change: &dyn Fn(&Bench), words: &[&str], code: i32, reason: &str| {
        let bench = Bench::new(SIX);
        bench.edit("servers.toml", |text| text.replace(BUILD, built));
        change(&bench);
        let base = ["gate", "--base", "server:slow", "--head", "server:fast"];
        bench.duet(&[&base[..], words].concat()).exits(code).says(reason);
        assert!(!bench.path().join("built").exists(), "{reason}");
    };
    let pipe = |bench: &Bench, name: &str| {
        let path = bench.path().join(name);
        drop(fs::remove_file(&path));
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    };
    let link = |bench: &Bench, to: &str| {
        std::os::unix::fs::symlink(to, bench.path().join("link")).expect("a link");
    };
    for alpha in ["0", "-0.05", "0.7", "1e308", "nan"] {
        let policy = |text: &str| text.replace(SIX, &format!("{SIX}\nalpha = {alpha}"));
        check(&|bench| bench.edit("suites.toml", policy), &[], 2, "alpha");
    }
    check(&|bench| pipe(bench, "bench/workloads.toml"), &[], 2, "it is no regular file");
    let cases = |text: &str| {
        text.split("path =").next().expect("a beginning").to_owned() + "cases = \"cases.jsonl\"\n"
    };
    let with_pipe = |bench: &Bench| {
        bench.edit("workloads.toml", cases);
        pipe(bench, "bench/cases.jsonl");
    };
    check(&with_pipe, &[], 2, "it is no regular file");
    check(&|bench| pipe(bench, "pipe"), &["--bench", "pipe"], 2, "pipe");
    check(&|bench| link(bench, "nowhere"), &["--bench", "link"], 2, "link");
    check(&|bench| link(bench, "bench/suites.toml"), &["--bench", "link"], 2, "link");
    // A link to definitions is as good as these.
    let bench = Bench::new(SIX);
    link(&bench, "bench");
    let words = ["gate", "--base", "server:slow", "--head", "server:fast", "--bench", "link"];
    bench.duet(&words).exits(0).says("PASS");
}

#[test]
fn what_cannot_be_measured_exits_with_4() {
    let bench = Bench::new(&format!("{SIX}\nserver_cpus = 256"));
    bench.duet(&["gate", "--base", "server:fast"]).exits(4).says("CPUs are needed");
    bench.duet(&["gate", "--base", "dir:nowhere"]).exits(4).says("nowhere");
    bench.duet(&["gate", "--base", "git:no-such-ref"]).exits(4).says("not a git repository");
    let words = ["compare", "baseline:none", "baseline:none"];
    bench.duet(&words).exits(4).says("there is no baseline `none`");
}

/// A head that fails: exit 5, the reason, nothing left.
#[track_caller]
fn check_failure(head: &str, reason: &str) {
    let bench = Bench::with(SIX, head);
    let words = ["gate", "--base", "server:fast", "--head", "server:odd", "--junit", "o.xml"];
    bench.duet(&words).exits(5).says("FAILED").says(reason);
    let xml = fs::read_to_string(bench.path().join("o.xml")).expect("it was written");
    assert!(xml.contains("<error"), "{xml}");
    bench.nothing_is_left();
    bench.duet(&["gate", "--replay", "results/gate"]).exits(5).says(reason);
}

#[test]
fn arms_that_answer_differently() {
    check_failure("--fault wrong-body", "the body differs from byte 19 on");
}

#[test]
fn a_head_that_crashes() {
    check_failure("--fault crash --after 200", "was killed by SIGABRT");
}

/// A block failed: the next run begins anew, and the record of the first is kept beside it.
#[test]
fn what_failed_is_measured_anew() {
    let bench = Bench::new(SIX);
    let words = ["gate", "--base", "server:slow", "--head", "server:fast"];
    bench.duet(&words).exits(0);
    let folder = bench.path().join("results/gate");
    let passed = record_text(&folder);
    let failure = r#""failure":{"stage":"start","server":"fast","error":"no luck"}"#;
    let failed =
        passed.replacen(r#""failure":null,"discarded""#, &format!("{failure},\"discarded\""), 1);
    assert_ne!(failed, passed);
    write_record(&folder, &failed);
    bench.duet(&["gate", "--replay", "results/gate"]).exits(5).says("no luck");

    bench.duet(&words).exits(0).says("an earlier run of the same pair failed").says("PASS");
    assert_eq!(fs::read_to_string(folder.join("run-failed.jsonl")).expect("a record"), failed);
    bench.duet(&words).exits(0).says("This pair has been decided");
    // Started otherwise, it is another pair.
    bench.edit("servers.toml", |text| text.replace("\"90\"", "\"91\""));
    let again = bench.duet(&words);
    again.exits(0);
    assert!(!again.out.contains("This pair has been decided"), "{}", again.out);
}

#[test]
fn versions_of_a_repository() {
    let bench = Bench::new(SIX);
    bench.git(&["init", "--quiet", "--initial-branch=main"]);
    bench.commit("good");
    let broken = "build = [\"sh\", \"-c\", \"echo no compiler >&2; exit 9\"]";
    bench.edit("servers.toml", |text| text.replacen(BUILD, broken, 1));
    bench.commit("broken");
    bench.git(&["tag", "broken"]);
    bench.edit("servers.toml", |text| text.replace(broken, BUILD).replace("\"900\"", "\"901\""));

    let gate = |base: &str| bench.duet(&["gate", "--base", base]);
    gate("git:no-such-ref").exits(4).says("there is no commit `no-such-ref`");
    gate("git:broken").exits(6).says("BASE FAILED").says("exited with 9").says("no compiler");
    bench.nothing_is_left();

    // The working folder against a commit, with a server of this name each.
    let words = ["compare", "git:main~1", "dir:.", "--server", "slow", "--blocks", "1"];
    bench.duet(&words).exits(0).says("Head against base").says("with uncommitted changes");
    let run = record::read(&bench.path().join("results/compare")).expect("a record");
    assert_eq!(run.blocks.len(), 1);
    let commit = bench.git(&["rev-parse", "main~1"]);
    let base = run.header.experiment.expect("it is one").base;
    assert_eq!(base.commit.as_deref(), Some(commit.trim()));

    // A guard that is gone is a failure.
    bench.commit("whole");
    bench.edit("suites.toml", |text| text.replace("\"fast\"]", "\"fast\", \"slow\"]"));
    let lone = bench.path().join("lone/bench");
    fs::create_dir_all(&lone).expect("a folder");
    for name in ["workloads.toml", "suites.toml", "servers.toml"] {
        let text = fs::read_to_string(bench.path().join("bench").join(name)).expect("a file");
        let text = text.replace("\"slow\"", "\"slower\"");
        fs::write(lone.join(name), text).expect("a file");
    }
    bench
        .duet(&["gate", "--base", "dir:.:slow", "--head", "dir:lone", "--out", "gone"])
        .exits(1)
        .says("slow/hello/c2 is gone from the head");
}

#[test]
fn ctrl_c_keeps_finished_blocks_and_the_next_run_goes_on() {
    let bench = Bench::new("looks = [12]");
    let words = ["gate", "--base", "server:slow", "--head", "server:fast"];
    let child = bench.command(&words).spawn().expect("the binary starts");
    let folder = bench.path().join("results/gate");
    wait(|| counts(&folder));
    signal(&child, Signal::SIGINT);
    outcome(&child.wait_with_output().expect("it ends")).exits(130).says("nterrupted");
    bench.nothing_is_left();
    let before = record::read(&folder).expect("a record");
    assert!((1..12).contains(&before.blocks.len()), "{} blocks", before.blocks.len());
    bench.duet(&["gate", "--replay", "results/gate"]).exits(130).says("nterrupted");

    bench.duet(&words).exits(0).says("continues an earlier run").says("PASS");
    let after = record::read(&folder).expect("a record");
    assert_eq!(after.blocks[..before.blocks.len()], before.blocks);
    assert_eq!(after.header.seed, before.header.seed);
    assert!(matches!(next(&after, None), Decision::Decided(_)));
    bench.duet(&words).exits(0).says("This pair has been decided");
    assert_eq!(record::read(&folder).expect("a record"), after);
}

#[test]
fn a_full_disk_keeps_finished_blocks() {
    let bench = Bench::new("looks = [60]");
    fs::copy(SERVER, bench.path().join("server")).expect("a copy");
    bench.edit("servers.toml", |text| text.replace(BUILD, "build = []"));
    // A limit on file size stands for a full disk: writes fail after so many blocks of 512 bytes.
    let script = format!("ulimit -f 96; exec {DUET} gate --base server:slow --head server:fast");
    let outcome = outcome(&bench.program("sh", &["-c", &script]).output().expect("it ends"));
    outcome.exits(4).says("is the disk full?");
    let run = record::read(&bench.path().join("results/gate")).expect("a record");
    assert!(!run.blocks.is_empty());
    bench.nothing_is_left();
}

#[test]
fn two_servers_are_compared() {
    let bench = Bench::new(SIX);
    let words = ["compare", "server:fast", "server:slow", "--blocks", "6", "--json", "o.json"];
    bench.duet(&words).exits(0).says("Head against base: hello: requests per second");
    let json = fs::read_to_string(bench.path().join("o.json")).expect("it was written");
    let json: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    assert_eq!(json["outcome"], "COMPARED");
    assert!(bench.path().join("results/compare/forest.svg").is_file());
    let again = bench.duet(&["compare", "results/compare"]);
    again.exits(0).says("Head against base: hello");
    bench.nothing_is_left();
}

#[test]
fn runs_are_kept_as_baselines() {
    let bench = Bench::new(SIX);
    let baseline = |words: &[&str]| bench.duet(&[&["baseline"], words].concat());
    baseline(&["list"]).exits(0).says("No baselines");
    baseline(&["save", "v1"]).exits(2).says("is no run's folder");
    bench.duet(&["run", "s"]).exits(0);
    baseline(&["save", "v1"]).exits(0).says("Kept as v1, 1 run.");
    baseline(&["save", "v1"]).exits(0).says("Kept as v1, 2 runs.");
    baseline(&["save", "../v1"]).exits(2).says("cannot be a name");
    baseline(&["list"]).exits(0).says("v1  2 runs");
    baseline(&["show", "v1"]).exits(0).says("suite s, 1 block");
    let words = ["compare", "baseline:v1", "results/latest", "--json", "o.json"];
    bench.duet(&words).exits(0).says("not measured side by side").says("For information");
    let json = fs::read_to_string(bench.path().join("o.json")).expect("it was written");
    let json: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    assert_eq!(json["runs"], 2);
    bench.duet(&["compare", "baseline:v1", "dir:."]).exits(2).says("is a stored result");
    baseline(&["rm", "v1"]).exits(0).says("Forgot v1.");
    baseline(&["rm", "v1"]).exits(4).says("there is no baseline `v1`");
    bench.duet(&words).exits(4).says("there is no baseline `v1`");

    // Runs that asked otherwise do not compare.
    let (old, latest) = (bench.path().join("old"), bench.path().join("results/latest"));
    fs::rename(latest.canonicalize().expect("a run"), &old).expect("another place");
    bench.edit("suites.toml", |text| text.replace("measure_ms = 80", "measure_ms = 85"));
    bench.duet(&["run", "s", "--out", "new"]).exits(0);
    bench.duet(&["compare", "old", "new"]).exits(4).says("not comparable");
}
