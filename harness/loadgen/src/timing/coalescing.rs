//! Wake-up coalescing: reading responses several at a time, in fast closed loops of many
//! connections, and in open loops that ask for more than is possible, which are closed loops, too.
//!
//! A thread that sleeps is woken by the next response, sends again and sleeps until the next one:
//! where it is faster than the server, nearly every response wakes it, which costs CPU time on both
//! sides. So there only one connection in [`STRIDE`] wakes it. Responses on the others wait until
//! then, and are read together.
//!
//! Where the server is the bottleneck that costs nothing: the time that requests spend in line is
//! given by the number of connections and the server's speed. Where it is not, service times are
//! longer by up to [`STRIDE`] responses' time, by the bounds below at most an eighth.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use super::timer::poll;

/// One connection in so many wakes the thread.
pub(crate) const STRIDE: usize = 8;
/// A thread with fewer connections reads each response at once.
pub(crate) const CONNECTIONS_MIN: usize = 64;
/// So does one with fewer responses a second: [`STRIDE`] of them come within 0.4 ms.
const PER_SECOND_MIN: f64 = 20_000.0;
/// Longer than this no response waits for a connection that wakes the thread.
const PATIENCE: Duration = Duration::from_millis(1);

/// The connections that wake a thread.
#[derive(Debug)]
pub(crate) struct WakeupCoalescing {
    wakers: Epoll,
    on: bool,
    /// When it was last decided whether it pays, and how many requests had been sent.
    decided: (Instant, u64),
}

impl WakeupCoalescing {
    /// None yet: each response is read at once. Nothing was sent before `now`.
    pub(crate) fn new(now: Instant) -> Result<Self, Errno> {
        let wakers = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        Ok(Self { wakers, on: false, decided: (now, 0) })
    }

    /// Decides whether it pays, by the requests sent since the last decision. `sockets` are those
    /// that shall wake the thread; a socket that is closed is forgotten by itself.
    pub(crate) fn decide<'s>(
        &mut self,
        now: Instant,
        sent: u64,
        sockets: impl Iterator<Item = BorrowedFd<'s>>,
    ) -> Result<(), Errno> {
        let (then, before) = self.decided;
        self.decided = (now, sent);
        let elapsed = now.saturating_duration_since(then).as_secs_f64();
        self.on = sent.saturating_sub(before) as f64 >= PER_SECOND_MIN * elapsed;
        if self.on {
            for socket in sockets {
                match self.wakers.add(socket, EpollEvent::new(EpollFlags::EPOLLIN, 0)) {
                    Ok(()) | Err(Errno::EEXIST) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Whether responses are read several at a time.
    #[inline]
    pub(crate) fn on(&self) -> bool {
        self.on
    }

    /// Waits until a connection wakes the thread, and fetches the events of all from `epoll`. None
    /// may have come.
    pub(crate) fn wait(
        &mut self,
        epoll: &Epoll,
        events: &mut [EpollEvent],
    ) -> Result<usize, Errno> {
        let woken = poll(&self.wakers, &mut events[..1], PATIENCE)? > 0;
        let ready = poll(epoll, events, Duration::ZERO)?;
        // Others had responses meanwhile: those that wake were replaced, or are slower.
        self.on &= woken || ready == 0;
        Ok(ready)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn one_waker_for_all() {
        let pairs: Vec<_> = (0..4).map(|_| UnixStream::pair().expect("there is room")).collect();
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).expect("there is room");
        for (key, (near, _)) in pairs.iter().enumerate() {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, key as u64);
            epoll.add(near, event).expect("it is open");
        }
        let start = Instant::now();
        let after = |ms: u64| start + Duration::from_millis(ms);
        let mut batches = WakeupCoalescing::new(start).expect("there is room");
        let mut events = [EpollEvent::empty(); 8];
        let waker = || [pairs[0].0.as_fd()].into_iter();

        batches.decide(after(50), 999, waker()).expect("it is open");
        assert!(!batches.on(), "19,980 a second are too few");
        batches.decide(after(100), 2000, waker()).expect("it is open");
        assert!(batches.on());
        assert_eq!(batches.wait(&epoll, &mut events), Ok(0), "nothing has come");
        assert!(batches.on(), "the server is slow to respond to any");

        for pair in &pairs {
            (&pair.1).write_all(b"x").expect("there is room");
        }
        assert_eq!(batches.wait(&epoll, &mut events), Ok(4));
        assert!(batches.on());

        let mut near = &pairs[0].0;
        near.read_exact(&mut [0]).expect("it has come");
        assert_eq!(batches.wait(&epoll, &mut events), Ok(3), "they wait for the waker in vain");
        assert!(!batches.on());
        batches.decide(after(150), 4000, waker()).expect("it is known already");
        assert!(batches.on());
    }
}
