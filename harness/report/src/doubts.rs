//! Warnings and failures as all reports list them: each once, with where it holds and its hint.

use super::words;
use duet_analysis::{Analysis, CellFailure, FindingLevel};

/// A doubt about numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Doubt {
    /// The machine's finding or the cells it is about; empty for the run as a whole.
    pub(super) at: Vec<String>,
    /// What is doubtful.
    pub(super) message: String,
    /// What to do about it.
    pub(super) hint: Option<String>,
}

/// All doubts: about the machine, the run, its cells. A doubt of many cells is listed once.
pub(super) fn doubts(analysis: &Analysis) -> Vec<Doubt> {
    let findings = analysis.run.findings.iter().filter(|f| f.level != FindingLevel::Good);
    let of_machine = findings.map(|f| Doubt {
        at: vec![f.name.clone()],
        message: format!("{}; {}", f.found, f.effect),
        hint: Some(f.hint.clone()),
    });
    let of_run = analysis.warnings.iter().map(|w| (None, w));
    let cells = analysis.matchups.iter().flat_map(|m| &m.cells);
    let of_cells = cells.flat_map(|c| c.warnings.iter().map(|w| (Some(c.id.to_string()), w)));
    let mut all: Vec<Doubt> = of_machine.collect();
    for (cell, warning) in of_run.chain(of_cells) {
        let same = |d: &&mut Doubt| d.message == warning.message && d.hint == warning.hint;
        match all.iter_mut().find(same) {
            Some(doubt) => doubt.at.extend(cell),
            None => all.push(Doubt {
                at: cell.into_iter().collect(),
                message: warning.message.clone(),
                hint: warning.hint.clone(),
            }),
        }
    }
    all
}

/// A failure in one sentence: where, who, what, how often.
pub(super) fn failure(failed: &CellFailure) -> String {
    let failure = &failed.failure;
    let server = failure.server.as_deref().unwrap_or("a server");
    let what = format!("{server} {}: {}", words::stage(failure.stage), failure.error);
    match &failed.cell {
        Some(cell) if failed.blocks == 0 => format!("{cell}: {what} (not measured)"),
        Some(cell) if failed.blocks == 1 => format!("{cell}: {what} (in one block)"),
        Some(cell) => format!("{cell}: {what} (in {} blocks)", failed.blocks),
        None => what,
    }
}
