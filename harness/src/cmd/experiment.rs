//! An experiment on two versions under way: what `compare`, `gate` and `aa` share.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::{UsageError, blocks, run, run_programs};
use crate::cmd::progress::Progress;
use duet_measure::block::Bench;
use duet_measure::host::{self, Cpus};
use duet_measure::programs::{ProgramCache, ProgramContext};
use duet_measure::verify::Verifier;
use duet_model::plan::{self, BlockPlan};
use duet_model::record::{self, Attempt, Record, Run, RunEnd, RunHeader, Writer};
use duet_model::spec::{CellId, Spec, Suite};
use duet_process::interrupt::{Interrupt, Interrupted};

/// What it takes to measure.
pub(super) struct Tools {
    /// The folder above the definitions.
    pub(super) root: PathBuf,
    /// The folder of definitions.
    pub(super) definitions: PathBuf,
    pub(super) cpus: Cpus,
    pub(super) verifier: Verifier,
    pub(super) interrupt: Interrupt,
    pub(super) progress: Progress,
}

impl Tools {
    /// Takes so many CPUs for the servers and for the generator, and watches for Ctrl-C.
    pub(super) fn new(
        (root, definitions): (PathBuf, &Path),
        (server_cpus, generator_cpus): (u32, u32),
    ) -> Result<Self> {
        Ok(Self {
            root,
            definitions: definitions.to_owned(),
            cpus: host::choose_cpus(server_cpus, generator_cpus)?,
            verifier: Verifier::new()?,
            interrupt: Interrupt::watch()?,
            progress: Progress::new(),
        })
    }

    /// The header of an experiment on this machine, unless it is one that cannot measure.
    pub(super) fn header(
        &self,
        seed: Option<u64>,
        spec: &Spec,
        suite: &Suite,
    ) -> Result<RunHeader> {
        let header = run::header(seed, spec, suite, &self.cpus, &self.root)?;
        run::refuse_unfit(&header)?;
        run_programs::refuse_unfit(spec, suite)?;
        Ok(header)
    }
}

/// An experiment whose record is being written.
pub(super) struct RunningExperiment<'a> {
    tools: &'a Tools,
    writer: Writer,
    started: Instant,
    plans: Vec<BlockPlan>,
    memory: ProgramCache,
    /// What has been recorded.
    pub(super) run: Run,
}

impl<'a> RunningExperiment<'a> {
    /// Begins a record in `folder`, with what is known by now: what was built, and what an earlier
    /// part of the same experiment measured, whose record it replaces.
    pub(super) fn begin(tools: &'a Tools, folder: &Path, begun: Run) -> Result<Self> {
        let begun_with = begun.clone();
        let header = Record::Header(Box::new(begun_with.header));
        let builds = begun_with.builds.into_iter().map(Record::Build);
        let programs = begun_with.programs.into_iter().map(Record::Program);
        let blocks = begun_with.blocks.into_iter().map(|b| Record::Block(Box::new(b)));
        let of_programs =
            begun_with.program_blocks.into_iter().map(|b| Record::ProgramBlock(Box::new(b)));
        let known = builds.chain(programs).chain(blocks).chain(of_programs);
        let writer = Writer::replace(folder, std::iter::once(header).chain(known))?;
        let RunHeader { suite, spec, seed, .. } = &begun.header;
        let plans = plan::plan(suite, spec, *seed);
        let memory = ProgramCache::default();
        Ok(Self { tools, writer, started: Instant::now(), plans, memory, run: begun })
    }

