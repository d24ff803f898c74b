//! One connection: opening it, its part of HTTP/2's handshake, sending on it.

use std::cell::Cell;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::client::{self, SendRequest};

use super::io::{EventLoop, H2Io};
use super::stream_slot::goaway;
use crate::error_kind::ErrorKind;
use crate::transport::ConnectionState;
use crate::transport::connection::{Connection, Opening, Phase};
use crate::transport::error::{CLOSED, TransportError};
use crate::transport::target::Target;
use crate::transport::tls::Session;

/// Room for bodies, of a stream and of a connection: never the bound, as with other generators.
const WINDOW_BYTES: u32 = (1 << 30) - 1;
/// The longest list of header fields that is taken.
const HEAD_BYTES_MAX: u32 = 64 * 1024;
/// HTTP/2's name in the handshake of TLS (RFC 9113, section 3.2).
const ALPN: &[u8] = b"h2";
/// Why a connection is of no use.
const NO_HTTP2: &str = "TLS: the server speaks no HTTP/2";

/// One connection, or the place of one.
pub(super) struct H2Connection {
    state: State,
    /// Whether the socket may have something to read.
    arrived: Rc<Cell<bool>>,
    /// How long it took to open, but for HTTP/2's own handshake.
    pub(super) opening: Opening,
}

enum State {
    Vacant,
    /// TCP and TLS shake hands.
    Opening(Connection),
    /// HTTP/2 does: the server's settings have not come.
    Settling(Open),
    Open(Open),
}

struct Open {
    driver: client::Connection<H2Io, Bytes>,
    sender: SendRequest<Bytes>,
}

/// What polling a connection came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Polled {
    Pending,
    /// Requests can be sent on it now.
    Opened,
    /// It is no more. Requests in flight on it meet this error.
    Closed(TransportError),
}

impl H2Connection {
    pub(super) fn new() -> Self {
        let arrived = Rc::new(Cell::new(false));
        Self { state: State::Vacant, arrived, opening: Opening::default() }
    }

    pub(super) fn state(&self) -> ConnectionState {
        match self.state {
            State::Vacant => ConnectionState::Vacant,
            State::Opening(_) | State::Settling(_) => ConnectionState::Opening,
            State::Open(_) => ConnectionState::Open,
        }
    }

    /// The socket has something.
    pub(super) fn arrived(&self) {
        self.arrived.set(true);
    }

    /// The most requests that the server takes at once.
    pub(super) fn streams_max(&self) -> usize {
        self.sender().map_or(0, |sender| sender.current_max_send_streams())
    }

    /// Begins to open it.
    pub(super) fn open(
        &mut self,
        target: &Target,
        event_loop: &EventLoop,
        key: usize,
    ) -> Result<(), TransportError> {
        let mut connection = Connection::vacant();
        let begun = connection.begin(target, &event_loop.epoll, key as u64);
        begun.map_err(|error| TransportError::from_io(&error).connecting())?;
        self.state = State::Opening(connection);
        Ok(())
    }

    /// Closes it. What is in flight on it fails when it is polled.
    pub(super) fn close(&mut self) {
        self.state = State::Vacant;
        self.arrived.set(false);
    }

    /// Goes on with whatever it is doing.
    pub(super) fn poll(&mut self, event_loop: &Rc<EventLoop>, key: usize, waker: &Waker) -> Polled {
        let mut context = Context::from_waker(waker);
        if let State::Opening(connection) = &mut self.state {
            let mut buffer = event_loop.buffer.borrow_mut();
            let early = match connection.advance(&event_loop.epoll, key as u64, &mut buffer) {
                Ok(early) => buffer[..early].to_vec(),
                Err(error) => return Polled::Closed(TransportError::from_io(&error).connecting()),
            };
            drop(buffer);
            if connection.phase != Phase::Idle {
                return Polled::Pending;
            }
            if connection.tls().and_then(Session::protocol).is_some_and(|name| name != ALPN) {
                return Polled::Closed(TransportError::new(ErrorKind::Connect, NO_HTTP2));
            }
            self.opening = connection.opening;
            let connection = std::mem::replace(connection, Connection::vacant());
            let arrived = Rc::clone(&self.arrived);
            let io = H2Io::new(connection, Rc::clone(event_loop), key as u64, early, arrived);
            match begin(io, &mut context) {
                Ok(open) => self.state = State::Settling(open),
                Err(error) => return Polled::Closed(why_closed(&error)),
            }
        }
        let (State::Settling(open) | State::Open(open)) = &mut self.state else {
            return Polled::Pending;
        };
        match Pin::new(&mut open.driver).poll(&mut context) {
            Poll::Ready(Ok(())) => {
                return Polled::Closed(TransportError::new(ErrorKind::Reset, CLOSED));
            }
            Poll::Ready(Err(error)) => return Polled::Closed(why_closed(&error)),
            Poll::Pending => {}
        }
        match std::mem::replace(&mut self.state, State::Vacant) {
            State::Settling(open) if open.sender.current_max_send_streams() > 0 => {
                self.state = State::Open(open);
                Polled::Opened
            }
            state => {
                self.state = state;
                Polled::Pending
            }
        }
    }

    /// What a slot on it sends with.
    pub(super) fn sender(&self) -> Option<SendRequest<Bytes>> {
        match &self.state {
            State::Open(open) => Some(open.sender.clone()),
            _ => None,
        }
    }
}

/// Begins HTTP/2 on an open connection.
fn begin(io: H2Io, context: &mut Context<'_>) -> Result<Open, h2::Error> {
    let mut builder = client::Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_header_list_size(HEAD_BYTES_MAX)
        // None until the server's settings say how many: so it is known when they have come.
        .initial_max_send_streams(0);
    let handshake = pin!(builder.handshake(io));
    match handshake.poll(context) {
        Poll::Ready(done) => done.map(|(sender, driver)| Open { driver, sender }),
        // It writes the first bytes of a connection, for which there always is room.
        Poll::Pending => Err(h2::Reason::INTERNAL_ERROR.into()),
    }
}

fn why_closed(error: &h2::Error) -> TransportError {
    match error.get_io() {
        Some(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            TransportError::new(ErrorKind::Reset, CLOSED)
        }
        Some(error) => TransportError { kind: ErrorKind::Reset, ..TransportError::from_io(error) },
        None if error.is_go_away() && error.is_remote() => {
            TransportError::new(ErrorKind::GoAway, goaway(error))
        }
        None => {
            let reason = "HTTP/2: the server does not keep to the protocol";
            TransportError::new(ErrorKind::Malformed, reason)
        }
    }
}
