//! Brings the sources of a version into its place.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use super::places;
use super::workspace::Workspace;
use crate::build::CACHE_TAG;
use crate::copy;
use crate::git::{self, git};

/// Names of ignored files that are shown, at most.
const SHOWN: usize = 5;

/// What a file begins with that stands for one in Git LFS (git-lfs, docs/spec.md).
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1";

/// A version's sources in its place.
#[derive(Debug)]
pub(super) struct Brought {
    /// Where the folder above the definitions is.
    pub(super) root: PathBuf,
    /// The SHA-256 of all files, in hexadecimal digits.
    pub(super) tree_sha256: String,
    /// What the user should know.
    pub(super) notes: Vec<String>,
}

/// Brings a commit of the repository that the definitions are in into its place, as a worktree of
/// git's: builds may ask git which commit they are of.
///
/// # Errors
/// When git refuses, or a submodule or a carried file is not here.
pub(super) fn of_commit(
    commit: &str,
    suffix: &str,
    carry: &[String],
    here: Workspace<'_>,
) -> Result<Brought> {
    let top = PathBuf::from(git(here.root, &["rev-parse", "--show-toplevel"])?);
    let below = here.root.strip_prefix(&top).unwrap_or(Path::new(""));
    let tree = places::take(&project(here.root)?, &format!("{commit}{suffix}"), here.say)?;
    let whole = || {
        let unchanged = ["status", "--porcelain", "--untracked-files=no", "--ignore-submodules"];
        git(&tree, &["rev-parse", "HEAD"]).is_ok_and(|head| head == commit)
            && git(&tree, &unchanged).is_ok_and(|changes| changes.is_empty())
    };
    if !whole() {
        add_worktree(&top, &tree, commit, true)?;
    }
    let mut files = vec![];
    fill(&top, &tree, commit, Path::new(""), &mut files)?;
    let notes = of_pointers(&tree, &files).into_iter().collect();
    files.extend(carried(carry, here.root, &tree, below)?);
    Ok(Brought { root: tree.join(below), tree_sha256: sha256(&tree, files)?, notes })
}

/// Brings what is in a folder on the disk into its place, with what is not committed.
///
/// # Errors
/// When a file cannot be read or written, or git refuses.
pub(super) fn of_folder(
    root: &Path,
    suffix: &str,
    carry: &[String],
    here: Workspace<'_>,
) -> Result<Brought> {
    let sources = copy::list(root)?;
    let below = root.strip_prefix(&sources.top).unwrap_or(Path::new(""));
    let name = format!("folder-{}{suffix}", places::project_name(root));
    let project = if sources.in_repository { project(root)? } else { root.to_owned() };
    let tree = places::take(&project, &name, here.say)?;
    if sources.in_repository
        && let Ok(commit) = git(root, &["rev-parse", "--verify", "--quiet", "HEAD^{commit}"])
    {
        // Index and HEAD say what is committed; the files come from the disk.
        if git(&tree, &["rev-parse", "--git-dir"]).is_err() || !tree.join(".git").exists() {
            add_worktree(&sources.top, &tree, &commit, false)?;
        }
        git(&tree, &["reset", "--quiet", &commit])?;
        check_out_skipped(&sources.top, &tree)?;
    }
    copy::bring(&sources, &tree)?;
    let mut files: Vec<PathBuf> = sources.files.iter().cloned().collect();
    files.retain(|file| fs::symlink_metadata(tree.join(file)).is_ok());
    let mut notes: Vec<String> = of_pointers(&tree, &files).into_iter().collect();
    files.extend(carried(carry, here.root, &tree, below)?);
    if sources.in_repository {
        notes.extend(of_ignored(&sources.top, root, carry)?);
    }
    Ok(Brought { root: tree.join(below), tree_sha256: sha256(&tree, files)?, notes })
}

