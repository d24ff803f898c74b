//! Where and why something failed.

use serde::{Deserialize, Serialize};

/// Where and why something failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[error("{error}")]
pub struct Failure {
    /// Where it failed.
    pub stage: Stage,
    /// The server it is about, if it is about one.
    pub server: Option<String>,
    /// What happened.
    pub error: String,
    /// The last lines the server wrote to standard error.
    #[serde(default)]
    pub stderr: Vec<String>,
}

/// The stages of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Building the server.
    Build,
    /// Starting it, until it says that it listens.
    Start,
    /// Comparing its responses with the expected ones.
    Verify,
    /// Starting a service that it needs.
    Service,
    /// Opening connections, warming up, driving windows.
    Drive,
    /// Comparing what services counted with what its responses need.
    Work,
    /// Stopping it.
    Stop,
    /// Running a program to its end, within its limits.
    Run,
    /// Comparing the outputs of two programs where none is expected: one of them is wrong, and
    /// which is not known.
    Agree,
}
