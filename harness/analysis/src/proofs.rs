//! Proofs that a gate's errors are bounded: made-up noise goes through the real plan, the real
//! reduction of windows to log ratios and the real verdicts.
//!
//! Both arms are the same program. An effect is added to the log ratios afterwards, which is the
//! same as making one arm slower by a factor, and lets one simulation serve several questions.

use super::*;
use crate::gate::{Evidence, Floor, GateVerdict, Judgement, LOOKS, Step};
use crate::gate::{judge, next_step};
use crate::rounds::rounds;
use crate::verdict::TIE_BAND;
use duet_model::plan::plan;
use duet_model::record::{BlockRecord, Experiment, Question, Run, Version};
use duet_model::spec::{Gate, Look};
use duet_model::testing::{Scene, run};
use duet_protocol::WindowResult;
use duet_stats::SplitMix64;
use duet_stats::{benjamini_hochberg, interval, p_above, p_beyond};
use duet_units::Metric;

/// What a machine does to the logarithm of speed.
#[derive(Debug, Clone, Copy)]
struct Noise {
    name: &'static str,
    /// Standard deviation of what a start decides, for each arm of each block.
    start: f64,
    /// Standard deviation of a wandering from window to window, 0.9 of which stays.
    wander: f64,
    /// Standard deviation of the slope over a block, and of its bend.
    drift: f64,
    /// A drift that is the same in every block.
    warming: f64,
    /// Standard deviation of a step at a random moment.
    step: f64,
    /// Share of windows that are spoilt, and up to half as fast.
    spoilt: f64,
}

const QUIET: Noise = Noise {
    name: "quiet",
    start: 0.005,
    wander: 0.02,
    drift: 0.0,
    warming: 0.0,
    step: 0.0,
    spoilt: 0.0,
};

const NOISES: [Noise; 5] = [
    QUIET,
    Noise { name: "drifting", drift: 0.3, ..QUIET },
    Noise { name: "stepping", step: 0.3, ..QUIET },
    Noise { name: "spoilt", spoilt: 0.1, ..QUIET },
    Noise { name: "all at once", drift: 0.3, step: 0.3, spoilt: 0.1, warming: -0.2, ..QUIET },
];

const ALPHA: f64 = 0.05;
const MARGIN: f64 = 0.03;
const TRIALS: u32 = 200;

/// The most of `trials` that happen with probability `p`, give or take three standard deviations.
fn at_most(trials: u32, p: f64) -> u32 {
    let n = f64::from(trials);
    (n * p + 3.0 * (n * p * (1.0 - p)).sqrt()) as u32
}

