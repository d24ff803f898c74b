//! Between windows: connections that the server gave up while they were parked are replaced, off
//! the clock and silently, as any client would.

use std::time::Duration;

use nix::errno::Errno;

use super::{Scratch, Share};
use crate::client::Client;
use crate::connection::{Phase, Taken};
use crate::failure::{Failure, Trouble};
use crate::fault::Fault;
use crate::judge;

impl Share<'_> {
    /// Makes ready for a window: afterwards every connection is open and drained, unless each
    /// request opens its own.
    pub(crate) fn prepare(&mut self, scratch: &mut Scratch) -> Result<(), Failure> {
        loop {
            let ready = match self.client.epoll.wait(&mut scratch.events, 0u8) {
                Err(Errno::EINTR) => continue,
                ready => ready.map_err(|error| self.broken(error))?,
            };
            for event in &scratch.events[..ready] {
                self.parked(event.data() as usize, &mut scratch.buffer)?;
            }
            if ready < scratch.events.len() {
                break;
            }
        }
        if self.job.churn { Ok(()) } else { self.open_all() }
    }

    fn open_all(&mut self) -> Result<(), Failure> {
        let timeout = Duration::from_nanos(self.job.timeout_ns);
        let Client { target, epoll, connections, .. } = &mut self.client;
        for (key, connection) in connections.iter_mut().enumerate() {
            if connection.phase != Phase::Vacant {
                continue;
            }
            let opened = connection.open(target, timeout, epoll, key as u64);
            opened.map_err(|error| {
                let errno = error.raw_os_error();
                let trouble = Trouble { fault: Fault::Connect, errno, closing: false };
                Failure::trouble(self.arm, self.job, trouble)
            })?;
        }
        Ok(())
    }

    /// Something happened on a parked connection: closed, most likely.
    fn parked(&mut self, key: usize, buffer: &mut [u8]) -> Result<(), Failure> {
        let connection = &mut self.client.connections[key];
        match connection.read(buffer, &self.client.epoll, key as u64) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Ok(Taken { bytes: 0, closed: false, .. }) => {} // TLS had something to say
            // Some servers announce that they close an idle connection.
            Ok(Taken { bytes: n, .. }) if n > 0 && !is_request_timeout(&buffer[..n]) => {
                let wrong = judge::excess(&buffer[..n], self.client.question(key));
                return Err(Failure::wrong(self.arm, &wrong));
            }
            Ok(_) | Err(_) => connection.close(),
        }
        Ok(())
    }
}

/// Whether these bytes begin an answer with status 408 (Request Timeout).
pub(crate) fn is_request_timeout(bytes: &[u8]) -> bool {
    bytes.starts_with(b"HTTP/1.1 408 ") || bytes.starts_with(b"HTTP/1.0 408 ")
}
