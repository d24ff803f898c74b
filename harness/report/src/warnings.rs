//! Warnings and failures as all reports list them: each once, with where it holds and its hint.

use super::document::Item;
use super::wording;
use duet_analysis::{Analysis, CellFailure, FindingLevel, Side};

/// All warnings: about the machine, the run, its cells. What many cells have in common is listed
/// once.
pub(super) fn warnings(analysis: &Analysis) -> Vec<Item> {
    let item = |name: String, message: String, hint: Option<String>| Item {
        name,
        text: message.into(),
        hint,
        ..Item::default()
    };
    let findings = analysis.run.findings.iter().filter(|f| f.level != FindingLevel::Good);
    let of_machine = findings
        .map(|f| item(f.name.clone(), format!("{}; {}", f.found, f.effect), Some(f.hint.clone())));
    let of_run = analysis.warnings.iter().map(|w| (String::new(), w));
    let cells = analysis.matchups.iter().flat_map(|m| &m.cells);
    let of_cells = cells.flat_map(|c| c.warnings.iter().map(|w| (c.id.to_string(), w)));
    let mut all: Vec<Item> = of_machine.collect();
    for (cell, warning) in of_run.chain(of_cells) {
        let same = |i: &&mut Item| i.text.text == warning.message && i.hint == warning.hint;
        match all.iter_mut().find(same) {
            Some(item) => item.name += &format!(", {cell}"),
            None => all.push(item(cell, warning.message.clone(), warning.hint.clone())),
        }
    }
    all
}

/// What failed, with what it wrote and what to do about it.
pub(super) fn failures(failures: &[CellFailure]) -> Vec<Item> {
    let item = |failed: &CellFailure| Item {
        name: String::new(),
        text: failure(failed).into(),
        hint: Some(wording::hint(failed.failure.stage).to_owned()),
        quoted: failed.failure.stderr.clone(),
        ..Item::default()
    };
    failures.iter().map(item).collect()
}

/// A failure in one sentence: where, who, what, how often.
pub(super) fn failure(failed: &CellFailure) -> String {
    let failure = &failed.failure;
    let server = failure.server.as_deref().unwrap_or("a server");
    let side = match failed.side {
        None => "",
        Some(Side::Base) => "BASE: ",
        Some(Side::Head) => "HEAD: ",
    };
    let what = format!("{side}{server} {}: {}", wording::stage(failure.stage), failure.error);
    match &failed.cell {
        Some(cell) if failed.blocks == 0 => format!("{cell}: {what} (not measured)"),
        Some(cell) if failed.blocks == 1 => format!("{cell}: {what} (in one block)"),
        Some(cell) => format!("{cell}: {what} (in {} blocks)", failed.blocks),
        None => what,
    }
}
