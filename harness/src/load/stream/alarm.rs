//! Waiting: for events, and for the instant at which the next request is due.

use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::nanoseconds;
use crate::load::failure::Failure;

/// A timer wakes the thread this long before a request is due; from then on it looks without
/// sleeping. About what waking up takes on a virtual machine.
const SPIN: Duration = Duration::from_micros(80);
/// The key of the timer among events.
pub(in crate::load) const TIMER: u64 = u64::MAX;

/// A timer among the events of an epoll instance.
#[derive(Debug)]
pub(in crate::load) struct Alarm {
    timer: TimerFd,
    /// What it is set for.
    armed: Option<Instant>,
    /// Time spent looking without sleeping.
    pub(in crate::load) spin_ns: u64,
}

impl Alarm {
    /// An alarm that is not set.
    pub(in crate::load) fn new(epoll: &Epoll) -> Result<Self, Failure> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags).map_err(waiting)?;
        epoll
            .add(&timer, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, TIMER))
            .map_err(waiting)?;
        Ok(Self { timer, armed: None, spin_ns: 0 })
    }

    /// Waits for events until `due`, where something is, but no longer than `patience`.
    pub(in crate::load) fn wait(
        &mut self,
        epoll: &Epoll,
        due: Option<Instant>,
        now: Instant,
        patience: Duration,
        events: &mut [EpollEvent],
    ) -> Result<usize, Failure> {
        let Some(due) = due else { return poll(epoll, events, patience) };
        let ahead = due.saturating_duration_since(now);
        if ahead <= SPIN {
            let ready = poll(epoll, events, Duration::ZERO)?;
            if ready == 0 {
                self.spin_ns += nanoseconds(now, Instant::now());
            }
            return Ok(ready);
        }
        if self.armed != Some(due) {
            self.armed = Some(due);
            let alarm = Expiration::OneShot(TimeSpec::from_duration(ahead - SPIN));
            self.timer.set(alarm, TimerSetTimeFlags::empty()).map_err(waiting)?;
        }
        poll(epoll, events, patience)
    }
}

/// Waits for events, no longer than `patience`, which is at most a minute.
pub(in crate::load) fn poll(
    epoll: &Epoll,
    events: &mut [EpollEvent],
    patience: Duration,
) -> Result<usize, Failure> {
    // Up, so that a wait of less than a millisecond is not a busy one.
    let ms = patience.as_nanos().div_ceil(1_000_000) as u16;
    match epoll.wait(events, ms) {
        Err(Errno::EINTR) => Ok(0),
        ready => ready.map_err(waiting),
    }
}

fn waiting(error: Errno) -> Failure {
    Failure::general(format_args!("failed to wait for answers: {}", error.desc()))
}
