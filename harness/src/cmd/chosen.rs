//! The suite that a command line chooses: its cells and blocks, and what this machine leaves out of
//! it. `run` measures it once, a campaign several times.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::exit::UsageError;
use super::folders::{BenchFolder, PostgresFolder, shown};
use super::session::Session;
use super::{doctor, fitness, stdio};
use duet_measure::host;
use duet_model::plan;
use duet_model::record::{Finding, RunHeader};
use duet_model::spec::{DECIDING_BLOCKS, Spec, Suite};

/// What the command line says of a suite.
#[derive(Debug)]
pub(super) struct Choice<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// What the names of its cells contain.
    pub(super) only: Option<&'a str>,
    /// Its number of blocks, where it is another than the definitions'.
    pub(super) blocks: Option<u32>,
}

/// A suite that is ready to be measured.
#[derive(Debug)]
pub(super) struct Chosen {
    /// The definitions.
    pub(super) spec: Spec,
    /// The folder above them.
    pub(super) root: PathBuf,
    /// The suite, with the cells that were chosen and that this machine can measure.
    pub(super) suite: Suite,
    /// What was left out of it.
    left_out: Vec<Finding>,
}

/// Reads the definitions and chooses a suite of them.
///
/// # Errors
/// When there is no such suite, or no cell of it is left.
pub(super) fn choose(
    choice: &Choice<'_>,
    bench: &BenchFolder,
    postgres: &PostgresFolder,
) -> Result<Chosen> {
    let (spec, root) = bench.open()?;
    let mut suite = find(&spec, choice.name, choice.only)?;
    fit_cpus(&mut suite)?;
    if let Some(blocks) = choice.blocks {
        suite.blocks = blocks;
        suite.verdicts &= blocks >= DECIDING_BLOCKS;
    }
    let mut left_out = fitness::leave_out_unfit(&spec, &mut suite)?;
    left_out.extend(fitness::leave_out_larger(&spec, &mut suite)?);
    left_out.extend(fitness::leave_out_unlimited(&spec, &mut suite)?);
    left_out.extend(fitness::leave_out_unopened(&spec, &mut suite));
    left_out.extend(fitness::leave_out_absent(&spec, &mut suite, (postgres, &root))?);
    Ok(Chosen { spec, root, suite, left_out })
}

impl Chosen {
    /// What is written at the head of a record of it.
    pub(super) fn header(&self, session: &Session, seed: Option<u64>) -> Result<RunHeader> {
        let mut header = session.header(seed, &self.spec, &self.suite)?;
        header.findings.splice(0..0, self.left_out.iter().cloned());
        Ok(header)
    }
}

/// Says what will run, for how long, and what `duet doctor` warns of.
pub(super) fn announce(header: &RunHeader, folder: &Path) -> Result<()> {
    let suite = &header.suite;
    let list = |cpus: &[usize]| {
        let cpus: Vec<String> = cpus.iter().map(ToString::to_string).collect();
        cpus.join(", ")
    };
    stdio::line(&format!(
        "Suite `{}`: {}, {} each, about {} of measuring after the builds.",
        suite.name,
        duet_units::count(suite.cells.len(), "cell"),
        duet_units::count(suite.blocks as usize, "block"),
        duet_units::minutes(plan::expected_ms(suite, &header.spec).div_ceil(1000))
    ))?;
    let programs = suite.cells.iter().any(|cell| header.spec.is_of_programs(cell));
    stdio::line(&format!(
        "Servers on CPU {}, load generator on CPU {}{}{}; seed {}; record in {}.",
        list(&header.server_cpus),
        list(&header.generator_cpus),
        if suite.half { " (half of the cores each)" } else { "" },
        if programs { ", programs on all of them" } else { "" },
        header.seed,
        shown(folder)
    ))?;
    stdio::print(&doctor::warnings(&header.findings))
}

/// Gives a suite in which each side has half of the cores the numbers of this machine.
pub(super) fn fit_cpus(suite: &mut Suite) -> Result<()> {
    if suite.half {
        let cpus = host::half_of_cpus()?;
        (suite.server_cpus, suite.generator_cpus) = (cpus, cpus);
    }
    Ok(())
}

/// The suite, with only the cells whose name contains the filter.
fn find(spec: &Spec, name: &str, only: Option<&str>) -> Result<Suite> {
    let Some(suite) = spec.suite(name) else {
        let known: Vec<&str> = spec.suites.iter().map(|suite| suite.name.as_str()).collect();
        bail!(UsageError::unknown("suite", name, &known));
    };
    let mut suite = suite.clone();
    if let Some(only) = only {
        suite.cells.retain(|cell| cell.to_string().contains(only));
        if suite.cells.is_empty() {
            bail!(UsageError(format!(
                "no cell of `{name}` contains `{only}`; `duet list` has the names"
            )));
        }
    }
    Ok(suite)
}
