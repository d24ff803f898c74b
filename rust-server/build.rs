//! Gives the sources the versions that `--version` prints: of the compiler, and of the frameworks
//! as the lock file has them.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let rustc = rustc_version()?;
    println!("cargo::rustc-env=RUSTC_VERSION={rustc}");
    let lock = match lock_file() {
        Some(path) => {
            println!("cargo::rerun-if-changed={}", path.display());
            fs::read_to_string(path)?
        }
        None => String::new(),
    };
    let mut axum = vec!["axum", "hyper", "rustls", "tokio"];
    if env::var_os("CARGO_FEATURE_MIMALLOC").is_some() {
        axum.push("mimalloc");
    }
    for (feature, packages) in [
        ("CARGO_FEATURE_BACKENDS", &["deadpool-postgres", "tokio-postgres"][..]),
        ("CARGO_FEATURE_SQLX", &["sqlx"]),
        ("CARGO_FEATURE_SERVICES", &["reqwest"]),
    ] {
        if env::var_os(feature).is_some() {
            axum.extend(packages);
        }
    }
    let stacks = [
        ("ACTIX_STACK", vec!["actix-web", "tokio"]),
        ("AXUM_STACK", axum),
        ("HYPER_STACK", vec!["hyper", "rustls", "tokio"]),
        ("TONIC_STACK", vec!["tonic", "hyper", "tokio"]),
    ];
    for (name, packages) in stacks {
        let mut stack = String::new();
        for package in packages {
            let version = locked_version(&lock, package).unwrap_or("of unknown version");
            stack += &format!("{package} {version}, ");
        }
        println!("cargo::rustc-env={name}={stack}rustc {rustc}");
    }
    Ok(())
}

/// `1.95.0` of `rustc 1.95.0 (59807616e 2026-04-14)`.
fn rustc_version() -> Result<String, Box<dyn Error>> {
    let output = Command::new(env::var("RUSTC")?).arg("--version").output()?;
    let line = String::from_utf8(output.stdout)?;
    Ok(line.split(' ').nth(1).ok_or("rustc --version printed no version")?.trim().to_owned())
}

/// The lock file of the workspace: the nearest one above this package.
fn lock_file() -> Option<PathBuf> {
    let manifest = env::var("CARGO_MANIFEST_DIR").ok()?;
    Path::new(&manifest).ancestors().map(|dir| dir.join("Cargo.lock")).find(|path| path.is_file())
}

/// The version of the package in the text of a lock file.
fn locked_version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let entry = format!("\nname = \"{package}\"\nversion = \"");
    let start = lock.find(&entry)? + entry.len();
    lock[start..].split('"').next()
}
