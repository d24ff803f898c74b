//! Every mistake the loader knows, one line a case.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::errors::{DefinitionError, DefinitionErrors};
use super::load::{load, load_from};
use duet_model::spec::{CellId, Spec, Transport};

mod broken; // many mistakes at once, and random ones
mod claims; // what the tables of claims may say
mod gated_programs; // what the tables of gates may say of programs
mod gates; // what the tables of gates may say
mod loads; // what the tables of loads may say
mod programs; // what the tables of programs may say
mod services; // what the tables of services may say
mod values; // what the values of keys may be

const SERVERS: &str = r#"[[server]]
name = "alpha"
language = "Rust"
lanes = ["std"]
summary = "One server"
build_cache = { CACHE = "target/alpha" }
run = ["alpha", "{addr}", "{threads}"]
version = ["alpha", "--version"]
workloads = ["ping", "many"]
[[server]]
name = "beta"
language = "Go"
lanes = ["std", "tuned"]
summary = "Another server"
run = ["beta", "{addr}"]
version = ["beta", "--version"]
workloads = ["ping", "many"]
"#;

const WORKLOADS: &str = r#"[[workload]]
name = "ping"
question = "How fast?"
path = "/ping"
[workload.expect]
status = 200
body = "pong"
[workload.responses.beta]
status = 200
body = "PONG"
[[workload]]
name = "many"
question = "How fast is another?"
cases = "data/many.jsonl"
"#;

const SUITES: &str = r#"[[load]]
name = "four"
connections = 4
[[matchup]]
name = "duel"
lane = "std"
arms = ["alpha", "beta"]
[[suite]]
name = "quick"
summary = "A suite"
blocks = 6
[[suite.cells]]
matchups = ["duel"]
workloads = ["ping", "many"]
loads = ["four"]
"#;

const CASES: &str = r#"{"method":"GET","path":"/a","expect":{"status":200,"body":"a"}}
{"method":"POST","path":"/b","body":"x","chunked":true,"expect":{"status":200,"body":"b"}}
"#;

type Folder = BTreeMap<String, Vec<u8>>;

fn folder() -> Folder {
    [
        ("servers.toml", SERVERS),
        ("workloads.toml", WORKLOADS),
        ("suites.toml", SUITES),
        ("data/many.jsonl", CASES),
    ]
    .map(|(file, text)| (file.to_owned(), text.as_bytes().to_vec()))
    .into()
}

fn read(folder: &Folder) -> Result<Spec, Vec<DefinitionError>> {
    load_from(&|file| folder.get(file).cloned().ok_or(io::ErrorKind::NotFound.into()))
}

/// Loads the folder with `from` replaced by `to` in `file`, and compares the mistakes, one a line:
/// `file:line: problem | hint`. A wanted line may stop early.
fn check(file: &str, from: &str, to: &str, want: &[&str]) {
    let mut folder = folder();
    let text = String::from_utf8(folder[file].clone()).expect("the files above are UTF-8");
    assert!(text.contains(from), "{file} has no {from:?}");
    folder.insert(file.to_owned(), text.replacen(from, to, 1).into_bytes());
    compare(&folder, want, &format!("{from:?} -> {to:?}"));
}

fn compare(folder: &Folder, want: &[&str], what: &str) {
    let got: Vec<String> = match read(folder) {
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes.iter().map(line).collect(),
    };
    let alike = got.len() == want.len() && got.iter().zip(want).all(|(g, w)| g.starts_with(w));
    assert!(alike, "{what}\ngot  {got:#?}\nwant {want:#?}");
}

fn line(mistake: &DefinitionError) -> String {
    let DefinitionError { file, line, problem, hint } = mistake;
    let line = line.map_or_else(String::new, |line| format!("{line}:"));
    format!("{file}:{line} {problem} | {hint}")
}

#[test]
fn a_good_folder() {
    let spec = read(&folder()).expect("no mistakes");
    assert_eq!(spec.servers.len(), 2);
    assert_eq!(spec.workloads[1].cases.len(), 2);
    assert_eq!(spec.workloads[1].source.as_deref(), Some("data/many.jsonl"));
    let suite = &spec.suites[0];
    let numbers = [suite.server_cpus, suite.generator_cpus, suite.blocks, suite.window_ms];
    assert_eq!(numbers, [1, 1, 6, 20]);
    assert_eq!((suite.measure_ms, suite.warmup_ms, suite.verdicts), (1000, 500, true));
    let json = serde_json::to_string(&spec).expect("plain data");
    assert_eq!(serde_json::from_str::<Spec>(&json).expect("the same"), spec);
}

