//! Which request a thread sends next: in windows round robin over a seeded permutation, so that
//! every window sends everything; in a load a weighted draw, or one after the other.

use duet_stats::SplitMix64;

use super::session::Session;

/// The request to send now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NextRequest {
    /// Which of the exchanges.
    pub(crate) exchange: usize,
    /// Its number among all requests of the load.
    pub(crate) index: u64,
}

/// How a thread selects its next request.
#[derive(Debug)]
pub(crate) enum Selector {
    /// In turn.
    RoundRobin(RoundRobin),
    /// By weight.
    Weighted(Weighted),
    /// One after the other.
    InOrder(InOrder),
    /// Either of these, or each slot for itself one after the other, where requests have to do with
    /// responses before.
    Sessions(Box<Sessions>),
}

impl Selector {
    /// The request to send now.
    #[inline]
    pub(crate) fn next(&mut self, slot: usize) -> NextRequest {
        match self {
            Self::RoundRobin(round_robin) => round_robin.next(),
            Self::Weighted(weighted) => weighted.next(),
            Self::InOrder(in_order) => in_order.next(),
            Self::Sessions(sessions) => sessions.next(slot),
        }
    }

    /// What the requests of a slot know of responses before; none: nothing is needed of them.
    pub(super) fn session(&self, slot: usize) -> Option<&Session> {
        match self {
            Self::Sessions(sessions) => sessions.sessions.get(slot),
            _ => None,
        }
    }

    pub(super) fn session_mut(&mut self, slot: usize) -> Option<&mut Session> {
        match self {
            Self::Sessions(sessions) => sessions.sessions.get_mut(slot),
            _ => None,
        }
    }

    /// Whether each slot goes through all requests for itself.
    pub(super) fn has_rounds(&self) -> bool {
        matches!(self, Self::Sessions(sessions) if sessions.drawn.is_none())
    }
}

/// Sessions, one a slot, each of which sends all requests in their order, round by round. Where one
/// lacks a value that a request needs, since its response has failed, it begins a new round.
#[derive(Debug)]
pub(crate) struct Sessions {
    sessions: Vec<Session>,
    /// Which values each request needs.
    needs: Vec<Vec<usize>>,
    /// Requests are drawn by weight instead, and only cookies are kept.
    drawn: Option<Weighted>,
    /// The number of the next request, ...
    index: u64,
    /// ... that of the next round, ...
    round: u64,
    /// ... and what those after them have more.
    step: u64,
}

impl Sessions {
    /// The part of thread `thread` of `threads`.
    pub(crate) fn new(
        sessions: Vec<Session>,
        needs: Vec<Vec<usize>>,
        drawn: Option<Weighted>,
        first: u64,
        (thread, threads): (usize, usize),
    ) -> Self {
        let (index, round) = (first + thread as u64, thread as u64);
        Self { sessions, needs, drawn, index, round, step: threads as u64 }
    }

    #[cold]
    fn next(&mut self, slot: usize) -> NextRequest {
        if let Some(drawn) = &mut self.drawn {
            return drawn.next();
        }
        let session = &mut self.sessions[slot];
        let position = session.position;
        let begins = match self.needs.get(position) {
            None => true,
            Some(needs) => position == 0 || !session.has(needs),
        };
        if begins {
            session.begin(self.round as usize);
            self.round += self.step;
        }
        let exchange = session.position;
        session.position += 1;
        let index = self.index;
        self.index += self.step;
        NextRequest { exchange, index }
    }
}

/// One after the other, in their order: of n exchanges request i sends number i mod n, whichever
/// thread and connection it is on.
#[derive(Debug)]
pub(crate) struct InOrder {
    exchanges: u64,
    /// The number of the load's first request, which sends the first exchange.
    first: u64,
    /// The number of the next request, ...
    index: u64,
    /// ... and what the one after it has more.
    step: u64,
}

impl InOrder {
    /// The part of thread `thread` of `threads`, which has the requests `first` + thread, and from
    /// there on every `threads`-th.
    pub(crate) fn new(exchanges: usize, first: u64, (thread, threads): (usize, usize)) -> Self {
        let index = first + thread as u64;
        Self { exchanges: exchanges as u64, first, index, step: threads as u64 }
    }

    fn next(&mut self) -> NextRequest {
        let index = self.index;
        self.index += self.step;
        NextRequest { exchange: ((index - self.first) % self.exchanges) as usize, index }
    }
}

/// Draws by weight. Which exchange request i is follows from the seed and i alone, so that two
/// loads of one seed send the same, however many threads they have.
#[derive(Debug)]
pub(crate) struct Weighted {
    /// Sums of the weights up to and including each exchange, and the last of them.
    sums: Vec<u64>,
    all: u64,
    seed: u64,
    /// The number of the next request, ...
    index: u64,
    /// ... and what the one after it has more.
    step: u64,
}

impl Weighted {
    /// The draws of thread `thread` of `threads`, which has the requests `first` + thread, and from
    /// there on every `threads`-th.
    ///
    /// # Panics
    /// When the weights come to nothing: whoever makes a load checks that.
    pub(crate) fn new(
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
        assert!(all > 0, "something is sent");
        Self { sums, all, seed, index: first + thread as u64, step: threads as u64 }
    }

