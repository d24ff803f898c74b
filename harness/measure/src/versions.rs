//! Versions of servers and programs: where the arms of a comparison come from, and how they get
//! onto this disk.
//!
//! An arm is written `server:NAME`, `set:NAME`, `git:REF[:NAME]`, `dir:PATH[:NAME]`,
//! `bin:PATH[:SERVER]`, `baseline:NAME` or as the folder of a run. A name may have `@TOOLCHAIN`
//! behind it: the same sources, built by that compiler. A version brings its own definitions, since
//! the way it is built and started, and what it promises, belong to it.
//!
//! Commits and folders are built in places of their own (`places`), as if each stood alone.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::git::git;
use duet_model::record::Version;
use duet_model::spec::{ProgramSet, Server, Spec};

mod arm;
pub(crate) mod places;
mod sources;
mod workspace;

pub use arm::{Arm, Origin};
pub use places::{cache_folder, project_name};
use sources::Brought;
pub use workspace::Workspace;

/// Digits of a commit in a label.
const COMMIT_DIGITS: usize = 7;

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
    /// Its definitions; absent where they are those of whoever compares.
    pub spec: Option<Box<Spec>>,
    /// What the user should know of how it came here.
    pub notes: Vec<String>,
}

impl Checkout {
    /// Its definitions: its own, or where it has none those of whoever compares.
    #[must_use]
    pub fn definitions<'a>(&'a self, given: &'a Spec) -> &'a Spec {
        self.spec.as_deref().unwrap_or(given)
    }
}

/// Brings a version onto this disk, unbuilt.
///
/// # Errors
/// When there is no such commit or folder, when git refuses, when what it starts is not its own, or
/// for an arm that is a stored result and no version.
pub fn check_out(arm: &Arm, here: Workspace<'_>) -> Result<Checkout> {
    let mut checkout = match &arm.origin {
        Origin::Server | Origin::Set => in_place(arm, here)?,
        Origin::Git(reference) => of_commit(arm, &commit(reference, here.root)?, here)?,
        Origin::Folder(folder) => {
            let root = folder.canonicalize();
            let root = root.with_context(|| format!("failed to find {}", folder.display()))?;
            ensure!(root.is_dir(), "{} is no folder", root.display());
            of_folder(arm, &root, here)?
        }
        Origin::Binary(binary) => of_binary(arm, binary, here)?,
        Origin::Baseline(_) | Origin::Run(_) => {
            bail!("{} is a stored result: it cannot be measured beside another version", arm.given)
        }
    };
    if let Some(toolchain) = &arm.toolchain {
        for server in &mut checkout.servers {
            server.toolchain = Some(toolchain.clone());
        }
        for set in &mut checkout.sets {
            set.toolchain = Some(toolchain.clone());
        }
    }
    Ok(checkout)
}

/// The commit that a reference means.
///
/// # Errors
/// When there is none, with git's own words where it refuses.
pub fn commit(reference: &str, root: &Path) -> Result<String> {
    let [branch, tag] = ["refs/heads", "refs/tags"].map(|kind| format!("{kind}/{reference}"));
    let named = git(root, &["for-each-ref", "--format=%(objectname)", &branch, &tag]);
    if let Some((one, other)) = named.unwrap_or_default().split_once('\n') {
        ensure!(
            one == other,
            "`{reference}` is a branch and a tag, and each is another commit: write {branch} or \
             {tag}"
        );
    }
    let commit = format!("{reference}^{{commit}}");
    let words = ["rev-parse", "--verify", "--end-of-options", &commit];
    git(root, &words).map_err(|error| match git(root, &["rev-parse", "--git-dir"]) {
        Err(refusal) => refusal.context(format!("failed to find the commit `{reference}`")),
        Ok(_) => error.context(format!(
            "there is no commit `{reference}` in this repository: fetch it (a shallow clone in CI \
             needs its history: `fetch-depth: 0`), or name another"
        )),
    })
}

/// The commit that a folder is at, where it belongs to the repository that `root` is in.
#[must_use]
pub fn head_commit(folder: &Path, root: &Path) -> Option<String> {
    let repository = |folder: &Path| sources::project(&folder.canonicalize().ok()?).ok();
    let own = repository(folder)?;
    (repository(root)? == own).then(|| git(folder, &["rev-parse", "HEAD"]).ok())?
}

/// The commit that two have in common as their latest, and how many commits the first has that the
/// second has not.
///
/// # Errors
/// When they have none in common, as far as this repository knows.
pub fn merge_base(one: &str, other: &str, root: &Path) -> Result<(String, u32)> {
    let found = git(root, &["merge-base", one, other]).map_err(|_| {
        let shallow = git(root, &["rev-parse", "--is-shallow-repository"]);
        let cure = match shallow.is_ok_and(|shallow| shallow == "true") {
            true => "this clone is shallow: fetch its history (`fetch-depth: 0` in CI)",
            false => "compare with the tip itself: --tip",
        };
        anyhow::anyhow!("{one} and {other} have no commit in common: {cure}")
    })?;
    let beyond = git(root, &["rev-list", "--count", &format!("{found}..{one}")])?;
    Ok((found, beyond.parse().unwrap_or(0)))
}

