//! What a run found out, as plain data: `summary.json`, and all that a report sees.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::verdict::Verdict;
use duet_model::record::{BuildRecord, Failure, Finding, Machine};
use duet_model::spec::{Arrivals, CellId, ClaimFigure, ClaimKind, Lane};
use duet_stats::Interval;
use duet_units::{CellKind, Loop, Metric};

/// The version of `summary.json`; raised when a reader of the old format would be wrong.
pub const SCHEMA: u32 = 1;

/// What a run found out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Analysis {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What was run.
    pub run: RunSummary,
    /// The servers that took part, and the sets of programs, in the definitions' order.
    pub servers: Vec<ServerSummary>,
    /// The matchups, those of programs first, in the order of their first cell.
    pub matchups: Vec<MatchupAnalysis>,
    /// What others published of the same problems, beside this run.
    pub published: Vec<PublishedAnalysis>,
    /// What failed, in order; a failure that recurs in every block of a cell is listed once.
    pub failures: Vec<CellFailure>,
    /// Warnings about the run as a whole.
    pub warnings: Vec<Warning>,
    /// What this run says of the claims that its definitions list, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<ClaimAnalysis>,
    /// What the servers' CPU time costs; absent where none was compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub money: Option<MoneyAnalysis>,
    /// How long builds take, where `duet builds` has left its record in the run's folder.
    #[serde(default)]
    pub builds: Option<BuildsAnalysis>,
}

/// What was run, where, when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RunSummary {
    /// The suite's name.
    pub suite: String,
    /// Whether the suite is meant to give verdicts.
    pub verdicts: bool,
    /// The command line that made the run, `duet run standard`.
    pub command: String,
    /// When it began, ISO 8601 in UTC.
    pub started: String,
    /// How long it took; absent when it was killed.
    pub elapsed_ns: Option<u64>,
    /// The signal that interrupted it, or absent. A run that was killed has `killed` instead.
    pub interrupted: Option<i32>,
    /// Whether the record has no end: the harness was killed, or the run is still going on.
    pub killed: bool,
    /// Blocks measured and counted.
    pub blocks: u32,
    /// Blocks planned.
    pub blocks_planned: u32,
    /// Time in windows, over all blocks.
    pub measured_ns: u64,
    /// The seed.
    pub seed: u64,
    /// The harness's version.
    pub duet_version: String,
    /// The commit, with `-dirty` when there were uncommitted changes.
    pub commit: Option<String>,
    /// What leads from the run's folder to the project's, with a slash at its end.
    pub to_project: String,
    /// CPUs of the servers.
    pub server_cpus: Vec<usize>,
    /// CPUs of the generator.
    pub generator_cpus: Vec<usize>,
    /// The machine.
    pub machine: Machine,
    /// What `duet doctor` said of it.
    pub findings: Vec<Finding>,
    /// Share of time stolen from the servers' CPUs during windows.
    pub stolen_share: f64,
}

/// A server that took part, or a set of programs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ServerSummary {
    /// Its language.
    pub language: String,
    /// One sentence.
    pub summary: String,
    /// Whether it prints while it serves; its output was read and thrown away.
    pub prints: bool,
    /// Its build: version, binary size, build time, failure.
    pub build: BuildRecord,
}

/// What `duet builds` found out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BuildsAnalysis {
    /// The command line.
    pub command: String,
    /// When it began, ISO 8601 in UTC.
    pub started: String,
    /// The harness's version.
    pub duet_version: String,
    /// The commit, with `-dirty` when there were uncommitted changes.
    pub commit: Option<String>,
    /// The machine.
    pub machine: Machine,
    /// How often each build was to be timed.
    pub rounds: u32,
    /// The signal that interrupted it, or absent.
    pub interrupted: Option<i32>,
    /// The servers, in the definitions' order.
    pub servers: Vec<BuildFigures>,
}