    #[inline]
    fn next(&mut self) -> NextRequest {
        let index = self.index;
        self.index += self.step;
        let exchange = if self.sums.len() == 1 {
            0
        } else {
            // Favours some by at most `all` in 2^64, like `SplitMix64::below`.
            let number = (u128::from(random(self.seed, index, 0)) * u128::from(self.all)) >> 64;
            self.sums.partition_point(|&sum| sum <= number as u64)
        };
        NextRequest { exchange, index }
    }
}

/// The random number of request `index`: that of its choice is 0, those of its digits follow.
#[inline]
pub(crate) fn random(seed: u64, index: u64, which: u64) -> u64 {
    let mut of_seed = SplitMix64::new(seed);
    let mut of_index = SplitMix64::new(of_seed.next() ^ index);
    SplitMix64::new(of_index.next() ^ which).next()
}

/// A permutation of `0..n`, again and again.
#[derive(Debug)]
pub(crate) struct RoundRobin {
    order: Vec<usize>,
    next: usize,
    /// The number of the next request, ...
    index: u64,
    /// ... and what those after it have more.
    step: u64,
}

impl RoundRobin {
    /// The order of thread `thread` of `threads` over `n` exchanges. All threads have the same
    /// permutation, each from its own place, so that together they send everything soon.
    ///
    /// # Panics
    /// When `n` is 0: the job was checked to have exchanges.
    pub(crate) fn new(n: usize, seed: u64, thread: usize, threads: usize) -> Self {
        assert!(n > 0, "an arm has at least one exchange");
        let (index, step) = (thread as u64, threads as u64);
        Self { order: permutation(n, seed), next: n * thread / threads, index, step }
    }

    /// The request to send now.
    #[inline]
    pub(crate) fn next(&mut self) -> NextRequest {
        let (exchange, index) = (self.order[self.next], self.index);
        self.index += self.step;
        self.next += 1;
        if self.next == self.order.len() {
            self.next = 0;
        }
        NextRequest { exchange, index }
    }
}

/// How many of `all` are for thread `thread` of `threads`: as equal parts as whole numbers allow.
pub(crate) fn split_evenly(all: u64, thread: usize, threads: usize) -> u64 {
    let (thread, threads) = (thread as u64, threads as u64);
    let up_to = |n: u64| (u128::from(all) * u128::from(n) / u128::from(threads)) as u64;
    up_to(thread + 1) - up_to(thread)
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
    fn in_turn() {
        for n in [1, 2, 3, 7, 100] {
            for (seed, thread, threads) in [(0, 0, 1), (1, 0, 1), (1, 1, 2), (7, 2, 3)] {
                let mut turns = RoundRobin::new(n, seed, thread, threads);
                let mut circle = || (0..n).map(|_| turns.next()).collect::<Vec<_>>();
                let (first, second) = (circle(), circle());
                let exchanges =
                    |all: &[NextRequest]| all.iter().map(|n| n.exchange).collect::<Vec<_>>();
                assert_eq!(exchanges(&first), exchanges(&second), "n {n}, seed {seed}");
                let numbers = first.iter().chain(&second).map(|next| next.index);
                let expected = (thread as u64..).step_by(threads).take(2 * n);
                assert!(numbers.eq(expected), "n {n}, thread {thread} of {threads}");
                let mut sorted = exchanges(&first);
                sorted.sort_unstable();
                assert_eq!(sorted, (0..n).collect::<Vec<_>>(), "n {n}, seed {seed}: all are met");
            }
        }
    }

    #[test]
    fn weighted() {
        let all = |weights: &[u32], seed, threads| {
            let mut all: Vec<NextRequest> = (0..threads)
                .flat_map(|thread| {
                    let weights = weights.iter().copied();
                    let mut turns = Weighted::new(weights, seed, 5, (thread, threads));
                    (0..12_000 / threads).map(move |_| turns.next())
                })
                .collect();
            all.sort_by_key(|next| next.index);
            all
        };
        let one = all(&[7, 0, 2, 1], 3, 1);
        assert_eq!(one, all(&[7, 0, 2, 1], 3, 4), "threads share what is sent");
        assert_ne!(one, all(&[7, 0, 2, 1], 4, 1), "the seed decides");
        assert_eq!(one.first().map(|next| next.index), Some(5));
        let share = |exchange| {
            one.iter().filter(|next| next.exchange == exchange).count() as f64 / 12_000.0
        };
        // Five standard deviations are at most 0.023.
        for (exchange, expected) in [(0, 0.7), (1, 0.0), (2, 0.2), (3, 0.1)] {
            assert!((share(exchange) - expected).abs() < 0.023, "{exchange}: {}", share(exchange));
        }
        assert!(all(&[3], 1, 1).iter().all(|next| next.exchange == 0));
    }

    #[test]
    fn the_seed_decides() {
        assert_eq!(permutation(50, 3), permutation(50, 3));
        assert_ne!(permutation(50, 3), permutation(50, 4));
    }
}
