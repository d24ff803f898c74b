//! The part of `duet run` that is about programs.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::build;
use crate::plan::BlockPlan;
use crate::programs::{self, Course, Memory};
use crate::progress::Progress;
use crate::record::{Record, Writer};

/// Builds the sets that the suite needs and checks their programs, recording both. Returns the
/// programs that cannot be measured, by set and problem.
pub(super) fn prepare(
    course: &Course<'_>,
    memory: &mut Memory,
    writer: &mut Writer,
    progress: &Progress,
) -> Result<BTreeSet<(String, String)>> {
    let mut unusable = BTreeSet::new();
    let cells: Vec<_> = course
        .suite
        .cells
        .iter()
        .filter(|cell| course.spec.is_of_programs(cell))
        .cloned()
        .collect();
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

/// Measures one block, unless earlier ones showed that it would break a limit again.
pub(super) fn measure(
    course: &Course<'_>,
    memory: &mut Memory,
    plan: &BlockPlan,
    writer: &mut Writer,
    progress: &Progress,
) -> Result<()> {
    if memory.has_given_up(&plan.cell) {
        return Ok(());
    }
    progress.block(&plan.cell, None);
    let record = programs::block(course, memory, plan)?;
    if let Some(failure) = &record.failure {
        progress.print(&format!("{} block {}: {failure}", plan.cell, plan.block + 1));
    }
    writer.append(&Record::ProgramBlock(Box::new(record)))
}
