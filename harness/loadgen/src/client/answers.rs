//! What arrives on a connection: right answers, wrong ones, ends.

use std::io;
use std::mem;
use std::time::Instant;

use nix::errno::Errno;

use super::{Client, Outcome};
use crate::connection::Phase;
use crate::failure::{self, Trouble};
use crate::fault::Fault;
use crate::http1::{self, HEAD_BYTES_MAX};
use crate::judge::{self, Wrong};
use crate::template::{Check, Template};
use crate::tls;

/// Bytes kept of an answer, at most: this for heads and trailers, ...
const OVERHEAD_BYTES_MAX: usize = 2 * HEAD_BYTES_MAX;
/// ... and this many for each byte of the right body. A chunk of one byte takes six.
const WIRE_BYTES_PER_BODY_BYTE: usize = 8;
/// The longest answer where any body is right.
const ANY_BODY_BYTES_MAX: usize = 64 << 20;

/// What the network never splits. Of a longer request the server may have seen the beginning.
const ONE_SEGMENT_BYTES: usize = 1400;

/// What is done with a whole, right answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answered {
    /// The connection can be asked again.
    Persistent,
    /// The server has to close the connection.
    Last,
}

/// What is done about an answer that is not right.
struct Rejected {
    wrong: Wrong,
    /// Whether it was whole and the connection can be asked again.
    persistent: bool,
}

impl From<Wrong> for Rejected {
    fn from(wrong: Wrong) -> Self {
        Self { wrong, persistent: false }
    }
}

