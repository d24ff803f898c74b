//! The reference response over HTTP/1.1, by plain blocking calls.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use duet_protocol::{Address, Negotiated};
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::socket::{MsgFlags, recv, setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use rustls::{ClientConnection, StreamOwned};

use crate::limits::READ_BYTES;
use crate::reference::{FetchError, Patience};
use crate::request::exchange::Exchange;
use crate::response::incoming::Incoming;
use crate::response::malformed::Malformed;
use crate::response::reference::{BodyLearner, ReferenceResponse};
use crate::transport::error;
use crate::transport::socket::connect_unix;
use crate::transport::target::Target;
use crate::transport::{tls, tunnel};

/// How long it is looked for bytes that nobody has asked for.
const UNSOLICITED_PATIENCE_MS: u8 = 5;
/// What is left for a connection at least: no time at all is an error of its own.
const MOMENT: Duration = Duration::from_millis(1);

/// Sends a request once, on a connection of its own.
pub(crate) fn fetch(
    target: &Target,
    request: &[u8],
    head: bool,
    patience: Patience,
) -> Result<ReferenceResponse, FetchError> {
    let connection = BlockingConnection::open(target, patience);
    let connection = connection.map_err(FetchError::Unconnected)?;
    exchange(connection, target, request, head, patience).map_err(FetchError::Unanswered)
}

/// Sends a request and awaits its response, on a connection that was just opened.
fn exchange(
    mut connection: BlockingConnection,
    target: &Target,
    request: &[u8],
    head: bool,
    patience: Patience,
) -> Result<ReferenceResponse, String> {
    let plain = target.tls.is_none();
    if plain && let Some(said) = unsolicited(connection.stream.socket().as_fd()) {
        return Err(match error::other_protocol(&said) {
            Some(hint) => format!("{target} does not speak HTTP/1.1; {hint}"),
            None => {
                format!("{target} sends before anything was requested: it does not speak HTTP")
            }
        });
    }
    let response = connection.ask(target, request, head, patience)?;
    if plain && response.persistent && unsolicited(connection.stream.socket().as_fd()).is_some() {
        return Err(more_than_asked_for(target));
    }
    Ok(response)
}

/// A connection on which one request is sent after the other, each when the last is responded to.
pub(crate) struct BlockingConnection {
    stream: Stream,
}

impl BlockingConnection {
    /// Opens it, with TLS where there is any.
    pub(crate) fn open(target: &Target, patience: Patience) -> Result<Self, String> {
        let (socket, tls) = handshake(target, patience)?;
        let stream = match tls {
            None => Stream::Plain(socket),
            Some(tls) => Stream::Encrypted(Box::new(StreamOwned::new(tls, socket))),
        };
        Ok(Self { stream })
    }

    /// The response to a request.
    pub(crate) fn ask(
        &mut self,
        target: &Target,
        request: &[u8],
        head: bool,
        patience: Patience,
    ) -> Result<ReferenceResponse, String> {
        let any = Exchange::any_success(vec![], head);
        let (mut incoming, mut learner) = (Incoming::new(&any), BodyLearner::default());
        let failed = |error: &io::Error, incoming: &Incoming, learner: &BodyLearner| {
            unanswered(target, patience.timeout, error, (incoming, learner.len()))
        };
        self.stream.socket().end = patience.end;
        match self.stream.write_all(request).and_then(|()| self.stream.flush()) {
            // A server may respond and close before it has read everything.
            Err(error) if !is_closed(&error) => return Err(failed(&error, &incoming, &learner)),
            _ => {}
        }
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let n = match self.stream.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                // TLS ends without a word.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => 0,
                read => read.map_err(|error| failed(&error, &incoming, &learner))?,
            };
            let taken = incoming.read_into(&buffer[..n], head, n == 0, |part| learner.add(part));
            let taken =
                taken.map_err(|Malformed(why)| match error::other_protocol(incoming.start()) {
                    Some(hint) => format!("{target} does not speak HTTP/1.1; {hint}"),
                    None => format!(
                        "the response of {target} is malformed ({why}): {}",
                        incoming.shown()
                    ),
                })?;
            if let (Some(status), Some(taken)) = (incoming.status(), taken) {
                if taken < n {
                    return Err(more_than_asked_for(target));
                }
                let content_type = incoming.content_type();
                return Ok(ReferenceResponse {
                    status,
                    content_type: content_type.map(|t| String::from_utf8_lossy(t).into_owned()),
                    fields: incoming.fields(),
                    persistent: incoming.is_persistent(),
                    body: learner.finish(),
                    streams_max: None,
                });
            }
            if n == 0 && incoming.is_empty() {
                return Err(format!("{target} closed the connection without a response"));
            } else if n == 0 {
                let (what, came) = ("closed the connection in its response, after", learner.len());
                return Err(format!("{target} {what} {came} bytes of the body"));
            }
        }
    }
}

fn more_than_asked_for(target: &Target) -> String {
    format!("{target} sends more than the response to the request")
}

