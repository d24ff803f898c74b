//! An experiment on two versions under way: what `compare`, `gate` and `aa` share.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::{Misuse, blocks, run};
use crate::block::Bench;
use crate::host::{self, Cpus};
use crate::interrupt::{Interrupt, Interrupted};
use crate::plan::{self, BlockPlan};
use crate::progress::Progress;
use crate::record::{
    self, BlockRecord, BuildRecord, Record, Run, RunEnd, RunHeader, Version, Writer,
};
use crate::spec::{CellId, Lane, Matchup, Server, Spec, Suite};
use crate::verify::Verifier;
use crate::versions::Checkout;

/// The name of a record that is being taken up by another.
const EARLIER: &str = "run-earlier.jsonl";

/// What it takes to measure.
pub(super) struct Tools {
    /// The folder above the definitions.
    pub(super) root: PathBuf,
    pub(super) cpus: Cpus,
    pub(super) verifier: Verifier,
    pub(super) interrupt: Interrupt,
    pub(super) progress: Progress,
}

impl Tools {
    /// Takes so many CPUs for the servers and for the generator, and watches for Ctrl-C.
    pub(super) fn new(root: PathBuf, server_cpus: u32, generator_cpus: u32) -> Result<Self> {
        Ok(Self {
            root,
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
        Ok(header)
    }
}

/// The two versions of a server, each under a name of its own, or two servers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pair {
    /// What cells call it.
    pub(super) name: String,
    pub(super) base: Server,
    pub(super) head: Server,
}

/// The servers of two checkouts as a pair; absent where one has no such server. Two versions get
/// names that tell them apart; one server against itself keeps its own.
pub(super) fn pair(base: (&Checkout, &str), head: (&Checkout, &str)) -> Option<Pair> {
    let find = |(checkout, name): (&Checkout, &str)| {
        checkout.servers.iter().find(|server| server.name == name).cloned()
    };
    let (mut first, mut second) = (find(base)?, find(head)?);
    let name = match first.name == second.name {
        true => first.name.clone(),
        false => format!("{}-{}", first.name, second.name),
    };
    if first.name == second.name && first != second {
        let (mut old, mut new) = (base.0.version.label.as_str(), head.0.version.label.as_str());
        if old == new {
            (old, new) = ("base", "head");
        }
        first.name = format!("{name}@{old}");
        second.name = format!("{name}@{new}");
    }
    Some(Pair { name, base: first, head: second })
}

/// Definitions that hold these pairs as matchups, and of the given ones what is asked and how hard.
pub(super) fn definitions(given: &Spec, pairs: &[Pair]) -> Spec {
    let mut spec = Spec {
        servers: vec![],
        matchups: vec![],
        problems: vec![],
        sets: vec![],
        published: vec![],
        suites: vec![],
        ..given.clone()
    };
    for pair in pairs {
        for server in [&pair.base, &pair.head] {
            if spec.server(&server.name).is_none() {
                spec.servers.push(server.clone());
            }
            // Answers that are a server's own belong to all of its versions.
            let original = server.name.split('@').next().unwrap_or_default();
            for workload in &mut spec.workloads {
                if let Some(answer) = workload.answers.get(original).cloned() {
                    workload.answers.insert(server.name.clone(), answer);
                }
            }
        }
        spec.matchups.push(Matchup {
            name: pair.name.clone(),
            lane: pair.base.lanes.first().copied().unwrap_or(Lane::Std),
            arms: vec![pair.base.name.clone(), pair.head.name.clone()],
        });
    }
    spec
}

/// The server that an arm means: the one it names, the one given for both, or the only one.
pub(super) fn server_of<'a>(
    named: Option<&'a str>,
    given: Option<&'a str>,
    spec: &'a Spec,
) -> Result<&'a str> {
    if let Some(name) = named.or(given) {
        return Ok(name);
    }
    match &spec.servers[..] {
        [only] => Ok(&only.name),
        servers => {
            let names: Vec<&str> = servers.iter().map(|server| server.name.as_str()).collect();
            bail!(Misuse(format!(
                "which server? Name it behind the version, as in git:main:{}, or with --server; \
                 there are {}",
                names.first().copied().unwrap_or("NAME"),
                names.join(", ")
            )))
        }
    }
}

/// An experiment whose record is being written.
pub(super) struct UnderWay<'a> {
    tools: &'a Tools,
    writer: Writer,
    started: Instant,
    plans: Vec<BlockPlan>,
    /// What has been recorded.
    pub(super) run: Run,
}

