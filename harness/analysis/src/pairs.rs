//! A matchup of several arms as pairs: each of its arms with the first.
//!
//! Arms of one cell take turns in one block, and each is compared with the first. A pair has what a
//! matchup of two arms has, and nothing else, so that all that is known of those holds for it; what
//! differs is that the intervals of all pairs hold together ([`family`]).

use std::borrow::Cow;

use duet_model::record::{BlockRecord, Run, ServiceUse};
use duet_model::spec::{CellId, Matchup};
use duet_protocol::WindowResult;

/// The arm of windows, in a block of a pair, in which neither of the pair was driven.
pub(super) const OTHERS: u32 = u32::MAX;

/// What is between a matchup's name and that of the second arm in the name of a pair. No name of
/// the definitions has it.
const SEPARATOR: char = '/';

/// The run with every matchup of three arms or more replaced by its pairs, in its cells and blocks
/// too; the run itself where it has none.
pub(super) fn of(run: &Run) -> Cow<'_, Run> {
    let spec = &run.header.spec;
    if spec.matchups.iter().all(|matchup| matchup.arms.len() <= 2) {
        return Cow::Borrowed(run);
    }
    let arms = |id: &CellId| spec.matchup(&id.matchup).map(|m| &m.arms[..]).filter(|a| a.len() > 2);
    let cells = |id: &CellId| match arms(id) {
        Some(arms) => arms[1..].iter().map(|arm| cell(id, arm)).collect(),
        None => vec![id.clone()],
    };
    let blocks = |block: &BlockRecord| match arms(&block.cell) {
        Some(arms) => (1..arms.len()).map(|arm| paired(block, arms, arm)).collect(),
        None => vec![block.clone()],
    };
    let mut header = run.header.clone();
    header.spec.matchups = spec.matchups.iter().flat_map(pairs).collect();
    header.suite.cells = run.header.suite.cells.iter().flat_map(cells).collect();
    Cow::Owned(Run {
        header,
        blocks: run.blocks.iter().flat_map(blocks).collect(),
        builds: run.builds.clone(),
        programs: run.programs.clone(),
        program_blocks: run.program_blocks.clone(),
        end: run.end.clone(),
        truncated: run.truncated,
    })
}

/// The matchup of several arms that a matchup is a pair of, by their names.
pub(super) fn whole(matchup: &str) -> Option<&str> {
    matchup.split_once(SEPARATOR).map(|(whole, _)| whole)
}

/// The cell as it was measured: of a pair that of its matchup of several arms.
pub(super) fn measured(id: &CellId) -> CellId {
    let matchup = whole(&id.matchup).unwrap_or(&id.matchup).to_owned();
    CellId { matchup, ..id.clone() }
}

/// How many pairs a matchup is one of, itself included.
pub(super) fn family(matchup: &str, all: &[Matchup]) -> usize {
    let Some(whole_name) = whole(matchup) else { return 1 };
    all.iter().filter(|other| whole(&other.name) == Some(whole_name)).count().max(1)
}

fn name(whole: &str, arm: &str) -> String {
    format!("{whole}{SEPARATOR}{arm}")
}

fn cell(id: &CellId, arm: &str) -> CellId {
    CellId { matchup: name(&id.matchup, arm), ..id.clone() }
}

fn pairs(matchup: &Matchup) -> Vec<Matchup> {
    match &matchup.arms[..] {
        [first, others @ ..] if others.len() > 1 => others
            .iter()
            .map(|arm| Matchup {
                name: name(&matchup.name, arm),
                lane: matchup.lane,
                arms: vec![first.clone(), arm.clone()],
            })
            .collect(),
        _ => vec![matchup.clone()],
    }
}

/// What a block says of the first arm and another. One that failed has no arms.
fn paired(block: &BlockRecord, arms: &[String], arm: usize) -> BlockRecord {
    let window = |window: &WindowResult| WindowResult {
        arm: match window.arm as usize {
            0 => 0,
            driven if driven == arm => 1,
            _ => OTHERS,
        },
        server_cpu_ns: pick(&window.server_cpu_ns, arm),
        ..window.clone()
    };
    let service = |used: &ServiceUse| ServiceUse { arms: pick(&used.arms, arm), ..used.clone() };
    BlockRecord {
        cell: cell(&block.cell, &arms[arm]),
        arms: pick(&block.arms, arm),
        services: block.services.iter().map(service).collect(),
        windows: block.windows.iter().map(window).collect(),
        ..block.clone()
    }
}

