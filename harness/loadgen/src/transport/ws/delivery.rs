//! What comes to the members of a room: the same messages, each once, in the same order.

use std::collections::VecDeque;
use std::mem;
use std::time::Instant;

use super::frame::{self, Frame, Opcode};
use super::member::{Event, Stage};
use super::room::{Delivery, Ending, Room};
use super::{Sent, Ws};
use crate::error_kind::ErrorKind;
use crate::request::in_flight::nanoseconds;
use crate::response::check;
use crate::response::malformed::Malformed;
use crate::transport::error::TransportError;
use crate::transport::{Outcome, Progress, Transport as _};

/// Why the other connections of a room end with one of them.
const ROOM_ENDED: &str = "WebSocket: another connection of the room was lost";

impl Ws {
    /// A room that nobody has been in.
    pub(super) fn new_room(&mut self) -> Room {
        let (number, step) = self.next_room;
        self.next_room.0 += step;
        Room { number, order: VecDeque::new(), delivered: 0 }
    }

    /// A connection is a member of its room. When all are, they are open.
    #[cold]
    pub(super) fn join(&mut self, slot: usize, now: Instant) {
        let members = self.members_of(self.room_of(slot));
        if members.clone().all(|member| self.members[member].stage == Stage::Joined) {
            for member in members {
                self.members[member].stage = Stage::Open;
                self.members[member].received = 0;
                self.push(member, Progress::Opened, now);
            }
        }
    }

    /// Handles bytes of an open connection: frames, or parts of them.
    #[inline]
    pub(super) fn frames(&mut self, slot: usize, bytes: &[u8], now: Instant) {
        let mut held = mem::take(&mut self.members[slot].unread);
        let in_parts = !held.is_empty();
        if in_parts {
            held.extend_from_slice(bytes);
        }
        let input = if in_parts { &held[..] } else { bytes };
        let mut at = 0;
        let ending = loop {
            match frame::read(&input[at..], self.longest) {
                Ok(None) => break None,
                Ok(Some(frame)) => {
                    at += frame.len;
                    if let Err(ending) = self.take(slot, &frame, now) {
                        break Some(ending);
                    }
                }
                Err(why) => break Some(self.malformed(&input[at..], why)),
            }
        };
        if let Some(ending) = ending {
            return self.end(slot, ending, now);
        }
        match in_parts {
            true => drop(held.drain(..at)),
            false => held.extend_from_slice(&bytes[at..]),
        }
        self.members[slot].unread = held;
        if at > 0 {
            let progress = self.flush(slot); // what answers pings
            if !matches!(progress, Progress::Pending) {
                self.push(slot, progress, now);
            }
        }
    }

    /// Handles a frame.
    #[inline]
    fn take(&mut self, slot: usize, frame: &Frame<'_>, now: Instant) -> Result<(), Ending> {
        match self.members[slot].take(frame, self.longest) {
            Ok(Event::Message(kind, text)) => self.message(slot, (kind, text), now),
            Ok(Event::Joined(kind, text)) => self.message(slot, (kind, &text), now),
            Ok(Event::Nothing) => Ok(()),
            Ok(Event::Ping(payload)) => {
                let key = self.key();
                self.members[slot].push_pong(payload, key);
                Ok(())
            }
            Ok(Event::Close(why)) => {
                let key = self.key();
                self.members[slot].push(Opcode::Close, frame.payload, key);
                // Whether it can be sent makes no difference any more.
                let _ = self.members[slot].flush(&self.epoll, slot as u64);
                Err(Ending::Lost(TransportError::new(ErrorKind::Reset, why)))
            }
            Err(why) => Err(self.malformed(frame.payload, why)),
        }
    }

    /// Handles a message that has come to a member.
    #[inline]
    fn message(
        &mut self,
        slot: usize,
        (kind, text): (Opcode, &[u8]),
        now: Instant,
    ) -> Result<(), Ending> {
        if !self.echoed {
            self.complete(slot, now);
            return Ok(());
        }
        let room = self.room_of(slot);
        let at = (self.members[slot].received - self.rooms[room].delivered) as usize;
        let (expected, sender) = match self.rooms[room].order.get(at) {
            Some(&Delivery { sender, .. }) => {
                (Some(sender), self.is_of(sender, text).then_some(sender))
            }
            None => (None, self.put_in_order(room, text)),
        };
        let Some(sender) = sender.filter(|_| kind == Opcode::Text) else {
            return Err(self.wrong_message(slot, expected.or(sender), (kind, text)));
        };
        self.members[slot].received += 1;
        let room = &mut self.rooms[room];
        room.order[at].missing -= 1;
        if room.order[at].missing == 0 {
            // Whoever has received it has received all before it: it is the first.
            room.order.pop_front();
            room.delivered += 1;
            self.complete(sender, now);
        }
        Ok(())
    }

