//! What arrives on a connection: responses as expected, others, ends.

use std::io;
use std::mem;
use std::time::Instant;

use nix::errno::Errno;

use super::H1;
use crate::error_kind::ErrorKind;
use crate::request::in_flight::nanoseconds;
use crate::response::check::{self, Mismatch};
use crate::response::incoming::Incoming;
use crate::response::parse;
use crate::response::template::Check;
use crate::transport::connection::Phase;
use crate::transport::error::{CLOSED, TransportError};
use crate::transport::{Outcome, Progress};

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
            && connection.incoming.is_none()
            && let Some(template) = &mut self.templates[connection.next.exchange]
        {
            match template.check(connection.matched, bytes) {
                Check::Equal => {
                    let persistent = template.persistent();
                    return self.complete(key, persistent, now);
                }
                Check::Partial => {
                    connection.matched += bytes.len();
                    connection.first_byte.get_or_insert(now);
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
        let unannounced = connection.tls().is_some_and(|session| !session.is_end_announced());
        match connection.phase {
            Phase::Closing(service_ns) => self.ended(key, service_ns),
            Phase::InFlight if connection.matched == 0 && connection.incoming.is_none() => {
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
                let progress = if connection.incoming.is_none()
                    && template.is_some_and(|t| t.ends_at_close(connection.matched))
                {
                    let service_ns = nanoseconds(connection.request.sent, now);
                    self.ended(key, service_ns)
                } else {
                    self.parse(key, &[], true, now)
                };
                if unannounced && matches!(progress, Progress::Completed(_, Outcome::Ok { .. })) {
                    self.stats.unannounced += 1; // nothing but the end says where it ends
                }
                progress
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
        if let Some(first) = connection.first_byte {
            self.first_bytes.record(&request, first, service_ns);
        }
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
        let first_byte = connection.first_byte;
        if connection.wants_room() && connection.pipeline.behind.is_empty() {
            // It came before the request was sent in full: what is left of that is in the way.
            connection.close();
        } else if persistent && !self.config.churn {
            connection.proceed();
        } else {
            connection.phase = Phase::Closing(service_ns);
            return match self.stats.left_open {
                0 => Progress::Pending,
                _ => self.left_open(key, service_ns), // it will not be closed either
            };
        }
        if let Some(first) = first_byte {
            self.connections[key].first_byte = None;
            self.first_bytes.record(&request, first, service_ns);
        }
        Progress::Completed(request, Outcome::Ok { service_ns })
    }

    /// The server did not close the connection behind the response that had to be its last.
    #[cold]
    pub(super) fn left_open(&mut self, key: usize, service_ns: u64) -> Progress {
        self.stats.left_open += 1;
        self.ended(key, service_ns)
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
        let expected = self.requests.write(key, connection.next);
        if connection.phase != Phase::InFlight {
            return self.unsolicited(key, bytes);
        }
        let incoming = connection.incoming.take();
        let mut incoming = incoming.unwrap_or_else(|| Box::new(Incoming::new(expected)));
        let matched = mem::take(&mut connection.matched);
        if matched > 0
            && let Some(template) = &self.templates[exchange]
        {
            // What matched is no whole response, and no malformed one.
            let _ = incoming.read(template.prefix(matched), expected, false);
        }
        let accepted = self.accept(key, &mut incoming, bytes, closed);
        self.note_events(key, &mut incoming, now);
        let connection = &mut self.connections[key];
        match accepted {
            Err(Rejected { mismatch, persistent }) => {
                let request = connection.request;
                connection.first_byte = None;
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
                connection.first_byte.get_or_insert(now);
                connection.incoming = Some(incoming);
                Progress::Pending
            }
            Ok(Some(accepted)) => match self.complete(key, accepted == Accepted::Persistent, now) {
                Progress::Pending if closed => self.closed(key, now),
                progress => progress,
            },
        }
    }

    /// Notes which events of a stream have come.
    fn note_events(&mut self, key: usize, incoming: &mut Incoming, now: Instant) {
        let connection = &self.connections[key];
        let period = self.requests.exchanges[connection.next.exchange].event_period;
        if let (Some(log), Some(period)) = (&mut self.events, period) {
            for event in incoming.take_events() {
                log.record(connection.request.sent + period * event, period, now);
            }
        }
    }

    /// Bytes came outside any response, or behind the last one of the connection.
    fn unsolicited(&mut self, key: usize, bytes: &[u8]) -> Progress {
        let connection = &mut self.connections[key];
        if connection.phase == Phase::Idle && parse::is_request_timeout(bytes) {
            return self.disconnected(key, TransportError::new(ErrorKind::Reset, CLOSED));
        }
        let expected = &self.requests.exchanges[connection.next.exchange];
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

    /// Reads `bytes`, the next of the response on a connection, and says whether it is the expected
    /// one; none: it is incomplete. With several requests in flight, what is behind the response is
    /// put back.
    fn accept(
        &mut self,
        key: usize,
        incoming: &mut Incoming,
        bytes: &[u8],
        closed: bool,
    ) -> Result<Option<Accepted>, Rejected> {
        let next = self.connections[key].next;
        let exchange = next.exchange;
        let expected = &self.requests.exchanges[exchange];
        let taken = incoming
            .read(bytes, expected, closed)
            .map_err(|why| check::malformed(incoming.start(), why, expected))?;
        let Some(taken) = taken else {
            return match incoming.body().is_too_long(&expected.body) {
                true => Err(check::too_long(incoming.start(), incoming.body(), expected).into()),
                false => Ok(None),
            };
        };
        if incoming.ends_at_close() && incoming.body().is_cut_off(&expected.body) {
            return Ok(None); // nothing but the close says where such a response ends
        }
        let behind = &bytes[taken..];
        let excess = if self.config.depth > 1 { &[] } else { behind };
        if self.config.depth > 1 {
            self.unread.start -= behind.len();
        }
        let persistent = incoming.is_persistent() && excess.is_empty();
        incoming.check(expected).map_err(|mismatch| Rejected { mismatch, persistent })?;
        if !excess.is_empty() {
            return Err(check::unsolicited(excess, expected).into());
        }
        if expected.observed {
            let observed = self.requests.observe(key, next, &incoming.observed());
            observed.map_err(|mismatch| Rejected { mismatch, persistent })?;
        }
        // Connections count how much of their response matched the present template.
        let in_use = self
            .connections
            .iter()
            .any(|c| c.phase == Phase::InFlight && c.next.exchange == exchange && c.matched > 0);
        let expected = &self.requests.exchanges[exchange];
        let is_read_whole = expected.observed || expected.event_period.is_some();
        if !is_read_whole
            && (!in_use || self.templates[exchange].is_none())
            && let Some(template) = incoming.template()
        {
            self.templates[exchange] = Some(template);
        }
        Ok(Some(match incoming.is_persistent() {
            true => Accepted::Persistent,
            false => Accepted::Last,
        }))
    }
}
