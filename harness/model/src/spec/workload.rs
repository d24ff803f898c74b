//! Workloads: requests and the expected responses.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::body::GeneratedBody;
use super::entries::Entries;
use super::service::DatabaseWork;
use duet_protocol::Transport;

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
    /// How its servers are started for it, by name: each says what that is ([`Server::options`]).
    ///
    /// [`Server::options`]: super::Server::options
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// What each request does in the database among its services; absent: it is not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseWork>,
    /// The cache that is filled before a window and counted behind it; absent: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<Entries>,
    /// The workload whose requests are sent in the window in place of its own, which are sent
    /// before and after; absent: its own are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<String>,
    /// A request that is sent once when servers are verified: whether they stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub large: Option<Large>,
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
    /// The rule that makes the body, in place of [`Self::body`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_generated: Option<GeneratedBody>,
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
    /// The response is a stream of events, each of which an empty line ends; the n-th is due n
    /// times so many milliseconds after the request, and comes before the next one is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_ms: Option<u32>,
    /// The message over WebSocket that is sent on a connection which the request opens; `{seq}` in
    /// it is its number. The right answer is that it comes back. Absent: the request is HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How many connections share a room, to all of which a message comes back; `{room}` in the
    /// path is the room's number. Absent: it comes back to its sender alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<u32>,
    /// Whether its responses are checked and counted, and their times are not: it is the work
    /// beside which the other cases are timed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub untimed: bool,
    /// The right answer.
    pub expect: ExpectedResponse,
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
    #[serde(default)]
    pub body: String,
    /// The rule that makes the body, in place of [`Self::body`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_generated: Option<GeneratedBody>,
    /// Whether it comes without `Content-Length`, in chunks over HTTP/1.1; otherwise it has that
    /// header.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub chunked: bool,
    /// Whether it comes compressed (`Content-Encoding: gzip`): the body is what it inflates to, and
    /// its own bytes are the server's own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gzip: bool,
    /// The status of gRPC that its trailers end with, 0 where all is well: it comes over HTTP/2
    /// only. Absent: it is no response of gRPC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc_status: Option<u32>,
}

/// A request with a body or a response that is larger than those of the cases.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Large {
    /// The request and the expected response. If it has a body, the response's begins before the
    /// request's ends.
    pub case: Case,
    /// What the server's peak memory grows by stays below this, in MiB.
    pub rss_growth_mib: u32,
}

impl Case {
    /// How many connections each message comes back to.
    #[must_use]
    pub fn members(&self) -> u32 {
        self.members.unwrap_or(1)
    }

    /// The request's body, if it has one.
    #[must_use]
    pub fn sent_body(&self) -> Option<Cow<'_, str>> {
        let generated = self.body_generated.map(|generated| Cow::Owned(generated.text()));
        generated.or_else(|| self.body.as_deref().map(Cow::Borrowed))
    }
}

impl ExpectedResponse {
    /// How many events the body has, if it is a stream of them.
    #[must_use]
    pub fn events(&self) -> u32 {
        self.whole_body().matches("\n\n").count() as u32 // far fewer
    }

    /// The body.
    #[must_use]
    pub fn whole_body(&self) -> Cow<'_, str> {
        self.body_generated.map_or(Cow::Borrowed(&self.body), |generated| generated.text().into())
    }
}

impl Workload {
    /// The right answer of `server` to `case`.
    #[must_use]
    pub fn answer<'a>(&'a self, case: &'a Case, server: &str) -> &'a ExpectedResponse {
        self.responses.get(server).unwrap_or(&case.expect)
    }

    /// How many connections share a room, each of whom gets the messages of all; 1 where a message
    /// comes back to its sender alone. None: it is HTTP.
    #[must_use]
    pub fn members(&self) -> Option<u32> {
        self.cases.iter().find(|case| case.message.is_some()).map(Case::members)
    }

    /// Whether its requests are calls of gRPC.
    #[must_use]
    pub fn is_grpc(&self) -> bool {
        self.cases.iter().any(|case| case.expect.grpc_status.is_some())
    }

    /// Whether its requests can travel so: messages over WebSocket go over HTTP/1.1, calls of gRPC
    /// over HTTP/2.
    #[must_use]
    pub fn goes_over(&self, transport: Transport) -> bool {
        match transport.is_http2() {
            true => self.members().is_none(),
            false => !self.is_grpc(),
        }
    }

    /// The longest time that a server must wait before a response is valid, over all cases, in
    /// milliseconds; 0 where it need not.
    #[must_use]
    pub fn wait_ms_max(&self) -> u32 {
        self.cases.iter().filter_map(|case| case.least_ms).max().unwrap_or(0)
    }

    /// How many requests a server keeps waiting on average at so many a second, if each waits no
    /// longer than it must: their rate times their mean time (J. Little, "A proof for the queuing
    /// formula L = λW", 1961). The cases are sent in turn.
    #[must_use]
    pub fn waiting(&self, per_second: u32) -> f64 {
        let total_ms: f64 = self.cases.iter().filter_map(|c| c.least_ms).map(f64::from).sum();
        f64::from(per_second) * total_ms / (1e3 * self.cases.len().max(1) as f64)
    }
}