/// Servers and programs of the definitions as they are, where they are; those of another toolchain
/// in a copy.
fn in_place(arm: &Arm, here: Workspace<'_>) -> Result<Checkout> {
    let mut version = version(arm, here.root, arm.name.clone().unwrap_or_default());
    let (mut root, mut notes) = (here.root.to_owned(), vec![]);
    if let Some(toolchain) = &arm.toolchain {
        version.label = toolchain.to_string();
        let suffix = suffix(arm);
        let brought = sources::of_folder(here.root, &suffix, &carry(here.spec), here);
        let brought =
            brought.with_context(|| format!("failed to copy the sources for {toolchain}"))?;
        (root, notes) = (brought.root, brought.notes);
    }
    let is_set = arm.origin == Origin::Set;
    let (servers, sets) = (&here.spec.servers[..], &here.spec.sets[..]);
    Ok(Checkout {
        version,
        servers: rooted(if is_set { &[] } else { servers }, &root),
        sets: rooted_sets(if is_set { sets } else { &[] }, &root),
        root,
        spec: None,
        notes,
    })
}

/// What tells the place of a version that another toolchain builds from that of the version.
fn suffix(arm: &Arm) -> String {
    arm.toolchain.as_ref().map(|toolchain| format!("-{}", toolchain.name())).unwrap_or_default()
}

fn of_commit(arm: &Arm, commit: &str, here: Workspace<'_>) -> Result<Checkout> {
    let brought = sources::of_commit(commit, &suffix(arm), &carry(here.spec), here)?;
    let mut version =
        Version { given: arm.given.clone(), commit: Some(commit.to_owned()), ..Version::default() };
    version.label = label(&version, arm, "");
    of_sources(arm, version, brought, here)
}

/// A folder with the same layout as the one above the definitions.
fn of_folder(arm: &Arm, root: &Path, here: Workspace<'_>) -> Result<Checkout> {
    let mut version = version(arm, root, String::new());
    let name = root.file_name().unwrap_or_default().to_string_lossy();
    version.label = label(&version, arm, &name);
    let brought = sources::of_folder(root, &suffix(arm), &carry(here.spec), here)?;
    of_sources(arm, version, brought, here)
}

/// What reports call a version: its commit, or else a name.
fn label(version: &Version, arm: &Arm, name: &str) -> String {
    let of_commit = |commit: &String| commit.chars().take(COMMIT_DIGITS).collect();
    let mut label: String = version.commit.as_ref().map_or_else(|| name.to_owned(), of_commit);
    if version.dirty {
        label.push_str("-dirty");
    }
    label + &suffix(arm)
}

/// A version whose sources are in their place.
fn of_sources(
    arm: &Arm,
    mut version: Version,
    brought: Brought,
    here: Workspace<'_>,
) -> Result<Checkout> {
    let Brought { root, tree_sha256, mut notes } = brought;
    version.tree_sha256 = Some(tree_sha256);
    let definitions = here.definitions.canonicalize()?;
    let below = definitions.strip_prefix(here.root).unwrap_or(Path::new("bench"));
    let spec = match duet_definitions::load(&root.join(below)) {
        Ok(spec) => Some(Box::new(spec)),
        // Without definitions that this program reads, it is built and started as this one is.
        Err(errors) => {
            let first = errors.mistakes.first().map_or("", |error| &error.problem);
            notes.push(format!(
                "the definitions of {} cannot be used ({first}): its servers and programs are \
                 built and started as the present definitions say",
                arm.given
            ));
            None
        }
    };
    let of_version = spec.as_deref().unwrap_or(here.spec);
    let (servers, sets) =
        (rooted(&of_version.servers, &root), rooted_sets(&of_version.sets, &root));
    Ok(Checkout { version, servers, sets, root, spec, notes })
}

/// The sources of a folder once more, in a place of their own that `suffix` tells from its other
/// places. Returns where the folder above the definitions is there.
pub(crate) fn copied(root: &Path, suffix: &str, here: Workspace<'_>) -> Result<PathBuf> {
    Ok(sources::of_folder(root, suffix, &carry(here.spec), here)?.root)
}

/// The ignored files that servers need, and that no version has of its own.
fn carry(spec: &Spec) -> Vec<String> {
    let mut carry: Vec<String> = spec.servers.iter().flat_map(|s| s.carry.clone()).collect();
    carry.sort();
    carry.dedup();
    carry
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
    let version = Version { given: arm.given.clone(), label: name, ..Version::default() };
    let root = here.root.to_owned();
    Ok(Checkout { version, root, servers, sets: vec![], spec: None, notes: vec![] })
}

fn version(arm: &Arm, root: &Path, label: String) -> Version {
    let (commit, dirty) = crate::host::commit(root);
    Version { given: arm.given.clone(), label, commit, dirty, ..Version::default() }
}

fn rooted(servers: &[Server], root: &Path) -> Vec<Server> {
    let rooted = |server: &Server| Server { root: Some(root.to_owned()), ..server.clone() };
    servers.iter().map(rooted).collect()
}

fn rooted_sets(sets: &[ProgramSet], root: &Path) -> Vec<ProgramSet> {
    let rooted = |set: &ProgramSet| ProgramSet { root: Some(root.to_owned()), ..set.clone() };
    sets.iter().map(rooted).collect()
}
