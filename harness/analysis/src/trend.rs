//! A history: what several runs say of the same cell on the same machine, in order of time.
//!
//! Runs on different machines do not compare, so every machine has a history of its own. Changes of
//! level are marked, for people to look at; nothing is judged by them.

use crate::summary::{Analysis, Arm, Estimate, MatchupAnalysis, MetricAnalysis};
use crate::verdict::TIE_BAND;
use duet_model::spec::CellId;
use duet_units::Metric;

/// Of the permutations by which changes are tested: the same history says the same.
const SEED: u64 = 1;

/// In shorter histories even a clear step is found by luck only: it is compared with chance by
/// permutations of the runs, of which one in a thousand at most may look as clear, and 12 runs can
/// be halved in 924 ways only.
pub const RUNS_ENOUGH: usize = 20;

/// Histories by machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Trend {
    /// In order of their first runs.
    pub machines: Vec<MachineTrend>,
}

/// The history of a machine. Machines are the same if processor, number of CPUs and kernel are.
#[derive(Debug, Clone, PartialEq)]
pub struct MachineTrend {
    /// The processor's name.
    pub cpu: String,
    /// CPUs.
    pub cpus: usize,
    /// Kernel name and release.
    pub kernel: String,
    /// Its runs in order of time.
    pub runs: Vec<TrendRun>,
    /// Its cells and metrics, in the order in which the runs have them.
    pub series: Vec<Series>,
}

/// A run of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrendRun {
    /// Its folder.
    pub folder: String,
    /// When it began, ISO 8601 in UTC.
    pub started: String,
    /// The commit of what was measured.
    pub commit: Option<String>,
    /// Its suite.
    pub suite: String,
}

/// A metric of a cell over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The cell.
    pub cell: CellId,
    /// The arms. Where a matchup has got other arms, another series begins.
    pub arms: Vec<Arm>,
    /// The metric.
    pub metric: Metric,
    /// The arms' values.
    pub values: Vec<Line>,
    /// How many times worse the second arm is than the first.
    pub ratio: Line,
}

/// Values of the runs of a machine.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Line {
    /// A point per run; absent where the run has none.
    pub points: Vec<Option<Estimate>>,
    /// Changes of level, in order.
    pub changes: Vec<Change>,
}

/// A change of level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// The first run of the new level, an index into the machine's runs.
    pub run: usize,
    /// The level before.
    pub before: f64,
    /// The level from then on.
    pub after: f64,
}

/// The histories in `runs`, which come with the names of their folders, of the cells and metrics
/// that `wanted` says.
#[must_use]
pub fn trend(runs: &[(String, Analysis)], wanted: impl Fn(&CellId, Metric) -> bool) -> Trend {
    let mut sorted: Vec<&(String, Analysis)> = runs.iter().collect();
    sorted.sort_by_key(|(folder, analysis)| (&analysis.run.started, folder));
    let mut machines: Vec<Vec<&(String, Analysis)>> = vec![];
    for run in sorted {
        match machines.iter_mut().find(|runs| fingerprint(&runs[0].1) == fingerprint(&run.1)) {
            Some(machine) => machine.push(run),
            None => machines.push(vec![run]),
        }
    }
    Trend { machines: machines.iter().map(|runs| machine(runs, &wanted)).collect() }
}

fn fingerprint(analysis: &Analysis) -> (&str, usize, &str) {
    let machine = &analysis.run.machine;
    (&machine.cpu, machine.cpus, &machine.kernel)
}

fn machine(
    runs: &[&(String, Analysis)],
    wanted: &impl Fn(&CellId, Metric) -> bool,
) -> MachineTrend {
    let mut series: Vec<Series> = vec![];
    for (index, (_, analysis)) in runs.iter().enumerate() {
        for (matchup, cell, found) in metrics(analysis) {
            if !wanted(cell, found.metric) {
                continue;
            }
            let same = |s: &&mut Series| {
                s.cell == *cell && s.metric == found.metric && s.arms == matchup.arms
            };
            match series.iter_mut().find(same) {
                Some(known) => known.put(index, found),
                None => {
                    let mut new = Series::new(runs.len(), matchup, cell, found.metric);
                    new.put(index, found);
                    series.push(new);
                }
            }
        }
    }
    for line in series.iter_mut().flat_map(|s| s.values.iter_mut().chain([&mut s.ratio])) {
        line.changes = changes(&line.points);
    }
    let (cpu, cpus, kernel) = runs.first().map_or(("", 0, ""), |(_, first)| fingerprint(first));
    let run = |(folder, analysis): &&(String, Analysis)| TrendRun {
        folder: folder.clone(),
        started: analysis.run.started.clone(),
        commit: analysis.run.commit.clone(),
        suite: analysis.run.suite.clone(),
    };
    MachineTrend {
        cpu: cpu.to_owned(),
        cpus,
        kernel: kernel.to_owned(),
        runs: runs.iter().map(run).collect(),
        series,
    }
}