/// What names a repository whichever of its worktrees one is in.
pub(super) fn project(root: &Path) -> Result<PathBuf> {
    let common = root.join(git(root, &["rev-parse", "--git-common-dir"])?);
    let common = common.canonicalize().with_context(|| format!("no {}", common.display()))?;
    // The folder of the repository, where `.git` is in it as usual.
    let is_usual = common.file_name().is_some_and(|name| name == ".git");
    Ok(if is_usual { common.parent().unwrap_or(&common).to_owned() } else { common })
}

/// Makes `tree` a worktree at a commit, with its files or without.
fn add_worktree(top: &Path, tree: &Path, commit: &str, files: bool) -> Result<()> {
    if tree.exists() {
        fs::remove_dir_all(tree).with_context(|| format!("failed to remove {}", tree.display()))?;
    }
    git(top, &["worktree", "prune"])?;
    // A sparse worktree would lack what the build needs.
    let words = ["-c", "core.sparseCheckout=false", "worktree", "add", "--quiet", "--force"];
    let checkout = if files { "--checkout" } else { "--no-checkout" };
    let mut words: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
    words.extend([OsStr::new("--detach"), checkout.as_ref(), tree.as_os_str(), commit.as_ref()]);
    git(top, &words).with_context(|| format!("failed to check out {commit}")).map(drop)
}

/// Paths that git is given at once: the kernel takes 128 KiB of words at least.
const PATHS: usize = 24;

/// Brings into a worktree what a sparse checkout leaves out of the folder on the disk: it is in the
/// version all the same, as in any other version.
fn check_out_skipped(top: &Path, tree: &Path) -> Result<()> {
    let listed = git::bytes(top, &["ls-files", "-z", "-t", "--cached"], &[])?;
    // `S path` of what is not to be on the disk, and may be there.
    let skipped = listed.split(|byte| *byte == 0).filter_map(|entry| entry.strip_prefix(b"S "));
    let skipped: Vec<&Path> = skipped
        .flat_map(git::paths)
        .filter(|path| fs::symlink_metadata(top.join(path)).is_err())
        .collect();
    for paths in skipped.chunks(PATHS) {
        let words = ["checkout-index", "--force", "--quiet", "--"].map(OsStr::new);
        let words: Vec<&OsStr> =
            words.into_iter().chain(paths.iter().map(|p| p.as_os_str())).collect();
        git(tree, &words).context("failed to bring what the sparse checkout leaves out")?;
    }
    Ok(())
}

/// Fills the submodules of a commit's worktree from the ones that are checked out in the
/// repository, and lists all files.
fn fill(top: &Path, tree: &Path, commit: &str, at: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let listed = git::bytes(&top.join(at), &["ls-tree", "-r", "-z", "--full-tree", commit], &[])?;
    for entry in listed.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()) {
        // `100644 blob 3b18e5 TAB path`, of a submodule `160000 commit 3b18e5 TAB path`.
        let tab = entry.iter().position(|byte| *byte == b'\t').context("git lists no path")?;
        let path = git::paths(&entry[tab + 1..]).next().map(|path| at.join(path));
        let path = path.context("git lists no path")?;
        let words = String::from_utf8_lossy(&entry[..tab]).into_owned();
        match words.strip_prefix("160000 commit ") {
            None => files.push(path),
            Some(pinned) => {
                fill_submodule(&top.join(&path), &tree.join(&path), pinned)
                    .with_context(|| format!("failed to fill the submodule {}", path.display()))?;
                fill(top, tree, pinned, &path, files)?;
            }
        }
    }
    Ok(())
}

/// Writes the files of a submodule's commit into a folder.
fn fill_submodule(repository: &Path, to: &Path, commit: &str) -> Result<()> {
    ensure!(
        repository.join(".git").exists(),
        "it is not checked out: git submodule update --init --recursive"
    );
    let known = git(repository, &["cat-file", "-e", &format!("{commit}^{{commit}}")]);
    known.with_context(|| format!("fetch its commit {commit}: git submodule update --init"))?;
    let index = tempfile::NamedTempFile::new().context("failed to create a temporary file")?;
    let index = [("GIT_INDEX_FILE", index.path())];
    git::bytes(repository, &["read-tree", commit], &index)?;
    let mut prefix = OsString::from("--prefix=");
    prefix.push(to);
    prefix.push("/");
    let words = ["checkout-index", "--all", "--force"].map(OsString::from);
    let words: Vec<_> = words.into_iter().chain([prefix]).collect();
    git::bytes(repository, &words, &index).map(drop)
}

