//! What is known of the noise of machines: the floors that null experiments found, in a file per
//! machine.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::folders;
use duet_analysis::Analysis;
use duet_measure::output::Output;
use duet_model::record::{Machine, NoiseFloor};
use duet_model::spec::Suite;

/// The folder for what is known of machines, below the one above the definitions.
const FOLDER: &str = "results/noise";

/// What is known of a machine.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FloorStore {
    machine: Option<Machine>,
    protocols: Vec<Protocol>,
}

/// Null experiments that were made in one way; others say nothing of them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Protocol {
    server_cpus: u32,
    generator_cpus: u32,
    #[serde(default)]
    lead_ms: u32,
    window_ms: u32,
    measure_ms: u32,
    warmup_ms: u32,
    floors: Vec<NoiseFloor>,
}

impl Protocol {
    fn of(suite: &Suite) -> Self {
        Self {
            server_cpus: suite.server_cpus,
            generator_cpus: suite.generator_cpus,
            lead_ms: suite.lead_ms,
            window_ms: suite.window_ms,
            measure_ms: suite.measure_ms,
            warmup_ms: suite.warmup_ms,
            floors: vec![],
        }
    }

    fn is_of(&self, suite: &Suite) -> bool {
        let way = |p: &Self| (p.lead_ms, p.window_ms, p.measure_ms, p.warmup_ms);
        let cpus = |p: &Self| (p.server_cpus, p.generator_cpus);
        let of_suite = Self::of(suite);
        way(self) == way(&of_suite) && cpus(self) == cpus(&of_suite)
    }
}

/// The noise floors that are known of this machine, for a suite's cells.
pub(super) fn floors(root: &Path, machine: &Machine, suite: &Suite) -> Result<Vec<NoiseFloor>> {
    let known = read(&file(root, machine))?;
    let of_suite = known.protocols.into_iter().filter(|protocol| protocol.is_of(suite));
    let mut floors: Vec<NoiseFloor> = of_suite.flat_map(|protocol| protocol.floors).collect();
    floors.retain(|floor| suite.cells.contains(&floor.cell));
    Ok(floors)
}

/// The file of a machine: its processor, its number of CPUs and its kernel make its name.
fn file(root: &Path, machine: &Machine) -> PathBuf {
    let text = format!("{}\n{}\n{}", machine.cpu, machine.cpus, machine.kernel);
    let digits = Output::of(text.as_bytes()).sha256;
    root.join(FOLDER).join(format!("{}.json", &digits[..12]))
}

fn read(file: &Path) -> Result<FloorStore> {
    if !file.exists() {
        return Ok(FloorStore::default());
    }
    let text = fs::read(file).with_context(|| format!("failed to read {}", file.display()))?;
    serde_json::from_slice(&text).with_context(|| {
        format!("{} is damaged: remove it and run `duet aa` again", file.display())
    })
}

/// Adds what the null experiments of a run found to what is known of this machine. Returns the
/// floors of the run's protocol and the file, or nothing where no experiment was finished.
pub(super) fn add(
    root: &Path,
    machine: &Machine,
    suite: &Suite,
    analysis: &Analysis,
    blocks: usize,
) -> Result<Option<(Vec<NoiseFloor>, PathBuf)>> {
    let file = file(root, machine);
    let mut known = read(&file)?;
    known.machine = Some(machine.clone());
    let index = known.protocols.iter().position(|protocol| protocol.is_of(suite));
    let index = index.unwrap_or_else(|| {
        known.protocols.push(Protocol::of(suite));
        known.protocols.len() - 1
    });
    let floors = &mut known.protocols[index].floors;
    let mut found = false;
    for cell in analysis.matchups.iter().flat_map(|matchup| &matchup.cells) {
        for metric in &cell.metrics {
            let experiments = metric.log_ratios.chunks_exact(blocks);
            let mut estimates: Vec<f64> = experiments.map(duet_stats::hodges_lehmann).collect();
            found |= !estimates.is_empty();
            let same = |f: &&mut NoiseFloor| f.cell == cell.id && f.metric == metric.metric;
            match floors.iter_mut().find(same) {
                Some(floor) => floor.estimates.append(&mut estimates),
                None => {
                    let (cell, metric) = (cell.id.clone(), metric.metric);
                    floors.push(NoiseFloor { cell, metric, estimates });
                }
            }
        }
    }
    if !found {
        return Ok(None);
    }
    let floors = floors.clone();
    let text = serde_json::to_string_pretty(&known).context("failed to encode noise floors")?;
    folders::replace(&file, (text + "\n").as_bytes())?;
    Ok(Some((floors, file)))
}
