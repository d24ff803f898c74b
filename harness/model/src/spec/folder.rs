//! Everything a folder of definitions says, found by name.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::claim::Claim;
use super::gate::Gate;
use super::load::Load;
use super::problem::{Problem, ProgramSet, Published};
use super::server::Server;
use super::service::{Service, ServiceKind};
use super::suite::{CellId, Matchup, Suite};
use super::workload::Workload;
use duet_protocol::Transport;

/// Everything a folder of definitions says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Servers in the order of `servers.toml`.
    pub servers: Vec<Server>,
    /// Services in the order of `services.toml`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Service>,
    /// Workloads in the order of `workloads.toml`.
    pub workloads: Vec<Workload>,
    /// Problems in the order of `programs.toml`.
    #[serde(default)]
    pub problems: Vec<Problem>,
    /// Sets of programs in the order of `programs.toml`.
    #[serde(default)]
    pub sets: Vec<ProgramSet>,
    /// What others published of the same problems, in the order of `published.toml`.
    #[serde(default)]
    pub published: Vec<Published>,
    /// Claims in the order of `claims.toml`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<Claim>,
    /// Loads in the order of `suites.toml`.
    pub loads: Vec<Load>,
    /// Matchups in the order of `suites.toml`.
    pub matchups: Vec<Matchup>,
    /// Suites in the order of `suites.toml`.
    pub suites: Vec<Suite>,
    /// Gates in the order of `suites.toml`.
    #[serde(default)]
    pub gates: Vec<Gate>,
}

impl Spec {
    /// The server of this name.
    #[must_use]
    pub fn server(&self, name: &str) -> Option<&Server> {
        self.servers.iter().find(|s| s.name == name)
    }

    /// The workload of this name.
    #[must_use]
    pub fn workload(&self, name: &str) -> Option<&Workload> {
        self.workloads.iter().find(|w| w.name == name)
    }

    /// The workload whose requests are sent where this one is measured: its burst, or itself.
    #[must_use]
    pub fn driven<'a>(&'a self, workload: &'a Workload) -> &'a Workload {
        workload.burst.as_deref().and_then(|name| self.workload(name)).unwrap_or(workload)
    }

    /// The workloads that these cells name, and their bursts.
    #[must_use]
    pub fn workloads_of(&self, cells: &[CellId]) -> Vec<&Workload> {
        let named = |workload: &&Workload| cells.iter().any(|cell| cell.workload == workload.name);
        let of_cells = self.workloads.iter().filter(named);
        let bursts: Vec<&String> = of_cells.filter_map(|own| own.burst.as_ref()).collect();
        let is_used = |own: &&Workload| named(own) || bursts.contains(&&own.name);
        self.workloads.iter().filter(is_used).collect()
    }

    /// Forgets all others: their bodies would be most of a record.
    pub fn keep_workloads_of(&mut self, cells: &[CellId]) {
        self.workloads = self.workloads_of(cells).into_iter().cloned().collect();
    }

    /// The service of this name.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|s| s.name == name)
    }

    /// The services that a workload needs, in its order.
    pub fn services_of<'a>(&'a self, workload: &'a Workload) -> impl Iterator<Item = &'a Service> {
        workload.services.iter().filter_map(|name| self.service(name))
    }

    /// The services that cells need, in the definitions' order.
    pub fn needed<'a>(&'a self, cells: &[CellId]) -> impl Iterator<Item = &'a Service> + use<'a> {
        let workloads = cells.iter().filter_map(|cell| self.workload(&cell.workload));
        let names: BTreeSet<&str> =
            workloads.flat_map(|workload| &workload.services).map(String::as_str).collect();
        self.services.iter().filter(move |service| names.contains(service.name.as_str()))
    }

    /// The first service of a kind that a workload needs.
    #[must_use]
    pub fn service_of<'a>(
        &'a self,
        workload: &'a Workload,
        kind: ServiceKind,
    ) -> Option<&'a Service> {
        self.services_of(workload).find(|service| service.kind == kind)
    }

    /// The problem of this name.
    #[must_use]
    pub fn problem(&self, name: &str) -> Option<&Problem> {
        self.problems.iter().find(|p| p.name == name)
    }

    /// The set of programs of this name.
    #[must_use]
    pub fn set(&self, name: &str) -> Option<&ProgramSet> {
        self.sets.iter().find(|s| s.name == name)
    }

    /// The set that the program of `set` for `problem` comes from: itself, or the first along
    /// `rest` that builds one.
    #[must_use]
    pub fn origin(&self, set: &str, problem: &str) -> Option<&ProgramSet> {
        let next = |set: &&ProgramSet| self.set(set.rest.as_deref()?);
        // No chain is longer than there are sets; the loader rules out circles.
        let mut chain = std::iter::successors(self.set(set), next).take(self.sets.len());
        chain.find(|set| set.builds(problem))
    }

    /// The sets that have a program of their own in a suite's cells, in the definitions' order.
    pub fn origins<'a>(&'a self, cells: &'a [CellId]) -> impl Iterator<Item = &'a ProgramSet> {
        let names: BTreeSet<&str> = cells
            .iter()
            .filter_map(|cell| Some((self.matchup(&cell.matchup)?, &cell.workload)))
            .flat_map(|(matchup, problem)| matchup.arms.iter().map(move |arm| (arm, problem)))
            .filter_map(|(arm, problem)| Some(self.origin(arm, problem)?.name.as_str()))
            .collect();
        self.sets.iter().filter(move |set| names.contains(set.name.as_str()))
    }

    /// The transports over which a server is driven in these cells.
    #[must_use]
    pub fn transports(&self, cells: &[CellId], server: &str) -> BTreeSet<Transport> {
        let takes_part = |cell: &&CellId| {
            self.matchup(&cell.matchup).is_some_and(|m| m.arms.iter().any(|arm| arm == server))
        };
        let loads = cells.iter().filter(takes_part).filter_map(|cell| self.load(&cell.load));
        loads.map(|load| load.transport).collect()
    }

    /// Whether a cell measures programs, not servers.
    #[must_use]
    pub fn is_of_programs(&self, cell: &CellId) -> bool {
        let matchup = self.matchup(&cell.matchup);
        matchup.is_some_and(|m| m.arms.iter().any(|arm| self.set(arm).is_some()))
    }

    /// The load of this name.
    #[must_use]
    pub fn load(&self, name: &str) -> Option<&Load> {
        self.loads.iter().find(|l| l.name == name)
    }

    /// The matchup of this name.
    #[must_use]
    pub fn matchup(&self, name: &str) -> Option<&Matchup> {
        self.matchups.iter().find(|m| m.name == name)
    }

    /// The suite of this name.
    #[must_use]
    pub fn suite(&self, name: &str) -> Option<&Suite> {
        self.suites.iter().find(|s| s.name == name)
    }
}

/// The default folder of definitions, relative to the working directory.
#[must_use]
pub fn default_folder() -> PathBuf {
    PathBuf::from("bench")
}

impl Spec {
    /// The gate of this name.
    #[must_use]
    pub fn gate(&self, name: &str) -> Option<&Gate> {
        self.gates.iter().find(|gate| gate.name == name)
    }
}
