//! A history: what several sessions say of the same cell on the same machine, in order of time. A
//! session is a run's record, or one of a pool.
//!
//! Runs on different machines do not compare, so every machine has a history of its own. Changes of
//! level are marked, for people to look at; nothing is judged by them.

use crate::pool::{self, Pooled};
use crate::summary::{Analysis, Arm, Estimate};
use crate::verdict::TIE_BAND;
use duet_model::record::Machine;
use duet_model::spec::CellId;
use duet_stats::{Interval, student_quantile};
use duet_units::Metric;

/// Of the permutations by which changes are tested: the same history says the same.
const SEED: u64 = 1;

/// With more degrees of freedom Student's law is the normal one, for all that is shown.
const FREEDOM_MAX: u32 = 1000;

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

/// A session of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrendRun {
    /// Its folder, or the pool that it is of.
    pub folder: String,
    /// When it began, ISO 8601 in UTC.
    pub started: String,
    /// The commit of what was measured.
    pub commit: Option<String>,
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
    /// The arms' values; absent of sessions of a pool.
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

/// What a part of a history comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// A run's record.
    Run(Box<Analysis>),
    /// A pool, whose sessions have ratios and no values of arms.
    Pool(Pooled),
}

/// The histories in `sources`, which come with their names, of the cells and metrics that `wanted`
/// says. A session of a pool whose record is there too is taken from the record.
#[must_use]
pub fn trend(sources: &[(String, Source)], wanted: impl Fn(&CellId, Metric) -> bool) -> Trend {
    let of_runs = sources.iter().filter_map(|(name, source)| match source {
        Source::Run(analysis) => Some(Session::of_run(name, analysis)),
        Source::Pool(_) => None,
    });
    let mut sessions: Vec<Session<'_>> = of_runs.collect();
    for (name, source) in sources {
        let Source::Pool(pooled) = source else { continue };
        let known = |new: &Session<'_>| {
            let is_same = |old: &Session<'_>| {
                (old.machine, &old.run.started) == (new.machine, &new.run.started)
            };
            sessions.iter().any(is_same)
        };
        let new: Vec<_> =
            Session::of_pool(name, pooled).into_iter().filter(|s| !known(s)).collect();
        sessions.extend(new);
    }
    let order = |session: &Session<'_>| (session.run.started.clone(), session.run.folder.clone());
    sessions.sort_by_cached_key(order);
    let mut machines: Vec<Vec<&Session<'_>>> = vec![];
    for session in &sessions {
        match machines.iter_mut().find(|known| known[0].machine == session.machine) {
            Some(machine) => machine.push(session),
            None => machines.push(vec![session]),
        }
    }
    Trend { machines: machines.iter().map(|sessions| machine(sessions, &wanted)).collect() }
}

/// A point of time of a history.
struct Session<'a> {
    run: TrendRun,
    /// Processor, CPUs, kernel.
    machine: (&'a str, usize, &'a str),
    found: Vec<Found<'a>>,
}

/// A metric of a cell in a session.
struct Found<'a> {
    cell: &'a CellId,
    arms: Vec<Arm>,
    metric: Metric,
    values: Vec<Option<Estimate>>,
    ratio: Option<Estimate>,
}

impl<'a> Session<'a> {
    fn of_run(folder: &str, analysis: &'a Analysis) -> Self {
        let Machine { cpu, cpus, kernel, .. } = &analysis.run.machine;
        let found = analysis.matchups.iter().flat_map(|matchup| {
            let cells = matchup.cells.iter();
            let metrics = cells.flat_map(|cell| cell.metrics.iter().map(move |m| (&cell.id, m)));
            metrics.map(|(cell, found)| Found {
                cell,
                arms: matchup.arms.clone(),
                metric: found.metric,
                values: found.arms.iter().copied().map(Some).collect(),
                ratio: found.ratio,
            })
        });
        Self {
            run: TrendRun {
                folder: folder.to_owned(),
                started: analysis.run.started.clone(),
                commit: analysis.run.commit.clone(),
            },
            machine: (cpu, *cpus, kernel),
            found: found.collect(),
        }
    }