fn metrics(
    analysis: &Analysis,
) -> impl Iterator<Item = (&MatchupAnalysis, &CellId, &MetricAnalysis)> {
    analysis.matchups.iter().flat_map(|matchup| {
        let cells = matchup.cells.iter();
        cells.flat_map(move |cell| cell.metrics.iter().map(move |m| (matchup, &cell.id, m)))
    })
}

impl Series {
    fn new(runs: usize, matchup: &MatchupAnalysis, cell: &CellId, metric: Metric) -> Self {
        let line = Line { points: vec![None; runs], changes: vec![] };
        Self {
            cell: cell.clone(),
            arms: matchup.arms.clone(),
            metric,
            values: vec![line.clone(); matchup.arms.len()],
            ratio: line,
        }
    }

    fn put(&mut self, run: usize, found: &MetricAnalysis) {
        // A value that has no logarithm is none.
        let sane = |estimate: &Estimate| estimate.value.is_finite() && estimate.value > 0.0;
        for (line, estimate) in self.values.iter_mut().zip(&found.arms) {
            line.points[run] = Some(*estimate).filter(sane);
        }
        self.ratio.points[run] = found.ratio.filter(sane);
    }
}

/// Changes of level, of logarithms, by more than the tie band.
fn changes(points: &[Option<Estimate>]) -> Vec<Change> {
    let present: Vec<(usize, f64)> =
        points.iter().enumerate().filter_map(|(i, p)| Some((i, p.as_ref()?.value.ln()))).collect();
    let logs: Vec<f64> = present.iter().map(|(_, log)| *log).collect();
    let found = duet_stats::change_points(&logs, TIE_BAND.ln_1p(), SEED);
    found
        .into_iter()
        .map(|point| Change {
            run: present[point.index].0,
            before: point.before.exp(),
            after: point.after.exp(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyse;
    use duet_model::testing::{Scene, run};

    /// Runs of six blocks, a day apart; the second arm of the later half is a tenth slower.
    fn history(n: usize) -> Vec<(String, Analysis)> {
        let one = |i: usize| {
            let mut scene = Scene { blocks: 6, rounds: 2, ..Scene::default() };
            let slower = if 2 * i < n { 1.0 } else { 1.1 };
            scene.arms[1].requests_per_second /= slower;
            // Run to run a little noise, by the golden ratio.
            let noise = (i as f64 * 0.618).fract() * 0.004;
            scene.arms.iter_mut().for_each(|arm| arm.requests_per_second *= 1.0 + noise);
            let mut analysis = analyse(&run(&scene));
            analysis.run.started = format!("2026-01-{:02}T00:00:00Z", i + 1);
            (format!("run-{i}"), analysis)
        };
        (0..n).map(one).collect()
    }

    fn throughput(_: &CellId, metric: Metric) -> bool {
        metric == Metric::RequestsPerSecond
    }

    #[test]
    fn a_step_is_marked_where_it_is() {
        let mut runs = history(RUNS_ENOUGH);
        runs.reverse();
        let trend = trend(&runs, throughput);
        let [machine] = &trend.machines[..] else { panic!("one machine") };
        assert_eq!((machine.runs[0].folder.as_str(), machine.runs.len()), ("run-0", 20));
        let [series] = &machine.series[..] else { panic!("one series") };
        let at = |line: &Line| line.changes.iter().map(|c| c.run).collect::<Vec<_>>();
        assert_eq!((at(&series.values[0]), at(&series.values[1])), (vec![], vec![10]));
        assert_eq!(at(&series.ratio), [10]);
        let change = series.ratio.changes[0];
        assert!((change.after / change.before - 1.1).abs() < 0.01, "{change:?}");
    }

    #[test]
    fn machines_are_kept_apart_and_gaps_stay_gaps() {
        let mut runs = history(3);
        runs[0].1.run.machine.cpus = 64;
        runs[1].1.matchups[0].cells[0].metrics.clear();
        let trend = trend(&runs, throughput);
        let folders: Vec<Vec<&str>> = trend
            .machines
            .iter()
            .map(|m| m.runs.iter().map(|r| r.folder.as_str()).collect())
            .collect();
        assert_eq!(folders, [vec!["run-0"], vec!["run-1", "run-2"]]);
        let present: Vec<bool> =
            trend.machines[1].series[0].ratio.points.iter().map(Option::is_some).collect();
        assert_eq!(present, [false, true]);
        assert_eq!(super::trend(&[], throughput).machines, []);
    }

    #[test]
    fn other_arms_are_another_series() {
        let mut runs = history(2);
        runs[1].1.matchups[0].arms[0].label = "gamma".to_owned();
        assert_eq!(trend(&runs, throughput).machines[0].series.len(), 2);
    }
}
