//! One connection: opening it, writing a request to it, and what it keeps while a response is
//! incomplete. What responses mean is left to [`super::h1`] and [`super::h2`].

use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};

use super::pipeline::{Pipeline, Queued};
use super::socket::{ReadOutcome, Socket};
use super::target::Target;
use super::tls::Session;
use crate::request::in_flight::InFlight;
use crate::request::selector::NextRequest;
use crate::response::incoming::Incoming;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// There is none: not opened yet, or lost.
    Vacant,
    /// Being opened, no request sent.
    Opening,
    /// Open, no request in flight.
    Idle,
    /// A request is sent, and its response not complete.
    InFlight,
    /// The response took this many nanoseconds; it counts when the server has closed the
    /// connection, as it has to.
    Closing(u64),
}

/// When a connection was opened, step by step.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Opening {
    /// When it began.
    pub(super) began: Option<Instant>,
    /// When TCP's handshake was over.
    pub(super) connected: Option<Instant>,
    /// When that of TLS was.
    pub(super) encrypted: Option<Instant>,
}

/// One connection, or the place of one.
#[derive(Debug)]
pub(super) struct Connection {
    socket: Option<Socket>,
    /// What encrypts it. In a box, so that a plain connection stays small.
    tls: Option<Box<Session>>,
    pub(super) phase: Phase,
    /// Which request was sent last; of several in flight, the first.
    pub(super) next: NextRequest,
    pub(super) request: InFlight,
    /// Set if this request is a retry.
    pub(super) retried: bool,
    /// Bytes of the request written.
    pub(super) written: usize,
    /// Bytes of the response that matched the template so far.
    pub(super) matched: usize,
    /// When the first part of the response came, where that was not all of it.
    pub(super) first_byte: Option<Instant>,
    /// A response that differs from its template, until it is complete.
    pub(super) incoming: Option<Box<Incoming>>,
    /// The requests behind it.
    pub(super) pipeline: Pipeline,
    /// How long it took to open.
    pub(super) opening: Opening,
    /// Whether the epoll instance watches for room to write.
    wants_room: bool,
    /// Whether it reports only what is new, which saves it a second look at each socket that was
    /// read. Whoever uses the connection then reads it until it is drained.
    edge_triggered: bool,
}

impl Connection {
    /// The place of a connection that is watched level-triggered.
    pub(crate) fn vacant() -> Self {
        Self::new(false)
    }

    /// The place of a connection.
    pub(super) fn new(edge_triggered: bool) -> Self {
        Self {
            socket: None,
            tls: None,
            phase: Phase::Vacant,
            next: NextRequest { exchange: 0, index: 0 },
            request: InFlight::new(None, false, Instant::now()),
            retried: false,
            written: 0,
            matched: 0,
            first_byte: None,
            incoming: None,
            pipeline: Pipeline::default(),
            opening: Opening::default(),
            wants_room: false,
            edge_triggered,
        }
    }

    /// Begins to open it, without waiting: `epoll` says when to [`Self::advance`].
    pub(super) fn begin(&mut self, target: &Target, epoll: &Epoll, key: u64) -> io::Result<()> {
        let tls = target.tls.as_ref().map(|tls| Session::new(tls).map(Box::new)).transpose()?;
        self.opening = Opening { began: Some(Instant::now()), ..Opening::default() };
        let socket = Socket::connect(&target.addr)?;
        epoll.add(&socket, EpollEvent::new(self.watch(true), key))?;
        self.socket = Some(socket);
        self.tls = tls;
        self.phase = Phase::Opening;
        self.wants_room = true;
        Ok(())
    }

