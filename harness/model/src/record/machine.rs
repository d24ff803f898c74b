//! What a record says of the machine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The machine, as far as it says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// CPUs this process may use.
    pub cpus: usize,
    /// Installed memory.
    pub memory_bytes: u64,
    /// Kernel name and release.
    pub kernel: String,
    /// The operating system's name, from os-release.
    pub os: String,
    /// The hypervisor, if the processor reports one.
    pub hypervisor: Option<String>,
    /// What servers are measured and ended by where control groups of duet's own can be made:
    /// `cgroup v1`, `cgroup v2`; absent where none can, and in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<String>,
    /// Versions of tools that matter, by name (`rustc`, `go`).
    pub tools: BTreeMap<String, String>,
}

/// What was found of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// What was looked at: `stolen time`.
    pub name: String,
    /// How bad it is.
    pub level: FindingLevel,
    /// What was found: `3.1 % of all CPU time since boot`.
    pub found: String,
    /// What it does to a measurement.
    pub effect: String,
    /// What to do about it.
    pub hint: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FindingLevel {
    /// As it should be.
    Good,
    /// Widens intervals or limits what can be measured.
    Warning,
    /// Nothing can be measured here.
    Unfit,
}
