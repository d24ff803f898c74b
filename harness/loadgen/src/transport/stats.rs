//! What became of connections.

use std::collections::BTreeMap;

use duet_protocol::Handshakes;

use super::connection::Opening;
use crate::count::latencies::Latencies;
use crate::reason::Reason;
use crate::request::in_flight::nanoseconds;

/// What became of connections.
#[derive(Debug, Clone, Default)]
pub struct ConnectionStats {
    /// Opened, replacements included.
    pub opened: u64,
    /// Attempts to open one that failed, by reason.
    pub refused: BTreeMap<Reason, u64>,
    /// Closed by the server with no request in flight.
    pub lost_idle: u64,
    /// Requests sent again on a new connection, since the server had closed theirs before.
    pub retried: u64,
    /// Closed because bytes came outside any response.
    pub unsolicited: u64,
    /// Closed here, since the server had not behind the last response.
    pub left_open: u64,
    /// Responses without a length that ended with a connection whose TLS did not say that it ends
    /// (close_notify): whether they were whole is not known.
    pub unannounced: u64,
    /// Handshakes of TLS. Of a whole load: threads have them in common.
    pub handshakes: Handshakes,
    /// How long they took to open. Those that a request opens (a connection for each) are not
    /// among them: that is in the request's time.
    pub opening: OpeningTimes,
}

/// How long connections took to open.
#[derive(Debug, Clone, Default)]
pub struct OpeningTimes {
    /// The handshake of TCP, or that of a Unix socket.
    pub connect: Latencies,
    /// The handshake of TLS behind it.
    pub tls: Latencies,
}

impl OpeningTimes {
    pub(super) fn record(&mut self, opening: &Opening) {
        if let (Some(began), Some(connected)) = (opening.began, opening.connected) {
            self.connect.record(nanoseconds(began, connected));
        }
        if let (Some(connected), Some(encrypted)) = (opening.connected, opening.encrypted) {
            self.tls.record(nanoseconds(connected, encrypted));
        }
    }
}

impl ConnectionStats {
    pub(crate) fn merge(&mut self, other: &Self) {
        self.opened += other.opened;
        self.lost_idle += other.lost_idle;
        self.retried += other.retried;
        self.unsolicited += other.unsolicited;
        self.left_open += other.left_open;
        self.unannounced += other.unannounced;
        self.opening.connect.merge(&other.opening.connect);
        self.opening.tls.merge(&other.opening.tls);
        for (reason, count) in &other.refused {
            *self.refused.entry(*reason).or_default() += count;
        }
    }

    pub(super) fn refuse(&mut self, reason: impl Into<Reason>) {
        *self.refused.entry(reason.into()).or_default() += 1;
    }
}
