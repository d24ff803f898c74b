//! What programs compute, who has programs for it, and what others have published: plain data.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::server::Lane;
use super::toolchain::Toolchain;

/// The size at which every program is checked before anything is timed.
pub const TEST_SIZE: &str = "test";

/// What a program computes, and its right outputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// Its name, unique among problems.
    pub name: String,
    /// What it computes, for reports.
    pub question: String,
    /// N by the name of the size. [`TEST_SIZE`] is always there.
    pub sizes: BTreeMap<String, u32>,
    /// The problem whose output at N is standard input; absent: nothing is read.
    #[serde(default)]
    pub input: Option<String>,
    /// Right outputs by N in digits, since keys of JSON are text. Where there is none, the arms
    /// must agree.
    #[serde(default)]
    pub outputs: BTreeMap<String, Output>,
    /// By how much numbers in the output may differ; absent: outputs are equal byte for byte.
    #[serde(default)]
    pub within: Option<f64>,
    /// What N counts, where that is what the program holds at once: `task`. Its memory per unit is
    /// then measured, from a run at [`Problem::BASE_N`] besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

impl Problem {
    /// The N of the run whose peak memory is taken off, where N counts units.
    pub const BASE_N: u32 = 1;
}

/// A right output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// A file, relative to the folder of definitions.
    File(String),
    /// The SHA-256 of the output in hexadecimal digits.
    Sha256(String),
}

/// The programs of one language and lane: one per problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ProgramSet {
    /// Its name, unique among sets and servers.
    pub name: String,
    /// The language they are written in.
    pub language: String,
    /// The lanes they may be ranked in.
    pub lanes: Vec<Lane>,
    /// One sentence for reports.
    pub summary: String,
    /// Programs that must be on the PATH before they can be built.
    #[serde(default)]
    pub needs: Vec<String>,
    /// As [`Server::toolchain`](super::Server::toolchain).
    #[serde(default)]
    pub toolchain: Option<Toolchain>,
    /// The command that builds all of them; as [`Server::build`].
    #[serde(default)]
    pub build: Vec<String>,
    /// As [`Server::build_cache`].
    #[serde(default)]
    pub build_cache: BTreeMap<String, String>,
    /// As [`Server::shared_cache`](super::Server::shared_cache).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shared_cache: BTreeMap<String, String>,
    /// Environment variables of the build beside those: the compiler's flags.
    #[serde(default)]
    pub build_env: BTreeMap<String, String>,
    /// What its programs ask of the CPU, by architecture: features as `/proc/cpuinfo` names them,
    /// with spaces between. Where one is missing, the set is left out and the report says so.
    #[serde(default)]
    pub needs_cpu: BTreeMap<String, String>,
    /// The command that prints the compiler's version line.
    pub version: Vec<String>,
    /// The command that runs one; `{problem}`, `{lane}` and `{n}` are filled in. Its first word is
    /// the binary.
    pub run: Vec<String>,
    /// The source of one, relative to the folder above the definitions; `{problem}` and `{lane}`
    /// are filled in.
    pub source: String,
    /// Modules that the set's programs share, which are no foreign crates.
    #[serde(default)]
    pub own: Vec<String>,
    /// The problems it has a program of its own for.
    pub problems: Vec<String>,
    /// Problems for which it builds the source of another lane with its own flags, and that lane.
    #[serde(default)]
    pub borrows: BTreeMap<String, Lane>,
    /// The set whose programs it uses for all other problems.
    #[serde(default)]
    pub rest: Option<String>,
    /// As [`Server::root`](super::Server::root).
    #[serde(skip)]
    pub root: Option<PathBuf>,
}

/// Figures that others published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// When.
    pub date: String,
    /// Versions and machine, for reports.
    pub about: String,
    /// The languages compared; the numbers of a row are in this order.
    pub languages: Vec<String>,
    /// A row per problem.
    pub rows: Vec<PublishedRow>,
}

/// Published figures of one problem, of the fastest program of each language.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PublishedRow {
    /// The problem.
    pub problem: String,
    /// Elapsed seconds.
    pub secs: Vec<f64>,
    /// Peak memory in kilobytes.
    #[serde(default)]
    pub mem_kb: Option<Vec<f64>>,
    /// Source size as the site counts it.
    #[serde(default)]
    pub gz_bytes: Option<Vec<f64>>,
    /// Seconds for which the cores were busy, all of them together.
    #[serde(default)]
    pub busy_secs: Option<Vec<f64>>,
    /// How busy each core was, in per cent, as the site writes it: `87 86 86 98`.
    #[serde(default)]
    pub cpu_load: Option<Vec<String>>,
    /// Elapsed seconds of the fastest programs without intrinsics, `unsafe` and C libraries.
    #[serde(default)]
    pub plain_secs: Option<Vec<f64>>,
    /// The figure of the article that shows the row; absent: it left the row out.
    #[serde(default)]
    pub figure: Option<String>,
    /// What the fastest programs owe their speed to.
    #[serde(default)]
    pub note: Option<String>,
}

impl ProgramSet {
    /// Whether it builds a program for a problem, from whatever source.
    #[must_use]
    pub fn builds(&self, problem: &str) -> bool {
        self.borrows.contains_key(problem) || self.problems.iter().any(|own| own == problem)
    }

    /// The path of a problem's source.
    #[must_use]
    pub fn source_of(&self, problem: &str) -> String {
        self.fill(&self.source, problem)
    }

    /// The command that runs a problem's program at N.
    #[must_use]
    pub fn command(&self, problem: &str, n: u32) -> Vec<String> {
        let n = n.to_string();
        self.run.iter().map(|word| self.fill(word, problem).replace("{n}", &n)).collect()
    }

    /// Fills in the problem and the lane that its source is from.
    fn fill(&self, word: &str, problem: &str) -> String {
        let lane = self.borrows.get(problem).or(self.lanes.first()).map_or("", Lane::name);
        word.replace("{problem}", problem).replace("{lane}", lane)
    }
}
