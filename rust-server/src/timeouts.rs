//! The time-outs of CONTRACT.md, 2.9: the same for all servers of its routes.
//! `go-server/internal/serve` has the same numbers.

use std::time::Duration;

/// How long a client may take. A connection that takes longer is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From one request's end, or the connection's begin, to the first byte of the next.
    pub idle: Duration,
    /// For the head of a request.
    pub head: Duration,
    /// For a request from the end of its head to its response.
    pub request: Duration,
    /// Without a byte of the response being taken.
    pub write: Duration,
}

impl Timeouts {
    /// Those of the contract.
    pub const CONTRACT: Timeouts = Timeouts {
        idle: Duration::from_secs(30),
        head: Duration::from_secs(30),
        request: Duration::from_secs(60),
        write: Duration::from_secs(60),
    };

    /// All the same, for tests.
    pub fn all(timeout: Duration) -> Timeouts {
        Timeouts { idle: timeout, head: timeout, request: timeout, write: timeout }
    }
}
