//! One request on a connection of its own, for a reference response or to see what TLS agrees on.

use std::time::Duration;

use duet_protocol::Negotiated;

use crate::response::reference::ReferenceResponse;
use crate::transport::target::Target;
use crate::transport::{h1, h2};

/// Sends a request once, on a connection of its own.
///
/// # Errors
/// In words that say what to do: no connection, no response within `timeout`, or none that is HTTP.
pub fn fetch(
    target: &Target,
    request: &[u8],
    head: bool,
    timeout: Duration,
) -> Result<ReferenceResponse, String> {
    let response = if target.http2 {
        h2::reference::fetch(target, request, timeout)
    } else {
        h1::reference::fetch(target, request, head, timeout)
    };
    response.map_err(|why| match &target.tls {
        Some(tls) if tls.lacks_certificate() => {
            format!("{why}; it asks for a certificate of the client: give --cert and --key")
        }
        _ => why,
    })
}

/// What TLS agrees on with a server, on a connection that is closed at once; nothing without TLS.
pub(crate) fn negotiate(target: &Target, timeout: Duration) -> Result<Negotiated, String> {
    match target.tls {
        None => Ok(Negotiated::default()),
        Some(_) => h1::reference::negotiate(target, timeout),
    }
}
