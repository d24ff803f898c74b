//! What the tables of programs may say.

use super::*;

const PROGRAMS: &str = r#"[[problem]]
name = "make"
question = "Makes text"
sizes = { test = 1, large = 1_000 }
outputs = { 1 = "data/many.jsonl" }
[[problem]]
name = "read"
question = "Reads text"
sizes = { test = 1 }
input = "make"
within = 1e-8
outputs = { 1 = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" }
[[set]]
name = "first"
language = "Rust"
lanes = ["std"]
summary = "One set"
version = ["echo", "1"]
run = ["bin/{problem}", "{n}"]
source = "src/{problem}.rs"
problems = ["make", "read"]
[[set]]
name = "second"
language = "Go"
lanes = ["std"]
summary = "Another set"
version = ["echo", "1"]
run = ["bin/{problem}", "{n}"]
source = "src/{problem}.go"
problems = ["make"]
rest = "first"
[[set]]
name = "third"
language = "Go"
lanes = ["tuned"]
summary = "A set that builds another lane's source"
version = ["echo", "1"]
run = ["bin/{lane}-{problem}", "{n}"]
source = "{lane}/{problem}.go"
problems = ["make"]
borrows = { read = "std" }
build_env = { FLAGS = "-3" }
needs_cpu = { x86_64 = "avx2 fma" }
"#;

const SUITE: &str = r#"[[matchup]]
name = "sets"
lane = "std"
arms = ["first", "second"]
[[suite]]
name = "programs"
summary = "A suite of programs"
[[suite.programs]]
matchups = ["sets"]
problems = ["make", "read"]
sizes = ["test"]
"#;

const PUBLISHED: &str = r#"[[published]]
date = "2020-01-01"
about = "Versions"
languages = ["Rust", "Go"]
[[published.row]]
problem = "make"
secs = [1.5, 3]
"#;

pub(super) fn with_programs() -> Folder {
    let mut folder = folder();
    let suites = format!("{SUITES}{SUITE}");
    for (file, text) in
        [("programs.toml", PROGRAMS), ("suites.toml", &suites), ("published.toml", PUBLISHED)]
    {
        folder.insert(file.to_owned(), text.as_bytes().to_vec());
    }
    folder
}

/// As [`super::check`], of a folder with programs.
fn check(file: &str, from: &str, to: &str, want: &[&str]) {
    let mut folder = with_programs();
    let text = String::from_utf8(folder[file].clone()).expect("the files above are UTF-8");
    assert!(text.contains(from), "{file} has no {from:?}");
    folder.insert(file.to_owned(), text.replacen(from, to, 1).into_bytes());
    compare(&folder, want, &format!("{from:?} -> {to:?}"));
}

/// Who measures programs alone needs neither servers nor workloads nor loads.
#[test]
fn programs_alone() {
    let mut folder = with_programs();
    folder.remove("servers.toml");
    folder.remove("workloads.toml");
    folder.insert("suites.toml".to_owned(), SUITE.into());
    let spec = read(&folder).expect("nothing is asked of servers");
    assert_eq!((spec.servers.len(), spec.sets.len(), spec.suites[0].cells.len()), (0, 3, 2));

    folder.insert("suites.toml".to_owned(), format!("{SUITES}{SUITE}").into());
    let missing = |line: usize, what: &str, name: &str, hint: &str| {
        format!("suites.toml:{line}: {what}: there is no {name}` | {hint}")
    };
    let nowhere = |file: &str| format!("define it in {file}, which is not there");
    let want = [
        missing(7, "matchup duel", "server or set `alpha", "the servers and sets are first, sec"),
        missing(7, "matchup duel", "server or set `beta", "the servers and sets are first, sec"),
        missing(14, "suite quick, cells", "workload `ping", &nowhere("workloads.toml")),
        missing(14, "suite quick, cells", "workload `many", &nowhere("workloads.toml")),
    ];
    compare(&folder, &want.each_ref().map(String::as_str), "servers are asked");

    folder.remove("programs.toml");
    folder.remove("published.toml");
    let want = [
        "servers.toml: there is no such file | create it; or, to measure programs alone",
        "workloads.toml: there is no such file | create it",
    ];
    folder.insert("suites.toml".to_owned(), SUITES.into());
    compare(&folder, &want, "neither");
}

#[test]
fn a_good_folder_with_programs() {
    let spec = read(&with_programs()).expect("no mistakes");
    assert_eq!(spec.problems[0].sizes["large"], 1000);
    assert_eq!(spec.published[0].rows[0].secs, [1.5, 3.0]);
    let cells: Vec<String> = spec.suites[1].cells.iter().map(CellId::to_string).collect();
    assert_eq!(cells, ["sets/make/test", "sets/read/test"]);
    let origin = |set: &str, problem: &str| spec.origin(set, problem).map(|s| s.name.as_str());
    assert_eq!(origin("second", "make"), Some("second"));
    assert_eq!(origin("second", "read"), Some("first"));
    assert_eq!(origin("second", "write"), None);
    assert_eq!(spec.sets[0].command("read", 7), ["bin/read", "7"]);
    let third = &spec.sets[2];
    assert_eq!(origin("third", "read"), Some("third"));
    assert_eq!(third.command("make", 7), ["bin/tuned-make", "7"]);
    assert_eq!(third.command("read", 7), ["bin/std-read", "7"]);
    assert_eq!(third.source_of("read"), "std/read.go");
    assert_eq!((&*third.build_env["FLAGS"], &*third.needs_cpu["x86_64"]), ("-3", "avx2 fma"));
    let json = serde_json::to_string(&spec).expect("plain data");
    assert_eq!(serde_json::from_str::<Spec>(&json).expect("the same"), spec);
}

#[test]
fn mistakes_in_problems() {
    let f = "programs.toml";
    check(
        f,
        "test = 1, large",
        "tst = 1, large",
        &[
            "programs.toml:4: problem make: `sizes` has no `test` | add one, such as `test = 1000`",
            "suites.toml:26: suite programs: problem `make` has no size `test` | did you",
        ],
    );
    check(
        f,
        "large = 1_000",
        "large = 0",
        &["programs.toml:4: problem make: `sizes.large` is 0 | write a number from 1"],
    );
    check(
        f,
        "input = \"make\"",
        "input = \"mke\"",
        &["programs.toml:10: problem read: there is no problem `mke` | did you mean `make`?"],
    );
    check(
        f,
        "within = 1e-8",
        "within = -1",
        &["programs.toml:11: problem read: `within` is a whole number | write a number above 0"],
    );
    check(
        f,
        "data/many.jsonl",
        "data/few.jsonl",
        &["programs.toml:5: problem make: `outputs.1` is `data/few.jsonl`, which cannot be read"],
    );
    check(
        f,
        "1 = \"data",
        "2 = \"data",
        &["programs.toml:4: problem make: `outputs` has none for the size `test`, 1"],
    );
    // Memory per unit takes a run at N = 1, which is checked like any other.
    check(
        f,
        "test = 1, large = 1_000 }\noutputs = { 1",
        "test = 2, large = 1_000 }\nunit = \"task\"\noutputs = { 2",
        &["programs.toml:5: problem make: `unit` takes a run at N = 1, for which `outputs` has \
             none | add the right output at 1 to `outputs`"],
    );
    check(f, "sha256:ba", "sha256:", &["programs.toml:12: problem read: `outputs.1` is no hash"]);
}

#[test]
fn mistakes_in_sets() {
    let f = "programs.toml";
    check(
        f,
        "bin/{problem}",
        "bin/{problm}",
        &[
            "programs.toml:19: set first: `run` has the unknown placeholder `{problm}` | did",
            "programs.toml:19: set first: `run` has no {problem}",
        ],
    );
    check(
        f,
        "src/{problem}.rs",
        "src/make.rs",
        &["programs.toml:20: set first: `source` has no {problem} | put it where"],
    );
    check(
        f,
        "rest = \"first\"",
        "rest = \"second\"",
        &[
            "programs.toml:22: set second: `rest` leads back to it | take one of them out",
            "suites.toml:25: suite programs: set `second` has no program for problem `read`",
        ],
    );
    check(
        f,
        "read = \"std\"",
        "make = \"stf\"",
        &[
            "programs.toml:41: set third: `make` is in `problems` too | take it out of one",
            "programs.toml:41: set third: unknown lane `stf` | did you mean `std`?",
        ],
    );
    check(
        f,
        "name = \"first\"",
        "name = \"alpha\"",
        &[
            "programs.toml:13: set alpha: a server has this name too | rename one of them",
            "programs.toml:31: set second: there is no set `first` | the sets in programs.toml",
            "suites.toml:19: matchup sets: there is no server or set `first` | the servers and",
            "suites.toml:25: suite programs: set `second` has no program for problem `read`",
        ],
    );
}

#[test]
fn mistakes_between_files() {
    let f = "suites.toml";
    check(
        f,
        "[\"first\", \"second\"]",
        "[\"first\", \"alpha\"]",
        &[
            "suites.toml:16: matchup sets: `alpha` is a server and `first` a set of programs",
            "suites.toml:24: suite programs: matchup `sets` is of servers, not of sets of programs",
        ],
    );
    check(
        f,
        "matchups = [\"duel\"]",
        "matchups = [\"sets\"]",
        &["suites.toml:13: suite quick: matchup `sets` is of sets of programs, not of servers"],
    );
    check(
        f,
        "sizes = [\"test\"]",
        "sizes = [\"large\"]",
        &["suites.toml:26: suite programs: problem `read` has no size `large` | its"],
    );
    check(
        "published.toml",
        "secs = [1.5, 3]",
        "secs = [1.5]",
        &["published.toml:7: published, row: `secs` has 1 numbers for 2 languages | write one per"],
    );
    check(
        "published.toml",
        "secs = [1.5, 3]",
        "secs = [1.5, 3]\ncpu_load = [\"87 86\"]",
        &["published.toml:8: published, row: `cpu_load` has 1 texts for 2 languages | write one"],
    );
}
