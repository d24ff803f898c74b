//! The upstream service: an HTTP/1.1 server that answers after a given delay with a nonce that a
//! seed decides, and counts its calls and the connections that it has accepted.
//!
//! `GET /nonce?seed=S&i=I&ms=M` waits M ms and answers `{"nonce":N}`; `GET /counts` answers
//! `{"calls":C,"accepts":A}` and counts as neither. One thread serves all connections: while it
//! waits for many of them it does nothing.

use std::cell::Cell;
use std::net::TcpListener;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use duet_loadgen::request::exchange::ExpectedBody;
use duet_loadgen::response::reference::ReferenceResponse;
use duet_process::interrupt::{Interrupt, POLL};

/// The longest head of a request; longer ones close the connection.
const HEAD_BYTES_MAX: usize = 8 * 1024;

/// The most header fields of a request.
const FIELDS_MAX: usize = 32;

/// The longest delay, in milliseconds.
const DELAY_MS_MAX: u64 = 60_000;

/// What has happened so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests for a nonce.
    pub calls: u64,
    /// Connections on which the first request was for a nonce.
    pub accepts: u64,
}

/// The nonce of a call: Knuth's multiplicative hash of 31 S + I (The Art of Computer Programming,
/// volume 3, 6.4).
#[must_use]
pub fn nonce(seed: u64, i: u64) -> u64 {
    let x = seed.wrapping_mul(31).wrapping_add(i) & 0xffff_ffff;
    x.wrapping_mul(2_654_435_761) & 0xffff_ffff
}

/// Serves until a signal comes.
///
/// # Errors
/// When the system refuses what it takes to wait for requests.
pub fn serve(listener: TcpListener, interrupt: &Interrupt) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("failed to start the runtime of the upstream service")?;
    listener.set_nonblocking(true).context("failed to set up the listener")?;
    LocalSet::new().block_on(&runtime, async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let counts = Rc::new(Cell::new(Counts::default()));
        while interrupt.signal().is_none() {
            // Where it fails, nobody waits, the client has given up, or there is no room for it.
            if let Ok(Ok((stream, _))) = tokio::time::timeout(POLL, listener.accept()).await {
                stream.set_nodelay(true)?;
                tokio::task::spawn_local(connection(stream, Rc::clone(&counts)));
            }
        }
        Ok(())
    })
}

/// Answers the requests of a connection until one of them is no request of ours.
async fn connection(mut stream: TcpStream, counts: Rc<Cell<Counts>>) {
    let mut received = vec![];
    let mut counted = false;
    loop {
        let (request, length) = loop {
            match parse(&received) {
                Parsed::Request(request, length) => break (request, length),
                Parsed::Partial if received.len() < HEAD_BYTES_MAX => {}
                Parsed::Partial | Parsed::Unknown => return,
            }
            if !matches!(stream.read_buf(&mut received).await, Ok(1..)) {
                return;
            }
        };
        received.drain(..length);
        let body = match request {
            Request::Counts => {
                let Counts { calls, accepts } = counts.get();
                format!("{{\"calls\":{calls},\"accepts\":{accepts}}}")
            }
            Request::Nonce { seed, i, delay } => {
                let until = Instant::now() + delay;
                let Counts { calls, accepts } = counts.get();
                let accepts = accepts + u64::from(!std::mem::replace(&mut counted, true));
                counts.set(Counts { calls: calls + 1, accepts });
                // The runtime's timer has a resolution of 1 ms and is never early.
                tokio::time::sleep_until(until.into()).await;
                format!("{{\"nonce\":{}}}", nonce(seed, i))
            }
        };
        let response = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.write_all(response.as_bytes()).await.is_err() {
            return;
        }
    }
}

enum Request {
    Nonce { seed: u64, i: u64, delay: Duration },
    Counts,
}

enum Parsed {
    /// A request and its length.
    Request(Request, usize),
    Partial,
    Unknown,
}

fn parse(bytes: &[u8]) -> Parsed {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Parsed::Partial,
        Err(_) => return Parsed::Unknown,
    };
    let target = request.path.filter(|_| request.method == Some("GET"));
    match target.and_then(of_target) {
        Some(request) => Parsed::Request(request, length),
        None => Parsed::Unknown,
    }
}

fn of_target(target: &str) -> Option<Request> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if path == "/counts" {
        return Some(Request::Counts);
    }
    let value = |name: &str| -> Option<u64> {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name)?.1.parse().ok()
    };
    let delay = Duration::from_millis(value("ms").unwrap_or(0).min(DELAY_MS_MAX));
    (path == "/nonce")
        .then(|| Some(Request::Nonce { seed: value("seed")?, i: value("i")?, delay }))?
}

/// The counts in a response to `GET /counts`.
///
/// # Errors
/// When it is none.
pub fn counts(response: &ReferenceResponse) -> Result<Counts> {
    let ExpectedBody::Exactly(body) = &response.body else { bail!("its counts are too long") };
    let json: serde_json::Value = serde_json::from_slice(body).context("its counts are no JSON")?;
    let field = |name: &str| json[name].as_u64().context("a count is missing");
    Ok(Counts { calls: field("calls")?, accepts: field("accepts")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces() {
        let cases = [((0, 0), 0), ((0, 1), 2_654_435_761), ((1, 0), 683_129_967)];
        for ((seed, i), expected) in cases {
            assert_eq!(nonce(seed, i), expected, "seed {seed}, i {i}");
        }
    }

    #[test]
    fn requests() {
        let delay = |target: &str| match of_target(target) {
            Some(Request::Nonce { seed, i, delay }) => Some((seed, i, delay.as_millis())),
            _ => None,
        };
        assert_eq!(delay("/nonce?seed=3&i=1&ms=5"), Some((3, 1, 5)));
        assert_eq!(delay("/nonce?i=1&seed=3"), Some((3, 1, 0)));
        assert_eq!(delay("/nonce?seed=3"), None);
        assert_eq!(delay("/nonce?seed=x&i=1"), None);
        assert_eq!(delay("/other?seed=3&i=1"), None);
        assert!(matches!(of_target("/counts"), Some(Request::Counts)));
        assert!(matches!(parse(b"GET /counts HTTP/1.1\r\nHost"), Parsed::Partial));
        assert!(matches!(parse(b"POST /counts HTTP/1.1\r\n\r\n"), Parsed::Unknown));
    }
}
