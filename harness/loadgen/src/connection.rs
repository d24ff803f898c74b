//! One connection: opening it, writing a request to it, and what it keeps while an answer is
//! incomplete. What answers mean and when to ask next is left to [`super::share`].

use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use super::pipe::Pipe;
use super::requests::Turn;
use super::share::READ_BYTES;
use super::socket::Socket;
use super::target::Target;
use super::tls::Session;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// There is none: not opened yet, or lost and not to be replaced in this window.
    Vacant,
    /// Being opened, nothing asked.
    Opening,
    /// Open, nothing asked.
    Idle,
    /// Asked; the answer is not complete.
    Asked,
    /// Answered after this many nanoseconds; the server has to close it, then the answer counts.
    Closing(u64),
}

/// What reading came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    /// Bytes read; with TLS there may be none although something came.
    pub(super) bytes: usize,
    /// Whether nothing more was there.
    pub(super) drained: bool,
    /// Whether the server will send no more.
    pub(super) closed: bool,
}

/// One connection, or the place of one.
#[derive(Debug)]
pub(super) struct Connection {
    socket: Option<Socket>,
    /// What encrypts it. In a box, so that a plain connection stays small.
    tls: Option<Box<Session>>,
    pub(super) phase: Phase,
    /// The exchange asked last; of several that are asked, the first.
    pub(super) exchange: usize,
    /// Its number among all requests.
    pub(super) index: u64,
    /// When it was asked.
    pub(super) asked_at: Instant,
    /// Whether it is asked for the second time.
    pub(super) again: bool,
    /// Bytes of the request written.
    pub(super) written: usize,
    /// Bytes of the answer that matched the template so far.
    pub(super) matched: usize,
    /// The bytes of an answer that differs from its template, until it is complete.
    pub(super) received: Vec<u8>,
    /// Bytes still to come of a body that nobody looks at; `received` holds the head then.
    pub(super) skip_bytes: usize,
    /// Failed requests since the last right answer or the start of the window.
    pub(super) failures: u32,
    /// What is asked behind it.
    pub(super) pipe: Pipe,
    /// Whether the epoll instance watches for room to write.
    wants_room: bool,
    /// Whether it reports only what is new, which saves it a second look at each socket that was
    /// read. Whoever uses the connection then reads it until it is drained.
    edges: bool,
}

impl Connection {
    /// The place of a connection that is watched level-triggered.
    pub(super) fn vacant() -> Self {
        Self::watched_for_edges(false)
    }

    /// The place of a connection.
    pub(super) fn watched_for_edges(edges: bool) -> Self {
        Self {
            socket: None,
            tls: None,
            phase: Phase::Vacant,
            exchange: 0,
            index: 0,
            asked_at: Instant::now(),
            again: false,
            written: 0,
            matched: 0,
            received: vec![],
            skip_bytes: 0,
            failures: 0,
            pipe: Pipe::default(),
            wants_room: false,
            edges,
        }
    }

    /// Opens it, waiting for the server no longer than `timeout`.
    pub(super) fn open(
        &mut self,
        target: &Target,
        timeout: Duration,
        epoll: &Epoll,
        key: u64,
    ) -> io::Result<()> {
        let alone = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let opened = self.begin(target, &alone, key).and_then(|()| self.finish(timeout, &alone));
        if let Err(error) = opened {
            self.close();
            return Err(error);
        }
        let Some(socket) = &self.socket else { return Err(Errno::ENOTCONN.into()) };
        alone.delete(socket)?;
        epoll.add(socket, EpollEvent::new(self.watch(self.wants_room), key))?;
        Ok(())
    }

