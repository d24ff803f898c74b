//! What became of connections.

use std::collections::BTreeMap;

/// What became of connections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectionStats {
    /// Opened, replacements included.
    pub opened: u64,
    /// Attempts to open one that failed, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Closed by the server with no request in flight.
    pub lost_idle: u64,
    /// Requests sent again on a new connection, since the server had closed theirs before.
    pub retried: u64,
    /// Closed because bytes came outside any response.
    pub unsolicited: u64,
    /// Closed here, since the server had not behind the last response.
    pub left_open: u64,
}

impl ConnectionStats {
    pub(crate) fn merge(&mut self, other: &Self) {
        self.opened += other.opened;
        self.lost_idle += other.lost_idle;
        self.retried += other.retried;
        self.unsolicited += other.unsolicited;
        self.left_open += other.left_open;
        for (reason, count) in &other.refused {
            *self.refused.entry(reason).or_default() += count;
        }
    }

    pub(super) fn refuse(&mut self, reason: &'static str) {
        *self.refused.entry(reason).or_default() += 1;
    }
}
