//! Whether this process was kept from running: stopped by a signal, frozen with its container, or
//! asleep with the machine. What was measured meanwhile is not slow, it was not measured.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use nix::time::{ClockId, clock_gettime};

use duet_process::background;

/// The time between two beats.
const BEAT: Duration = Duration::from_millis(50);

/// A beat that is so late means that the process did not run. A thread that only waits for a CPU
/// on a busy machine is late by some ten milliseconds.
const LATE: Duration = Duration::from_millis(250);

/// A thread that wakes every 50 ms and notices when it was late. It ends with the value.
#[derive(Debug)]
pub struct Awake {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The last beat, and the longest time between two of them since [`Awake::longest_gap`] asked.
    beats: Mutex<Beats>,
    ended: AtomicBool,
}

#[derive(Debug, Default)]
struct Beats {
    last: Duration,
    longest: Duration,
}

impl State {
    /// The longest gap up to now, which becomes the last beat.
    fn beat(&self) -> Duration {
        let now = since_boot();
        let mut beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        beats.longest = beats.longest.max(now.saturating_sub(beats.last));
        beats.last = now;
        beats.longest
    }
}

impl Awake {
    /// Starts to watch.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn watch() -> Result<Self> {
        let state = Arc::new(State::default());
        state.beats.lock().unwrap_or_else(PoisonError::into_inner).last = since_boot();
        let beating = Arc::clone(&state);
        let beat = move || {
            while !beating.ended.load(Ordering::Relaxed) {
                beating.beat();
                thread::sleep(BEAT);
            }
        };
        background::thread("awake", beat)?;
        Ok(Self { state })
    }

    /// For how long this process did not run, at the longest, since it was asked last; absent where
    /// it always ran.
    #[must_use]
    pub fn longest_gap(&self) -> Option<Duration> {
        let longest = self.state.beat();
        self.state.beats.lock().unwrap_or_else(PoisonError::into_inner).longest = Duration::ZERO;
        Some(longest).filter(|gap| *gap >= LATE)
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Relaxed);
    }
}

/// Time since the machine was started, by the clock that goes on while it sleeps, and that nobody
/// can set.
fn since_boot() -> Duration {
    // Every Linux since 2.6.39 has this clock; without it nothing is ever late.
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_noticed() {
        let awake = Awake::watch().expect("there are threads");
        let last = || awake.state.beats.lock().expect("nobody panicked").last;
        let first = last();
        while last() == first {
            thread::yield_now();
        }
        // As if the last beat were long ago.
        awake.state.beats.lock().expect("nobody panicked").last -= Duration::from_secs(3);
        let gap = awake.longest_gap().expect("a beat was late");
        assert!(gap >= Duration::from_secs(3), "{gap:?}");
        assert_eq!(awake.state.beats.lock().expect("nobody panicked").longest, Duration::ZERO);
    }
}
