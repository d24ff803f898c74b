//! Cells of programs: whole runs, one of each arm a block.

use std::collections::BTreeMap;

use super::cells::{arms, is_control, metric_analysis};
use super::matchups::mean;
use super::values::BlockValues;
use super::warnings::warning;
use super::{
    Bottleneck, CellAnalysis, MatchupAnalysis, MetricAnalysis, ProgramCell, ProgramSummary,
    Warning, Who,
};
use crate::metric::Metric;
use crate::record::{ProgramBlock, ProgramRun, Run};
use crate::spec::{CellId, Matchup, Problem};
use crate::verdict::BLOCKS_MIN;

/// The metrics of a program, and of the means over programs.
const METRICS: [Metric; 3] = [Metric::ElapsedNs, Metric::CpuNs, Metric::RssBytesPeak];

/// A cell of programs and its blocks.
struct Cell<'a> {
    id: &'a CellId,
    matchup: &'a Matchup,
    problem: &'a Problem,
    /// All blocks by index.
    blocks: Vec<&'a ProgramBlock>,
    /// Those that count.
    counted: Vec<(&'a ProgramBlock, BlockValues)>,
}

/// The matchups of programs, in the order of their first cell.
pub(super) fn analyse(run: &Run) -> Vec<MatchupAnalysis> {
    let cells: Vec<Cell<'_>> =
        run.header.suite.cells.iter().filter_map(|id| cell(run, id)).collect();
    let mut matchups: Vec<MatchupAnalysis> = vec![];
    for cell in &cells {
        if matchups.iter().any(|m| m.name == cell.matchup.name) {
            continue;
        }
        let own: Vec<&Cell<'_>> =
            cells.iter().filter(|c| c.matchup.name == cell.matchup.name).collect();
        let blocks: Vec<Vec<(u32, &BlockValues)>> = own
            .iter()
            .map(|cell| cell.counted.iter().map(|(b, values)| (b.block, values)).collect())
            .collect();
        matchups.push(MatchupAnalysis {
            name: cell.matchup.name.clone(),
            lane: cell.matchup.lane,
            control: is_control(cell.matchup),
            programs: true,
            arms: arms(cell.matchup, &run.header.spec),
            cells: own.iter().map(|cell| cell.analyse(run)).collect(),
            starts: vec![],
            means: METRICS.into_iter().filter_map(|metric| mean(metric, &blocks)).collect(),
        });
    }
    matchups
}

/// Blocks of programs that count.
pub(super) fn blocks(run: &Run) -> u32 {
    run.header
        .suite
        .cells
        .iter()
        .filter_map(|id| cell(run, id))
        .map(|c| c.counted.len() as u32)
        .sum()
}

fn cell<'a>(run: &'a Run, id: &'a CellId) -> Option<Cell<'a>> {
    let spec = &run.header.spec;
    let matchup = spec.is_of_programs(id).then(|| spec.matchup(&id.matchup)).flatten()?;
    let problem = spec.problem(&id.workload)?;
    let mut blocks: Vec<&ProgramBlock> =
        run.program_blocks.iter().filter(|b| b.cell == *id).collect();
    blocks.sort_by_key(|b| (b.block, b.started_ns));
    let whole = blocks.iter().filter(|b| b.failure.is_none() && b.arms.len() == matchup.arms.len());
    let counted = whole.map(|b| (*b, values(b))).collect();
    Some(Cell { id, matchup, problem, blocks, counted })
}

/// The numbers of a block. A zero was not measured: the kernel's CPU times of very short programs
/// can be zero.
fn values(block: &ProgramBlock) -> BlockValues {
    let of_arm = |run: &ProgramRun| -> BTreeMap<Metric, f64> {
        let all = [
            (Metric::ElapsedNs, run.elapsed_ns),
            (Metric::CpuNs, run.user_ns + run.system_ns),
            (Metric::RssBytesPeak, run.rss_bytes_peak),
        ];
        all.into_iter().filter(|(_, v)| *v > 0).map(|(metric, v)| (metric, v as f64)).collect()
    };
    let arms: Vec<_> = block.arms.iter().map(of_arm).collect();
    let mut contrasts = BTreeMap::new();
    if let [base, head, ..] = &arms[..] {
        // All metrics of programs are better when lower.
        contrasts.extend(
            base.iter()
                .filter_map(|(&metric, base)| Some((metric, head.get(&metric)?.ln() - base.ln()))),
        );
    }
    BlockValues { arms, contrasts, rounds_dropped: 0, histogram_error: None }
}

