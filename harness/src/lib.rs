//! Duet measures pairs of servers in alternating windows of milliseconds, and pairs of programs.
//!
//! Modules in reading order: plain data first, then pure functions, then what touches the machine,
//! then the commands. ARCHITECTURE.md has the map.

// Model: plain data, and the reading and checking of it.
pub mod record; // run.jsonl: header, builds, blocks, end
pub mod spec; // servers, workloads, suites: what is measured

// Pure: values in, values out.
pub mod analysis; // records -> cells, ratios, warnings
pub mod comparison; // records of two versions -> judged changes
pub mod gate; // contrasts + margins -> PASS, REGRESSED, INCONCLUSIVE
pub mod output; // what a program printed, and whether it is right
pub mod plan; // suite + seed -> blocks with their window order
pub mod report; // analysis -> text, Markdown, HTML, charts
pub mod source; // what a source says of its program: size, features
pub mod verdict; // estimates -> verdicts

// Effects: touch the machine, return plain data.
pub mod block; // one block, from starting the servers to stopping them
pub mod build; // builds servers, times clean builds
pub mod ceiling; // what the load generator reaches at most here
pub mod generator; // starts the load generator, hands it a job, reads its events
pub mod host; // what machine this is, which CPUs to use, what is wrong with it
pub mod launcher; // starts one program and says what the kernel counted
pub mod probe; // the first right answer of a fresh server
pub mod program; // one run of a program
pub mod programs; // checks programs, makes their inputs, measures blocks of them
pub mod progress; // the progress bar
pub mod requests; // cases -> bytes on the wire
pub mod server; // starts and stops servers
pub mod verify; // compares answers, with a full client
pub mod versions; // where the arms of a comparison come from

// Commands: each file owns its arguments and its run.
pub mod cmd;
