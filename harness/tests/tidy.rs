//! Checks the rules that ARCHITECTURE.md states, by reading the sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules from left to right: a module may import from its own layer and from those before it.
const LAYERS: [&[&str]; 5] = [
    &["units", "random"],
    &["metric", "spec"],
    &["record"],
    &["stats", "plan", "verdict", "gate", "output", "source", "analysis", "comparison", "report"],
    &[
        "interrupt",
        "child",
        "proc",
        "host",
        "load",
        "ceiling",
        "requests",
        "probe",
        "server",
        "build",
        "verify",
        "generator",
        "block",
        "launcher",
        "program",
        "programs",
        "progress",
        "versions",
    ],
];

/// Pure modules: no clock, file, process or socket.
const PURE: [&str; 9] =
    ["stats", "plan", "verdict", "gate", "output", "source", "analysis", "comparison", "report"];

/// What pure modules must not name.
const EFFECTS: [&str; 8] = [
    "std::fs",
    "std::process",
    "std::net",
    "std::env",
    "Instant",
    "SystemTime",
    "std::thread",
    "nix::",
];

/// Modules that may print.
const PRINTERS: [&str; 3] = ["cmd", "main", "progress"];

const LONGEST_LINE: usize = 100;
const LONGEST_FUNCTION: usize = 70;

/// A source file: its path, its top-level module, its text without tests.
struct Source {
    path: PathBuf,
    module: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.expect("a folder can be read").path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<Source> {
    let folder = root().join("harness/src");
    files(&folder, "rs")
        .into_iter()
        .map(|path| {
            let inner = path.strip_prefix(&folder).expect("it was found below").to_owned();
            let first = inner.components().next().expect("a file has a name");
            let module = first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).expect("a source is text");
            let text =
                text.split("#[cfg(test)]\nmod ").next().expect("split is not empty").to_owned();
            Source { path, module, text }
        })
        .collect()
}

/// Fails with all complaints at once.
fn none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// The code of a source with its numbers: lines that are not comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(i, line)| (i + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[test]
fn imports_point_left() {
    let layer = |module: &str| LAYERS.iter().position(|layer| layer.contains(&module));
    let mut complaints = Vec::new();
    for source in sources() {
        let Some(own) = layer(&source.module) else { continue };
        for (number, line) in code(&source.text) {
            for reference in line.split("crate::").skip(1) {
                let end = reference.find(|c: char| !c.is_alphanumeric() && c != '_');
                let target = &reference[..end.unwrap_or(reference.len())];
                let allowed = match layer(target) {
                    Some(other) if source.module == "load" => {
                        ["units", "random", "proc", "load"].contains(&target) && other <= own
                    }
                    Some(_) if source.module == "report" => {
                        let seen =
                            ["units", "metric", "analysis", "comparison", "verdict", "report"];
                        seen.contains(&target)
                    }
                    Some(other) => other <= own,
                    None => target != "cmd",
                };
                if !allowed {
                    complaints.push(format!(
                        "{}:{number}: {} must not import {target}",
                        source.path.display(),
                        source.module
                    ));
                }
            }
        }
    }
    none(&complaints);
}

#[test]
fn every_module_has_a_layer() {
    let known: BTreeSet<&str> = LAYERS
        .iter()
        .flat_map(|layer| layer.iter().copied())
        .chain(["lib", "main", "cmd"])
        .collect();
    let complaints: Vec<String> = sources()
        .iter()
        .filter(|source| !known.contains(source.module.as_str()))
        .map(|source| format!("{}: give the module a layer", source.path.display()))
        .collect();
    none(&complaints);
}

#[test]
fn pure_modules_touch_nothing() {
    let mut complaints = Vec::new();
    for source in sources().iter().filter(|source| PURE.contains(&source.module.as_str())) {
        for (number, line) in code(&source.text) {
            if let Some(effect) = EFFECTS.iter().find(|effect| line.contains(**effect)) {
                complaints.push(format!("{}:{number}: {effect}", source.path.display()));
            }
        }
    }
    none(&complaints);
}

