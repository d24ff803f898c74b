//! Checks, by reading the sources, what neither the compiler nor clippy sees of the rules that
//! ARCHITECTURE.md states.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

mod circles;

const LONGEST_LINE: usize = 100;
const LONGEST_FUNCTION: usize = 70;

/// A source file: its path, its text without tests.
struct Source {
    path: PathBuf,
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

/// The sources of the harness: of the command and of its library crates.
fn sources() -> Vec<Source> {
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a source is text");
        let text = text.split("#[cfg(test)]\nmod ").next().expect("split is not empty").to_owned();
        Source { path, text }
    };
    crates().iter().flat_map(|folder| files(&folder.join("src"), "rs")).map(read).collect()
}

/// The folders of the harness's crates.
fn crates() -> Vec<PathBuf> {
    let harness = root().join("harness");
    let below = fs::read_dir(&harness).expect("the harness has a folder").flatten();
    let mut found: Vec<PathBuf> = below.map(|entry| entry.path()).collect();
    found.push(harness);
    found.retain(|folder| folder.join("Cargo.toml").is_file());
    found.sort();
    assert!(found.len() > 5, "the crates were not found: {found:?}");
    found
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
    let mut folders = vec![root().join("rust-server/src"), root().join("rust-server/tests")];
    folders.extend(crates().iter().flat_map(|folder| [folder.join("src"), folder.join("tests")]));
    folders.retain(|folder| folder.is_dir());
    for path in folders.iter().flat_map(|folder| files(folder, "rs")) {
        let text = fs::read_to_string(&path).expect("a source is text");
        if text.starts_with("// This file is @generated") {
            continue;
        }
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
