//! What the first block of a cell finds out for those after it: the length of windows, and what
//! servers can do, of which the rate of an open loop is a share.

use duet_model::record::BlockRecord;
use duet_model::spec::{CellId, Spec};

/// What is known before a block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PilotResult {
    /// The length of the cell's windows.
    pub window_ns: Option<u64>,
    /// What the slower arm answers per second in a closed loop.
    pub capacity_per_second: Option<u64>,
}

/// What a run's blocks so far say about a cell; the first of them decides, so that all are measured
/// alike. One that failed or was disturbed is no guide.
///
/// A capacity belongs to matchup, workload, transport and number of connections: cells that differ
/// in the rate alone have it in common, so that their rates are shares of the same.
#[must_use]
pub fn known(so_far: &[BlockRecord], cell: &CellId, spec: &Spec) -> PilotResult {
    let good = || so_far.iter().filter(|b| b.failure.is_none() && b.discarded.is_none());
    let connections = |cell: &CellId| {
        spec.load(&cell.load).map(|load| (load.connections, load.transport, load.streams))
    };
    let is_alike = |other: &CellId| {
        (&other.matchup, &other.workload) == (&cell.matchup, &cell.workload)
            && connections(other) == connections(cell)
    };
    let mut alike = good().filter(|block| is_alike(&block.cell));
    PilotResult {
        window_ns: good().find(|block| block.cell == *cell).map(|block| block.window_ns),
        capacity_per_second: alike.find_map(|block| block.open?.capacity_per_second),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use duet_model::spec::{Load, Transport};
    use duet_model::testing::{Scene, run};
    use duet_protocol::ResolvedRate;

    #[test]
    fn the_first_good_block_decides() {
        let run = run(&Scene::default());
        let mut spec = run.header.spec.clone();
        let load = spec.loads[0].clone();
        spec.loads.push(Load { name: "other".to_owned(), ..load.clone() });
        spec.loads.push(Load { name: "fewer".to_owned(), connections: 1, ..load.clone() });
        let transport = Transport::Https;
        spec.loads.push(Load { name: "tls".to_owned(), transport, ..load });
        let cell = &run.header.suite.cells[0];
        let open = |capacity: u64, spoil: fn(&mut BlockRecord)| {
            let capacity_per_second = Some(capacity);
            let mut block = run.blocks[0].clone();
            block.open = Some(ResolvedRate { rate_per_second: 1, capacity_per_second });
            block.window_ns = capacity;
            spoil(&mut block);
            block
        };
        let disturbed = open(7, |block| block.discarded = Some("a neighbour".to_owned()));
        let elsewhere = open(8, |block| block.cell.load = "fewer".to_owned());
        let encrypted = open(12, |block| block.cell.load = "tls".to_owned());
        let alike = open(9, |block| block.cell.load = "other".to_owned());
        let (own, later) = (open(10, |_| ()), open(11, |_| ()));
        let cases: [(&[&BlockRecord], Option<u64>, Option<u64>); 5] = [
            (&[], None, None),
            (&[&disturbed, &elsewhere, &encrypted], None, None),
            (&[&alike], None, Some(9)),
            (&[&disturbed, &own, &later], Some(10), Some(10)),
            (&[&alike, &own], Some(10), Some(9)),
        ];
        for (so_far, window_ns, capacity_per_second) in cases {
            let so_far: Vec<BlockRecord> = so_far.iter().map(|&block| block.clone()).collect();
            let want = PilotResult { window_ns, capacity_per_second };
            assert_eq!(known(&so_far, cell, &spec), want);
        }
    }
}
