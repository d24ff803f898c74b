//! A request that is sent and has no response yet.

use std::time::Instant;

/// A request that is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InFlight {
    /// When it was due; none in a closed loop.
    pub(crate) planned: Option<Instant>,
    /// Whether it was planned after the warm-up.
    pub(crate) measured: bool,
    /// When it was sent.
    pub(crate) sent: Instant,
    /// Whether its times do not count. The transport says so when it selects the exchange.
    pub(crate) untimed: bool,
    /// Which exchange it is of. The transport says so likewise.
    pub(crate) exchange: u32,
}

impl InFlight {
    /// A request that is sent at an instant.
    #[inline]
    pub(crate) fn new(planned: Option<Instant>, measured: bool, sent: Instant) -> Self {
        Self { planned, measured, sent, untimed: false, exchange: 0 }
    }
}

/// The time between two instants; 0 where `to` comes first.
#[inline]
pub(crate) fn nanoseconds(from: Instant, to: Instant) -> u64 {
    // A u64 of nanoseconds holds 584 years.
    to.saturating_duration_since(from).as_nanos() as u64
}
