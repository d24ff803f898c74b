//! A connection over a bare socket, by blocking calls that look at the interrupt now and then:
//! nothing but the server takes time in it, and over TLS a handshake.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::MeasureError;
use crate::client::SERVER_NAME;
use crate::verify::excerpt;
use duet_loadgen::response::parse::{Malformed, Response, parse};
use duet_process::interrupt::{Interrupt, POLL};
use duet_protocol::{Address, Exchange};

/// What is read and written, whatever it is.
trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

/// A connection that is open.
pub(crate) struct Connection<'a> {
    stream: Box<dyn Stream>,
    /// What has come and belongs to no response yet.
    received: Vec<u8>,
    /// What errors call a response.
    response: &'static str,
    limit: Duration,
    interrupt: &'a Interrupt,
}

impl<'a> Connection<'a> {
    /// Opens one over HTTP/1.1, encrypted by `tls` if there is any. Connecting, writing and each
    /// response may take `limit`.
    pub(crate) fn open(
        addr: &Address,
        tls: Option<Arc<ClientConfig>>,
        (response, limit): (&'static str, Duration),
        interrupt: &'a Interrupt,
    ) -> Result<Self, MeasureError> {
        let failed = || format!("failed to connect to {addr}, where the server said it listens");
        let mut stream =
            connect(addr, limit).with_context(failed).map_err(MeasureError::Unready)?;
        if let Some(tls) = tls {
            let name = ServerName::try_from(SERVER_NAME).context("a name as it should be")?;
            let session = ClientConnection::new(tls, name).context("failed to begin TLS")?;
            stream = Box::new(StreamOwned::new(session, stream));
        }
        Ok(Self { stream, received: vec![], response, limit, interrupt })
    }

    /// Writes requests.
    pub(crate) fn send(&mut self, requests: &[u8]) -> Result<(), MeasureError> {
        let sent = self.stream.write_all(requests);
        let failed = || format!("failed to send the request for {}", self.response);
        sent.with_context(failed).map_err(MeasureError::Unready)
    }

    /// Awaits the next response, which must be the expected one. Returns its bytes, and how many
    /// its body has without framing. What follows it is kept for the next.
    pub(crate) fn receive(
        &mut self,
        expected: &Exchange,
    ) -> Result<(Vec<u8>, usize), MeasureError> {
        let what = self.response;
        let deadline = Instant::now() + self.limit;
        let mut part = [0; 16 << 10];
        let mut closed = false;
        loop {
            let response = parse(&self.received, expected.head, closed)
                .map_err(|Malformed(why)| anyhow!("{what} is malformed: {why}"))?;
            if let Some(response) = response {
                check(&response, expected, what)?;
                let (len, body_bytes) = (response.len, response.body.len());
                return Ok((self.received.drain(..len).collect(), body_bytes));
            }
            if closed {
                let text = format!("the server closed the connection in the middle of {what}");
                return Err(MeasureError::Unready(anyhow!(text)));
            }
            match self.stream.read(&mut part) {
                Err(error) if is_pause(&error) => {
                    self.interrupt.check()?;
                    if Instant::now() >= deadline {
                        let limit_s = self.limit.as_secs_f64();
                        Err(anyhow!("{what} has not come whole within {limit_s:.1} s"))?;
                    }
                }
                Err(error) => {
                    let error = anyhow!(error).context(format!("{what} broke off"));
                    return Err(MeasureError::Unready(error));
                }
                Ok(n) => {
                    closed = n == 0;
                    self.received.extend_from_slice(&part[..n]);
                }
            }
        }
    }
}

/// Compares status and body.
fn check(response: &Response<'_>, expected: &Exchange, what: &str) -> Result<(), MeasureError> {
    if response.status == expected.status && *response.body == *expected.body.as_bytes() {
        return Ok(());
    }
    let (status, body) = (response.status, excerpt(&response.body, 0));
    let wrong = anyhow!("{what} is wrong: status {status}, body {body}");
    Err(match status >= 500 && status != expected.status {
        true => MeasureError::Unready(wrong),
        false => MeasureError::Other(wrong),
    })
}

/// Whether an error says that nothing has come for a while.
fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// Connects; reading then pauses now and then, to look at the interrupt.
fn connect(addr: &Address, limit: Duration) -> io::Result<Box<dyn Stream>> {
    Ok(match addr {
        Address::Tcp(addr) => {
            let stream = TcpStream::connect_timeout(addr, limit)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(POLL))?;
            stream.set_write_timeout(Some(limit))?;
            Box::new(stream)
        }
        Address::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(POLL))?;
            stream.set_write_timeout(Some(limit))?;
            Box::new(stream)
        }
    })
}
