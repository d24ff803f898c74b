//! The first right answer of a server that has just started, over a bare socket: nothing but the
//! server takes time in it, and over TLS a handshake. Over HTTP/2 the verifying client asks, which
//! adds well below a millisecond.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::client::SERVER_NAME;
use crate::server::{Running, Unready};
use crate::verify::excerpt;
use duet_loadgen::response::parse::{self, Malformed};
use duet_model::record::Wire;
use duet_process::interrupt::{Interrupt, POLL};
use duet_protocol::{Address, Exchange};

/// Header fields that are looked at; more would be malformed for the generator too.
const FIELDS_MAX: usize = 128;

/// What is read and written, whatever it is.
trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

/// Sends one request of HTTP/1.1 on a new connection, encrypted by `tls` if there is any, waits for
/// its answer and compares status and body. While an external server may be starting, it is asked
/// until it is ready.
///
/// # Errors
/// When there is no answer within `limit`, of an external server within its time to start, or it is
/// wrong; or an interruption.
pub fn first_answer(
    running: &Running,
    tls: Option<&Arc<ClientConfig>>,
    exchange: &Exchange,
    limit: Duration,
    interrupt: &Interrupt,
) -> Result<Wire> {
    running.when_ready(interrupt, || {
        let limit = match running.may_be_starting() {
            true => limit.max(running.start_deadline.saturating_duration_since(Instant::now())),
            false => limit,
        };
        let deadline = (Instant::now() + limit, limit);
        answer(&running.addr, tls.map(Arc::clone), exchange, deadline, interrupt)
    })
}

fn answer(
    addr: &Address,
    tls: Option<Arc<ClientConfig>>,
    exchange: &Exchange,
    (deadline, limit): (Instant, Duration),
    interrupt: &Interrupt,
) -> Result<Wire> {
    let mut stream = connect(addr, limit).with_context(|| {
        Unready(format!("failed to connect to {addr}, where the server said it listens"))
    })?;
    if let Some(tls) = tls {
        let name = ServerName::try_from(SERVER_NAME).context("a name as it should be")?;
        let session = ClientConnection::new(tls, name).context("failed to begin TLS")?;
        stream = Box::new(StreamOwned::new(session, stream));
    }
    stream
        .write_all(exchange.request.as_bytes())
        .with_context(|| Unready("failed to send the first request".to_owned()))?;
    let mut received = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let n = match stream.read(&mut buffer) {
            Err(error) if is_pause(&error) && Instant::now() < deadline => {
                interrupt.check()?;
                continue;
            }
            Err(error) if is_pause(&error) => {
                bail!("no whole first answer within {:.1} s", limit.as_secs_f64())
            }
            other => other.with_context(|| Unready("the first answer broke off".to_owned()))?,
        };
        received.extend_from_slice(&buffer[..n]);
        let answer = parse::parse(&received, exchange.head, n == 0)
            .map_err(|Malformed(why)| anyhow::anyhow!("the first answer is malformed: {why}"))?;
        if let Some(answer) = answer {
            if answer.status >= 500 && answer.status != exchange.status {
                let body = excerpt(&answer.body, 0);
                bail!(Unready(format!(
                    "the first answer is wrong: status {}, body {body}",
                    answer.status
                )));
            }
            ensure!(
                answer.status == exchange.status && *answer.body == *exchange.body.as_bytes(),
                "the first answer is wrong: status {}, body {}",
                answer.status,
                excerpt(&answer.body, 0)
            );
            return wire(&received, answer.body.len());
        }
        if n == 0 {
            let text = "the server closed the connection in the middle of its first answer";
            bail!(Unready(text.to_owned()));
        }
    }
}

/// Whether an error says that nothing has come for a while.
fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// Connects; reading then pauses now and then, to look at the interrupt.
fn connect(addr: &Address, limit: Duration) -> Result<Box<dyn Stream>> {
    Ok(match addr {
        Address::Tcp(addr) => {
            let stream = TcpStream::connect_timeout(addr, limit)?;
            stream.set_read_timeout(Some(POLL)).context("failed to limit the wait")?;
            stream.set_nodelay(true).context("failed to switch off Nagle's algorithm")?;
            Box::new(stream)
        }
        Address::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(POLL)).context("failed to limit the wait")?;
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
