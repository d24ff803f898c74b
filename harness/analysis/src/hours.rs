//! What stored sessions say beside the ratios of one of them.
//!
//! A session's interval holds for its hour. Where a pool has sessions of the same experiment on the
//! same machine, what they say of another hour stands beside it.

use crate::pool::{Pooled, Session};
use crate::summary::{Analysis, AnotherHour};
use duet_stats::Interval;

/// Writes beside the ratios of a run what a pool that it is in says of another hour. `run` is what
/// the pool calls it.
pub fn add(analysis: &mut Analysis, run: &str, pooled: &Pooled) {
    let is_in = |sessions: &[Session]| sessions.iter().any(|s| s.runs.iter().any(|r| r == run));
    for matchup in &mut analysis.matchups {
        for cell in &mut matchup.cells {
            for found in &mut cell.metrics {
                let mut lines = pooled.lines.iter().filter(|line| is_in(&line.sessions));
                let line = lines.find(|line| line.id == cell.id && line.metric == found.metric);
                found.another_hour = line.and_then(|l| hour(&l.sessions, l.next, l.range));
            }
        }
        for mean in &mut matchup.means {
            let mut means = pooled.means.iter().filter(|known| is_in(&known.sessions));
            let known = means.find(|m| m.matchup == matchup.name && m.metric == mean.metric);
            mean.another_hour = known.and_then(|m| hour(&m.sessions, m.next, m.range));
        }
    }
}

/// Absent of a single session.
fn hour(
    sessions: &[Session],
    next: Option<Interval>,
    seen: Option<Interval>,
) -> Option<AnotherHour> {
    Some(AnotherHour { sessions: sessions.len() as u32, next, seen: seen? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{analyse, pool};
    use duet_model::record::Run;
    use duet_model::testing::{Scene, run};
    use duet_units::Metric;

    const DAY: u64 = 86_400;

    fn session(day: u64, factor: f64) -> (String, Run) {
        let mut scene = Scene::default();
        scene.arms[1].requests_per_second /= factor;
        let mut run = run(&scene);
        run.header.started_unix_s = day * DAY;
        (format!("run-{day}"), run)
    }

    /// What is said of another hour beside the throughput of a run, among these runs.
    fn said(runs: &[(String, Run)], model: usize) -> Option<AnotherHour> {
        let mut analysis = analyse(&runs[model].1);
        let pooled = pool::pool_like(runs, model).expect("one has a ratio");
        add(&mut analysis, &runs[model].0, &pooled);
        let found = &analysis.matchups[0].cells[0].metrics;
        found.iter().find(|m| m.metric == Metric::RequestsPerSecond)?.another_hour
    }

    #[test]
    fn sessions_of_the_same_experiment() {
        let factors = [1.0, 1.05, 0.95, 1.1, 1.02];
        let mut runs: Vec<_> = (0..).zip(factors).map(|(day, f)| session(day, f)).collect();
        let pooled = pool::pool(&runs).expect("they are alike");
        let line = pooled.lines.iter().find(|l| l.metric == Metric::RequestsPerSecond);
        let line = line.expect("it is measured");
        let want = AnotherHour { sessions: 5, next: line.next, seen: line.range.expect("five") };
        for model in 0..5 {
            assert_eq!(said(&runs, model), Some(want), "{model}");
        }
        let four = said(&runs[..4], 1).expect("four");
        assert_eq!((four.sessions, four.next), (4, None));
        assert_eq!(said(&runs[..1], 0), None);

        // Of another executable, and of another machine: it is no hour of this one.
        runs[4].1.builds[0].binary_sha256 = Some("0".to_owned());
        runs[3].1.header.machine.cpus += 1;
        assert_eq!(said(&runs, 4), None);
        assert_eq!(said(&runs, 3), None);
        assert_eq!(said(&runs, 0).expect("three").sessions, 3);
    }

    #[test]
    fn means_over_cells() {
        let with_cells = |day: u64, factor: f64| {
            let (name, mut run) = session(day, factor);
            let mut second = run.blocks.clone();
            let mut spec = run.header.spec.loads[0].clone();
            spec.name = "other".to_owned();
            run.header.spec.loads.push(spec);
            let mut cell = run.header.suite.cells[0].clone();
            cell.load = "other".to_owned();
            second.iter_mut().for_each(|block| block.cell = cell.clone());
            run.header.suite.cells.push(cell);
            run.blocks.append(&mut second);
            (name, run)
        };
        let factors = [1.0, 1.05, 0.95, 1.1, 1.02];
        let mut runs: Vec<_> = (0..).zip(factors).map(|(day, f)| with_cells(day, f)).collect();
        let of_mean = |runs: &[(String, Run)]| {
            let mut analysis = analyse(&runs[0].1);
            add(&mut analysis, &runs[0].0, &pool::pool_like(runs, 0).expect("alike"));
            let means = &analysis.matchups[0].means;
            means.iter().find(|m| m.metric == Metric::RequestsPerSecond)?.another_hour
        };
        let hour = of_mean(&runs).expect("five");
        assert!(hour.sessions == 5 && hour.next.is_some(), "{hour:?}");
        // A mean of other cells is another one.
        runs[4] = session(4, 1.0);
        assert_eq!(of_mean(&runs).expect("four").sessions, 4);
    }
}
