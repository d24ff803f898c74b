//! Records in, findings out: cells with estimates, ratios, verdicts and warnings.
//!
//! [`Analysis`] is all that a report sees, and `summary.json` is its JSON form. It is a pure
//! function of the record, whatever the order of its blocks and however early it ends. The modules
//! in the order of the flow: `pairs` makes pairs of matchups of several arms; `rounds`, `open`
//! (with `tails`) and `search` reduce a block to `values`, whatever its loop (`block_values`); a
//! `cell` and its blocks become `estimates`; `bottleneck` and `warnings` doubt them; `means` says
//! what cells say together; `cell_analysis` and `programs` say what is known of a cell, `matchups`
//! of all cells of a matchup, `run_summary` of the run, and `run_analysis` puts all into a
//! `summary`; `multiplicity` holds verdicts against all lines of the run.
//!
//! [`comparison`] and [`gate`] judge two versions, [`trend`] orders many runs by time, [`verdict`]
//! holds the rule of every verdict. Plain data is imported from where it is defined and this file
//! only hands it on, so that imports within the crate make no circle.

#![warn(clippy::exit, clippy::print_stderr, clippy::print_stdout)]

mod block_values;
mod bottleneck;
pub mod builds;
mod cell;
mod cell_analysis;
pub mod claims;
mod compact;
pub mod comparison;
mod delayed_acks;
mod disturbance;
mod estimates;
pub mod gate;
mod histogram;
pub mod hours;
mod lateness;
mod long;
mod matchups;
mod means;
mod memory_search;
pub mod money;
mod multiplicity;
mod negotiated;
mod open;
mod pairs;
pub mod pool;
mod programs;
#[cfg(test)]
mod proofs;
mod published;
mod rounds;
mod run_analysis;
mod run_summary;
mod search;
mod services;
mod sizes;
mod summary;
mod switching;
mod tails;
#[cfg(test)]
mod tests;
mod times;
pub mod trend;
mod utilisation;
mod values;
pub mod verdict;
mod warnings;

pub use cell_analysis::running_ratio;
pub use compact::compact;
pub use disturbance::{disturbance, program_disturbance};
pub use duet_model::record::{
    BuildRecord, Failure, Finding, FindingLevel, Gauge, GaugeReading, Machine, ServiceCpus,
    ServiceHeader, Side, Stage,
};
pub use duet_model::spec::{Arrivals, CellId, ClaimFigure, ClaimKind, Lane};
pub use duet_stats::Interval;
pub use programs::running_program_ratio;
pub use run_analysis::analyse;
pub use run_summary::iso_8601;
pub use summary::{
    Analysis, AnotherHour, Arm, Bottleneck, BuildFigures, BuildsAnalysis, CellAnalysis,
    CellFailure, ClaimAnalysis, ClaimCells, ClaimLine, ClaimQuantity, ClaimStanding, ClaimVerdict,
    EqualUtilisation, Estimate, LeftOut, LongAnalysis, LongArm, LongBlock, MatchupAnalysis, Mean,
    MeanCell, MeanToday, MemorySearchAnalysis, MemorySearchArm, MetricAnalysis, MoneyAnalysis,
    MoneyArm, MoneyCell, MoneyMonth, OpenAnalysis, OpenArm, Prices, ProgramCell, ProgramSummary,
    PublishedAnalysis, PublishedComparison, RssPoint, RunSummary, SCHEMA, SearchAnalysis,
    SearchArm, ServerSummary, Standing, Switching, Today, Warning, Who,
};
