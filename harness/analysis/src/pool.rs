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
    Pooled, PooledLine, PooledMachine, PooledMean, SCHEMA, Session,
};

use crate::comparison::executable_sha256;
use crate::comparison::stored::{fingerprint, is_alike};
use crate::run_analysis::analyse;
use crate::run_summary::iso_8601;
use duet_model::record::{Machine, Run};
use duet_model::spec::CellId;
use lines::{Kept, Value, line, value, value_of_mean};

/// Pools runs, which come with the names of their folders. What is not the same experiment as in
/// the newest run is left out and listed.
///
/// # Errors
/// When there is nothing to pool.
pub fn pool(runs: &[(String, Run)]) -> Result<Pooled, String> {
    let newest = (0..runs.len()).max_by_key(|i| (runs[*i].1.header.started_unix_s, &runs[*i].0));
    let Some(newest) = newest else { return Err("there are no runs".to_owned()) };
    pool_like(runs, newest)
}

/// Pools runs. What is not the same experiment as in `runs[model]` is left out and listed.
///
/// # Errors
/// When there is nothing to pool.
///
/// # Panics
/// When there is no such run.
pub fn pool_like(runs: &[(String, Run)], model: usize) -> Result<Pooled, String> {
    let model = &runs[model];
    let mut sorted: Vec<&(String, Run)> = runs.iter().collect();
    sorted.sort_by_key(|(name, run)| (run.header.started_unix_s, name.clone()));
    let (mut kept, mut machines, mut left_out) = (vec![], vec![], vec![]);
    for (name, run) in sorted {
        if run.header.experiment.is_some() || model.1.header.experiment.is_some() {
            let reason = "it compares versions, and is no run of a suite".to_owned();
            left_out.push(LeftOut { run: name.clone(), cell: None, reason });
            continue;
        }
        let cells = &model.1.header.suite.cells;
        let is_pooled = cells.iter().any(|id| refusal(run, &model.1, id).is_none());
        let machine = is_pooled.then(|| index(&mut machines, &run.header.machine));
        let gauges = state::gauges(run);
        kept.push(Kept { name, run, analysis: analyse(run), gauges, machine });
    }
    let (mut lines, mut means, mut over_machines) = (vec![], vec![], vec![]);
    let matchups = kept.iter().find(|one| std::ptr::eq(one.run, &model.1));
    for matchup in matchups.into_iter().flat_map(|one| &one.analysis.matchups) {
        let arms = model.1.header.spec.matchup(&matchup.name).map_or(&[][..], |m| &m.arms);
        for cell in &matchup.cells {
            let same = alike(&kept, &model.1, &cell.id, &mut left_out);
            for metric in cell.metrics.iter().map(|found| found.metric) {
                let of_machine = |machine: usize| {
                    let own = same.iter().filter(|one| one.machine == Some(machine));
                    let values: Vec<Value<'_>> =
                        own.filter_map(|one| value(one, &cell.id, metric)).collect();
                    line((&cell.id, arms, metric), machine, &values)
                };
                let found: Vec<PooledLine> = (0..machines.len()).filter_map(of_machine).collect();
                over_machines.extend(lines::over_machines(&found.iter().collect::<Vec<_>>()));
                lines.extend(found);
            }
        }
        for mean in &matchup.means {
            let same = |one: &&Kept<'_>| {
                mean.cells.iter().all(|m| refusal(one.run, &model.1, &m.cell).is_none())
            };
            let same: Vec<&Kept<'_>> = kept.iter().filter(same).collect();
            means.extend((0..machines.len()).filter_map(|machine| {
                let own = same.iter().filter(|one| one.machine == Some(machine));
                let values: Vec<Value<'_>> =
                    own.filter_map(|one| value_of_mean(one, &matchup.name, mean)).collect();
                lines::mean((&matchup.name, arms, mean), machine, &values)
            }));
        }
    }
    if lines.is_empty() {
        return Err("no run has a cell with a ratio of at least three blocks".to_owned());
    }
    let started = |one: Option<&Kept<'_>>| {
        one.map_or_else(String::new, |one| iso_8601(one.run.header.started_unix_s))
    };
    let mut pooled = kept.iter().filter(|one| one.machine.is_some());
    let first = pooled.next();
    let (first, last) = (started(first), started(pooled.next_back().or(first)));
    let schema = SCHEMA.to_owned();
    Ok(Pooled { schema, first, last, machines, lines, means, over_machines, left_out })
}

/// The runs in which a cell is the same experiment as in the model. Others are listed.
fn alike<'a>(
    kept: &'a [Kept<'a>],
    model: &Run,
    id: &CellId,
    left_out: &mut Vec<LeftOut>,
) -> Vec<&'a Kept<'a>> {
    let mut same = vec![];
    for one in kept.iter().filter(|one| one.cell(id).is_some()) {
        match refusal(one.run, model, id) {
            None => same.push(one),
            Some(reason) => {
                left_out.push(LeftOut { run: one.name.to_owned(), cell: Some(id.clone()), reason });
            }
        }
    }
    same
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

/// Why a cell of a run is not pooled with the model's, if so.
fn refusal(run: &Run, model: &Run, id: &CellId) -> Option<String> {
    if !is_alike(run, model, id) {
        return Some("its workload, load, windows or CPUs are others".to_owned());
    }
    let arms = &model.header.spec.matchup(&id.matchup)?.arms;
    // Of what an interpreter runs only the version line is known.
    let differs = |arm: &&String| {
        executable_sha256(run, arm, id) != executable_sha256(model, arm, id)
            || version(run, arm) != version(model, arm)
    };
    let arm = arms.iter().find(differs)?;
    Some(format!("{arm} is another executable"))
}

fn version<'a>(run: &'a Run, arm: &str) -> Option<&'a str> {
    run.builds.iter().rfind(|build| build.server == arm)?.version.as_deref()
}
