//! From the blocks of a cell to what `summary.json` says of it.

use std::collections::BTreeMap;

use crate::block_values::block_values;
use crate::bottleneck::{bottleneck, usage};
use crate::cell::{Cell, Counted, arms, counts, cpus};
use crate::estimates::{geometric, metric_analysis, tail};
use crate::rounds::rounds;
use crate::summary::{CellAnalysis, Estimate, MetricAnalysis, RssPoint, Who};
use crate::values::BlockValues;
use crate::verdict::Verdict;
use crate::{
    long, memory_search, negotiated, open, pairs, search, services, sizes, switching, warnings,
};
use duet_model::record::{BlockRecord, Run, RunHeader};
use duet_model::spec::{CellId, Load};
use duet_units::{Loop, Metric};

/// RSS samples of different blocks are put together in steps of the sampler's 10 Hz.
const RSS_STEP_MS: u64 = 100;

/// The cells of a run's suite, in its order. Cells that the definitions do not explain are left
/// out; `warnings::of_run` names them.
pub(super) fn collect(run: &Run) -> Vec<Cell<'_>> {
    run.header.suite.cells.iter().filter_map(|id| cell(run, id)).collect()
}

fn cell<'a>(run: &'a Run, id: &'a CellId) -> Option<Cell<'a>> {
    let spec = &run.header.spec;
    if spec.is_of_programs(id) {
        return None;
    }
    let matchup = spec.matchup(&id.matchup)?;
    let (workload, load) = (spec.workload(&id.workload)?, spec.load(&id.load)?);
    let arms = arms(matchup, spec);
    let mut blocks: Vec<&BlockRecord> = run.blocks.iter().filter(|b| b.cell == *id).collect();
    blocks.sort_by_key(|b| (b.block, b.started_ns));
    let mut counted = vec![];
    let mut spoilt = vec![];
    for &record in blocks.iter().filter(|b| counts(b)) {
        match block_values(record) {
            Ok(values) if values.arms.len() == arms.len() => {
                counted.push(Counted { record, values });
            }
            Ok(values) => spoilt.push((record.block, format!("{} arms", values.arms.len()))),
            Err(why) => spoilt.push((record.block, why)),
        }
    }
    let records = || counted.iter().map(|b| b.record);
    let usage = usage(records(), arms.len(), |_, _| true);
    let bottleneck = match load.kind() {
        Loop::Search => search::bottleneck_of(records(), arms.len(), cpus(&run.header)),
        of => bottleneck(&usage, cpus(&run.header), matches!(of, Loop::Open | Loop::Solo)),
    };
    let pairs = pairs::family(&matchup.name, &spec.matchups);
    let mut cell = Cell {
        id,
        matchup,
        pairs,
        workload,
        load,
        arms,
        blocks,
        counted,
        spoilt,
        usage,
        bottleneck,
    };
    let who = cell.bottleneck.who;
    cell.bottleneck.who = match load.kind() {
        Loop::Closed | Loop::Burst => who,
        Loop::Open | Loop::Solo => open::bottleneck(&cell, who),
        Loop::Search => search::bottleneck_by_lag(&cell, who),
        Loop::MemorySearch => Who::Unknown,
    };
    Some(cell)
}

