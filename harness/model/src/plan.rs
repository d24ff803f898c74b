//! What will be measured, in which order: a pure function of the suite and a seed.
//!
//! Everything that could favour an arm by habit (the order of windows, of starts, the layout of its
//! memory) is drawn anew for every block, so that it becomes part of the noise an interval shows.
//! A block's draws depend on the seed, its cell and its index only: leaving cells out of a suite
//! does not change the plan of the others.

use crate::spec::{CellId, Load, Spec, Suite, Workload};
use duet_stats::SplitMix64;

/// A block to measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockPlan {
    /// Its cell.
    pub cell: CellId,
    /// Its index within the cell, from 0.
    pub block: u32,
    /// The orders of windows; each round is a permutation of the arms and then its reverse. Rounds
    /// come in pairs that balance each other: with two arms one ABBA and one BAAB.
    pub rounds: Vec<Vec<u32>>,
    /// The order in which the arms are started. For programs, and arms that run alone: run; the
    /// orders of two successive
    /// blocks of a cell are each other's reverse.
    pub start_order: Vec<u32>,
    /// The size of an environment variable that each arm is started with, beside its own: it shifts
    /// the stack, whose alignment alone can change a program's speed by several per cent
    /// (T. Mytkowicz et al., "Producing wrong data without doing anything obviously wrong!", 2009).
    pub padding_bytes: Vec<u32>,
    /// The generator's seed, the same for all arms.
    pub seed: u64,
}

/// Most rounds in a block. Bounds what a definition with a very long block can cost: the estimate
/// of a block takes time and memory with the square of its rounds.
const ROUNDS_MAX: u32 = 1024;

/// Paddings are below this: a page, beyond which alignments repeat.
pub(crate) const PADDING_BYTES_END: u32 = 4096;

/// What a block of two arms takes beside warm-up and windows. An assumption: starting and verifying
/// both (0.2 s), the pause before memory is read after load (0.5 s), stopping them (0.2 s).
const BLOCK_OVERHEAD_MS: u64 = 900;

/// A warm-up ends when the arms are stationary: as an assumption, after half of its longest time.
const WARMUP_DIVISOR: u64 = 2;

/// Windows of a block where they are long: of two arms in two rounds.
const LONG_WINDOWS: u64 = 8;

/// Entries that a cache is filled with in a millisecond: a million in 10 s.
const ENTRIES_PER_MS: u64 = 100;

/// All blocks of a suite in the order they are measured.
///
/// Block 0 of all cells comes before block 1 of any, so that a run that is interrupted has as many
/// blocks of each cell, give or take one. Within an index the order of cells is drawn, so that no
/// cell always follows the same other.
///
/// # Panics
/// Where a cell's matchup is not in `spec`; loading definitions rules that out.
#[must_use]
pub fn plan(suite: &Suite, spec: &Spec, seed: u64) -> Vec<BlockPlan> {
    let mut blocks = Vec::with_capacity(suite.cells.len() * suite.blocks as usize);
    for block in 0..suite.blocks {
        let mut cells: Vec<&CellId> = suite.cells.iter().collect();
        SplitMix64::derived(seed, "", block).shuffle(&mut cells);
        blocks.extend(cells.into_iter().map(|cell| block_plan(suite, spec, seed, cell, block)));
    }
    blocks
}

/// How long a suite will take, in milliseconds, builds not included. A guess for people: servers
/// that start slowly and windows that the pilot makes longer are not in it.
#[must_use]
pub fn expected_ms(suite: &Suite, spec: &Spec) -> u64 {
    let cells_ms: u64 = suite.cells.iter().map(|cell| block_ms(suite, spec, cell)).sum();
    cells_ms.saturating_mul(u64::from(suite.blocks))
}

/// How long a block of a cell will take, in milliseconds, by the same guess.
#[must_use]
pub fn block_ms(suite: &Suite, spec: &Spec, cell: &CellId) -> u64 {
    if spec.is_of_programs(cell) {
        return u64::from(suite.program_block_ms);
    }
    let arms = spec.matchup(&cell.matchup).map_or(2, |matchup| matchup.arms.len());
    block_of_two_ms(suite, spec, cell) * arms as u64 / 2
}

