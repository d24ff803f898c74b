//! The policy of a gate, as data: what is compared between two versions, and how much worse the new
//! one may be.

use serde::{Deserialize, Serialize};

use super::suite::CellId;
use duet_units::Metric;

/// What must hold before a change is let in: cells, metrics with margins, budgets.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// Its name, unique among gates.
    pub name: String,
    /// One sentence for `duet list`.
    pub summary: String,
    /// The servers that are guarded; each version of one is compared with the other version of it.
    pub servers: Vec<String>,
    /// Under these workloads, as far as a server implements them.
    pub workloads: Vec<String>,
    /// Under each of these loads.
    pub loads: Vec<String>,
    /// The programs that are guarded, in the same way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<GatedPrograms>,
    /// CPUs given to the servers; also `{threads}`.
    pub server_cpus: u32,
    /// CPUs given to the generator.
    pub generator_cpus: u32,
    /// The lead-in of a window, in milliseconds: for how long an arm is driven before the window's
    /// clocks and counts begin. 0 in older records.
    #[serde(default)]
    pub lead_ms: u32,
    /// The shortest window, in milliseconds.
    pub window_ms: u32,
    /// Time in windows per block, over both versions, in milliseconds.
    pub measure_ms: u32,
    /// The longest warm-up per block, over both versions, in milliseconds.
    pub warmup_ms: u32,
    /// As [`Suite::program_block_ms`](super::Suite::program_block_ms).
    #[serde(default)]
    pub program_block_ms: u32,
    /// The longest time one run of a program may take, in seconds.
    #[serde(default)]
    pub program_limit_s: u32,
    /// The most memory a program may take, in MiB.
    #[serde(default)]
    pub program_limit_mib: u32,
    /// The share of false alarms that is accepted, over all gated metrics and looks: 0.05.
    pub alpha: f64,
    /// The looks, in order: the verdict is sought after so many blocks and at no other time.
    pub looks: Vec<Look>,
    /// The longest time that measuring may take, builds not included, in seconds.
    pub budget_s: u32,
    /// The gated metrics, each with its margin.
    pub rules: Vec<Rule>,
    /// What the new version must keep, whatever the old one did.
    pub budgets: Vec<Budget>,
    /// Regressions that are accepted for a while.
    pub waivers: Vec<Waiver>,
    /// Whose policy holds where the two versions' differ; what the base's table says counts.
    #[serde(default, skip_serializing_if = "PolicyRule::is_default")]
    pub policy: PolicyRule,
    /// Whether a workload whose expected response differs between the versions is compared all the
    /// same, each version by its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub compare_changed: bool,
    /// The version that many small changes together are held to, such as `git:v1.2`: the last
    /// release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<String>,
}

/// Whose policy holds where two versions of one differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PolicyRule {
    /// Of each rule the stricter: a change cannot let itself in.
    #[default]
    Stricter,
    /// The head's.
    Head,
}

impl PolicyRule {
    /// Whether it is the one of gates that say nothing of it.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::Stricter
    }
}

/// Programs that are guarded: each set's for each problem at each size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GatedPrograms {
    /// The sets.
    pub sets: Vec<String>,
    /// The problems, for each of which every set has a program.
    pub problems: Vec<String>,
    /// The sizes, which every problem has.
    pub sizes: Vec<String>,
}

/// Servers or sets that a gate guards, what is asked of each of them, and how hard.
#[derive(Debug, Clone, Copy)]
pub struct GateScope<'a> {
    /// Whether they are sets of programs.
    pub programs: bool,
    /// The servers or sets.
    pub arms: &'a [String],
    /// The workloads or problems.
    pub workloads: &'a [String],
    /// The loads or sizes.
    pub loads: &'a [String],
}

/// A moment at which a verdict is sought.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// After so many blocks of each cell.
    pub blocks: u32,
    /// The part of the gate's alpha that it spends; the looks' parts add up to no more than that.
    pub alpha: f64,
}

/// A gated metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Which.
    pub metric: Metric,
    /// How much worse it may be, as a share: 0.03 is 3 %.
    pub margin: f64,
}

/// A limit on the new version alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// As it was written: `latency_ns_p99 <= 5ms`.
    pub text: String,
    /// What is limited.
    pub quantity: Quantity,
    /// The limit, in the quantity's base unit (nanoseconds, bytes, per second, a share). Metrics of
    /// which more is better must be at least this, all others at most.
    pub limit: f64,
}

/// What a budget limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Failed requests as a share of all.
    ErrorRate,
    /// A metric.
    Metric(Metric),
}

/// A regression that is accepted, up to a size and a day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// The server it is for, or the set of programs.
    pub server: String,
    /// The workload it is for, or the problem; absent: all.
    pub workload: Option<String>,
    /// The metric it is for.
    pub metric: Metric,
    /// How much worse the metric may be, as a share, instead of its margin: larger than that.
    pub margin: f64,
    /// Why it is accepted.
    pub reason: String,
    /// The last day on which it holds (UTC), `2027-01-31`.
    pub expires: String,
}

impl GateScope<'_> {
    /// Each of them with all that is asked of it; the matchup of a cell is the server or set.
    pub fn cells(self) -> impl Iterator<Item = CellId> {
        let pairs = self
            .arms
            .iter()
            .flat_map(move |arm| self.workloads.iter().map(move |workload| (arm, workload)));
        pairs.flat_map(move |(arm, workload)| {
            self.loads.iter().map(move |load| CellId {
                matchup: arm.clone(),
                workload: workload.clone(),
                load: load.clone(),
            })
        })
    }
}

/// What is accepted since the anchor, in margins of a single change.
const MARGINS_SINCE_ANCHOR: f64 = 2.0;

impl Gate {
    /// The same policy against its anchor: twice its margins, and no waiver that allows less.
    #[must_use]
    pub fn against_anchor(&self) -> Self {
        let mut gate = self.clone();
        for rule in &mut gate.rules {
            rule.margin *= MARGINS_SINCE_ANCHOR;
        }
        for waiver in &mut gate.waivers {
            let rule = gate.rules.iter().find(|rule| rule.metric == waiver.metric);
            waiver.margin = rule.map_or(waiver.margin, |rule| rule.margin.max(waiver.margin));
        }
        gate
    }

    /// All that it guards: its servers, then its tables of programs.
    pub fn guards(&self) -> impl Iterator<Item = GateScope<'_>> {
        let (arms, workloads, loads) = (&self.servers, &self.workloads, &self.loads);
        let servers = GateScope { programs: false, arms, workloads, loads };
        let programs = self.programs.iter().map(|table| GateScope {
            programs: true,
            arms: &table.sets,
            workloads: &table.problems,
            loads: &table.sizes,
        });
        std::iter::once(servers).chain(programs)
    }
}
