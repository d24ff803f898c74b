//! A session: what `run`, `compare`, `gate`, `aa` and `selftest` share. It prepares what is to be
//! measured, measures it block by block into a record, and closes the record; the command
//! reports.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::slice::from_ref;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use super::folders::PostgresFolder;
use super::progress::Progress;
use super::{fitness, folders, stdio, verify};
use duet_measure::awake::Awake;
use duet_measure::block::{self, Bench};
use duet_measure::build;
use duet_measure::gauges::Gauges;
use duet_measure::host::{self, Cpus};
use duet_measure::programs::{self, ProgramCache};
use duet_measure::services::{Places, Services};
use duet_measure::verify::Verifier;
use duet_model::plan::{self, BlockPlan};
use duet_model::record::{
    self, Attempt, Block, Failure, FindingLevel, ProgramRecord, Record, Run, RunEnd, RunHeader,
    Writer,
};
use duet_model::spec::{CellId, ProgramSet, Server, Spec, Suite, Workload};
use duet_process::interrupt::{Interrupt, Interrupted};
use duet_process::leftover;
use duet_units::duration_ns;

/// One block in so many may be measured again.
const REPEATED_SHARE: u32 = 4;

/// What it takes to measure.
pub(super) struct Session {
    /// The folder above the definitions.
    pub(super) root: PathBuf,
    /// The folder of definitions.
    definitions: PathBuf,
    cpus: Cpus,
    verifier: Verifier,
    services: Services,
    awake: Awake,
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
            builds.push(build);
        }
        let mut cache = ProgramCache::default();
        for set in bench.spec.origins(&bench.suite.cells) {
            self.progress.say(&format!("building and checking {}", set.name));
            let build = build::build(set, &self.root, &self.interrupt)?;
            let is_built = build.failure.is_none();
            self.print_failure(&set.name, build.failure.as_ref());
            builds.push(build);
            if is_built {
                programs.extend(self.check_programs(&bench, &mut cache, set)?);
            }
        }
        self.progress.finish();
        Ok(Run { builds, programs, ..Run::of(header) })
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
    fn bench<'a>(&'a self, header: &'a RunHeader, run_started: Instant) -> Bench<'a> {
        Bench {
            root: &self.root,
            definitions: &self.definitions,
            spec: &header.spec,
            suite: &header.suite,
            cpus: &self.cpus,
            padding_bytes: header.campaign.map_or(0, |drawn| drawn.padding_bytes),
            verifier: &self.verifier,
            services: &self.services,
            run_started,
            interrupt: &self.interrupt,
        }
    }

    /// Measures all blocks of all cells that can be measured, into a record in `folder`.
    pub(super) fn measure_all(&self, folder: &Path, prepared: Run) -> Result<Run> {
        let (cells, blocks) = (usable(&prepared), prepared.header.suite.blocks);
        let mut recording = Recording::begin(self, folder, prepared)?;
        let outcome = recording.measure(&cells, blocks).map(|()| None);
        recording.close(outcome)
    }
}

/// A record that is being written.
pub(super) struct Recording<'a> {
    session: &'a Session,
    writer: Writer,
    started: Instant,
    plans: Vec<BlockPlan>,
    cache: ProgramCache,
    gauges: Gauges,
    /// What has been recorded.
    pub(super) run: Run,
}

impl<'a> Recording<'a> {
    /// Begins a record in `folder`, with what is known by now: what was built, and what an earlier
    /// part of the same experiment measured, whose record it replaces.
    pub(super) fn begin(session: &'a Session, folder: &Path, mut run: Run) -> Result<Self> {
        run.header.to_project = folders::to_project(folder, &session.root)?;
        run.header.id = Some(new_id()?);
        let gauges = Gauges::new(session.cpus.servers[0])?;
        let RunHeader { suite, spec, seed, .. } = &run.header;
        Ok(Self {
            session,
            writer: Writer::replace(folder, run.records())?,
            started: Instant::now(),
            plans: plan::plan(suite, spec, *seed),
            cache: ProgramCache::default(),
            gauges,
            run,
        })
    }

    /// How long it has been going on.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Measures until each of `cells` has so many blocks that count, or no more are planned. Where
    /// versions are compared, a cell in which a block failed is not measured further.
    pub(super) fn measure(&mut self, cells: &BTreeSet<CellId>, until: u32) -> Result<()> {
        let (session, header) = (self.session, self.run.header.clone());
        let bench = session.bench(&header, self.started);
        let missing = cells.iter().map(|cell| until.saturating_sub(self.counted(cell)) as usize);
        session.progress.start(missing.sum());
        for plan in std::mem::take(&mut self.plans) {
            let attempts = || self.run.attempts_of(&plan.cell);
            if attempts().any(|attempt| attempt.block == plan.block) {
                continue;
            }
            let failed =
                header.experiment.is_some() && attempts().any(|attempt| attempt.failure.is_some());
            if failed || !cells.contains(&plan.cell) || self.counted(&plan.cell) >= until {
                self.plans.push(plan);
                continue;
            }
            session.interrupt.check()?;
            self.measure_block(&bench, &header, &plan)?;
            session.progress.advance();
        }
        session.progress.finish();
        Ok(())
    }

