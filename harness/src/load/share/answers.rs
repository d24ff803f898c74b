//! What arrives on a connection: right answers, wrong ones, ends.

use std::io;
use std::mem;
use std::time::Instant;

use nix::errno::Errno;

use super::{Share, Tally};
use crate::load::connection::Phase;
use crate::load::failure::{Failure, Trouble};
use crate::load::fault::Fault;
use crate::load::http1::{self, HEAD_BYTES_MAX};
use crate::load::judge::{self, Wrong};
use crate::load::template::{Check, Template};

/// Failed requests in a row after which a connection is not replaced until the next window.
const FAILURES_MAX: u32 = 3;
/// Bytes kept of an answer, at most: this for heads and trailers, ...
const OVERHEAD_BYTES_MAX: usize = 2 * HEAD_BYTES_MAX;
/// ... and this many for each byte of the right body. A chunk of one byte takes six.
const WIRE_BYTES_PER_BODY_BYTE: usize = 8;

/// What is done with a whole, right answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answered {
    /// The connection can be asked again.
    Persistent,
    /// The server has to close the connection.
    Last,
}

impl Share<'_> {
    /// Handles received bytes.
    #[inline]
    pub(super) fn received(
        &mut self,
        key: usize,
        bytes: &[u8],
        now: Instant,
        end: Instant,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        let connection = &mut self.connections[key];
        if connection.phase == Phase::Asked
            && connection.received.is_empty()
            && let Some(template) = &mut self.templates[connection.exchange]
        {
            match template.check(connection.matched, bytes) {
                Check::Right => {
                    let persistent = template.persistent();
                    self.answered(key, persistent, now, end, tally);
                    return Ok(());
                }
                Check::Partial => {
                    connection.matched += bytes.len();
                    return Ok(());
                }
                Check::Different => {}
            }
        }
        self.parse(key, bytes, false, now, end, tally)
    }

    /// Handles the end of the connection.
    pub(super) fn closed(
        &mut self,
        key: usize,
        now: Instant,
        end: Instant,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        let connection = &mut self.connections[key];
        match connection.phase {
            Phase::Closing(service_ns) => {
                connection.close();
                self.right(key, service_ns, now, end, tally);
            }
            Phase::Asked if connection.matched == 0 && connection.received.is_empty() => {
                self.fail(key, Trouble::of(Fault::Reset), now, end, tally);
            }
            Phase::Asked => {
                let template = self.templates[connection.exchange].as_ref();
                if connection.received.is_empty()
                    && template.is_some_and(|t| t.ends_at_close(connection.matched))
                {
                    let service_ns = nanoseconds(connection.asked_at, now);
                    connection.close();
                    self.right(key, service_ns, now, end, tally);
                } else {
                    self.parse(key, &[], true, now, end, tally)?;
                }
            }
            Phase::Idle | Phase::Vacant => connection.close(),
        }
        Ok(())
    }

    /// Handles an error of the connection.
    #[cold]
    pub(super) fn lost(
        &mut self,
        key: usize,
        error: &io::Error,
        now: Instant,
        end: Instant,
        tally: &mut Tally,
    ) {
        let errno = error.raw_os_error();
        let fault = match errno.map(Errno::from_raw) {
            Some(Errno::ECONNRESET | Errno::EPIPE) => Fault::Reset,
            _ => Fault::Connect,
        };
        match self.connections[key].phase {
            Phase::Closing(service_ns) => {
                self.connections[key].close();
                self.right(key, service_ns, now, end, tally);
            }
            Phase::Asked => {
                self.fail(key, Trouble { fault, errno, closing: false }, now, end, tally);
            }
            Phase::Idle | Phase::Vacant => self.connections[key].close(),
        }
    }

    /// Counts a failed request and replaces the connection, unless that seems to be of no use.
    #[cold]
    pub(super) fn fail(
        &mut self,
        key: usize,
        trouble: Trouble,
        now: Instant,
        end: Instant,
        tally: &mut Tally,
    ) {
        tally.faults.add(trouble.fault);
        tally.last_answer = now;
        self.trouble = Some(trouble);
        let connection = &mut self.connections[key];
        connection.close();
        connection.failures += 1;
        let replace = trouble.fault != Fault::Connect && connection.failures < FAILURES_MAX;
        if replace && now < end {
            self.ask(key, now, end, tally); // may fail and come back here, FAILURES_MAX times
        } else {
            self.outstanding -= 1;
        }
    }

    /// Handles a whole, right answer.
    #[inline]
    fn answered(
        &mut self,
        key: usize,
        persistent: bool,
        now: Instant,
        end: Instant,
        tally: &mut Tally,
    ) {
        let connection = &mut self.connections[key];
        let service_ns = nanoseconds(connection.asked_at, now);
        if connection.wants_room() {
            // Answered before it was asked in full: what is left of the request is in the way.
            connection.close();
            self.right(key, service_ns, now, end, tally);
        } else if persistent && !self.job.churn {
            self.right(key, service_ns, now, end, tally);
        } else {
            connection.phase = Phase::Closing(service_ns);
        }
    }

    /// Counts a right answer and asks again, if there is time.
    #[inline]
    fn right(
        &mut self,
        key: usize,
        service_ns: u64,
        now: Instant,
        end: Instant,
        tally: &mut Tally,
    ) {
        tally.service_times.record(service_ns);
        tally.last_answer = now;
        let connection = &mut self.connections[key];
        connection.failures = 0;
        if now < end {
            self.ask(key, now, end, tally);
            return;
        }
        if connection.phase != Phase::Vacant {
            connection.phase = Phase::Idle;
        }
        self.outstanding -= 1;
    }

    /// Has the parser and the judge look at an answer that is unlike its template, or the first.
    #[cold]
    fn parse(
        &mut self,
        key: usize,
        bytes: &[u8],
        closed: bool,
        now: Instant,
        end: Instant,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        let connection = &mut self.connections[key];
        let exchange = connection.exchange;
        if connection.phase != Phase::Asked {
            let wrong = judge::excess(bytes, &self.exchanges[exchange]);
            return Err(Failure::wrong(self.arm, &wrong));
        }
        let mut received = mem::take(&mut connection.received);
        if let Some(template) = &self.templates[exchange] {
            received.extend_from_slice(template.prefix(mem::take(&mut connection.matched)));
        }
        received.extend_from_slice(bytes);
        let answered = self.settle(exchange, &received, closed);
        match answered.map_err(|wrong| Failure::wrong(self.arm, &wrong))? {
            None if closed => self.fail(key, Trouble::of(Fault::Short), now, end, tally),
            None => self.connections[key].received = received,
            Some(answered) => {
                received.clear();
                self.connections[key].received = received; // its room serves again
                self.answered(key, answered == Answered::Persistent, now, end, tally);
                if closed {
                    self.closed(key, now, end, tally)?;
                }
            }
        }
        Ok(())
    }

    /// Whether `received` is the right answer to an exchange; none: it is incomplete.
    fn settle(
        &mut self,
        exchange: usize,
        received: &[u8],
        closed: bool,
    ) -> Result<Option<Answered>, Wrong> {
        let expected = &self.exchanges[exchange];
        let answer = http1::parse(received, expected.head, closed)
            .map_err(|why| judge::malformed(received, why, expected))?;
        let Some(answer) = answer else {
            let limit = OVERHEAD_BYTES_MAX + WIRE_BYTES_PER_BODY_BYTE * expected.body.len();
            if received.len() > limit {
                return Err(judge::too_long(received, expected));
            }
            return Ok(None);
        };
        let body = expected.body.as_bytes();
        if answer.until_close && body.len() > answer.body.len() && body.starts_with(&answer.body) {
            return Ok(None); // cut off: nothing but the close says where such an answer ends
        }
        judge::judge(received, &answer, expected)?;
        if received.len() > answer.len {
            return Err(judge::excess(&received[answer.len..], expected));
        }
        // Connections count how much of their answer matched the present template.
        let in_use = self
            .connections
            .iter()
            .any(|c| c.phase == Phase::Asked && c.exchange == exchange && c.matched > 0);
        if !in_use || self.templates[exchange].is_none() {
            self.templates[exchange] = Some(Template::new(received, &answer));
        }
        Ok(Some(if answer.persistent { Answered::Persistent } else { Answered::Last }))
    }
}

#[inline]
fn nanoseconds(from: Instant, to: Instant) -> u64 {
    // A u64 of nanoseconds holds 584 years.
    to.saturating_duration_since(from).as_nanos() as u64
}