#[test]
fn cells_are_a_product_in_order_without_duplicates() {
    let mut folder = folder();
    let more = "[[suite.cells]]\nmatchups = [\"duel\"]\nworkloads = [\"many\", \"ping\"]\n\
                loads = [\"four\", \"five\"]\n[[load]]\nname = \"five\"\nconnections = 5\n";
    folder.insert("suites.toml".to_owned(), format!("{SUITES}{more}").into_bytes());
    let spec = read(&folder).expect("no mistakes");
    let cells: Vec<String> = spec.suites[0].cells.iter().map(CellId::to_string).collect();
    let want = ["duel/ping/four", "duel/many/four", "duel/many/five", "duel/ping/five"];
    assert_eq!(cells, want);
}

#[test]
fn keys_and_types() {
    let f = "servers.toml";
    check(
        f,
        "lanes",
        "lane",
        &[
            "servers.toml:1: server alpha: `lanes` is missing | add it, such as `lanes = \
             [\"std\"]`",
            "servers.toml:4: server alpha: unknown key `lane` | did you mean `lanes`? the keys are \
         name, language, lanes, summary, run, workloads, external, version, needs, toolchain, \
         build, build_cache, shared_cache, std_build, dependencies, edit, tls_args, h2c_args, \
         services, options, env, prints, carry, pool, start_limit_s",
        ],
    );
    check(f, "name = \"alpha\"", "", &["servers.toml:1: server: `name` is missing", "suites"]);
    check(f, "\"Rust\"", "7", &["servers.toml:3: server alpha: `language` is a whole number | wr"]);
    check(f, "\"Rust\"", "' '", &["servers.toml:3: server alpha: `language` is empty"]);
    check(f, "One", "One\\n", &["servers.toml:5: server alpha: `summary` holds control"]);
    check(
        f,
        "[\"std\"]",
        "\"std\"",
        &["servers.toml:4: server alpha: `lanes` is a string | write"],
    );
    check(f, "[\"std\"]", "[\"std\", 1]", &["servers.toml:4: server alpha: `lanes` holds a whole"]);
    check(
        f,
        "[\"std\"]",
        "[]",
        &["servers.toml:4: server alpha: `lanes` is empty | name at least"],
    );
    check(f, "= {", "= true #", &["servers.toml:6: server alpha: `build_cache` is true or false"]);
    check(
        f,
        "\"target/alpha\"",
        "1.5",
        &["servers.toml:6: server alpha: `build_cache.CACHE` is a number with a fraction"],
    );
    check(f, "version", "prints = 1\nversion", &["servers.toml:8: server alpha: `prints` is a wh"]);
    check(
        f,
        "version",
        "start_limit_s = 601\nversion",
        &["servers.toml:8: server alpha: `start_limit_s` is 601 | write a number from 1 to 600"],
    );
    check(
        f,
        "[[server]]",
        "x = 1\n[[server]]",
        &["servers.toml:1: unknown key `x` | the keys are "],
    );
    let f = "suites.toml";
    check(
        f,
        "[[load]]",
        "[load]",
        &["suites.toml:1: `load` is a table | write a table for each: [["],
    );
    check(
        f,
        "[[suite.cells]]",
        "[suite.cells]",
        &["suites.toml:12: suite quick: `cells` is a table"],
    );
    check(
        f,
        "[[suite.cells]]",
        "cells = []\n[[suite]]",
        &[
            "suites.toml:12: suite quick: `cells` is empty",
            "suites.toml:13: suite: `name` is missing",
            "suites.toml:13: suite: `summary` is missing",
            "suites.toml:13: suite: `cells` is missing",
            "suites.toml:14: suite: unknown key `matchups`",
            "suites.toml:15: suite: unknown key `workloads`",
            "suites.toml:16: suite: unknown key `loads`",
        ],
    );
    check(
        f,
        "\nloads",
        "\nlodas",
        &[
            "suites.toml:12: suite quick, cells: `loads` is missing",
            "suites.toml:15: suite quick, cells: unknown key `lodas` | did you mean `loads`? ",
        ],
    );
}

