//! A connection as `h2` reads and writes it.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connection::Connection;
use crate::share::READ_BYTES;

/// What the connections of a thread share.
#[derive(Debug)]
pub(super) struct Thread {
    pub(super) epoll: Epoll,
    pub(super) buffer: RefCell<Box<[u8]>>,
    /// Bytes received, without TLS.
    pub(super) received: Cell<u64>,
}

impl Thread {
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
pub(super) struct Wire {
    connection: Connection,
    thread: Rc<Thread>,
    key: u64,
    /// Read and not taken yet, from `at` on.
    read: Vec<u8>,
    at: usize,
    closed: bool,
    /// Whether an event says that there is something to read.
    arrived: Rc<Cell<bool>>,
}

impl Wire {
    /// A connection of which `early` was read already.
    pub(super) fn new(
        connection: Connection,
        thread: Rc<Thread>,
        key: u64,
        early: Vec<u8>,
        arrived: Rc<Cell<bool>>,
    ) -> Self {
        thread.received.set(thread.received.get() + early.len() as u64);
        Self { connection, thread, key, read: early, at: 0, closed: false, arrived }
    }

    /// Reads what has arrived, once per event: if there is more, the next event says so, and a
    /// server that never stops cannot keep the thread. False: nothing has.
    fn fill(&mut self) -> io::Result<bool> {
        let thread = Rc::clone(&self.thread);
        let mut buffer = thread.buffer.borrow_mut();
        self.read.clear();
        self.at = 0;
        if !self.arrived.replace(false) {
            return Ok(false);
        }
        let taken = match self.connection.read(&mut buffer, &thread.epoll, self.key) {
            Err(error) if is_passing(&error) => return Ok(false), // events are level-triggered
            taken => taken?,
        };
        self.closed = taken.closed;
        thread.received.set(thread.received.get() + taken.bytes as u64);
        self.read.extend_from_slice(&buffer[..taken.bytes]);
        Ok(taken.bytes > 0 || taken.closed)
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        if wire.at == wire.read.len() && !wire.closed && !wire.fill()? {
            return Poll::Pending; // an event has the connection polled
        }
        let rest = &wire.read[wire.at..];
        let n = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..n]);
        wire.at += n;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        match wire.connection.send(bytes, &wire.thread.epoll, wire.key) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            sent => Poll::Ready(sent),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        if wire.connection.wants_room() {
            wire.connection.write(&[], &wire.thread.epoll, wire.key)?;
        }
        if wire.connection.wants_room() { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
