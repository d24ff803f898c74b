//! A copy of a project's sources, in which something else may be built than in the project.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::build::CACHE_TAG;
use crate::git::git;

/// Folders that hold what was built and measured, and no sources.
const NO_SOURCES: [&str; 3] = [".git", "target", "results"];

/// The file with the names of what was copied.
const COPIED: &str = ".duet-copied";

/// Makes the folder `to` a copy of the sources of the project that `root` is in: of the repository,
/// all files that git does not ignore, with changes that are not committed; without one, all files
/// below `root` that are not in `target`, `results` or a folder with a CACHEDIR.TAG. In a copy from
/// before, files that are the same keep their time, and what was built stays, so that the next
/// build has only to build what changed. Returns where `root` is in the copy.
///
/// # Errors
/// When a file cannot be read or written.
pub(crate) fn sources(root: &Path, to: &Path) -> Result<PathBuf> {
    let root = root.canonicalize().with_context(|| format!("failed to find {}", root.display()))?;
    let top = git(&root, &["rev-parse", "--show-toplevel"]).map(PathBuf::from);
    let top = top.ok().filter(|top| root.starts_with(top));
    let own = root.join("target");
    let mut files = BTreeSet::new();
    match &top {
        Some(top) => {
            let words = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
            let listed = git(top, &words)?;
            let listed = listed.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from);
            files.extend(listed.filter(|file| !top.join(file).starts_with(&own)));
        }
        None => walk(&root, Path::new(""), &mut files)?,
    }
    let top = top.unwrap_or_else(|| root.clone());
    fs::create_dir_all(to).with_context(|| format!("failed to create {}", to.display()))?;
    remove_former(to, &files)?;
    for file in &files {
        copy(&top.join(file), &to.join(file))
            .with_context(|| format!("failed to copy {}", top.join(file).display()))?;
    }
    Ok(to.join(root.strip_prefix(&top).unwrap_or(Path::new(""))))
}

/// The files of a folder and those below, relative to `root`.
fn walk(root: &Path, folder: &Path, files: &mut BTreeSet<PathBuf>) -> Result<()> {
    let path = root.join(folder);
    let entries = fs::read_dir(&path);
    for entry in entries.with_context(|| format!("failed to read {}", path.display()))? {
        let entry = entry?;
        let below = folder.join(entry.file_name());
        if !entry.file_type()?.is_dir() {
            files.insert(below);
        } else if !NO_SOURCES.iter().any(|name| entry.file_name() == *name)
            && !entry.path().join(CACHE_TAG.0).exists()
        {
            walk(root, &below, files)?;
        }
    }
    Ok(())
}

/// Removes what was copied before and is no source any more, and writes down what is one.
fn remove_former(to: &Path, files: &BTreeSet<PathBuf>) -> Result<()> {
    let list = to.join(COPIED);
    let former = fs::read_to_string(&list).unwrap_or_default();
    for file in former.split('\0').filter(|name| !name.is_empty()).map(Path::new) {
        if !files.contains(file) {
            match fs::remove_file(to.join(file)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error)?,
                _ => {}
            }
        }
    }
    let names: Vec<&str> = files.iter().filter_map(|file| file.to_str()).collect();
    fs::write(&list, names.join("\0"))
        .with_context(|| format!("failed to write {}", list.display()))
}

/// Copies a file or a symbolic link, unless it is there already. What is listed and gone, or a
/// folder (a repository within this one), is no source.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let Ok(kind) = fs::symlink_metadata(from).map(|found| found.file_type()) else {
        return Ok(());
    };
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    if kind.is_symlink() {
        let target = fs::read_link(from)?;
        if fs::read_link(to).is_ok_and(|there| there == target) {
            return Ok(());
        }
        if fs::symlink_metadata(to).is_ok() {
            fs::remove_file(to)?;
        }
        symlink(target, to)?;
    } else if kind.is_file() && fs::read(to).ok() != Some(fs::read(from)?) {
        fs::copy(from, to)?;
    }
    Ok(())
}

/// Copies a folder and all files below it to `to`, which is made.
///
/// # Errors
/// When a file cannot be read or written.
pub(crate) fn tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("failed to create {}", to.display()))?;
    let entries = fs::read_dir(from);
    for entry in entries.with_context(|| format!("failed to read {}", from.display()))? {
        let (from, to) = (entry?.path(), to);
        let to = to.join(from.file_name().unwrap_or_default());
        if from.is_dir() {
            tree(&from, &to)?;
        } else {
            copy(&from, &to).with_context(|| format!("failed to copy {}", from.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names in a folder and below it that do not begin with a dot.
    fn names(folder: &Path) -> Vec<String> {
        let mut files = BTreeSet::new();
        walk(folder, Path::new(""), &mut files).expect("it can be read");
        let names = files.iter().map(|file| file.display().to_string());
        names.filter(|name| !name.starts_with('.')).collect()
    }

    #[test]
    fn a_copy_has_the_sources_and_keeps_what_was_built() {
        let project = tempfile::tempdir().expect("a temporary folder");
        let root = project.path();
        let write = |name: &str, text: &str| {
            let path = root.join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        };
        write("a.txt", "a");
        write("src/b.txt", "b");
        write("target/built", "no source");
        write("cache/CACHEDIR.TAG", "no source");
        symlink("a.txt", root.join("link")).expect("a link");
        let to = root.join("target/copy");
        assert_eq!(sources(root, &to).expect("it is copied"), to);
        assert_eq!(names(&to), ["a.txt", "link", "src/b.txt"]);

        // What changed is copied again; what is gone goes; what was built there stays.
        fs::create_dir(to.join("target"))
            .and_then(|()| fs::write(to.join("target/own"), ""))
            .expect("x");
        fs::remove_file(root.join("src/b.txt")).expect("it is there");
        let time = |name: &str| {
            fs::metadata(to.join(name)).and_then(|m| m.modified()).expect("it is there")
        };
        let before = time("a.txt");
        write("c.txt", "c");
        sources(root, &to).expect("it is copied");
        assert_eq!(names(&to), ["a.txt", "c.txt", "link"]);
        assert_eq!(time("a.txt"), before);
        assert!(to.join("target/own").is_file());
    }

    #[test]
    fn a_copy_of_a_repository_has_what_git_does_not_ignore() {
        let project = tempfile::tempdir().expect("a temporary folder");
        let top = project.path();
        git(top, &["init", "--quiet"]).expect("git is there");
        fs::write(top.join(".gitignore"), "*.log\n").expect("a file");
        fs::create_dir_all(top.join("part/target")).expect("a folder");
        for name in ["a.txt", "a.log", "part/b.txt", "part/target/built"] {
            fs::write(top.join(name), name).expect("a file");
        }
        git(top, &["add", "a.txt"]).expect("it is added");
        let to = top.join("part/target/copy");
        let root = sources(&top.join("part"), &to).expect("it is copied");
        assert_eq!(root, to.join("part"));
        assert_eq!(names(&to), ["a.txt", "part/b.txt"]);
    }
}