impl Client<'_> {
    /// Handles received bytes.
    #[inline]
    pub(super) fn received(&mut self, key: usize, bytes: &[u8], now: Instant) -> Outcome {
        let connection = &mut self.connections[key];
        if connection.phase == Phase::Asked
            && connection.received.is_empty()
            && let Some(template) = &mut self.templates[connection.exchange]
        {
            match template.check(connection.matched, bytes) {
                Check::Right => {
                    let persistent = template.persistent();
                    return self.answered(key, persistent, now);
                }
                Check::Partial => {
                    connection.matched += bytes.len();
                    return Outcome::Pending;
                }
                Check::Different => {}
            }
        }
        self.parse(key, bytes, false, now)
    }

    /// Handles the end of the connection.
    pub(super) fn closed(&mut self, key: usize, now: Instant) -> Outcome {
        let connection = &mut self.connections[key];
        match connection.phase {
            Phase::Closing(service_ns) => {
                self.ended(key);
                Outcome::Right(service_ns)
            }
            Phase::Asked if connection.matched == 0 && connection.received.is_empty() => {
                let sent = connection.written;
                if self.depth == 1
                    && !connection.again
                    && sent <= ONE_SEGMENT_BYTES
                    && connection.was_closed_before()
                {
                    return self.ask_again(key);
                }
                connection.close();
                Outcome::Failed(Trouble::of(Fault::Reset))
            }
            Phase::Asked => {
                let template = self.templates[connection.exchange].as_ref();
                if connection.received.is_empty()
                    && template.is_some_and(|t| t.ends_at_close(connection.matched))
                {
                    let service_ns = nanoseconds(connection.asked_at, now);
                    self.ended(key);
                    Outcome::Right(service_ns)
                } else {
                    self.parse(key, &[], true, now)
                }
            }
            Phase::Opening | Phase::Idle | Phase::Vacant => {
                connection.close();
                Outcome::Gone("closed by the server")
            }
        }
    }

    /// Handles an error of writing. Where the server has closed an open connection, what it sent
    /// before is read first: right answers, or the reason why it closes (RFC 9112, section 9.6).
    /// Reading also finds the end.
    #[cold]
    pub(super) fn unwritten(&mut self, key: usize, error: &io::Error) -> Outcome {
        let connection = &mut self.connections[key];
        let errno = error.raw_os_error().map(Errno::from_raw);
        let closed = matches!(errno, Some(Errno::ECONNRESET | Errno::EPIPE));
        if closed && connection.phase == Phase::Asked && connection.cut() {
            return Outcome::Pending;
        }
        self.lost(key, error)
    }

    /// Handles an error of the connection.
    #[cold]
    pub(super) fn lost(&mut self, key: usize, error: &io::Error) -> Outcome {
        let errno = error.raw_os_error();
        let fault = match errno.map(Errno::from_raw) {
            Some(Errno::ECONNRESET | Errno::EPIPE) => Fault::Reset,
            _ if error.kind() == io::ErrorKind::BrokenPipe => Fault::Reset,
            _ if tls::is_at_fault(error) => Fault::Tls,
            _ => Fault::Connect,
        };
        let connection = &mut self.connections[key];
        match connection.phase {
            Phase::Closing(service_ns) => {
                self.ended(key);
                Outcome::Right(service_ns)
            }
            Phase::Asked => {
                connection.close();
                Outcome::Failed(Trouble { fault, errno, closing: false })
            }
            Phase::Opening | Phase::Idle | Phase::Vacant => {
                connection.close();
                Outcome::Gone(failure::reason(error))
            }
        }
    }

    /// The connection ended behind the answer that had to be its last.
    fn ended(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        connection.close();
        if !connection.pipe.behind.is_empty() {
            self.ask_rest_again(key);
        }
    }

    /// Handles a whole, right answer.
    #[inline]
    pub(super) fn answered(&mut self, key: usize, persistent: bool, now: Instant) -> Outcome {
        let connection = &mut self.connections[key];
        let service_ns = nanoseconds(connection.asked_at, now);
        if connection.wants_room() && connection.pipe.behind.is_empty() {
            // Answered before it was asked in full: what is left of the request is in the way.
            connection.close();
            Outcome::Right(service_ns)
        } else if persistent && !self.churn {
            connection.proceed();
            Outcome::Right(service_ns)
        } else {
            connection.phase = Phase::Closing(service_ns);
            Outcome::Pending
        }
    }

    /// Has the parser and the judge look at an answer that is unlike its template, or the first.
    #[cold]
    pub(super) fn parse(
        &mut self,
        key: usize,
        bytes: &[u8],
        closed: bool,
        now: Instant,
    ) -> Outcome {
        let connection = &mut self.connections[key];
        let exchange = connection.exchange;
        // For what is said of a wrong answer: others were asked meanwhile.
        self.questions[exchange].number(self.seed, connection.index);
        if connection.phase != Phase::Asked {
            let wrong = Box::new(judge::excess(bytes, &self.questions[exchange]));
            let closing = matches!(connection.phase, Phase::Closing(_));
            connection.close();
            return if closing { Outcome::Wrong(wrong) } else { Outcome::Unasked(wrong) };
        }
        let mut received = mem::take(&mut connection.received);
        if let Some(template) = &self.templates[exchange] {
            received.extend_from_slice(template.prefix(mem::take(&mut connection.matched)));
        }
        let skipped = connection.skip_bytes.min(bytes.len());
        let head_only = connection.skip_bytes > 0;
        connection.skip_bytes -= skipped;
        received.extend_from_slice(&bytes[skipped..]);
        let settled = match connection.skip_bytes {
            0 => self.settle(exchange, &received, closed, head_only),
            _ => Ok(None),
        };
        let connection = &mut self.connections[key];
        match settled {
            Err(Rejected { wrong, persistent }) => {
                let stuck = connection.wants_room() && connection.pipe.behind.is_empty();
                if persistent && !self.churn && !stuck {
                    connection.proceed();
                } else {
                    connection.close();
                }
                Outcome::Wrong(Box::new(wrong))
            }
            Ok(None) if closed => {
                connection.close();
                Outcome::Failed(Trouble::of(Fault::Short))
            }
            Ok(None) => {
                // A body that is not compared need not be kept.
                if connection.skip_bytes == 0
                    && self.questions[exchange].body.is_none()
                    && let Some((head_len, len)) = http1::lengths(&received)
                {
                    connection.skip_bytes = len - received.len();
                    received.truncate(head_len);
                }
                connection.received = received;
                Outcome::Pending
            }
            Ok(Some(answered)) => {
                received.clear();
                connection.received = received; // its room serves again
                match self.answered(key, answered == Answered::Persistent, now) {
                    Outcome::Pending if closed => self.closed(key, now),
                    outcome => outcome,
                }
            }
        }
    }

    /// Whether `received` is the right answer to an exchange; none: it is incomplete. With several
    /// requests under way, what is behind the answer is put back. `head_only` says that the body
    /// has come and was not kept.
    fn settle(
        &mut self,
        exchange: usize,
        received: &[u8],
        closed: bool,
        head_only: bool,
    ) -> Result<Option<Answered>, Rejected> {
        let expected = &self.questions[exchange];
        let answer = http1::parse(received, expected.head || head_only, closed)
            .map_err(|why| judge::malformed(received, why, expected))?;
        let Some(answer) = answer else {
            let body_bytes_max = expected
                .body
                .as_ref()
                .map_or(ANY_BODY_BYTES_MAX, |body| WIRE_BYTES_PER_BODY_BYTE * body.len());
            if received.len() > OVERHEAD_BYTES_MAX + body_bytes_max {
                return Err(judge::too_long(received, expected).into());
            }
            return Ok(None);
        };
        if let Some(body) = &expected.body
            && answer.until_close
            && body.len() > answer.body.len()
            && body.starts_with(&answer.body)
        {
            return Ok(None); // cut off: nothing but the close says where such an answer ends
        }
        let (received, behind) = received.split_at(answer.len);
        let excess = if self.depth > 1 { &[] } else { behind };
        if self.depth > 1 {
            self.unread.start -= behind.len();
        }
        let persistent = answer.persistent && excess.is_empty();
        judge::judge(received, &answer, expected)
            .map_err(|wrong| Rejected { wrong, persistent })?;
        if !excess.is_empty() {
            return Err(judge::excess(excess, expected).into());
        }
        let persistence = if answer.persistent { Answered::Persistent } else { Answered::Last };
        if head_only {
            return Ok(Some(persistence));
        }
        // Connections count how much of their answer matched the present template.
        let in_use = self
            .connections
            .iter()
            .any(|c| c.phase == Phase::Asked && c.exchange == exchange && c.matched > 0);
        if !in_use || self.templates[exchange].is_none() {
            self.templates[exchange] = Some(Template::new(received, &answer));
        }
        Ok(Some(persistence))
    }
}

#[inline]
fn nanoseconds(from: Instant, to: Instant) -> u64 {
    // A u64 of nanoseconds holds 584 years.
    to.saturating_duration_since(from).as_nanos() as u64
}
