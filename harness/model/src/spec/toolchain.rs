//! Toolchains: compilers that builds ask for by name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest name. Those of rustup's nightlies with their platform have about 45 characters.
const LONGEST: usize = 64;

/// A compiler of a certain version, as its installer names it: `go1.27.3`, `1.95.0`. Part of what a
/// server or a set is: the same source built with another one is another executable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Toolchain(String);

impl Toolchain {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Whether it is one of Go: their names begin with `go` and a digit (go.dev/doc/toolchain).
    /// All others are rustup's.
    #[must_use]
    pub fn is_go(&self) -> bool {
        let version = self.0.strip_prefix("go");
        version.is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()))
    }

    /// The environment variable by which the build is told the name: `GOTOOLCHAIN` of the go
    /// command (go.dev/doc/toolchain), `RUSTUP_TOOLCHAIN` of rustup's cargo (rust-lang.github.io/
    /// rustup/overrides.html).
    #[must_use]
    pub fn variable(&self) -> &'static str {
        if self.is_go() { "GOTOOLCHAIN" } else { "RUSTUP_TOOLCHAIN" }
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Toolchain {
    type Err = String;

    /// # Errors
    /// What is wrong with the name, and how it is written. It becomes the name of a folder, and
    /// Go's `go1.27.3+auto` would let the build choose.
    fn from_str(name: &str) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        if !begins || name.len() > LONGEST || !name.chars().all(allowed) {
            return Err(format!(
                "{name:?} is no name of a toolchain: write `go1.27.3` as Go names them, or \
                 `1.95.0` or `nightly-2026-11-01` as rustup does"
            ));
        }
        Ok(Self(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toolchains() {
        let check = |name: &str, want: Option<&str>| {
            let toolchain = name.parse::<Toolchain>().ok();
            assert_eq!(toolchain.as_ref().map(Toolchain::variable), want, "{name:?}");
        };
        check("go1.27.3", Some("GOTOOLCHAIN"));
        check("go1.28rc1", Some("GOTOOLCHAIN"));
        check("1.95.0", Some("RUSTUP_TOOLCHAIN"));
        check("nightly-2026-11-01-x86_64-unknown-linux-gnu", Some("RUSTUP_TOOLCHAIN"));
        check("gold", Some("RUSTUP_TOOLCHAIN"));
        for wrong in ["", "../up", "-1", ".", "go1.27.3+auto", "a b", &"1".repeat(65)] {
            check(wrong, None);
        }
    }
}
