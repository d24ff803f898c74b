//! What the first block of a cell finds out for those after it: the length of windows, and what
//! servers can do, of which the rate of an open loop is a share.

use std::collections::BTreeMap;

use crate::record::BlockRecord;
use crate::spec::{CellId, Spec};

/// What blocks found out so far.
#[derive(Debug, Default)]
pub struct Pilots {
    windows_ns: BTreeMap<CellId, u64>,
    capacities_per_second: BTreeMap<Conditions, u64>,
}

/// What a capacity depends on: matchup, workload and connections. Cells that differ in the rate
/// alone share one, so that their rates are shares of the same.
type Conditions = (String, String, u32);

/// What is known before a block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Known {
    /// The length of the cell's windows.
    pub window_ns: Option<u64>,
    /// What the slower arm answers per second in a closed loop.
    pub capacity_per_second: Option<u64>,
}

impl Pilots {
    /// What is known about a cell.
    #[must_use]
    pub fn of(&self, cell: &CellId, spec: &Spec) -> Known {
        Known {
            window_ns: self.windows_ns.get(cell).copied(),
            capacity_per_second: self.capacities_per_second.get(&conditions(cell, spec)).copied(),
        }
    }

    /// Keeps what a block found out, if it was the first. One that failed or was disturbed is no
    /// guide.
    pub fn learn(&mut self, block: &BlockRecord, spec: &Spec) {
        if block.failure.is_some() || block.set_aside.is_some() {
            return;
        }
        self.windows_ns.entry(block.cell.clone()).or_insert(block.window_ns);
        if let Some(capacity) = block.open.and_then(|open| open.capacity_per_second) {
            let conditions = conditions(&block.cell, spec);
            self.capacities_per_second.entry(conditions).or_insert(capacity);
        }
    }
}

fn conditions(cell: &CellId, spec: &Spec) -> Conditions {
    let connections = spec.load(&cell.load).map_or(0, |load| load.connections);
    (cell.matchup.clone(), cell.workload.clone(), connections)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::testing::{Scene, run};
    use crate::record::OpenRate;

    #[test]
    fn the_first_good_block_decides() {
        let run = run(&Scene::default());
        let spec = &run.header.spec;
        let mut block = run.blocks[0].clone();
        let mut pilots = Pilots::default();
        let mut learn = |capacity: Option<u64>, spoil: fn(&mut BlockRecord)| {
            let rate = |capacity| OpenRate { rate_per_second: 1, capacity_per_second: capacity };
            block.open = capacity.map(|capacity| rate(Some(capacity)));
            block.set_aside = None;
            spoil(&mut block);
            pilots.learn(&block, spec);
            let known = pilots.of(&block.cell, spec);
            (known.window_ns.is_some(), known.capacity_per_second)
        };
        assert_eq!(learn(Some(7), |b| b.set_aside = Some("a neighbour".into())), (false, None));
        assert_eq!(learn(None, |_| ()), (true, None));
        assert_eq!(learn(Some(8), |_| ()), (true, Some(8)));
        assert_eq!(learn(Some(9), |_| ()), (true, Some(8)));
        let other = CellId { workload: "other".into(), ..run.blocks[0].cell.clone() };
        assert_eq!(pilots.of(&other, spec), Known::default());
    }
}
