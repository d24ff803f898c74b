//! Times of a window: a histogram that is cheap to record into, a small copy of it per window, and
//! the text that travels in records.

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};

/// The longest time told apart, one minute; longer ones count as it.
const HIGHEST_NS: u64 = 60_000_000_000;
/// Values are kept to one part in a thousand.
const SIGNIFICANT_DIGITS: u8 = 3;

/// The histogram of the window being driven.
#[derive(Debug)]
pub struct TimeHistogram {
    // A window's counts fit 32 bits, and half the size is half the cache.
    histogram: Histogram<u32>,
}

/// A window's histogram: (value, count), ascending.
pub type Snapshot = Vec<(u64, u32)>;

impl TimeHistogram {
    /// An empty histogram.
    #[must_use]
    pub fn new() -> Self {
        Self { histogram: empty() }
    }

    /// Records one time.
    #[inline]
    pub fn record(&mut self, ns: u64) {
        self.histogram.saturating_record(ns);
    }

    /// How many were recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// Copies what was recorded and starts anew.
    pub fn take(&mut self) -> Snapshot {
        if self.histogram.is_empty() {
            return vec![]; // clearing it would touch all of its memory
        }
        let recorded = self.histogram.iter_recorded();
        let snapshot = recorded.map(|v| (v.value_iterated_to(), v.count_at_value())).collect();
        self.histogram.reset();
        snapshot
    }
}

impl Default for TimeHistogram {
    fn default() -> Self {
        Self::new()
    }
}

/// A snapshot, or several chained, as a HdrHistogram in its V2 form, deflated, in base64.
///
/// # Errors
/// When the histogram cannot be written, which would be a mistake of ours.
pub fn encode(snapshot: &[(u64, u32)]) -> Result<String> {
    let mut histogram = empty();
    for &(value, count) in snapshot {
        histogram.saturating_record_n(value, count);
    }
    let mut bytes = vec![];
    V2DeflateSerializer::new()
        .serialize(&histogram, &mut bytes)
        .context("failed to encode a histogram")?;
    Ok(STANDARD.encode(bytes))
}

/// The shortest time in what [`encode`] has written, to one part in a thousand; none if it is
/// empty.
///
/// # Errors
/// When it is no histogram.
pub fn shortest_ns(text: &str) -> Result<Option<u64>> {
    let bytes = STANDARD.decode(text).context("a histogram is no base64")?;
    let histogram: Histogram<u64> =
        Deserializer::new().deserialize(&mut &bytes[..]).context("a histogram is damaged")?;
    Ok((!histogram.is_empty()).then(|| histogram.min()))
}

fn empty() -> Histogram<u32> {
    Histogram::new_with_bounds(1, HIGHEST_NS, SIGNIFICANT_DIGITS)
        .expect("the bounds are constants that the constructor accepts; tests call it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_time() -> Result<()> {
        let mut times = TimeHistogram::new();
        assert_eq!(shortest_ns(&encode(&times.take())?)?, None);
        times.record(5_000_000);
        times.record(1_000_000);
        let shortest = shortest_ns(&encode(&times.take())?)?;
        assert!(shortest.is_some_and(|ns| (999_000..=1_001_000).contains(&ns)), "{shortest:?}");
        assert!(shortest_ns("x").is_err());
        Ok(())
    }

    #[test]
    fn a_window_survives_the_journey() -> Result<()> {
        let mut times = TimeHistogram::new();
        let recorded = [0, 1, 999, 1_000_000, 1_000_000, 59_000_000_000, HIGHEST_NS, u64::MAX];
        for ns in recorded {
            times.record(ns);
        }
        assert_eq!(times.count(), 8);
        let snapshot = times.take();
        assert_eq!(times.count(), 0);
        assert_eq!(times.take(), vec![]);

        let text = encode(&[&snapshot[..], &snapshot[..]].concat())?;
        let bytes = STANDARD.decode(text)?;
        let back: Histogram<u64> = Deserializer::new().deserialize(&mut &bytes[..])?;
        let mut expected = Histogram::<u64>::new_with_bounds(1, HIGHEST_NS, 3)?;
        for ns in recorded {
            expected.saturating_record_n(ns, 2);
        }
        assert_eq!(back, expected);
        Ok(())
    }
}