    /// Waits until it is open.
    fn finish(&mut self, timeout: Duration, epoll: &Epoll) -> io::Result<()> {
        let end = Instant::now() + timeout;
        let mut buffer = vec![];
        while self.phase == Phase::Opening {
            let left = end.saturating_duration_since(Instant::now());
            // Up, so that no wait is a busy one.
            let ms = left.as_nanos().div_ceil(1_000_000).min(1000) as u16;
            let mut events = [EpollEvent::empty()];
            match epoll.wait(&mut events, ms) {
                Err(Errno::EINTR) => {}
                Ok(0) if left.is_zero() => return Err(io::ErrorKind::TimedOut.into()),
                Ok(0) => {}
                Ok(_) => {
                    buffer.resize(READ_BYTES, 0);
                    if self.advance(epoll, events[0].data(), &mut buffer)? > 0 {
                        return Err(io::Error::other("bytes came before anything was asked"));
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Begins to open it, without waiting: `epoll` says when to [`Self::advance`].
    pub(super) fn begin(&mut self, target: &Target, epoll: &Epoll, key: u64) -> io::Result<()> {
        let tls = target.tls.as_ref().map(|tls| Session::new(tls).map(Box::new)).transpose()?;
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

    /// Notes that `turn` is asked at `now`; the caller writes it.
    #[inline]
    pub(super) fn ask(&mut self, turn: Turn, now: Instant) {
        self.phase = Phase::Asked;
        self.exchange = turn.exchange;
        self.index = turn.index;
        self.asked_at = now;
        self.again = false;
        self.written = 0;
        self.matched = 0;
    }

    /// The answer is whole: what is asked behind it, if anything, is awaited now.
    #[inline]
    pub(super) fn proceed(&mut self) {
        match self.pipe.behind.pop_front() {
            None => self.phase = Phase::Idle,
            Some(next) => {
                self.exchange = next.turn.exchange;
                self.index = next.turn.index;
                self.asked_at = next.asked_at;
                self.again = false;
                self.matched = 0;
            }
        }
    }

    /// Whether the server had closed it before the request came: its system then answers the bytes
    /// with a reset, which a connection that was closed properly before sees as a broken pipe.
    #[cold]
    pub(super) fn was_closed_before(&self) -> bool {
        let checked = self.socket.as_ref().map_or(Ok(()), Socket::check);
        checked.is_err_and(|error| error.raw_os_error() == Some(Errno::EPIPE as i32))
    }

    /// Writes what is left of the request; when the socket is full, asks `epoll` to say when it
    /// is not.
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
        let mut unsent = mem::take(&mut self.pipe.unsent);
        let written = self.write(&unsent, epoll, key);
        if !self.wants_room {
            unsent.clear();
            self.written = 0;
        }
        self.pipe.unsent = unsent; // its room serves again
        written
    }

    /// Notes that nothing more can be written. Says whether it is open, so that it can be read.
    #[cold]
    pub(super) fn cut(&mut self) -> bool {
        self.pipe.cut = true;
        self.pipe.unsent.clear();
        self.socket.is_some()
    }

    /// Reads what has arrived.
    #[inline]
    pub(super) fn read(&mut self, buffer: &mut [u8], epoll: &Epoll, key: u64) -> io::Result<Taken> {
        let Some(socket) = &self.socket else { return Err(Errno::ENOTCONN.into()) };
        let Some(session) = &mut self.tls else {
            let bytes = socket.read(buffer)?;
            return Ok(Taken { bytes, drained: bytes < buffer.len(), closed: bytes == 0 });
        };
        let taken = session.read(socket, buffer)?;
        // TLS answers for itself: in a handshake, and when keys change. What was read is worth more
        // than an error, which comes again.
        match self.write(&[], epoll, key) {
            Err(error) if taken.bytes == 0 && !taken.closed => Err(error),
            _ => Ok(taken),
        }
    }

    /// The application protocol that the handshake of TLS agreed on.
    pub(super) fn protocol(&self) -> Option<&[u8]> {
        self.tls.as_ref().and_then(|session| session.protocol())
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
        flags.set(EpollFlags::EPOLLET, self.edges);
        flags
    }

    /// Closes it. The epoll instance forgets a socket that is closed.
    pub(super) fn close(&mut self) {
        self.socket = None;
        self.tls = None;
        self.phase = Phase::Vacant;
        self.received.clear();
        self.skip_bytes = 0;
        self.pipe.unsent.clear();
        self.pipe.cut = false;
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