/// The builds of a server. Times are in nanoseconds: the Hodges–Lehmann estimate of their
/// logarithms, with its signed-rank interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BuildFigures {
    /// Its name.
    pub server: String,
    /// Its language.
    pub language: String,
    /// Its version line.
    pub version: Option<String>,
    /// The version line of the toolchain that its table names.
    pub toolchain_version: Option<String>,
    /// With empty build caches.
    pub clean_ns: Option<Estimate>,
    /// The same with the standard library compiled already.
    pub clean_std_compiled_ns: Option<Estimate>,
    /// With nothing changed.
    pub no_op_ns: Option<Estimate>,
    /// After an edit, until the build ended.
    pub edit_build_ns: Option<Estimate>,
    /// After an edit, until the first valid response.
    pub edit_response_ns: Option<Estimate>,
    /// The size of its executable.
    pub binary_bytes: Option<u64>,
    /// The same without symbol table and debugging information.
    pub stripped_bytes: Option<u64>,
    /// Other modules or crates it is built of.
    pub dependencies: Option<u32>,
    /// The lines of their sources.
    pub dependency_lines: Option<u64>,
    /// Why something is missing.
    pub failure: Option<Failure>,
}

/// A matchup: its cells, and what does not depend on the cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MatchupAnalysis {
    /// Its name.
    pub name: String,
    /// Its lane.
    pub lane: Lane,
    /// Whether both arms are the same server, so that every difference is an error of measurement.
    pub control: bool,
    /// Whether the arms are sets of programs, not servers.
    pub programs: bool,
    /// The arms; the first is the base.
    pub arms: Vec<Arm>,
    /// Its cells.
    pub cells: Vec<CellAnalysis>,
    /// Metrics that belong to a start and not to a load (start-up, idle memory): the mean over
    /// cells of their estimates. `values` and `log_ratios` are of all starts, cell by cell.
    pub starts: Vec<MetricAnalysis>,
    /// Over its cells, per metric: the geometric mean of ratios. Of servers closed loops, and for
    /// CPU per request loops with one fixed rate; of programs each problem at its largest size,
    /// where both programs run for 50 ms and more. Absent with fewer than two such cells.
    pub means: Vec<Mean>,
    /// Latency where each arm is as busy as the other, of workloads with several rate shares.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub equal_utilisation: Vec<EqualUtilisation>,
}

/// The median latency of a workload where each arm is at the same utilisation, read between the
/// loads on both sides of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EqualUtilisation {
    /// The workload.
    pub workload: String,
    /// The busy share of the servers' CPUs: 0 to 1.
    pub utilisation: f64,
    /// By arm.
    pub latency_ns_p50: Vec<Estimate>,
    /// How many times as long the second arm takes.
    pub ratio: Estimate,
}

/// One side of a matchup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Arm {
    /// The server.
    pub server: String,
    /// What reports call it: the server's name, in an A/A matchup with ` (A)` or ` (B)`.
    pub label: String,
    /// Its language.
    pub language: String,
}

/// One matchup under one workload and one load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CellAnalysis {
    /// Its name.
    pub id: CellId,
    /// The workload's question.
    pub question: String,
    /// The load for people: `64 connections`, `64 connections, a new one per request`.
    pub load: String,
    /// Blocks that count.
    pub blocks: u32,
    /// Blocks that failed.
    pub blocks_failed: u32,
    /// Blocks that were disturbed, discarded and measured again.
    pub blocks_discarded: u32,
    /// Length of its windows; absent when no block counts, and of searches, whose probes differ.
    pub window_ns: Option<u64>,
    /// Who was the bottleneck.
    pub bottleneck: Bottleneck,
    /// The metrics, in the order of [`Metric::ALL`], without those that could not be had.
    pub metrics: Vec<MetricAnalysis>,
    /// Memory over the time of a block, per arm: medians over blocks.
    pub rss: Vec<Vec<RssPoint>>,
    /// Errors in windows by kind, per arm.
    pub errors: Vec<BTreeMap<String, u64>>,
    /// Warnings about the cell.
    pub warnings: Vec<Warning>,
    /// What is known of its programs; absent for servers.
    pub program: Option<ProgramCell>,
    /// What an open loop did; absent in a closed one, and where no block counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<OpenAnalysis>,
    /// What searches for the highest rate within a limit came to; absent where there were none, and
    /// where no block counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchAnalysis>,
    /// Whether alternating costs both arms alike; absent where no block can say, and of searches
    /// and programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switching: Option<Switching>,
}

