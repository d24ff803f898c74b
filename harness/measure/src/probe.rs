//! The first right answer of a server that has just started, over a bare socket: nothing but the
//! server takes time in it, and over TLS a handshake. Over HTTP/2 the verifying client asks, which
//! adds well below a millisecond.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::client::SERVER_NAME;
use crate::verify::excerpt;
use duet_loadgen::response::parse::{self, Malformed};
use duet_model::record::Wire;
use duet_protocol::{Address, Exchange};

/// Header fields that are looked at; more would be malformed for the generator too.
const FIELDS_MAX: usize = 128;

/// What is read and written, whatever it is.
trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

/// Sends one request of HTTP/1.1 on a new connection, encrypted by `tls` if there is any, waits for
/// its answer and compares status and body.
///
/// # Errors
/// When there is no answer within `limit`, or it is wrong.
pub fn first_answer(
    addr: &Address,
    tls: Option<Arc<ClientConfig>>,
    exchange: &Exchange,
    limit: Duration,
) -> Result<Wire> {
    let mut stream = connect(addr, limit).with_context(|| {
        format!("failed to connect to {addr}, where the server said it listens")
    })?;
    if let Some(tls) = tls {
        let name = ServerName::try_from(SERVER_NAME).context("a name as it should be")?;
        let session = ClientConnection::new(tls, name).context("failed to begin TLS")?;
        stream = Box::new(StreamOwned::new(session, stream));
    }
    stream.write_all(exchange.request.as_bytes()).context("failed to send the first request")?;
    let mut received = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let n = stream
            .read(&mut buffer)
            .with_context(|| format!("no whole first answer within {} s", limit.as_secs_f64()))?;
        received.extend_from_slice(&buffer[..n]);
        let answer = parse::parse(&received, exchange.head, n == 0)
            .map_err(|Malformed(why)| anyhow::anyhow!("the first answer is malformed: {why}"))?;
        if let Some(answer) = answer {
            ensure!(
                answer.status == exchange.status && *answer.body == *exchange.body.as_bytes(),
                "the first answer is wrong: status {}, body {}",
                answer.status,
                excerpt(&answer.body, 0)
            );
            return wire(&received, answer.body.len());
        }
        ensure!(n > 0, "the server closed the connection in the middle of its first answer");
    }
}

fn connect(addr: &Address, limit: Duration) -> Result<Box<dyn Stream>> {
    Ok(match addr {
        Address::Tcp(addr) => {
            let stream = TcpStream::connect_timeout(addr, limit)?;
            stream.set_read_timeout(Some(limit)).context("failed to limit the wait")?;
            stream.set_nodelay(true).context("failed to switch off Nagle's algorithm")?;
            Box::new(stream)
        }
        Address::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(limit)).context("failed to limit the wait")?;
            Box::new(stream)
        }
    })
}

/// The shape of an answer that has been parsed before.
fn wire(received: &[u8], body_bytes: usize) -> Result<Wire> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut fields);
    let parsed = response.parse(received).context("the first answer is malformed")?;
    let mut header_names: Vec<String> =
        response.headers.iter().map(|field| field.name.to_ascii_lowercase()).collect();
    header_names.sort();
    let head_bytes = match parsed {
        httparse::Status::Complete(n) => n,
        httparse::Status::Partial => received.len(),
    };
    Ok(Wire { header_names, head_bytes: head_bytes as u64, body_bytes: body_bytes as u64 })
}
