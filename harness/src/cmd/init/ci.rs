//! What runs the gate in CI: a workflow for GitHub, a job for GitLab, a script for any other.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::ValueEnum;

use super::words;
use crate::cmd::exit::UsageError;
use crate::cmd::folders::shown;

/// The job for GitLab that the project's documents tell to copy.
const GITLAB: &str = include_str!("../../../../.ci/gitlab-gate.yml");

/// What carries out the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Ci {
    /// .github/workflows/duet.yml
    Github,
    /// .gitlab-ci.yml; where there is one, .gitlab/duet.yml to include
    Gitlab,
    /// gate.sh beside the definitions
    Plain,
}

/// Where the definitions lie.
#[derive(Debug)]
pub(super) struct Place {
    /// The root of the repository; the folder above the definitions where there is none.
    top: PathBuf,
    /// The folder above the definitions, absolute.
    root: PathBuf,
    /// The same, relative to the root of the repository: empty, or `services/shop`.
    below: PathBuf,
    /// The folder of definitions as it was given.
    bench: PathBuf,
}

impl Place {
    /// Looks for the repository upwards of `root`, the folder above the definitions. A `.git` is a
    /// folder, or in linked worktrees and submodules a file.
    pub(super) fn find(root: &Path, bench: &Path) -> Self {
        let top = root.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(root);
        let below = root.strip_prefix(top).unwrap_or(Path::new("")).to_owned();
        let (top, root) = (top.to_owned(), root.to_owned());
        Self { top, root, below, bench: bench.to_owned() }
    }

    /// Whether the definitions lie in the root of the repository.
    fn is_top(&self) -> bool {
        self.below.as_os_str().is_empty()
    }

    /// The folder of definitions, and the version that is to be let in, relative to the root.
    fn arguments(&self) -> Result<(String, String)> {
        let bench = self.below.join(self.bench.file_name().unwrap_or_default());
        let head = if self.is_top() { Path::new(".") } else { &self.below };
        let plain = |path: &Path| {
            let text = path.to_str().filter(|text| words::is_plain_path(text));
            text.map(str::to_owned).ok_or_else(|| {
                UsageError(format!(
                    "no workflow can be written for `{}`: only letters, digits and - . _ / are \
                     safe in one; rename the folder, or leave --ci out",
                    path.display()
                ))
            })
        };
        Ok((plain(&bench)?, format!("dir:{}", plain(head)?)))
    }

    /// The command that compares a change in the working directory.
    pub(super) fn command(&self) -> String {
        let head = shown(&self.root);
        if self.bench == Path::new("bench") {
            return "duet gate --base git:HEAD".to_owned();
        }
        let head = if head.is_empty() { "." } else { &head };
        let (bench, head) = (self.bench.display().to_string(), format!("dir:{head}"));
        let words = ["duet", "gate", "--base", "git:HEAD", "--bench", &bench, "--head", &head];
        shell_words::join(words)
    }
}

/// What is written for CI.
#[derive(Debug)]
pub(super) struct Job {
    /// The file.
    pub(super) path: PathBuf,
    /// Its text.
    pub(super) text: String,
    /// What the user does with it.
    pub(super) next: String,
}

/// What gates changes of a server.
///
/// # Errors
/// A [`UsageError`] when it is not said where CI gets Duet, or a folder's name fits in no workflow.
pub(super) fn job(ci: Ci, name: &str, duet: Option<&str>, place: &Place) -> Result<Job> {
    // Several folders of a repository can have a server each.
    let file = if place.is_top() { "duet.yml".to_owned() } else { format!("duet-{name}.yml") };
    match ci {
        Ci::Github => {
            let (bench, head) = place.arguments()?;
            let what = "--ci github needs --duet OWNER/REPOSITORY@VERSION";
            let action = given(duet, what, words::action)?;
            let path = place.top.join(".github/workflows").join(file);
            let next = "Pull requests are gated once the workflow is on their target branch.";
            Ok(Job { path, text: github(&action, name, place, &bench, &head), next: next.into() })
        }
        Ci::Gitlab => {
            let (bench, head) = place.arguments()?;
            let (url, version) = given(duet, "--ci gitlab needs --duet URL@VERSION", words::url)?;
            let text = gitlab(&url, &version, (!place.is_top()).then_some(name), &bench, &head);
            let whole = place.top.join(".gitlab-ci.yml");
            if !whole.exists() {
                let next = "Merge requests are gated from now on.".to_owned();
                return Ok(Job { path: whole, text, next });
            }
            let next = format!(
                "GitLab reads .gitlab-ci.yml alone. Add to it: include: \
                 [{{local: .gitlab/{file}}}]"
            );
            Ok(Job { path: place.top.join(".gitlab").join(file), text, next })
        }
        Ci::Plain => {
            if duet.is_some() {
                let message =
                    "--duet is for GitHub and GitLab: the script takes `duet` of the PATH";
                bail!(UsageError(message.to_owned()));
            }
            let path = place.bench.join("gate.sh");
            let next = format!("In CI: sh {} BASE, such as origin/main.", shown(&path));
            Ok(Job { path, text: plain(place), next })
        }
    }
}

