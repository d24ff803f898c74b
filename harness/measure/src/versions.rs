//! Versions of servers and programs: where the arms of a comparison come from, and how they get
//! onto this disk.
//!
//! An arm is written `server:NAME`, `set:NAME`, `git:REF[:NAME]`, `dir:PATH[:NAME]`,
//! `bin:PATH[:SERVER]`, `baseline:NAME` or as the folder of a run. A name may have `@TOOLCHAIN`
//! behind it: the same sources, built by that compiler in a copy of their own. A version brings its
//! own servers and sets of programs, since the way they are built and started belongs to it; the
//! workloads and loads come from the definitions of whoever compares.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::SystemTime;

use anyhow::{Context, Result, bail, ensure};

use crate::copy;
use crate::git::git;
use duet_model::record::{self, Version};
use duet_model::spec::{ProgramSet, Server, Spec, Toolchain};

/// Checked-out commits that are kept beside the newest, so that a base is not built again for every
/// change.
const CHECKOUTS_KEPT: usize = 5;

/// Where the sources are copied to for other toolchains, a folder each.
const COPIES: &str = "target/toolchains";

/// Digits of a commit in a label.
const COMMIT_DIGITS: usize = 7;

/// One side of a comparison, as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arm {
    /// The words of the command line.
    pub given: String,
    /// Where it comes from.
    pub origin: Origin,
    /// The server or the set of programs, where the words name one.
    pub name: Option<String>,
    /// The compiler that builds it in the place of the one that its table says.
    pub toolchain: Option<Toolchain>,
}

/// Where an arm comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A server of the definitions as they are.
    Server,
    /// A set of programs of theirs.
    Set,
    /// A commit of the repository, checked out into a folder of its own.
    Git(String),
    /// Another folder with the same layout.
    Folder(PathBuf),
    /// An executable in the place of a server's own.
    Binary(PathBuf),
    /// A run that was saved under a name.
    Baseline(String),
    /// The folder of a run.
    Run(PathBuf),
}

impl FromStr for Arm {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        let (kind, rest) = given.split_once(':').unwrap_or(("", given));
        let (origin, name) = match kind {
            "server" => (Origin::Server, Some(rest.to_owned())),
            "set" => (Origin::Set, Some(rest.to_owned())),
            "git" => {
                // A ref of git has no colon.
                let (reference, name) = match rest.split_once(':') {
                    Some((reference, name)) => (reference, Some(name.to_owned())),
                    None => (rest, None),
                };
                (Origin::Git(reference.to_owned()), name)
            }
            "dir" => path_and_name(rest, Origin::Folder),
            "bin" => path_and_name(rest, Origin::Binary),
            "baseline" => (Origin::Baseline(rest.to_owned()), None),
            _ if Path::new(given).join(record::FILE_NAME).is_file() => {
                (Origin::Run(given.into()), None)
            }
            _ => return Err(FORMS.to_owned()),
        };
        let (name, toolchain) = match name.as_deref().and_then(|name| name.split_once('@')) {
            Some((name, toolchain)) => (Some(name.to_owned()), Some(toolchain.parse()?)),
            None => (name, None),
        };
        if rest.is_empty() || name.as_deref() == Some("") {
            return Err(FORMS.to_owned());
        }
        if toolchain.is_some() && matches!(origin, Origin::Binary(_)) {
            return Err("an executable is built already: take its toolchain out".to_owned());
        }
        Ok(Self { given: given.to_owned(), origin, name, toolchain })
    }
}

const FORMS: &str = "write server:NAME, set:NAME, git:REF[:NAME], dir:PATH[:NAME], \
                     bin:PATH[:SERVER], baseline:NAME or the folder of a run; behind a NAME that \
                     is built, @TOOLCHAIN, as in server:NAME@go1.27.3";

/// A path, and the name behind its last colon unless that belongs to the path.
fn path_and_name(text: &str, origin: fn(PathBuf) -> Origin) -> (Origin, Option<String>) {
    match text.rsplit_once(':') {
        Some((path, name)) if !Path::new(text).exists() => {
            (origin(path.into()), Some(name.to_owned()))
        }
        _ => (origin(text.into()), None),
    }
}

/// A version on this disk.
#[derive(Debug, Clone)]
pub struct Checkout {
    /// What the record says of it.
    pub version: Version,
    /// The folder that commands run in.
    pub root: PathBuf,
    /// Its servers, each with that folder as its root.
    pub servers: Vec<Server>,
    /// Its sets of programs, likewise.
    pub sets: Vec<ProgramSet>,
    /// What the user should know of how it came here.
    pub note: Option<String>,
}

/// Who compares: the folder above the definitions, their place below it, and what they say.
#[derive(Debug, Clone, Copy)]
pub struct Workspace<'a> {
    /// The folder above the definitions, absolute.
    pub root: &'a Path,
    /// The definitions' folder.
    pub definitions: &'a Path,
    /// What they say.
    pub spec: &'a Spec,
}

