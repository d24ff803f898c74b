//! What blocks are measured with, and the definitions that a plan names.

use std::path::Path;
use std::time::Instant;

use crate::host::Cpus;
use crate::services::{Services, Told};
use crate::verify::Verifier;
use duet_model::plan::BlockPlan;
use duet_model::record::Failure;
use duet_model::spec::{Load, Matchup, Server, Spec, Suite, Workload};
use duet_process::interrupt::{Interrupt, Interrupted};

/// What blocks have in common.
#[derive(Debug)]
pub struct Bench<'a> {
    /// The folder above the definitions.
    pub root: &'a Path,
    /// The folder of definitions.
    pub definitions: &'a Path,
    /// The definitions.
    pub spec: &'a Spec,
    /// The suite.
    pub suite: &'a Suite,
    /// CPUs.
    pub cpus: &'a Cpus,
    /// Bytes by which servers' environments are larger than the plan of a block says.
    pub padding_bytes: u32,
    /// The layout of executables; absent: that of any build.
    pub layout: Option<u32>,
    /// The client that verifies.
    pub verifier: &'a Verifier,
    /// What servers need beside themselves.
    pub services: &'a Services,
    /// When the run began.
    pub run_started: Instant,
    /// Ctrl-C.
    pub interrupt: &'a Interrupt,
}

impl Bench<'_> {
    /// The CPUs of each server under a load, and those of the generator: it needs a connection for
    /// each.
    pub(super) fn cpus_under(&self, load: &Load) -> Cpus {
        let Cpus { servers, generator } = self.cpus;
        let count = load.cpus_of_servers(servers.len(), generator.len()).unwrap_or(servers.len());
        let all = [&servers[..], &generator[..]].concat();
        let generator = generator.iter().copied().take(load.connections as usize).collect();
        Cpus { servers: all[..count].to_vec(), generator }
    }
}

/// Which arms live together, and under what.
#[derive(Clone, Copy)]
pub(super) struct Life<'a> {
    /// The arms in the order of their starts, as indices of the matchup's.
    pub(super) arms: &'a [u32],
    /// What each arm of the matchup is told of services.
    pub(super) told: &'a [Told],
    /// What an arm may take of memory, where that is limited.
    pub(super) memory_bytes: Option<u64>,
    /// The length of windows, where an earlier block has found it.
    pub(super) window_ns: Option<u64>,
    /// When the block began.
    pub(super) started: Instant,
}

/// Why a block ended early: as data, or because the harness must stop.
pub(super) enum BlockError {
    Failed(Failure),
    Interrupted(Interrupted),
}

/// The definitions a plan refers to. The loader has checked that they exist.
pub(super) fn definitions<'a>(bench: &Bench<'a>, plan: &BlockPlan) -> (&'a Matchup, &'a Workload) {
    let matchup = bench.spec.matchup(&plan.cell.matchup);
    let workload = bench.spec.workload(&plan.cell.workload);
    match (matchup, workload) {
        (Some(matchup), Some(workload)) => (matchup, workload),
        _ => unreachable!("the plan was made from these definitions"),
    }
}

/// The definition of a server. The loader has checked that it exists.
pub(super) fn definition<'a>(bench: &Bench<'a>, name: &str) -> &'a Server {
    match bench.spec.server(name) {
        Some(server) => server,
        None => unreachable!("the loader has checked the matchup's servers"),
    }
}

/// The load of a block. The loader has checked that it exists.
pub(super) fn load<'a>(bench: &Bench<'a>, plan: &BlockPlan) -> &'a Load {
    match bench.spec.load(&plan.cell.load) {
        Some(load) => load,
        None => unreachable!("the plan was made from these definitions"),
    }
}
