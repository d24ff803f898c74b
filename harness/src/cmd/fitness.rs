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
use duet_process::cgroup;

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
    let larger = |cell: &&CellId| !has_cpus(spec, suite, cell);
    if let Some(cell) = suite.cells.iter().find(larger) {
        bail!(
            "this machine cannot measure {cell}: its servers have more CPUs than the suite; raise \
             server_cpus, or take the load out"
        );
    }
    if let Some(why) = suite.cells.iter().find_map(|cell| limits(spec, cell).err()) {
        bail!(
            "this machine cannot limit what servers take: no control groups: {why}; {}",
            cgroup::HOW_TO_ALLOW
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

/// Whether this machine can give servers what a load allows them.
fn limits(spec: &Spec, cell: &CellId) -> Result<(), &'static str> {
    let load = spec
        .load(&cell.load)
        .filter(|load| load.cpu_limit.is_some() || load.memory_limit.is_some());
    let Some(load) = load else { return Ok(()) };
    let groups = cgroup::here()?;
    match load.cpu_limit {
        Some(_) if !groups.limits_cpu => Err("the controller cpu is not enabled"),
        _ => Ok(()),
    }
}

/// Takes out the cells whose loads limit servers where no control groups can be made. A finding
/// says so.
///
/// # Errors
/// When no cell is left.
pub(super) fn leave_out_unlimited(spec: &Spec, suite: &mut Suite) -> Result<Option<Finding>> {
    let why = suite.cells.iter().find_map(|cell| limits(spec, cell).err());
    let Some(why) = why else { return Ok(None) };
    suite.cells.retain(|cell| limits(spec, cell).is_ok());
    let hint = cgroup::HOW_TO_ALLOW;
    ensure!(
        !suite.cells.is_empty(),
        "no cell is left to measure: no control groups: {why}; {hint}"
    );
    Ok(Some(Finding {
        name: "control groups".to_owned(),
        level: FindingLevel::Warning,
        found: format!("none can be made: {why}"),
        effect: "the cells with `cpu_limit` or `memory_limit` are left out".to_owned(),
        hint: hint.to_owned(),
    }))
}

/// Whether a suite has the CPUs that a cell's load gives servers.
fn has_cpus(spec: &Spec, suite: &Suite, cell: &CellId) -> bool {
    let (servers, generator) = (suite.server_cpus as usize, suite.generator_cpus as usize);
    spec.load(&cell.load).is_none_or(|load| load.cpus_of_servers(servers, generator).is_some())
}

/// Takes out the cells whose servers ask for more CPUs than the suite has. A finding says so.
///
/// # Errors
/// When no cell is left.
pub(super) fn leave_out_larger(spec: &Spec, suite: &mut Suite) -> Result<Option<Finding>> {
    let all = suite.cells.len();
    let cells = suite.cells.iter().filter(|cell| has_cpus(spec, suite, cell)).cloned().collect();
    suite.cells = cells;
    let found = format!("{} for servers", duet_units::count(suite.server_cpus as usize, "CPU"));
    ensure!(!suite.cells.is_empty(), "no cell is left to measure: {found}");
    Ok((suite.cells.len() < all).then(|| Finding {
        name: "CPUs of servers".to_owned(),
        level: FindingLevel::Warning,
        found,
        effect: "the cells whose servers have more are left out".to_owned(),
        hint: "measure on a machine with more".to_owned(),
    }))
}

/// Takes out the cells whose connections need more open files than this machine allows. A finding
/// says so. Where that is all of them they stay, and the machine is refused before it measures.
pub(super) fn leave_out_unopened(spec: &Spec, suite: &mut Suite) -> Option<Finding> {
    let allowed = host::files_max()?;
    let wanted = |cell: &CellId| {
        let load = spec.load(&cell.load);
        load.map_or(0, |load| host::files_wanted(load.connections.saturating_add(load.idle)))
    };
    let all: Vec<u64> = suite.cells.iter().map(wanted).collect();
    let (least, most) = (*all.iter().min()?, *all.iter().max()?);
    if most <= allowed || least > allowed {
        return None;
    }
    suite.cells.retain(|cell| wanted(cell) <= allowed);
    Some(Finding {
        name: "open files".to_owned(),
        level: FindingLevel::Warning,
        found: format!("at most {allowed}, {most} needed"),
        effect: "the cells with so many connections are left out".to_owned(),
        hint: "raise the hard limit: ulimit -n, or LimitNOFILE= of the service".to_owned(),
    })
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
