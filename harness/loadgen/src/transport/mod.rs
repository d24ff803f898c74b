//! How requests get to a server and responses back: HTTP/1.1 ([`h1`]), HTTP/2 ([`h2`]) or WebSocket
//! ([`ws`]), over TCP or a Unix socket, with or without TLS beneath.
//!
//! A transport has connections, and on each of them slots: a slot is a place for one request in
//! flight, or, with pipelining, for several behind each other. When to send, and what is counted,
//! is left to the driver.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollEvent};

use crate::count::events::EventLog;
use crate::count::first_bytes::FirstBytes;
use crate::request::in_flight::InFlight;
use crate::response::check::Mismatch;
use error::TransportError;
use stats::ConnectionStats;

pub(crate) mod connection;
pub(crate) mod error;
pub(crate) mod h1;
pub(crate) mod h2;
mod pipeline;
mod socket;
pub mod stats;
pub mod target;
mod tickets;
pub mod tls;
mod tunnel;
mod verifiers;
pub(crate) mod ws;

/// A thread's connections to one server.
pub(crate) trait Transport {
    /// Whether a request may be sent on a vacant connection, which opens it.
    const OPENS_ON_SEND: bool;

    /// Reports events of all connections.
    fn epoll(&self) -> &Epoll;

    /// How many connections there are, open or not.
    fn connections(&self) -> usize;

    /// How many slots each of them has. Slots are numbered through: those of the first connection,
    /// those of the second, and so on.
    fn slots_per_connection(&self) -> usize;

    fn state(&self, connection: usize) -> ConnectionState;

    /// Whether a request may be sent in a slot: its connection is open, and there is room.
    fn is_free(&self, slot: usize) -> bool;

    /// Begins to open a vacant connection. [`Progress::Opened`] or [`Progress::Disconnected`]
    /// follows, unless it fails at once.
    fn open(&mut self, connection: usize) -> Result<(), TransportError>;

    /// Gives up opening a connection: it took too long.
    fn stop_opening(&mut self, connection: usize);

    /// How many requests may be sent in a free slot now. Where it is none, [`Progress::Ready`]
    /// follows, or the end of the connection.
    fn room(&mut self, slot: usize) -> usize;

    /// Selects the next request and puts it in a slot with room. [`Self::flush`] sends it.
    fn enqueue(&mut self, slot: usize, request: InFlight);

    /// Sends what was put in a slot.
    fn flush(&mut self, slot: usize) -> Progress;

    /// Handles an event of the epoll instance. [`Self::next`] says what else it came to.
    fn on_event(&mut self, event: &EpollEvent) -> Option<Completion>;

    /// What else happened. To be called until it is nothing, after each call that may fail
    /// requests or send some.
    fn next(&mut self) -> Option<Completion>;

    /// Fails the request in a slot if it has waited for longer than `timeout`.
    fn expire(&mut self, slot: usize, now: Instant, timeout: Duration) -> Option<Progress>;

    /// Whether requests in flight are to be sent again when a connection is open again.
    fn has_postponed(&self, _connection: usize) -> bool {
        false
    }

    /// All requests in flight.
    fn in_flight(&self) -> Vec<InFlight>;

    /// How many of the exchanges had no ok response yet.
    fn unseen(&self) -> usize;

    /// Whether a connection has one request in flight at most.
    fn is_sequential(&self) -> bool;

    /// The socket of an open connection that may be used to coalesce wake-ups.
    fn socket(&self, connection: usize) -> Option<BorrowedFd<'_>>;

    /// When responses began that came in parts.
    fn first_bytes(&self) -> &FirstBytes;

    /// The events of responses that are streams of them; none: there are no such.
    fn events(&mut self) -> Option<&mut EventLog> {
        None
    }

    /// What became of the connections so far.
    fn stats(&self) -> &ConnectionStats;

    /// Bytes received so far, without the overhead of TLS.
    fn received_bytes(&self) -> u64;
}

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectionState {
    /// There is none.
    Vacant,
    /// It is being opened.
    Opening,
    /// It is open, with or without requests in flight.
    Open,
}

/// What happened in a slot, or on its connection.
#[derive(Debug)]
pub(crate) struct Completion {
    /// The slot; of what concerns a connection, its first.
    pub(crate) slot: usize,
    pub(crate) progress: Progress,
    /// When: the clock as it was read last.
    pub(crate) at: Instant,
}

/// What happened. Small, since it is handed on with every response.
#[derive(Debug)]
pub(crate) enum Progress {
    /// Nothing that is whole.
    Pending,
    /// A connection is open.
    Opened,
    /// A slot without room has room again.
    Ready,
    /// A request is over. The slot is free unless the connection was lost, or has to be closed.
    Completed(InFlight, Outcome),
    /// Bytes came outside any response. The connection is closed.
    Unsolicited(Box<Mismatch>),
    /// A connection without a request in flight was lost, or could not be opened.
    Disconnected(Box<TransportError>),
}

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The response was as expected.
    Ok {
        /// From sending to the last byte.
        service_ns: u64,
    },
    /// It was not.
    Mismatch(Box<Mismatch>),
    /// The request failed in transport.
    Failed(Box<TransportError>),
}
