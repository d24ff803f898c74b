//! A thread's connections to one server: asks on them, and says what events on them mean. When to
//! ask, and what is counted, is left to [`super::share`] (windows) and [`super::stream`] (one
//! load, closed or open).
//!
//! This is the hot path. Per request it makes two system calls and a share of a third
//! (`epoll_wait`, which its callers make), reads the clock once and compares the answer with its
//! template. It allocates, locks, logs and formats nothing unless an answer is unlike the ones
//! before.
//!
//! A connection that has to end behind an answer (each request has one of its own, or the answer
//! says so) is closed only when the server has closed it. The side that closes first keeps the
//! pair of ports for a minute (TIME_WAIT). With that on the server's side, a port here is free
//! again at once, and thousands of connections a second never run out of ports.

use std::io;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use super::connection::{Connection, Phase, Taken};
use super::failure::Trouble;
use super::fault::Fault;
use super::judge::{Question, Wrong};
use super::requests::Walk;
use super::target::Target;
use super::template::Template;

mod answers;

/// A thread's connections to one server.
#[derive(Debug)]
pub(super) struct Client<'j> {
    pub(super) target: Target,
    questions: Vec<Question<'j>>,
    pub(super) epoll: Epoll,
    pub(super) connections: Vec<Connection>,
    templates: Vec<Option<Template>>,
    walk: Walk,
    /// Whether each request has a connection of its own.
    churn: bool,
}

/// What an event on a connection, or the attempt to ask on it, came to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Nothing that is whole.
    Pending,
    /// A connection begun is open.
    Opened,
    /// A right answer after so many nanoseconds. The connection is idle, or vacant.
    Right(u64),
    /// A request failed in transport. The connection is closed.
    Failed(Trouble),
    /// A wrong answer. The connection is idle where it can be asked again, or closed.
    Wrong(Box<Wrong>),
    /// Bytes came with nothing asked. The connection is closed.
    Unasked(Box<Wrong>),
    /// A connection with nothing asked is lost, or could not be opened; why.
    Gone(&'static str),
}

impl<'j> Client<'j> {
    /// A client with no connection open.
    pub(super) fn new(
        target: Target,
        questions: Vec<Question<'j>>,
        connections: usize,
        churn: bool,
        walk: Walk,
    ) -> Result<Self, Errno> {
        Ok(Self {
            target,
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            connections: (0..connections).map(|_| Connection::vacant()).collect(),
            templates: vec![None; questions.len()],
            questions,
            walk,
            churn,
        })
    }

    /// Exchanges never answered yet.
    pub(super) fn unseen(&self) -> usize {
        self.templates.iter().filter(|template| template.is_none()).count()
    }

    /// The question asked last on a connection.
    pub(super) fn question(&self, key: usize) -> &Question<'j> {
        &self.questions[self.connections[key].exchange]
    }

    /// Asks the next question on a connection, opening it if there is none.
    #[inline]
    pub(super) fn ask(&mut self, key: usize, now: Instant) -> Outcome {
        let exchange = self.walk.next();
        let request = &self.questions[exchange].request;
        let connection = &mut self.connections[key];
        let vacant = connection.phase == Phase::Vacant;
        connection.ask(exchange, now);
        let written = if vacant {
            connection.open_and_write(&self.target, request, &self.epoll, key as u64)
        } else {
            connection.write(request, &self.epoll, key as u64)
        };
        match written {
            Ok(()) => Outcome::Pending,
            Err(error) => self.lost(key, &error),
        }
    }

    /// Handles one event. Returns the clock as it was read last.
    #[inline]
    pub(super) fn handle(
        &mut self,
        event: &EpollEvent,
        buffer: &mut [u8],
        received_bytes: &mut u64,
    ) -> (Outcome, Instant) {
        const CLOSED: EpollFlags = EpollFlags::EPOLLRDHUP.union(EpollFlags::EPOLLHUP);
        let key = event.data() as usize;
        let flags = event.events();
        if self.connections[key].wants_room()
            && let Some(outcome) = self.has_room(key, flags)
        {
            return (outcome, Instant::now());
        }
        if self.connections[key].phase == Phase::Opening {
            return (self.advance(key, buffer), Instant::now());
        }
        loop {
            let read = self.connections[key].read(buffer, &self.epoll, key as u64);
            let now = Instant::now();
            let outcome = match read {
                Ok(Taken { bytes: 0, closed: true, .. }) => self.closed(key, now),
                Ok(taken) => {
                    *received_bytes += taken.bytes as u64;
                    let outcome = match taken.bytes {
                        0 => Outcome::Pending, // TLS had something to say, the server had not
                        n => self.received(key, &buffer[..n], now),
                    };
                    // What is behind an answer is the next event's: they are level-triggered.
                    match outcome {
                        Outcome::Pending if taken.closed => self.closed(key, now),
                        Outcome::Pending
                            if !taken.drained || flags.contains(EpollFlags::EPOLLERR) =>
                        {
                            continue;
                        }
                        // Drained. If the close had arrived before it, this was all.
                        Outcome::Pending if flags.intersects(CLOSED) => self.closed(key, now),
                        outcome => outcome,
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Outcome::Pending,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => self.lost(key, &error),
            };
            return (outcome, now);
        }
    }

    /// A request that has waited longer than `timeout`; its connection is closed.
    pub(super) fn overdue(
        &mut self,
        key: usize,
        now: Instant,
        timeout: Duration,
    ) -> Option<Trouble> {
        let connection = &mut self.connections[key];
        let closing = matches!(connection.phase, Phase::Closing(_));
        let waits = closing || connection.phase == Phase::Asked;
        if !waits || now.saturating_duration_since(connection.asked_at) <= timeout {
            return None;
        }
        connection.close();
        Some(Trouble { fault: Fault::Timeout, errno: None, closing })
    }

    /// Goes on opening a connection.
    #[cold]
    fn advance(&mut self, key: usize, buffer: &mut [u8]) -> Outcome {
        let connection = &mut self.connections[key];
        match connection.advance(&self.epoll, key as u64, buffer) {
            Ok(early) if early > 0 => self.received(key, &buffer[..early], Instant::now()),
            Ok(_) if connection.phase == Phase::Idle => Outcome::Opened,
            Ok(_) => Outcome::Pending,
            Err(error) => self.lost(key, &error),
        }
    }

    /// There may be room to write on a connection that waits for it. None: there is more to do.
    #[cold]
    fn has_room(&mut self, key: usize, flags: EpollFlags) -> Option<Outcome> {
        let connection = &mut self.connections[key];
        if connection.phase == Phase::Opening {
            return Some(self.advance(key, &mut []));
        }
        if !flags.contains(EpollFlags::EPOLLOUT) {
            return None;
        }
        let request = &self.questions[connection.exchange].request;
        if let Err(error) = connection.write(request, &self.epoll, key as u64) {
            return Some(self.lost(key, &error)); // the rest is about a socket now closed
        }
        (flags == EpollFlags::EPOLLOUT).then_some(Outcome::Pending)
    }
}
