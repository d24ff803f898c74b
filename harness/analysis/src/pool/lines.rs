//! Lines of a pool: a metric of a cell, or a mean over cells, over the sessions of a machine; and
//! over machines.

use std::collections::BTreeSet;

use super::pooled::{
    APART_S, BLOCKS_MIN, MachineMean, MachinesLine, PoolVerdict, PooledLine, PooledMean, Session,
};
use super::state;
use crate::run_summary::iso_8601;
use crate::summary::{Analysis, CellAnalysis, Mean, MetricAnalysis};
use crate::verdict::TIE_BAND;
use duet_model::record::{GaugeReading, Run};
use duet_model::spec::CellId;
use duet_stats::{Interval, MACHINES_MIN, Pool, SESSIONS_MIN, hodges_lehmann, standard_deviation};
use duet_units::Metric;

/// The efficiency of the Hodges-Lehmann estimate under normal noise: its variance is that of the
/// mean over this (Hodges and Lehmann 1963).
const EFFICIENCY: f64 = 0.955;

/// A run that is pooled.
pub(super) struct Kept<'a> {
    pub(super) name: &'a str,
    pub(super) run: &'a Run,
    pub(super) analysis: Analysis,
    pub(super) gauges: Option<GaugeReading>,
}

impl Kept<'_> {
    /// A cell of it that was measured.
    pub(super) fn cell(&self, id: &CellId) -> Option<&CellAnalysis> {
        let mut cells = self.analysis.matchups.iter().flat_map(|matchup| &matchup.cells);
        cells.find(|cell| cell.id == *id && cell.blocks > 0)
    }
}

/// A value of a run, with the variance of its estimate.
pub(super) struct Value<'a> {
    pub(super) of: &'a Kept<'a>,
    pub(super) log_ratio: f64,
    pub(super) variance: Option<f64>,
    pub(super) blocks: u32,
}

/// A run's value of a metric of a cell.
pub(super) fn value<'a>(of: &'a Kept<'a>, id: &CellId, metric: Metric) -> Option<Value<'a>> {
    let found: &MetricAnalysis = of.cell(id)?.metrics.iter().find(|m| m.metric == metric)?;
    found.ratio.as_ref()?;
    let n = found.log_ratios.len();
    let spread = standard_deviation(&found.log_ratios);
    (n >= BLOCKS_MIN).then(|| Value {
        of,
        log_ratio: hodges_lehmann(&found.log_ratios),
        variance: spread.map(|spread| spread * spread / (EFFICIENCY * n as f64)),
        blocks: n as u32,
    })
}

/// A run's value of a mean over cells, where it is of the same cells.
pub(super) fn value_of_mean<'a>(of: &'a Kept<'a>, matchup: &str, mean: &Mean) -> Option<Value<'a>> {
    let cells = |mean: &Mean| mean.cells.iter().map(|m| m.cell.clone()).collect::<BTreeSet<_>>();
    let matchup = of.analysis.matchups.iter().find(|found| found.name == matchup)?;
    let found = matchup.means.iter().find(|found| found.metric == mean.metric)?;
    let is_whole = found.ratio.n as usize >= BLOCKS_MIN && cells(found) == cells(mean);
    let log_ratio = found.ratio.value.ln();
    (is_whole && log_ratio.is_finite()).then_some(Value {
        of,
        log_ratio,
        variance: None,
        blocks: found.ratio.n,
    })
}

