//! A record as a whole: its lines, and the run that they add up to.

use serde::{Deserialize, Serialize};

use super::block::BlockRecord;
use super::header::{BuildRecord, RunEnd, RunHeader};
use super::program::{ProgramBlock, ProgramRecord};

/// The version of the record's format; raised when a reader of the old format would be wrong.
pub const SCHEMA: u32 = 1;

/// One line of `run.jsonl.gz`. All but the first also hold the header's `id`, as `run`: the writer
/// adds it, the reader compares and drops it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = with_run))]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// The first line.
    Header(Box<RunHeader>),
    /// A server was built, or could not be.
    Build(BuildRecord),
    /// A program was checked at its test size, or failed.
    Program(ProgramRecord),
    /// A block was measured, or failed.
    Block(Box<BlockRecord>),
    /// A block of programs was measured, or failed.
    ProgramBlock(Box<ProgramBlock>),
    /// The last line.
    End(RunEnd),
}

/// Adds to the schema of every line but the header's what the writer adds.
#[cfg(feature = "schema")]
fn with_run(schema: &mut schemars::Schema) {
    let kinds = schema.get_mut("oneOf").and_then(serde_json::Value::as_array_mut);
    for kind in kinds.into_iter().flatten().skip(1) {
        if let Some(properties) = kind["properties"].as_object_mut() {
            let description = "The `id` of the header; absent where that has none.";
            let run = serde_json::json!({ "type": "string", "description": description });
            properties.insert("run".to_owned(), run);
        }
    }
}

/// A run read back.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The header.
    pub header: RunHeader,
    /// Builds in order.
    pub builds: Vec<BuildRecord>,
    /// Programs in order.
    pub programs: Vec<ProgramRecord>,
    /// Blocks in the order they were measured.
    pub blocks: Vec<BlockRecord>,
    /// Blocks of programs in the order they were measured.
    pub program_blocks: Vec<ProgramBlock>,
    /// How it ended; absent when the harness was killed.
    pub end: Option<RunEnd>,
    /// Whether the last line was cut short, as it is when the harness is killed while writing.
    pub truncated: bool,
}

impl Run {
    /// A run that has just begun.
    #[must_use]
    pub fn of(header: RunHeader) -> Self {
        Self {
            header,
            builds: vec![],
            programs: vec![],
            blocks: vec![],
            program_blocks: vec![],
            end: None,
            truncated: false,
        }
    }

    /// Adds a record; a header takes the place of the one before.
    pub fn push(&mut self, record: Record) {
        match record {
            Record::Header(header) => self.header = *header,
            Record::Build(build) => self.builds.push(build),
            Record::Program(program) => self.programs.push(program),
            Record::Block(block) => self.blocks.push(*block),
            Record::ProgramBlock(block) => self.program_blocks.push(*block),
            Record::End(end) => self.end = Some(end),
        }
    }

    /// Its records in the order of a file, without an end.
    pub fn records(&self) -> impl Iterator<Item = Record> {
        let blocks = self.blocks.iter().cloned().map(Box::new);
        let of_programs = self.program_blocks.iter().cloned().map(Box::new);
        std::iter::once(Record::Header(Box::new(self.header.clone())))
            .chain(self.builds.iter().cloned().map(Record::Build))
            .chain(self.programs.iter().cloned().map(Record::Program))
            .chain(blocks.map(Record::Block))
            .chain(of_programs.map(Record::ProgramBlock))
    }
}
