//! Cells of programs: whole runs, one of each arm a block.

use std::collections::BTreeMap;

use crate::cell::{arms, is_control};
use crate::estimates::{geometric, metric_analysis, tail};
use crate::means::{self, Part};
use crate::summary::{
    Bottleneck, CellAnalysis, Estimate, LeftOut, MatchupAnalysis, Mean, MetricAnalysis,
    ProgramCell, ProgramSummary, Warning, Who,
};
use crate::values::{BlockValues, arm_log_ratios};
use crate::verdict::BLOCKS_MIN;
use duet_model::record::{ProgramBlock, ProgramRun, Run};
use duet_model::spec::{CellId, Matchup, Problem};
use duet_stats::TAIL;
use duet_units::{Metric, nanoseconds};

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
        matchups.push(MatchupAnalysis {
            name: cell.matchup.name.clone(),
            lane: cell.matchup.lane,
            control: is_control(cell.matchup),
            programs: true,
            arms: arms(cell.matchup, &run.header.spec),
            cells: own.iter().map(|cell| cell.analyse(run)).collect(),
            starts: vec![],
            means: Metric::OF_PROGRAMS.into_iter().filter_map(|m| mean(m, &own)).collect(),
            equal_utilisation: vec![],
            pair_of: None,
        });
    }
    matchups
}

/// A mean is not over programs that end before this: what starting a process takes is a tenth of
/// their time, the same for both, and makes every ratio smaller than it is.
const MEAN_NS_MIN: f64 = 50e6;

