//! What is known of the noise of machines: the floors that null experiments found, in a file per
//! machine.
//!
//! A floor that nobody measured here is not believed. The file's name is the host's fingerprint,
//! and its sum covers what it says and the host's own id, which the file does not contain: a file
//! that was edited, or came from elsewhere, does not count.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::{folders, stdio};
use duet_analysis::Analysis;
use duet_analysis::gate::{EXPERIMENTS_MAX, EXPERIMENTS_MIN};
use duet_measure::output::Output;
use duet_model::record::{Machine, NoiseFloor, RunHeader};
use duet_model::spec::CellId;

/// The folder for what is known of machines, below the one above the definitions.
const FOLDER: &str = "results/noise";

/// The id that an installation of Linux has for itself (machine-id(5)).
const MACHINE_ID: &str = "/etc/machine-id";

/// What is known of a machine.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FloorStore {
    /// For people.
    machine: Machine,
    /// SHA-256 of the host's fingerprint, its id and the floors.
    sum: String,
    floors: Vec<StoredFloor>,
}

/// Null experiments of one cell and metric that were made in one way.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredFloor {
    /// The SHA-256 of the cell's definition; see [`definition`].
    definition: String,
    /// Whether the arms were linked in different orders.
    relinked: bool,
    floor: NoiseFloor,
}

/// The noise floors that are known of this machine for the cells of a run, whose null experiments
/// have so many blocks: those of other layouts of the same sources where there are enough, since
/// two versions differ in that, too; else those of equal executables.
///
/// # Errors
/// When the file cannot be read. One that is not believed is said to be so, and counts for nothing.
pub(super) fn floors(root: &Path, header: &RunHeader, blocks: u32) -> Result<Vec<NoiseFloor>> {
    let host = Host::of(&header.machine);
    let known = host.read(root)?;
    let mut floors = vec![];
    for cell in &header.suite.cells {
        let definition = definition(cell, header, blocks)?;
        let of_cell = known.iter().filter(|f| f.definition == definition && f.floor.cell == *cell);
        let (other, same): (Vec<_>, Vec<_>) = of_cell.partition(|stored| stored.relinked);
        let (other, same) = (of(&other), of(&same));
        let enough = |f: &&NoiseFloor| f.estimates.len() >= EXPERIMENTS_MIN;
        let other: Vec<NoiseFloor> = other.iter().filter(enough).cloned().collect();
        let is_better = |f: &&NoiseFloor| !other.iter().any(|o| o.metric == f.metric);
        floors.extend(same.iter().filter(is_better).cloned());
        floors.extend(other);
    }
    Ok(floors)
}

fn of(stored: &[&StoredFloor]) -> Vec<NoiseFloor> {
    stored.iter().map(|stored| stored.floor.clone()).collect()
}

/// Adds what the null experiments of a run found, of so many blocks each and with another layout
/// or without, to what is known of this machine; the last ones are kept. Returns the run's floors
/// and the file, or nothing where no experiment was finished.
pub(super) fn add(
    root: &Path,
    header: &RunHeader,
    analysis: &Analysis,
    (blocks, relinked): (u32, bool),
) -> Result<Option<(Vec<NoiseFloor>, PathBuf)>> {
    let host = Host::of(&header.machine);
    let mut known = host.read(root)?;
    let mut found = false;
    for cell in analysis.matchups.iter().flat_map(|matchup| &matchup.cells) {
        let definition = definition(&cell.id, header, blocks)?;
        for metric in &cell.metrics {
            let experiments = metric.log_ratios.chunks_exact(blocks as usize);
            found |= experiments.len() > 0;
            let same = |f: &StoredFloor| {
                (&f.definition, f.relinked) == (&definition, relinked)
                    && (&f.floor.cell, f.floor.metric) == (&cell.id, metric.metric)
            };
            let index = known.iter().position(same).unwrap_or_else(|| {
                let (cell, metric) = (cell.id.clone(), metric.metric);
                let (estimates, standard_errors) = (vec![], vec![]);
                let floor = NoiseFloor { cell, metric, estimates, standard_errors };
                known.push(StoredFloor { definition: definition.clone(), relinked, floor });
                known.len() - 1
            });
            for log_ratios in experiments {
                add_experiment(&mut known[index].floor, log_ratios);
            }
        }
    }
    if !found {
        return Ok(None);
    }
    let cells = &header.suite.cells;
    let mut of_run: Vec<&StoredFloor> = vec![];
    for cell in cells {
        let definition = definition(cell, header, blocks)?;
        let kind = |f: &&StoredFloor| {
            (&f.definition, f.relinked, &f.floor.cell) == (&definition, relinked, cell)
        };
        of_run.extend(known.iter().filter(kind));
    }
    let floors = of(&of_run);
    let file = host.write(root, header.machine.clone(), known)?;
    Ok(Some((floors, file)))
}

