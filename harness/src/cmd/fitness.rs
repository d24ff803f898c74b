//! Cells that this machine cannot measure: their programs need what its CPU has not.

use std::slice::from_ref;

use anyhow::{Result, bail, ensure};

use duet_measure::host;
use duet_model::record::{Finding, FindingLevel};
use duet_model::spec::{CellId, ProgramSet, Spec, Suite};

/// The sets whose programs need what this CPU has not, and what that is.
fn unfit<'a>(
    spec: &'a Spec,
    suite: &'a Suite,
) -> impl Iterator<Item = (&'a ProgramSet, Vec<String>)> {
    let sets = spec.origins(&suite.cells);
    let lacking = sets.map(|set| (set, host::cpu_lacks(&set.needs_cpu)));
    lacking.filter(|(_, lacking)| !lacking.is_empty())
}

/// # Errors
/// When programs need what this CPU has not: what guards a change may not leave out cells.
pub(super) fn refuse_unfit(spec: &Spec, suite: &Suite) -> Result<()> {
    if let Some((set, lacking)) = unfit(spec, suite).next() {
        bail!(
            "this machine cannot measure {}: its CPU has no {}; measure on another, or take the \
             set out",
            set.name,
            lacking.join(", ")
        );
    }
    Ok(())
}

/// Takes out the cells whose programs need what this CPU has not. A finding per set says so.
///
/// # Errors
/// When no cell is left.
pub(super) fn leave_out_unfit(spec: &Spec, suite: &mut Suite) -> Result<Vec<Finding>> {
    let unfit: Vec<(&ProgramSet, Vec<String>)> = unfit(spec, suite).collect();
    let fits = |cell: &CellId| {
        let mut origins = spec.origins(from_ref(cell));
        !origins.any(|origin| unfit.iter().any(|(set, _)| set.name == origin.name))
    };
    let cells: Vec<CellId> = suite.cells.iter().filter(|cell| fits(cell)).cloned().collect();
    let findings: Vec<Finding> = unfit.iter().map(|(set, lacking)| finding(set, lacking)).collect();
    let found = findings.first().map_or("", |finding| &finding.found);
    ensure!(!cells.is_empty(), "no cell is left to measure: {found}");
    suite.cells = cells;
    Ok(findings)
}

fn finding(set: &ProgramSet, lacking: &[String]) -> Finding {
    Finding {
        name: set.name.clone(),
        level: FindingLevel::Warning,
        found: format!("this CPU has no {}", lacking.join(", ")),
        effect: format!("what {} is built for cannot run: its cells are left out", set.name),
        hint: "measure on another CPU, or build for this one (bench/programs.toml)".to_owned(),
    }
}
