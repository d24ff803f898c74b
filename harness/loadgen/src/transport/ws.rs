//! WebSocket (RFC 6455): messages on connections that stay open.
//!
//! A request is a message that is sent, and its response is that message when it has come back. The
//! connections are in rooms of so many members: a message comes back when each member of its room
//! has received it, of a room of one (an echo) when its sender has. Messages differ by their
//! sequence numbers, so that one that is changed, comes twice, out of turn or to some alone is
//! found where it comes; one that does not come is late.
//!
//! A room is whole, or it is none: with one of its connections all of them end, since what is in
//! flight in it would never come back to everybody. The next ones open a room of another number.

use std::collections::VecDeque;
use std::mem;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use duet_stats::SplitMix64;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use crate::count::first_bytes::FirstBytes;
use crate::error_kind::ErrorKind;
use crate::limits::READ_BYTES;
use crate::request::in_flight::InFlight;
use crate::request::requests::Requests;
use crate::transport::connection::Phase;
use crate::transport::error::{CLOSED, NO_REPLY, TransportError};
use crate::transport::stats::ConnectionStats;
use crate::transport::target::Target;
use crate::transport::{Completion, ConnectionState, Progress, Transport};

mod delivery;
mod frame;
mod handshake;
mod member;
pub(crate) mod reference;
mod room;
#[cfg(test)]
mod tests;

use frame::Opcode;
use member::{Member, Sent, Stage};
use room::{Ending, Room};

/// The longest message where any is taken.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// A thread's connections to one server; each of them has one slot, and is a member of a room.
#[derive(Debug)]
pub(crate) struct Ws {
    target: Target,
    requests: Requests,
    /// Which of the exchanges had an ok response.
    seen: Vec<bool>,
    /// Whether messages come back as they were sent; otherwise any message is the response.
    echoed: bool,
    /// The longest message that is taken.
    longest: usize,
    epoll: Epoll,
    members: Vec<Member>,
    rooms: Vec<Room>,
    members_per_room: usize,
    /// The number of the next room, and what that after it has more: threads share them.
    next_room: (u32, u32),
    /// Of keys that mask, and of handshakes. They need not be secret here.
    random: SplitMix64,
    /// What happened and was not asked for yet.
    done: VecDeque<Completion>,
    buffer: Box<[u8]>,
    first_bytes: FirstBytes,
    stats: ConnectionStats,
    received_bytes: u64,
}

impl Ws {
    /// The part of thread `thread` of `threads`, with no connection open. All exchanges have a
    /// message, and the same handshake; connections are whole rooms.
    pub(crate) fn new(
        target: Target,
        requests: Requests,
        connections: usize,
        seed: u64,
        (thread, threads): (usize, usize),
    ) -> Result<Self, Errno> {
        let messages = requests.exchanges.iter().map(|exchange| exchange.message_text().len());
        let longest = messages.max().unwrap_or(0);
        let first = requests.exchanges.first().and_then(|exchange| exchange.message);
        let (members_per_room, echoed) = first.map_or((1, true), |of| (of.members, of.echoed));
        let mut ws = Self {
            target,
            seen: vec![false; requests.exchanges.len()],
            requests,
            echoed,
            longest: if echoed { longest } else { MESSAGE_BYTES_MAX },
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            members: (0..connections).map(|_| Member::vacant()).collect(),
            rooms: vec![],
            members_per_room,
            next_room: (1 + thread as u32, threads as u32),
            random: SplitMix64::derived(seed, "websocket", thread as u32),
            done: VecDeque::new(),
            buffer: vec![0; READ_BYTES].into(),
            first_bytes: FirstBytes::default(),
            stats: ConnectionStats::default(),
            received_bytes: 0,
        };
        ws.rooms = (0..connections / members_per_room).map(|_| ws.new_room()).collect();
        Ok(ws)
    }

    fn room_of(&self, slot: usize) -> usize {
        match self.members_per_room {
            1 => slot,
            n => slot / n,
        }
    }

    fn members_of(&self, room: usize) -> Range<usize> {
        let n = self.members_per_room;
        room * n..(room + 1) * n
    }

    fn push(&mut self, slot: usize, progress: Progress, at: Instant) {
        self.done.push_back(Completion { slot, progress, at });
    }

