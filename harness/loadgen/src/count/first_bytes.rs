//! Times to the first byte of responses.
//!
//! Most responses come in one read: then the first byte comes with the last, and one histogram has
//! both times. So only responses that come in parts are recorded here, with both their times; what
//! they would be among all follows from that.

use std::time::Instant;

use super::latencies::Latencies;
use crate::request::in_flight::{InFlight, nanoseconds};

/// Times of responses that came in parts.
#[derive(Debug, Clone, Default)]
pub(crate) struct FirstBytes {
    /// From sending to the first byte.
    first: Latencies,
    /// From sending to the last, of the same.
    whole: Latencies,
}

impl FirstBytes {
    /// Adds an ok response whose first byte came before its last.
    #[cold]
    pub(crate) fn record(&mut self, request: &InFlight, first: Instant, service_ns: u64) {
        if request.measured {
            // A histogram tells the whole time only to one part in a thousand.
            self.first.record(nanoseconds(request.sent, first).min(service_ns));
            self.whole.record(service_ns);
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.first.merge(&other.first);
        self.whole.merge(&other.whole);
    }

    /// Whether a response came in parts.
    pub(crate) fn is_empty(&self) -> bool {
        self.first.count() == 0
    }

    /// The times to the first byte of all ok responses, of which these are the times to the last.
    pub(crate) fn of(&self, service: &Latencies) -> Latencies {
        let mut all = service.without(&self.whole);
        all.merge(&self.first);
        all
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn among_all() {
        let sent = Instant::now();
        let request = |measured| InFlight::new(None, measured, sent);
        let (mut first_bytes, mut service) = (FirstBytes::default(), Latencies::new());
        (1..=99).for_each(|ms| service.record(ms * 1_000_000));
        assert!(first_bytes.is_empty());
        let first = sent + Duration::from_millis(2);
        first_bytes.record(&request(false), first, 7);
        service.record(500_000_000);
        first_bytes.record(&request(true), first, 500_000_000);
        service.record_lower_bound(900_000_000);
        let all = first_bytes.of(&service);
        assert_eq!((all.count(), all.censored_count()), (100, 0));
        let max = all.max().expect("there are some");
        assert!((99_000_000..100_000_000).contains(&max.ns), "{max:?}");
        assert_eq!(all.at_most(0.03), service.at_most(0.015), "one more of 2 ms");
    }
}
