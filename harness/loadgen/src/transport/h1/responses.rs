//! What arrives on a connection: responses as expected, others, ends.

use std::io;
use std::mem;
use std::time::Instant;

use nix::errno::Errno;

use super::H1;
use crate::error_kind::ErrorKind;
use crate::request::in_flight::nanoseconds;
use crate::response::check::{self, Mismatch};
use crate::response::parse::{self, HEAD_BYTES_MAX};
use crate::response::template::{Check, Template};
use crate::transport::connection::Phase;
use crate::transport::error::{CLOSED, TransportError};
use crate::transport::{Outcome, Progress};

/// Bytes kept of a response, at most: this for heads and trailers, ...
const OVERHEAD_BYTES_MAX: usize = 2 * HEAD_BYTES_MAX;
/// ... and this many for each byte of the expected body. A chunk of one byte takes six.
const WIRE_BYTES_PER_BODY_BYTE: usize = 8;
/// The longest response where any body is expected.
const ANY_BODY_BYTES_MAX: usize = 64 << 20;

/// What the network never splits. Of a longer request the server may have seen the beginning.
const ONE_SEGMENT_BYTES: usize = 1400;

/// What is done with a whole response that is as expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accepted {
    /// The connection can be used again.
    Persistent,
    /// The server has to close the connection.
    Last,
}

/// What is done with a response that is not as expected.
struct Rejected {
    mismatch: Mismatch,
    /// Whether it was whole and the connection can be used again.
    persistent: bool,
}

impl From<Mismatch> for Rejected {
    fn from(mismatch: Mismatch) -> Self {
        Self { mismatch, persistent: false }
    }
}

impl H1 {
    /// Handles received bytes.
    #[inline]
    pub(super) fn received(&mut self, key: usize, bytes: &[u8], now: Instant) -> Progress {
        let connection = &mut self.connections[key];
        if connection.phase == Phase::InFlight
            && connection.received.is_empty()
            && let Some(template) = &mut self.templates[connection.next.exchange]
        {
            match template.check(connection.matched, bytes) {
                Check::Equal => {
                    let persistent = template.persistent();
                    return self.complete(key, persistent, now);
                }
                Check::Partial => {
                    connection.matched += bytes.len();
                    return Progress::Pending;
                }
                Check::Different => {}
            }
        }
        self.parse(key, bytes, false, now)
    }

    /// Handles the end of the connection.
    pub(super) fn closed(&mut self, key: usize, now: Instant) -> Progress {
        let connection = &mut self.connections[key];
        match connection.phase {
            Phase::Closing(service_ns) => self.ended(key, service_ns),
            Phase::InFlight if connection.matched == 0 && connection.received.is_empty() => {
                let sent = connection.written;
                if self.config.depth == 1
                    && !connection.retried
                    && sent <= ONE_SEGMENT_BYTES
                    && connection.was_closed_before()
                {
                    return self.retry(key);
                }
                self.fail(key, TransportError::new(ErrorKind::Reset, CLOSED))
            }
            Phase::InFlight => {
                let template = self.templates[connection.next.exchange].as_ref();
                if connection.received.is_empty()
                    && template.is_some_and(|t| t.ends_at_close(connection.matched))
                {
                    let service_ns = nanoseconds(connection.request.sent, now);
                    self.ended(key, service_ns)
                } else {
                    self.parse(key, &[], true, now)
                }
            }
            Phase::Opening | Phase::Idle | Phase::Vacant => {
                self.disconnected(key, TransportError::new(ErrorKind::Reset, CLOSED))
            }
        }
    }

    /// Handles an error of writing. Where the server has closed an open connection, what it sent
    /// before is read first: responses, or the reason why it closes (RFC 9112, section 9.6).
    /// Reading also finds the end.
    #[cold]
    pub(super) fn unwritten(&mut self, key: usize, error: &io::Error) -> Progress {
        let connection = &mut self.connections[key];
        let errno = error.raw_os_error().map(Errno::from_raw);
        let closed = matches!(errno, Some(Errno::ECONNRESET | Errno::EPIPE));
        if closed && connection.phase == Phase::InFlight && connection.cut() {
            return Progress::Pending;
        }
        self.lost(key, error)
    }

