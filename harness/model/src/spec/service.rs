//! Services: what servers need beside themselves, such as a database.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a server needs beside itself. The harness starts it, fills it, hands its address to
/// servers, checks what they did there, and stops it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Its name, unique among services; servers are told of it by `{service.NAME}`.
    pub name: String,
    /// What it is.
    pub kind: ServiceKind,
    /// How often it is started.
    #[serde(default)]
    pub per: ServicePer,
    /// Of a PostgreSQL: where it listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen: Option<Listen>,
    /// Of a PostgreSQL: the file of SQL, relative to the definitions, that fills a database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<String>,
    /// Of a PostgreSQL: files whose lines become rows after the seed, by table. The first column is
    /// the line's number from 1, the second its text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rows: BTreeMap<String, String>,
    /// Of a command: the command that starts it; `{addr}`, `{host}` and `{port}` are filled in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub run: Vec<String>,
    /// Of a command: the path that is answered with status 200 when it is ready; absent: it is
    /// ready when it accepts connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<String>,
    /// How long it may take until it is ready, in seconds; absent: [`Self::START_LIMIT_S`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_limit_s: Option<u32>,
}

/// What a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ServiceKind {
    /// A PostgreSQL of this machine, with a database for each arm.
    Postgres,
    /// The harness's own HTTP server of delays and nonces, one for each arm.
    Upstream,
    /// Any other program that listens at a TCP port.
    Command,
}

/// How often a service is started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ServicePer {
    /// Once, for all blocks of a run.
    #[default]
    Run,
    /// Afresh for every block.
    Block,
}

/// Where a database listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Listen {
    /// At a Unix socket.
    Unix,
    /// At a TCP port of the loopback interface.
    Tcp,
}

impl Service {
    /// How long a service may take to start, in seconds, where its definition does not say.
    pub const START_LIMIT_S: u32 = 30;

    /// How long it may take to start.
    #[must_use]
    pub fn start_limit(&self) -> Duration {
        Duration::from_secs(self.start_limit_s.unwrap_or(Self::START_LIMIT_S).into())
    }

    /// The placeholder by which servers are told of it.
    #[must_use]
    pub fn placeholder(name: &str) -> String {
        format!("{{service.{name}}}")
    }
}

/// How a server is told of a service or an option.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ServiceArgs {
    /// Arguments added to the server's command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Environment variables added to the server's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
}

/// What a request does in a database. The harness proves it by the database's own counters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DatabaseWork {
    /// Transactions that are committed (`xact_commit` of pg_stat_database).
    pub transactions: u32,
    /// Rows and index entries that are read, at least (`tup_returned`).
    #[serde(default)]
    pub rows_read: u32,
    /// Rows that are inserted or updated (`tup_inserted + tup_updated`).
    #[serde(default)]
    pub rows_written: u32,
    /// A query that returns the rows that no sequence of these requests leaves behind. It must
    /// return none after a block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid: Option<String>,
}
