//! What the files of definitions say, each for itself.

use super::claims::ClaimTable;
use super::errors::Kind;
use super::fields::At;
use super::programs::Programs;
use super::suites::Suites;
use duet_model::spec::{Lane, ProgramSet, Published, Server, Service, Workload};

/// What the files say; absent where a file could not be read as TOML.
///
/// A field with a mistake holds an empty value: the mistake is kept, so the value is never used,
/// and the checks skip it.
pub(super) struct Files {
    pub(super) servers: Option<Vec<At<Server>>>,
    pub(super) services: Option<Vec<At<Service>>>,
    pub(super) workloads: Option<Vec<At<Workload>>>,
    pub(super) programs: Option<Programs>,
    pub(super) suites: Option<Suites>,
    pub(super) published: Option<Vec<Published>>,
    pub(super) claims: Option<Vec<At<ClaimTable>>>,
    /// The files that are not there and need not be: they define nothing.
    pub(super) absent: Vec<&'static str>,
}

impl Files {
    /// The names of a kind and the lines of their tables; absent where the file could not be read.
    pub(super) fn names(&self, kind: Kind) -> Option<Vec<(&str, usize)>> {
        fn names<T>(tables: &[At<T>], name: impl Fn(&T) -> &str) -> Vec<(&str, usize)> {
            tables.iter().map(|table| (name(&table.value), table.line)).collect()
        }
        let suites = self.suites.as_ref();
        match kind {
            Kind::Server => self.servers.as_ref().map(|all| names(all, |s| &s.name)),
            Kind::Service => self.services.as_ref().map(|all| names(all, |s| &s.name)),
            Kind::Workload => self.workloads.as_ref().map(|all| names(all, |w| &w.name)),
            Kind::Problem => self.programs.as_ref().map(|all| names(&all.problems, |p| &p.name)),
            Kind::Set => self.programs.as_ref().map(|all| names(&all.sets, |s| &s.name)),
            Kind::Arm => {
                let (servers, sets) = (self.names(Kind::Server)?, self.names(Kind::Set)?);
                Some(servers.into_iter().chain(sets).collect())
            }
            Kind::Load => suites.map(|file| names(&file.loads, |l| &l.name)),
            Kind::Matchup => suites.map(|file| names(&file.matchups, |m| &m.name)),
            Kind::Suite => suites.map(|file| names(&file.suites, |s| &s.settings().name)),
            Kind::Claim => self.claims.as_ref().map(|all| names(all, |c| &c.claim.name)),
            Kind::Gate => suites.map(|file| names(&file.gates, |g| &g.gate.name)),
        }
    }

    /// Whether a name is defined, as far as is known. A file that must have a table of the kind and
    /// has none has a mistake of its own, which says enough.
    pub(super) fn defines(&self, kind: Kind, name: &str) -> bool {
        let Some(names) = self.names(kind) else { return true };
        let may_be_none = self.absent.contains(&kind.file());
        names.is_empty() && !may_be_none || names.iter().any(|(known, _)| *known == name)
    }

    /// What an arm is, the lanes it is in, and its line.
    pub(super) fn lanes(&self, arm: &str) -> Option<(Kind, &[Lane], usize)> {
        let server = self.server(arm).map(|at| (Kind::Server, &at.value.lanes[..], at.line));
        server.or_else(|| self.set(arm).map(|at| (Kind::Set, &at.value.lanes[..], at.line)))
    }

    pub(super) fn server(&self, name: &str) -> Option<&At<Server>> {
        self.servers.as_ref()?.iter().find(|server| server.value.name == name)
    }

    pub(super) fn service(&self, name: &str) -> Option<&At<Service>> {
        self.services.as_ref()?.iter().find(|service| service.value.name == name)
    }

    pub(super) fn workload(&self, name: &str) -> Option<&At<Workload>> {
        self.workloads.as_ref()?.iter().find(|workload| workload.value.name == name)
    }

    pub(super) fn set(&self, name: &str) -> Option<&At<ProgramSet>> {
        self.programs.as_ref()?.sets.iter().find(|set| set.value.name == name)
    }

    /// Whether an arm is a set and nothing else; a server of the same name is a mistake by itself.
    pub(super) fn is_set(&self, arm: &str) -> bool {
        self.set(arm).is_some() && self.server(arm).is_none()
    }

    /// Whether a set has a program for a problem, of its own or of the sets it falls back on.
    pub(super) fn has_program(&self, set: &ProgramSet, problem: &str) -> bool {
        let next = |set: &&ProgramSet| Some(&self.set(set.rest.as_deref()?)?.value);
        let sets = self.programs.as_ref().map_or(0, |programs| programs.sets.len());
        std::iter::successors(Some(set), next).take(sets).any(|set| set.builds(problem))
    }
}
