//! A connection as `h2` reads and writes it.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::limits::READ_BYTES;
use crate::transport::connection::Connection;

/// What the connections of a thread share.
#[derive(Debug)]
pub(super) struct EventLoop {
    pub(super) epoll: Epoll,
    pub(super) buffer: RefCell<Box<[u8]>>,
    /// Bytes received, without TLS.
    pub(super) received: Cell<u64>,
}

impl EventLoop {
    pub(super) fn new() -> Result<Self, Errno> {
        Ok(Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            buffer: RefCell::new(vec![0; READ_BYTES].into()),
            received: Cell::new(0),
        })
    }
}

/// An open connection.
#[derive(Debug)]
pub(super) struct H2Io {
    connection: Connection,
    event_loop: Rc<EventLoop>,
    key: u64,
    /// Read and not passed on yet, from `at` on.
    read: Vec<u8>,
    at: usize,
    closed: bool,
    /// Whether an event says that there is something to read.
    arrived: Rc<Cell<bool>>,
}

impl H2Io {
    /// A connection of which `early` was read already.
    pub(super) fn new(
        connection: Connection,
        event_loop: Rc<EventLoop>,
        key: u64,
        early: Vec<u8>,
        arrived: Rc<Cell<bool>>,
    ) -> Self {
        event_loop.received.set(event_loop.received.get() + early.len() as u64);
        Self { connection, event_loop, key, read: early, at: 0, closed: false, arrived }
    }

    /// Reads what has arrived, once per event: if there is more, the next event says so, and a
    /// server that never stops cannot keep the thread. False: nothing has.
    fn fill(&mut self) -> io::Result<bool> {
        let event_loop = Rc::clone(&self.event_loop);
        let mut buffer = event_loop.buffer.borrow_mut();
        self.read.clear();
        self.at = 0;
        if !self.arrived.replace(false) {
            return Ok(false);
        }
        let read = match self.connection.read(&mut buffer, &event_loop.epoll, self.key) {
            Err(error) if is_passing(&error) => return Ok(false), // events are level-triggered
            read => read?,
        };
        self.closed = read.closed;
        event_loop.received.set(event_loop.received.get() + read.bytes as u64);
        self.read.extend_from_slice(&buffer[..read.bytes]);
        Ok(read.bytes > 0 || read.closed)
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
}

impl AsyncRead for H2Io {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let own = self.get_mut();
        if own.at == own.read.len() && !own.closed && !own.fill()? {
            return Poll::Pending; // an event has the connection polled
        }
        let rest = &own.read[own.at..];
        let n = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..n]);
        own.at += n;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for H2Io {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let own = self.get_mut();
        match own.connection.send(bytes, &own.event_loop.epoll, own.key) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            sent => Poll::Ready(sent),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let own = self.get_mut();
        if own.connection.wants_room() {
            own.connection.write(&[], &own.event_loop.epoll, own.key)?;
        }
        if own.connection.wants_room() { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