/// A mean over cells on a machine, by values of its runs, oldest first: what a line says of values
/// of one cell. Absent without any.
pub(super) fn mean(
    (matchup, arms, mean): (&str, &[String], &Mean),
    machine: usize,
    values: &[Value<'_>],
) -> Option<PooledMean> {
    let cells: Vec<CellId> = mean.cells.iter().map(|m| m.cell.clone()).collect();
    let line = line((cells.first()?, arms, mean.metric), machine, values)?;
    Some(PooledMean {
        matchup: matchup.to_owned(),
        arms: line.arms,
        metric: line.metric,
        cells,
        machine,
        sessions: line.sessions,
        mean: line.mean,
        interval: line.interval,
        next: line.next,
        range: line.range,
        dependence: line.dependence,
        verdict: line.verdict,
    })
}

/// The line of a machine, by values of its runs, oldest first. Absent without any.
pub(super) fn line(
    (id, arms, metric): (&CellId, &[String], Metric),
    machine: usize,
    values: &[Value<'_>],
) -> Option<PooledLine> {
    let sessions = sessions(values);
    if sessions.is_empty() {
        return None;
    }
    let pool = pool(&sessions);
    let ratio = |interval: Interval| interval.map(f64::exp);
    Some(PooledLine {
        id: id.clone(),
        arms: arms.to_vec(),
        metric,
        machine,
        dependence: state::dependence(&sessions),
        sessions,
        mean: pool.map(|pool| pool.mean.exp()),
        interval: pool.and_then(|pool| pool.interval.map(ratio)),
        next: pool.and_then(|pool| pool.next.map(ratio)),
        range: pool.map(|pool| ratio(pool.range)),
        heterogeneity: pool.and_then(|pool| pool.heterogeneity),
        spread: pool.map(|pool| pool.spread),
        verdict: verdict(pool.as_ref()),
    })
}

/// What sessions say of another hour, in logarithms.
pub(super) fn pool(sessions: &[Session]) -> Option<Pool> {
    let of =
        |session: &Session| (session.ratio.ln(), session.standard_error.map(|error| error * error));
    duet_stats::pool(&sessions.iter().map(of).collect::<Vec<_>>(), SESSIONS_MIN)
}

/// Runs that began within an hour, as one: their mean.
pub(super) fn sessions(values: &[Value<'_>]) -> Vec<Session> {
    let began = |value: &Value<'_>| value.of.run.header.started_unix_s;
    let mut groups: Vec<Vec<&Value<'_>>> = vec![];
    for value in values {
        match groups.last_mut() {
            Some(group) if began(value) < began(group[0]) + APART_S => group.push(value),
            _ => groups.push(vec![value]),
        }
    }
    let session = |group: Vec<&Value<'_>>| {
        let n = group.len() as f64;
        let variances: Option<Vec<f64>> = group.iter().map(|value| value.variance).collect();
        let gauges: Vec<_> = group.iter().map(|value| value.of.gauges).collect();
        Session {
            runs: group.iter().map(|value| value.of.name.to_owned()).collect(),
            started: iso_8601(began(group[0])),
            ratio: (group.iter().map(|value| value.log_ratio).sum::<f64>() / n).exp(),
            standard_error: variances.map(|all| all.iter().sum::<f64>().sqrt() / n),
            blocks: group.iter().map(|value| value.blocks).sum(),
            commit: group[0].of.analysis.run.commit.clone(),
            gauges: state::together(&gauges),
        }
    };
    groups.into_iter().map(session).collect()
}

/// A line over machines, by the lines of each. Absent where they are fewer than three.
pub(super) fn over_machines(lines: &[&PooledLine]) -> Option<MachinesLine> {
    let first = lines.first().filter(|_| lines.len() >= MACHINES_MIN)?;
    let machine = |line: &&PooledLine| {
        // A single session is its own mean.
        let ratio = line.mean.or(line.sessions.first().map(|session| session.ratio))?;
        Some(MachineMean { machine: line.machine, sessions: line.sessions.len() as u32, ratio })
    };
    let machines: Vec<MachineMean> = lines.iter().filter_map(machine).collect();
    let values: Vec<_> = machines.iter().map(|machine| (machine.ratio.ln(), None)).collect();
    let pool = duet_stats::pool(&values, MACHINES_MIN)?;
    let ratio = |interval: Interval| interval.map(f64::exp);
    Some(MachinesLine {
        id: first.id.clone(),
        arms: first.arms.clone(),
        metric: first.metric,
        machines,
        mean: pool.mean.exp(),
        interval: pool.interval.map(ratio),
        next: pool.next.map(ratio),
        range: ratio(pool.range),
        spread: pool.spread,
        verdict: verdict(Some(&pool)),
    })
}

/// What a pool lets us say. Without intervals nothing.
pub(super) fn verdict(pool: Option<&Pool>) -> PoolVerdict {
    let Some(pool) = pool.filter(|pool| pool.next.is_some()) else {
        return PoolVerdict::NotKnown;
    };
    let band = (1.0 + TIE_BAND).ln();
    let beyond = |interval: Option<Interval>| match interval? {
        Interval { low, .. } if low > band => Some(true),
        Interval { high, .. } if high < -band => Some(false),
        _ => None,
    };
    match (beyond(pool.next), beyond(pool.interval)) {
        (Some(true), _) => PoolVerdict::WorseInAny,
        (Some(false), _) => PoolVerdict::BetterInAny,
        (None, Some(true)) => PoolVerdict::WorseOnAverage,
        (None, Some(false)) => PoolVerdict::BetterOnAverage,
        (None, None) => PoolVerdict::Depends,
    }
}