impl Cell<'_> {
    fn metric(&self, metric: Metric) -> Option<MetricAnalysis> {
        let values: Vec<&BlockValues> = self.counted.iter().map(|b| &b.values).collect();
        let refusal = self.no_ratio(metric);
        let tail = self.tail();
        let mut found =
            metric_analysis(metric, self.arms.len(), &values, refusal.as_deref(), tail)?;
        if found.ratio.is_some()
            && let Some(reason) = open::informational(self, metric)
        {
            found.informational = true;
            (found.verdict, found.reason, found.p) = (Verdict::Inconclusive, Some(reason), None);
        }
        Some(found)
    }

    /// What an interval of the cell leaves out on either side. Those of the pairs of one matchup
    /// hold together: by the union bound, each leaves out as much less as there are pairs.
    fn tail(&self) -> f64 {
        tail(self.counted.iter().map(|b| b.record.started_ns)) / self.pairs as f64
    }

    /// Why a metric has no ratio here, and no place in a mean; absent where it has one.
    pub(super) fn no_ratio(&self, metric: Metric) -> Option<String> {
        self.refusal(metric)
            .or_else(|| sizes::refusal(self))
            .or_else(|| services::refusal(self, metric))
            .or_else(|| open::refusal(self, metric))
    }

    pub(super) fn analyse(&self, header: &RunHeader) -> CellAnalysis {
        let of_metric = |metric| self.metric(metric);
        let metrics: Vec<MetricAnalysis> = Metric::ALL.into_iter().filter_map(of_metric).collect();
        let switching = switching::analyse(self);
        let mut warnings = warnings::of_cell(self, header);
        warnings.extend(switching.as_ref().and_then(|found| switching::warning(self, found)));
        CellAnalysis {
            id: self.id.clone(),
            question: self.workload.question.clone(),
            load: self.load_text(),
            blocks: self.counted.len() as u32,
            blocks_discarded: self.blocks.iter().filter(|b| b.discarded.is_some()).count() as u32,
            blocks_failed: self.blocks.iter().filter(|b| b.failure.is_some()).count() as u32,
            window_ns: self.window_ns(),
            bottleneck: self.bottleneck.clone(),
            warnings,
            metrics,
            rss: (0..self.arms.len()).map(|arm| self.rss(arm)).collect(),
            errors: (0..self.arms.len()).map(|arm| self.errors(arm)).collect(),
            program: None,
            server_cpus: self.load.server_cpus,
            open: open::analyse(self),
            search: search::analyse(self),
            memory_search: memory_search::analyse(self),
            long: long::analyse(self),
            switching,
        }
    }

    /// The length of the windows, where they are all alike.
    fn window_ns(&self) -> Option<u64> {
        let alike = !matches!(self.load.kind(), Loop::Search | Loop::MemorySearch);
        let first = self.counted.first().filter(|_| alike);
        first.map(|block| block.record.window_ns)
    }

    fn load_text(&self) -> String {
        let connections = self.load.connections_text();
        let churn = if self.workload.churn { ", a new one per request" } else { "" };
        let rate = open::rate_text(self).map_or_else(String::new, |rate| format!(", {rate}"));
        format!("{connections}{churn}{rate}")
    }

    /// Memory of an arm over a block's time: per step the median over the blocks that count. Ends
    /// where fewer than half of them have samples, so that the curve never follows a single one.
    fn rss(&self, arm: usize) -> Vec<RssPoint> {
        let mut steps: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
        for block in &self.counted {
            let mut of_block: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
            for sample in &block.record.arms[arm].rss {
                let step = sample.at_ms / RSS_STEP_MS;
                of_block.entry(step).or_default().push(sample.rss_bytes as f64);
            }
            for (step, samples) in of_block {
                steps.entry(step).or_default().push(duet_stats::median(&samples));
            }
        }
        let enough = steps.into_iter().filter(|(_, blocks)| blocks.len() * 2 >= self.counted.len());
        enough
            .map(|(step, blocks)| RssPoint {
                at_ms: step * RSS_STEP_MS,
                rss_bytes: duet_stats::median(&blocks),
            })
            .collect()
    }
}

/// The throughput ratio of a cell so far, for display while the run goes on: how many times worse
/// the second arm is. In an open loop, where throughput is given, the ratio of CPU per request; of
/// searches, that of the rates or of the memory limits they found; of bursts that of what was kept.
/// Absent before a block counts, where the generator was the bottleneck, and where there are more
/// than two arms.
///
/// Works on rounds alone: decoding histograms would take too long to do it after every block.
#[must_use]
pub fn running_ratio(
    header: &RunHeader,
    blocks: &[BlockRecord],
    cell: &CellId,
) -> Option<Estimate> {
    let mut of_cell: Vec<&BlockRecord> =
        blocks.iter().filter(|b| b.cell == *cell && counts(b)).collect();
    of_cell.sort_by_key(|b| (b.block, b.started_ns));
    let of = header.spec.load(&cell.load).map_or(Loop::Closed, Load::kind);
    let log_ratio = |b: &BlockRecord| match of {
        Loop::Closed => rounds(b).ok()?.log_ratio(Metric::RequestsPerSecond),
        Loop::Open | Loop::Solo => rounds(b).ok()?.log_ratio(Metric::CpuNsPerRequest),
        Loop::Burst => long::log_ratio(b),
        Loop::Search => search::log_ratio(b),
        Loop::MemorySearch => memory_search::log_ratio(b),
    };
    let (counted, log_ratios): (Vec<&BlockRecord>, Vec<f64>) =
        of_cell.into_iter().filter_map(|b| Some((b, log_ratio(b)?))).unzip();
    let (arms, cpus) = (counted.first()?.arms.len(), cpus(header));
    if arms > 2 {
        return None;
    }
    let load = header.spec.load(&cell.load);
    let unresumed = |load| negotiated::unresumed(&[], load, counted.iter().copied());
    if negotiated::refusal(&[], counted.iter().copied()).is_some()
        || load.and_then(unresumed).is_some()
    {
        return None;
    }
    let bottleneck = match of {
        Loop::Search => search::bottleneck_of(counted, arms, cpus),
        Loop::MemorySearch | Loop::Burst => return geometric(&log_ratios),
        _ => bottleneck(&usage(counted, arms, |_, _| true), cpus, of != Loop::Closed),
    };
    if bottleneck.who == Who::Generator { None } else { geometric(&log_ratios) }
}
