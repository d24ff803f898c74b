//! Several requests under way on a connection: written together, answered in order, each timed
//! from its own sending. Where a connection ends, what was asked on it and not answered is lost,
//! unless the server had said that the answer before was its last: then it has not looked at the
//! others, and they are asked again (RFC 9112, sections 9.3.2 and 9.6).

use std::mem;
use std::time::Instant;

use super::{Client, Outcome};
use crate::connection::Phase;
use crate::failure::Trouble;
use crate::fault::Fault;
use crate::pipe::Waiting;
use crate::template::Check;

impl Client<'_> {
    /// How many more requests may be under way on an open connection.
    pub(crate) fn room(&self, key: usize) -> usize {
        let connection = &self.connections[key];
        match connection.phase {
            Phase::Idle => self.depth,
            Phase::Asked if connection.pipe.cut => 0,
            Phase::Asked => self.depth - 1 - connection.pipe.behind.len(),
            Phase::Vacant | Phase::Opening | Phase::Closing(_) => 0,
        }
    }

    /// Asks the next question on an open connection, behind those it was asked before.
    /// [`Self::flush`] writes it.
    pub(crate) fn ask_behind(&mut self, key: usize, now: Instant) {
        let turn = self.turns.next();
        let question = &mut self.questions[turn.exchange];
        question.number(self.seed, turn.index);
        let connection = &mut self.connections[key];
        if connection.phase == Phase::Asked {
            connection.pipe.behind.push_back(Waiting { turn, asked_at: now });
        } else {
            connection.ask(turn, now);
        }
        connection.pipe.unsent.extend_from_slice(&question.request);
    }

    /// Writes what was asked.
    pub(crate) fn flush(&mut self, key: usize) -> Outcome {
        match self.connections[key].flush(&self.epoll, key as u64) {
            Ok(()) => Outcome::Pending,
            Err(error) => self.unwritten(key, &error),
        }
    }

    /// What else the last event on a connection came to. `buffer` holds what was read then.
    #[inline]
    pub(crate) fn more(&mut self, key: usize, buffer: &[u8], now: Instant) -> Option<Outcome> {
        if self.depth == 1 {
            return None;
        }
        if let Some(trouble) = self.trouble.take() {
            self.connections[key].close();
            return Some(Outcome::Failed(trouble));
        }
        if self.unread.is_empty() {
            return None;
        }
        let outcome = self.next_answer(key, &buffer[self.unread.clone()], now);
        if self.connections[key].phase == Phase::Vacant {
            self.unread = 0..0;
        }
        Some(outcome)
    }

    /// Looks at the first answer among bytes that may hold several, or parts of them.
    fn next_answer(&mut self, key: usize, bytes: &[u8], now: Instant) -> Outcome {
        let connection = &mut self.connections[key];
        if connection.phase == Phase::Asked
            && connection.received.is_empty()
            && let Some(template) = &mut self.templates[connection.exchange]
        {
            match template.check_start(connection.matched, bytes) {
                Ok(length) => {
                    self.unread.start += length;
                    let persistent = template.persistent();
                    return self.answered(key, persistent, now);
                }
                Err(Check::Partial) => {
                    connection.matched += bytes.len();
                    self.unread.start = self.unread.end;
                    return Outcome::Pending;
                }
                Err(Check::Right | Check::Different) => {}
            }
        }
        self.unread.start = self.unread.end; // the parser puts back what it does not need
        self.parse(key, bytes, false, now)
    }

    /// Asks what was behind the last answer of a connection again, on a new one. The time runs on.
    #[cold]
    pub(super) fn ask_rest_again(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        connection.phase = Phase::Asked;
        connection.proceed();
        self.asked_again += 1 + connection.pipe.behind.len() as u64;
        self.reopened += 1;
        let behind = connection.pipe.behind.iter().map(|w| (w.turn.exchange, w.turn.index));
        let mut requests = mem::take(&mut connection.pipe.unsent);
        for (exchange, index) in [(connection.exchange, connection.index)].into_iter().chain(behind)
        {
            let question = &mut self.questions[exchange];
            question.number(self.seed, index);
            requests.extend_from_slice(&question.request);
        }
        let opened = connection.open_and_write(&self.target, &requests, &self.epoll, key as u64);
        if connection.wants_room() {
            connection.pipe.unsent = requests;
        } else {
            connection.written = 0;
        }
        if let Err(error) = opened {
            let errno = error.raw_os_error();
            self.trouble = Some(Trouble { fault: Fault::Connect, errno, closing: false });
        }
    }
}
