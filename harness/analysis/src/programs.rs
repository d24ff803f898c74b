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
    means::mean(metric, &parts, left_out)
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
            open: None,
            search: None,
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
mod tests {
    use crate::verdict::Verdict;
    use crate::{Analysis, Standing, analyse};
    use duet_model::record::{Failure, ProgramBlock, Stage};
    use duet_model::spec::{CellId, Problem, Published, PublishedRow};
    use duet_model::testing::programs;
    use duet_units::Metric;

    fn elapsed(analysis: &Analysis, cell: usize) -> &crate::MetricAnalysis {
        let metrics = &analysis.matchups[0].cells[cell].metrics;
        metrics.iter().find(|m| m.metric == Metric::ElapsedNs).expect("elapsed time")
    }

    #[test]
    fn programs_come_before_servers_with_ratios_and_means() {
        let analysis = analyse(&programs(8, 1.25));
        let names: Vec<&str> = analysis.matchups.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(names, ["programs", "pair"]);
        assert_eq!((analysis.run.blocks, analysis.run.blocks_planned), (24, 24));
        for cell in 0..2 {
            let found = elapsed(&analysis, cell);
            let ratio = found.ratio.expect("a ratio");
            assert!((1.245..1.265).contains(&ratio.value), "{ratio:?}");
            assert_eq!((found.verdict, ratio.n), (Verdict::Slower, 8));
        }
        let matchup = &analysis.matchups[0];
        let means: Vec<(Metric, usize)> =
            matchup.means.iter().map(|m| (m.metric, m.cells.len())).collect();
        let want = [Metric::ElapsedNs, Metric::CpuNs, Metric::RssBytesPeak].map(|m| (m, 2));
        assert_eq!(means, want);
        let program = matchup.cells[1].program.as_ref().expect("programs");
        assert_eq!(program.n, 1000);
        let second = &program.arms[1];
        assert_eq!((second.set.as_str(), second.source.as_str()), ("base", "src/y"));
        assert_eq!(
            (second.gz_bytes, &second.features[..]),
            (Some(900), &["threads".to_owned()][..])
        );
        assert!((second.cpu_load[0] - 1.0).abs() < 1e-9 && (second.cpu_load[1] - 0.5).abs() < 1e-9);
        let cell = &matchup.cells[0];
        assert_eq!((cell.load.as_str(), cell.warnings.len()), ("large, N = 1,000", 0));
    }

    /// A run at N = 1 takes 100 MiB of the 200 and more; N is 1,000.
    #[test]
    fn memory_per_unit_is_what_grows_with_n() {
        let mut run = programs(8, 1.5);
        run.header.spec.problems[0].unit = Some("thing".to_owned());
        for block in run.program_blocks.iter_mut().filter(|b| b.cell.workload == "x") {
            for arm in &mut block.arms {
                arm.rss_bytes_base = Some(100 << 20);
            }
        }
        let analysis = analyse(&run);
        let [with, without] = &analysis.matchups[0].cells[..] else { panic!("two cells") };
        let of = |cell: &crate::CellAnalysis| {
            cell.metrics.iter().find(|m| m.metric == Metric::RssBytesPerUnit).cloned()
        };
        let found = of(with).expect("one was measured");
        let mib = found.arms[0].value * 999.0 / 1024.0 / 1024.0;
        assert!((103.0..104.0).contains(&mib), "{found:?}");
        let ratio = found.ratio.expect("a ratio").value;
        assert!((1.95..2.05).contains(&ratio) && found.verdict == Verdict::Slower, "{found:?}");
        assert_eq!(with.program.as_ref().and_then(|p| p.unit.as_deref()), Some("thing"));
        assert_eq!(of(without), None);
        assert!(!analysis.matchups[0].means.iter().any(|m| m.metric == Metric::RssBytesPerUnit));
    }

    #[test]
    fn failed_blocks_do_not_count() {
        let mut run = programs(6, 1.25);
        let failure = Failure {
            stage: Stage::Run,
            server: Some("two".to_owned()),
            error: "it ran longer than 1 s and was killed".to_owned(),
            stderr: vec![],
        };
        run.program_blocks[0].arms.clear();
        run.program_blocks[0].failure = Some(failure.clone());
        run.programs[0].failure = Some(failure);
        let analysis = analyse(&run);
        assert_eq!(elapsed(&analysis, 0).verdict, Verdict::Inconclusive);
        let cells = &analysis.matchups[0].cells;
        let codes: Vec<&str> = cells[0].warnings.iter().map(|w| w.code.as_str()).collect();
        assert_eq!(codes, ["few_blocks", "blocks_failed"]);
        // A program that failed its check is a failure of each cell that needs it.
        let failed: Vec<(String, u32)> = analysis
            .failures
            .iter()
            .map(|f| (f.cell.as_ref().map(|c| c.workload.clone()).unwrap_or_default(), f.blocks))
            .collect();
        assert_eq!(failed, [("y".to_owned(), 0), ("x".to_owned(), 1)]);
    }