/// What it costs an arm that the window before was of the other one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Switching {
    /// Per arm: CPU time per request in windows after the other arm's over that in windows after
    /// its own. 1: alternating costs nothing.
    pub cold_over_warm: Vec<Estimate>,
    /// The second arm's over the first's: by so much ratios of CPU time are off.
    pub difference: Estimate,
}

/// What an open loop did. Its latencies are metrics of the cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OpenAnalysis {
    /// Requests per second, the same for all arms and blocks.
    pub rate_per_second: u64,
    /// The share of the capacity that was planned; absent where a rate was.
    pub rate_share: Option<f64>,
    /// Responses per second of the slower arm in a closed loop over the same connections.
    pub capacity_per_second: Option<u64>,
    /// How requests were spread over time.
    pub arrivals: Arrivals,
    /// The arms.
    pub arms: Vec<OpenArm>,
}

/// What became of an arm's planned requests, over all blocks that count, and how late they were
/// sent: medians over blocks, of a window where each has 1,000 requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OpenArm {
    /// Requests planned.
    pub planned: u64,
    /// Those of them that were sent after their window's planned time.
    pub sent_late: u64,
    /// Those of them that were never sent.
    pub unsent: u64,
    /// From the planned instant to sending.
    pub send_lag_ns_p99: f64,
    /// That part of it for which a connection was free: the generator's own lateness.
    pub generator_lag_ns_p99: f64,
    /// From sending to the last byte.
    pub service_time_ns_p99: f64,
    /// Windows.
    #[serde(default)]
    pub windows: u64,
    /// Those of them that hold a stall of the machine: the generator itself was once more than 5 ms
    /// late.
    #[serde(default)]
    pub windows_stalled: u64,
}

/// What searches for the highest rate within a limit came to. Where each arm's lies is a metric of
/// the cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SearchAnalysis {
    /// The limit, in words: `p99 at most 5.00 ms`.
    pub limit: String,
    /// The arms.
    pub arms: Vec<SearchArm>,
}

/// The searches of an arm, over all blocks that count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SearchArm {
    /// Those that found a rate that held and one that failed.
    pub found: u32,
    /// Probes, in all of them.
    pub probes: u64,
    /// The highest rate that held: the median over blocks.
    pub held_per_second: Option<f64>,
    /// The lowest rate that failed: the median over blocks.
    pub failed_per_second: Option<f64>,
    /// How late the generator itself sent requests at that rate (99 %): the median over blocks.
    pub generator_lag_ns_p99: Option<f64>,
    /// What was found over the rate that holds every second time, by the law of chance that fits
    /// all probes best; absent with few of them.
    pub lift: Option<f64>,
}

/// What is known of the programs of a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ProgramCell {
    /// N.
    pub n: u32,
    /// The arms' programs.
    pub arms: Vec<ProgramSummary>,
}

/// What is known of a program beside its times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ProgramSummary {
    /// The set it comes from: the arm's, or one that the arm's falls back on.
    pub set: String,
    /// Its source, relative to the project's folder.
    pub source: String,
    /// The size of its source without comments and repeated white space, after gzip -9.
    pub gz_bytes: Option<u64>,
    /// The size of its binary.
    pub binary_bytes: Option<u64>,
    /// What its source uses beyond plain code of one thread.
    pub features: Vec<String>,
    /// The busy share of each CPU while it ran, whoever kept it busy.
    pub cpu_load: Vec<f64>,
}

/// Memory at a moment of a block.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RssPoint {
    /// Milliseconds since the block began.
    pub at_ms: u64,
    /// Resident set.
    pub rss_bytes: f64,
}

/// A value, its interval, its n.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// Its interval, of 95 % or a little more; absent below n = 6.
    pub interval: Option<Interval>,
    /// Blocks behind it.
    pub n: u32,
}

