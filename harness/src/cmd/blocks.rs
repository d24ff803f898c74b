//! Measuring one block after another: what `run` and the comparisons of versions share.

use anyhow::Result;

use crate::cmd::progress::Progress;
use duet_measure::block::{self, Bench};
use duet_model::plan::BlockPlan;
use duet_model::record::{BlockRecord, Record, RunHeader, Writer};

/// One block in so many may be measured again.
pub(super) const REPEATED_SHARE: u32 = 4;

/// Measures a block and appends it to the record and to `so_far`, the run's blocks. A block that
/// was disturbed is measured again, at once and in the same order, but at most a quarter of a
/// cell's blocks: where more are disturbed, they count, and the cell says so.
pub(super) fn measure(
    bench: &Bench<'_>,
    plan: &BlockPlan,
    header: &RunHeader,
    so_far: &mut Vec<BlockRecord>,
    writer: &mut Writer,
    progress: &Progress,
) -> Result<()> {
    progress.block(&plan.cell, duet_analysis::running_ratio(header, so_far, &plan.cell));
    loop {
        let of_cell = so_far.iter().filter(|block| block.cell == plan.cell);
        let discarded = of_cell.filter(|block| block.discarded.is_some()).count();
        let known = block::known(so_far, &plan.cell, bench.spec);
        let mut record = block::run(bench, plan, known)?;
        if let Some(failure) = &record.failure {
            progress.print(&format!("{} block {}: {failure}", plan.cell, plan.block + 1));
        } else if discarded < (bench.suite.blocks / REPEATED_SHARE) as usize {
            record.discarded = duet_analysis::disturbance(&record, header);
        }
        writer.append(&Record::Block(Box::new(record.clone())))?;
        let again = record.discarded.is_some();
        so_far.push(record);
        if !again {
            return Ok(());
        }
    }
}