/// Adds one null experiment, which needs two blocks, and forgets the oldest where there are many.
fn add_experiment(floor: &mut NoiseFloor, log_ratios: &[f64]) {
    let Some(error) = duet_stats::standard_error(log_ratios) else { return };
    floor.estimates.push(duet_stats::hodges_lehmann(log_ratios));
    floor.standard_errors.push(error);
    let excess = floor.estimates.len().saturating_sub(EXPERIMENTS_MAX);
    floor.estimates.drain(..excess);
    floor.standard_errors.drain(..excess);
}

/// What a null experiment is valid for, as a hash: what is requested or computed and the expected
/// response or output, how hard, in which windows and on how many CPUs, and in how many blocks.
fn definition(cell: &CellId, header: &RunHeader, blocks: u32) -> Result<String> {
    let (spec, suite) = (&header.spec, &header.suite);
    let workload = spec.workload(&cell.workload).map(|w| (&w.cases, w.churn));
    let numbers = [
        suite.server_cpus,
        suite.generator_cpus,
        suite.lead_ms,
        suite.window_ms,
        suite.measure_ms,
        suite.warmup_ms,
        suite.program_block_ms,
        blocks,
    ];
    let (load, problem) = (spec.load(&cell.load), spec.problem(&cell.workload));
    let parts = (workload, load, problem, &cell.load, numbers);
    let text = serde_json::to_vec(&parts).context("failed to encode a cell's definition")?;
    Ok(Output::of(&text).sha256)
}

/// Which machine this is.
#[derive(Debug)]
struct Host {
    /// Its processor, its number of CPUs, its kernel and its id, hashed.
    fingerprint: String,
    /// Its id; empty where it has none, as in a container.
    id: String,
}

impl Host {
    fn of(machine: &Machine) -> Self {
        // A machine without an id is told by the rest.
        let id = fs::read_to_string(MACHINE_ID).unwrap_or_default();
        let text = format!("{}\n{}\n{}\n{id}", machine.cpu, machine.cpus, machine.kernel);
        Self { fingerprint: Output::of(text.as_bytes()).sha256, id }
    }

    fn file(&self, root: &Path) -> PathBuf {
        root.join(FOLDER).join(format!("{}.json", &self.fingerprint[..12]))
    }

    fn sum(&self, floors: &[StoredFloor]) -> Result<String> {
        let parts = (&self.fingerprint, &self.id, floors);
        let text = serde_json::to_vec(&parts).context("failed to encode noise floors")?;
        Ok(Output::of(&text).sha256)
    }

    /// The floors in this host's file: none where there is no file, or one that is not believed.
    fn read(&self, root: &Path) -> Result<Vec<StoredFloor>> {
        let file = self.file(root);
        if !file.exists() {
            return Ok(vec![]);
        }
        let text = fs::read(&file).with_context(|| format!("failed to read {}", file.display()))?;
        let believed = || -> Result<Vec<StoredFloor>> {
            let store: FloorStore = serde_json::from_slice(&text)?;
            ensure!(store.sum == self.sum(&store.floors)?, "its sum is wrong");
            Ok(store.floors)
        };
        Ok(believed().unwrap_or_else(|error| {
            stdio::note(&format!(
                "note: {} was not written by `duet aa` on this machine ({error:#}): its noise \
                 floors are not used, and the next `duet aa` replaces it",
                folders::shown(&file)
            ));
            vec![]
        }))
    }