/// A metric of a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MetricAnalysis {
    /// Which.
    pub metric: Metric,
    /// The arms' values, in the metric's unit.
    pub arms: Vec<Estimate>,
    /// What those are estimated from: per arm the values of the blocks, in the order of blocks.
    #[serde(default)]
    pub values: Vec<Vec<f64>>,
    /// How many times worse the second arm is than the first: above one, the first arm is better,
    /// whatever the metric's direction. Absent where the cell may not print one.
    pub ratio: Option<Estimate>,
    /// The block log ratios behind the ratio, in the order of blocks: ln of how many times worse.
    /// Empty where there is no ratio.
    pub log_ratios: Vec<f64>,
    /// What the ratio lets us say of the second arm against the first.
    pub verdict: Verdict,
    /// Why the verdict is inconclusive, where it is.
    pub reason: Option<String>,
    /// Whether it is shown and not judged: a quantile with few requests beyond it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub informational: bool,
    /// The two-sided p value of "the ratio lies within the tie band", by the signed-rank test;
    /// absent where nothing is judged.
    #[serde(default)]
    pub p: Option<f64>,
    /// The same, adjusted for all judged lines of the run (Benjamini and Hochberg). A verdict of
    /// better or worse needs 0.05 at most.
    #[serde(default)]
    pub q: Option<f64>,
}

/// The geometric mean of ratios over cells of a matchup, with one vote for each kind of work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Mean {
    /// Which metric.
    pub metric: Metric,
    /// The cells in it, at least two.
    pub cells: Vec<MeanCell>,
    /// The kinds of work among them, each of which has one vote.
    pub kinds: u32,
    /// Cells that are not in it.
    pub left_out: Vec<LeftOut>,
    /// How many times worse the second arm is: over kinds the mean of the cells' Hodges-Lehmann
    /// estimates, with an interval by Student's law and Satterthwaite's degrees of freedom. Its n
    /// is the fewest blocks of a cell.
    pub ratio: Estimate,
    /// What it lets us say.
    pub verdict: Verdict,
    /// As of [`MetricAnalysis::p`], by Student's law.
    pub p: Option<f64>,
    /// As of [`MetricAnalysis::q`].
    pub q: Option<f64>,
}

/// A cell of a mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MeanCell {
    /// Which.
    pub cell: CellId,
    /// Its kind of work: the workload's `kind`, its name where it has none, a problem's name.
    pub kind: String,
    /// Its ratio.
    pub ratio: f64,
}

/// A cell that is not in a mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// Which.
    pub cell: CellId,
    /// Why.
    pub reason: String,
}

/// Who was the bottleneck of a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Bottleneck {
    /// Who.
    pub who: Who,
    /// Busy share of the servers' CPUs in the windows that drove each arm.
    pub server_busy: Vec<f64>,
    /// Busy share of the generator's CPUs in the same windows. Looking for the next planned instant
    /// without sleeping does not count.
    pub generator_busy: Vec<f64>,
}

/// Candidates for the bottleneck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// The server: what was measured is the server.
    Server,
    /// The generator: rates and response times are its own and have no ratio; CPU per request and
    /// memory keep theirs.
    Generator,
    /// Nobody was busy: more connections would bring more.
    Latency,
    /// The rate of an open loop, which was held: nobody had to be busy.
    Rate,
    /// The shares do not say.
    Unknown,
}

/// A doubt about a number, carried with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Warning {
    /// A fixed word for machines: `unequal_work`.
    pub code: String,
    /// What is doubtful.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Warning {
    pub(super) fn new(code: &str, message: String, hint: &str) -> Self {
        Self { code: code.to_owned(), message, hint: Some(hint.to_owned()) }
    }
}

/// A failure and how often it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CellFailure {
    /// The cell; absent for a failed build.
    pub cell: Option<CellId>,
    /// What happened.
    pub failure: Failure,
    /// Blocks in which it happened; 1 for a build, 0 for a program that failed before any.
    pub blocks: u32,
}

