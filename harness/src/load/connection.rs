//! One connection: opening it, writing a request to it, and what it keeps while an answer is
//! incomplete. What answers mean and when to ask next is left to [`super::share`].

use std::io::{self, Write};
use std::mem;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, SockaddrStorage};

use super::pipe::Pipe;
use super::requests::Turn;

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

/// One connection, or the place of one.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Option<TcpStream>,
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
}

impl Connection {
    /// The place of a connection.
    pub(super) fn vacant() -> Self {
        Self {
            stream: None,
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
        }
    }

    /// Opens it, waiting for the server no longer than `timeout`.
    pub(super) fn open(
        &mut self,
        addr: SocketAddr,
        timeout: Duration,
        epoll: &Epoll,
        key: u64,
    ) -> io::Result<()> {
        let stream = connect(addr)?;
        await_connected(&stream, timeout)?;
        epoll.add(&stream, EpollEvent::new(watch(false), key))?;
        self.stream = Some(stream);
        self.phase = Phase::Idle;
        self.wants_room = false;
        Ok(())
    }

    /// Begins to open it, without waiting: `epoll` says when there is room to write.
    pub(super) fn begin(&mut self, addr: SocketAddr, epoll: &Epoll, key: u64) -> io::Result<()> {
        let stream = connect(addr)?;
        epoll.add(&stream, EpollEvent::new(watch(true), key))?;
        self.stream = Some(stream);
        self.phase = Phase::Opening;
        self.wants_room = true;
        Ok(())
    }

    /// What was begun is done, or it has failed.
    pub(super) fn opened(&mut self, epoll: &Epoll, key: u64) -> io::Result<()> {
        let Some(stream) = &self.stream else { return Err(Errno::ENOTCONN.into()) };
        stream.take_error()?.map_or(Ok(()), Err)?;
        epoll.modify(stream, &mut EpollEvent::new(watch(false), key))?;
        self.phase = Phase::Idle;
        self.wants_room = false;
        Ok(())
    }

    /// Opens it without waiting and writes what can be written. On a loopback interface the
    /// handshake is over when `connect` returns, so that this is all of the request.
    pub(super) fn open_and_write(
        &mut self,
        addr: SocketAddr,
        request: &[u8],
        epoll: &Epoll,
        key: u64,
    ) -> io::Result<()> {
        let stream = connect(addr)?;
        let mut written = 0;
        let wants_room = !write(&stream, request, &mut written)?;
        epoll.add(&stream, EpollEvent::new(watch(wants_room), key))?;
        self.stream = Some(stream);
        self.wants_room = wants_room;
        self.written = written;
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
        let error = self.stream.as_ref().map(TcpStream::take_error);
        let errno = error.and_then(|error| error.ok().flatten()?.raw_os_error());
        errno == Some(Errno::EPIPE as i32)
    }

    /// Writes what is left of the request; when the socket is full, asks `epoll` to say when it
    /// is not.
    #[inline]
    pub(super) fn write(&mut self, request: &[u8], epoll: &Epoll, key: u64) -> io::Result<()> {
        let Some(stream) = &self.stream else { return Err(Errno::ENOTCONN.into()) };
        let wants_room = !write(stream, request, &mut self.written)?;
        if wants_room != self.wants_room {
            self.wants_room = wants_room;
            epoll.modify(stream, &mut EpollEvent::new(watch(wants_room), key))?;
        }
        Ok(())
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

    /// Reads what has arrived.
    #[inline]
    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.stream {
            Some(stream) => io::Read::read(&mut &*stream, buffer),
            None => Err(Errno::ENOTCONN.into()),
        }
    }

    /// Whether part of the request could not be written yet.
    #[inline]
    pub(super) fn wants_room(&self) -> bool {
        self.wants_room
    }

    /// Closes it. The epoll instance forgets a socket that is closed.
    pub(super) fn close(&mut self) {
        self.stream = None;
        self.phase = Phase::Vacant;
        self.received.clear();
        self.skip_bytes = 0;
        self.pipe.unsent.clear();
    }
}

/// What is watched for, level-triggered. Edges would save the kernel a second look at each socket
/// that was ready, but made no difference that could be measured: not worth the care they need.
fn watch(wants_room: bool) -> EpollFlags {
    let always = EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP;
    if wants_room { always | EpollFlags::EPOLLOUT } else { always }
}

fn await_connected(stream: &TcpStream, timeout: Duration) -> io::Result<()> {
    let mut events = [PollFd::new(stream.as_fd(), PollFlags::POLLOUT)];
    let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
    if poll(&mut events, timeout)? == 0 {
        return Err(io::ErrorKind::TimedOut.into());
    }
    stream.take_error()?.map_or(Ok(()), Err)
}

/// Begins to connect, without waiting.
fn connect(addr: SocketAddr) -> io::Result<TcpStream> {
    let family = if addr.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket::socket(family, SockType::Stream, flags, None)?;
    match socket::connect(socket.as_raw_fd(), &SockaddrStorage::from(addr)) {
        Ok(()) | Err(Errno::EINPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Writes `request` from `written` on. Returns whether all of it is written.
#[inline]
fn write(mut stream: &TcpStream, request: &[u8], written: &mut usize) -> io::Result<bool> {
    while *written < request.len() {
        match stream.write(&request[*written..]) {
            Ok(n) => *written += n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
