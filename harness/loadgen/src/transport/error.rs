//! How a connection or a request fails in transport.

use std::io;

use nix::errno::Errno;

use super::{tls, tunnel};
use crate::error_kind::ErrorKind;
use crate::reason::Reason;

/// Why a connection that was closed without an error of the system is lost.
pub(crate) const CLOSED: &str = "closed by the server";
/// Why a connection is not open in time.
pub(crate) const NO_REPLY: &str = "no reply in time";

/// A failure in transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TransportError {
    pub(crate) kind: ErrorKind,
    pub(crate) reason: Reason,
    /// Whether the response was complete and only the server's close was missing.
    pub(crate) closing: bool,
}

impl TransportError {
    /// An error with nothing more to say than its kind and its reason.
    pub(crate) fn new(kind: ErrorKind, reason: impl Into<Reason>) -> Self {
        Self { kind, reason: reason.into(), closing: false }
    }

    /// An error of an operation on a connection.
    pub(crate) fn from_io(error: &io::Error) -> Self {
        let lost = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
        let kind = match tls::reason(error) {
            _ if lost.contains(&error.kind()) => ErrorKind::Reset,
            Some(_) => ErrorKind::Tls,
            None => ErrorKind::Connect,
        };
        Self::new(kind, reason(error))
    }

    /// The same error where no connection could be opened.
    pub(crate) fn connecting(self) -> Self {
        let kind = if self.kind == ErrorKind::Tls { ErrorKind::Tls } else { ErrorKind::Connect };
        Self { kind, ..self }
    }
}

/// Why there is no connection. Of an error that went through `h2` only the kind is left.
fn reason(error: &io::Error) -> Reason {
    match (error.raw_os_error(), error.kind()) {
        (Some(errno), _) => Reason::System(errno),
        (None, io::ErrorKind::UnexpectedEof) => CLOSED.into(),
        (None, io::ErrorKind::ConnectionReset) => Errno::ECONNRESET.into(),
        (None, io::ErrorKind::BrokenPipe) => Errno::EPIPE.into(),
        (None, _) => {
            tls::reason(error).or_else(|| tunnel::reason(error)).unwrap_or(NO_REPLY).into()
        }
    }
}

/// Why no connection to `addr` could be opened, in words that say what to do.
pub(crate) fn unopened(addr: &str, error: &io::Error) -> String {
    let closed = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
    match tls::reason(error) {
        Some(reason) => match tls::hint(error) {
            Some(hint) => format!("no TLS with {addr}: {error}; {hint}"),
            None => format!("no TLS with {addr} ({reason}): {error}"),
        },
        None if closed.contains(&error.kind()) => {
            format!(
                "{addr} closed the connection in the handshake: does it speak TLS? if not, give \
                 an http:// URL"
            )
        }
        None if error.kind() == io::ErrorKind::Other => format!("cannot use {addr}: {error}"),
        None => unconnected(addr, error.raw_os_error().map_or(NO_REPLY.into(), Reason::System)),
    }
}

/// Which protocol a server speaks whose bytes these are, where it is another one than HTTP/1.1
/// without TLS: what to do about it.
pub(crate) fn other_protocol(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        // A fatal alert (RFC 8446, section 6).
        [0x15, 3, ..] => Some("it speaks TLS: give an https:// URL"),
        // The frame SETTINGS, with which a server of HTTP/2 begins (RFC 9113, section 3.4).
        [0, _, _, 4, 0, 0, 0, 0, 0, ..] => Some("it speaks HTTP/2: add --http2"),
        _ => None,
    }
}

/// The same of an error of which only this much is known.
pub(crate) fn unconnected(addr: &str, reason: Reason) -> String {
    match reason.errno() {
        Some(Errno::ECONNREFUSED) => {
            format!("connection refused by {addr}: is the server still running?")
        }
        Some(Errno::EAGAIN) => {
            format!("{addr} accepts no connection: its queue is full")
        }
        Some(Errno::EADDRNOTAVAIL) => format!(
            "no free local port for a connection to {addr}: closed connections hold them for a \
             minute; widen net.ipv4.ip_local_port_range or wait"
        ),
        Some(Errno::EMFILE | Errno::ENFILE) => {
            format!("too many open files for a connection to {addr}: raise `ulimit -n`")
        }
        Some(errno) => {
            format!("cannot connect to {addr}: {}", io::Error::from_raw_os_error(errno as i32))
        }
        None => format!("cannot connect to {addr}: {reason}"),
    }
}
