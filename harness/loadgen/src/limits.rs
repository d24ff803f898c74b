//! Sizes and periods that transports and drivers have in common.

use std::time::Duration;

/// Bytes read at once, at most.
pub(crate) const READ_BYTES: usize = 256 * 1024;
/// Events fetched at once, at most.
pub(crate) const EVENTS: usize = 1024;
/// Requests and connections are checked for timeouts this often, so that none needs a timer.
pub(crate) const SWEEP: Duration = Duration::from_millis(50);
/// The longest that outstanding responses of a load are awaited at its end, unless each is
/// promised.
pub const DRAIN_MAX: Duration = Duration::from_secs(5);
