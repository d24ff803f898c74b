//! The reference response over HTTP/1.1, by plain blocking calls.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use duet_protocol::{Address, Negotiated};
use rustls::{ClientConnection, StreamOwned};

use crate::limits::READ_BYTES;
use crate::response::parse;
use crate::response::reference::ReferenceResponse;
use crate::transport::error;
use crate::transport::target::Target;
use crate::transport::tls::{self, Tls};

/// A connection whose calls wait.
trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// Sends a request once, on a connection of its own.
pub(crate) fn fetch(
    target: &Target,
    request: &[u8],
    head: bool,
    timeout: Duration,
) -> Result<ReferenceResponse, String> {
    let end = Instant::now() + timeout;
    let late = || format!("no response from {target} within {timeout:?}");
    let failed = |error: io::Error| match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => late(),
        _ => format!("{target} does not respond: {error}"),
    };
    let mut stream: Box<dyn Stream> = match handshake(target, timeout)? {
        (socket, None) => socket,
        (socket, Some(tls)) => Box::new(StreamOwned::new(tls, socket)),
    };
    match stream.write_all(request).and_then(|()| stream.flush()) {
        // A server may respond and close before it has read everything.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(failed(error)),
        _ => {}
    }
    let mut received = vec![];
    let mut buffer = vec![0; READ_BYTES];
    while Instant::now() < end {
        let n = match stream.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => 0, // TLS ends without a word
            read => read.map_err(failed)?,
        };
        received.extend_from_slice(&buffer[..n]);
        let response = parse::parse(&received, head, n == 0)
            .map_err(|why| format!("the response of {target} is malformed: {}", why.0))?;
        match response {
            Some(response) => return Ok(response.into()),
            None if n > 0 => {}
            None => return Err(format!("{target} closed the connection in its response")),
        }
    }
    Err(late())
}

/// What TLS agrees on with a server.
pub(crate) fn negotiate(target: &Target, timeout: Duration) -> Result<Negotiated, String> {
    let (_, tls) = handshake(target, timeout)?;
    Ok(tls.map(|tls| tls::negotiated(&tls)).unwrap_or_default())
}

/// An open connection, and its TLS where there is any.
fn handshake(
    target: &Target,
    timeout: Duration,
) -> Result<(Box<dyn Stream>, Option<ClientConnection>), String> {
    let connect = || -> io::Result<_> {
        let mut socket = connect(&target.addr, timeout)?;
        let tls = target.tls.as_ref().map(Tls::client).transpose()?;
        let tls = tls.map(|mut tls| {
            while tls.is_handshaking() {
                tls.complete_io(&mut socket)?;
            }
            io::Result::Ok(tls)
        });
        Ok((socket, tls.transpose()?))
    };
    connect().map_err(|error| error::unopened(&target.to_string(), &error))
}

fn connect(addr: &Address, timeout: Duration) -> io::Result<Box<dyn Stream>> {
    Ok(match addr {
        Address::Tcp(addr) => {
            let socket = TcpStream::connect_timeout(addr, timeout)?;
            socket.set_nodelay(true)?;
            socket.set_read_timeout(Some(timeout))?;
            Box::new(socket)
        }
        Address::Unix(path) => {
            let socket = UnixStream::connect(path)?;
            socket.set_read_timeout(Some(timeout))?;
            Box::new(socket)
        }
    })
}
