//! What several cells say together: the geometric mean of a metric's ratios, and the metrics of
//! starts.

use std::collections::BTreeMap;

use crate::estimates::metric_analysis;
use crate::summary::{Estimate, LeftOut, Mean, MeanCell, MetricAnalysis};
use crate::values::BlockValues;
use crate::verdict::{BLOCKS_MIN, TIE_BAND, verdict};
use duet_model::spec::CellId;
use duet_stats::{MeanOfCentres, hodges_lehmann, mean_of_centres, standard_deviation};
use duet_units::Metric;

/// A cell of a mean.
pub(super) struct Part<'a> {
    pub(super) cell: &'a CellId,
    /// The kind of work, which has one vote.
    pub(super) kind: &'a str,
    /// Its blocks that count.
    pub(super) blocks: Vec<&'a BlockValues>,
}

/// The mean of a metric over cells: of their Hodges-Lehmann estimates, first within each kind of
/// work, then over kinds, so that a kind has one vote however many cells measure it. Blocks of
/// different cells are no pairs, so each cell counts with the blocks it has. Only cells that have
/// the metric; absent with fewer than two of them. `tail`: what its interval leaves out on either
/// side.
pub(super) fn mean(
    metric: Metric,
    parts: &[Part<'_>],
    left_out: Vec<LeftOut>,
    tail: f64,
) -> Option<Mean> {
    let log_ratios = |part: &Part| -> Vec<f64> {
        part.blocks.iter().filter_map(|b| b.log_ratios.get(&metric).copied()).collect()
    };
    let having: Vec<(&Part, Vec<f64>)> = parts.iter().map(|p| (p, log_ratios(p))).collect();
    let having: Vec<(&Part, Vec<f64>)> =
        having.into_iter().filter(|(_, logs)| !logs.is_empty()).collect();
    let mut cells_of_kind: BTreeMap<&str, usize> = BTreeMap::new();
    for (part, _) in &having {
        *cells_of_kind.entry(part.kind).or_default() += 1;
    }
    let weight = |part: &Part| 1.0 / (cells_of_kind.len() * cells_of_kind[part.kind]) as f64;
    let samples: Vec<(f64, &[f64])> =
        having.iter().map(|(part, logs)| (weight(part), &logs[..])).collect();
    let cells: Vec<MeanCell> = having
        .iter()
        .map(|(part, logs)| MeanCell {
            cell: part.cell.clone(),
            kind: part.kind.to_owned(),
            ratio: hodges_lehmann(logs).exp(),
        })
        .collect();
    let value = samples.iter().map(|(weight, logs)| weight * hodges_lehmann(logs)).sum();
    let n = samples.iter().map(|(_, logs)| logs.len()).min()?;
    let (ratio, p) = judged(value, mean_of_centres(&samples), n, tail);
    let (verdict, _) = verdict(ratio.interval, &[]);
    let kinds = cells_of_kind.len() as u32;
    (cells.len() > 1).then_some(Mean {
        metric,
        cells,
        kinds,
        left_out,
        ratio,
        verdict,
        p,
        q: None,
        another_hour: None,
    })
}

/// A ratio with the interval and the p value that its standard error gives. As with blocks of one
/// cell there is no interval below what six blocks have, five degrees of freedom.
fn judged(value: f64, mean: Option<MeanOfCentres>, n: usize, tail: f64) -> (Estimate, Option<f64>) {
    let mean = mean.filter(|mean| mean.freedom + 1 >= BLOCKS_MIN);
    let interval = mean.map(|mean| mean.interval(tail).map(f64::exp));
    let p = mean.map(|mean| mean.p_beyond(TIE_BAND.ln_1p()));
    (Estimate { value: value.exp(), interval, n: n as u32 }, p)
}

/// A metric of starts over all cells, each with its blocks that count. Starts of one cell may share
/// what the cell decides (in older records idle memory is read after its first response), so they
/// are no sample of their own: each cell gives one estimate, and the mean is over these. `tail`:
/// what intervals leave out on either side.
pub(super) fn starts(
    metric: Metric,
    arms: usize,
    cells: &[Vec<&BlockValues>],
    tail: f64,
) -> Option<MetricAnalysis> {
    let all: Vec<&BlockValues> = cells.iter().flatten().copied().collect();
    let mut found = metric_analysis(metric, arms, &all, None, tail)?;
    let cells: Vec<Vec<&BlockValues>> = cells
        .iter()
        .map(|cell| cell.iter().filter(|b| b.log_ratios.contains_key(&metric)).copied().collect())
        .filter(|cell: &Vec<&BlockValues>| !cell.is_empty())
        .collect();
    if cells.len() < 2 {
        return Some(found);
    }
    let over_cells = |of: &dyn Fn(&BlockValues) -> f64| {
        let samples: Vec<Vec<f64>> =
            cells.iter().map(|cell| cell.iter().map(|b| of(b)).collect()).collect();
        mean_over_cells(&samples, all.len(), tail)
    };
    for (arm, estimate) in found.arms.iter_mut().enumerate() {
        *estimate = over_cells(&|b| b.arms[arm][&metric].ln()).0;
    }
    let (ratio, p) = over_cells(&|b| b.log_ratios[&metric]);
    let (verdict, mut reason) = verdict(ratio.interval, &found.log_ratios);
    if ratio.interval.is_none() && ratio.n >= BLOCKS_MIN {
        let n = cells.len();
        reason = Some(format!("cells differ more than their blocks do: {n} are too few to tell"));
    }
    found.ratio = Some(ratio);
    (found.p, found.verdict, found.reason) = (p, verdict, reason);
    Some(found)
}

/// The mean of cells' estimates. Its standard error is the larger of what the blocks within the
/// cells give and of what the cells themselves do, which are then a sample of workloads.
fn mean_over_cells(samples: &[Vec<f64>], n: usize, tail: f64) -> (Estimate, Option<f64>) {
    let centres: Vec<f64> = samples.iter().map(|values| hodges_lehmann(values)).collect();
    let cells = centres.len() as f64;
    let value = centres.iter().sum::<f64>() / cells;
    let weighted: Vec<(f64, &[f64])> = samples.iter().map(|s| (1.0 / cells, &s[..])).collect();
    let within = mean_of_centres(&weighted);
    let between = standard_deviation(&centres).map(|spread| MeanOfCentres {
        value,
        standard_error: spread / cells.sqrt(),
        freedom: centres.len() as u32 - 1,
    });
    let larger = within
        .into_iter()
        .chain(between)
        .max_by(|a, b| a.standard_error.total_cmp(&b.standard_error));
    judged(value, larger, n, tail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimates::geometric;
    use duet_stats::TAIL;

    fn block(log_ratio: f64) -> BlockValues {
        BlockValues {
            arms: vec![],
            log_ratios: BTreeMap::from([(Metric::CpuNsPerRequest, log_ratio)]),
            rounds_dropped: 0,
            histogram_error: None,
            open: vec![],
            search: vec![],
        }
    }

    fn id(workload: &str) -> CellId {
        let [matchup, load] = ["pair", "c64"].map(str::to_owned);
        CellId { matchup, workload: workload.to_owned(), load }
    }

    /// Three cells of one kind and one of another: each kind has half of the votes. A cell with
    /// fewer blocks counts with those it has.
    #[test]
    fn a_kind_of_work_has_one_vote() {
        let cells = [("a", "stack", 0.1, 8), ("b", "stack", 0.2, 8), ("c", "stack", 0.3, 5)];
        let cells = cells.into_iter().chain([("d", "computing", 0.6, 8)]);
        let owned: Vec<(CellId, &str, Vec<BlockValues>)> = cells
            .map(|(name, kind, centre, n)| {
                let around = |i| block(centre + 0.01 * (f64::from(i % 2) - 0.5));
                (id(name), kind, (0..n).map(around).collect())
            })
            .collect();
        let parts: Vec<Part> = owned
            .iter()
            .map(|(cell, kind, blocks)| Part { cell, kind, blocks: blocks.iter().collect() })
            .collect();
        let found = mean(Metric::CpuNsPerRequest, &parts, vec![], TAIL).expect("four cells");
        assert!((found.ratio.value.ln() - 0.4).abs() < 0.002, "{found:?}");
        assert_eq!((found.cells.len(), found.kinds, found.ratio.n), (4, 2, 5));
        let interval = found.ratio.interval.expect("an interval");
        assert!(interval.low < found.ratio.value && interval.high / interval.low < 1.02);
        assert!(found.p.is_some_and(|p| p < 1e-6));
        assert_eq!(mean(Metric::CpuNsPerRequest, &parts[..1], vec![], TAIL), None);
        assert_eq!(mean(Metric::RequestsPerSecond, &parts, vec![], TAIL), None);
    }

    /// Starts of a cell have something in common: it is not one of hundreds of them that counts.
    #[test]
    fn cells_of_starts_are_a_sample() {
        let cells: Vec<Vec<f64>> = (0..8).map(|cell| vec![0.05 * f64::from(cell); 8]).collect();
        let pooled = geometric(&cells.concat()).and_then(|e| e.interval).expect("an interval");
        let (found, _) = mean_over_cells(&cells, 64, TAIL);
        let own = found.interval.expect("an interval");
        assert!(own.high / own.low > 1.1 * pooled.high / pooled.low, "{own:?} {pooled:?}");
        assert!((found.value.ln() - 0.175).abs() < 1e-9 && found.n == 64);
        // t(.975, 7) = 2.365 times sd 0.1225 / sqrt 8.
        assert!((own.high.ln() - 0.175 - 2.365 * 0.1225 / 8.0_f64.sqrt()).abs() < 1e-3, "{own:?}");
    }
}
