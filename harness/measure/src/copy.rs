//! A copy of a project's sources, in which something else may be built than in the project.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::build::CACHE_TAG;
use crate::git::{self, git};
use duet_model::record;

/// Folders that hold what was built and measured, and no sources.
const NO_SOURCES: [&str; 3] = [".git", "target", "results"];

/// The file with the names of what was copied.
const COPIED: &str = ".duet-copied";

/// The files of a project that are sources, relative to its top.
#[derive(Debug)]
pub(crate) struct Sources {
    /// The top of the repository, or the folder itself where there is none.
    pub(crate) top: PathBuf,
    /// Whether git says which files they are.
    pub(crate) in_repository: bool,
    /// The files, among them symbolic links.
    pub(crate) files: BTreeSet<PathBuf>,
}

/// The sources of the project that `root` is in: of a repository all files that git does not
/// ignore, those of submodules included, with changes that are not committed; without one, all
/// files below `root`. What was built and measured is none of them: `target` and `results` of
/// `root`, folders with the record of a run, and where there is no repository those with a
/// CACHEDIR.TAG.
///
/// # Errors
/// When a folder cannot be read, or git refuses to read the repository.
pub(crate) fn list(root: &Path) -> Result<Sources> {
    let root = root.canonicalize().with_context(|| format!("failed to find {}", root.display()))?;
    let mut files = BTreeSet::new();
    let Some(top) = top(&root)? else {
        walk(&root, Path::new(""), &mut files)?;
        return Ok(Sources { top: root, in_repository: false, files });
    };
    let words = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let own = root.join("target");
    let tracked = git::bytes(&top, &["ls-files", "-z", "--cached"], &[])?;
    let tracked: BTreeSet<&Path> = git::paths(&tracked).collect();
    for file in git::paths(&git::bytes(&top, &words, &[])?) {
        let path = top.join(file);
        let is_output = || {
            let mut above = file.ancestors().skip(1).map(|folder| top.join(folder));
            path.starts_with(root.join("results")) || above.any(|f| record::find(&f).is_some())
        };
        if path.join(".git").exists() {
            // A submodule; another repository that merely lies here is none of the sources.
            if tracked.contains(file) {
                files.extend(list(&path)?.files.iter().map(|below| file.join(below)));
            }
        } else if !path.starts_with(&own) && (tracked.contains(file) || !is_output()) {
            files.insert(file.to_owned());
        }
    }
    Ok(Sources { top, in_repository: true, files })
}

/// The top of the repository that a folder is in; absent where there is none.
///
/// # Errors
/// When there is one that git refuses to read.
pub(crate) fn top(root: &Path) -> Result<Option<PathBuf>> {
    match git(root, &["rev-parse", "--show-toplevel"]) {
        Ok(top) => Ok(Some(PathBuf::from(top)).filter(|top| root.starts_with(top))),
        Err(error) if root.ancestors().any(|folder| folder.join(".git").exists()) => Err(error),
        Err(_) => Ok(None),
    }
}

/// Makes the folder `to` a copy of the sources of the project that `root` is in. In a copy from
/// before, files that are the same keep their time, and what was built stays, so that the next
/// build has only to build what changed. Returns where `root` is in the copy.
///
/// # Errors
/// When a file cannot be read or written.
pub(crate) fn sources(root: &Path, to: &Path) -> Result<PathBuf> {
    let root = root.canonicalize().with_context(|| format!("failed to find {}", root.display()))?;
    let sources = list(&root)?;
    bring(&sources, to)?;
    Ok(to.join(root.strip_prefix(&sources.top).unwrap_or(Path::new(""))))
}

/// Copies sources to `to`, and removes what was copied there before and is no source any more.
///
/// # Errors
/// When a file cannot be read or written.
pub(crate) fn bring(sources: &Sources, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("failed to create {}", to.display()))?;
    remove_former(to, &sources.files)?;
    for file in &sources.files {
        let from = sources.top.join(file);
        copy(&from, &to.join(file))
            .with_context(|| format!("failed to copy {}", from.display()))?;
    }
    Ok(())
}

/// Whether a file in a copy of sources, or in a worktree, is one of them: not what was built.
pub(crate) fn is_source(tree: &Path, path: &Path) -> bool {
    let Ok(below) = path.strip_prefix(tree) else { return false };
    let copied = fs::read(tree.join(COPIED)).unwrap_or_default();
    let words = ["ls-files", "--error-unmatch", "--"].map(AsRef::as_ref);
    git::paths(&copied).any(|file| file == below)
        || git(tree, &[&words[..], &[below.as_os_str()]].concat()).is_ok()
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
            && record::find(&entry.path()).is_none()
        {
            walk(root, &below, files)?;
        }
    }
    Ok(())
}

/// Removes what was copied before and is no source any more, and writes down what is one.
fn remove_former(to: &Path, files: &BTreeSet<PathBuf>) -> Result<()> {
    let list = to.join(COPIED);
    let former = fs::read(&list).unwrap_or_default();
    for file in git::paths(&former) {
        if !files.contains(file) {
            match fs::remove_file(to.join(file)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error)?,
                _ => {}
            }
        }
    }
    let mut names = vec![];
    for file in files {
        names.extend_from_slice(file.as_os_str().as_bytes());
        names.push(0);
    }
    fs::write(&list, names).with_context(|| format!("failed to write {}", list.display()))
}

/// Copies a file or a symbolic link, unless it is there already. What is listed and gone is no
/// source; a socket or a pipe is none either.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let Ok(kind) = fs::symlink_metadata(from).map(|found| found.file_type()) else {
        return Ok(());
    };
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    // A link in the place of a file would be written through.
    let there = fs::symlink_metadata(to).map(|found| found.file_type());
    if there.as_ref().is_ok_and(|there| *there != kind) {
        match there.is_ok_and(|there| there.is_dir()) {
            true => fs::remove_dir_all(to)?,
            false => fs::remove_file(to)?,
        }
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
    } else if kind.is_file() {
        fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    }
    Ok(())
}

/// Makes the folder `to` a copy of a folder with all that is below it. Returns the files, relative
/// to it.
///
/// # Errors
/// When a file cannot be read or written.
pub(crate) fn tree(from: &Path, to: &Path) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(to).with_context(|| format!("failed to create {}", to.display()))?;
    let (mut names, mut files) = (BTreeSet::new(), vec![]);
    for name in names_in(from)? {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() && !from.is_symlink() {
            if to.is_symlink() || to.is_file() {
                remove(&to)?;
            }
            let below = tree(&from, &to)?.into_iter();
            files.extend(below.map(|file| Path::new(&name).join(file)));
        } else {
            copy(&from, &to).with_context(|| format!("failed to copy {}", from.display()))?;
            files.push(PathBuf::from(&name));
        }
        names.insert(name);
    }
    // What is no more in the one is no more in the other.
    let mut former = names_in(to)?.into_iter().filter(|name| !names.contains(name));
    former.try_for_each(|name| remove(&to.join(name)))?;
    Ok(files)
}

fn names_in(folder: &Path) -> Result<Vec<OsString>> {
    let read = || -> io::Result<Vec<OsString>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect()
    };
    read().with_context(|| format!("failed to read {}", folder.display()))
}

fn remove(path: &Path) -> Result<()> {
    let removed = match path.is_dir() && !path.is_symlink() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    };
    removed.with_context(|| format!("failed to remove {}", path.display()))
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
