//! The first answer of a server: what the others are held against.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::failure;
use super::http1;

/// An answer, read with the full parser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct First {
    /// Its status.
    pub status: u16,
    /// Its `Content-Type`, as text.
    pub content_type: Option<String>,
    /// Its body, without framing.
    pub body: Vec<u8>,
    /// Whether the connection stays open behind it.
    pub persistent: bool,
}

/// Asks once, on a connection of its own.
///
/// # Errors
/// In words that say what to do: no connection, no answer within `timeout`, or none that is HTTP.
pub fn ask(
    addr: SocketAddr,
    request: &[u8],
    head: bool,
    timeout: Duration,
) -> Result<First, String> {
    let unanswered = |error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("no answer from {addr} within {timeout:?}")
        }
        _ => format!("{addr} does not answer: {error}"),
    };
    let mut stream = TcpStream::connect_timeout(&addr, timeout)
        .map_err(|error| failure::unconnected(&addr.to_string(), error.raw_os_error()))?;
    let end = Instant::now() + timeout;
    stream.set_write_timeout(Some(timeout)).map_err(unanswered)?;
    match stream.write_all(request) {
        // A server may answer and close before it has read everything.
        Err(error) if error.raw_os_error() != Some(Errno::EPIPE as i32) => {
            return Err(unanswered(error));
        }
        _ => {}
    }
    let mut received = vec![];
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(unanswered(io::ErrorKind::TimedOut.into()));
        }
        stream.set_read_timeout(Some(left)).map_err(unanswered)?;
        let n = match stream.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            n => n.map_err(unanswered)?,
        };
        received.extend_from_slice(&buffer[..n]);
        let answer = http1::parse(&received, head, n == 0)
            .map_err(|why| format!("the answer of {addr} is malformed: {}", why.0))?;
        if let Some(answer) = answer {
            return Ok(First {
                status: answer.status,
                content_type: answer.content_type.map(|t| String::from_utf8_lossy(t).into_owned()),
                persistent: answer.persistent,
                body: answer.body.into_owned(),
            });
        }
        if n == 0 {
            return Err(format!("{addr} closed the connection before its answer was whole"));
        }
    }
}