    /// Handles an error of the connection.
    #[cold]
    pub(super) fn lost(&mut self, key: usize, error: &io::Error) -> Progress {
        let error = TransportError::from_io(error);
        match self.connections[key].phase {
            Phase::Closing(service_ns) => self.ended(key, service_ns),
            Phase::InFlight => {
                if matches!(error.kind, ErrorKind::Connect | ErrorKind::Tls) {
                    self.stats.refuse(error.reason);
                }
                self.fail(key, error)
            }
            Phase::Opening | Phase::Idle | Phase::Vacant => self.disconnected(key, error),
        }
    }

    /// A connection without a request in flight is lost.
    #[cold]
    fn disconnected(&mut self, key: usize, error: TransportError) -> Progress {
        let connection = &mut self.connections[key];
        let opening = connection.phase == Phase::Opening;
        connection.close();
        if opening {
            self.stats.refuse(error.reason);
            return Progress::Disconnected(Box::new(error.connecting()));
        }
        self.stats.lost_idle += 1;
        Progress::Disconnected(Box::new(error))
    }

    /// The request in flight has failed, and its connection is closed.
    #[cold]
    pub(super) fn fail(&mut self, key: usize, error: TransportError) -> Progress {
        let connection = &mut self.connections[key];
        connection.close();
        let request = connection.request;
        self.fail_rest(key, error);
        Progress::Completed(request, Outcome::Failed(Box::new(error)))
    }

    /// The connection ended behind the response that had to be its last.
    fn ended(&mut self, key: usize, service_ns: u64) -> Progress {
        let connection = &mut self.connections[key];
        let request = connection.request;
        connection.close();
        if !connection.pipeline.behind.is_empty() {
            self.retry_rest(key);
        }
        Progress::Completed(request, Outcome::Ok { service_ns })
    }

    /// Handles a whole response that is as expected.
    #[inline]
    pub(super) fn complete(&mut self, key: usize, persistent: bool, now: Instant) -> Progress {
        let connection = &mut self.connections[key];
        let request = connection.request;
        let service_ns = nanoseconds(request.sent, now);
        if connection.wants_room() && connection.pipeline.behind.is_empty() {
            // It came before the request was sent in full: what is left of that is in the way.
            connection.close();
        } else if persistent && !self.config.churn {
            connection.proceed();
        } else {
            connection.phase = Phase::Closing(service_ns);
            return Progress::Pending;
        }
        Progress::Completed(request, Outcome::Ok { service_ns })
    }

    /// Parses and checks a response that is unlike its template, or the first.
    #[cold]
    pub(super) fn parse(
        &mut self,
        key: usize,
        bytes: &[u8],
        closed: bool,
        now: Instant,
    ) -> Progress {
        let connection = &mut self.connections[key];
        let exchange = connection.next.exchange;
        // For what is said of a mismatch: others were sent meanwhile.
        self.exchanges[exchange].number(self.config.seed, connection.next.index);
        if connection.phase != Phase::InFlight {
            return self.unsolicited(key, bytes);
        }
        let mut received = mem::take(&mut connection.received);
        if let Some(template) = &self.templates[exchange] {
            received.extend_from_slice(template.prefix(mem::take(&mut connection.matched)));
        }
        let skipped = connection.skip_bytes.min(bytes.len());
        let head_only = connection.skip_bytes > 0;
        connection.skip_bytes -= skipped;
        received.extend_from_slice(&bytes[skipped..]);
        let accepted = match connection.skip_bytes {
            0 => self.accept(exchange, &received, closed, head_only),
            _ => Ok(None),
        };
        let connection = &mut self.connections[key];
        match accepted {
            Err(Rejected { mismatch, persistent }) => {
                let request = connection.request;
                let stuck = connection.wants_room() && connection.pipeline.behind.is_empty();
                if persistent && !self.config.churn && !stuck {
                    connection.proceed();
                } else {
                    connection.close();
                    self.fail_rest(key, TransportError::new(ErrorKind::Reset, CLOSED));
                }
                Progress::Completed(request, Outcome::Mismatch(Box::new(mismatch)))
            }
            Ok(None) if closed => self.fail(key, TransportError::new(ErrorKind::Truncated, CLOSED)),
            Ok(None) => {
                // A body that is not compared need not be kept.
                if connection.skip_bytes == 0
                    && self.exchanges[exchange].body.is_none()
                    && let Some((head_len, len)) = parse::lengths(&received)
                {
                    connection.skip_bytes = len - received.len();
                    received.truncate(head_len);
                }
                connection.received = received;
                Progress::Pending
            }
            Ok(Some(accepted)) => {
                received.clear();
                connection.received = received; // its room serves again
                match self.complete(key, accepted == Accepted::Persistent, now) {
                    Progress::Pending if closed => self.closed(key, now),
                    progress => progress,
                }
            }
        }
    }

