//! A session's record while it is measured: block by block, each when it is finished.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use super::exit::CommandError;
use super::folders;
use super::session::{Session, end_leftovers, usable};
use duet_measure::block::{self, Bench};
use duet_measure::gauges::Gauges;
use duet_measure::programs::{self, ProgramCache};
use duet_model::plan::{self, BlockPlan};
use duet_model::record::{Attempt, Block, Record, Run, RunEnd, RunHeader, Writer};
use duet_model::spec::CellId;
use duet_process::interrupt::Interrupted;
use duet_units::duration_ns;

/// One block in so many may be measured again.
const REPEATED_SHARE: u32 = 4;

impl Session {
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
        let RunHeader { suite, spec, .. } = &mut run.header;
        spec.keep_workloads_of(&suite.cells);
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
    pub(super) fn measure(
        &mut self,
        cells: &BTreeSet<CellId>,
        until: u32,
    ) -> Result<(), CommandError> {
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
    ) -> Result<(), CommandError> {
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
            if let Block::Servers(block) = &mut block
                && !self.session.full
            {
                duet_analysis::compact(block);
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
    pub(super) fn close(mut self, outcome: Result<Option<String>, CommandError>) -> Result<Run> {
        let (interrupted, stopped) = match outcome {
            Ok(stopped) => (None, stopped),
            Err(CommandError::Interrupted(Interrupted(signal))) => (Some(signal), None),
            Err(error) => return Err(error.into()),
        };
        let end = RunEnd { elapsed_ns: duration_ns(self.started.elapsed()), interrupted, stopped };
        let record = Record::End(end);
        self.writer.append(&record)?;
        self.run.push(record);
        end_leftovers("what was measured");
        Ok(self.run)
    }
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
