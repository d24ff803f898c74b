//! A connection, and what is known of its place in a room.

use std::io;
use std::mem;

use nix::sys::epoll::Epoll;

use super::frame::{self, Frame, Opcode};
use crate::request::in_flight::InFlight;
use crate::request::selector::NextRequest;
use crate::response::malformed::Malformed;
use crate::transport::connection::Connection;

/// So many frames may come without a message: pings, or empty parts.
const FRAMES_MAX: u32 = 1_000;
/// While so much waits for room to be sent, pings are not answered. The last one would do
/// (RFC 6455, section 5.5.3).
const UNSENT_BYTES_MAX: usize = 64 << 10;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// There is none.
    Vacant,
    /// TCP and TLS shake hands.
    Connecting,
    /// WebSocket does.
    Shaking,
    /// It is open, and others of its room are not.
    Joined,
    /// All of its room are.
    Open,
}

/// A message that was sent and has not come back to everybody.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    pub(super) request: InFlight,
    pub(super) next: NextRequest,
    /// Whether it has its place in the room's order.
    pub(super) ordered: bool,
}

/// One connection, or the place of one.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) connection: Connection,
    pub(super) stage: Stage,
    /// What the server accepts the handshake with.
    pub(super) accepts: String,
    /// The beginning of what is not whole yet: the response to the handshake, or a frame.
    pub(super) unread: Vec<u8>,
    /// The beginning of a message that comes in several frames.
    parts: Option<(Opcode, Vec<u8>)>,
    /// Frames since the last message that were no part of one.
    frames: u32,
    /// Its own message.
    pub(super) sent: Option<Sent>,
    /// Messages that it has received since its room was complete.
    pub(super) received: u64,
}

/// What a frame comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event<'f> {
    /// Nothing yet.
    Nothing,
    /// A whole message in one frame.
    Message(Opcode, &'f [u8]),
    /// A whole message of several.
    Joined(Opcode, Vec<u8>),
    /// The server asks whether somebody is there.
    Ping(&'f [u8]),
    /// It ends the connection, and why.
    Close(&'static str),
}

impl Member {
    pub(super) fn vacant() -> Self {
        Self {
            connection: Connection::vacant(),
            stage: Stage::Vacant,
            accepts: String::new(),
            unread: vec![],
            parts: None,
            frames: 0,
            sent: None,
            received: 0,
        }
    }

    /// Takes a frame of the server's.
    #[inline]
    pub(super) fn take<'f>(
        &mut self,
        frame: &Frame<'f>,
        most: usize,
    ) -> Result<Event<'f>, Malformed> {
        let is_message = matches!(frame.opcode, Opcode::Text | Opcode::Binary);
        if is_message && frame.last && self.parts.is_none() {
            self.frames = 0;
            return Ok(Event::Message(frame.opcode, frame.payload));
        }
        self.take_other(frame, most)
    }

    #[cold]
    fn take_other<'f>(&mut self, frame: &Frame<'f>, most: usize) -> Result<Event<'f>, Malformed> {
        let Frame { opcode, last, payload, .. } = *frame;
        self.frames += 1;
        if self.frames > FRAMES_MAX {
            return Err(Malformed("more than 1,000 frames without a message"));
        }
        match (opcode, &mut self.parts) {
            (Opcode::Ping, _) => return Ok(Event::Ping(payload)),
            (Opcode::Pong, _) => return Ok(Event::Nothing),
            (Opcode::Close, _) => return Ok(Event::Close(why_closed(payload))),
            (Opcode::Continuation, None) => return Err(Malformed("a part of no message")),
            (Opcode::Continuation, Some((_, parts))) if parts.len() + payload.len() > most => {
                return Err(Malformed("a message is too long"));
            }
            (Opcode::Continuation, Some((_, parts))) => parts.extend_from_slice(payload),
            (_, Some(_)) => return Err(Malformed("a message begins within another")),
            (_, parts) => *parts = Some((opcode, payload.to_vec())),
        }
        if !payload.is_empty() {
            self.frames = 0; // their bytes are limited
        }
        match (last, self.parts.take()) {
            (true, Some((opcode, message))) => Ok(Event::Joined(opcode, message)),
            (_, parts) => {
                self.parts = parts;
                Ok(Event::Nothing)
            }
        }
    }

    /// Whether something has begun to come and is not whole.
    pub(super) fn is_in_the_middle(&self) -> bool {
        self.parts.is_some() || !self.unread.is_empty()
    }

    /// Has a frame sent with what comes next.
    #[inline]
    pub(super) fn push(&mut self, opcode: Opcode, payload: &[u8], key: [u8; 4]) {
        frame::write(&mut self.connection.pipeline.unsent, opcode, payload, key);
    }

    /// Answers a ping, unless too much waits to be sent.
    pub(super) fn push_pong(&mut self, payload: &[u8], key: [u8; 4]) {
        if self.connection.pipeline.unsent.len() < UNSENT_BYTES_MAX {
            self.push(Opcode::Pong, payload, key);
        }
    }

    /// Sends what there is room for; when there is room for more, `epoll` says so.
    #[inline]
    pub(super) fn flush(&mut self, epoll: &Epoll, key: u64) -> io::Result<()> {
        match self.connection.pipeline.unsent.is_empty() {
            true => Ok(()),
            false => self.connection.flush(epoll, key),
        }
    }

    /// Closes the connection. Returns the request that was in flight on it.
    pub(super) fn close(&mut self) -> Option<InFlight> {
        self.connection.close();
        self.connection.written = 0;
        self.stage = Stage::Vacant;
        self.unread.clear();
        self.parts = None;
        self.frames = 0;
        mem::take(&mut self.sent).map(|sent| sent.request)
    }
}