fn normal(random: &mut SplitMix64) -> f64 {
    let radius = (-2.0 * (1.0 - random.unit()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.unit()).cos()
}

/// A bench that measures two equal arms for 24 blocks of six rounds.
struct Bench {
    run: Run,
    block: BlockRecord,
}

impl Bench {
    fn new() -> Self {
        let mut run = run(&Scene { blocks: 1, rounds: 6, ..Scene::default() });
        run.header.suite.blocks = 24;
        let block = run.blocks.remove(0);
        Self { run, block }
    }

    /// The log ratios of one experiment.
    fn log_ratios(&mut self, noise: &Noise, seed: u64) -> Vec<f64> {
        let header = &self.run.header;
        let blocks = plan(&header.suite, &header.spec, seed);
        let mut random = SplitMix64::new(seed);
        blocks.iter().map(|block| self.log_ratio(noise, &block.rounds, &mut random)).collect()
    }

    fn log_ratio(&mut self, noise: &Noise, orders: &[Vec<u32>], random: &mut SplitMix64) -> f64 {
        self.block.windows = windows(noise, orders, random);
        let rounds = rounds(&self.block).expect("all windows have responses");
        rounds.log_ratio(Metric::RequestsPerSecond).expect("all windows have a rate")
    }
}

/// The windows of a block.
fn windows(noise: &Noise, orders: &[Vec<u32>], random: &mut SplitMix64) -> Vec<WindowResult> {
    let all: usize = orders.iter().map(Vec::len).sum();
    let starts = [noise.start * normal(random), noise.start * normal(random)];
    let (slope, bend) = (noise.drift * normal(random), noise.drift * normal(random));
    let (step, step_at) = (noise.step * normal(random), random.below(all as u32) as usize);
    let mut wander = noise.wander * normal(random);
    let mut windows = Vec::with_capacity(all);
    for (round, order) in orders.iter().enumerate() {
        for &arm in order {
            let time = windows.len() as f64 / all as f64;
            wander = 0.9 * wander + 0.19_f64.sqrt() * noise.wander * normal(random);
            let mut speed = starts[arm as usize] + wander;
            speed += (slope + noise.warming) * time + bend * time * time;
            speed += if windows.len() >= step_at { step } else { 0.0 };
            speed -= if random.unit() < noise.spoilt { random.unit() } else { 0.0 };
            windows.push(window(arm, round as u32, speed));
        }
    }
    windows
}

/// A window that drove `arm` at e^`speed` times its usual rate.
fn window(arm: u32, round: u32, speed: f64) -> WindowResult {
    WindowResult {
        arm,
        round,
        elapsed_ns: (20e6 / speed.exp()) as u64,
        requests: 1000,
        server_cpu_ns: vec![1, 1],
        ..WindowResult::default()
    }
}

fn worse_by(log_ratios: &[f64], effect: f64) -> Vec<f64> {
    log_ratios.iter().map(|log_ratio| log_ratio + effect.ln_1p()).collect()
}

/// A gate over metrics, with a noise floor that does not matter.
fn judged(metrics: &[Vec<f64>], margin: f64) -> Vec<Judgement> {
    let floor = Some(Floor { nu: 0.0, tau: 0.0, experiments: 19 });
    let family: Vec<Evidence> =
        metrics.iter().map(|log_ratios| Evidence { log_ratios, margin, floor }).collect();
    judge(&family, &LOOKS)
}

fn verdict_of(log_ratios: &[f64], margin: f64) -> GateVerdict {
    judged(&[log_ratios.to_vec()], margin)[0].verdict
}

/// The verdict of a gate that stops as soon as it is told to.
fn live(log_ratios: &[f64], margin: f64) -> GateVerdict {
    let mut blocks = 0;
    loop {
        let judgements = judged(&[log_ratios[..blocks].to_vec()], margin);
        match next_step(&judgements, &LOOKS) {
            Step::GoOn { until_blocks } => blocks = until_blocks as usize,
            Step::Decided | Step::Futile { .. } => return judgements[0].verdict,
        }
    }
}

/// At the margin itself, where errors are most likely, each kind happens in at most 5 % of all
/// gates, whatever the noise; and intervals hold the truth in 94 % and more.
#[test]
fn errors_are_bounded_whatever_the_noise() {
    let mut bench = Bench::new();
    let (mut regressed, mut passed, mut covered) = (0, 0, 0);
    for noise in &NOISES {
        let of_noise = |verdict: &[GateVerdict], wanted| {
            verdict.iter().filter(|v| **v == wanted).count() as u32
        };
        let mut verdicts = vec![];
        for seed in 0..TRIALS {
            let log_ratios = bench.log_ratios(noise, u64::from(seed));
            verdicts.push(verdict_of(&worse_by(&log_ratios, MARGIN), MARGIN));
            for n in [8, 16, 24] {
                let found = interval(&log_ratios[..n]).expect("8 blocks have an interval");
                covered += u32::from(found.low <= 0.0 && 0.0 <= found.high);
            }
        }
        let bad = of_noise(&verdicts, GateVerdict::Regressed);
        let good = of_noise(&verdicts, GateVerdict::Pass);
        let most = at_most(TRIALS, ALPHA);
        assert!(bad <= most && good <= most, "{}: {bad} REGRESSED, {good} PASS", noise.name);
        regressed += bad;
        passed += good;
    }
    let all = TRIALS * NOISES.len() as u32;
    assert!(regressed.max(passed) <= at_most(all, ALPHA), "{regressed}, {passed} of {all}");
    let share = f64::from(covered) / f64::from(3 * all);
    assert!(share >= 0.94, "intervals cover {share}");
}

/// What a gate is for: it lets equal code through, finds 5 % at a margin of 3 % and 2 % at 1 %, and
/// never passes these. On a noisy machine it finds less, and says so instead of passing; to stop
/// for futility takes little from what all blocks would have decided.
#[test]
fn effects_are_found() {
    use GateVerdict::{Pass, Regressed};
    let mut bench = Bench::new();
    let trials = 60;
    for (noise, least) in [(&NOISES[0], 57), (&NOISES[4], 15)] {
        for (effect, margin, want) in
            [(0.0, 0.03, Pass), (0.05, 0.03, Regressed), (0.02, 0.01, Regressed)]
        {
            let (mut found, mut by_all_blocks, mut wrong) = (0, 0, 0);
            for seed in 0..trials {
                let log_ratios = worse_by(&bench.log_ratios(noise, 1000 + seed), effect);
                let verdict = live(&log_ratios, margin);
                found += u32::from(verdict == want);
                by_all_blocks += u32::from(verdict_of(&log_ratios, margin) == want);
                wrong += u32::from(verdict != want && verdict != GateVerdict::Inconclusive);
            }
            let told = format!("{}, {effect} at {margin}: {found}, {wrong} wrong", noise.name);
            assert!(found >= least && wrong == 0, "{told}");
            assert!(found + 6 >= by_all_blocks, "{told}, all blocks: {by_all_blocks}");
        }
    }
}

/// Looking again and again costs nothing: the verdict after n blocks is that of the last look, and
/// what is decided stays. A test at 5 % after every block cries wolf in far more than 5 %.
#[test]
fn looking_all_the_time_is_safe() {
    let mut random = SplitMix64::new(11);
    let trials = 300;
    let (mut alarms, mut naive) = (0, 0);
    for trial in 0..trials {
        let log_ratios: Vec<f64> =
            (0..24).map(|_| MARGIN.ln_1p() + 0.01 * normal(&mut random)).collect();
        let last = verdict_of(&log_ratios, MARGIN);
        alarms += u32::from(last == GateVerdict::Regressed);
        let cries = |n: usize| p_above(&log_ratios[..n], MARGIN.ln_1p()) <= ALPHA;
        naive += u32::from((6..=24).any(cries));
        if trial < 20 {
            for n in 6..24 {
                let verdict = verdict_of(&log_ratios[..n], MARGIN);
                assert!(verdict == GateVerdict::Inconclusive || verdict == last, "{log_ratios:?}");
            }
        }
    }
    assert!(alarms <= at_most(trials, ALPHA), "{alarms} of {trials}");
    assert!(f64::from(naive) > 0.1 * f64::from(trials), "{naive} of {trials}");
}

/// Whoever tries again with fresh blocks until it passes, five times and each without the record of
/// the attempt before, gets a false verdict of either kind with less than 1.4 alpha; with all of
/// alpha for each attempt it would be several times that.
#[test]
fn attempts_add_up_to_a_bound() {
    let experiment = |attempt| Experiment {
        gate: Some(Gate { looks: LOOKS.to_vec(), alpha: ALPHA, ..Gate::default() }),
        attempt,
        ..Experiment::of(Question::Gate, Version::default(), Version::default())
    };
    let spent = |attempt: u32| -> f64 {
        experiment(Some(attempt)).looks().iter().map(|look| look.alpha).sum()
    };
    assert_eq!(experiment(None).looks(), LOOKS);
    assert!((spent(1) - ALPHA).abs() < 1e-12 && spent(2) < 0.2 * ALPHA, "{}", spent(2));
    // What is left of the series after n is at most 1/n.
    let all: f64 = (1..=1000).map(spent).sum();
    assert!(all + ALPHA * 6.0 / std::f64::consts::PI.powi(2) / 1000.0 < 1.4 * ALPHA, "{all}");

    let mut random = SplitMix64::new(13);
    let trials = 200;
    let (mut passed, mut regressed, mut naive) = (0, 0, 0);
    for _ in 0..trials {
        let verdicts: Vec<[GateVerdict; 2]> = (1..=5)
            .map(|attempt| {
                let log_ratios: Vec<f64> =
                    (0..24).map(|_| MARGIN.ln_1p() + 0.01 * normal(&mut random)).collect();
                let evidence = [Evidence { log_ratios: &log_ratios, margin: MARGIN, floor: None }];
                let verdict = |looks: &[Look]| judge(&evidence, looks)[0].verdict;
                [verdict(&experiment(Some(attempt)).looks()), verdict(&LOOKS)]
            })
            .collect();
        let any = |i: usize, wanted| u32::from(verdicts.iter().any(|of| of[i] == wanted));
        passed += any(0, GateVerdict::Pass);
        regressed += any(0, GateVerdict::Regressed);
        naive += any(1, GateVerdict::Pass);
    }
    let most = at_most(trials, 1.4 * ALPHA);
    assert!(passed <= most && regressed <= most, "{passed}, {regressed} of {trials}");
    assert!(naive > most, "{naive} of {trials}");
}

/// Among several metrics the chance of any false alarm stays within the level, whether they move
/// together or not.
#[test]
fn a_family_raises_no_more_alarms_than_one_metric() {
    let trials = 150;
    for shared in [0.0, 0.9] {
        let mut random = SplitMix64::new(12);
        let mut alarms = 0;
        for _ in 0..trials {
            let mut metrics = vec![vec![]; 4];
            for _ in 0..24 {
                let common = shared * normal(&mut random);
                for metric in &mut metrics {
                    let own = (1.0 - shared) * normal(&mut random);
                    metric.push(MARGIN.ln_1p() + 0.01 * (common + own));
                }
            }
            let judgements = judged(&metrics, MARGIN);
            alarms += u32::from(judgements.iter().any(|j| j.verdict == GateVerdict::Regressed));
        }
        assert!(alarms <= at_most(trials, ALPHA), "{shared} shared: {alarms} of {trials}");
    }
}

/// Why rounds are ABBA and BAAB: while a machine warms up, AABB finds a difference between an arm
/// and itself, every time.
#[test]
fn aabb_fails_where_the_plan_does_not() {
    let mut bench = Bench::new();
    let warming = Noise { warming: -0.2, wander: 0.005, start: 0.001, ..QUIET };
    let orders = vec![vec![0, 0, 1, 1]; 6];
    let (mut simple, mut planned) = (0, 0);
    let trials = 20;
    for seed in 0..trials {
        let mut random = SplitMix64::new(seed);
        let log_ratios: Vec<f64> =
            (0..24).map(|_| bench.log_ratio(&warming, &orders, &mut random)).collect();
        simple += u32::from(verdict_of(&log_ratios, 0.005) == GateVerdict::Regressed);
        let log_ratios = bench.log_ratios(&warming, seed);
        planned += u32::from(verdict_of(&log_ratios, 0.005) == GateVerdict::Regressed);
    }
    assert_eq!((simple, planned), (20, 0), "of {trials}");
}

/// A record that is read again, with its lines in another order, gives the same judgement to the
/// last digit.
#[test]
fn a_replayed_record_is_judged_alike() {
    let mut recorded = run(&Scene { blocks: 12, ..Scene::default() });
    let judgement = |run: &Run| -> Judgement {
        let analysis = analyse(run);
        let metrics = &analysis.matchups[0].cells[0].metrics;
        let speed = metrics.iter().find(|m| m.metric == Metric::RequestsPerSecond);
        let log_ratios = &speed.expect("it was measured").log_ratios;
        judge(&[Evidence { log_ratios, margin: MARGIN, floor: None }], &LOOKS).remove(0)
    };
    let first = judgement(&recorded);
    assert_eq!(first.verdict, GateVerdict::Regressed);
    for block in &mut recorded.blocks {
        let line = serde_json::to_string(block).expect("a block is a line");
        *block = serde_json::from_str(&line).expect("a line is a block");
    }
    SplitMix64::new(1).shuffle(&mut recorded.blocks);
    assert_eq!(judgement(&recorded), first);
}

/// Sixty lines of eight blocks: without a difference anywhere, single intervals call several
/// different in most runs, and the whole run in at most 5 %; where half of the lines differ, of
/// those that are called at most 5 % do not.
#[test]
fn many_lines_raise_few_false_verdicts() {
    let mut random = SplitMix64::new(21);
    let (trials, lines) = (200, 60);
    let (mut alone, mut together) = (0, 0);
    let (mut called, mut false_calls, mut missed) = (0_u32, 0_u32, 0_u32);
    for _ in 0..trials {
        let mut p_values = |differ: usize| -> Vec<f64> {
            let line = |i: usize, random: &mut SplitMix64| -> Vec<f64> {
                let centre = TIE_BAND.ln_1p() + if i < differ { 0.1 } else { 0.0 };
                (0..8).map(|_| centre + 0.02 * normal(random)).collect()
            };
            (0..lines).map(|i| p_beyond(&line(i, &mut random), TIE_BAND.ln_1p())).collect()
        };
        let none = p_values(0);
        alone += u32::from(none.iter().any(|p| *p <= ALPHA));
        together += u32::from(benjamini_hochberg(&none).iter().any(|q| *q <= ALPHA));
        let half = benjamini_hochberg(&p_values(lines / 2));
        let calls = |of: &[f64]| of.iter().filter(|q| **q <= ALPHA).count() as u32;
        called += calls(&half);
        false_calls += calls(&half[lines / 2..]);
        missed += lines as u32 / 2 - calls(&half[..lines / 2]);
    }
    assert!(together <= at_most(trials, ALPHA), "{together} of {trials}");
    assert!(alone > trials / 2, "{alone} of {trials}");
    assert!(f64::from(false_calls) <= 0.05 * f64::from(called), "{false_calls} of {called}");
    assert!(missed * 50 <= trials * lines as u32 / 2, "{missed} missed");
}
