//! Workloads: requests and the expected responses.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::service::DatabaseWork;

/// What is asked of a server, and the right answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Its name, unique among workloads.
    pub name: String,
    /// The question it answers, for reports.
    pub question: String,
    /// The kind of work, which has one vote in means over cells however many workloads are of it;
    /// absent: a kind of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Whether every request is sent on a connection of its own.
    #[serde(default)]
    pub churn: bool,
    /// Requests and their right answers, at least one. They are sent in a seeded order.
    pub cases: Vec<Case>,
    /// Right answers of servers that cannot give the workload's own, by server. A matchup of
    /// servers with different answers is measured, and the report says that the work differs.
    #[serde(default)]
    pub responses: BTreeMap<String, ExpectedResponse>,
    /// The services that its servers need, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    /// What each request does in the database among its services; absent: it is not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseWork>,
    /// The file the cases were read from, relative to the definitions; absent for an inline case.
    #[serde(default)]
    pub source: Option<String>,
}

/// A request and its right answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The request's method.
    pub method: String,
    /// The request's target: path and query.
    pub path: String,
    /// Request headers beside `Host`, `Content-Length`, `Transfer-Encoding` and `Connection`.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The request's body.
    #[serde(default)]
    pub body: Option<String>,
    /// Whether the body is sent chunked instead of with its length.
    #[serde(default)]
    pub chunked: bool,
    /// Calls that a server makes to its upstream service for it; absent: it is not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_calls: Option<u32>,
    /// The shortest time in which a response can be valid, in milliseconds, since the server must
    /// wait so long. With several `upstream_calls`, also how long each of them takes: they are made
    /// at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least_ms: Option<u32>,
    /// Whether its responses are checked and counted, and their times are not: it is the work
    /// beside which the other cases are timed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub untimed: bool,
    /// The right answer.
    pub expect: ExpectedResponse,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// The right answer to a request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ExpectedResponse {
    /// The status code.
    pub status: u16,
    /// The exact value of `Content-Type`; absent: not checked.
    #[serde(default)]
    pub content_type: Option<String>,
    /// The exact body.
    pub body: String,
}

impl Workload {
    /// The right answer of `server` to `case`.
    #[must_use]
    pub fn answer<'a>(&'a self, case: &'a Case, server: &str) -> &'a ExpectedResponse {
        self.responses.get(server).unwrap_or(&case.expect)
    }
}
