//! Which request a thread sends next: in windows a seeded permutation, walked in a circle, so that
//! every window asks everything; for one load a draw by weight.

use duet_stats::SplitMix64;

/// The request to send now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// Which of the exchanges.
    pub(super) exchange: usize,
    /// Its number among all requests of the load; 0 where requests do not vary.
    pub(super) index: u64,
}

/// How a thread comes to its next request.
#[derive(Debug)]
pub(super) enum Turns {
    /// In a circle.
    Walk(Walk),
    /// By weight.
    Draw(Draw),
}

impl Turns {
    /// The request to send now.
    #[inline]
    pub(super) fn next(&mut self) -> Turn {
        match self {
            Self::Walk(walk) => Turn { exchange: walk.next(), index: 0 },
            Self::Draw(draw) => draw.next(),
        }
    }
}

/// Draws by weight. Which exchange request i is follows from the seed and i alone, so that two
/// loads of one seed ask the same, however many threads they have.
#[derive(Debug)]
pub(super) struct Draw {
    /// Sums of the weights up to and including each exchange, and the last of them.
    sums: Vec<u64>,
    all: u64,
    seed: u64,
    /// The number of the next request, ...
    index: u64,
    /// ... and what the one after it has more.
    step: u64,
}

impl Draw {
    /// The draws of thread `thread` of `threads`, which has the requests `first` + thread, and from
    /// there on every `threads`-th.
    ///
    /// # Panics
    /// When the weights come to nothing: whoever makes a load checks that.
    pub(super) fn new(
        weights: impl IntoIterator<Item = u32>,
        seed: u64,
        first: u64,
        (thread, threads): (usize, usize),
    ) -> Self {
        let sums: Vec<u64> = weights
            .into_iter()
            .scan(0, |sum, weight| {
                *sum += u64::from(weight);
                Some(*sum)
            })
            .collect();
        let all = sums.last().copied().unwrap_or(0);
        assert!(all > 0, "something is asked");
        Self { sums, all, seed, index: first + thread as u64, step: threads as u64 }
    }

    #[inline]
    fn next(&mut self) -> Turn {
        let index = self.index;
        self.index += self.step;
        let exchange = if self.sums.len() == 1 {
            0
        } else {
            // Favours some by at most `all` in 2^64, like `SplitMix64::below`.
            let number = (u128::from(random(self.seed, index, 0)) * u128::from(self.all)) >> 64;
            self.sums.partition_point(|&sum| sum <= number as u64)
        };
        Turn { exchange, index }
    }
}

/// The random number of request `index`: that of its choice is 0, those of its digits follow.
#[inline]
pub(super) fn random(seed: u64, index: u64, which: u64) -> u64 {
    let mut of_seed = SplitMix64::new(seed);
    let mut of_index = SplitMix64::new(of_seed.next() ^ index);
    SplitMix64::new(of_index.next() ^ which).next()
}

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
    fn draws() {
        let all = |weights: &[u32], seed, threads| {
            let mut turns: Vec<Turn> = (0..threads)
                .flat_map(|thread| {
                    let weights = weights.iter().copied();
                    let mut draw = Draw::new(weights, seed, 5, (thread, threads));
                    (0..12_000 / threads).map(move |_| draw.next())
                })
                .collect();
            turns.sort_by_key(|turn| turn.index);
            turns
        };
        let one = all(&[7, 0, 2, 1], 3, 1);
        assert_eq!(one, all(&[7, 0, 2, 1], 3, 4), "threads share what is asked");
        assert_ne!(one, all(&[7, 0, 2, 1], 4, 1), "the seed decides");
        assert_eq!(one.first().map(|turn| turn.index), Some(5));
        let share = |exchange| {
            one.iter().filter(|turn| turn.exchange == exchange).count() as f64 / 12_000.0
        };
        // Five standard deviations are at most 0.023.
        for (exchange, expected) in [(0, 0.7), (1, 0.0), (2, 0.2), (3, 0.1)] {
            assert!((share(exchange) - expected).abs() < 0.023, "{exchange}: {}", share(exchange));
        }
        assert!(all(&[3], 1, 1).iter().all(|turn| turn.exchange == 0));
    }

    #[test]
    fn the_seed_decides() {
        assert_eq!(permutation(50, 3), permutation(50, 3));
        assert_ne!(permutation(50, 3), permutation(50, 4));
    }
}
