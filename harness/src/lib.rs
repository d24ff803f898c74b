//! Duet measures pairs of servers in alternating windows of milliseconds.
//!
//! Modules in reading order: plain data first, then pure functions, then what touches the machine,
//! then the commands. ARCHITECTURE.md has the map.

// Model: plain data, and the reading and checking of it.
pub mod metric; // the metrics: names, units, directions
pub mod record; // run.jsonl: header, builds, blocks, end
pub mod spec; // servers, workloads, suites: what is measured
pub mod units; // numbers as people read them

// Pure: values in, values out.
pub mod analysis; // records -> cells, ratios, warnings
pub mod plan; // suite + seed -> blocks with their window order
pub mod report; // analysis -> text, Markdown, HTML, charts
pub mod stats; // Hodges-Lehmann, exact signed-rank interval
pub mod verdict; // estimates -> verdicts

// Effects: touch the machine, return plain data.
pub mod load; // the load generator
pub mod proc; // CPU clocks and memory of processes
