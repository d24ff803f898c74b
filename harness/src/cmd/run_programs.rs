//! The part of `duet run` and of comparisons that is about programs.

use anyhow::{Result, bail, ensure};

use super::blocks::REPEATED_SHARE;
use crate::cmd::progress::Progress;
use duet_measure::programs::{self, ProgramCache, ProgramContext};
use duet_measure::{build, host};
use duet_model::plan::BlockPlan;
use duet_model::record::{
    BuildRecord, Finding, FindingLevel, ProgramBlock, ProgramRecord, Record, RunHeader, Writer,
};
use duet_model::spec::{CellId, ProgramSet, Spec, Suite};

/// Builds a set and checks those of its programs that the suite needs. What fails is in the
/// records; of a set that cannot be built there are none of programs.
pub(super) fn prepare(
    context: &ProgramContext<'_>,
    suite: &Suite,
    memory: &mut ProgramCache,
    set: &ProgramSet,
    progress: &Progress,
) -> Result<(BuildRecord, Vec<ProgramRecord>)> {
    let wanted = |problem: &str| {
        let of_problem = suite.cells.iter().filter(|cell| cell.workload == problem);
        let mut origins = of_problem.flat_map(|cell| origins(context.spec, cell));
        origins.any(|origin| origin.name == set.name)
    };
    progress.say(&format!("building and checking {}", set.name));
    let build = build::build(set, context.root_of(set), context.interrupt)?;
    if let Some(failure) = &build.failure {
        progress.print(&format!("{} cannot be measured: {failure}", set.name));
        return Ok((build, vec![]));
    }
    let mut programs = vec![];
    for problem in context.spec.problems.iter().filter(|p| wanted(&p.name)) {
        let record = programs::check(context, memory, set, problem)?;
        if let Some(failure) = &record.failure {
            progress.print(&format!("{} {}: {failure}", set.name, problem.name));
        }
        programs.push(record);
    }
    Ok((build, programs))
}

/// The sets that the programs of a cell come from, one per arm; none for servers.
fn origins<'a>(spec: &'a Spec, cell: &'a CellId) -> impl Iterator<Item = &'a ProgramSet> {
    let arms = spec.matchup(&cell.matchup).map_or(&[][..], |matchup| &matchup.arms);
    arms.iter().filter_map(|arm| spec.origin(arm, &cell.workload))
}

/// Whether all programs of a cell were built and gave the right output.
pub(super) fn is_usable(spec: &Spec, cell: &CellId, programs: &[ProgramRecord]) -> bool {
    let right = |set: &ProgramSet| {
        let same = |p: &&ProgramRecord| p.set == set.name && p.problem == cell.workload;
        programs.iter().find(same).is_some_and(|program| program.failure.is_none())
    };
    origins(spec, cell).all(right)
}

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
/// When programs that are to be compared need what this CPU has not: what guards a change may not
/// leave out cells.
pub(super) fn refuse_unfit(spec: &Spec, suite: &Suite) -> Result<()> {
    match unfit(spec, suite).next() {
        Some((set, lacking)) => {
            bail!(
                "this machine cannot measure {}: its CPU has no {}; measure on another, or take \
                 the set out",
                set.name,
                lacking.join(", ")
            )
        }
        None => Ok(()),
    }
}

/// Takes out the cells whose programs need what this CPU has not. A finding per set says so.
///
/// # Errors
/// When no cell is left.
pub(super) fn leave_out_unfit(spec: &Spec, suite: &mut Suite) -> Result<Vec<Finding>> {
    let unfit: Vec<(&ProgramSet, Vec<String>)> = unfit(spec, suite).collect();
    let fits = |cell: &CellId| {
        !origins(spec, cell).any(|origin| unfit.iter().any(|(set, _)| set.name == origin.name))
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

/// Measures one block, unless earlier ones showed that it would break a limit again. A block that
/// was disturbed is measured again, as one of servers is.
pub(super) fn measure(
    context: &ProgramContext<'_>,
    memory: &mut ProgramCache,
    (header, plan): (&RunHeader, &BlockPlan),
    so_far: &mut Vec<ProgramBlock>,
    writer: &mut Writer,
    progress: &Progress,
) -> Result<()> {
    progress.block(&plan.cell, duet_analysis::running_program_ratio(so_far, &plan.cell));
    while !memory.has_given_up(&plan.cell) {
        let mut record = programs::block(context, memory, plan)?;
        let of_cell = so_far.iter().filter(|block| block.cell == plan.cell);
        let discarded = of_cell.filter(|block| block.discarded.is_some()).count();
        if let Some(failure) = &record.failure {
            progress.print(&format!("{} block {}: {failure}", plan.cell, plan.block + 1));
        } else if discarded < (header.suite.blocks / REPEATED_SHARE) as usize {
            record.discarded = duet_analysis::program_disturbance(&record, header);
        }
        writer.append(&Record::ProgramBlock(Box::new(record.clone())))?;
        let again = record.discarded.is_some();
        so_far.push(record);
        if !again {
            break;
        }
    }
    Ok(())
}