    /// Goes on with a connection that has something.
    fn handle(&mut self, slot: usize, flags: EpollFlags, buffer: &mut [u8]) {
        if self.members[slot].stage == Stage::Connecting {
            return self.advance(slot, buffer);
        }
        if self.members[slot].connection.wants_room() && flags.contains(EpollFlags::EPOLLOUT) {
            let progress = self.flush(slot);
            if !matches!(progress, Progress::Pending) {
                return self.push(slot, progress, Instant::now());
            }
        }
        loop {
            let read = self.members[slot].connection.read(buffer, &self.epoll, slot as u64);
            let now = Instant::now();
            let lost = match read {
                Ok(read) => {
                    self.received_bytes += read.bytes as u64;
                    if read.bytes > 0 {
                        self.received(slot, &buffer[..read.bytes], now);
                    }
                    match self.members[slot].stage {
                        Stage::Vacant => return, // it ended with what came
                        _ if read.closed => self.cut_off(slot),
                        _ if read.drained => return,
                        _ => continue,
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => TransportError::from_io(&error),
            };
            return self.end(slot, Ending::Lost(lost), now);
        }
    }

    /// The server has closed the connection.
    fn cut_off(&self, slot: usize) -> TransportError {
        let member = &self.members[slot];
        let truncated = member.sent.is_some() && member.is_in_the_middle();
        let kind = if truncated { ErrorKind::Truncated } else { ErrorKind::Reset };
        TransportError::new(kind, CLOSED)
    }

    /// Goes on opening a connection: where TCP and TLS have, with the handshake of WebSocket.
    #[cold]
    fn advance(&mut self, slot: usize, buffer: &mut [u8]) {
        let member = &mut self.members[slot];
        match member.connection.advance(&self.epoll, slot as u64, buffer) {
            Ok(early) if member.connection.phase != Phase::Opening => {
                self.stats.opening.record(&member.connection.opening);
                self.shake(slot);
                if early > 0 && self.members[slot].stage == Stage::Shaking {
                    self.received(slot, &buffer[..early], Instant::now());
                }
            }
            Ok(_) => {}
            Err(error) => {
                let error = TransportError::from_io(&error);
                self.end(slot, Ending::Lost(error), Instant::now());
            }
        }
    }

    /// Begins the handshake.
    fn shake(&mut self, slot: usize) {
        let mut nonce = [0; 16];
        let (low, high) = nonce.split_at_mut(8);
        low.copy_from_slice(&self.random.next().to_ne_bytes());
        high.copy_from_slice(&self.random.next().to_ne_bytes());
        let room = self.rooms[self.room_of(slot)].number;
        let member = &mut self.members[slot];
        let head = self.requests.exchanges[0].handshake();
        let unsent = &mut member.connection.pipeline.unsent;
        member.accepts = handshake::write(unsent, head, room, nonce);
        member.stage = Stage::Shaking;
        let progress = self.flush(slot);
        if !matches!(progress, Progress::Pending) {
            self.push(slot, progress, Instant::now());
        }
    }

    /// Handles received bytes.
    #[inline]
    fn received(&mut self, slot: usize, bytes: &[u8], now: Instant) {
        if self.members[slot].stage == Stage::Shaking {
            self.shaken(slot, bytes, now);
        } else {
            self.frames(slot, bytes, now);
        }
    }

    /// Handles bytes of the response to a handshake, and what is behind it.
    #[cold]
    fn shaken(&mut self, slot: usize, bytes: &[u8], now: Instant) {
        let member = &mut self.members[slot];
        member.unread.extend_from_slice(bytes);
        match handshake::read(&member.unread, &member.accepts) {
            Ok(None) => {}
            Ok(Some(len)) => {
                member.unread.drain(..len);
                member.stage = Stage::Joined;
                self.stats.opened += 1;
                self.join(slot, now);
                self.frames(slot, &[], now);
            }
            Err(why) => {
                let error = TransportError::new(ErrorKind::Connect, why);
                self.end(slot, Ending::Lost(error), now);
            }
        }
    }

    fn key(&mut self) -> [u8; 4] {
        (self.random.next() as u32).to_ne_bytes()
    }
}

impl Transport for Ws {
    const OPENS_ON_SEND: bool = false;

    fn epoll(&self) -> &Epoll {
        &self.epoll
    }

    fn connections(&self) -> usize {
        self.members.len()
    }

    #[inline]
    fn slots_per_connection(&self) -> usize {
        1
    }

    #[inline]
    fn state(&self, connection: usize) -> ConnectionState {
        match self.members[connection].stage {
            Stage::Vacant => ConnectionState::Vacant,
            Stage::Connecting | Stage::Shaking | Stage::Joined => ConnectionState::Opening,
            Stage::Open => ConnectionState::Open,
        }
    }

    #[inline]
    fn is_free(&self, slot: usize) -> bool {
        let member = &self.members[slot];
        member.stage == Stage::Open && member.sent.is_none()
    }

    fn open(&mut self, connection: usize) -> Result<(), TransportError> {
        let member = &mut self.members[connection];
        match member.connection.begin(&self.target, &self.epoll, connection as u64) {
            Ok(()) => {
                member.stage = Stage::Connecting;
                Ok(())
            }
            Err(error) => {
                let error = TransportError::from_io(&error).connecting();
                self.stats.refuse(error.reason);
                Err(error)
            }
        }
    }

    fn stop_opening(&mut self, connection: usize) {
        // Whoever asks for it knows what became of the connection.
        let error = TransportError::new(ErrorKind::Connect, NO_REPLY);
        let _ = self.ended(connection, Ending::Lost(error), Instant::now());
    }

    #[inline]
    fn room(&mut self, slot: usize) -> usize {
        usize::from(self.is_free(slot))
    }

    #[inline]
    fn enqueue(&mut self, slot: usize, mut request: InFlight) {
        let key = self.key();
        let next = self.requests.next(slot);
        let exchange = self.requests.write(slot, next);
        request.untimed = exchange.untimed;
        request.exchange = next.exchange as u32;
        let member = &mut self.members[slot];
        member.push(Opcode::Text, exchange.message_text(), key);
        member.sent = Some(Sent { request, next, ordered: false });
    }

    #[inline]
    fn flush(&mut self, slot: usize) -> Progress {
        let Err(error) = self.members[slot].flush(&self.epoll, slot as u64) else {
            return Progress::Pending;
        };
        let closed = matches!(
            error.raw_os_error().map(Errno::from_raw),
            Some(Errno::ECONNRESET | Errno::EPIPE)
        );
        // What the server has said before is read first. Reading also finds the end.
        if closed && self.members[slot].connection.cut() {
            return Progress::Pending;
        }
        let error = TransportError::from_io(&error);
        self.ended(slot, Ending::Lost(error), Instant::now())
    }

    #[inline]
    fn on_event(&mut self, event: &EpollEvent) -> Option<Completion> {
        let slot = event.data() as usize;
        // A connection may have been lost since the events were fetched.
        if self.members[slot].stage != Stage::Vacant {
            let mut buffer = mem::take(&mut self.buffer);
            self.handle(slot, event.events(), &mut buffer);
            self.buffer = buffer;
        }
        self.next()
    }

    #[inline]
    fn next(&mut self) -> Option<Completion> {
        self.done.pop_front()
    }

    fn expire(&mut self, slot: usize, now: Instant, timeout: Duration) -> Option<Progress> {
        let Sent { request, .. } = self.members[slot].sent?;
        if now.saturating_duration_since(request.sent) <= timeout {
            return None;
        }
        let error = TransportError::new(ErrorKind::Timeout, NO_REPLY);
        Some(self.ended(slot, Ending::Lost(error), now))
    }

    fn in_flight(&self) -> Vec<InFlight> {
        self.members.iter().filter_map(|member| Some(member.sent?.request)).collect()
    }

    fn unseen(&self) -> usize {
        self.seen.iter().filter(|seen| !**seen).count()
    }

    fn is_sequential(&self) -> bool {
        true
    }

    fn socket(&self, connection: usize) -> Option<BorrowedFd<'_>> {
        self.members[connection].connection.socket()
    }

    fn first_bytes(&self) -> &FirstBytes {
        &self.first_bytes
    }

    fn stats(&self) -> &ConnectionStats {
        &self.stats
    }

    fn received_bytes(&self) -> u64 {
        self.received_bytes
    }
}