    /// Gives a message that nobody has received before the next place in the order of its room.
    /// Returns who has sent it.
    #[inline]
    fn put_in_order(&mut self, room: usize, text: &[u8]) -> Option<usize> {
        for sender in self.members_of(room) {
            let waits = self.members[sender].sent.is_some_and(|sent| !sent.ordered);
            if waits && self.is_of(sender, text) {
                let missing = self.members_per_room;
                self.rooms[room].order.push_back(Delivery { sender, missing });
                if let Some(sent) = &mut self.members[sender].sent {
                    sent.ordered = true;
                }
                return Some(sender);
            }
        }
        None
    }

    /// Whether a message is the one that a member has sent.
    #[inline]
    fn is_of(&mut self, sender: usize, text: &[u8]) -> bool {
        let Some(sent) = self.members[sender].sent else { return false };
        self.requests.write(sender, sent.next).message_text() == text
    }

    /// The message of a member has come back to everybody.
    #[inline]
    fn complete(&mut self, sender: usize, now: Instant) {
        // Where any message is a response, it may come although nothing was sent.
        let Some(Sent { request, next, .. }) = self.members[sender].sent.take() else { return };
        self.seen[next.exchange] = true;
        let service_ns = nanoseconds(request.sent, now);
        self.push(sender, Progress::Completed(request, Outcome::Ok { service_ns }), now);
    }

    /// What is said of a message that is not the one whose turn it is: `sender`'s, or, if it is the
    /// member's own room, its own; nobody's where none is awaited.
    #[cold]
    fn wrong_message(
        &mut self,
        slot: usize,
        sender: Option<usize>,
        (kind, text): (Opcode, &[u8]),
    ) -> Ending {
        let sender = sender.or((self.members_per_room == 1).then_some(slot));
        let sent = sender.and_then(|sender| Some((sender, self.members[sender].sent?)));
        let of = sent.map_or(0, |(_, sent)| sent.next.exchange);
        let exchange = match sent {
            Some((sender, sent)) => self.requests.write(sender, sent.next),
            None => &self.requests.exchanges[of],
        };
        let expected = sent.map(|_| exchange.message_text());
        let binary = kind == Opcode::Binary;
        Ending::Mismatch(check::wrong_message(exchange, expected, text, binary))
    }

    #[cold]
    fn malformed(&self, bytes: &[u8], why: Malformed) -> Ending {
        Ending::Mismatch(check::malformed(bytes, why, &self.requests.exchanges[0]))
    }

    /// Ends a connection, and says so.
    #[cold]
    pub(super) fn end(&mut self, slot: usize, ending: Ending, now: Instant) {
        let progress = self.ended(slot, ending, now);
        self.push(slot, progress, now);
    }

    /// Ends a connection, and if its room is complete all others of it, which is said. Returns what
    /// became of it itself.
    #[cold]
    pub(super) fn ended(&mut self, slot: usize, ending: Ending, now: Instant) -> Progress {
        let stage = self.members[slot].stage;
        if stage == Stage::Open {
            let room = self.room_of(slot);
            for other in self.members_of(room).filter(|other| *other != slot) {
                let error = Box::new(TransportError::new(ErrorKind::Reset, ROOM_ENDED));
                let progress = match self.members[other].close() {
                    Some(request) => Progress::Completed(request, Outcome::Failed(error)),
                    None => Progress::Disconnected(error),
                };
                self.push(other, progress, now);
            }
            self.rooms[room] = self.new_room();
        }
        match (ending, self.members[slot].close()) {
            (Ending::Mismatch(mismatch), Some(request)) => {
                Progress::Completed(request, Outcome::Mismatch(Box::new(mismatch)))
            }
            (Ending::Mismatch(mismatch), None) => {
                self.stats.unsolicited += 1;
                Progress::Unsolicited(Box::new(mismatch))
            }
            (Ending::Lost(error), Some(request)) => {
                Progress::Completed(request, Outcome::Failed(Box::new(error)))
            }
            (Ending::Lost(error), None) if stage == Stage::Open => {
                self.stats.lost_idle += 1;
                Progress::Disconnected(Box::new(error))
            }
            (Ending::Lost(error), None) => {
                self.stats.refuse(error.reason);
                Progress::Disconnected(Box::new(error.connecting()))
            }
        }
    }
}