/// Why there is no response, or not the whole of it, of which this has come.
fn unanswered(
    target: &Target,
    timeout: Duration,
    error: &io::Error,
    (incoming, came): (&Incoming, u64),
) -> String {
    match error.kind() {
        ErrorKind::TimedOut if incoming.status().is_some() => format!(
            "the response of {target} does not end: {came} bytes of its body came within \
             {timeout:?}; if it is a stream, it cannot be loaded"
        ),
        ErrorKind::TimedOut => {
            format!("no response from {target} within {timeout:?}")
        }
        _ if !incoming.is_empty() => {
            format!("{target} broke its response off after {came} bytes of the body: {error}")
        }
        _ => format!("{target} does not respond: {error}"),
    }
}

/// The first bytes that the server sends although nothing is awaited. A server that does so at once
/// is found out; one that takes its time is by the loads.
fn unsolicited(socket: BorrowedFd<'_>) -> Option<Vec<u8>> {
    let mut readable = [PollFd::new(socket, PollFlags::POLLIN)];
    if !matches!(poll(&mut readable, UNSOLICITED_PATIENCE_MS), Ok(1)) {
        return None;
    }
    // The end of the connection is readable, too.
    let mut bytes = [0; 9];
    let n = recv(socket.as_raw_fd(), &mut bytes, MsgFlags::MSG_PEEK).ok()?;
    (n > 0).then(|| bytes[..n].to_vec())
}

/// A connection's bytes, encrypted or not.
enum Stream {
    Plain(Socket),
    Encrypted(Box<StreamOwned<ClientConnection, Socket>>),
}

impl Stream {
    fn socket(&mut self) -> &mut Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Encrypted(stream) => &mut stream.sock,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Encrypted(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Encrypted(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Encrypted(stream) => stream.flush(),
        }
    }
}

/// What a socket of either family can do.
trait Family: Read + Write + AsFd {}
impl<T: Read + Write + AsFd> Family for T {}

/// A socket whose calls wait until an instant and no longer, however little each of them brings: a
/// server that sends, or reads, byte by byte gains no time by that.
struct Socket {
    socket: Box<dyn Family>,
    end: Instant,
}

impl Socket {
    /// How long a call may wait.
    fn left(&self) -> io::Result<TimeVal> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        Ok(TimeVal::microseconds(left.as_micros().max(1) as i64))
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        setsockopt(&self.socket, sockopt::ReceiveTimeout, &self.left()?)?;
        self.socket.read(buffer).map_err(in_words)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        setsockopt(&self.socket, sockopt::SendTimeout, &self.left()?)?;
        self.socket.write(bytes).map_err(in_words)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The system says of a call that has waited for long enough that it would block.
fn in_words(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::WouldBlock { ErrorKind::TimedOut.into() } else { error }
}

fn is_closed(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}

/// What TLS agrees on with a server.
pub(crate) fn negotiate(target: &Target, timeout: Duration) -> Result<Negotiated, String> {
    let (_, tls) = handshake(target, Patience::new(timeout))?;
    Ok(tls.map(|tls| tls::negotiated(&tls)).unwrap_or_default())
}

/// An open connection, and its TLS where there is any.
fn handshake(
    target: &Target,
    patience: Patience,
) -> Result<(Socket, Option<ClientConnection>), String> {
    let unopened = |error: io::Error| error::unopened(&target.to_string(), &error);
    let socket = connect(&target.addr, patience.left().max(MOMENT)).map_err(unopened)?;
    let mut socket = Socket { socket, end: patience.end };
    let Some(tls) = &target.tls else { return Ok((socket, None)) };
    if let Some(connect) = tls.connect() {
        open_tunnel(&mut socket, connect).map_err(|error| match error.kind() {
            ErrorKind::TimedOut => {
                format!("the proxy {target} does not connect within {:?}", patience.timeout)
            }
            ErrorKind::UnexpectedEof => format!("the proxy {target} closed the connection"),
            _ => unopened(error),
        })?;
    }
    let mut tls = tls.client().map_err(unopened)?;
    while tls.is_handshaking() {
        tls.complete_io(&mut socket).map_err(|error| match error.kind() {
            ErrorKind::TimedOut => format!(
                "{target} does not end the handshake of TLS within {:?}: does it speak TLS? if \
                 not, give an http:// URL",
                patience.timeout
            ),
            _ => unopened(error),
        })?;
    }
    Ok((socket, Some(tls)))
}

/// Asks a proxy for a way to the server.
fn open_tunnel(socket: &mut Socket, connect: &[u8]) -> io::Result<()> {
    socket.write_all(connect)?;
    let (mut head, mut buffer) = (vec![], [0; 4096]);
    while !tunnel::is_open(&head)? {
        let n = match socket.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read?,
        };
        if n == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        head.extend_from_slice(&buffer[..n]);
    }
    Ok(())
}

fn connect(addr: &Address, timeout: Duration) -> io::Result<Box<dyn Family>> {
    Ok(match addr {
        Address::Tcp(addr) => {
            let socket = TcpStream::connect_timeout(addr, timeout)?;
            socket.set_nodelay(true)?;
            Box::new(socket)
        }
        Address::Unix(path) => Box::new(UnixStream::from(connect_unix(path, timeout)?)),
    })
}
