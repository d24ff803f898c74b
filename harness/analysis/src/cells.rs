//! The blocks of a cell, and estimates over them.

use std::collections::BTreeMap;

use super::bottleneck::{Cpus, Usage, bottleneck, usage};
use super::values::{BlockValues, rounds, values};
use super::{
    Arm, Bottleneck, CellAnalysis, Estimate, MetricAnalysis, RssPoint, Who, negotiated, open,
    search, warnings,
};
use crate::verdict::{Verdict, verdict};
use duet_model::record::{BlockRecord, Run, RunHeader};
use duet_model::spec::{CellId, Load, Matchup, Spec, Workload};
use duet_units::{Loop, Metric};

/// A cell and its blocks.
#[derive(Debug)]
pub(super) struct Cell<'a> {
    pub(super) id: &'a CellId,
    pub(super) matchup: &'a Matchup,
    pub(super) workload: &'a Workload,
    pub(super) load: &'a Load,
    pub(super) arms: Vec<Arm>,
    /// All blocks by index.
    pub(super) blocks: Vec<&'a BlockRecord>,
    /// Those that count, by index, with their numbers.
    pub(super) counted: Vec<Counted<'a>>,
    /// Those that were measured and do not count, and why.
    pub(super) spoilt: Vec<(u32, String)>,
    /// Sums over the windows of blocks that count, per arm.
    pub(super) usage: Vec<Usage>,
    pub(super) bottleneck: Bottleneck,
}

/// A block that counts.
#[derive(Debug)]
pub(super) struct Counted<'a> {
    pub(super) record: &'a BlockRecord,
    pub(super) values: BlockValues,
}

/// RSS samples of different blocks are put together in steps of the sampler's 10 Hz.
const RSS_STEP_MS: u64 = 100;

/// The cells of a run's suite, in its order. Cells that the definitions do not explain are left
/// out; [`warnings::of_run`] names them.
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
        match values(record) {
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
        of => bottleneck(&usage, cpus(&run.header), of == Loop::Open),
    };
    let mut cell =
        Cell { id, matchup, workload, load, arms, blocks, counted, spoilt, usage, bottleneck };
    let who = cell.bottleneck.who;
    cell.bottleneck.who = match load.kind() {
        Loop::Closed => who,
        Loop::Open => open::bottleneck(&cell, who),
        Loop::Search => search::bottleneck_by_lag(&cell, who),
    };
    Some(cell)
}

/// Whether a block was measured whole and undisturbed.
fn counts(block: &BlockRecord) -> bool {
    block.failure.is_none() && block.discarded.is_none()
}

/// The arms of a matchup, as reports call them.
pub(super) fn arms(matchup: &Matchup, spec: &Spec) -> Vec<Arm> {
    let control = is_control(matchup);
    let arm = |(server, letter): (&String, char)| Arm {
        server: server.clone(),
        label: if control { format!("{server} ({letter})") } else { server.clone() },
        language: language(spec, server).unwrap_or_default().to_owned(),
    };
    matchup.arms.iter().zip('A'..).map(arm).collect()
}

/// The language of a server or a set.
fn language<'a>(spec: &'a Spec, arm: &str) -> Option<&'a str> {
    let server = spec.server(arm).map(|server| server.language.as_str());
    server.or_else(|| Some(spec.set(arm)?.language.as_str()))
}

/// Whether all arms are the same server.
pub(super) fn is_control(matchup: &Matchup) -> bool {
    matchup.arms.windows(2).all(|pair| pair[0] == pair[1])
}

pub(super) fn cpus(header: &RunHeader) -> Cpus {
    Cpus { server: header.server_cpus.len().max(1), generator: header.generator_cpus.len().max(1) }
}

