//! Which memory limit a search tries next. Pure.
//!
//! The largest limit comes first: where that does not hold, none does. Then the distance between
//! the largest that failed and the smallest that held is cut in two by ratio, for what a server
//! needs may lie anywhere in the range. The first cut is drawn anew for each block, so that over
//! blocks the middles scatter about the truth instead of sharing one error.

use duet_protocol::SearchEnd;
use duet_units::MemoryRange;

/// Limits are whole pages.
const PAGE_BYTES: u64 = 4096;

/// A search ends when its limits are no further apart than what the kernel charges to a CPU at a
/// time (64 pages, MEMCG_CHARGE_BATCH), below which a limit is not exact, ...
const NEAR_BYTES: u64 = 64 * PAGE_BYTES;
/// ... or than this share of the one that held.
const NEAR_SHARE: f64 = 0.05;

/// More than halving a range of 256 KiB to 1 TiB takes: log2(ln 2^22 / ln 1.05) is 8.3, with cuts
/// that are not in the middle.
pub(super) const PROBES_MAX: usize = 16;

/// What is known of an arm.
#[derive(Debug, Clone)]
pub(super) struct Bisection {
    range: MemoryRange,
    /// Where the first cut lies, 0 to 1 from the least to the most by ratio.
    first: f64,
    /// The smallest limit that held.
    pub(super) held: Option<u64>,
    /// The largest that failed.
    pub(super) failed: Option<u64>,
    probes: usize,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Try this limit, in bytes.
    Probe(u64),
    /// It is over.
    End(SearchEnd),
}

impl Bisection {
    /// Nothing is known. `drawn` is a random number from 0 to 1.
    pub(super) fn new(range: MemoryRange, drawn: f64) -> Self {
        // Away from the ends, where a cut would tell little.
        let first = 0.35 + 0.3 * drawn;
        Self { range, first, held: None, failed: None, probes: 0 }
    }

    pub(super) fn next(&self) -> Next {
        let least = self.range.least_bytes;
        match (self.held, self.failed) {
            (None, None) => Next::Probe(self.range.most_bytes),
            (None, Some(_)) => Next::End(SearchEnd::NoneHeld),
            (Some(held), _) if held <= least => Next::End(SearchEnd::AllHeld),
            (Some(held), Some(failed)) if is_near(failed, held) => Next::End(SearchEnd::Narrow),
            _ if self.probes >= PROBES_MAX => Next::End(SearchEnd::OutOfProbes),
            // Whether the least holds is asked last: mostly it need not be.
            (Some(held), None) if is_near(least, held) => Next::Probe(least),
            (Some(held), failed) => {
                let share = if self.probes == 1 { self.first } else { 0.5 };
                Next::Probe(between(failed.unwrap_or(least), held, share))
            }
        }
    }

    /// Takes in whether a limit held.
    pub(super) fn learn(&mut self, limit_bytes: u64, held: bool) {
        self.probes += 1;
        let known = if held { &mut self.held } else { &mut self.failed };
        *known = Some(limit_bytes);
    }
}

fn is_near(low: u64, high: u64) -> bool {
    high - low <= NEAR_BYTES.max((high as f64 * NEAR_SHARE) as u64)
}

/// A limit between two, at a share of their distance by ratio, in whole pages.
fn between(low: u64, high: u64, share: f64) -> u64 {
    let (low, high) = (low as f64, high as f64);
    let pages = (low * (high / low).powf(share) / PAGE_BYTES as f64).round();
    pages as u64 * PAGE_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// The end of a search of a server that needs so much, its limits, and its number of probes.
    fn searched(range: (u64, u64), needed: u64, drawn: f64) -> (SearchEnd, Bisection) {
        let range = MemoryRange { least_bytes: range.0, most_bytes: range.1 };
        let mut search = Bisection::new(range, drawn);
        loop {
            match search.next() {
                Next::End(end) => return (end, search),
                Next::Probe(limit) => search.learn(limit, limit >= needed),
            }
        }
    }

    #[test]
    fn what_is_needed_is_found() {
        for drawn in [0.0, 0.3, 0.999] {
            for needed in [5 * MIB, 8 * MIB, 9_999_999, 31 * MIB, 100 * MIB, 255 * MIB] {
                let (end, search) = searched((4 * MIB, 256 * MIB), needed, drawn);
                let (held, failed) = (search.held.expect("some"), search.failed.expect("some"));
                assert_eq!(end, SearchEnd::Narrow, "{needed} {drawn}");
                assert!(failed < needed && needed <= held && is_near(failed, held), "{search:?}");
                assert!(search.probes <= 10 && held % PAGE_BYTES == 0, "{search:?}");
            }
        }
    }

    #[test]
    fn what_lies_outside_of_the_range_is_said() {
        let (end, search) = searched((4 * MIB, 256 * MIB), 300 * MIB, 0.5);
        assert_eq!((end, search.probes, search.held), (SearchEnd::NoneHeld, 1, None));
        let (end, search) = searched((4 * MIB, 256 * MIB), MIB, 0.5);
        assert_eq!((end, search.held), (SearchEnd::AllHeld, Some(4 * MIB)));
        // Just above the least: the least is tried, and fails.
        let (end, search) = searched((4 * MIB, 256 * MIB), 4 * MIB + 1, 0.5);
        assert_eq!((end, search.failed), (SearchEnd::Narrow, Some(4 * MIB)));
        // The widest range, and one that is narrow from the beginning.
        assert_eq!(searched((MIB / 4, 1 << 40), 12_345_678_901, 0.9).0, SearchEnd::Narrow);
        assert_eq!(searched((100 * MIB, 101 * MIB), 101 * MIB, 0.9).0, SearchEnd::Narrow);
    }
}