/// How long a block of two servers takes.
fn block_of_two_ms(suite: &Suite, spec: &Spec, cell: &CellId) -> u64 {
    let load = spec.load(&cell.load);
    let windows_ms = load.map_or(suite.measure_ms.into(), |load| load.windows_ms(suite.measure_ms));
    if let Some(load) = load.filter(|load| load.solo_s.is_some()) {
        return windows_ms + 2 * (u64::from(load.entries) / ENTRIES_PER_MS + BLOCK_OVERHEAD_MS);
    }
    let warmup_ms = u64::from(suite.warmup_ms) / WARMUP_DIVISOR;
    let window_ms = u64::from(suite.window_ms.max(1));
    let led_ms = windows_ms * (window_ms + u64::from(suite.lead_ms)) / window_ms;
    let waits = spec.workload(&cell.workload).zip(load);
    let waits_ms = waits.map_or(0, |(workload, load)| waits_ms(suite, workload, load));
    led_ms + warmup_ms + waits_ms + BLOCK_OVERHEAD_MS
}

/// The lead-in of windows, in milliseconds. In an open loop of a workload whose server must wait
/// before it responds, it is longer by that wait: from then on as many responses come as requests
/// are sent, and the server's CPU time in the window is that of both.
#[must_use]
pub fn lead_ms(suite: &Suite, workload: &Workload, load: &Load) -> u32 {
    let wait_ms = if load.open.is_some() { workload.wait_ms_max() } else { 0 };
    suite.lead_ms.saturating_add(wait_ms)
}

/// What a block takes longer where a server must wait before it responds: of each window the last
/// responses are awaited, and in an open loop the lead-in is as much longer.
fn waits_ms(suite: &Suite, workload: &Workload, load: &Load) -> u64 {
    let times = if load.open.is_some() { 2 } else { 1 };
    let windows_max = u64::from(suite.measure_ms / suite.window_ms.max(1));
    let windows = windows_max.min(LONG_WINDOWS);
    u64::from(workload.wait_ms_max()) * times * windows
}

fn block_plan(suite: &Suite, spec: &Spec, seed: u64, cell: &CellId, block: u32) -> BlockPlan {
    let matchup = spec.matchup(&cell.matchup);
    let arms = matchup.unwrap_or_else(|| panic!("no matchup {}", cell.matchup)).arms.len() as u32;
    let mut random = SplitMix64::derived(seed, &cell.to_string(), block);
    let mut order: Vec<u32> = (0..arms).collect();
    let mut rounds = Vec::new();
    for _ in 0..round_pairs(suite) {
        random.shuffle(&mut order);
        let reverse: Vec<u32> = order.iter().rev().copied().collect();
        rounds.push([&order[..], &reverse[..]].concat());
        rounds.push([&reverse[..], &order[..]].concat());
    }
    random.shuffle(&mut order);
    let solo = spec.load(&cell.load).is_some_and(|load| load.solo_s.is_some());
    if solo || spec.is_of_programs(cell) {
        order = balanced_order(seed, cell, block, arms);
    }
    BlockPlan {
        cell: cell.clone(),
        block,
        rounds,
        start_order: order,
        padding_bytes: (0..arms).map(|_| random.below(PADDING_BYTES_END)).collect(),
        seed: random.next(),
    }
}

/// The order of whole runs, which happen once a block: drawn for a pair of blocks, and reversed in
/// the second of them, so that drift over a cell's blocks favours no arm.
fn balanced_order(seed: u64, cell: &CellId, block: u32, arms: u32) -> Vec<u32> {
    let mut order: Vec<u32> = (0..arms).collect();
    SplitMix64::derived(seed, &format!("{cell} order"), block / 2).shuffle(&mut order);
    if block % 2 == 1 {
        order.reverse();
    }
    order
}

/// Windows of a pair of rounds with two arms.
const WINDOWS_OF_PAIR: u32 = 8;

/// Pairs of rounds that fill the suite's measuring time with its shortest windows. More arms have
/// as many, so that each has as many windows as one of two. Where the pilot makes windows longer,
/// the generator drives only the first of them.
fn round_pairs(suite: &Suite) -> u32 {
    let windows = suite.measure_ms / suite.window_ms.max(1);
    windows.div_ceil(WINDOWS_OF_PAIR).clamp(1, ROUNDS_MAX / 2)
}