    #[test]
    fn blocks_discarded_do_not_count() {
        let mut run = programs(6, 1.25);
        let mut disturbed = run.program_blocks[0].clone();
        disturbed.arms[1].elapsed_ns *= 9;
        disturbed.discarded = Some("other processes".to_owned());
        run.program_blocks.insert(0, disturbed);
        let before = elapsed(&analyse(&programs(6, 1.25)), 0).clone();
        let analysis = analyse(&run);
        assert_eq!(*elapsed(&analysis, 0), before);
        let cell = &analysis.matchups[0].cells[0];
        assert_eq!((cell.blocks, cell.blocks_discarded), (6, 1));
        let running = crate::running_program_ratio(&run.program_blocks, &cell.id);
        assert_eq!(running, before.ratio);
    }

    #[test]
    fn disturbances() {
        let run = programs(1, 1.25);
        let block = &run.program_blocks[0];
        let check = |foreign_ms: u64, stolen_ms: [u64; 2], times: u64, want: Option<&str>| {
            let mut block = block.clone();
            block.arms[0].foreign_cpu_ns = foreign_ms * 1_000_000;
            for (arm, stolen_ms) in block.arms.iter_mut().zip(stolen_ms) {
                arm.elapsed_ns *= times;
                arm.stolen_ns = stolen_ms * 1_000_000;
            }
            let got = crate::program_disturbance(&block, &run.header);
            assert_eq!(got.as_deref(), want, "{foreign_ms} {stolen_ms:?} {times}");
        };
        // 450 ms in all, on two CPUs: 5 % are 45 ms, less than five ticks.
        check(0, [0, 0], 1, None);
        check(49, [0, 0], 1, None);
        check(90, [0, 0], 1, Some("other processes took 10 % of the CPUs"));
        check(90, [0, 0], 4, None);
        check(0, [49, 0], 1, None);
        check(0, [60, 60], 1, None);
        check(
            0,
            [0, 100],
            1,
            Some("the hypervisor stole 20 % of one arm's time and 0 % of the other's"),
        );
    }

    #[test]
    fn published_figures_are_compared_in_their_own_order_of_languages() {
        let row = |secs: [f64; 2]| PublishedRow {
            problem: "x".to_owned(),
            secs: secs.to_vec(),
            mem_kb: None,
            gz_bytes: None,
            busy_secs: None,
            cpu_load: None,
            plain_secs: None,
            figure: None,
            note: None,
        };
        let cases = [
            (["Rust", "Go"], [1.0, 1.5], 1.25, Standing::Stands),
            (["Rust", "Go"], [1.0, 9.0], 1.25, Standing::Shrunk),
            (["Go", "Rust"], [1.0, 1.5], 0.8, Standing::Reversed),
        ];
        for (languages, secs, today, standing) in cases {
            let mut run = programs(8, 1.25);
            run.header.spec.published = vec![Published {
                date: "2020-01-01".to_owned(),
                about: String::new(),
                languages: languages.map(str::to_owned).to_vec(),
                rows: vec![row(secs), PublishedRow { problem: "z".to_owned(), ..row(secs) }],
            }];
            let analysis = analyse(&run);
            let [table] = &analysis.published[..] else { panic!("one table") };
            assert_eq!(table.rows.len(), 1, "what was not measured is left out");
            let found = &table.rows[0].today[0];
            assert!((found.ratio.value / today - 1.0).abs() < 0.02, "{found:?}");
            assert_eq!(found.standing, standing, "{languages:?} {secs:?}");
            assert!((table.today[0].ratio.value / today - 1.0).abs() < 0.02);
        }
    }

    /// A matchup of the same languages over problems that a table has not is no part of its means.
    #[test]
    fn published_figures_stand_beside_matchups_of_their_problems() {
        let mut run = programs(8, 1.25);
        let row = PublishedRow {
            problem: "x".to_owned(),
            secs: vec![1.0, 1.5],
            mem_kb: None,
            gz_bytes: None,
            busy_secs: None,
            cpu_load: None,
            plain_secs: None,
            figure: None,
            note: None,
        };
        let languages = ["Rust", "Go"].map(str::to_owned).to_vec();
        let (date, about) = ("2020-01-01".to_owned(), String::new());
        run.header.spec.published = vec![Published { date, about, languages, rows: vec![row] }];
        let spec = &mut run.header.spec;
        let mut other = spec.matchups.last().cloned().expect("one of programs");
        other.name = "others".to_owned();
        spec.matchups.push(other);
        let z = Problem { name: "z".to_owned(), ..spec.problems[1].clone() };
        spec.problems.push(z);
        let of_y = |block: &&ProgramBlock| block.cell.workload == "y";
        let blocks: Vec<ProgramBlock> = run.program_blocks.iter().filter(of_y).cloned().collect();
        for problem in ["y", "z"] {
            let [matchup, workload, load] = ["others", problem, "large"].map(str::to_owned);
            let cell = CellId { matchup, workload, load };
            let moved = blocks.iter().map(|b| ProgramBlock { cell: cell.clone(), ..b.clone() });
            run.program_blocks.extend(moved);
            run.header.suite.cells.push(cell);
        }
        let today = &analyse(&run).published[0].today;
        let matchups: Vec<&str> = today.iter().map(|mean| mean.matchup.as_str()).collect();
        assert_eq!(matchups, ["programs"]);
    }
}