impl Cell<'_> {
    pub(super) fn labels(&self) -> Vec<&str> {
        self.arms.iter().map(|arm| arm.label.as_str()).collect()
    }

    /// Why the cell may print no ratio, if so.
    fn refusal(&self) -> Option<String> {
        let records = self.counted.iter().map(|block| block.record);
        negotiated::refusal(&self.labels(), records)
            .or_else(|| self.generator_bound().map(str::to_owned))
    }

    fn generator_bound(&self) -> Option<&'static str> {
        (self.bottleneck.who == Who::Generator).then_some(match self.load.kind() {
            Loop::Closed => {
                "the generator was the bottleneck, so it was measured and not the servers: give it \
                 more CPUs (generator_cpus) or choose a workload with more work per request"
            }
            Loop::Open => {
                "the generator was too late or too busy, so it was measured and not the servers: \
                 give it more CPUs (generator_cpus), a quieter machine or a lower rate"
            }
            Loop::Search => {
                "the generator was too late or too busy at the rates that failed, so it was \
                 measured and not the servers: give it more CPUs (generator_cpus), or choose a \
                 workload with more work per request"
            }
        })
    }

    /// Whether the cell prints ratios.
    pub(super) fn prints_ratios(&self) -> bool {
        self.refusal().is_none() && !self.counted.is_empty()
    }

    fn metric(&self, metric: Metric) -> Option<MetricAnalysis> {
        let values: Vec<&BlockValues> = self.counted.iter().map(|b| &b.values).collect();
        let refusal = self.refusal().or_else(|| open::refusal(self, metric));
        let mut found = metric_analysis(metric, self.arms.len(), &values, refusal.as_deref())?;
        if found.ratio.is_some()
            && let Some(reason) = open::informational(self, metric)
        {
            found.informational = true;
            (found.verdict, found.reason) = (Verdict::Inconclusive, Some(reason));
        }
        Some(found)
    }

    pub(super) fn analyse(&self, header: &RunHeader) -> CellAnalysis {
        let of_metric = |metric| self.metric(metric);
        let metrics: Vec<MetricAnalysis> = Metric::ALL.into_iter().filter_map(of_metric).collect();
        CellAnalysis {
            id: self.id.clone(),
            question: self.workload.question.clone(),
            load: self.load_text(),
            blocks: self.counted.len() as u32,
            blocks_set_aside: self.blocks.iter().filter(|b| b.discarded.is_some()).count() as u32,
            blocks_failed: self.blocks.iter().filter(|b| b.failure.is_some()).count() as u32,
            window_ns: self.window_ns(),
            bottleneck: self.bottleneck.clone(),
            warnings: warnings::of_cell(self, header, &metrics),
            metrics,
            rss: (0..self.arms.len()).map(|arm| self.rss(arm)).collect(),
            errors: (0..self.arms.len()).map(|arm| self.errors(arm)).collect(),
            program: None,
            open: open::analyse(self),
            search: search::analyse(self),
        }
    }

    /// The length of the windows, where they are all alike.
    fn window_ns(&self) -> Option<u64> {
        let first = self.counted.first().filter(|_| self.load.kind() != Loop::Search);
        first.map(|block| block.record.window_ns)
    }

    fn load_text(&self) -> String {
        let connections = self.load.connections_text();
        let churn = if self.workload.churn { ", a new one per request" } else { "" };
        let rate = open::rate_text(self).map_or_else(String::new, |rate| format!(", {rate}"));
        format!("{connections}{churn}{rate}")
    }

    /// Errors by kind in all windows that drove `arm`, whether their block counts or not.
    pub(super) fn errors(&self, arm: usize) -> BTreeMap<String, u64> {
        let mut errors = BTreeMap::new();
        let windows = self.blocks.iter().flat_map(|b| &b.windows);
        for (kind, n) in windows.filter(|w| w.arm as usize == arm).flat_map(|w| &w.errors) {
            *errors.entry(kind.clone()).or_default() += n;
        }
        errors
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

/// See [`super::running_ratio`]. Works on rounds alone: decoding histograms would take too long to
/// do it after every block.
pub(super) fn running_ratio(
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
        Loop::Open => rounds(b).ok()?.log_ratio(Metric::CpuNsPerRequest),
        Loop::Search => search::log_ratio(b),
    };
    let (counted, log_ratios): (Vec<&BlockRecord>, Vec<f64>) =
        of_cell.into_iter().filter_map(|b| Some((b, log_ratio(b)?))).unzip();
    let (arms, cpus) = (counted.first()?.arms.len(), cpus(header));
    if negotiated::refusal(&[], counted.iter().copied()).is_some() {
        return None;
    }
    let bottleneck = match of {
        Loop::Search => search::bottleneck_of(counted, arms, cpus),
        _ => bottleneck(&usage(counted, arms, |_, _| true), cpus, of == Loop::Open),
    };
    if bottleneck.who == Who::Generator { None } else { geometric(&log_ratios) }
}