impl CellAnalysis {
    /// What it measures. A cell of servers where no block counts is taken for a closed loop.
    #[must_use]
    pub fn kind(&self) -> CellKind {
        match (&self.program, &self.open, &self.search) {
            (Some(_), _, _) => CellKind::Programs,
            (None, _, Some(_)) => CellKind::Servers(Loop::Search),
            (None, Some(_), None) => CellKind::Servers(Loop::Open),
            (None, None, None) => CellKind::Servers(Loop::Closed),
        }
    }
}

/// Published figures and what became of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PublishedAnalysis {
    /// When they were published.
    pub date: String,
    /// Versions and machine.
    pub about: String,
    /// The languages compared; ratios say how many times worse the second is.
    pub languages: [String; 2],
    /// A row per problem that this run measured too.
    pub rows: Vec<PublishedComparison>,
    /// The geometric mean of these rows' ratios.
    pub mean: f64,
    /// The means of this run's matchups in these languages, each over those of its programs that a
    /// mean may be over.
    pub today: Vec<MeanToday>,
}

/// A matchup's geometric mean of elapsed times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MeanToday {
    /// The matchup.
    pub matchup: String,
    /// Programs in it.
    pub cells: u32,
    /// The mean, in the order of the published languages.
    pub ratio: Estimate,
}

/// A published row and the cells of this run that correspond to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PublishedComparison {
    /// The problem.
    pub problem: String,
    /// The published seconds, by language.
    pub secs: [f64; 2],
    /// Their ratio.
    pub ratio: f64,
    /// The ratio of peak memory.
    pub memory_ratio: Option<f64>,
    /// The ratio of source sizes.
    pub gz_ratio: Option<f64>,
    /// The published seconds for which the cores were busy, by language.
    pub busy_secs: Option<[f64; 2]>,
    /// How busy each core was, in per cent, by language.
    pub cpu_load: Option<[String; 2]>,
    /// The ratio of the fastest programs without intrinsics, `unsafe` and C libraries.
    pub plain_ratio: Option<f64>,
    /// The article's figure that shows the row, if one does.
    pub figure: Option<String>,
    /// What the fastest programs owe their speed to.
    pub note: Option<String>,
    /// This run's cells.
    pub today: Vec<Today>,
}

/// A cell beside a published row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Today {
    /// The cell.
    pub cell: CellId,
    /// The ratio of elapsed times, in the order of the published languages.
    pub ratio: Estimate,
    /// The ratio of peak memory.
    pub memory_ratio: Option<Estimate>,
    /// What became of the published gap in time.
    pub standing: Standing,
    /// The cell's CPU seconds, in the order of the published languages.
    pub cpu_secs: Option<[f64; 2]>,
    /// The busy share of each CPU, in that order.
    pub cpu_load: [Vec<f64>; 2],
}

/// What became of a published gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The same language is ahead, by at least half of the published gap (in logarithms).
    Stands,
    /// The same language is ahead, by less.
    Shrunk,
    /// They are equal now.
    Gone,
    /// The other language is ahead.
    Reversed,
    /// This run does not say.
    Unclear,
}

/// A claim that others published, and what was measured of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClaimAnalysis {
    /// Its name.
    pub name: String,
    /// The claim.
    pub claim: String,
    /// Who published it where.
    pub source: String,
    /// When.
    pub date: String,
    /// What may be said of it.
    pub kind: ClaimKind,
    /// What kind of evidence the source is, and what must be known beside the figures.
    pub remark: String,
    /// What would have to be measured as well.
    pub missing: Option<String>,
    /// What the lines let us say.
    pub verdict: ClaimVerdict,
    /// What was measured of it, in the order of its tests. A ratio says how many times worse the
    /// arm is that the claim does not put ahead: above one agrees with the claim.
    pub lines: Vec<ClaimLine>,
    /// What differs in the work of the arms, where it does.
    pub differs: Vec<String>,
    /// The folder of the run that the lines are of, in a ledger of runs; absent in a run's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

