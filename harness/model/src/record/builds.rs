//! The record of `duet builds`: `builds.json`, replaced whole whenever something more is known.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::machine::Machine;

/// The version of `builds.json`; raised when a reader of the old format would be wrong.
pub const BUILDS_SCHEMA: u32 = 1;

/// The file name of the record of builds within a run's folder.
pub const BUILDS_FILE_NAME: &str = "builds.json";

/// How long builds took, where and with what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BuildsRecord {
    /// [`BUILDS_SCHEMA`] of the writer.
    pub schema: u32,
    /// The harness's version.
    pub duet_version: String,
    /// The command line, without the path of the binary.
    pub command: Vec<String>,
    /// When it began, in seconds since 1970 (UTC).
    pub started_unix_s: u64,
    /// The commit of the sources, if they are in a git repository.
    pub commit: Option<String>,
    /// Whether there were uncommitted changes, which were built too.
    pub dirty: bool,
    /// The machine.
    pub machine: Machine,
    /// How often each build was to be timed.
    pub rounds: u32,
    /// The signal that interrupted it (2 or 15), if one did.
    pub interrupted: Option<i32>,
    /// What was built, in the definitions' order.
    pub servers: Vec<ServerBuilds>,
}

/// The builds of a server, by the command of its table: a release build. Times are of one build
/// each, in the order of measuring, in nanoseconds; the sources of dependencies are at hand.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ServerBuilds {
    /// Its name.
    pub server: String,
    /// Its language.
    pub language: String,
    /// Its version line.
    pub version: Option<String>,
    /// As in the record of a run: what the compiler says that its table names.
    pub toolchain_version: Option<String>,
    /// With empty build caches and no executable. What the compiler does not bring compiled of the
    /// standard library is compiled too.
    pub clean_ns: Vec<u64>,
    /// The same with the standard library in the caches; empty where the table has no `std_build`.
    pub clean_std_compiled_ns: Vec<u64>,
    /// After a build, with nothing changed.
    pub no_op_ns: Vec<u64>,
    /// After the edit of the table, until the build ended; empty where there is none.
    pub edit_build_ns: Vec<u64>,
    /// After the same edit, until the new executable had given its first valid response.
    pub edit_response_ns: Vec<u64>,
    /// The size of its executable.
    pub binary_bytes: Option<u64>,
    /// The same without its symbol table and debugging information.
    pub stripped_bytes: Option<u64>,
    /// Of how many other modules or crates it is built; absent where the table does not say how to
    /// find out.
    pub dependencies: Option<u32>,
    /// Lines of their sources that hold more than white space and comments. Whole modules or
    /// crates, whatever is used of them, without tests, benchmarks and examples.
    pub dependency_lines: Option<u64>,
    /// Why it cannot be built, or not as often as it should have been.
    pub failure: Option<Failure>,
}

/// The record of builds in a folder; absent where there is none.
///
/// # Errors
/// When it cannot be read, or was written by a newer program.
pub fn read_builds(folder: &Path) -> Result<Option<BuildsRecord>> {
    let path = folder.join(BUILDS_FILE_NAME);
    if !path.is_file() {
        return Ok(None);
    }
    let read = || -> Result<BuildsRecord> {
        let record: BuildsRecord = serde_json::from_slice(&fs::read(&path)?)?;
        let schema = record.schema;
        ensure!(schema == BUILDS_SCHEMA, "it has schema {schema}, this program reads schema 1");
        Ok(record)
    };
    read().map(Some).with_context(|| format!("failed to read {}", path.display()))
}