    /// How long it has been going on.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Measures until each of `cells` has so many blocks that count, or no more are planned. A cell
    /// in which a block failed is not measured further.
    pub(super) fn measure(&mut self, cells: &BTreeSet<CellId>, until: u32) -> Result<()> {
        let header = self.run.header.clone();
        let bench = Bench {
            root: &self.tools.root,
            spec: &header.spec,
            suite: &header.suite,
            cpus: &self.tools.cpus,
            verifier: &self.tools.verifier,
            run_started: self.started,
            interrupt: &self.tools.interrupt,
        };
        let all_cpus = self.tools.cpus.all();
        let context = context(self.tools, &header, &all_cpus, self.started);
        let missing = cells.iter().map(|cell| until.saturating_sub(self.counted(cell)) as usize);
        self.tools.progress.start(missing.sum());
        for plan in std::mem::take(&mut self.plans) {
            let tried = self.run.attempts_of(&plan.cell).any(|a| a.block == plan.block);
            let failed = self.run.attempts_of(&plan.cell).any(|a| a.failure.is_some());
            if tried {
                continue;
            }
            if failed || !cells.contains(&plan.cell) || self.counted(&plan.cell) >= until {
                self.plans.push(plan);
                continue;
            }
            self.tools.interrupt.check()?;
            let (progress, writer) = (&self.tools.progress, &mut self.writer);
            if header.spec.is_of_programs(&plan.cell) {
                let so_far = &mut self.run.program_blocks;
                let memory = &mut self.memory;
                run_programs::measure(
                    &context,
                    memory,
                    (&header, &plan),
                    so_far,
                    writer,
                    progress,
                )?;
            } else {
                let so_far = &mut self.run.blocks;
                blocks::measure(&bench, &plan, &header, so_far, writer, progress)?;
            }
            progress.advance();
        }
        self.tools.progress.finish();
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

    /// Ends the record. An interruption is part of it; any other error is handed on.
    pub(super) fn end(mut self, outcome: Result<Option<String>>) -> Result<Run> {
        let (interrupted, stopped) = match outcome {
            Ok(stopped) => (None, stopped),
            Err(error) => match error.downcast_ref::<Interrupted>() {
                Some(interrupted) => (Some(interrupted.0), None),
                None => return Err(error),
            },
        };
        let elapsed_ns = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let end = RunEnd { elapsed_ns, interrupted, stopped };
        self.writer.append(&Record::End(end.clone()))?;
        self.run.end = Some(end);
        Ok(self.run)
    }
}

/// What runs of programs have in common.
fn context<'a>(
    tools: &'a Tools,
    header: &'a RunHeader,
    cpus: &'a [usize],
    run_started: Instant,
) -> ProgramContext<'a> {
    ProgramContext {
        root: &tools.root,
        definitions: &tools.definitions,
        spec: &header.spec,
        limit: Duration::from_secs(header.suite.program_limit_s.into()),
        limit_bytes: u64::from(header.suite.program_limit_mib) << 20,
        cpus,
        run_started,
        interrupt: &tools.interrupt,
    }
}

/// Builds servers and programs and compares what they give with what is right. What fails is in
/// the records.
pub(super) fn prepare(tools: &Tools, header: RunHeader) -> Result<Run> {
    let mut run = Run::of(header);
    let RunHeader { spec, suite, .. } = &run.header;
    for server in &spec.servers {
        tools.progress.say(&format!("building and verifying {}", server.name));
        let (name, verifier) = (&server.name, &tools.verifier);
        let build = run::prepare((spec, suite), name, &tools.root, verifier, &tools.interrupt)?;
        if let Some(failure) = &build.failure {
            tools.progress.print(&format!("{} cannot be measured: {failure}", server.name));
        }
        run.builds.push(build);
    }
    let cpus = tools.cpus.all();
    let context = context(tools, &run.header, &cpus, Instant::now());
    let mut memory = ProgramCache::default();
    for set in spec.origins(&suite.cells) {
        let (build, programs) =
            run_programs::prepare(&context, suite, &mut memory, set, &tools.progress)?;
        run.builds.push(build);
        run.programs.extend(programs);
    }
    tools.progress.finish();
    Ok(run)
}

/// The folder for a record: one that holds none, or the default one emptied of an earlier
/// experiment.
pub(super) fn folder(out: Option<&Path>, root: &Path, default: &str) -> Result<PathBuf> {
    let folder = out.map_or_else(|| root.join(default), Path::to_owned);
    if folder.join(record::FILE_NAME).exists() {
        if out.is_some() {
            bail!(UsageError(format!(
                "{} holds a run already: choose another folder, or remove it",
                folder.display()
            )));
        }
        fs::remove_dir_all(&folder)
            .with_context(|| format!("failed to remove {}", folder.display()))?;
    }
    fs::create_dir_all(&folder)
        .with_context(|| format!("failed to create {}", folder.display()))?;
    Ok(folder)
}

/// The whole of an experiment without looks: all blocks of all cells that can be measured.
pub(super) fn carry_out(tools: &Tools, folder: &Path, begun: Run) -> Result<Run> {
    let (cells, blocks) = (usable(&begun), begun.header.suite.blocks);
    let mut under_way = RunningExperiment::begin(tools, folder, begun)?;
    let outcome = under_way.measure(&cells, blocks).map(|()| None);
    under_way.end(outcome)
}

/// The cells that can be measured: of servers and programs that are built and right.
pub(super) fn usable(run: &Run) -> BTreeSet<CellId> {
    let RunHeader { spec, suite, .. } = &run.header;
    let built = |arm: &String| {
        spec.server(arm).is_none()
            || run.builds.iter().any(|b| b.server == *arm && b.failure.is_none())
    };
    let all_built =
        |cell: &&CellId| spec.matchup(&cell.matchup).is_some_and(|m| m.arms.iter().all(built));
    let right = |cell: &&CellId| run_programs::is_usable(spec, cell, &run.programs);
    suite.cells.iter().filter(all_built).filter(right).cloned().collect()
}