    /// Bytes came outside any response, or behind the last one of the connection.
    fn unsolicited(&mut self, key: usize, bytes: &[u8]) -> Progress {
        let connection = &mut self.connections[key];
        if connection.phase == Phase::Idle && parse::is_request_timeout(bytes) {
            return self.disconnected(key, TransportError::new(ErrorKind::Reset, CLOSED));
        }
        let expected = &self.exchanges[connection.next.exchange];
        let mismatch = Box::new(check::unsolicited(bytes, expected));
        let closing = matches!(connection.phase, Phase::Closing(_));
        connection.close();
        if closing {
            let request = connection.request;
            self.fail_rest(key, TransportError::new(ErrorKind::Reset, CLOSED));
            return Progress::Completed(request, Outcome::Mismatch(mismatch));
        }
        self.stats.unsolicited += 1;
        Progress::Unsolicited(mismatch)
    }

    /// Whether `received` is the expected response to an exchange; none: it is incomplete. With
    /// several requests in flight, what is behind the response is put back. `head_only` says that
    /// the body has come and was not kept.
    fn accept(
        &mut self,
        exchange: usize,
        received: &[u8],
        closed: bool,
        head_only: bool,
    ) -> Result<Option<Accepted>, Rejected> {
        let expected = &self.exchanges[exchange];
        let response = parse::parse(received, expected.head || head_only, closed)
            .map_err(|why| check::malformed(received, why, expected))?;
        let Some(response) = response else {
            let body_bytes_max = expected
                .body
                .as_ref()
                .map_or(ANY_BODY_BYTES_MAX, |body| WIRE_BYTES_PER_BODY_BYTE * body.len());
            if received.len() > OVERHEAD_BYTES_MAX + body_bytes_max {
                return Err(check::too_long(received, expected).into());
            }
            return Ok(None);
        };
        if let Some(body) = &expected.body
            && response.until_close
            && body.len() > response.body.len()
            && body.starts_with(&response.body)
        {
            return Ok(None); // cut off: nothing but the close says where such a response ends
        }
        let (received, behind) = received.split_at(response.len);
        let excess = if self.config.depth > 1 { &[] } else { behind };
        if self.config.depth > 1 {
            self.unread.start -= behind.len();
        }
        let persistent = response.persistent && excess.is_empty();
        check::check(received, &response, expected)
            .map_err(|mismatch| Rejected { mismatch, persistent })?;
        if !excess.is_empty() {
            return Err(check::unsolicited(excess, expected).into());
        }
        let accepted = if response.persistent { Accepted::Persistent } else { Accepted::Last };
        if head_only {
            return Ok(Some(accepted));
        }
        // Connections count how much of their response matched the present template.
        let in_use = self
            .connections
            .iter()
            .any(|c| c.phase == Phase::InFlight && c.next.exchange == exchange && c.matched > 0);
        if !in_use || self.templates[exchange].is_none() {
            self.templates[exchange] = Some(Template::new(received, &response));
        }
        Ok(Some(accepted))
    }
}
