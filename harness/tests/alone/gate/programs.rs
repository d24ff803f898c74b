//! Programs that are gated and compared with the real binary: small shell scripts.

use std::fs;

use duet_model::record;
use nix::sys::signal::Signal;

use crate::alone::gate::bench::Bench;
use crate::alone::gate::{counts, replays};
use crate::binary::{outcome, signal, wait};

/// Prints its argument after so many rounds of a loop: a thousand take about a millisecond.
fn script(rounds: u32) -> String {
    format!("i=0\nwhile [ $i -lt {rounds} ]; do i=$((i + 1)); done\necho \"n is $1\"\n")
}

/// Rounds of the two programs.
const QUICK: u32 = 3000;
const LONG: u32 = 60_000;

/// A gate on CPU time alone: what else this machine does in the meantime cannot turn it.
const PROGRAMS: &str = "looks = [8]\nmargins_percent = { cpu_ns = 5 }\n\
                        [[gate.programs]]\nsets = [\"quick\"]\nproblems = [\"count\"]\n\
                        sizes = [\"large\"]\n";

/// Definitions with two sets of programs: `quick`, and `long`, which works twenty times as much.
fn bench(gate: &str) -> Bench {
    let set = |name: &str| {
        format!(
            "[[set]]\nname = \"{name}\"\nlanguage = \"sh\"\nlanes = [\"std\"]\n\
             summary = \"For tests\"\nversion = [\"echo\", \"sh 1\"]\n\
             run = [\"sh\", \"{name}/{{problem}}.sh\", \"{{n}}\"]\n\
             source = \"{name}/{{problem}}.sh\"\nproblems = [\"count\"]\n"
        )
    };
    let problem = "[[problem]]\nname = \"count\"\nquestion = \"How long?\"\n\
                   sizes = { test = 1, large = 2 }\noutputs = { 1 = \"count-1.txt\" }\n";
    let bench = Bench::new(gate);
    let path = bench.path();
    fs::write(path.join("bench/programs.toml"), problem.to_owned() + &set("quick") + &set("long"))
        .and_then(|()| fs::write(path.join("bench/count-1.txt"), "n is 1\n"))
        .expect("definitions");
    for (set, rounds) in [("quick", QUICK), ("long", LONG)] {
        fs::create_dir(path.join(set)).expect("a folder");
        fs::write(path.join(set).join("count.sh"), script(rounds)).expect("a program");
    }
    // The servers of the other tests are not guarded here.
    bench.edit("suites.toml", |text| {
        text.replace("servers = [\"fast\"]\nworkloads = [\"hello\"]\nloads = [\"c2\"]\n", "")
    });
    bench
}

#[test]
fn a_better_program_passes() {
    let bench = bench(PROGRAMS);
    let words = ["gate", "--base", "set:long", "--head", "set:quick", "--junit", "o.xml"];
    let said = bench.duet(&[&words[..], &["--github", "--seed", "7"]].concat());
    said.exits(0).says("PASS: none of 1 gated metric").says("PASS, better");
    said.says("long-quick/count/large").says("large, N = 2, 8 blocks").says("::notice ");
    bench.nothing_is_left();
    let run = record::read(&bench.path().join("results/gate")).expect("a record");
    assert_eq!((run.blocks.len(), run.programs.len(), run.builds.len()), (0, 2, 2));
    let counted: Vec<_> = run.program_blocks.iter().filter(|b| b.discarded.is_none()).collect();
    assert_eq!(counted.len(), 8);
    assert_eq!(counted.iter().filter(|block| block.order == [0, 1]).count(), 4, "both orders");
    let xml = fs::read_to_string(bench.path().join("o.xml")).expect("it was written");
    assert!(xml.contains("name=\"cpu_ns\""), "{xml}");
    replays(&bench, 0);
    let explained = bench.duet(&["explain", "results/gate", "cpu"]);
    explained.exits(0).says("run once, one after the other");
}

#[test]
fn a_worse_program_is_confirmed_and_fails() {
    let bench = bench(PROGRAMS);
    bench.git(&["init", "--quiet", "--initial-branch=main"]);
    bench.git(&["add", "quick", "long"]);
    bench.commit("quick");
    fs::write(bench.path().join("quick/count.sh"), script(LONG)).expect("a program");
    // A commit against the working folder, interrupted while the second experiment is under way.
    let words = ["gate", "--base", "git:main"];
    let child = bench.command(&words).spawn().expect("the binary starts");
    let folder = bench.path().join("results/gate");
    wait(|| counts(&folder.join("confirmation")));
    signal(&child, Signal::SIGINT);
    let said = outcome(&child.wait_with_output().expect("it ends"));
    said.exits(130).says("1 regression found; a second experiment must confirm it");
    bench.nothing_is_left();
    // Nothing is known of what a script does: the same command begins anew.
    let said = bench.duet(&words);
    said.exits(1).says("REGRESSED: quick/count/large CPU").says("confirmed by a second");
    let run = record::read(&folder).expect("a record");
    let commit = bench.git(&["rev-parse", "main"]);
    let base = run.header.experiment.expect("it is one").base;
    assert_eq!(base.commit.as_deref(), Some(commit.trim()));
    let sets: Vec<&str> = run.programs.iter().map(|program| program.set.as_str()).collect();
    let [old, new] = [&commit[..7], &format!("{}-dirty", &commit[..7])];
    assert_eq!(sets, [format!("quick@{old}"), format!("quick@{new}")]);
    replays(&bench, 1);
    bench.nothing_is_left();
}

