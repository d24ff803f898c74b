//! What became of every request that was planned. Nothing is lost without a name.

use std::collections::BTreeMap;

use crate::error_kind::{ErrorCounts, ErrorKind};

/// Requests of the measured time, by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Account {
    /// Planned to be sent. In a closed loop without a number of requests: all that were sent.
    pub planned: u64,
    /// Sent.
    pub sent: u64,
    /// Not sent: no connection was free until the end.
    pub unsent: u64,
    /// Not sent: older than the deadline when their turn came.
    pub shed: u64,
    /// Answered as expected.
    pub ok: u64,
    /// Still in flight when waiting for them was given up.
    pub in_flight: u64,
    pub(crate) errors: ErrorCounts,
}

impl Account {
    /// Requests that failed, by kind.
    #[must_use]
    pub fn failed_by_kind(&self) -> BTreeMap<String, u64> {
        self.errors.by_name()
    }

    /// Requests that were sent and failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.errors.total()
    }

    /// The share of the requests sent without an ok response: 0 to 1.
    #[must_use]
    pub fn error_rate(&self) -> f64 {
        let bad = self.failed() + self.in_flight;
        if self.sent == 0 { 0.0 } else { bad as f64 / self.sent as f64 }
    }

    /// Whether it adds up: planned = sent + unsent + shed, and sent = ok + failed + in
    /// flight.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        self.planned == self.sent + self.unsent + self.shed
            && self.sent == self.ok + self.failed() + self.in_flight
    }

    /// Counts a request that failed.
    pub(crate) fn fail(&mut self, kind: ErrorKind) {
        self.errors.add(kind);
    }

    /// Adds what another thread counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.planned += other.planned;
        self.sent += other.sent;
        self.unsent += other.unsent;
        self.shed += other.shed;
        self.ok += other.ok;
        self.in_flight += other.in_flight;
        self.errors.merge(&other.errors);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities() {
        let good = Account { planned: 10, sent: 7, unsent: 2, shed: 1, ok: 5, ..s() };
        let mut good = Account { in_flight: 1, ..good };
        good.fail(ErrorKind::Timeout);
        assert!(good.adds_up());
        assert_eq!((good.failed(), good.error_rate()), (1, 2.0 / 7.0));
        let cases = [
            Account { planned: 11, ..good },
            Account { sent: 8, ..good },
            Account { unsent: 1, ..good },
            Account { shed: 0, ..good },
            Account { ok: 6, ..good },
            Account { in_flight: 0, ..good },
        ];
        for bad in cases {
            assert!(!bad.adds_up(), "{bad:?}");
        }
        let mut twice = good;
        twice.merge(&good);
        assert!(twice.adds_up());
        assert_eq!(twice.planned, 20);
    }

    fn s() -> Account {
        Account::default()
    }
}