#[test]
fn only_commands_print() {
    let mut complaints = Vec::new();
    for source in sources().iter().filter(|s| !PRINTERS.contains(&s.module.as_str())) {
        for (number, line) in code(&source.text) {
            if ["println!", "eprintln!", "print!(", "dbg!"].iter().any(|p| line.contains(p)) {
                complaints.push(format!("{}:{number}: prints", source.path.display()));
            }
        }
    }
    none(&complaints);
}

#[test]
fn only_main_chooses_the_exit_code() {
    let complaints: Vec<String> = sources()
        .iter()
        .filter(|source| source.module != "main" && source.text.contains("process::exit"))
        .map(|source| format!("{}: exits", source.path.display()))
        .collect();
    none(&complaints);
}

/// The names in `bench/*.toml` are data; a harness that knew one of them would treat it
/// differently.
#[test]
fn no_definition_is_named_in_the_harness() {
    let mut names = BTreeSet::new();
    for file in ["servers.toml", "workloads.toml", "programs.toml", "suites.toml"] {
        let text = fs::read_to_string(root().join("bench").join(file)).expect("definitions exist");
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("name = \"").and_then(|l| l.split('"').next()) {
                // Words of the vocabulary are names too: the lanes `std`, `article`, `idiomatic`.
                if name.contains('-') && !name.chars().all(|c| c.is_ascii_digit()) {
                    names.insert(name.to_owned());
                }
            }
        }
    }
    assert!(names.len() >= 5, "the definitions were not read: {names:?}");
    let mut complaints = Vec::new();
    for source in sources() {
        for (number, line) in code(&source.text) {
            if let Some(name) = names.iter().find(|name| line.contains(name.as_str())) {
                complaints.push(format!("{}:{number}: names `{name}`", source.path.display()));
            }
        }
    }
    none(&complaints);
}

#[test]
fn lines_and_functions_are_short() {
    let mut complaints = Vec::new();
    let folders = ["harness/src", "harness/tests", "rust-server/src", "rust-server/tests"];
    for path in folders.iter().flat_map(|folder| files(&root().join(folder), "rs")) {
        let text = fs::read_to_string(&path).expect("a source is text");
        let mut function: Option<(usize, usize)> = None;
        for (i, line) in text.lines().enumerate() {
            if line.chars().count() > LONGEST_LINE {
                complaints.push(format!("{}:{}: a long line", path.display(), i + 1));
            }
            let indent = line.len() - line.trim_start().len();
            let words = line.trim_start();
            let starts = ["fn ", "pub fn ", "pub(crate) fn ", "pub(super) fn ", "async fn "];
            if function.is_none() && starts.iter().any(|start| words.starts_with(start)) {
                function = Some((i, indent));
            } else if let Some((start, depth)) = function
                && indent == depth
                && line.trim_end() == format!("{}}}", " ".repeat(depth))
            {
                // A test may be a table: one line per case, however many cases there are.
                let table = path.to_string_lossy().contains("tests");
                if i - start + 1 > LONGEST_FUNCTION && !table {
                    let length = i - start + 1;
                    complaints.push(format!(
                        "{}:{}: a function of {length} lines",
                        path.display(),
                        start + 1
                    ));
                }
                function = None;
            }
        }
    }
    none(&complaints);
}

/// A record is read by people on other machines: nothing of this one belongs into the documents.
#[test]
fn documents_name_no_absolute_path() {
    let mut complaints = Vec::new();
    let project = root().canonicalize().expect("the project has a place");
    let home = std::env::var("HOME").unwrap_or_default();
    let here = [project.to_string_lossy().into_owned(), format!("{home}/")];
    for path in fs::read_dir(root()).expect("the project can be read").flatten() {
        let path = path.path();
        if path.extension().is_some_and(|e| e == "md") {
            let text = fs::read_to_string(&path).expect("a document is text");
            for (i, line) in text.lines().enumerate() {
                if here.iter().any(|place| place.len() > 1 && line.contains(place)) {
                    complaints.push(format!("{}:{}: an absolute path", path.display(), i + 1));
                }
            }
        }
    }
    none(&complaints);
}
