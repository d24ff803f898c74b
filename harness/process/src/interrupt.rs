//! Ctrl-C and SIGTERM as a flag that long work looks at.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};

/// How long work may go on between two looks at the flag.
pub const POLL: Duration = Duration::from_millis(50);

/// Whether a signal asked the harness to stop.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    signal: Arc<AtomicUsize>,
}

/// The harness was asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted by signal {0}")]
pub struct Interrupted(
    /// The signal.
    pub i32,
);

impl Interrupt {
    /// Catches SIGINT and SIGTERM from now on. The second signal ends the process at once; the
    /// kernel then stops its children (see [`crate::child`]).
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn watch() -> Result<Self> {
        let interrupt = Self::default();
        let second = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // Order matters: the conditional shutdown must see the flag of an earlier signal only.
            signal_hook::flag::register_conditional_shutdown(
                signal,
                128 + signal,
                Arc::clone(&second),
            )
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&second)))
            .and_then(|_| {
                let value = usize::try_from(signal).unwrap_or(1);
                signal_hook::flag::register_usize(signal, Arc::clone(&interrupt.signal), value)
            })
            .context("failed to install the signal handlers")?;
        }
        // A file that outgrows a limit shall be an error of the write, not the end of the process.
        signal_hook::flag::register(SIGXFSZ, Arc::default())
            .context("failed to install the signal handlers")?;
        Ok(interrupt)
    }

    /// The signal that arrived, if one did.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        i32::try_from(self.signal.load(Ordering::Relaxed)).ok().filter(|s| *s != 0)
    }

    /// An error once a signal has arrived.
    ///
    /// # Errors
    /// [`Interrupted`].
    pub fn check(&self) -> Result<(), Interrupted> {
        self.signal().map_or(Ok(()), |signal| Err(Interrupted(signal)))
    }
}