/// A head that prints something else, at the size that is timed: exit 5, the reason, nothing left.
#[test]
fn a_wrong_program_fails() {
    let bench = bench(PROGRAMS);
    fs::write(bench.path().join("quick/count.sh"), "[ $1 = 1 ] && echo n is 1 || echo oh\n")
        .expect("a program");
    let words = ["gate", "--base", "set:long", "--head", "set:quick"];
    bench
        .duet(&words)
        .exits(5)
        .says("FAILED")
        .says("disagrees with the other program: its output differs");
    fs::write(bench.path().join("quick/count.sh"), "echo never\n").expect("a program");
    let words = [&words[..], &["--out", "second"]].concat();
    bench.duet(&words).exits(5).says("FAILED").says("at N = 1");
    bench.nothing_is_left();
    bench.duet(&["gate", "--replay", "second"]).exits(5).says("at N = 1");
}

/// An interpreter that lies below the project's folder counts as an executable of its own.
#[test]
fn identical_programs_are_not_measured() {
    let bench = bench(PROGRAMS);
    let build =
        "build = [\"sh\", \"-c\", \"mkdir -p bin && cp -fL /bin/sh bin/sh\"]\nrun = [\"bin/sh\"";
    bench.edit("programs.toml", |text| text.replace("run = [\"sh\"", build));
    let words = ["gate", "--base", "dir:.", "--even-identical", "--out", "measured"];
    bench.duet(&words[..3]).exits(0).says("PASS: base and head are the same");
    let run = |folder: &str| record::read(&bench.path().join(folder)).expect("a record");
    assert!(run("results/gate").program_blocks.is_empty());
    bench.duet(&words).says("quick/count/large");
    assert!(!run("measured").program_blocks.is_empty());
}

#[test]
fn programs_that_only_one_version_has() {
    let bench = bench(PROGRAMS);
    let other = bench.path().join("other/bench");
    fs::create_dir_all(&other).expect("a folder");
    let definitions = fs::read_dir(bench.path().join("bench")).expect("a folder");
    for entry in definitions.map(|entry| entry.expect("a file")) {
        let text = fs::read_to_string(entry.path()).expect("a text");
        // Its own gates say nothing here; without them it may lack the set.
        let text = text.split("[[gate]]").next().expect("split is not empty");
        let text =
            text.replace("\"quick\"", "\"swift\"").replace("name = \"long\"", "name = \"quick\"");
        let text = text.replace("problems = [\"count\"]", "problems = [\"other\"]");
        let text = text.replace("name = \"count\"", "name = \"other\"");
        fs::write(other.join(entry.file_name()), text).expect("a file");
    }
    let gate = |base: &str, head: &str, out: &str| {
        bench.duet(&["gate", "--base", base, "--head", head, "--out", out])
    };
    gate("dir:.", "dir:other", "gone").exits(1).says("quick/count/large is gone from the head");
    let said = gate("dir:other", "dir:.", "new");
    said.says("quick/count/large · new: the base does not have it");
}

#[test]
fn two_sets_are_compared() {
    let bench = bench(PROGRAMS);
    bench.edit("suites.toml", |text| {
        format!(
            "{text}[[matchup]]\nname = \"sets\"\nlane = \"std\"\narms = [\"quick\", \"long\"]\n\
             [[suite]]\nname = \"p\"\nsummary = \"For tests\"\nblocks = 6\n\
             [[suite.programs]]\nmatchups = [\"sets\"]\nproblems = [\"count\"]\n\
             sizes = [\"large\"]\n"
        )
    });
    let said = bench.duet(&["compare", "set:quick", "set:long"]);
    said.exits(0).says("Head against base: count: elapsed").says("worse");
    let again = bench.duet(&["compare", "results/compare"]);
    again.exits(0).says("Head against base: count: elapsed");
    bench.nothing_is_left();

    let check = |words: &[&str], reason: &str| {
        bench.duet(words).exits(2).says(reason);
    };
    check(&["compare", "set:quick", "server:fast"], "`quick` and `fast` are a server and a set");
    check(&["compare", "server:quick", "set:long"], "server:quick has no server `quick`");
    check(&["compare", "set:quick", "set:fast"], "set:fast has no set of programs `fast`");
    check(&["compare", "dir:.", "dir:.", "--set", "none"], "has no server or set of programs `no");
    check(&["compare", "dir:.", "dir:."], "which server? Name it behind the version");
    check(&["gate", "--base", "server:fast", "--head", "server:fast"], "measures nothing of fast");
    check(&["gate", "--base", "set:none"], "neither version has a server or set of programs");

    // Null experiments with programs, and what is kept of them.
    let said = bench.duet(&["aa", "--experiments", "2", "--version", "set:quick"]);
    said.exits(0).says("2 null experiments of 8 blocks").says("quick/count/large").says("floor");
}

/// Both versions would run what is installed on the machine.
#[test]
fn a_program_that_is_installed() {
    let bench = bench(PROGRAMS);
    let installed = tempfile::tempdir().expect("a temporary folder");
    fs::write(installed.path().join("count.sh"), script(QUICK)).expect("a program");
    let run = |folder: &str| format!("run = [\"sh\", \"{folder}/{{problem}}.sh\"");
    bench.edit("programs.toml", |text| {
        text.replace(&run("quick"), &run(&installed.path().display().to_string()))
    });
    bench.git(&["init", "--quiet", "--initial-branch=main"]);
    bench.git(&["add", "quick", "long"]);
    bench.commit("runs what is installed");
    let said = bench.duet(&["gate", "--base", "git:main", "--even-identical"]);
    said.exits(5).says("prints the same without any file of this version");
    bench.nothing_is_left();
}
