//! A gate's experiment: look by look, and once more where it finds a regression.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::comparison::CONFIRMATION;
use super::experiment::{self, RunningExperiment, Tools};
use duet_analysis::comparison::{Decision, is_identical, next, regressions};
use duet_model::record::{self, Question, Run};
use duet_model::spec::CellId;
use duet_process::interrupt::Interrupted;
use duet_stats::SplitMix64;
use duet_units::Metric;

/// The experiment and, where it finds a regression, the one that must confirm it.
pub(super) fn carry_out(
    tools: &Tools,
    folder: &Path,
    begun: Run,
    even_identical: bool,
) -> Result<()> {
    let mut cells = experiment::usable(&begun);
    let mut again = Run { blocks: vec![], program_blocks: vec![], ..begun.clone() };
    let under_way = RunningExperiment::begin(tools, folder, begun)?;
    if !even_identical {
        cells.retain(|cell| !is_identical(&under_way.run, cell));
    }
    let run = sequence(under_way, cells, None)?;
    if let Some(signal) = run.end.as_ref().and_then(|end| end.interrupted) {
        tools.progress.print(&Interrupted(signal).to_string());
        return Ok(());
    }
    let called = regressions(&run);
    if called.is_empty() {
        return Ok(());
    }
    tools.progress.print(&format!(
        "{} found; a second experiment must confirm {}.",
        duet_units::count(called.len(), "regression"),
        if called.len() == 1 { "it" } else { "them" }
    ));
    let cells: BTreeSet<CellId> = called.iter().map(|(cell, _)| cell.clone()).collect();
    again.header.seed = SplitMix64::new(again.header.seed).next();
    again.header.suite.cells.retain(|cell| cells.contains(cell));
    if let Some(experiment) = &mut again.header.experiment {
        experiment.question = Question::Confirm;
    }
    let folder = folder.join(CONFIRMATION);
    fs::create_dir_all(&folder)
        .with_context(|| format!("failed to create {}", folder.display()))?;
    take_up(&folder, &mut again);
    let under_way = RunningExperiment::begin(tools, &folder, again)?;
    sequence(under_way, cells, Some(&called))?;
    Ok(())
}

/// Whether the experiment that confirms the one in `folder` came to its end.
pub(super) fn is_confirmed(folder: &Path) -> bool {
    let ended = |run: Run| run.end.is_some_and(|end| end.interrupted.is_none());
    record::read(&folder.join(CONFIRMATION)).is_ok_and(ended)
}

/// Adds what an interrupted experiment in a folder measured; its seed follows from the first one's.
/// A record whose first line was cut off holds nothing.
fn take_up(folder: &Path, begun: &mut Run) {
    let same = |earlier: &Run| earlier.header.seed == begun.header.seed;
    if let Some(earlier) = record::read(folder).ok().filter(same) {
        (begun.blocks, begun.program_blocks) = (earlier.blocks, earlier.program_blocks);
    }
}

/// Measures from look to look until all is decided, nothing more can be, or the time is up.
fn sequence(
    mut under_way: RunningExperiment<'_>,
    cells: BTreeSet<CellId>,
    called: Option<&BTreeSet<(CellId, Metric)>>,
) -> Result<Run> {
    let outcome = look_by_look(&mut under_way, cells, called);
    under_way.end(outcome)
}

/// Returns why it stopped before all was decided, if so.
fn look_by_look(
    under_way: &mut RunningExperiment<'_>,
    mut cells: BTreeSet<CellId>,
    called: Option<&BTreeSet<(CellId, Metric)>>,
) -> Result<Option<String>> {
    let experiment = under_way.run.header.experiment.clone();
    let Some(policy) = experiment.and_then(|experiment| experiment.gate) else {
        unreachable!("a gate has a policy")
    };
    let budget = Duration::from_secs(u64::from(policy.budget_s));
    let mut until = policy.looks.first().map_or(0, |look| look.blocks);
    while !cells.is_empty() {
        let forecast = under_way.elapsed() + under_way.forecast(&cells, until);
        let any = under_way.run.attempts().next().is_some();
        if any && forecast > budget {
            return Ok(Some(format!(
                "the time was up: the next look, after {until} blocks, would have taken {} in all \
                 and the budget is {}",
                duet_units::minutes(forecast.as_secs()),
                duet_units::minutes(budget.as_secs())
            )));
        }
        under_way.measure(&cells, until)?;
        if under_way.run.attempts().any(|attempt| attempt.failure.is_some()) {
            return Ok(Some("a block failed".to_owned()));
        }
        match next(&under_way.run, called) {
            Decision::Decided(_) => return Ok(None),
            Decision::Futile(reason) => return Ok(Some(reason)),
            Decision::GoOn { cells: undecided, until_blocks } => {
                let short = |cell: &&CellId| under_way.counted(cell) < until_blocks;
                if until_blocks <= until || !undecided.iter().any(|cell| short(&cell)) {
                    return Ok(Some("too many blocks do not count".to_owned()));
                }
                (cells, until) = (undecided, until_blocks);
            }
        }
    }
    Ok(None)
}
