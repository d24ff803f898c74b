//! Gets the toolchain that a table names, and makes sure that builds get it: a variable that nobody
//! reads would leave the installed compiler in its place.

use std::path::Path;
use std::time::Duration;

use crate::command::{self, CommandError, Environment, on_path};
use duet_model::spec::Toolchain;
use duet_process::interrupt::Interrupt;

/// How long it may take to fetch one: some hundred megabytes, and who is killed meanwhile may leave
/// half of it behind.
const FETCH_LIMIT: Duration = Duration::from_secs(30 * 60);

/// What commands need in their environment to get a toolchain.
pub(crate) fn environment(toolchain: Option<&Toolchain>) -> Environment {
    toolchain.map(|one| (one.variable().to_owned(), one.name().into())).into_iter().collect()
}

/// Has a toolchain at hand, fetched where it is missing: by the go command itself, through its
/// module proxy, or by rustup where that is installed. Returns the compiler's version line.
///
/// # Errors
/// When it cannot be fetched, or another compiler answers.
pub(crate) fn provide(
    toolchain: &Toolchain,
    root: &Path,
    interrupt: &Interrupt,
) -> Result<String, CommandError> {
    let environment = environment(Some(toolchain));
    let run = |words: &[&str]| command::run(words, root, &environment, FETCH_LIMIT, interrupt);
    let (words, hint) = match toolchain.is_go() {
        true => (["go", "version"], GO_HINT),
        false => (["rustc", "--version"], RUST_HINT),
    };
    let rustup = !toolchain.is_go() && on_path("rustup");
    // One that is there is not looked for anywhere else: no network, no newer `stable`.
    let name = toolchain.name();
    if rustup && run(&["rustup", "run", name, "rustc", "--version"]).is_err() {
        interrupt.check().map_err(anyhow::Error::from)?;
        let install = ["rustup", "toolchain", "install", name, "--profile", "minimal"];
        run(&install).map_err(|error| hinted(error, hint))?;
    }
    let said = run(&words).map_err(|error| hinted(error, hint))?.concat();
    if is_version(&said, toolchain, rustup) {
        return Ok(said);
    }
    let outcome = format!("says `{said}`, which is not the toolchain `{toolchain}`: {hint}");
    Err(CommandError::Failed { command: words.join(" "), outcome, output: vec![] })
}

/// What to do where Go has no such toolchain.
const GO_HINT: &str = "Go 1.21 and newer fetch toolchains from the module proxy: is the name one \
    of go.dev/dl, and can GOPROXY be reached? Or take `toolchain` out";

/// What to do where Rust has no such toolchain.
const RUST_HINT: &str = "rustup fetches and chooses toolchains: is it installed, are its `cargo` \
    and `rustc` the first on the PATH, and can it reach its server? Or install this version by \
    other means, or take `toolchain` out";

/// The same error, with what to do about it.
fn hinted(error: CommandError, hint: &str) -> CommandError {
    match error {
        CommandError::Failed { command, outcome, output } => {
            CommandError::Failed { command, outcome: format!("{outcome}: {hint}"), output }
        }
        other => other,
    }
}

/// Whether a compiler's version line, `go version go1.27.3 linux/amd64` or `rustc 1.95.0 (...)`,
/// is that of a toolchain. What `stable` or `nightly` stand for is known to rustup alone.
fn is_version(line: &str, toolchain: &Toolchain, rustup: bool) -> bool {
    let name = toolchain.name();
    if toolchain.is_go() {
        return line.split(' ').nth(2) == Some(name);
    }
    if !name.starts_with(|c: char| c.is_ascii_digit()) {
        return rustup;
    }
    let wanted = name.split('-').next().unwrap_or_default();
    let rest = line.split(' ').nth(1).and_then(|version| version.strip_prefix(wanted));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_toolchains() {
        let check = |name: &str, line: &str, rustup: bool, want: bool| {
            let toolchain = name.parse().expect("a name");
            assert_eq!(is_version(line, &toolchain, rustup), want, "{name}: {line}");
        };
        check("go1.27.3", "go version go1.27.3 linux/amd64", false, true);
        check("go1.27.3", "go version go1.27.30 linux/amd64", false, false);
        check("go1.27.3", "go version go1.26.8 linux/amd64", false, false);
        let rust = "rustc 1.95.0 (59807616e 2026-04-14)";
        check("1.95.0", rust, false, true);
        check("1.95", rust, false, true);
        check("1.95.0-x86_64-unknown-linux-gnu", rust, true, true);
        check("1.9", rust, false, false);
        check("1.99.1", rust, true, false);
        check("stable", rust, true, true);
        check("stable", rust, false, false);
        check("1.96.0-beta.2", "rustc 1.96.0-beta.2 (0123 2026-05-01)", true, true);
    }
}
