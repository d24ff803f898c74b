//! The first answer of a server: what the others are held against.

use std::io;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent};

use super::connection::Connection;
use super::failure;
use super::http1::{self, Malformed};
use super::http2;
use super::requests::Turn;
use super::share::READ_BYTES;
use super::target::Target;

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
    /// How many requests the server allows to be under way on a connection; none: HTTP/1.1.
    pub streams_max: Option<usize>,
}

/// Asks once, on a connection of its own.
///
/// # Errors
/// In words that say what to do: no connection, no answer within `timeout`, or none that is HTTP.
pub fn ask(
    target: &Target,
    request: &[u8],
    head: bool,
    timeout: Duration,
) -> Result<First, String> {
    if target.http2 {
        return http2::first::ask(target, request, timeout);
    }
    let unanswered = |error: &io::Error| match error.kind() {
        io::ErrorKind::TimedOut => format!("no answer from {target} within {timeout:?}"),
        _ => format!("{target} does not answer: {error}"),
    };
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(|e| unanswered(&e.into()))?;
    let mut connection = Connection::vacant();
    connection
        .open(target, timeout, &epoll, 0)
        .map_err(|error| failure::unopened(&target.to_string(), &error))?;
    let end = Instant::now() + timeout;
    connection.ask(Turn { exchange: 0, index: 0 }, Instant::now());
    let write = |connection: &mut Connection| match connection.write(request, &epoll, 0) {
        // A server may answer and close before it has read everything.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(unanswered(&error)),
        _ => Ok(()),
    };
    write(&mut connection)?;
    let mut received = vec![];
    let mut buffer = vec![0; READ_BYTES];
    loop {
        wait(&epoll, end).map_err(|error| unanswered(&error))?;
        if connection.wants_room() {
            write(&mut connection)?;
        }
        let taken = match connection.read(&mut buffer, &epoll, 0) {
            Err(error) if is_passing(&error) => continue,
            taken => taken.map_err(|error| unanswered(&error))?,
        };
        received.extend_from_slice(&buffer[..taken.bytes]);
        let whole = whole(&received, head, taken.closed);
        if let Some(first) =
            whole.map_err(|why| format!("the answer of {target} is malformed: {}", why.0))?
        {
            return Ok(first);
        }
        if taken.closed {
            return Err(format!("{target} closed the connection before its answer was whole"));
        }
    }
}

fn whole(received: &[u8], head: bool, closed: bool) -> Result<Option<First>, Malformed> {
    let answer = http1::parse(received, head, closed)?;
    Ok(answer.map(|answer| First {
        status: answer.status,
        content_type: answer.content_type.map(|t| String::from_utf8_lossy(t).into_owned()),
        persistent: answer.persistent,
        body: answer.body.into_owned(),
        streams_max: None,
    }))
}

/// Waits for an event, until `end`.
fn wait(epoll: &Epoll, end: Instant) -> io::Result<()> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    // Up, so that no wait is a busy one; whoever waits longer comes back.
    let ms = left.as_nanos().div_ceil(1_000_000).min(1000) as u16;
    match epoll.wait(&mut [EpollEvent::empty()], ms) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
}
