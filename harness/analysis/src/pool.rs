//! Several sessions of one experiment: what another hour would show, and another machine.
//!
//! A session's interval holds for its hour. Here each session is one value, whatever its blocks,
//! and the spread between sessions says what to expect of another one ([`duet_stats::pool`]). Only
//! what is the same experiment is pooled: the same definitions, executables and windows; what
//! differs is listed with the reason. Each machine has its hours for itself; three machines or more
//! are pooled in the same way, by their means.

mod lines;
mod pooled;
mod state;
#[cfg(test)]
mod tests;

pub use pooled::{
    APART_S, BLOCKS_MIN, Dependence, FILE_NAME, LeftOut, MachineMean, MachinesLine, PoolVerdict,
    Pooled, PooledLine, PooledMachine, SCHEMA, Session,
};

use crate::comparison::executable_sha256;
use crate::comparison::stored::{fingerprint, is_alike};
use crate::run_analysis::analyse;
use crate::run_summary::iso_8601;
use duet_model::record::{Machine, Run};
use duet_model::spec::CellId;
use lines::{Kept, Value, line, over_machines, value};

/// Pools runs, which come with the names of their folders. What is not the same experiment as in
/// the newest run is left out and listed.
///
/// # Errors
/// When there is nothing to pool.
pub fn pool(runs: &[(String, Run)]) -> Result<Pooled, String> {
    let mut runs: Vec<&(String, Run)> = runs.iter().collect();
    runs.sort_by_key(|(name, run)| (run.header.started_unix_s, name.clone()));
    let Some((_, newest)) = runs.last() else { return Err("there are no runs".to_owned()) };
    let (mut kept, mut machines, mut left_out) = (vec![], vec![], vec![]);
    for (name, run) in &runs {
        if run.header.experiment.is_some() || newest.header.experiment.is_some() {
            let reason = "it compares versions, and is no run of a suite".to_owned();
            left_out.push(LeftOut { run: name.clone(), cell: None, reason });
            continue;
        }
        let (gauges, machine) = (state::gauges(run), index(&mut machines, &run.header.machine));
        kept.push(Kept { name, run, analysis: analyse(run), gauges, machine });
    }
    let mut lines = vec![];
    let mut of_machines = vec![];
    let cells = kept.last().into_iter().flat_map(|newest| &newest.analysis.matchups);
    for cell in cells.flat_map(|matchup| &matchup.cells) {
        let same: Vec<&Kept<'_>> = kept
            .iter()
            .filter(|one| one.cell(&cell.id).is_some())
            .filter(|one| match refusal(one.run, newest, &cell.id) {
                None => true,
                Some(reason) => {
                    let (run, cell) = (one.name.to_owned(), Some(cell.id.clone()));
                    left_out.push(LeftOut { run, cell, reason });
                    false
                }
            })
            .collect();
        let arms = newest.header.spec.matchup(&cell.id.matchup).map_or(&[][..], |m| &m.arms);
        for metric in cell.metrics.iter().map(|found| found.metric) {
            let of_machine = |machine: usize| {
                let own = same.iter().filter(|one| one.machine == machine);
                let values: Vec<Value<'_>> =
                    own.filter_map(|one| value(one, &cell.id, metric)).collect();
                line((&cell.id, arms, metric), machine, &values)
            };
            let found: Vec<PooledLine> = (0..machines.len()).filter_map(of_machine).collect();
            of_machines.extend(over_machines(&found.iter().collect::<Vec<_>>()));
            lines.extend(found);
        }
    }
    if lines.is_empty() {
        return Err("no run has a cell with a ratio of at least three blocks".to_owned());
    }
    let started = |one: Option<&Kept<'_>>| {
        one.map_or_else(String::new, |one| iso_8601(one.run.header.started_unix_s))
    };
    Ok(Pooled {
        schema: SCHEMA.to_owned(),
        first: started(kept.first()),
        last: started(kept.last()),
        machines,
        lines,
        over_machines: of_machines,
        left_out,
    })
}

/// Where a machine is among those that are known, which it becomes one of. Counts its runs.
fn index(machines: &mut Vec<PooledMachine>, machine: &Machine) -> usize {
    let same = |one: &PooledMachine| {
        let hypervisor = one.hypervisor.as_deref();
        (&*one.cpu, one.cpus, one.memory_bytes, &*one.kernel, hypervisor) == fingerprint(machine)
    };
    let at = machines.iter().position(same).unwrap_or_else(|| {
        machines.push(PooledMachine {
            cpu: machine.cpu.clone(),
            cpus: machine.cpus,
            memory_bytes: machine.memory_bytes,
            kernel: machine.kernel.clone(),
            hypervisor: machine.hypervisor.clone(),
            runs: 0,
        });
        machines.len() - 1
    });
    machines[at].runs += 1;
    at
}

/// Why a cell of a run is not pooled with the newest run's, if so.
fn refusal(run: &Run, newest: &Run, id: &CellId) -> Option<String> {
    if !is_alike(run, newest, id) {
        return Some("its workload, load, windows or CPUs are others".to_owned());
    }
    let arms = newest.header.spec.matchup(&id.matchup)?.arms.clone();
    // Of what an interpreter runs only the version line is known.
    let differs = |arm: &&String| {
        executable_sha256(run, arm, id) != executable_sha256(newest, arm, id)
            || version(run, arm) != version(newest, arm)
    };
    let arm = arms.iter().find(differs)?;
    Some(format!("{arm} is another executable"))
}

fn version<'a>(run: &'a Run, arm: &str) -> Option<&'a str> {
    run.builds.iter().rfind(|build| build.server == arm)?.version.as_deref()
}
