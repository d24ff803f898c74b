//! Estimates over blocks: of a metric, of a ratio, of a mean over cells.

use crate::summary::{Estimate, Mean, MetricAnalysis};
use crate::values::BlockValues;
use crate::verdict::{Verdict, verdict};
use duet_units::Metric;

/// A metric over blocks: the arms' values, the ratio, the verdict. Uses the blocks that have a
/// value for every arm; absent where none has. `refusal`: why there may be no ratio.
pub(super) fn metric_analysis(
    metric: Metric,
    arms: usize,
    blocks: &[&BlockValues],
    refusal: Option<&str>,
) -> Option<MetricAnalysis> {
    let complete: Vec<&&BlockValues> =
        blocks.iter().filter(|b| b.log_ratios.contains_key(&metric)).collect();
    let of_arm = |arm: usize| -> Option<Vec<f64>> {
        complete.iter().map(|b| b.arms[arm].get(&metric).copied()).collect()
    };
    let values: Vec<Vec<f64>> = (0..arms).map(of_arm).collect::<Option<_>>()?;
    let logs = |values: &Vec<f64>| values.iter().map(|value| value.ln()).collect::<Vec<f64>>();
    let arms: Vec<Estimate> =
        values.iter().map(|values| geometric(&logs(values))).collect::<Option<_>>()?;
    if let Some(refusal) = refusal {
        return Some(MetricAnalysis {
            metric,
            arms,
            values,
            ratio: None,
            log_ratios: vec![],
            verdict: Verdict::Inconclusive,
            reason: Some(refusal.to_owned()),
            informational: false,
        });
    }
    let log_ratios: Vec<f64> = complete.iter().map(|b| b.log_ratios[&metric]).collect();
    let ratio = Some(geometric(&log_ratios)?);
    let (verdict, reason) = verdict(ratio.and_then(|r| r.interval), &log_ratios);
    let informational = false;
    Some(MetricAnalysis { metric, arms, values, ratio, log_ratios, verdict, reason, informational })
}

/// The estimate of what `logs` are the logarithms of; absent without any.
pub(super) fn geometric(logs: &[f64]) -> Option<Estimate> {
    if logs.is_empty() {
        return None;
    }
    Some(Estimate {
        value: duet_stats::hodges_lehmann(logs).exp(),
        interval: duet_stats::interval(logs).map(|interval| interval.map(f64::exp)),
        n: logs.len() as u32,
    })
}

/// The mean of a metric over cells, each with its blocks: per block the mean log ratio over cells,
/// then the estimate over blocks. Cells weigh the same, whatever their speed. Only cells that have
/// the metric; absent with fewer than two of them.
pub(super) fn mean(metric: Metric, cells: &[Vec<(u32, &BlockValues)>]) -> Option<Mean> {
    let log_ratio = |cell: &[(u32, &BlockValues)], block: u32| -> Option<f64> {
        let (_, values) = cell.iter().find(|(index, _)| *index == block)?;
        values.log_ratios.get(&metric).copied()
    };
    let has_metric = |cell: &&Vec<(u32, &BlockValues)>| {
        cell.iter().any(|(_, values)| values.log_ratios.contains_key(&metric))
    };
    let printing: Vec<&Vec<(u32, &BlockValues)>> = cells.iter().filter(has_metric).collect();
    let (first, _) = printing.split_first().filter(|(_, others)| !others.is_empty())?;
    let of_block = |block: u32| -> Option<f64> {
        let of_cells: Option<Vec<f64>> = printing.iter().map(|c| log_ratio(c, block)).collect();
        of_cells.map(|log_ratios| log_ratios.iter().sum::<f64>() / log_ratios.len() as f64)
    };
    let log_ratios: Vec<f64> = first.iter().filter_map(|(block, _)| of_block(*block)).collect();
    let ratio = geometric(&log_ratios)?;
    let (verdict, _) = verdict(ratio.interval, &log_ratios);
    Some(Mean { metric, cells: printing.len() as u32, ratio, verdict })
}
