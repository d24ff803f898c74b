//! The order in which a thread asks an arm's exchanges: a seeded permutation, walked in a circle.

use crate::random::SplitMix64;

/// A walk over a permutation of `0..n`, again and again.
#[derive(Debug)]
pub(super) struct Walk {
    order: Vec<usize>,
    next: usize,
}

impl Walk {
    /// The walk of thread `thread` of `threads` over `n` exchanges. All threads walk the same
    /// permutation, each from its own place, so that together they ask everything soon.
    ///
    /// # Panics
    /// When `n` is 0: the job was checked to have exchanges.
    pub(super) fn new(n: usize, seed: u64, thread: usize, threads: usize) -> Self {
        assert!(n > 0, "an arm has at least one exchange");
        Self { order: permutation(n, seed), next: n * thread / threads }
    }

    /// The exchange to ask now.
    #[inline]
    pub(super) fn next(&mut self) -> usize {
        let exchange = self.order[self.next];
        self.next += 1;
        if self.next == self.order.len() {
            self.next = 0;
        }
        exchange
    }
}

fn permutation(n: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    SplitMix64::new(seed).shuffle(&mut order);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks() {
        for n in [1, 2, 3, 7, 100] {
            for (seed, thread, threads) in [(0, 0, 1), (1, 0, 1), (1, 1, 2), (7, 2, 3)] {
                let mut walk = Walk::new(n, seed, thread, threads);
                let first: Vec<usize> = (0..n).map(|_| walk.next()).collect();
                let second: Vec<usize> = (0..n).map(|_| walk.next()).collect();
                assert_eq!(first, second, "n {n}, seed {seed}: the walk is a circle");
                let mut sorted = first;
                sorted.sort_unstable();
                assert_eq!(sorted, (0..n).collect::<Vec<_>>(), "n {n}, seed {seed}: all are met");
            }
        }
    }

    #[test]
    fn the_seed_decides() {
        assert_eq!(permutation(50, 3), permutation(50, 3));
        assert_ne!(permutation(50, 3), permutation(50, 4));
    }
}
