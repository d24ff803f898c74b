//! The git command.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// What git prints. Git's own variables, as hooks have them, would lead it elsewhere.
pub(crate) fn git(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .output()
        .context("failed to start git: is it installed?")?;
    let message = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "git {}: {}", arguments.join(" "), message.trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