    /// The sessions of a pool: lines of the same first run are of the same. What it names beyond
    /// its machines is no session.
    fn of_pool(folder: &str, pooled: &'a Pooled) -> Vec<Self> {
        let mut sessions: Vec<(Option<&String>, Self)> = vec![];
        for line in &pooled.lines {
            let Some(machine) = pooled.machines.get(line.machine) else { continue };
            let machine = (machine.cpu.as_str(), machine.cpus, machine.kernel.as_str());
            for session in &line.sessions {
                let found = Found {
                    cell: &line.id,
                    arms: arms(&line.arms),
                    metric: line.metric,
                    values: vec![None; line.arms.len()],
                    ratio: Some(estimate(session)),
                };
                let first = session.runs.first();
                let same = |(of, known): &&mut (Option<&String>, Self)| {
                    (*of, known.machine, &known.run.started) == (first, machine, &session.started)
                };
                match sessions.iter_mut().find(same) {
                    Some((_, known)) => known.found.push(found),
                    None => {
                        let run = TrendRun {
                            folder: folder.to_owned(),
                            started: session.started.clone(),
                            commit: session.commit.clone(),
                        };
                        sessions.push((first, Self { run, machine, found: vec![found] }));
                    }
                }
            }
        }
        sessions.into_iter().map(|(_, session)| session).collect()
    }
}

/// Arms of which no more is known than the servers' names.
fn arms(servers: &[String]) -> Vec<Arm> {
    let is_control = servers.len() == 2 && servers[0] == servers[1];
    let arm = |(server, letter): (&String, &str)| Arm {
        server: server.clone(),
        label: if is_control { format!("{server} ({letter})") } else { server.clone() },
        language: String::new(),
    };
    servers.iter().zip(["A", "B"]).map(arm).collect()
}

/// A session's ratio, with the interval of 95 % that its standard error gives by Student's law.
fn estimate(session: &pool::Session) -> Estimate {
    let pool::Session { ratio, standard_error, blocks, .. } = session;
    let freedom = blocks.saturating_sub(1).min(FREEDOM_MAX);
    let interval = standard_error.filter(|error| freedom > 0 && *error >= 0.0).map(|error| {
        let reach = (student_quantile(0.975, freedom) * error).exp();
        Interval { low: ratio / reach, high: ratio * reach, confidence: 0.95 }
    });
    let sane = |i: &Interval| i.low > 0.0 && i.high.is_finite();
    Estimate { value: *ratio, interval: interval.filter(sane), n: *blocks }
}

