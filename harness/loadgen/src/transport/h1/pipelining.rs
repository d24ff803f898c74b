//! Several requests in flight on a connection: written together, their responses in order, each
//! timed from its own sending. Where a connection ends, what was sent on it and has no response is
//! lost, unless the server had said that the response before was its last: then it has not looked
//! at the others, and they are sent again (RFC 9112, sections 9.3.2 and 9.6).

use std::mem;
use std::time::Instant;

use super::H1;
use crate::error_kind::ErrorKind;
use crate::response::template::Check;
use crate::transport::connection::Phase;
use crate::transport::error::TransportError;
use crate::transport::{Completion, Outcome, Progress};

impl H1 {
    /// How many more requests may be in flight on a connection.
    pub(super) fn room_in_pipeline(&self, key: usize) -> usize {
        let connection = &self.connections[key];
        match connection.phase {
            Phase::Idle => self.config.depth,
            Phase::InFlight if connection.pipeline.cut => 0,
            Phase::InFlight => self.config.depth - 1 - connection.pipeline.behind.len(),
            Phase::Vacant | Phase::Opening | Phase::Closing(_) => 0,
        }
    }

    /// What else the last read brought, and what became of the requests behind one that failed.
    #[inline(never)]
    pub(super) fn rest_of_pipeline(&mut self) -> Option<Completion> {
        if self.failed.is_some()
            && let Some(completion) = self.next_failed()
        {
            return Some(completion);
        }
        if self.unread.is_empty() {
            return None;
        }
        let (slot, at) = self.unread_of;
        let buffer = mem::take(&mut self.buffer);
        let progress = self.next_response(&buffer);
        self.buffer = buffer;
        Some(Completion { slot, progress, at })
    }

    /// The next request behind one that failed.
    #[cold]
    fn next_failed(&mut self) -> Option<Completion> {
        let (slot, error) = self.failed?;
        let Some(queued) = self.connections[slot].pipeline.behind.pop_front() else {
            self.failed = None;
            return None;
        };
        let progress = Progress::Completed(queued.request, Outcome::Failed(Box::new(error)));
        Some(Completion { slot, progress, at: Instant::now() })
    }

    /// Reads the first response among the bytes in `buffer` that were not parsed yet: they may hold
    /// several, or parts of them.
    #[inline]
    pub(super) fn next_response(&mut self, buffer: &[u8]) -> Progress {
        let (key, now) = self.unread_of;
        let progress = self.first_response(key, &buffer[self.unread.clone()], now);
        if self.connections[key].phase == Phase::Vacant {
            self.unread = 0..0;
        }
        progress
    }

    /// Reads the first response among bytes.
    #[inline]
    fn first_response(&mut self, key: usize, bytes: &[u8], now: Instant) -> Progress {
        let connection = &mut self.connections[key];
        if connection.phase == Phase::InFlight
            && connection.incoming.is_none()
            && let Some(template) = &mut self.templates[connection.next.exchange]
        {
            match template.check_start(connection.matched, bytes) {
                Ok(length) => {
                    self.unread.start += length;
                    let persistent = template.persistent();
                    return self.complete(key, persistent, now);
                }
                Err(Check::Partial) => {
                    connection.matched += bytes.len();
                    connection.first_byte.get_or_insert(now);
                    self.unread.start = self.unread.end;
                    return Progress::Pending;
                }
                Err(Check::Equal | Check::Different) => {}
            }
        }
        self.unread.start = self.unread.end; // the parser puts back what it does not need
        self.parse(key, bytes, false, now)
    }

    /// A connection that is closed has failed, and with it all requests behind the first. Nothing
    /// of their responses came, as with a connection that is reset.
    pub(super) fn fail_rest(&mut self, key: usize, error: TransportError) {
        if !self.connections[key].pipeline.behind.is_empty() {
            let kind = match error.kind {
                ErrorKind::Timeout | ErrorKind::Connect => error.kind,
                _ => ErrorKind::Reset,
            };
            self.failed = Some((key, TransportError { kind, ..error }));
        }
    }

    /// Sends what was behind the last response of a connection again, on a new one. The time runs
    /// on.
    #[cold]
    pub(super) fn retry_rest(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        connection.phase = Phase::InFlight;
        connection.proceed();
        self.stats.retried += 1 + connection.pipeline.behind.len() as u64;
        self.stats.opened += 1;
        let behind = connection.pipeline.behind.iter().map(|queued| queued.next);
        let mut requests = mem::take(&mut connection.pipeline.unsent);
        for next in [connection.next].into_iter().chain(behind) {
            requests.extend_from_slice(&self.requests.write(key, next).request);
        }
        let opened = connection.open_and_write(&self.target, &requests, &self.epoll, key as u64);
        if connection.wants_room() {
            connection.pipeline.unsent = requests;
        } else {
            connection.written = 0;
        }
        if let Err(error) = opened {
            let error = TransportError::from_io(&error).connecting();
            self.stats.refuse(error.reason);
            connection.close();
            connection.requeue();
            self.failed = Some((key, error));
        }
    }
}
