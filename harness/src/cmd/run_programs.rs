//! The part of `duet run` that is about programs.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use super::blocks::REPEATED_SHARE;
use crate::plan::BlockPlan;
use crate::programs::{self, Course, Memory};
use crate::progress::Progress;
use crate::record::{Finding, FindingLevel, ProgramBlock, Record, RunHeader, Writer};
use crate::spec::{CellId, ProgramSet, Spec, Suite};
use crate::{analysis, build, host};

/// Builds the sets that the suite needs and checks their programs, recording both. Returns the
/// programs that cannot be measured, by set and problem.
pub(super) fn prepare(
    course: &Course<'_>,
    suite: &Suite,
    memory: &mut Memory,
    writer: &mut Writer,
    progress: &Progress,
) -> Result<BTreeSet<(String, String)>> {
    let mut unusable = BTreeSet::new();
    let of_programs = |cell: &&CellId| course.spec.is_of_programs(cell);
    let cells: Vec<CellId> = suite.cells.iter().filter(of_programs).cloned().collect();
    let wanted = |set: &str, problem: &str| {
        cells.iter().filter(|cell| cell.workload == problem).any(|cell| {
            let arms = course.spec.matchup(&cell.matchup).map_or(&[][..], |matchup| &matchup.arms);
            arms.iter().any(|arm| course.spec.origin(arm, problem).is_some_and(|o| o.name == set))
        })
    };
    for set in course.spec.origins(&cells) {
        progress.say(&format!("building and checking {}", set.name));
        let build = build::build(set, course.root, course.interrupt)?;
        let failed = build.failure.is_some();
        if let Some(failure) = &build.failure {
            progress.print(&format!("{} cannot be measured: {failure}", set.name));
        }
        writer.append(&Record::Build(build))?;
        for problem in course.spec.problems.iter().filter(|p| wanted(&set.name, &p.name)) {
            let key = (set.name.clone(), problem.name.clone());
            if failed {
                unusable.insert(key);
                continue;
            }
            let record = programs::check(course, memory, set, problem)?;
            if let Some(failure) = &record.failure {
                progress.print(&format!("{} {}: {failure}", set.name, problem.name));
                unusable.insert(key);
            }
            writer.append(&Record::Program(record))?;
        }
    }
    Ok(unusable)
}

/// Takes out the cells whose programs need what this CPU has not. A finding per set says so.
///
/// # Errors
/// When no cell is left.
pub(super) fn leave_out_unfit(spec: &Spec, suite: &mut Suite) -> Result<Vec<Finding>> {
    let cells = suite.cells.clone();
    let unfit: Vec<(&ProgramSet, Vec<String>)> = spec
        .origins(&cells)
        .map(|set| (set, host::cpu_lacks(&set.needs_cpu)))
        .filter(|(_, lacking)| !lacking.is_empty())
        .collect();
    let needs = |cell: &CellId, set: &ProgramSet| {
        let arms = spec.matchup(&cell.matchup).map_or(&[][..], |matchup| &matchup.arms);
        arms.iter().any(|arm| spec.origin(arm, &cell.workload).is_some_and(|o| o.name == set.name))
    };
    suite.cells.retain(|cell| !unfit.iter().any(|(set, _)| needs(cell, set)));
    let findings: Vec<Finding> = unfit.iter().map(|(set, lacking)| finding(set, lacking)).collect();
    let found = findings.first().map_or("", |finding| &finding.found);
    ensure!(!suite.cells.is_empty(), "no cell is left to measure: {found}");
    Ok(findings)
}

fn finding(set: &ProgramSet, lacking: &[String]) -> Finding {
    Finding {
        name: set.name.clone(),
        level: FindingLevel::Warning,
        found: format!("this CPU has no {}", lacking.join(", ")),
        effect: format!("what {} is built for cannot run: its cells are left out", set.name),
        cure: "measure on another CPU, or build for this one (bench/programs.toml)".to_owned(),
    }
}

/// Measures one block, unless earlier ones showed that it would break a limit again. A block that
/// was disturbed is measured again, as one of servers is.
pub(super) fn measure(
    course: &Course<'_>,
    memory: &mut Memory,
    (header, plan): (&RunHeader, &BlockPlan),
    so_far: &mut Vec<ProgramBlock>,
    writer: &mut Writer,
    progress: &Progress,
) -> Result<()> {
    progress.block(&plan.cell, analysis::running_program_ratio(so_far, &plan.cell));
    while !memory.has_given_up(&plan.cell) {
        let mut record = programs::block(course, memory, plan)?;
        let of_cell = so_far.iter().filter(|block| block.cell == plan.cell);
        let set_aside = of_cell.filter(|block| block.set_aside.is_some()).count();
        if let Some(failure) = &record.failure {
            progress.print(&format!("{} block {}: {failure}", plan.cell, plan.block + 1));
        } else if set_aside < (header.suite.blocks / REPEATED_SHARE) as usize {
            record.set_aside = analysis::program_disturbance(&record, header);
        }
        writer.append(&Record::ProgramBlock(Box::new(record.clone())))?;
        let again = record.set_aside.is_some();
        so_far.push(record);
        if !again {
            break;
        }
    }
    Ok(())
}
