//! The same sources in another layout. Which functions share a cache line or a page is decided by
//! the linker, changes with every edit, and can make a server some percent faster or slower
//! (Mytkowicz et al., "Producing wrong data without doing anything obviously wrong!", 2009). A
//! version against itself, linked once more in another order, shows how much that is here.

use std::env;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::versions::{self, Checkout, Workspace};
use duet_model::spec::{Server, laid_out};

/// What links a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Linker {
    /// Cargo passes on what a variable says.
    Cargo,
    /// So does Go's.
    Go,
}

/// A copy of a version's sources, in a place of its own, whose server `named` is laid out otherwise
/// by each `seed`. Cargo is told to have the linker shuffle sections, of which each function is one
/// (lld and mold can); Go to shuffle functions (`-randlayout`, since 1.22).
///
/// # Errors
/// For a server that neither cargo nor go builds, and when the sources cannot be copied.
pub fn relinked(
    checkout: &Checkout,
    named: &str,
    seed: u32,
    here: Workspace<'_>,
) -> Result<Checkout> {
    let root = versions::copied(&checkout.root, "-relinked", here)
        .context("failed to copy the sources")?;
    let Some(server) = checkout.servers.iter().find(|server| server.name == named) else {
        bail!("`{named}` is no server, and only servers are linked once more");
    };
    let build = build(server, seed, |name| env::var(name).ok())?;
    let server = Server { build, root: Some(root.clone()), ..server.clone() };
    Ok(Checkout { servers: vec![server], sets: vec![], root, ..checkout.clone() })
}

/// The command that builds a server in another layout: as its table says by `{layout}`, or by what
/// is known of its tool. Flags that the environment or the command has stay in force.
fn build(
    server: &Server,
    seed: u32,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Vec<String>> {
    let seed = seed.max(1);
    let told = laid_out(&server.build, Some(seed));
    if told != laid_out(&server.build, None) {
        return Ok(told);
    }
    let with = |name: &str, flag: &str| {
        let flags = variable(name).map_or_else(|| flag.to_owned(), |own| format!("{own} {flag}"));
        [vec!["env".to_owned(), format!("{name}={flags}")], server.build.clone()].concat()
    };
    Ok(match linker(&server.build) {
        Some(Linker::Cargo) => {
            let flag = format!("-Clink-arg=-Wl,--shuffle-sections=*={seed}");
            // Cargo takes the first of the two that is there.
            let flags = ["RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS"];
            let name = flags.into_iter().find(|name| variable(name).is_some());
            with(name.unwrap_or("CARGO_BUILD_RUSTFLAGS"), &flag)
        }
        Some(Linker::Go) => {
            let flag = format!("-randlayout={seed}");
            let own = server.build.iter().position(|word| word.starts_with("-ldflags"));
            let mut build = server.build.clone();
            match own {
                // In a variable it would lose against the command's own.
                Some(i) if build[i] == "-ldflags" && i + 1 < build.len() => {
                    build[i + 1].push_str(&format!(" {flag}"));
                    build
                }
                Some(i) => {
                    build[i].push_str(&format!(" {flag}"));
                    build
                }
                None => with("GOFLAGS", &format!("-ldflags={flag}")),
            }
        }
        None => bail!(
            "`{}` is built by neither cargo nor go (`{}`), and nothing else is known to link the \
             same sources in another order: leave --relink out",
            server.name,
            server.build.join(" ")
        ),
    })
}

/// What links the server that a command builds, be it by a shell.
fn linker(build: &[String]) -> Option<Linker> {
    let words = build.iter().flat_map(|word| word.split_whitespace());
    let names = words.filter_map(|word| Path::new(word).file_name()?.to_str());
    names
        .filter_map(|name| match name {
            "cargo" => Some(Linker::Cargo),
            "go" => Some(Linker::Go),
            _ => None,
        })
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_in_another_layout() {
        let check = |command: &str, own: &[(&str, &str)], want: Option<&str>| {
            let words = |text: &str| text.split('|').map(str::to_owned).collect::<Vec<_>>();
            let server = Server { build: words(command), ..Server::default() };
            let own = |name: &str| {
                own.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(build(&server, 7, own).ok(), want.map(words), "{command}");
        };
        let shuffle = "-Clink-arg=-Wl,--shuffle-sections=*=7";
        check(
            "cargo|build",
            &[],
            Some(&format!("env|CARGO_BUILD_RUSTFLAGS={shuffle}|cargo|build")),
        );
        check(
            "cargo|build",
            &[("RUSTFLAGS", "-Cx")],
            Some(&format!("env|RUSTFLAGS=-Cx {shuffle}|cargo|build")),
        );
        check("x|--order={layout}|y", &[("RUSTFLAGS", "-Cx")], Some("x|--order=7|y"));
        check("go|build", &[], Some("env|GOFLAGS=-ldflags=-randlayout=7|go|build"));
        check("go|build|-ldflags=-s|.", &[], Some("go|build|-ldflags=-s -randlayout=7|."));
        check("go|build|-ldflags|-s -w", &[], Some("go|build|-ldflags|-s -w -randlayout=7"));
        check(
            "sh|-c|cd x && /usr/bin/go build",
            &[("GOFLAGS", "-v")],
            Some("env|GOFLAGS=-v -ldflags=-randlayout=7|sh|-c|cd x && /usr/bin/go build"),
        );
        check("make|all", &[], None);
    }
}