/// Brings a version onto this disk, unbuilt.
///
/// # Errors
/// When there is no such commit or folder, when its definitions have errors, or for an arm that
/// is a stored result and no version.
pub fn check_out(arm: &Arm, here: Workspace<'_>) -> Result<Checkout> {
    let checkout = check_out_sources(arm, here)?;
    match &arm.toolchain {
        Some(toolchain) => with_toolchain(checkout, arm, toolchain),
        None => Ok(checkout),
    }
}

/// The same sources, in a copy of their own, so that neither build takes the other's executables
/// and caches.
fn with_toolchain(checkout: Checkout, arm: &Arm, toolchain: &Toolchain) -> Result<Checkout> {
    let Checkout { mut version, root, mut servers, mut sets, note } = checkout;
    version.label = match arm.origin {
        Origin::Server | Origin::Set => toolchain.to_string(),
        _ => format!("{}-{toolchain}", version.label),
    };
    let copied = copy::sources(&root, &root.join(COPIES).join(toolchain.name()))
        .with_context(|| format!("failed to copy the sources for {toolchain}"))?;
    for server in &mut servers {
        server.toolchain = Some(toolchain.clone());
        server.root = Some(copied.clone());
    }
    for set in &mut sets {
        set.toolchain = Some(toolchain.clone());
        set.root = Some(copied.clone());
    }
    Ok(Checkout { version, root: copied, servers, sets, note })
}

fn check_out_sources(arm: &Arm, here: Workspace<'_>) -> Result<Checkout> {
    match &arm.origin {
        Origin::Server | Origin::Set => {
            let version = version(arm, here.root, arm.name.clone().unwrap_or_default());
            let is_set = arm.origin == Origin::Set;
            let (servers, sets) = (&here.spec.servers[..], &here.spec.sets[..]);
            Ok(Checkout {
                version,
                root: here.root.to_owned(),
                servers: rooted(if is_set { &[] } else { servers }, here.root),
                sets: rooted_sets(if is_set { sets } else { &[] }, here.root),
                note: None,
            })
        }
        Origin::Git(reference) => of_commit(arm, reference, here),
        Origin::Folder(folder) => {
            let root = folder
                .canonicalize()
                .with_context(|| format!("failed to find the folder {}", folder.display()))?;
            let name = root.file_name().unwrap_or_default().to_string_lossy().into_owned();
            of_folder(arm, root, name, here)
        }
        Origin::Binary(binary) => of_binary(arm, binary, here),
        Origin::Baseline(_) | Origin::Run(_) => {
            bail!("{} is a stored result: it cannot be measured beside another version", arm.given)
        }
    }
}

/// A commit, in a worktree of its own below the repository's `.git`, where no tool looks for
/// sources. It stays there, built, for the next comparison with it.
fn of_commit(arm: &Arm, reference: &str, here: Workspace<'_>) -> Result<Checkout> {
    let commit =
        git(here.root, &["rev-parse", "--verify", "--quiet", &format!("{reference}^{{commit}}")])
            .with_context(|| {
            format!(
                "there is no commit `{reference}` in this repository: fetch it (a shallow clone \
                 in CI needs its history: `fetch-depth: 0`), or name another"
            )
        })?;
    let below = git(here.root, &["rev-parse", "--show-prefix"])?;
    let folder = here.root.join(git(here.root, &["rev-parse", "--git-common-dir"])?).join("duet");
    let tree = folder.join(&commit);
    let whole = || {
        git(&tree, &["rev-parse", "HEAD"]).is_ok_and(|head| head == commit)
            && git(&tree, &["status", "--porcelain", "--untracked-files=no"])
                .is_ok_and(|changes| changes.is_empty())
    };
    if !whole() {
        let path = tree.to_str().context("the repository's path is not UTF-8")?;
        if tree.exists() {
            fs::remove_dir_all(&tree)
                .with_context(|| format!("failed to remove {}", tree.display()))?;
        }
        git(here.root, &["worktree", "prune"])?;
        git(here.root, &["worktree", "add", "--quiet", "--force", "--detach", path, &commit])
            .with_context(|| format!("failed to check out {reference}"))?;
    }
    forget_old(here.root, &folder, &tree)?;
    let label = commit.chars().take(COMMIT_DIGITS).collect();
    of_folder(arm, tree.join(below), label, here)
}