/// What is for so many arms together a time that a suite gives two, in milliseconds: each has as
/// much as one of two.
#[must_use]
pub fn of_arms_ms(of_two_ms: u32, arms: usize) -> u64 {
    u64::from(of_two_ms) * arms.max(2) as u64 / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use crate::spec::{Arrivals, Lane, Load, Matchup, OpenLoop, ProgramSet, Rate};
    use duet_units::Limit;

    fn suite(cells: &[&str], blocks: u32, measure_ms: u32) -> (Suite, Spec) {
        let matchup = |name: &str, arms: &[&str]| Matchup {
            name: name.to_owned(),
            lane: Lane::Std,
            arms: arms.iter().map(|&a| a.to_owned()).collect(),
        };
        let cells = cells.iter().map(|&workload| CellId {
            matchup: "pair".to_owned(),
            workload: workload.to_owned(),
            load: "c1".to_owned(),
        });
        let suite = Suite {
            name: "s".to_owned(),
            summary: String::new(),
            server_cpus: 1,
            generator_cpus: 1,
            half: false,
            blocks,
            lead_ms: 0,
            window_ms: 20,
            measure_ms,
            warmup_ms: 1000,
            program_block_ms: 700,
            program_limit_s: 60,
            program_limit_mib: 4096,
            verdicts: true,
            cells: cells.collect(),
        };
        let matchups = vec![matchup("pair", &["alpha", "beta"])];
        (suite, Spec { matchups, ..Spec::default() })
    }

    /// A stored seed must give the same plan in every version: mend the code, not this test.
    #[test]
    fn a_stored_seed_reproduces() {
        let (suite, spec) = suite(&["x", "y", "z"], 2, 400);
        let blocks = plan(&suite, &spec, 42);
        let order: Vec<String> =
            blocks.iter().map(|b| format!("{}{}", b.cell.workload, b.block)).collect();
        assert_eq!(order.join(" "), "x0 z0 y0 z1 x1 y1");
        let first = &blocks[0];
        let firsts: Vec<u32> = first.rounds.iter().map(|round| round[0]).collect();
        assert_eq!(firsts, [0, 1, 0, 1, 1, 0]);
        assert_eq!(first.start_order, [1, 0]);
        assert_eq!(first.padding_bytes, [976, 3489]);
        assert_eq!(first.seed, 1_421_692_649_454_662_326);
    }

    #[test]
    fn the_plan_follows_from_the_seed_alone() {
        let (suite, spec) = suite(&["x", "y", "z"], 4, 3000);
        assert_eq!(plan(&suite, &spec, 1), plan(&suite, &spec, 1));
        assert_ne!(plan(&suite, &spec, 1), plan(&suite, &spec, 2));
    }

    #[test]
    fn a_cell_is_planned_alike_in_any_company() {
        let (all, spec) = suite(&["x", "y", "z"], 4, 300);
        let (alone, _) = suite(&["y"], 4, 300);
        let of_y = plan(&all, &spec, 7).into_iter().filter(|b| b.cell.workload == "y");
        assert_eq!(of_y.collect::<Vec<_>>(), plan(&alone, &spec, 7));
    }

    #[test]
    fn an_interrupted_run_has_equally_many_blocks_of_each_cell() {
        let (suite, spec) = suite(&["x", "y", "z"], 8, 20);
        let blocks = plan(&suite, &spec, 3);
        assert_eq!(blocks.len(), 24);
        for end in 0..=blocks.len() {
            let count = |cell: &CellId| blocks[..end].iter().filter(|b| b.cell == *cell).count();
            let counts: Vec<usize> = suite.cells.iter().map(count).collect();
            let (least, most) = (counts.iter().min(), counts.iter().max());
            assert!(most <= least.map(|n| n + 1).as_ref(), "after {end} blocks: {counts:?}");
        }
        // Every cell comes first in some block: time's drift spreads over cells.
        for cell in &suite.cells {
            assert!(blocks.chunks(3).any(|c| c[0].cell == *cell), "{cell} never comes first");
        }
    }

    #[test]
    fn every_arm_comes_first_equally_often() {
        let (suite, spec) = suite(&["x"], 6, 3000);
        for block in plan(&suite, &spec, 5) {
            for (i, pair) in block.rounds.chunks(2).enumerate() {
                let (a, b) = (vec![0, 1, 1, 0], vec![1, 0, 0, 1]);
                let balanced = pair == [a.clone(), b.clone()] || pair == [b, a];
                assert!(balanced, "pair {i} of block {}: {pair:?}", block.block);
            }
            let abba_first = block.rounds.iter().step_by(2).filter(|r| r[0] == 0).count();
            assert!((1..19).contains(&abba_first), "pairs are not shuffled: {abba_first}");
        }
    }

    /// Also of several arms: in a round each comes twice, at places whose mean is that of the
    /// round, and no two arms always follow each other.
    #[test]
    fn rounds_of_five_arms_are_balanced() {
        let (suite, mut spec) = suite(&["x"], 4, 3000);
        spec.matchups[0].arms = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
        let mut follows = std::collections::BTreeSet::new();
        for block in plan(&suite, &spec, 5) {
            assert_eq!(block.rounds.len(), 38, "as many as two arms have");
            for round in &block.rounds {
                let places = |arm: u32| (0..10).filter(move |i| round[*i] == arm);
                assert!((0..5).all(|arm| places(arm).sum::<usize>() == 9), "{round:?}");
                follows.extend(round.windows(2).map(|pair| (pair[0], pair[1])));
            }
            assert_eq!((block.padding_bytes.len(), block.start_order.len()), (5, 5));
        }
        assert_eq!(follows.len(), 25, "each arm follows each, itself too");
        let two = expected_ms(&suite, &Spec::default());
        assert_eq!(expected_ms(&suite, &spec), two * 5 / 2);
        assert_eq!(
            (of_arms_ms(3000, 5), of_arms_ms(3000, 2), of_arms_ms(3000, 1)),
            (7500, 3000, 3000)
        );
    }

    #[test]
    fn programs_run_in_both_orders_equally_often() {
        let (suite, mut spec) = suite(&["x"], 8, 20);
        let set = |name: &str| ProgramSet {
            name: name.to_owned(),
            language: String::new(),
            lanes: vec![],
            summary: String::new(),
            needs: vec![],
            toolchain: None,
            build: vec![],
            build_cache: BTreeMap::new(),
            shared_cache: BTreeMap::new(),
            build_env: BTreeMap::new(),
            needs_cpu: BTreeMap::new(),
            version: vec![],
            run: vec![],
            source: String::new(),
            own: vec![],
            problems: vec![],
            borrows: BTreeMap::new(),
            rest: None,
            root: None,
        };
        spec.sets = vec![set("alpha"), set("beta")];
        for seed in 0..20 {
            let orders: Vec<Vec<u32>> =
                plan(&suite, &spec, seed).into_iter().map(|b| b.start_order).collect();
            let forward = orders.iter().filter(|order| **order == [0, 1]).count();
            assert_eq!(forward, 4, "seed {seed}: {orders:?}");
        }
    }

    /// With any linear drift a round of the plan has log ratio zero between equal arms. AABB, which
    /// looks simpler and switches less, has not: it reports the drift as a difference.
    #[test]
    fn a_round_cancels_linear_drift_and_aabb_does_not() {
        let log_ratio = |order: &[u32]| -> f64 {
            let log = |window: usize| 3.0 - 0.01 * window as f64;
            let mean = |arm: u32| -> f64 {
                let of_arm = (0..order.len()).filter(|&w| order[w] == arm);
                of_arm.map(log).sum::<f64>() / 2.0
            };
            mean(1) - mean(0)
        };
        let (suite, spec) = suite(&["x"], 2, 400);
        for block in plan(&suite, &spec, 9) {
            for order in &block.rounds {
                assert!(log_ratio(order).abs() < 1e-12, "{order:?}");
            }
        }
        assert!((log_ratio(&[0, 0, 1, 1]) - -0.02).abs() < 1e-12);
    }

    #[test]
    fn numbers_of_rounds() {
        // Windows of 20 ms, two arms: a pair of rounds takes 160 ms.
        let cases = [(0, 2), (20, 2), (160, 2), (180, 4), (3000, 38), (u32::MAX, 1024)];
        for (measure_ms, want) in cases {
            let (suite, spec) = suite(&["x"], 1, measure_ms);
            assert_eq!(plan(&suite, &spec, 1)[0].rounds.len(), want, "{measure_ms} ms");
        }
    }

    #[test]
    fn expected_times() {
        let cases =
            [(&["x"][..], 1, 1_000, 2_400), (&["x", "y"], 8, 3_000, 70_400), (&[], 8, 1, 0)];
        for (cells, blocks, measure_ms, want) in cases {
            let (suite, spec) = suite(cells, blocks, measure_ms);
            assert_eq!(expected_ms(&suite, &spec), want, "{cells:?}");
        }
        let (suite, mut spec) = suite(&["x"], 8, 1_000);
        let limit = Limit { quantile: 0.99, latency_ns: 5_000_000 };
        let open = OpenLoop { rate: Rate::Within(limit), arrivals: Arrivals::Poisson };
        spec.loads.push(Load { open: Some(open), ..Load::closed("c1", 1) });
        assert_eq!(expected_ms(&suite, &spec), 8 * (7_000 + 500 + 900), "of a search");
    }
}