impl Cell<'_> {
    fn analyse(&self, run: &Run) -> CellAnalysis {
        let values: Vec<&BlockValues> = self.counted.iter().map(|(_, values)| values).collect();
        let of_metric = |m: Metric| metric_analysis(m, self.matchup.arms.len(), &values, None);
        let metrics: Vec<MetricAnalysis> = METRICS.into_iter().filter_map(of_metric).collect();
        let n = self.problem.sizes.get(&self.id.load).copied().unwrap_or(0);
        CellAnalysis {
            id: self.id.clone(),
            question: self.problem.question.clone(),
            load: format!("{}, N = {}", self.id.load, crate::units::thousands(n.into())),
            blocks: self.counted.len() as u32,
            blocks_failed: self.blocks.iter().filter(|b| b.failure.is_some()).count() as u32,
            blocks_set_aside: 0,
            window_ns: None,
            bottleneck: Bottleneck {
                who: Who::Unknown,
                server_busy: vec![],
                generator_busy: vec![],
            },
            metrics,
            rss: vec![],
            errors: vec![],
            warnings: self.warnings(run),
            program: Some(ProgramCell {
                n,
                arms: (0..self.matchup.arms.len()).map(|arm| self.program(run, arm)).collect(),
            }),
        }
    }

    fn program(&self, run: &Run, arm: usize) -> ProgramSummary {
        let origin = run.header.spec.origin(&self.matchup.arms[arm], &self.problem.name);
        let set = origin.map_or("", |set| set.name.as_str());
        let known = run.programs.iter().rfind(|p| p.set == set && p.problem == self.problem.name);
        ProgramSummary {
            set: set.to_owned(),
            source: origin.map_or_else(String::new, |set| set.source_of(&self.problem.name)),
            gz_bytes: known.and_then(|p| p.gz_bytes),
            binary_bytes: known.and_then(|p| p.binary_bytes),
            features: known.map_or_else(Vec::new, |p| p.features.clone()),
            cpu_load: self.cpu_load(arm),
        }
    }

    /// The busy share of each CPU while the program ran, over all blocks together: the kernel
    /// counts in ticks of 10 ms, too few of them in one short run.
    fn cpu_load(&self, arm: usize) -> Vec<f64> {
        let runs = || self.counted.iter().filter_map(|(block, _)| block.arms.get(arm));
        let elapsed_ns: u64 = runs().map(|run| run.elapsed_ns).sum();
        let cpus = runs().map(|run| run.cpu_busy_ns.len()).min().unwrap_or(0);
        let busy = |cpu: usize| runs().map(|run| run.cpu_busy_ns[cpu]).sum::<u64>() as f64;
        (0..cpus).map(|cpu| (busy(cpu) / (elapsed_ns as f64).max(1.0)).min(1.0)).collect()
    }

    fn warnings(&self, run: &Run) -> Vec<Warning> {
        let mut warnings = vec![];
        let (n, all) = (self.counted.len(), self.blocks.len());
        let suite = &run.header.suite;
        if suite.verdicts && n < BLOCKS_MIN as usize {
            let message =
                format!("{n} of {} blocks count, no verdict below {BLOCKS_MIN}", suite.blocks);
            let cure = "run again; if blocks failed, mend that first";
            warnings.push(warning("few_blocks", message, cure));
        }
        let failed = self.blocks.iter().filter(|b| b.failure.is_some()).count();
        if failed > 0 {
            let message = format!("{failed} of {all} blocks failed and do not count");
            let cure = "see the failures for the reason";
            warnings.push(warning("blocks_failed", message, cure));
        }
        let shortest = self.counted.iter().flat_map(|(b, _)| &b.arms).map(|r| r.elapsed_ns).min();
        if suite.verdicts && shortest.is_some_and(|ns| ns < SHORT_NS) {
            let least = shortest.unwrap_or_default() as f64;
            let message = format!(
                "a program ran for {} only, of which starting it is a good part",
                crate::units::nanoseconds(least)
            );
            warnings.push(warning("short_run", message, "choose a larger size"));
        }
        warnings
    }
}

/// Below this, the millisecond or so that starting a process takes is a tenth of the result.
const SHORT_NS: u64 = 10_000_000;
