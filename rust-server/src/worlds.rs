//! Which rows of the table `world` a request is about.

use std::collections::HashSet;

/// Rows of the table.
const ROWS: u64 = 10_000;

/// Knuth's multiplicative hash.
pub(crate) fn mix(x: u64) -> u64 {
    x.wrapping_mul(2_654_435_761) % (1 << 32)
}

/// As many ids of rows. One that is already there gives way to the next higher one, and the last to
/// the first.
#[must_use]
pub fn distinct_ids(n: u32, seed: u64) -> Vec<i32> {
    let mut taken = HashSet::new();
    let mut ids = Vec::new();
    for i in 0..u64::from(n) {
        let mut id = mix(seed.wrapping_add(i)) % ROWS + 1;
        while !taken.insert(id) {
            id = id % ROWS + 1;
        }
        ids.push(i32::try_from(id).unwrap_or(i32::MAX)); // at most 10,000
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        // mix(0) is 0 and mix(1) is 2,654,435,761: ids 1 and 5,762.
        assert_eq!(distinct_ids(2, 0), [1, 5_762]);
        let ids = distinct_ids(500, u64::MAX - 100);
        let distinct: HashSet<_> = ids.iter().collect();
        assert_eq!((ids.len(), distinct.len()), (500, 500));
        assert!(ids.iter().all(|id| (1..=10_000).contains(id)));
    }

    /// All rows are taken in the end: who finds none goes on to the next, and from the last to the
    /// first.
    #[test]
    fn ids_that_are_taken_give_way() {
        let mut ids = distinct_ids(10_000, 7);
        ids.sort_unstable();
        assert!(ids.into_iter().eq(1..=10_000));
    }
}