/// Removes the checked-out commits that were not used for the longest time.
fn forget_old(root: &Path, folder: &Path, current: &Path) -> Result<()> {
    // The folder's time is that of its last use.
    let touched = fs::File::open(current).and_then(|file| file.set_modified(SystemTime::now()));
    touched.with_context(|| format!("failed to touch {}", current.display()))?;
    let mut others = vec![];
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path() != current {
            others.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    others.sort();
    let excess = others.len().saturating_sub(CHECKOUTS_KEPT);
    for (_, old) in others.into_iter().take(excess) {
        fs::remove_dir_all(&old).with_context(|| format!("failed to remove {}", old.display()))?;
    }
    if excess > 0 {
        git(root, &["worktree", "prune"])?;
    }
    Ok(())
}

/// A folder with the same layout as the one above the definitions.
fn of_folder(arm: &Arm, root: PathBuf, name: String, here: Workspace<'_>) -> Result<Checkout> {
    let definitions = here.definitions.canonicalize()?;
    let below = definitions.strip_prefix(here.root).unwrap_or(Path::new("bench"));
    // Without definitions that this program reads, a version is built and started as this one is.
    let (servers, sets, note) = match duet_definitions::load(&root.join(below)) {
        Ok(spec) => (spec.servers, spec.sets, None),
        Err(errors) => {
            let first = errors.mistakes.first().map_or("", |error| &error.problem);
            let note = format!(
                "the definitions of {} cannot be used ({first}): its servers and programs are \
                 built and started as the present definitions say",
                arm.given
            );
            (here.spec.servers.clone(), here.spec.sets.clone(), Some(note))
        }
    };
    let mut version = version(arm, &root, name);
    if let Some(commit) = &version.commit {
        version.label = commit.chars().take(COMMIT_DIGITS).collect();
        if version.dirty {
            version.label.push_str("-dirty");
        }
    }
    let (servers, sets) = (rooted(&servers, &root), rooted_sets(&sets, &root));
    Ok(Checkout { version, servers, sets, root, note })
}

/// A server's definition with another executable, which is built already.
fn of_binary(arm: &Arm, binary: &Path, here: Workspace<'_>) -> Result<Checkout> {
    let binary = binary
        .canonicalize()
        .with_context(|| format!("failed to find the executable {}", binary.display()))?;
    ensure!(binary.is_file(), "{} is no file", binary.display());
    let name = binary.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut servers = rooted(&here.spec.servers, here.root);
    for server in &mut servers {
        let own = server.run.first().cloned();
        let path = binary.display().to_string();
        server.build.clear();
        server.needs.clear();
        server.toolchain = None;
        for words in [&mut server.run, &mut server.version] {
            if let Some(first) = words.first_mut().filter(|first| Some(&**first) == own.as_ref()) {
                first.clone_from(&path);
            }
        }
    }
    let version = Version { commit: None, dirty: false, ..version(arm, here.root, name) };
    Ok(Checkout { version, root: here.root.to_owned(), servers, sets: vec![], note: None })
}

fn version(arm: &Arm, root: &Path, label: String) -> Version {
    let (commit, dirty) = crate::host::commit(root);
    Version { given: arm.given.clone(), label, commit, dirty }
}

fn rooted(servers: &[Server], root: &Path) -> Vec<Server> {
    let rooted = |server: &Server| Server { root: Some(root.to_owned()), ..server.clone() };
    servers.iter().map(rooted).collect()
}

fn rooted_sets(sets: &[ProgramSet], root: &Path) -> Vec<ProgramSet> {
    let rooted = |set: &ProgramSet| ProgramSet { root: Some(root.to_owned()), ..set.clone() };
    sets.iter().map(rooted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arms() {
        let check = |given: &str, want: Option<(Origin, Option<&str>)>| {
            let got = given.parse::<Arm>().ok().map(|arm| (arm.origin, arm.name));
            assert_eq!(got, want.map(|(o, s)| (o, s.map(str::to_owned))), "{given}");
        };
        let folder = |path: &str| Origin::Folder(path.into());
        check("server:mine", Some((Origin::Server, Some("mine"))));
        check("set:mine", Some((Origin::Set, Some("mine"))));
        check("git:origin/main", Some((Origin::Git("origin/main".into()), None)));
        check("git:HEAD~1:mine", Some((Origin::Git("HEAD~1".into()), Some("mine"))));
        check("dir:.", Some((folder("."), None)));
        check("dir:.:mine", Some((folder("."), Some("mine"))));
        check("bin:/no/such:mine", Some((Origin::Binary("/no/such".into()), Some("mine"))));
        check("baseline:v1", Some((Origin::Baseline("v1".into()), None)));
        for wrong in
            ["", "mine", "git:", "server:", "set:", "dir:.:", "svn:trunk", "/no/such/folder"]
        {
            check(wrong, None);
        }
    }

    #[test]
    fn toolchains_of_arms() {
        let check = |given: &str, want: Option<(Option<&str>, Option<&str>)>| {
            let arm = given.parse::<Arm>().ok();
            let got = arm
                .as_ref()
                .map(|arm| (arm.name.as_deref(), arm.toolchain.as_ref().map(Toolchain::name)));
            assert_eq!(got, want, "{given}");
        };
        check("server:mine@go1.27.3", Some((Some("mine"), Some("go1.27.3"))));
        check("set:mine@1.95.0", Some((Some("mine"), Some("1.95.0"))));
        check("git:main:mine@go1.27.3", Some((Some("mine"), Some("go1.27.3"))));
        check("git:HEAD@{1}", Some((None, None)));
        check("dir:.:mine@1.95.0", Some((Some("mine"), Some("1.95.0"))));
        for wrong in ["server:@go1.27.3", "server:mine@", "server:mine@..", "bin:/x:mine@1.95.0"] {
            check(wrong, None);
        }
    }
}