/// What is said of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ClaimVerdict {
    /// Every line that is judged agrees.
    Holds,
    /// Some lines agree, or agree in part.
    HoldsInPart,
    /// No line agrees, and at least one disagrees.
    DoesNotHold,
    /// No line is told apart.
    Inconclusive,
    /// There are figures, and the claim is not judged or they have no interval.
    FiguresOnly,
    /// There is a test, and this run measured nothing of it.
    NotMeasured,
    /// Nothing tests it yet.
    Untested,
    /// It says nothing about the languages.
    Unrelated,
}

/// A line that bears on a claim.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClaimLine {
    /// The matchup.
    pub matchup: String,
    /// The cell; absent where the line is of the matchup as a whole.
    pub cell: Option<CellId>,
    /// Cells that it is a geometric mean of; absent where it is none.
    pub mean_of: Option<ClaimCells>,
    /// What was measured.
    pub quantity: ClaimQuantity,
    /// The arms by their languages: the one that the claim puts ahead, and the other.
    pub languages: [String; 2],
    /// Their values in that order, in the quantity's unit; absent for means.
    pub values: Option<[f64; 2]>,
    /// Of memory: by how many bytes the second value is larger, for means the median over cells.
    pub difference_bytes: Option<f64>,
    /// How many times worse the second of `languages` is. Figures have no interval.
    pub ratio: Estimate,
    /// The limits that it is held against, where the claim has some.
    pub limits: Vec<f64>,
    /// Whether it agrees with the claim.
    pub standing: ClaimStanding,
}

/// The cells of a mean: how many there are, and of how many each arm was told to be better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClaimCells {
    /// How many there are.
    pub cells: u32,
    /// Those in which the arm is better that the claim puts ahead; of figures, smaller.
    pub ahead: u32,
    /// Those in which the other is.
    pub behind: u32,
}

/// What a line is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ClaimQuantity {
    /// A metric.
    Metric(Metric),
    /// A figure without an interval.
    Figure(ClaimFigure),
}

/// Whether a line agrees with a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ClaimStanding {
    /// It agrees.
    Agrees,
    /// The direction agrees and not the size, the mean and not most of its cells, or the reverse.
    InPart,
    /// It disagrees; a tie disagrees with a difference.
    Disagrees,
    /// It does not say.
    Unclear,
    /// It is shown and not judged.
    Shown,
}

/// What CPU time costs: a price, and each cell's costs at it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MoneyAnalysis {
    /// What is paid.
    pub prices: Prices,
    /// A cell for each matchup of servers and workload, in their order.
    pub cells: Vec<MoneyCell>,
}

/// What costs are made of. The currency is whatever the prices are in; the defaults are in US
/// dollars.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Of a vCPU for an hour.
    pub vcpu_hour: f64,
    /// Of a day of work.
    pub day: f64,
}

/// What a workload's CPU time costs on each server of a matchup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MoneyCell {
    /// The cell whose CPU per request it is.
    pub cell: CellId,
    /// Its load, in words.
    pub load: String,
    /// The servers.
    pub arms: Vec<MoneyArm>,
    /// The arm that needs more, where the verdict says so.
    pub dearer: Option<usize>,
    /// Requests a second from which the difference in a month pays a day of work; absent where no
    /// difference was told apart.
    pub pays_day_from_per_second: Option<Estimate>,
}

/// What a server's CPU time costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MoneyArm {
    /// Its label.
    pub label: String,
    /// Requests per second that one vCPU carries at the planned utilisation.
    pub requests_per_vcpu_second: Estimate,
    /// What a million requests cost, where all that is paid for is used as planned.
    pub cost_per_million: Estimate,
    /// What a month costs, rate by rate.
    pub months: Vec<MoneyMonth>,
}

/// What a month costs at a rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MoneyMonth {
    /// Requests per second, all month.
    pub rate_per_second: u64,
    /// vCPUs that carry them at the planned utilisation.
    pub vcpus: f64,
    /// The cost, at least that of the smallest instance.
    pub cost: Estimate,
    /// Whether the smallest instance is enough.
    pub smallest: bool,
}
