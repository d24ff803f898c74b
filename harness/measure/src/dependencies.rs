//! What a server is built from beside its own sources: how many modules or crates, and how large
//! they are.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::source::{self, Syntax};

/// Folders of sources that no server is built from.
const NOT_BUILT: [&str; 5] = ["benches", "examples", "target", "testdata", "tests"];

/// The files that make a folder a module or crate of its own.
const MANIFESTS: [&str; 2] = ["Cargo.toml", "go.mod"];

/// How many folders `listed` names, and the lines of the sources in them. Relative ones are below
/// `root`.
///
/// # Errors
/// When a folder or a file in it cannot be read.
pub(crate) fn count(listed: &str, root: &Path) -> Result<(u32, u64)> {
    let named = listed.lines().map(str::trim).filter(|line| !line.is_empty());
    let folders: BTreeSet<PathBuf> = named.map(|line| root.join(line)).collect();
    let mut lines = 0;
    for folder in &folders {
        lines += lines_below(folder)?;
    }
    Ok((folders.len() as u32, lines))
}

/// Lines of sources in a folder and those below, without what is a module or crate of its own.
fn lines_below(folder: &Path) -> Result<u64> {
    let mut lines = 0;
    let entries = fs::read_dir(folder);
    for entry in entries.with_context(|| format!("failed to read {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            let is_other = MANIFESTS.iter().any(|manifest| path.join(manifest).is_file());
            if !is_other && !name.starts_with('.') && !NOT_BUILT.contains(&&*name) {
                lines += lines_below(&path)?;
            }
        } else if path.is_file() && !name.ends_with("_test.go") {
            lines += lines_of(&path, Syntax::of(&name))?;
        }
    }
    Ok(lines)
}

/// Lines that hold more than white space and comments; none in what is no source.
fn lines_of(path: &Path, syntax: Syntax) -> Result<u64> {
    if syntax == Syntax::Other {
        return Ok(0);
    }
    let text = fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
    let text = source::strip(&String::from_utf8_lossy(&text), syntax);
    Ok(text.lines().filter(|line| !line.trim().is_empty()).count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_and_their_lines() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        };
        write("a/src/lib.rs", "// A comment.\n\nfn a() {\n    /* no\n code */ b();\n}\n");
        write("a/src/deep/mod.rs", "mod x;\n");
        write("a/tests/t.rs", "fn t() {}\n");
        write("a/other/Cargo.toml", "");
        write("a/other/lib.rs", "fn o() {}\n");
        write("b/b.go", "package b\n");
        write("b/b_test.go", "package b\n");
        write("b/README.md", "text\n");
        let listed = "a\nb\n\na\n";
        assert_eq!(count(listed, folder.path()).expect("they are there"), (2, 5));
        assert_eq!(count("", folder.path()).expect("nothing"), (0, 0));
        let error = count("c", folder.path()).expect_err("it is not there");
        assert!(error.to_string().contains("failed to read"), "{error}");
    }
}