#[test]
fn names() {
    let taken = "servers.toml:10: the name of server alpha is taken by the server in line 1 | re";
    let no_beta = "there is no server `beta` | the servers in servers.toml are alpha";
    check(
        "servers.toml",
        "\"beta\"",
        "\"alpha\"",
        &[
            taken,
            &format!("suites.toml:7: matchup duel: {no_beta}"),
            &format!("workloads.toml:8: workload ping: {no_beta}"),
        ],
    );
    let f = "suites.toml";
    for bad in ["", "Quick", "quick suite", "größe", &"x".repeat(41)] {
        let want =
            format!("suites.toml:9: suite {bad}: the name {bad:?} cannot be used | use 1 to");
        check(f, "quick", bad, &[&want]);
    }
    check(f, "quick", &"x".repeat(40), &[]);
    check(
        f,
        "\"ping\", \"many\"]",
        "\"pong\"]",
        &["suites.toml:14: suite quick, cells: there is no workload `pong` | did you mean \
             `ping`? \
         the workloads in workloads.toml are ping, many"],
    );
    check(
        f,
        "[\"duel\"]",
        "[\"x\"]",
        &["suites.toml:13: suite quick, cells: there is no matchup `x`"],
    );
    check(
        f,
        "[\"four\"]",
        "[\"for\"]",
        &["suites.toml:15: suite quick, cells: there is no load `for` | did you mean `four`?"],
    );
    check(
        f,
        "\"beta\"]",
        "\"bta\"]",
        &["suites.toml:7: matchup duel: there is no server `bta` | did"],
    );
    check(
        "workloads.toml",
        "responses.beta",
        "responses.gamma",
        &["workloads.toml:8: workload ping: there is no server `gamma`"],
    );
    // A typo is not also reported as a workload that the server lacks.
    check(
        "servers.toml",
        "\"ping\", \"many\"]",
        "\"ping\", \"mnay\"]",
        &["servers.toml:9: server alpha: there is no workload `mnay` | did you mean `many`?"],
    );
}

#[test]
fn whole_files() {
    // The other files are still checked, but not what they say of the broken one.
    check("servers.toml", "[[server]]", "[[server]", &["servers.toml:1: this is not TOML: "]);
    check(
        "suites.toml",
        "connections = 4",
        "connections = 4\nconnections = 5",
        &["suites.toml:4: this is not TOML: duplicate key | correct it"],
    );
    check(
        "workloads.toml",
        "\"pong\"",
        "\"pong",
        &["workloads.toml:7: this is not TOML: invalid ba"],
    );
    for file in ["servers.toml", "workloads.toml", "suites.toml"] {
        let mut missing = folder();
        missing.remove(file);
        compare(&missing, &[&format!("{file}: there is no such file | create it")], file);
    }
    let mut binary = folder();
    binary.insert("servers.toml".to_owned(), b"# one\n# \xff\n".to_vec());
    compare(&binary, &["servers.toml:2: the text is not UTF-8 | save it as UTF-8"], "binary");
    check(
        "suites.toml",
        SUITES,
        "",
        &[
            "suites.toml:1: `load` is missing | add it, such as a table `[[load]]`",
            "suites.toml:1: `matchup` is missing",
            "suites.toml:1: `suite` is missing",
        ],
    );
}

#[test]
fn missing_folder() {
    let mistakes = load(Path::new("no/such/./folder")).expect_err("it does not exist");
    assert_eq!(
        mistakes.to_string(),
        "no/such/folder: there is no such folder of definitions\n    run in the folder that holds \
         `bench`, or name another with --bench DIR"
    );
}

#[test]
fn displayed() {
    let mistake = |line, problem: &str| DefinitionError {
        file: "suites.toml".to_owned(),
        line,
        problem: problem.to_owned(),
        hint: "mend it".to_owned(),
    };
    let mistakes = vec![mistake(None, "one"), mistake(Some(12), "two")];
    let mistakes = DefinitionErrors { folder: PathBuf::from("bench"), mistakes };
    let want = "bench/suites.toml: one\n    mend it\nbench/suites.toml:12: two\n    mend it";
    assert_eq!(mistakes.to_string(), want);
}