/// Where CI gets Duet.
fn given<T>(
    duet: Option<&str>,
    what: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<T> {
    let Some(duet) = duet else { bail!(UsageError(format!("{what}: where CI gets Duet"))) };
    Ok(parse(duet).map_err(|reason| UsageError(format!("--duet {duet}: {reason}")))?)
}

/// The workflow that gates pull requests. Workflows run in the root of the repository, and are
/// found nowhere else.
fn github(action: &str, name: &str, place: &Place, bench: &str, head: &str) -> String {
    let (title, head) = match place.is_top() {
        true => ("Performance".to_owned(), String::new()),
        false => (format!("Performance of {name}"), format!("\x20         head: {head}\n")),
    };
    format!(
        "# Compares each pull request with the branch it is for, and fails on a regression.\n\
         name: {title}\n\
         on: pull_request\n\
         permissions:\n\
         \x20 contents: read\n\
         jobs:\n\
         \x20 gate:\n\
         \x20   runs-on: ubuntu-latest\n\
         \x20   timeout-minutes: 60\n\
         \x20   steps:\n\
         \x20     - uses: actions/checkout@v4\n\
         \x20       with:\n\
         \x20         # The base is checked out from the history.\n\
         \x20         fetch-depth: 0\n\
         \x20     # Here: what the server's build needs beside what the runner has.\n\
         \x20     - uses: {action}\n\
         \x20       with:\n\
         \x20         bench: {bench}\n\
         {head}"
    )
}

/// The job that gates merge requests: the one to copy, with its blanks filled in. With a `name` it
/// is a job beside others.
fn gitlab(url: &str, version: &str, name: Option<&str>, bench: &str, head: &str) -> String {
    let job = name.map_or_else(|| "gate:\n".to_owned(), |name| format!("gate-{name}:\n"));
    let text = GITLAB.lines().skip_while(|line| line.starts_with('#'));
    let text: String = text.map(|line| format!("{line}\n")).collect();
    let text = BLANKS
        .iter()
        .zip([&job, url, version])
        .fold(text, |text, (blank, filled)| text.replacen(blank, filled, 1));
    let text = text.replacen(ARGUMENTS, &format!("--bench {bench} --head {head}"), 1);
    format!("# Compares each merge request with its target, and fails on a regression.\n{text}")
}

/// What [`gitlab`] fills in: the job's name, where Duet is, and its version.
const BLANKS: [&str; 3] = ["gate:\n", "https://git.example/someone/duet", "v0.1.0"];

/// The arguments of the gate that name the version to be let in.
const ARGUMENTS: &str = "--head dir:.";

/// The script for everything else. It moves to the folder above the definitions, so that its
/// caller's working directory does not matter.
fn plain(place: &Place) -> String {
    let bench = place.bench.file_name().unwrap_or_default().to_string_lossy();
    let bench = shell_words::quote(&bench);
    format!(
        "#!/bin/sh\n\
         # Compares what is on the disk with BASE, such as origin/main; its history must be here.\n\
         # Ends with 0 PASS, 1 REGRESSED, 2 wrong definitions, 3 INCONCLUSIVE, 4 could not\n\
         # measure here, 5 a server failed. DUET is the program; without it, `duet` of the PATH.\n\
         set -eu\n\
         if [ $# != 1 ]; then\n\
         \x20 echo \"usage: $0 BASE, such as origin/main\" >&2\n\
         \x20 exit 2\n\
         fi\n\
         cd \"$(dirname \"$0\")/..\"\n\
         exec \"${{DUET:-duet}}\" gate --bench {bench} --base \"git:$1\" --head dir:. \\\n\
         \x20 --junit results/gate/junit.xml\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The job to copy has every blank that is filled in.
    #[test]
    fn the_job_for_gitlab() {
        for blank in BLANKS.into_iter().chain([ARGUMENTS]) {
            assert!(GITLAB.contains(blank), "{blank}");
        }
        let text = gitlab("https://x.example/d", "v9", Some("shop"), "a/bench", "dir:a");
        for want in [
            "\ngate-shop:\n",
            "DUET_REPOSITORY: https://x.example/d\n",
            "DUET_VERSION: v9\n",
            "duet gate --base git:FETCH_HEAD --bench a/bench --head dir:a --out",
        ] {
            assert!(text.contains(want), "no {want} in\n{text}");
        }
        assert!(!text.contains("Copy it"), "{text}");
    }
}
