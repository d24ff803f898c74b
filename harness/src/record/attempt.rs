//! What blocks of servers and blocks of programs have in common.

use super::{Failure, Run};
use crate::spec::CellId;

/// A block that was measured, or tried, whatever it is of.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// The cell it belongs to.
    pub cell: &'a CellId,
    /// Its index within the cell, from 0.
    pub block: u32,
    /// When it began, in nanoseconds since the run began.
    pub started_ns: u64,
    /// How long it took, in nanoseconds.
    pub elapsed_ns: u64,
    /// Why it failed, if it did.
    pub failure: Option<&'a Failure>,
    /// Whether it was disturbed and therefore measured again.
    pub set_aside: bool,
}

impl Attempt<'_> {
    /// Whether it was measured to its end, undisturbed.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.failure.is_none() && !self.set_aside
    }
}

impl Run {
    /// All blocks: those of servers, then those of programs, each in the order of measuring.
    pub fn attempts(&self) -> impl Iterator<Item = Attempt<'_>> {
        let of_servers = self.blocks.iter().map(|b| Attempt {
            cell: &b.cell,
            block: b.block,
            started_ns: b.started_ns,
            elapsed_ns: b.elapsed_ns,
            failure: b.failure.as_ref(),
            set_aside: b.set_aside.is_some(),
        });
        let of_programs = self.program_blocks.iter().map(|b| Attempt {
            cell: &b.cell,
            block: b.block,
            started_ns: b.started_ns,
            elapsed_ns: b.elapsed_ns,
            failure: b.failure.as_ref(),
            set_aside: b.set_aside.is_some(),
        });
        of_servers.chain(of_programs)
    }

    /// The blocks of a cell.
    pub fn attempts_of(&self, cell: &CellId) -> impl Iterator<Item = Attempt<'_>> {
        self.attempts().filter(move |attempt| attempt.cell == cell)
    }
}