/// The first of a list with an entry for every arm, and that of another arm.
fn pick<T: Clone>(of_arms: &[T], arm: usize) -> Vec<T> {
    of_arms.first().into_iter().chain(of_arms.get(arm)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use crate::summary::{CellAnalysis, MatchupAnalysis};
    use crate::verdict::Verdict;
    use crate::{Analysis, analyse};
    use duet_model::testing::{Scene, run, third};
    use duet_units::Metric;

    fn pairs(analysis: &Analysis) -> [&MatchupAnalysis; 2] {
        let [beta, gamma] = &analysis.matchups[..] else { panic!("{:?}", analysis.matchups) };
        [beta, gamma]
    }

    fn cpu(of: &CellAnalysis) -> &crate::MetricAnalysis {
        of.metrics.iter().find(|m| m.metric == Metric::CpuNsPerRequest).expect("it is measured")
    }

    #[test]
    fn each_arm_is_compared_with_the_first() {
        let two = run(&Scene::default());
        let (alone, both) = (analyse(&two), analyse(&third(two.clone(), "gamma", 1.1)));
        let [beta, gamma] = pairs(&both);
        assert_eq!((&*beta.name, beta.pair_of.as_deref()), ("pair/beta", Some("pair")));
        assert_eq!((&*gamma.name, gamma.arms[1].server.as_str()), ("pair/gamma", "gamma"));
        assert_eq!(beta.cells[0].id.to_string(), "pair/beta/small/c64");
        let (of_two, of_three) = (&alone.matchups[0].cells[0], &beta.cells[0]);
        // The third arm's windows change nothing but the confidence.
        for (two, three) in of_two.metrics.iter().zip(&of_three.metrics) {
            assert_eq!((two.metric, &two.log_ratios), (three.metric, &three.log_ratios));
            assert_eq!(two.values, three.values, "{:?}", two.metric);
            let confidence =
                |m: &crate::MetricAnalysis| m.ratio.unwrap().interval.unwrap().confidence;
            assert!(confidence(three) > 0.975 && confidence(two) < 0.975, "{:?}", two.metric);
        }
        assert_eq!(of_two.bottleneck, of_three.bottleneck);
        assert_eq!(of_two.warnings, of_three.warnings);
        let ratio = cpu(&gamma.cells[0]).ratio.unwrap();
        assert!((ratio.value - 1.1).abs() < 0.001, "{ratio:?}");
        assert_eq!(cpu(&gamma.cells[0]).verdict, Verdict::Slower);
        // What was measured once counts once.
        assert_eq!((both.run.blocks, both.run.blocks_planned), (8, 8));
        assert_eq!((both.warnings.len(), both.servers.len()), (0, 3));
    }

    /// Windows of a third arm between two of one arm leave the second of them cold.
    #[test]
    fn cold_windows_are_those_behind_any_other_arm() {
        let all = analyse(&third(run(&Scene::default()), "gamma", 1.1));
        let [beta, _] = pairs(&all);
        // Beta's two windows of a round have gamma's between them, and the first arm's never.
        assert_eq!(beta.cells[0].switching, None, "no window of beta is warm");
    }

    #[test]
    fn too_few_blocks_for_all_together() {
        let two = run(&Scene { blocks: 6, ..Scene::default() });
        assert_eq!(cpu(&analyse(&two).matchups[0].cells[0]).verdict, Verdict::Slower);
        let all = analyse(&third(two, "gamma", 1.1));
        let [beta, _] = pairs(&all);
        let of_beta = cpu(&beta.cells[0]);
        assert_eq!(
            (of_beta.verdict, of_beta.ratio.unwrap().interval),
            (Verdict::Inconclusive, None)
        );
        let reason = "6 blocks: too few for intervals that hold for all arms together";
        assert_eq!(of_beta.reason.as_deref(), Some(reason));
    }

    #[test]
    fn failures_are_told_once() {
        let mut three = third(run(&Scene::default()), "gamma", 1.1);
        let failed = &mut three.blocks[0];
        failed.arms.clear();
        failed.windows.clear();
        failed.failure = Some(crate::Failure {
            stage: crate::Stage::Drive,
            server: Some("gamma".to_owned()),
            error: "it died".to_owned(),
            stderr: vec![],
        });
        let all = analyse(&three);
        assert_eq!(all.failures.len(), 1);
        let cell = all.failures[0].cell.as_ref().map(ToString::to_string);
        assert_eq!(cell.as_deref(), Some("pair/small/c64"), "as it was measured");
        assert_eq!((all.run.blocks, pairs(&all)[0].cells[0].blocks), (7, 7));
    }
}
