//! A way through a proxy: it is asked to connect (CONNECT, RFC 9110, section 9.3.6), and hands on
//! bytes when it says that it has.

use std::io;
use std::sync::Arc;

use super::socket::Socket;
use crate::response::parse;

/// A proxy does not connect.
#[derive(Debug, thiserror::Error)]
#[error("the proxy does not connect: {line}{hint}")]
pub(super) struct Refusal {
    /// The first line of its response.
    line: String,
    /// What to do about it.
    hint: &'static str,
}

/// A way that is not open yet.
#[derive(Debug)]
pub(super) struct Tunnel {
    request: Arc<[u8]>,
    written: usize,
    head: Vec<u8>,
}

impl Tunnel {
    /// Of the bytes that ask for it.
    pub(super) fn new(request: Arc<[u8]>) -> Self {
        Self { request, written: 0, head: vec![] }
    }

    /// Asks for it. Returns whether all of that is sent.
    pub(super) fn flush(&mut self, socket: &Socket) -> io::Result<bool> {
        socket.write_from(&self.request, &mut self.written)
    }

    /// Takes what has come; says whether the way is open.
    pub(super) fn take(&mut self, bytes: &[u8]) -> io::Result<bool> {
        self.head.extend_from_slice(bytes);
        is_open(&self.head)
    }
}

/// Whether the bytes that a proxy has sent say that the way is open.
///
/// # Errors
/// When they say that it will not be, or anything else.
pub(super) fn is_open(head: &[u8]) -> io::Result<bool> {
    let shown = || {
        let end = head.iter().position(|byte| b"\r\n".contains(byte)).unwrap_or(head.len());
        head[..end].escape_ascii().to_string()
    };
    match parse::final_head(head) {
        Ok(None) => Ok(false),
        // The other side speaks only when it is spoken to.
        Ok(Some(found)) if (200..300).contains(&found.status) && found.len == head.len() => {
            Ok(true)
        }
        Ok(Some(found)) => {
            let hint = match found.status {
                407 => "; give credentials: --proxy http://USER:PASSWORD@HOST:PORT",
                _ => "",
            };
            Err(io::Error::other(Refusal { line: shown(), hint }))
        }
        Err(_) => Err(io::Error::other(Refusal {
            line: shown(),
            hint: "; does it speak HTTP? a proxy is http://HOST:PORT",
        })),
    }
}

/// Why there is no way, in words that a table of counts can have; none: it is something else.
pub(super) fn reason(error: &io::Error) -> Option<&'static str> {
    let refused = error.get_ref()?.downcast_ref::<Refusal>();
    refused.map(|_| "refused by the proxy")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_proxies_say() {
        let said = |text: &str| is_open(text.as_bytes()).map_err(|error| error.to_string());
        assert_eq!(said("HTTP/1.1 200 Connection established\r\n\r\n"), Ok(true));
        assert_eq!(said("HTTP/1.1 200 OK\r\nVia: a\r\n"), Ok(false));
        for (text, want) in [
            ("HTTP/1.1 403 No\r\n\r\nno", "the proxy does not connect: HTTP/1.1 403 No"),
            ("HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n", "Who; give credentials: --proxy"),
            ("SSH-2.0\r\n", "does it speak HTTP?"),
        ] {
            let error = said(text).expect_err(text);
            assert!(error.contains(want), "{error}");
        }
    }
}