    fn write(&self, root: &Path, machine: Machine, floors: Vec<StoredFloor>) -> Result<PathBuf> {
        let file = self.file(root);
        let store = FloorStore { machine, sum: self.sum(&floors)?, floors };
        let text = serde_json::to_string_pretty(&store).context("failed to encode noise floors")?;
        folders::replace(&file, (text + "\n").as_bytes())?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use duet_units::Metric;

    fn host(id: &str) -> Host {
        Host { fingerprint: Output::of(id.as_bytes()).sha256, id: id.to_owned() }
    }

    fn stored(estimates: usize) -> StoredFloor {
        let cell =
            CellId { matchup: "a".to_owned(), workload: "b".to_owned(), load: "c".to_owned() };
        let metric = Metric::RequestsPerSecond;
        let mut floor = NoiseFloor { cell, metric, estimates: vec![], standard_errors: vec![] };
        for i in 0..estimates {
            add_experiment(&mut floor, &[0.001 * i as f64, 0.002, 0.1 / 3.0]);
        }
        StoredFloor { definition: "d".to_owned(), relinked: false, floor }
    }

    #[test]
    fn the_last_experiments_are_kept() {
        let floor = stored(45).floor;
        assert_eq!((floor.estimates.len(), floor.standard_errors.len()), (40, 40));
        let mut alone = stored(0).floor;
        add_experiment(&mut alone, &[0.1]);
        assert!(alone.estimates.is_empty(), "one block has no standard error");
    }

    /// A floor holds for what was measured: not for more connections, another response, other
    /// windows or other numbers of blocks, whatever the cell's name.
    #[test]
    fn a_floor_is_of_a_definition() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let run = duet_model::testing::run(&duet_model::testing::Scene::default());
        let (analysis, blocks) = (duet_analysis::analyse(&run), run.header.suite.blocks);
        for _ in 0..10 {
            add(folder.path(), &run.header, &analysis, (blocks, false))?;
        }
        let known = |header: &RunHeader, blocks| floors(folder.path(), header, blocks);
        let found = known(&run.header, blocks)?;
        assert!(found.iter().all(|floor| floor.estimates.len() == 10) && !found.is_empty());
        assert_eq!(known(&run.header, blocks + 1)?, []);
        let changes: [fn(&mut RunHeader); 4] = [
            |header| header.spec.loads[0].connections += 1,
            |header| header.spec.workloads[0].cases[0].expect.body.push('x'),
            |header| header.suite.window_ms += 1,
            |header| header.suite.server_cpus += 1,
        ];
        for change in changes {
            let mut other = run.header.clone();
            change(&mut other);
            assert_eq!(known(&other, blocks)?, []);
        }
        // Other layouts count once there are enough.
        for experiments in [9, 1] {
            assert_eq!(known(&run.header, blocks)?, found);
            for _ in 0..experiments {
                add(folder.path(), &run.header, &analysis, (blocks, true))?;
            }
        }
        assert_eq!(known(&run.header, blocks)?.len(), found.len());
        Ok(())
    }

    /// What is not of this host, or was edited, counts for nothing.
    #[test]
    fn only_what_was_measured_here_is_believed() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let (here, there) = (host("here"), host("there"));
        let machine = duet_measure::host::machine();
        let file = here.write(folder.path(), machine.clone(), vec![stored(12)])?;
        assert_eq!(here.read(folder.path())?.len(), 1);
        assert_eq!(there.read(folder.path())?.len(), 0);
        fs::copy(&file, there.file(folder.path()))?;
        assert_eq!(there.read(folder.path())?.len(), 0, "another host's file");
        let text = fs::read_to_string(&file)?;
        let edited = text.replacen("\"definition\": \"d\"", "\"definition\": \"e\"", 1);
        fs::write(&file, edited)?;
        assert_eq!(here.read(folder.path())?.len(), 0, "an edited file");
        fs::write(&file, "{}")?;
        assert_eq!(here.read(folder.path())?.len(), 0, "no such file");
        here.write(folder.path(), machine, vec![stored(1)])?;
        assert_eq!(here.read(folder.path())?.len(), 1, "replaced");
        Ok(())
    }
}
