//! What a matchup says over all of its cells.

use crate::cell::{Cell, is_control};
use crate::estimates::{mean, metric_analysis};
use crate::summary::{MatchupAnalysis, MetricAnalysis};
use crate::values::BlockValues;
use duet_model::record::RunHeader;
use duet_units::Metric;

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
        let closed = own.iter().filter(|cell| cell.load.open.is_none());
        let closed: Vec<&Cell> = closed.copied().collect();
        let mean_of = |metric| {
            let printing = closed.iter().filter(|cell| cell.refusal(metric).is_none());
            mean(metric, &printing.map(|cell| blocks(cell)).collect::<Vec<_>>())
        };
        matchups.push(MatchupAnalysis {
            name: cell.matchup.name.clone(),
            lane: cell.matchup.lane,
            control: is_control(cell.matchup),
            programs: false,
            arms: cell.arms.clone(),
            cells: own.iter().map(|cell| cell.analyse(header)).collect(),
            starts: starts(&own),
            means: OF_MEANS.into_iter().filter_map(mean_of).collect(),
        });
    }
    matchups
}

fn blocks<'a>(cell: &'a Cell<'_>) -> Vec<(u32, &'a BlockValues)> {
    cell.counted.iter().map(|b| (b.record.block, &b.values)).collect()
}

/// Metrics of starts over the blocks of all cells, ordered by index of block, then cell.
fn starts(cells: &[&Cell]) -> Vec<MetricAnalysis> {
    let Some(first) = cells.first() else { return vec![] };
    let mut blocks: Vec<(u32, &BlockValues)> =
        cells.iter().flat_map(|c| &c.counted).map(|b| (b.record.block, &b.values)).collect();
    blocks.sort_by_key(|(index, _)| *index);
    let values: Vec<&BlockValues> = blocks.into_iter().map(|(_, values)| values).collect();
    let of_metric = |metric| metric_analysis(metric, first.arms.len(), &values, None);
    OF_STARTS.into_iter().filter_map(of_metric).collect()
}