/// The mean of a metric over the programs of a matchup, each problem at its largest size.
fn mean(metric: Metric, own: &[&Cell<'_>]) -> Option<Mean> {
    let mut parts = vec![];
    let mut left_out = vec![];
    for cell in own.iter().filter(|cell| !cell.counted.is_empty()) {
        let same = |other: &&&Cell<'_>| other.id.workload == cell.id.workload;
        let largest = own.iter().filter(same).map(|other| other.n()).max();
        let reason = match cell.shortest_ns() {
            _ if largest > Some(cell.n()) => "it was measured at a larger size too".to_owned(),
            ns if ns < MEAN_NS_MIN => {
                format!("a program takes less than {}", nanoseconds(MEAN_NS_MIN))
            }
            _ => {
                parts.push(Part {
                    cell: cell.id,
                    kind: &cell.id.workload,
                    blocks: cell.counted.iter().map(|(_, values)| values).collect(),
                });
                continue;
            }
        };
        left_out.push(LeftOut { cell: cell.id.clone(), reason });
    }
    means::mean(metric, &parts, left_out, TAIL)
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
    let whole = blocks.iter().filter(|b| counts(b) && b.arms.len() == matchup.arms.len());
    let n = problem.sizes.get(&id.load).copied();
    let counted = whole.map(|b| (*b, values(b, n))).collect();
    Some(Cell { id, matchup, problem, blocks, counted })
}

/// Whether a block counts: it ran to its end, undisturbed.
fn counts(block: &ProgramBlock) -> bool {
    block.failure.is_none() && block.discarded.is_none()
}

/// The ratio of elapsed times of a cell of programs so far, for display while the run goes on.
#[must_use]
pub fn running_program_ratio(blocks: &[ProgramBlock], cell: &CellId) -> Option<Estimate> {
    let log_ratio = |block| values(block, None).log_ratios.get(&Metric::ElapsedNs).copied();
    let of_cell = blocks.iter().filter(|b| b.cell == *cell && counts(b));
    geometric(&of_cell.filter_map(log_ratio).collect::<Vec<_>>())
}

/// The numbers of a block at N, where N is known. A zero was not measured: the kernel's CPU times
/// of very short programs can be zero.
fn values(block: &ProgramBlock, n: Option<u32>) -> BlockValues {
    let of_arm = |run: &ProgramRun| -> BTreeMap<Metric, f64> {
        let all = [
            (Metric::ElapsedNs, run.elapsed_ns as f64),
            (Metric::CpuNs, (run.user_ns + run.system_ns) as f64),
            (Metric::RssBytesPeak, run.rss_bytes_peak as f64),
            (Metric::RssBytesPerUnit, n.and_then(|n| per_unit(run, n)).unwrap_or(0.0)),
        ];
        all.into_iter().filter(|(_, value)| *value > 0.0).collect()
    };
    let arms: Vec<_> = block.arms.iter().map(of_arm).collect();
    let log_ratios = arm_log_ratios(&arms);
    BlockValues {
        arms,
        log_ratios,
        rounds_dropped: 0,
        histogram_error: None,
        open: vec![],
        search: vec![],
    }
}

/// Memory per unit: the slope of peak memory from N = 1 on. Too few units to be seen in whole pages
/// have none.
fn per_unit(run: &ProgramRun, n: u32) -> Option<f64> {
    let units = n.checked_sub(Problem::BASE_N).filter(|units| *units > 0)?;
    let grown = run.rss_bytes_peak.saturating_sub(run.rss_bytes_base?);
    Some(grown as f64 / f64::from(units))
}

impl Cell<'_> {
    fn n(&self) -> u32 {
        self.problem.sizes.get(&self.id.load).copied().unwrap_or(0)
    }

    /// The median time of the arm that is faster.
    fn shortest_ns(&self) -> f64 {
        let median = |arm: usize| {
            let runs = self.counted.iter().filter_map(|(block, _)| block.arms.get(arm));
            let times: Vec<f64> = runs.map(|run| run.elapsed_ns as f64).collect();
            if times.is_empty() { 0.0 } else { duet_stats::median(&times) }
        };
        (0..self.matchup.arms.len()).map(median).fold(f64::INFINITY, f64::min)
    }

    fn analyse(&self, run: &Run) -> CellAnalysis {
        let values: Vec<&BlockValues> = self.counted.iter().map(|(_, values)| values).collect();
        let tail = tail(self.counted.iter().map(|(block, _)| block.started_ns));
        let arms = self.matchup.arms.len();
        let of_metric = |m: Metric| metric_analysis(m, arms, &values, None, tail);
        let metrics: Vec<MetricAnalysis> =
            Metric::OF_PROGRAMS.into_iter().filter_map(of_metric).collect();
        let n = self.n();
        CellAnalysis {
            id: self.id.clone(),
            question: self.problem.question.clone(),
            load: format!("{}, N = {}", self.id.load, duet_units::thousands(n.into())),
            blocks: self.counted.len() as u32,
            blocks_failed: self.blocks.iter().filter(|b| b.failure.is_some()).count() as u32,
            blocks_discarded: self.blocks.iter().filter(|b| b.discarded.is_some()).count() as u32,
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
            server_cpus: None,
            open: None,
            search: None,
            memory_search: None,
            long: None,
            switching: None,
            program: Some(ProgramCell {
                n,
                unit: self.problem.unit.clone(),
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
            let hint = "run again; if blocks failed, mend that first";
            warnings.push(Warning::new("few_blocks", message, hint));
        }
        let failed = self.blocks.iter().filter(|b| b.failure.is_some()).count();
        if failed > 0 {
            let message = format!("{failed} of {all} blocks failed and do not count");
            let hint = "see the failures for the reason";
            warnings.push(Warning::new("blocks_failed", message, hint));
        }
        let shortest = self.counted.iter().flat_map(|(b, _)| &b.arms).map(|r| r.elapsed_ns).min();
        if suite.verdicts && shortest.is_some_and(|ns| ns < SHORT_NS) {
            let least = shortest.unwrap_or_default() as f64;
            let message = format!(
                "a program ran for {} only, of which starting it is a good part",
                nanoseconds(least)
            );
            warnings.push(Warning::new("short_run", message, "choose a larger size"));
        }
        warnings
    }
}

/// Below this, the millisecond or so that starting a process takes is a tenth of the result.
const SHORT_NS: u64 = 10_000_000;

#[cfg(test)]
mod tests;
