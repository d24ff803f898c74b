//! A gate's experiment: look by look, and once more where it finds a regression.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::comparison::CONFIRMATION;
use super::exit::CommandError;
use super::folders;
use super::recording::Recording;
use super::session::{self, Session};
use duet_analysis::comparison::{Decision, is_identical, next, regressions};
use duet_model::record::{self, Question, Run};
use duet_model::spec::CellId;
use duet_process::interrupt::Interrupted;
use duet_stats::SplitMix64;
use duet_units::Metric;

/// The cells that there is something to measure of: what is usable, and not the same in both
/// versions.
pub(super) fn cells(prepared: &Run, even_identical: bool) -> BTreeSet<CellId> {
    let mut cells = session::usable(prepared);
    cells.retain(|cell| even_identical || !is_identical(prepared, cell));
    cells
}

/// The experiment of these cells and, where it finds a regression, the one that must confirm it.
pub(super) fn carry_out(
    session: &Session,
    folder: &Path,
    prepared: Run,
    cells: BTreeSet<CellId>,
) -> Result<()> {
    let mut again = Run { blocks: vec![], program_blocks: vec![], ..prepared.clone() };
    let recording = Recording::begin(session, folder, prepared)?;
    let run = sequence(recording, cells, None)?;
    if let Some(signal) = run.end.as_ref().and_then(|end| end.interrupted) {
        session.progress.print(&Interrupted(signal).to_string());
        return Ok(());
    }
    let called = regressions(&run);
    if called.is_empty() {
        return Ok(());
    }
    session.progress.print(&format!(
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
    folders::make(&folder)?;
    take_up(&folder, &mut again);
    let recording = Recording::begin(session, &folder, again)?;
    sequence(recording, cells, Some(&called))?;
    Ok(())
}

/// Whether the experiment that confirms the one in `folder` came to its end.
pub(super) fn is_confirmed(folder: &Path) -> bool {
    let ended = |run: Run| run.end.is_some_and(|end| end.interrupted.is_none());
    record::read(&folder.join(CONFIRMATION)).is_ok_and(ended)
}

/// Adds what an interrupted experiment in a folder measured; its seed follows from the first one's.
/// A record whose first line was cut off holds nothing.
fn take_up(folder: &Path, prepared: &mut Run) {
    let same = |earlier: &Run| earlier.header.seed == prepared.header.seed;
    if let Some(earlier) = record::read(folder).ok().filter(same) {
        (prepared.blocks, prepared.program_blocks) = (earlier.blocks, earlier.program_blocks);
    }
}

/// Measures from look to look until all is decided, nothing more can be, or the time is up.
fn sequence(
    mut recording: Recording<'_>,
    cells: BTreeSet<CellId>,
    called: Option<&BTreeSet<(CellId, Metric)>>,
) -> Result<Run> {
    let outcome = look_by_look(&mut recording, cells, called);
    recording.close(outcome)
}

/// Returns why it stopped before all was decided, if so.
fn look_by_look(
    recording: &mut Recording<'_>,
    mut cells: BTreeSet<CellId>,
    called: Option<&BTreeSet<(CellId, Metric)>>,
) -> Result<Option<String>, CommandError> {
    let experiment = recording.run.header.experiment.clone();
    let Some(policy) = experiment.and_then(|experiment| experiment.gate) else {
        unreachable!("a gate has a policy")
    };
    let budget = Duration::from_secs(u64::from(policy.budget_s));
    let mut until = policy.looks.first().map_or(0, |look| look.blocks);
    while !cells.is_empty() {
        let forecast = recording.elapsed() + recording.forecast(&cells, until);
        let any = recording.run.attempts().next().is_some();
        if any && forecast > budget {
            return Ok(Some(format!(
                "the time was up: the next look, after {until} blocks, would have taken {} in all \
                 and the budget is {}",
                duet_units::minutes(forecast.as_secs()),
                duet_units::minutes(budget.as_secs())
            )));
        }
        recording.measure(&cells, until)?;
        if recording.run.attempts().any(|attempt| attempt.failure.is_some()) {
            return Ok(Some("a block failed".to_owned()));
        }
        match next(&recording.run, called) {
            Decision::Decided(_) => return Ok(None),
            Decision::Futile(reason) => return Ok(Some(reason)),
            Decision::GoOn { cells: undecided, until_blocks } => {
                let short = |cell: &&CellId| recording.counted(cell) < until_blocks;
                if until_blocks <= until || !undecided.iter().any(|cell| short(&cell)) {
                    return Ok(Some("too many blocks do not count".to_owned()));
                }
                (cells, until) = (undecided, until_blocks);
            }
        }
    }
    Ok(None)
}
