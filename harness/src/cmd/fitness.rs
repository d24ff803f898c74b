//! Cells that this machine cannot measure: their programs need what its CPU has not, or their
//! servers a service that is not installed.

use std::slice::from_ref;

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::folders::PostgresFolder;

use duet_measure::host;
use duet_measure::services::{self, Services};
use duet_model::record::{Finding, FindingLevel};
use duet_model::spec::{CellId, ProgramSet, Service, Spec, Suite};

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
pub(super) fn refuse_unfit(spec: &Spec, suite: &Suite, services: &Services) -> Result<()> {
    if let Some((set, lacking)) = unfit(spec, suite).next() {
        bail!(
            "this machine cannot measure {}: its CPU has no {}; measure on another, or take the \
             set out",
            set.name,
            lacking.join(", ")
        );
    }
    for service in spec.needed(&suite.cells) {
        let found = services.find(service);
        found.with_context(|| format!("this machine cannot measure with {}", service.name))?;
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

/// Takes out the cells that need a service which is not there. A finding per service says so.
///
/// # Errors
/// When no cell is left.
pub(super) fn leave_out_absent(
    spec: &Spec,
    suite: &mut Suite,
    (postgres, root): (&PostgresFolder, &Path),
) -> Result<Vec<Finding>> {
    let absent = postgres.absent(spec.needed(&suite.cells), root)?;
    let needs = |cell: &CellId, name: &String| {
        spec.workload(&cell.workload).is_some_and(|workload| workload.services.contains(name))
    };
    suite.cells.retain(|cell| !absent.iter().any(|(service, _)| needs(cell, &service.name)));
    let found = absent.first().map_or("", |(_, why)| why.as_str());
    ensure!(!suite.cells.is_empty(), "no cell is left to measure: {found}");
    let finding = |(service, why): &(&Service, String)| Finding {
        name: service.name.clone(),
        level: FindingLevel::Warning,
        found: why.split(": ").next().unwrap_or(why).to_owned(),
        effect: "the cells that need it are left out".to_owned(),
        hint: services::HOW_TO_GET.to_owned(),
    };
    Ok(absent.iter().map(finding).collect())
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
