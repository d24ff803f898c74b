//! A session: what `run`, `compare`, `gate`, `aa` and `selftest` share. It prepares what is to be
//! measured, measures it block by block into a record, and closes the record; the command
//! reports.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::slice::from_ref;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use super::folders::PostgresFolder;
use super::progress::Progress;
use super::{fitness, stdio, verify};
use duet_measure::awake::Awake;
use duet_measure::block::Bench;
use duet_measure::build;
use duet_measure::host::{self, Cpus};
use duet_measure::programs::{self, ProgramCache};
use duet_measure::services::{Places, Services};
use duet_measure::verify::Verifier;
use duet_model::record::{self, BuildRecord, Failure, FindingLevel, ProgramRecord, Run, RunHeader};
use duet_model::spec::{CellId, ProgramSet, Server, Spec, Suite, Workload};
use duet_process::interrupt::Interrupt;
use duet_process::leftover;

/// What it takes to measure.
pub(super) struct Session {
    /// The folder above the definitions.
    pub(super) root: PathBuf,
    /// The folder of definitions.
    definitions: PathBuf,
    pub(super) cpus: Cpus,
    verifier: Verifier,
    services: Services,
    pub(super) awake: Awake,
    /// Whether records keep the histograms of all windows.
    pub(super) full: bool,
    pub(super) interrupt: Interrupt,
    pub(super) progress: Progress,
}

impl Session {
    /// Takes the CPUs that a suite needs, and watches for Ctrl-C.
    pub(super) fn new(
        root: PathBuf,
        definitions: &Path,
        suite: &Suite,
        postgres: &PostgresFolder,
    ) -> Result<Self> {
        let cpus = host::choose_cpus(suite.server_cpus, suite.generator_cpus, |_| {})?;
        Self::on(cpus, root, definitions, postgres, Interrupt::watch()?)
    }

    /// One on these CPUs, which stops when it is interrupted.
    pub(super) fn on(
        cpus: Cpus,
        root: PathBuf,
        definitions: &Path,
        postgres: &PostgresFolder,
        interrupt: Interrupt,
    ) -> Result<Self> {
        end_leftovers("a duet that was killed");
        let (service_cpus, shared_with) = host::service_cpus(&cpus)?;
        let places = Places {
            root: root.clone(),
            definitions: definitions.to_owned(),
            postgres: postgres.postgres.clone(),
            cpus: service_cpus,
            shared_with,
        };
        Ok(Self {
            services: Services::new(places, &interrupt)?,
            root,
            definitions: definitions.to_owned(),
            cpus,
            verifier: Verifier::new()?,
            awake: Awake::watch()?,
            full: false,
            interrupt,
            progress: Progress::new(),
        })
    }

