//! The git command.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Variables that lead git to another repository, index or configuration than those of its folder,
/// as hooks have them: what `git rev-parse --local-env-vars` prints, and the namespace, but for
/// GIT_CONFIG_COUNT, by which users say which folders are safe. Neither git nor builds get them.
pub(crate) const LOCAL_VARIABLES: [&str; 15] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_GRAFT_FILE",
    "GIT_INDEX_FILE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_REPLACE_REF_BASE",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
];

/// Settings of a repository that would run its programs: hooks and the file watcher.
const NO_PROGRAMS: [&str; 4] = ["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"];

/// What git prints, without the white space around it. What is no UTF-8 is replaced.
///
/// # Errors
/// When git is not installed, or refuses; in its own words.
pub(crate) fn git<S: AsRef<OsStr>>(folder: &Path, arguments: &[S]) -> Result<String> {
    Ok(String::from_utf8_lossy(&bytes(folder, arguments, &[])?).trim().to_owned())
}

/// What git prints, as it is, with these environment variables.
///
/// # Errors
/// As [`git`].
pub(crate) fn bytes<S: AsRef<OsStr>>(
    folder: &Path,
    arguments: &[S],
    environment: &[(&str, &Path)],
) -> Result<Vec<u8>> {
    let mut command = Command::new("git");
    command.args(NO_PROGRAMS).arg("-C").arg(folder).args(arguments);
    for name in LOCAL_VARIABLES {
        command.env_remove(name);
    }
    // Where git would ask for a password, nobody is there.
    command.env("GIT_TERMINAL_PROMPT", "0").envs(environment.iter().copied());
    let output = command.output().context("failed to start git: is it installed?")?;
    let words: Vec<_> = arguments.iter().map(|word| word.as_ref().to_string_lossy()).collect();
    let message = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "git {}: {}", words.join(" "), message.trim());
    Ok(output.stdout)
}

/// Paths that git printed with `-z`.
pub(crate) fn paths(printed: &[u8]) -> impl Iterator<Item = &Path> {
    use std::os::unix::ffi::OsStrExt;
    let names = printed.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names.map(|name| Path::new(OsStr::from_bytes(name)))
}
