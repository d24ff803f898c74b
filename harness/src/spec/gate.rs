//! The policy of a gate, as data: what is compared between two versions, and how much worse the new
//! one may be.

use serde::{Deserialize, Serialize};

use super::Spec;
use crate::metric::Metric;

/// What must hold before a change is let in: cells, metrics with margins, budgets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// CPUs given to the servers; also `{threads}`.
    pub server_cpus: u32,
    /// CPUs given to the generator.
    pub generator_cpus: u32,
    /// The shortest window, in milliseconds.
    pub window_ms: u32,
    /// Time in windows per block, over both versions, in milliseconds.
    pub measure_ms: u32,
    /// The longest warm-up per block, over both versions, in milliseconds.
    pub warmup_ms: u32,
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
}

/// A moment at which a verdict is sought.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// After so many blocks of each cell.
    pub blocks: u32,
    /// The part of the gate's alpha that it spends; the looks' parts add up to no more than that.
    pub alpha: f64,
}

/// A gated metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Which.
    pub metric: Metric,
    /// How much worse it may be, as a share: 0.03 is 3 %.
    pub margin: f64,
}

/// A limit on the new version alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Failed requests as a share of all.
    ErrorRate,
    /// A metric.
    Metric(Metric),
}

/// A regression that is accepted, up to a size and a day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// The server it is for.
    pub server: String,
    /// The workload it is for; absent: all.
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

impl Spec {
    /// The gate of this name.
    #[must_use]
    pub fn gate(&self, name: &str) -> Option<&Gate> {
        self.gates.iter().find(|gate| gate.name == name)
    }
}