    /// What is written at the head of a record. Without a seed the clock gives one.
    ///
    /// # Errors
    /// When the machine is one that cannot measure.
    pub(super) fn header(
        &self,
        seed: Option<u64>,
        spec: &Spec,
        suite: &Suite,
    ) -> Result<RunHeader> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.context("the clock is before 1970")?;
        let (commit, dirty) = host::commit(&self.root);
        let loads = suite.cells.iter().filter_map(|cell| spec.load(&cell.load));
        let of_servers = servers(spec, suite).flat_map(|server| &server.needs);
        let of_sets = spec.origins(&suite.cells).flat_map(|set| &set.needs);
        let needs: BTreeSet<String> = of_servers.chain(of_sets).cloned().collect();
        let findings = host::findings(
            loads.map(|load| load.connections).max().unwrap_or(1),
            suite.server_cpus + suite.generator_cpus,
            &needs.into_iter().collect::<Vec<_>>(),
        );
        if let Some(f) = findings.iter().find(|finding| finding.level == FindingLevel::Unfit) {
            bail!("this machine cannot measure: {}: {}; {}", f.name, f.found, f.hint);
        }
        fitness::refuse_unfit(spec, suite, &self.services)?;
        Ok(RunHeader {
            schema: record::SCHEMA,
            id: None,
            duet_version: env!("CARGO_PKG_VERSION").to_owned(),
            command: command_line(),
            started_unix_s: now.as_secs(),
            seed: seed.unwrap_or(u64::from(now.subsec_nanos())),
            commit,
            dirty,
            to_project: String::new(),
            machine: host::machine(),
            findings,
            server_cpus: self.cpus.servers.clone(),
            generator_cpus: self.cpus.generator.clone(),
            services: spec.needed(&suite.cells).map(|of| self.services.header(of)).collect(),
            suite: suite.clone(),
            spec: spec.clone(),
            experiment: None,
            campaign: None,
        })
    }

    /// Builds servers and programs and compares their responses and outputs with the expected
    /// ones. What fails is in the records.
    pub(super) fn prepare(&self, header: RunHeader) -> Result<Run> {
        let (mut builds, mut programs) = (vec![], vec![]);
        let bench = self.bench(&header, Instant::now());
        for server in servers(bench.spec, bench.suite) {
            self.progress.say(&format!("building and verifying {}", server.name));
            let transports = bench.spec.transports(&bench.suite.cells, &server.name);
            let used = |workload: &&Workload| {
                let is_of = |cell: &CellId| cell.workload == workload.name;
                workload.services.is_empty() || bench.suite.cells.iter().any(is_of)
            };
            let workloads: Vec<_> = verify::workloads(bench.spec, server).filter(used).collect();
            let build = verify::server(&bench, server, transports, &workloads)?;
            self.print_failure(&server.name, build.failure.as_ref());
            self.print_layout(&build);
            builds.push(build);
        }
        let mut cache = ProgramCache::default();
        for set in bench.spec.origins(&bench.suite.cells) {
            self.progress.say(&format!("building and checking {}", set.name));
            let mut build = build::build(set, &self.root, bench.suite.verdicts, &self.interrupt)?;
            if build.failure.is_none() {
                programs.extend(self.check_set(&bench, &mut cache, set, &mut build)?);
            }
            self.print_failure(&set.name, build.failure.as_ref());
            self.print_layout(&build);
            builds.push(build);
        }
        self.progress.finish();
        Ok(Run { builds, programs, ..Run::of(header) })
    }

    /// Checks those programs of a set that the suite needs, as usual and in the session's layout.
    /// What is recorded of them is of the usual build.
    fn check_set(
        &self,
        bench: &Bench<'_>,
        cache: &mut ProgramCache,
        set: &ProgramSet,
        build: &mut BuildRecord,
    ) -> Result<Vec<ProgramRecord>> {
        let mut checked = self.check_programs(bench, cache, set)?;
        let Some(layout) = bench.layout else { return Ok(checked) };
        build::lay_out(set, bench.root, layout, build, bench.interrupt)?;
        if build.layout.as_ref().is_some_and(|layout| layout.refused.is_none()) {
            for (usual, other) in checked.iter_mut().zip(self.check_programs(bench, cache, set)?) {
                usual.failure = usual.failure.take().or(other.failure);
            }
        }
        Ok(checked)
    }

    /// Says what could not be laid out as it was drawn.
    fn print_layout(&self, build: &BuildRecord) {
        if let Some(why) = build.layout.as_ref().and_then(|layout| layout.refused.as_ref()) {
            self.progress.print(&format!("{} keeps its usual layout: {why}", build.server));
        }
    }

    /// Checks those programs of a set that the suite needs.
    fn check_programs(
        &self,
        bench: &Bench<'_>,
        cache: &mut ProgramCache,
        set: &ProgramSet,
    ) -> Result<Vec<ProgramRecord>> {
        let mut checked = vec![];
        let of_set =
            |cell: &&CellId| bench.spec.origins(from_ref(*cell)).any(|o| o.name == set.name);
        let needed: BTreeSet<&String> =
            bench.suite.cells.iter().filter(of_set).map(|cell| &cell.workload).collect();
        for problem in bench.spec.problems.iter().filter(|p| needed.contains(&p.name)) {
            let record = programs::check(bench, cache, set, problem)?;
            self.print_failure(&format!("{} {}", set.name, problem.name), record.failure.as_ref());
            checked.push(record);
        }
        Ok(checked)
    }

    fn print_failure(&self, what: &str, failure: Option<&Failure>) {
        if let Some(failure) = failure {
            self.progress.print(&format!("{what} cannot be measured: {failure}"));
        }
    }

    /// What blocks have in common.
    pub(super) fn bench<'a>(&'a self, header: &'a RunHeader, run_started: Instant) -> Bench<'a> {
        Bench {
            root: &self.root,
            definitions: &self.definitions,
            spec: &header.spec,
            suite: &header.suite,
            cpus: &self.cpus,
            padding_bytes: header.campaign.map_or(0, |drawn| drawn.padding_bytes),
            layout: header.campaign.and_then(|drawn| drawn.layout),
            verifier: &self.verifier,
            services: &self.services,
            run_started,
            interrupt: &self.interrupt,
        }
    }
}

/// Ends processes that are in nobody's tree any more, and names them.
pub(super) fn end_leftovers(whose: &str) {
    let left = leftover::end();
    if !left.is_empty() {
        stdio::note(&format!(
            "warning: {whose} left processes, which were ended: {}",
            left.join(", ")
        ));
    }
}

/// The command line, without the path of the binary.
pub(super) fn command_line() -> Vec<String> {
    std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect()
}

/// The servers that take part in a suite, in the definitions' order.
fn servers<'a>(spec: &'a Spec, suite: &'a Suite) -> impl Iterator<Item = &'a Server> {
    let matchups = suite.cells.iter().filter_map(|cell| spec.matchup(&cell.matchup));
    let arms: BTreeSet<&String> = matchups.flat_map(|matchup| &matchup.arms).collect();
    spec.servers.iter().filter(move |server| arms.contains(&server.name))
}

/// The cells that can be measured: of servers and programs that were built and verified.
pub(super) fn usable(run: &Run) -> BTreeSet<CellId> {
    let RunHeader { spec, suite, .. } = &run.header;
    let built = |arm: &String| {
        spec.server(arm).is_none()
            || run.builds.iter().any(|b| b.server == *arm && b.failure.is_none())
    };
    let all_built =
        |cell: &&CellId| spec.matchup(&cell.matchup).is_some_and(|m| m.arms.iter().all(built));
    let checked = |set: &ProgramSet, problem: &String| {
        let mut programs = run.programs.iter();
        programs.any(|p| p.set == set.name && p.problem == *problem && p.failure.is_none())
    };
    let all_checked =
        |cell: &&CellId| spec.origins(from_ref(*cell)).all(|set| checked(set, &cell.workload));
    suite.cells.iter().filter(all_built).filter(all_checked).cloned().collect()
}