impl<'a> UnderWay<'a> {
    /// Begins a record in `folder`, with what an earlier part of the same experiment measured. That
    /// one's record is kept beside it until all of it stands in the new one.
    pub(super) fn begin(
        tools: &'a Tools,
        folder: &Path,
        header: RunHeader,
        builds: Vec<BuildRecord>,
        blocks: Vec<BlockRecord>,
    ) -> Result<Self> {
        let (file, earlier) = (folder.join(record::FILE_NAME), folder.join(EARLIER));
        if file.exists() {
            fs::rename(&file, &earlier)
                .with_context(|| format!("failed to move {}", file.display()))?;
        }
        let mut writer = Writer::create(folder)?;
        writer.append(&Record::Header(Box::new(header.clone())))?;
        for build in &builds {
            writer.append(&Record::Build(build.clone()))?;
        }
        for block in &blocks {
            writer.append(&Record::Block(Box::new(block.clone())))?;
        }
        if earlier.exists() {
            fs::remove_file(&earlier)
                .with_context(|| format!("failed to remove {}", earlier.display()))?;
        }
        let plans = plan::plan(&header.suite, &header.spec, header.seed);
        let run = Run { builds, blocks, ..Run::of(header) };
        Ok(Self { tools, writer, started: Instant::now(), plans, run })
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
        let missing = cells.iter().map(|cell| until.saturating_sub(self.counted(cell)) as usize);
        self.tools.progress.start(missing.sum());
        for plan in std::mem::take(&mut self.plans) {
            let blocks = || self.run.blocks.iter().filter(|block| block.cell == plan.cell);
            let tried = blocks().any(|block| block.block == plan.block);
            let failed = blocks().any(|block| block.failure.is_some());
            if tried {
                continue;
            }
            if failed || !cells.contains(&plan.cell) || self.counted(&plan.cell) >= until {
                self.plans.push(plan);
                continue;
            }
            self.tools.interrupt.check()?;
            let progress = &self.tools.progress;
            let (run, writer) = (&mut self.run.blocks, &mut self.writer);
            blocks::measure(&bench, &plan, &header, run, writer, progress)?;
            progress.advance();
        }
        self.tools.progress.finish();
        Ok(())
    }

    /// Blocks of a cell that count.
    pub(super) fn counted(&self, cell: &CellId) -> u32 {
        let of_cell = self.run.blocks.iter().filter(|block| block.cell == *cell);
        of_cell.filter(|b| b.failure.is_none() && b.set_aside.is_none()).count() as u32
    }

    /// About how long it takes until each of `cells` has so many blocks.
    pub(super) fn forecast(&self, cells: &BTreeSet<CellId>, until: u32) -> Duration {
        let header = &self.run.header;
        let of_cell = |cell: &CellId| {
            let measured = self.run.blocks.iter().filter(|block| block.cell == *cell);
            let mean_ns = match measured.clone().count() as u64 {
                0 => plan::block_ms(&header.suite, &header.spec, cell) * 1_000_000,
                n => measured.map(|block| block.elapsed_ns).sum::<u64>() / n,
            };
            mean_ns * u64::from(until.saturating_sub(self.counted(cell)))
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

/// Builds the servers and compares their answers with the right ones. What fails is in the records.
pub(super) fn build(tools: &Tools, spec: &Spec) -> Result<Vec<BuildRecord>> {
    let mut builds = vec![];
    for server in &spec.servers {
        tools.progress.say(&format!("building and verifying {}", server.name));
        let build =
            run::prepare(spec, &server.name, &tools.root, &tools.verifier, &tools.interrupt)?;
        if let Some(failure) = &build.failure {
            tools.progress.print(&format!("{} cannot be measured: {failure}", server.name));
        }
        builds.push(build);
    }
    tools.progress.finish();
    Ok(builds)
}

/// The whole of an experiment without looks: all blocks of all cells whose servers are built.
pub(super) fn carry_out(
    tools: &Tools,
    folder: &Path,
    header: RunHeader,
    builds: Vec<BuildRecord>,
) -> Result<Run> {
    let cells = usable(&header.spec, &header.suite.cells, &builds);
    let blocks = header.suite.blocks;
    let mut under_way = UnderWay::begin(tools, folder, header, builds, vec![])?;
    let outcome = under_way.measure(&cells, blocks).map(|()| None);
    under_way.end(outcome)
}

/// The cells that can be measured: of servers that are built and answer rightly.
pub(super) fn usable(spec: &Spec, cells: &[CellId], builds: &[BuildRecord]) -> BTreeSet<CellId> {
    let built = |arm: &String| builds.iter().any(|b| b.server == *arm && b.failure.is_none());
    let all_built =
        |cell: &&CellId| spec.matchup(&cell.matchup).is_some_and(|m| m.arms.iter().all(built));
    cells.iter().filter(all_built).cloned().collect()
}

/// A version in words: `git:main (3f2c1ab)`.
pub(super) fn words(version: &Version) -> String {
    match version.label.is_empty() || version.given.ends_with(&version.label) {
        true => version.given.clone(),
        false => format!("{} ({})", version.given, version.label),
    }
}
