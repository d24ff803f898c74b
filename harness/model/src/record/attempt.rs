//! What blocks of servers and blocks of programs have in common.

use super::block::BlockRecord;
use super::failure::Failure;
use super::program::ProgramBlock;
use super::run::{Record, Run};
use crate::spec::CellId;

/// The view of a block. A macro, since only the names of their fields make the two kinds alike.
macro_rules! attempt {
    ($block:expr) => {
        Attempt {
            cell: &$block.cell,
            block: $block.block,
            started_ns: $block.started_ns,
            elapsed_ns: $block.elapsed_ns,
            failure: $block.failure.as_ref(),
            discarded: $block.discarded.is_some(),
        }
    };
}

/// A block as it was measured, of servers or of programs.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// Servers, driven in alternating windows.
    Servers(Box<BlockRecord>),
    /// Programs, run one after the other.
    Programs(Box<ProgramBlock>),
}

impl Block {
    /// What it has in common with the other kind.
    #[must_use]
    pub fn attempt(&self) -> Attempt<'_> {
        match self {
            Self::Servers(block) => attempt!(block),
            Self::Programs(block) => attempt!(block),
        }
    }

    /// Discards it for this reason, if there is one: it will be measured again.
    pub fn discard(&mut self, disturbance: Option<String>) {
        match self {
            Self::Servers(block) => block.discarded = disturbance,
            Self::Programs(block) => block.discarded = disturbance,
        }
    }
}

impl From<Block> for Record {
    fn from(block: Block) -> Self {
        match block {
            Block::Servers(block) => Self::Block(block),
            Block::Programs(block) => Self::ProgramBlock(block),
        }
    }
}

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
    pub discarded: bool,
}

impl Attempt<'_> {
    /// Whether it was measured to its end, undisturbed.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.failure.is_none() && !self.discarded
    }
}

impl Run {
    /// All blocks: those of servers, then those of programs, each in the order of measuring.
    pub fn attempts(&self) -> impl Iterator<Item = Attempt<'_>> {
        let of_servers = self.blocks.iter().map(|block| attempt!(block));
        let of_programs = self.program_blocks.iter().map(|block| attempt!(block));
        of_servers.chain(of_programs)
    }

    /// The blocks of a cell.
    pub fn attempts_of(&self, cell: &CellId) -> impl Iterator<Item = Attempt<'_>> {
        self.attempts().filter(move |attempt| attempt.cell == cell)
    }
}
