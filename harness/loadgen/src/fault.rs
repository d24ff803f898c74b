//! The ways in which a request can fail. Their names are those in records and reports.

use std::collections::BTreeMap;

/// Why a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No connection could be opened.
    Connect,
    /// The handshake of TLS failed, or an encrypted record was broken.
    Tls,
    /// The connection was reset, or closed before the answer began; with HTTP/2, the stream was.
    Reset,
    /// HTTP/2: the server sent the connection away (GOAWAY), and the request with it.
    GoAway,
    /// The connection was closed in the middle of the answer.
    Short,
    /// No whole answer in time, or no close in time where the server had to close.
    Timeout,
    /// The answer's status is not the right one.
    BadStatus,
    /// The answer's `Content-Type` is not the right one.
    BadHeader,
    /// The answer's body is not the right one.
    WrongBody,
    /// The answer is not HTTP.
    Malformed,
    /// Bytes came that nobody had asked for.
    ExcessBytes,
}

impl Fault {
    const ALL: [Self; 11] = [
        Self::Connect,
        Self::Tls,
        Self::Reset,
        Self::GoAway,
        Self::Short,
        Self::Timeout,
        Self::BadStatus,
        Self::BadHeader,
        Self::WrongBody,
        Self::Malformed,
        Self::ExcessBytes,
    ];

    /// The names of all kinds.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::ALL.iter().map(|fault| fault.name())
    }

    /// The name in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Reset => "reset",
            Self::GoAway => "goaway",
            Self::Short => "short",
            Self::Timeout => "timeout",
            Self::BadStatus => "bad_status",
            Self::BadHeader => "bad_header",
            Self::WrongBody => "wrong_body",
            Self::Malformed => "malformed",
            Self::ExcessBytes => "excess_bytes",
        }
    }
}

/// Failed requests by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults([u64; Fault::ALL.len()]);

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        self.0[fault as usize] += 1;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The kinds that occurred, by name.
    pub(super) fn by_name(&self) -> BTreeMap<String, u64> {
        let occurred = Fault::ALL.iter().zip(self.0).filter(|&(_, count)| count > 0);
        occurred.map(|(fault, count)| (fault.name().to_owned(), count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_counted_under_its_own_name() {
        for fault in Fault::ALL {
            let mut faults = Faults::default();
            faults.add(fault);
            faults.merge(&faults.clone());
            assert_eq!(faults.by_name(), BTreeMap::from([(fault.name().to_owned(), 2)]));
            assert_eq!(faults.total(), 2);
        }
    }
}
