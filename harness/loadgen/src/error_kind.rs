//! The ways in which a request can fail. Their names are those in records and reports.

use std::collections::BTreeMap;

/// Why a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// No connection could be opened.
    Connect,
    /// The handshake of TLS failed, or an encrypted record was broken.
    Tls,
    /// The connection was reset, or closed before the response began; with HTTP/2, the stream was.
    Reset,
    /// HTTP/2: the server sent the connection away (GOAWAY), and the request with it.
    GoAway,
    /// The connection was closed in the middle of the response.
    Truncated,
    /// No whole response in time, or no close in time where the server had to close.
    Timeout,
    /// The response's status is not the expected one.
    BadStatus,
    /// The response's `Content-Type` is not the expected one.
    BadHeader,
    /// The response's body is not the expected one.
    WrongBody,
    /// The response is not HTTP.
    Malformed,
    /// Bytes came outside any response.
    UnsolicitedBytes,
}

impl ErrorKind {
    const ALL: [Self; 11] = [
        Self::Connect,
        Self::Tls,
        Self::Reset,
        Self::GoAway,
        Self::Truncated,
        Self::Timeout,
        Self::BadStatus,
        Self::BadHeader,
        Self::WrongBody,
        Self::Malformed,
        Self::UnsolicitedBytes,
    ];

    /// The names of all kinds.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::ALL.iter().map(|kind| kind.name())
    }

    /// The name in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Reset => "reset",
            Self::GoAway => "goaway",
            Self::Truncated => "truncated",
            Self::Timeout => "timeout",
            Self::BadStatus => "bad_status",
            Self::BadHeader => "bad_header",
            Self::WrongBody => "wrong_body",
            Self::Malformed => "malformed",
            Self::UnsolicitedBytes => "unsolicited_bytes",
        }
    }
}

/// Failed requests by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ErrorCounts([u64; ErrorKind::ALL.len()]);

impl ErrorCounts {
    pub(crate) fn add(&mut self, kind: ErrorKind) {
        self.0[kind as usize] += 1;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The kinds that occurred, by name.
    pub(crate) fn by_name(&self) -> BTreeMap<String, u64> {
        let occurred = ErrorKind::ALL.iter().zip(self.0).filter(|&(_, count)| count > 0);
        occurred.map(|(kind, count)| (kind.name().to_owned(), count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_counted_under_its_own_name() {
        for kind in ErrorKind::ALL {
            let mut errors = ErrorCounts::default();
            errors.add(kind);
            errors.merge(&errors.clone());
            assert_eq!(errors.by_name(), BTreeMap::from([(kind.name().to_owned(), 2)]));
            assert_eq!(errors.total(), 2);
        }
    }
}
