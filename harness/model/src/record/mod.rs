//! The record of a run: `run.jsonl.gz`, one JSON object a line, compressed, appended and flushed as
//! it happens.
//!
//! The first line is the [`RunHeader`], then a [`BuildRecord`] per server and set of programs, a
//! [`ProgramRecord`] per program, a [`BlockRecord`] or [`ProgramBlock`] per block, and a [`RunEnd`]
//! unless the harness was killed. Everything a report shows is derived from this file alone.

mod attempt;
mod block;
mod bounds;
mod builds;
mod experiment;
mod failure;
mod file;
mod gauge;
mod header;
mod machine;
mod program;
mod run;

pub use attempt::{Attempt, Block};
pub use block::{
    ArmHistograms, ArmRecord, BlockRecord, GroupMemory, IdleMemory, Memory, MemoryProbe,
    MemorySearch, MemorySecond, RssSample, ServiceCounts, ServiceUse, Wire,
};
pub use builds::{BUILDS_FILE_NAME, BUILDS_SCHEMA, BuildsRecord, ServerBuilds, read_builds};
pub use experiment::{Absence, Experiment, NoiseFloor, Question, Side, Version};
pub use failure::{Failure, Stage};
pub use file::{FILE_NAME, PLAIN_FILE_NAME, Writer, find, read};
pub use gauge::{BlockGauges, Gauge, GaugeReading};
pub use header::{
    BuildRecord, CampaignSession, Layout, RunEnd, RunHeader, ServiceCpus, ServiceHeader,
};
pub use machine::{Finding, FindingLevel, Machine};
pub use program::{ProgramBlock, ProgramRecord, ProgramRun};
pub use run::{Record, Run, SCHEMA};
