//! One connection: opening it, its part of HTTP/2's handshake, sending on it.

use std::cell::Cell;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use h2::client::{self, SendRequest};

use super::wire::{Thread, Wire};
use crate::connection::{Connection, Phase};
use crate::failure;
use crate::fault::Fault;
use crate::target::Target;

/// Room for bodies, of a stream and of a connection: never the bound, as with other generators.
const WINDOW_BYTES: u32 = (1 << 30) - 1;
/// The longest list of header fields that is taken.
const HEAD_BYTES_MAX: u32 = 64 * 1024;
/// Why a connection is over that nobody complained about.
const CLOSED: &str = "closed by the server";
/// HTTP/2's name in the handshake of TLS (RFC 9113, section 3.2).
const ALPN: &[u8] = b"h2";

/// One connection, or the place of one.
pub(super) struct Link {
    state: State,
    /// Whether the socket may have something to read.
    arrived: Rc<Cell<bool>>,
    /// Failures since the last right answer.
    pub(super) failures: u32,
    /// Since when it is being opened.
    pub(super) since: Instant,
    /// When to open it anew.
    pub(super) reopen: Option<Instant>,
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
    driver: client::Connection<Wire, Bytes>,
    sender: SendRequest<Bytes>,
}

/// What attending to a connection came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Nothing,
    /// It can be asked on now.
    Opened,
    /// It is no more: why, and what that is to the requests under way on it.
    Over(&'static str, Fault),
}

impl Link {
    pub(super) fn new(now: Instant) -> Self {
        let arrived = Rc::new(Cell::new(false));
        Self { state: State::Vacant, arrived, failures: 0, since: now, reopen: None }
    }

    pub(super) fn is_opening(&self) -> bool {
        matches!(self.state, State::Opening(_) | State::Settling(_))
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// The socket has something.
    pub(super) fn arrived(&self) {
        self.arrived.set(true);
    }

    /// The most requests that the server takes at once.
    pub(super) fn streams_max(&self) -> usize {
        self.sender().map_or(0, |sender| sender.current_max_send_streams())
    }

    /// Begins to open it. An error is why it cannot be.
    pub(super) fn open(
        &mut self,
        target: &Target,
        thread: &Thread,
        key: usize,
        now: Instant,
    ) -> Result<(), &'static str> {
        self.since = now;
        self.reopen = None;
        let mut connection = Connection::vacant();
        connection
            .begin(target, &thread.epoll, key as u64)
            .map_err(|error| failure::reason(&error))?;
        self.state = State::Opening(connection);
        Ok(())
    }

    /// Closes it. What is under way on it fails when it is looked at.
    pub(super) fn close(&mut self) {
        self.state = State::Vacant;
        self.arrived.set(false);
    }

    /// Goes on with whatever it is doing.
    pub(super) fn advance(&mut self, thread: &Rc<Thread>, key: usize, waker: &Waker) -> Progress {
        let mut context = Context::from_waker(waker);
        if let State::Opening(connection) = &mut self.state {
            let mut buffer = thread.buffer.borrow_mut();
            let early = match connection.advance(&thread.epoll, key as u64, &mut buffer) {
                Ok(early) => buffer[..early].to_vec(),
                Err(error) => return Progress::Over(failure::reason(&error), Fault::Connect),
            };
            drop(buffer);
            if connection.phase != Phase::Idle {
                return Progress::Nothing;
            }
            if connection.protocol().is_some_and(|protocol| protocol != ALPN) {
                return Progress::Over("TLS: the server speaks no HTTP/2", Fault::Connect);
            }
            let connection = std::mem::replace(connection, Connection::vacant());
            let arrived = Rc::clone(&self.arrived);
            let wire = Wire::new(connection, Rc::clone(thread), key as u64, early, arrived);
            match begin(wire, &mut context) {
                Ok(open) => self.state = State::Settling(open),
                Err(error) => return over(&error),
            }
        }
        let (State::Settling(open) | State::Open(open)) = &mut self.state else {
            return Progress::Nothing;
        };
        match Pin::new(&mut open.driver).poll(&mut context) {
            Poll::Ready(Ok(())) => return Progress::Over(CLOSED, Fault::Reset),
            Poll::Ready(Err(error)) => return over(&error),
            Poll::Pending => {}
        }
        match std::mem::replace(&mut self.state, State::Vacant) {
            State::Settling(open) if open.sender.current_max_send_streams() > 0 => {
                self.state = State::Open(open);
                Progress::Opened
            }
            state => {
                self.state = state;
                Progress::Nothing
            }
        }
    }

    /// What a place on it sends with.
    pub(super) fn sender(&self) -> Option<SendRequest<Bytes>> {
        match &self.state {
            State::Open(open) => Some(open.sender.clone()),
            _ => None,
        }
    }
}

/// Begins HTTP/2 on an open connection.
fn begin(wire: Wire, context: &mut Context<'_>) -> Result<Open, h2::Error> {
    let mut builder = client::Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_header_list_size(HEAD_BYTES_MAX)
        // None until the server's settings say how many: so it is known when they have come.
        .initial_max_send_streams(0);
    let handshake = pin!(builder.handshake(wire));
    match handshake.poll(context) {
        Poll::Ready(done) => done.map(|(sender, driver)| Open { driver, sender }),
        // It writes the first bytes of a connection, for which there always is room.
        Poll::Pending => Err(h2::Reason::INTERNAL_ERROR.into()),
    }
}

fn over(error: &h2::Error) -> Progress {
    match error.get_io() {
        Some(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            Progress::Over(CLOSED, Fault::Reset)
        }
        Some(error) => Progress::Over(failure::reason(error), Fault::Reset),
        None if error.is_go_away() && error.is_remote() => {
            Progress::Over("HTTP/2: refused by the server (GOAWAY)", Fault::GoAway)
        }
        None => {
            Progress::Over("HTTP/2: the server does not keep to the protocol", Fault::Malformed)
        }
    }
}
