//! Waiting for events until a request is due, to within microseconds.
//!
//! The timeout of `epoll_wait` is whole milliseconds. So a timer of the kernel wakes the thread a
//! little early, and from then on it looks without sleeping, on a CPU that is its own.

use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

/// The timer wakes the thread this long before a request is due; from then on it looks without
/// sleeping. Longer than waking up mostly takes on a virtual machine.
const SPIN: Duration = Duration::from_micros(120);
/// The key of the timer among events.
pub(crate) const TIMER: u64 = u64::MAX;

/// A thread's timer.
#[derive(Debug)]
pub(crate) struct DeadlineTimer {
    timer: TimerFd,
    /// What it is set for.
    armed: Option<Instant>,
    /// Time spent looking without sleeping and without finding anything.
    pub(crate) spin_ns: u64,
}

impl DeadlineTimer {
    /// A timer that is not set.
    pub(crate) fn new() -> Result<Self, Errno> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        Ok(Self { timer, armed: None, spin_ns: 0 })
    }

    /// Has `epoll` report it from now on, under the key [`TIMER`].
    pub(crate) fn watch(&self, epoll: &Epoll) -> Result<(), Errno> {
        let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
        epoll.add(&self.timer, EpollEvent::new(flags, TIMER))
    }

    /// Waits for events from `now` until `due`, if anything is, and about as long as `patience` at
    /// most. Returns how many there are, the timer's among them. All since `now` counts as waiting.
    pub(crate) fn wait(
        &mut self,
        epoll: &Epoll,
        events: &mut [EpollEvent],
        (now, due): (Instant, Option<Instant>),
        patience: Duration,
    ) -> Result<usize, Errno> {
        let Some(due) = due else { return poll(epoll, events, patience) };
        let ahead = due.saturating_duration_since(now);
        if ahead <= SPIN {
            let ready = poll(epoll, events, Duration::ZERO)?;
            if ready == 0 {
                self.spin_ns += now.elapsed().as_nanos() as u64; // 584 years
            }
            return Ok(ready);
        }
        if self.armed != Some(due) {
            self.armed = Some(due);
            let deadline = Expiration::OneShot(TimeSpec::from_duration(ahead - SPIN));
            self.timer.set(deadline, TimerSetTimeFlags::empty())?;
        }
        poll(epoll, events, patience)
    }
}

/// Waits for events, `patience` long at most, which is no more than a minute, 60,000 ms.
pub(crate) fn poll(
    epoll: &Epoll,
    events: &mut [EpollEvent],
    patience: Duration,
) -> Result<usize, Errno> {
    // Up, so that a wait of less than a millisecond is not a busy one.
    let ms = patience.as_secs() as u32 * 1000 + patience.subsec_nanos().div_ceil(1_000_000);
    match epoll.wait(events, ms as u16) {
        Err(Errno::EINTR) => Ok(0),
        ready => ready,
    }
}
