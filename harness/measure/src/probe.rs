//! The first right answer of a server that has just started, over a bare socket. Over HTTP/2 the
//! verifying client asks, which adds well below a millisecond.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustls::ClientConfig;

use crate::MeasureError;
use crate::connection::Connection;
use crate::server::Running;
use duet_model::record::Wire;
use duet_process::interrupt::Interrupt;
use duet_protocol::Exchange;

/// Header fields that are looked at; more would be malformed for the generator too.
const FIELDS_MAX: usize = 128;

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
) -> Result<Wire, MeasureError> {
    running.when_ready(interrupt, || {
        let limit = match running.may_be_starting() {
            true => limit.max(running.start_deadline.saturating_duration_since(Instant::now())),
            false => limit,
        };
        let of = ("the first answer", limit);
        let mut connection = Connection::open(&running.addr, tls.cloned(), of, interrupt)?;
        connection.send(exchange.request.as_bytes())?;
        let (received, body_bytes) = connection.receive(exchange)?;
        wire(&received, body_bytes)
    })
}

/// The shape of an answer that has been parsed before.
fn wire(received: &[u8], body_bytes: usize) -> Result<Wire, MeasureError> {
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
