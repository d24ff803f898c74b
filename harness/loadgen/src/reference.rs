//! One request on a connection of its own, for a reference response or to see what TLS agrees on.

use std::time::{Duration, Instant};

use duet_protocol::Negotiated;

use crate::request::exchange::Exchange;
use crate::response::reference::ReferenceResponse;
use crate::transport::target::Target;
use crate::transport::{h1, h2, ws};

/// How long is waited for a response, its connection included.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// What was allowed in the beginning.
    pub(crate) timeout: Duration,
    pub(crate) end: Instant,
}

impl Patience {
    /// From now on.
    #[must_use]
    pub fn new(timeout: Duration) -> Self {
        Self { timeout, end: Instant::now() + timeout }
    }

    /// What is left of it.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }
}

/// Why there is no reference response, in words that say what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// No connection could be opened: the server cannot have seen the request.
    #[error("{0}")]
    Unconnected(String),
    /// No response in time, or none that is HTTP. The request may have been seen.
    #[error("{0}")]
    Unanswered(String),
}

impl FetchError {
    fn map(self, change: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Unconnected(why) => Self::Unconnected(change(why)),
            Self::Unanswered(why) => Self::Unanswered(change(why)),
        }
    }
}

/// Sends a request once, on a connection of its own.
///
/// # Errors
/// No connection, no response in time, or none that is HTTP.
pub fn fetch(
    target: &Target,
    request: &[u8],
    head: bool,
    patience: Patience,
) -> Result<ReferenceResponse, FetchError> {
    let response = if target.http2 {
        h2::reference::fetch(target, request, patience)
    } else {
        h1::reference::fetch(target, request, head, patience)
    };
    response.map_err(|error| match &target.tls {
        Some(tls) if tls.lacks_certificate() => error.map(|why| {
            format!("{why}; it asks for a certificate of the client, which --cert and --key give")
        }),
        _ => error,
    })
}

/// Sends the message of an exchange once, on a connection of its own. Says whether it came back as
/// it was sent; otherwise another one did.
///
/// # Errors
/// No connection, no WebSocket on it, or no message in time.
pub fn converse(
    target: &Target,
    exchange: &Exchange,
    patience: Patience,
) -> Result<bool, FetchError> {
    ws::reference::converse(target, exchange, patience)
}

/// What TLS agrees on with a server, on a connection that is closed at once; nothing without TLS.
pub(crate) fn negotiate(target: &Target, timeout: Duration) -> Result<Negotiated, String> {
    match target.tls {
        None => Ok(Negotiated::default()),
        Some(_) => h1::reference::negotiate(target, timeout),
    }
}