/// Copies the ignored files that the definitions carry along, and lists them.
fn carried(carry: &[String], root: &Path, tree: &Path, below: &Path) -> Result<Vec<PathBuf>> {
    let mut files = vec![];
    for name in carry {
        let (from, to) = (root.join(name), below.join(name));
        let found = fs::symlink_metadata(&from).with_context(|| {
            format!("`carry` in servers.toml names {name}, which is not in {}", root.display())
        })?;
        if found.is_dir() {
            let below = copy::tree(&from, &tree.join(&to))?;
            files.extend(below.into_iter().map(|file| to.join(file)));
        } else {
            copy::copy(&from, &tree.join(&to))
                .with_context(|| format!("failed to copy {}", from.display()))?;
            files.push(to);
        }
    }
    Ok(files)
}

/// The SHA-256 of files: names, kinds and contents, in order of their names.
fn sha256(tree: &Path, mut files: Vec<PathBuf>) -> Result<String> {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::PermissionsExt;
    files.sort();
    files.dedup();
    let mut all = Sha256::new();
    for file in files {
        let path = tree.join(&file);
        let read = || -> std::io::Result<(u8, Vec<u8>)> {
            let found = fs::symlink_metadata(&path)?;
            if found.is_symlink() {
                return Ok((b'l', fs::read_link(&path)?.into_os_string().as_bytes().to_vec()));
            }
            let runs = found.permissions().mode() & 0o100 != 0;
            Ok((if runs { b'x' } else { b'f' }, fs::read(&path)?))
        };
        let (kind, content) =
            read().with_context(|| format!("failed to read {}", path.display()))?;
        all.update(file.as_os_str().as_bytes());
        all.update([0, kind]);
        all.update(Sha256::digest(&content));
    }
    Ok(all.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Says which files only stand for ones in Git LFS.
fn of_pointers(tree: &Path, files: &[PathBuf]) -> Option<String> {
    let is_pointer = |file: &&PathBuf| {
        let path = tree.join(file);
        let small = fs::metadata(&path).is_ok_and(|found| found.is_file() && found.len() < 1024);
        small && fs::read(path).is_ok_and(|text| text.starts_with(LFS_POINTER))
    };
    let found: Vec<String> =
        files.iter().filter(is_pointer).map(|file| file.display().to_string()).collect();
    (!found.is_empty()).then(|| {
        format!(
            "{} only {} for a file in Git LFS: git lfs pull",
            some(&found),
            if found.len() == 1 { "stands" } else { "stand" }
        )
    })
}

/// Says what git ignores in a project and no version has, but for what was built and measured.
fn of_ignored(top: &Path, root: &Path, carry: &[String]) -> Result<Option<String>> {
    let words = ["ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory"];
    let listed = git::bytes(top, &words, &[])?;
    let is_kept = |path: &PathBuf| {
        ["target", "results"].iter().any(|name| *path == root.join(name))
            || path.join(CACHE_TAG.0).exists()
            || duet_model::record::find(path).is_some()
            || carry.iter().any(|name| *path == root.join(name))
    };
    let absolute = git::paths(&listed).map(|path| top.join(path.components().as_path()));
    let lost: Vec<String> = absolute
        .filter(|path| !is_kept(path))
        .map(|path| path.strip_prefix(root).unwrap_or(&path).display().to_string())
        .collect();
    Ok((!lost.is_empty()).then(|| {
        format!(
            "git ignores {}: no version has that; what a server needs of it, name in its table as \
             `carry = [\"{}\"]`",
            some(&lost),
            lost[0]
        )
    }))
}

/// Some names, and how many more there are.
fn some(names: &[String]) -> String {
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
