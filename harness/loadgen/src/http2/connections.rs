//! The connections of a thread: opening them, giving them places, replacing them.

use std::ops::Range;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::Multiplex;
use super::place::Answered;
use crate::fault::Fault;
use crate::stream::back_off;

impl Multiplex<'_> {
    /// A connection is open: it has as many places as are wanted and the server allows.
    pub(super) fn opened(&mut self, key: usize, now: Instant) {
        self.books.part.connections.opened += 1;
        let allowed = self.links[key].streams_max();
        for place in self.of_link(key).take(allowed) {
            self.places[place].put(self.links[key].sender(), now);
            self.free.push_back(place);
        }
        self.dispatch(now);
    }

    /// A connection is no more. What is under way on it and not answered yet has met `fault`.
    pub(super) fn lost(&mut self, key: usize, reason: &'static str, fault: Fault, now: Instant) {
        let was_open = self.links[key].is_open();
        self.links[key].close();
        let own = self.of_link(key);
        self.free.retain(|place| !own.contains(place));
        let mut asked = false;
        for place in own {
            self.places[place].put(None, now);
            if self.places[place].is_asked() {
                asked = true;
                let waker = self.bells.place(place);
                let answered = match self.places[place].poll(&self.asked.questions, waker) {
                    Poll::Pending | Poll::Ready(Answered::Failed(Fault::Reset)) => {
                        Answered::Failed(fault)
                    }
                    Poll::Ready(answered) => answered,
                };
                self.settle(place, answered, now);
            }
        }
        if !was_open {
            self.books.part.connections.refuse(reason);
        } else if !asked {
            self.books.part.connections.lost_idle += 1;
        }
        self.replace(key, now);
    }

    /// Opens a connection in place of one that is lost: at once, unless it failed before.
    fn replace(&mut self, key: usize, now: Instant) {
        self.links[key].failures += 1;
        match back_off(self.links[key].failures) {
            Duration::ZERO if self.sending => self.open(key, now),
            wait => self.links[key].reopen = self.sending.then(|| now + wait),
        }
    }

    /// Begins to open a connection.
    pub(super) fn open(&mut self, key: usize, now: Instant) {
        if let Err(reason) = self.links[key].open(self.target, &self.thread, key, now) {
            self.books.part.connections.refuse(reason);
            self.links[key].failures = self.links[key].failures.max(1);
            self.replace(key, now);
        }
    }

    /// The places of a connection.
    fn of_link(&self, key: usize) -> Range<usize> {
        key * self.streams..(key + 1) * self.streams
    }
}