fn machine(sessions: &[&Session<'_>], wanted: &impl Fn(&CellId, Metric) -> bool) -> MachineTrend {
    let mut series: Vec<Series> = vec![];
    for (index, session) in sessions.iter().enumerate() {
        for found in session.found.iter().filter(|found| wanted(found.cell, found.metric)) {
            let servers =
                |arms: &[Arm]| arms.iter().map(|arm| arm.server.clone()).collect::<Vec<_>>();
            let same = |s: &&mut Series| {
                s.cell == *found.cell
                    && s.metric == found.metric
                    && servers(&s.arms) == servers(&found.arms)
            };
            match series.iter_mut().find(same) {
                Some(known) => known.put(index, found),
                None => {
                    let mut new = Series::new(sessions.len(), found);
                    new.put(index, found);
                    series.push(new);
                }
            }
        }
    }
    for line in series.iter_mut().flat_map(|s| s.values.iter_mut().chain([&mut s.ratio])) {
        line.changes = changes(&line.points);
    }
    let (cpu, cpus, kernel) = sessions.first().map_or(("", 0, ""), |first| first.machine);
    MachineTrend {
        cpu: cpu.to_owned(),
        cpus,
        kernel: kernel.to_owned(),
        runs: sessions.iter().map(|session| session.run.clone()).collect(),
        series,
    }
}

impl Series {
    fn new(runs: usize, found: &Found<'_>) -> Self {
        let line = Line { points: vec![None; runs], changes: vec![] };
        Self {
            cell: found.cell.clone(),
            arms: found.arms.clone(),
            metric: found.metric,
            values: vec![line.clone(); found.arms.len()],
            ratio: line,
        }
    }

    fn put(&mut self, run: usize, found: &Found<'_>) {
        // What a pool began knows no languages.
        if self.arms.iter().all(|arm| arm.language.is_empty()) {
            self.arms.clone_from(&found.arms);
        }
        // A value that has no logarithm is none.
        let sane = |estimate: &Estimate| estimate.value.is_finite() && estimate.value > 0.0;
        for (line, estimate) in self.values.iter_mut().zip(&found.values) {
            line.points[run] = estimate.filter(sane);
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

    fn sources(runs: Vec<(String, Analysis)>) -> Vec<(String, Source)> {
        runs.into_iter().map(|(name, run)| (name, Source::Run(Box::new(run)))).collect()
    }

    fn throughput(_: &CellId, metric: Metric) -> bool {
        metric == Metric::RequestsPerSecond
    }

    #[test]
    fn a_step_is_marked_where_it_is() {
        let mut runs = history(RUNS_ENOUGH);
        runs.reverse();
        let trend = trend(&sources(runs), throughput);
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
        let trend = trend(&sources(runs), throughput);
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
        runs[1].1.matchups[0].arms[0].server = "gamma".to_owned();
        assert_eq!(trend(&sources(runs), throughput).machines[0].series.len(), 2);
    }

    /// A file may say what no pool does.
    #[test]
    fn sessions_that_nobody_measured() {
        let session = |ratio: f64, standard_error: f64, blocks: u32| pool::Session {
            runs: vec![],
            started: "yesterday".to_owned(),
            ratio,
            standard_error: Some(standard_error),
            blocks,
            commit: None,
            gauges: None,
        };
        for (wrong, has_interval) in [
            (session(1.5, 0.1, u32::MAX), true),
            (session(1.5, 0.1, 1), false),
            (session(1.5, 0.1, 0), false),
            (session(1.5, -0.1, 5), false),
            (session(1.5, 1e300, 5), false),
            (session(-1.0, 0.1, 5), false),
        ] {
            assert_eq!(estimate(&wrong).interval.is_some(), has_interval, "{wrong:?}");
        }
        let mut run = run(&Scene { blocks: 6, rounds: 2, ..Scene::default() });
        run.header.started_unix_s = 0;
        let mut pooled = pool::pool(&[("a".to_owned(), run)]).expect("it has ratios");
        for (i, line) in pooled.lines.iter_mut().enumerate() {
            line.sessions[0].ratio = -1.0;
            line.machine = i * 1000;
        }
        let trend = trend(&[("a".to_owned(), Source::Pool(pooled))], |_, _| true);
        let series = trend.machines.iter().flat_map(|machine| &machine.series);
        assert!(series.flat_map(|series| &series.ratio.points).all(Option::is_none));
    }

    /// Two machines that look alike may begin at the same second.
    #[test]
    fn other_runs_of_a_pool_are_other_sessions() {
        let run = run(&Scene { blocks: 6, rounds: 2, ..Scene::default() });
        let mut pooled = pool::pool(&[("a".to_owned(), run)]).expect("it has ratios");
        let of = |pooled: &Pooled| {
            let trend = trend(&[("pool".to_owned(), Source::Pool(pooled.clone()))], |_, _| true);
            let [machine] = &trend.machines[..] else { panic!("one machine") };
            machine.runs.len()
        };
        assert_eq!(of(&pooled), 1);
        pooled.lines[0].sessions[0].runs = vec!["b".to_owned()];
        assert_eq!(of(&pooled), 2);
    }

    #[test]
    fn a_pool_is_a_history_of_its_sessions() {
        let record = |day: u64, factor: f64| {
            let mut scene = Scene { blocks: 6, rounds: 2, ..Scene::default() };
            scene.arms[1].requests_per_second /= factor;
            let mut run = run(&scene);
            run.header.started_unix_s = day * 86_400;
            (format!("run-{day}"), run)
        };
        let factor = |day: u64| {
            let noise = (day as f64 * 0.618).fract() * 0.004;
            if day < 10 { 1.0 + noise } else { 1.1 + noise }
        };
        let runs: Vec<_> = (0..20).map(|day| record(day, factor(day))).collect();
        let pooled = |runs: &[(String, duet_model::record::Run)]| {
            Source::Pool(pool::pool(runs).expect("they are alike"))
        };
        // Two pools that share days, and a record of a day that is in one of them.
        let (_, day_3) = &runs[3];
        let sources = [
            ("first".to_owned(), pooled(&runs[..12])),
            ("second".to_owned(), pooled(&runs[8..])),
            ("run-3".to_owned(), Source::Run(Box::new(analyse(day_3)))),
        ];
        let trend = trend(&sources, throughput);
        let [machine] = &trend.machines[..] else { panic!("one machine") };
        let folders: Vec<&str> = machine.runs.iter().map(|run| run.folder.as_str()).collect();
        assert_eq!(
            (folders.len(), folders[2], folders[3], folders[11]),
            (20, "first", "run-3", "first")
        );
        assert_eq!((folders[4], folders[12]), ("first", "second"));
        let [series] = &machine.series[..] else { panic!("one series") };
        assert!(series.values[0].points[3].is_some() && series.values[0].points[4].is_none());
        assert!(series.arms.iter().all(|arm| !arm.language.is_empty()), "{:?}", series.arms);
        let at: Vec<usize> = series.ratio.changes.iter().map(|change| change.run).collect();
        assert_eq!(at, [10]);
        // The record's interval and the pool's are about the same.
        let [of_record, of_pool] = [3, 4]
            .map(|day: usize| series.ratio.points[day].and_then(|p| p.interval).expect("six"));
        let width = |i: Interval| (i.high / i.low).ln();
        let times = width(of_pool) / width(of_record);
        assert!((0.5..2.0).contains(&times), "{times}");
    }
}