    /// Goes on with what was begun: it is idle when that is done. Returns how many bytes of the
    /// server's are in `buffer`: with the end of TLS's handshake the first of them may come.
    #[cold]
    pub(super) fn advance(
        &mut self,
        epoll: &Epoll,
        key: u64,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        let mut early = 0;
        if self.tls.is_none() || self.wants_room {
            let Some(socket) = &self.socket else { return Err(Errno::ENOTCONN.into()) };
            socket.check()?;
            self.opening.connected.get_or_insert_with(Instant::now);
            self.write(&[], epoll, key)?;
        } else {
            match self.read(buffer, epoll, key) {
                Ok(taken) if taken.closed => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(taken) => early = taken.bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {} // nothing came yet
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.tls.as_ref().is_none_or(|session| !session.is_handshaking()) {
            self.phase = Phase::Idle;
            if self.tls.is_some() {
                self.opening.encrypted = Some(Instant::now());
            }
        }
        Ok(early)
    }

    /// Opens it without waiting and writes what can be written. On a loopback interface the
    /// handshake of TCP is over when `connect` returns, so that without TLS this is all of the
    /// request.
    pub(super) fn open_and_write(
        &mut self,
        target: &Target,
        request: &[u8],
        epoll: &Epoll,
        key: u64,
    ) -> io::Result<()> {
        self.tls = target.tls.as_ref().map(|tls| Session::new(tls).map(Box::new)).transpose()?;
        let socket = Socket::connect(&target.addr)?;
        self.written = 0;
        let wants_room = !write(&socket, self.tls.as_deref_mut(), request, &mut self.written)?;
        epoll.add(&socket, EpollEvent::new(self.watch(wants_room), key))?;
        self.socket = Some(socket);
        self.wants_room = wants_room;
        Ok(())
    }

    /// Notes that a request is in flight; the caller writes it.
    #[inline]
    pub(super) fn start(&mut self, next: NextRequest, request: InFlight) {
        self.phase = Phase::InFlight;
        self.next = next;
        self.request = request;
        self.retried = false;
        self.written = 0;
        self.matched = 0;
    }

    /// Puts a request behind those in flight; [`Self::flush`] writes it.
    pub(super) fn enqueue(&mut self, next: NextRequest, request: InFlight, bytes: &[u8]) {
        if self.phase == Phase::InFlight {
            self.pipeline.behind.push_back(Queued { next, request });
        } else {
            self.start(next, request);
        }
        self.pipeline.unsent.extend_from_slice(bytes);
    }

    /// Puts the request in flight back in front of those behind it.
    #[cold]
    pub(super) fn requeue(&mut self) {
        self.pipeline.behind.push_front(Queued { next: self.next, request: self.request });
    }

    /// The response is whole: that to the request behind it, if there is one, is awaited now.
    #[inline]
    pub(super) fn proceed(&mut self) {
        match self.pipeline.behind.pop_front() {
            None => self.phase = Phase::Idle,
            Some(queued) => {
                self.next = queued.next;
                self.request = queued.request;
                self.retried = false;
                self.matched = 0;
            }
        }
    }

    /// Whether the server had closed it before the request came: its system then answers the
    /// bytes with a reset, which a connection that was closed properly before sees as a broken
    /// pipe.
    #[cold]
    pub(super) fn was_closed_before(&self) -> bool {
        let checked = self.socket.as_ref().map_or(Ok(()), Socket::check);
        checked.is_err_and(|error| error.raw_os_error() == Some(Errno::EPIPE as i32))
    }

    /// Writes what is left of the request; when the socket is full, has `epoll` say when it is not.
    #[inline]
    pub(super) fn write(&mut self, request: &[u8], epoll: &Epoll, key: u64) -> io::Result<()> {
        let Some(socket) = &self.socket else { return Err(Errno::ENOTCONN.into()) };
        let wants_room = !write(socket, self.tls.as_deref_mut(), request, &mut self.written)?;
        if wants_room != self.wants_room {
            self.wants_room = wants_room;
            epoll.modify(socket, &mut EpollEvent::new(self.watch(wants_room), key))?;
        }
        Ok(())
    }

    /// Writes what there is room for, of bytes without an end. With TLS all of it, but nothing
    /// while earlier bytes wait for room.
    pub(super) fn send(&mut self, bytes: &[u8], epoll: &Epoll, key: u64) -> io::Result<usize> {
        if self.tls.is_some() && self.wants_room {
            self.write(&[], epoll, key)?;
            if self.wants_room {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        self.written = 0;
        self.write(bytes, epoll, key)?;
        match self.written {
            0 if !bytes.is_empty() => Err(io::ErrorKind::WouldBlock.into()),
            n => Ok(n),
        }
    }

    /// Writes what is left of several requests, like [`Self::write`].
    pub(super) fn flush(&mut self, epoll: &Epoll, key: u64) -> io::Result<()> {
        let mut unsent = mem::take(&mut self.pipeline.unsent);
        let written = self.write(&unsent, epoll, key);
        if !self.wants_room {
            unsent.clear();
            self.written = 0;
        }
        self.pipeline.unsent = unsent; // its room serves again
        written
    }

    /// Notes that nothing more can be written. Says whether it is open, so that it can be read.
    #[cold]
    pub(super) fn cut(&mut self) -> bool {
        self.pipeline.cut = true;
        self.pipeline.unsent.clear();
        self.socket.is_some()
    }

    /// Reads what has arrived.
    #[inline]
    pub(super) fn read(
        &mut self,
        buffer: &mut [u8],
        epoll: &Epoll,
        key: u64,
    ) -> io::Result<ReadOutcome> {
        let Some(socket) = &self.socket else { return Err(Errno::ENOTCONN.into()) };
        let Some(session) = &mut self.tls else {
            let bytes = socket.read(buffer)?;
            return Ok(ReadOutcome { bytes, drained: bytes < buffer.len(), closed: bytes == 0 });
        };
        let taken = session.read(socket, buffer)?;
        // TLS answers for itself: in a handshake, and when keys change. What was read is worth more
        // than an error, which comes again.
        match self.write(&[], epoll, key) {
            Err(error) if taken.bytes == 0 && !taken.closed => Err(error),
            _ => Ok(taken),
        }
    }

    /// Its TLS, where it has any.
    pub(crate) fn tls(&self) -> Option<&Session> {
        self.tls.as_deref()
    }

    /// Whether there is a socket, open or being opened.
    #[inline]
    pub(super) fn has_socket(&self) -> bool {
        self.socket.is_some()
    }

    /// Its socket, where it has one.
    pub(super) fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }

    /// Whether part of the request could not be written yet.
    #[inline]
    pub(super) fn wants_room(&self) -> bool {
        self.wants_room
    }

    /// What the epoll instance reports.
    fn watch(&self, wants_room: bool) -> EpollFlags {
        let mut flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP;
        flags.set(EpollFlags::EPOLLOUT, wants_room);
        flags.set(EpollFlags::EPOLLET, self.edge_triggered);
        flags
    }

    /// Closes it. The epoll instance forgets a socket that is closed.
    pub(super) fn close(&mut self) {
        self.socket = None;
        self.tls = None;
        self.phase = Phase::Vacant;
        self.first_byte = None;
        self.incoming = None;
        self.pipeline.unsent.clear();
        self.pipeline.cut = false;
    }
}

/// Writes `request` from `written` on, and what TLS has to say. Returns whether all of it is
/// written.
#[inline]
fn write(
    socket: &Socket,
    tls: Option<&mut Session>,
    request: &[u8],
    written: &mut usize,
) -> io::Result<bool> {
    let Some(session) = tls else { return socket.write_from(request, written) };
    if *written < request.len() {
        session.accept(&request[*written..])?;
        *written = request.len();
    }
    session.flush(socket)
}
