//! Stream sockets, TCP or Unix, that never block. The same two system calls serve both kinds, so
//! that the hot path does not ask which it has. They are made without the C library, whose
//! functions of these names are points at which a thread can be cancelled, which nobody does here.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{
    self, AddressFamily, SockFlag, SockType, SockaddrStorage, UnixAddr, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use rustix::net::{RecvFlags, SendFlags};

use duet_protocol::Address;

/// What reading came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReadOutcome {
    /// Bytes read; with TLS there may be none although something came.
    pub(super) bytes: usize,
    /// Whether nothing more was there.
    pub(super) drained: bool,
    /// Whether the server will send no more.
    pub(super) closed: bool,
}

/// How long a connection to a Unix socket waits for room in the server's queue.
const QUEUE_PATIENCE: Duration = Duration::from_millis(100);

/// A stream socket.
#[derive(Debug)]
pub(super) struct Socket(OwnedFd);

impl Socket {
    /// Begins to connect. On a loopback interface, and to a Unix socket, it is done on return.
    pub(super) fn connect(addr: &Address) -> io::Result<Self> {
        match addr {
            Address::Tcp(addr) => connect_tcp(*addr),
            Address::Unix(path) => {
                let socket = connect_unix(path, QUEUE_PATIENCE)?;
                fcntl(&socket, FcntlArg::F_SETFL(OFlag::O_RDWR | OFlag::O_NONBLOCK))?;
                Ok(Self(socket))
            }
        }
    }

    /// The error that connecting ended with, if it did.
    pub(super) fn check(&self) -> io::Result<()> {
        match socket::getsockopt(&self.0, sockopt::SocketError)? {
            0 => Ok(()),
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    }

    #[inline]
    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let (_, received) = rustix::net::recv(&self.0, buffer, RecvFlags::empty())?;
        Ok(received)
    }

    #[inline]
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(&self.0, bytes, SendFlags::NOSIGNAL)?)
    }

    /// Writes `bytes` from `written` on. Returns whether all of them are written.
    #[inline]
    pub(super) fn write_from(&self, bytes: &[u8], written: &mut usize) -> io::Result<bool> {
        while *written < bytes.len() {
            match self.write(&bytes[*written..]) {
                Ok(n) => *written += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn connect_tcp(addr: SocketAddr) -> io::Result<Socket> {
    let family = if addr.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket::socket(family, SockType::Stream, flags, None)?;
    match socket::connect(socket.as_raw_fd(), &SockaddrStorage::from(addr)) {
        Ok(()) | Err(Errno::EINPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    socket::setsockopt(&socket, sockopt::TcpNoDelay, &true)?;
    if addr.ip().is_loopback() {
        // Nothing is congested there, and the system's choice may be one that models a path and
        // paces (BBR), which costs CPU time. Where this one may not be chosen, the other serves.
        let _ = socket::setsockopt(&socket, sockopt::TcpCongestion, &"reno".into());
    }
    Ok(Socket(socket))
}

/// A Unix socket whose server has a full queue does not connect later: a call that may not wait
/// fails, and nothing tells when to try again. So this one waits, so long at most. What it returns
/// waits likewise when it writes.
pub(super) fn connect_unix(path: &Path, patience: Duration) -> io::Result<OwnedFd> {
    let addr = UnixAddr::new(path)?;
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    let patience = TimeVal::microseconds(patience.as_micros().max(1) as i64);
    socket::setsockopt(&socket, sockopt::SendTimeout, &patience)?;
    socket::connect(socket.as_raw_fd(), &addr)?;
    Ok(socket)
}