    /// Measures a block and appends it to the record. One that was disturbed is measured again, at
    /// once and in the same order, but at most a quarter of a cell's blocks: where more are
    /// disturbed, they count, and the cell says so. One in which this process did not run says
    /// nothing, and is measured again in any case, up to as many as are planned. Of programs, none
    /// is measured where earlier ones showed that it would break a limit again.
    fn measure_block(
        &mut self,
        bench: &Bench<'_>,
        header: &RunHeader,
        plan: &BlockPlan,
    ) -> Result<()> {
        let (progress, cell) = (&self.session.progress, &plan.cell);
        let of_programs = bench.spec.is_of_programs(cell);
        progress.block(
            cell,
            match of_programs {
                true => duet_analysis::running_program_ratio(&self.run.program_blocks, cell),
                false => duet_analysis::running_ratio(header, &self.run.blocks, cell),
            },
        );
        while !self.cache.has_given_up(cell) {
            let mut block = match of_programs {
                true => Block::Programs(Box::new(programs::block(
                    bench,
                    &mut self.cache,
                    &mut self.gauges,
                    plan,
                )?)),
                false => {
                    let window_ns = block::window_ns(&self.run.blocks, cell);
                    Block::Servers(Box::new(block::run(bench, &mut self.gauges, plan, window_ns)?))
                }
            };
            // Also of the time before the block: caches and clocks of the CPUs are cold after it.
            let gap = self.session.awake.longest_gap();
            let discarded = self.run.attempts_of(cell).filter(|a| a.discarded).count();
            let (blocks, others) = (bench.suite.blocks, bench.suite.blocks / REPEATED_SHARE);
            if let Some(failure) = block.attempt().failure {
                progress.print(&format!("{cell} block {}: {failure}", plan.block + 1));
            } else if let Some(gap) = gap.filter(|_| discarded < blocks as usize) {
                block.discard(Some(slept(gap)));
            } else if discarded < others as usize {
                block.discard(match &block {
                    Block::Servers(block) => duet_analysis::disturbance(block, header),
                    Block::Programs(block) => duet_analysis::program_disturbance(block, header),
                });
            }
            let again = block.attempt().discarded;
            let record = Record::from(block);
            self.writer.append(&record)?;
            self.run.push(record);
            if !again {
                break;
            }
        }
        Ok(())
    }

    /// Blocks of a cell that count.
    pub(super) fn counted(&self, cell: &CellId) -> u32 {
        self.run.attempts_of(cell).filter(Attempt::counts).count() as u32
    }

    /// About how long it takes until each of `cells` has so many blocks.
    pub(super) fn forecast(&self, cells: &BTreeSet<CellId>, until: u32) -> Duration {
        let RunHeader { suite, spec, .. } = &self.run.header;
        let of_cell = |cell: &CellId| {
            let measured = || self.run.attempts_of(cell).map(|attempt| attempt.elapsed_ns);
            let block_ns = match measured().count() as u64 {
                0 => plan::block_ms(suite, spec, cell) * 1_000_000,
                n => measured().sum::<u64>() / n,
            };
            block_ns * u64::from(until.saturating_sub(self.counted(cell)))
        };
        Duration::from_nanos(cells.iter().map(of_cell).sum())
    }

    /// Closes the record, with why it stopped before all was decided, if so. An interruption is
    /// part of it; any other error is handed on.
    pub(super) fn close(mut self, outcome: Result<Option<String>>) -> Result<Run> {
        let (interrupted, stopped) = match outcome {
            Ok(stopped) => (None, stopped),
            Err(error) => (Some(error.downcast::<Interrupted>()?.0), None),
        };
        let end = RunEnd { elapsed_ns: duration_ns(self.started.elapsed()), interrupted, stopped };
        let record = Record::End(end);
        self.writer.append(&record)?;
        self.run.push(record);
        end_leftovers("what was measured");
        Ok(self.run)
    }
}

/// Ends processes that are in nobody's tree any more, and names them.
fn end_leftovers(whose: &str) {
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

/// An id that no other run has: when it was made, and by which process.
fn new_id() -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    Ok(format!("{:x}-{:x}", now.as_nanos(), std::process::id()))
}

/// What a reader is told of a block in which this process did not run for some time.
fn slept(gap: Duration) -> String {
    let time = duet_units::nanoseconds(duration_ns(gap) as f64);
    format!("duet did not run for {time}: it was stopped, or the machine slept")
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
