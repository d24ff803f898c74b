//! What a matchup says over all of its cells.

use crate::cell::{Cell, cpus, is_control};
use crate::means::{self, Part};
use crate::summary::{LeftOut, MatchupAnalysis, Mean, MetricAnalysis};
use crate::values::BlockValues;
use crate::{pairs, utilisation};
use duet_model::record::RunHeader;
use duet_model::spec::Rate;
use duet_stats::TAIL;
use duet_units::{Loop, Metric};

/// Metrics that belong to a start and not to a load.
const OF_STARTS: [Metric; 2] = [Metric::StartupNs, Metric::RssBytesIdle];

/// Metrics with a mean over cells.
const OF_MEANS: [Metric; 3] =
    [Metric::RequestsPerSecond, Metric::CpuNsPerRequest, Metric::RssBytesPeak];

/// The matchups of `cells`, in the order of their first cell.
pub(super) fn analyse(header: &RunHeader, cells: &[Cell]) -> Vec<MatchupAnalysis> {
    let mut matchups: Vec<MatchupAnalysis> = vec![];
    for cell in cells {
        if matchups.iter().any(|m| m.name == cell.matchup.name) {
            continue;
        }
        let own: Vec<&Cell> =
            cells.iter().filter(|c| c.matchup.name == cell.matchup.name).collect();
        matchups.push(MatchupAnalysis {
            name: cell.matchup.name.clone(),
            lane: cell.matchup.lane,
            control: is_control(cell.matchup),
            programs: false,
            arms: cell.arms.clone(),
            cells: own.iter().map(|cell| cell.analyse(header)).collect(),
            starts: starts(&own),
            means: OF_MEANS.into_iter().filter_map(|metric| mean(metric, &own)).collect(),
            equal_utilisation: utilisation::analyse(&own, cpus(header)),
            pair_of: pairs::whole(&cell.matchup.name).map(str::to_owned),
        });
    }
    matchups
}

/// The mean of a metric over the cells of a matchup.
fn mean(metric: Metric, own: &[&Cell]) -> Option<Mean> {
    let mut parts = vec![];
    let mut left_out = vec![];
    for cell in own.iter().filter(|cell| belongs(metric, cell, own)) {
        match cell.no_ratio(metric) {
            None => parts.push(Part {
                cell: cell.id,
                kind: cell.workload.kind.as_deref().unwrap_or(&cell.workload.name),
                blocks: cell.counted.iter().map(|b| &b.values).collect(),
            }),
            Some(reason) => left_out.push(LeftOut { cell: cell.id.clone(), reason }),
        }
    }
    means::mean(metric, &parts, left_out, tail(own))
}

/// Whether a cell may be in a mean: closed loops may; what a request costs at a given rate may
/// where no closed loop measures the same workload, and arms take turns. Of several shares of a
/// capacity none stands for the workload.
fn belongs(metric: Metric, cell: &Cell, own: &[&Cell]) -> bool {
    let is_closed = |cell: &Cell| cell.load.kind() == Loop::Closed;
    let same = || own.iter().filter(|other| other.workload.name == cell.workload.name);
    let given = cell.load.open.is_some_and(|open| match open.rate {
        Rate::PerSecond(_) => cell.load.memory_limit.is_none() && cell.load.solo_s.is_none(),
        Rate::Share(_) => same().count() == 1,
        Rate::Within(_) => false,
    });
    // The largest memory of an open loop is that of its warm-up.
    let cost = metric == Metric::CpuNsPerRequest;
    is_closed(cell) || (given && cost && !same().any(|other| is_closed(other)))
}

/// What intervals over the cells of a matchup leave out on either side, as those of a cell do.
fn tail(own: &[&Cell]) -> f64 {
    TAIL / own.first().map_or(1, |cell| cell.pairs) as f64
}

/// Metrics of starts over the cells of a matchup.
fn starts(cells: &[&Cell]) -> Vec<MetricAnalysis> {
    let Some(first) = cells.first() else { return vec![] };
    let blocks: Vec<Vec<&BlockValues>> =
        cells.iter().map(|cell| cell.counted.iter().map(|b| &b.values).collect()).collect();
    let of_metric = |metric| means::starts(metric, first.arms.len(), &blocks, tail(cells));
    OF_STARTS.into_iter().filter_map(of_metric).collect()
}