/// Why the server ends a connection (RFC 6455, section 7.4), in words that a table of counts can
/// have.
fn why_closed(payload: &[u8]) -> &'static str {
    match payload.first_chunk().map(|code| u16::from_be_bytes(*code)) {
        None => "WebSocket: closed by the server",
        Some(1000) => "WebSocket: closed by the server (1000, normal)",
        Some(1001) => "WebSocket: closed by the server (1001, going away)",
        Some(1002) => "WebSocket: closed by the server (1002, protocol error)",
        Some(1003) => "WebSocket: closed by the server (1003, unsupported data)",
        Some(1007) => "WebSocket: closed by the server (1007, invalid data)",
        Some(1008) => "WebSocket: closed by the server (1008, policy violation)",
        Some(1009) => "WebSocket: closed by the server (1009, message too big)",
        Some(1011) => "WebSocket: closed by the server (1011, internal error)",
        Some(_) => "WebSocket: closed by the server (another code)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(opcode: Opcode, last: bool, payload: &[u8]) -> Frame<'_> {
        Frame { opcode, last, payload, len: payload.len() + 2 }
    }

    #[test]
    fn messages_in_parts() {
        let mut member = Member::vacant();
        let mut take = |opcode, last, payload| member.take(&frame(opcode, last, payload), 6);
        assert_eq!(take(Opcode::Text, true, b"one"), Ok(Event::Message(Opcode::Text, b"one")));
        assert_eq!(take(Opcode::Binary, false, b"ab"), Ok(Event::Nothing));
        assert_eq!(take(Opcode::Ping, true, b"there?"), Ok(Event::Ping(b"there?")));
        assert_eq!(take(Opcode::Continuation, false, b"cd"), Ok(Event::Nothing));
        let whole = Event::Joined(Opcode::Binary, b"abcdef".to_vec());
        assert_eq!(take(Opcode::Continuation, true, b"ef"), Ok(whole));
        assert_eq!(take(Opcode::Continuation, true, b""), Err(Malformed("a part of no message")));
        assert_eq!(take(Opcode::Text, false, b"abcd"), Ok(Event::Nothing));
        let too_long = take(Opcode::Continuation, false, b"efg");
        assert_eq!(too_long, Err(Malformed("a message is too long")));
        let within = take(Opcode::Text, true, b"x");
        assert_eq!(within, Err(Malformed("a message begins within another")));
        let closed = "WebSocket: closed by the server (1008, policy violation)";
        assert_eq!(take(Opcode::Close, true, &[3, 240]), Ok(Event::Close(closed)));
        assert_eq!(
            take(Opcode::Close, true, b""),
            Ok(Event::Close("WebSocket: closed by the server"))
        );
    }

    #[test]
    fn frames_without_end() {
        for (opcode, payload) in [(Opcode::Ping, &b"x"[..]), (Opcode::Continuation, b"")] {
            let mut member = Member::vacant();
            let begun = member.take(&frame(Opcode::Text, false, b"x"), 6);
            assert_eq!(begun, Ok(Event::Nothing));
            for _ in 0..FRAMES_MAX {
                assert!(member.take(&frame(opcode, opcode == Opcode::Ping, payload), 6).is_ok());
            }
            assert!(member.take(&frame(opcode, opcode == Opcode::Ping, payload), 6).is_err());
        }
    }
}
