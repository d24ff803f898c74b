//! A cell and its blocks: plain data that estimates and warnings are made from.

use std::collections::BTreeMap;

use crate::bottleneck::{Cpus, Usage};
use crate::negotiated;
use crate::summary::{Arm, Bottleneck, Who};
use crate::values::BlockValues;
use duet_model::record::{BlockRecord, RunHeader};
use duet_model::spec::{CellId, Load, Matchup, Spec, Workload};
use duet_units::{Loop, Metric};

/// A cell and its blocks.
#[derive(Debug)]
pub(super) struct Cell<'a> {
    pub(super) id: &'a CellId,
    pub(super) matchup: &'a Matchup,
    /// The pairs that the matchup is one of, itself included; 1 where it was measured as it is.
    pub(super) pairs: usize,
    pub(super) workload: &'a Workload,
    pub(super) load: &'a Load,
    pub(super) arms: Vec<Arm>,
    /// All blocks by index.
    pub(super) blocks: Vec<&'a BlockRecord>,
    /// Those that count, by index, with their numbers.
    pub(super) counted: Vec<Counted<'a>>,
    /// Those that were measured and do not count, and why.
    pub(super) spoilt: Vec<(u32, String)>,
    /// Sums over the windows of blocks that count, per arm.
    pub(super) usage: Vec<Usage>,
    pub(super) bottleneck: Bottleneck,
}

/// A block that counts.
#[derive(Debug)]
pub(super) struct Counted<'a> {
    pub(super) record: &'a BlockRecord,
    pub(super) values: BlockValues,
}

impl Cell<'_> {
    pub(super) fn labels(&self) -> Vec<&str> {
        self.arms.iter().map(|arm| arm.label.as_str()).collect()
    }

    /// Why the cell may print no ratio of `metric`, if so.
    pub(super) fn refusal(&self, metric: Metric) -> Option<String> {
        let labels: Vec<&str> = self.arms.iter().map(|arm| arm.label.as_str()).collect();
        let records = || self.counted.iter().map(|block| block.record);
        negotiated::refusal(&labels, records())
            .or_else(|| negotiated::unresumed(&labels, self.load, records()))
            .or_else(|| self.generator_bound().filter(|_| !is_cost(metric)).map(str::to_owned))
    }

    fn generator_bound(&self) -> Option<&'static str> {
        (self.bottleneck.who == Who::Generator).then_some(match self.load.kind() {
            Loop::Closed | Loop::Burst => {
                "the generator was the bottleneck, so its rate was measured and not the servers': \
                 give it more CPUs (generator_cpus), choose a workload with more work per \
                 request, or one fixed rate for both arms"
            }
            Loop::Open | Loop::Solo => {
                "the generator was too late or too busy, so its delay was measured and not the \
                 servers': give it more CPUs (generator_cpus), a quieter machine or a lower rate"
            }
            Loop::Search => {
                "the generator was too late or too busy at the rates that failed, so it was \
                 measured and not the servers: give it more CPUs (generator_cpus), or choose a \
                 workload with more work per request"
            }
            Loop::MemorySearch => "the generator was the bottleneck: lower the rate",
        })
    }

    /// Errors by kind in all windows that drove `arm`, whether their block counts or not.
    pub(super) fn errors(&self, arm: usize) -> BTreeMap<String, u64> {
        let mut errors = BTreeMap::new();
        let windows = self.blocks.iter().flat_map(|b| &b.windows);
        for (kind, n) in windows.filter(|w| w.arm as usize == arm).flat_map(|w| &w.errors) {
            *errors.entry(kind.clone()).or_default() += n;
        }
        errors
    }
}

/// Whether a metric is what a server spends, which a generator that is the bottleneck does not
/// limit: CPU time per request, memory, start-up. Rates and response times are then the
/// generator's.
pub(super) fn is_cost(metric: Metric) -> bool {
    match metric {
        Metric::CpuNsPerRequest
        | Metric::RssBytesIdle
        | Metric::RssBytesSteady
        | Metric::RssBytesPeak
        | Metric::RssBytesPerUnit
        | Metric::RssBytesAfter
        | Metric::RssBytesKept
        | Metric::RssBytesPerConnection
        | Metric::MemoryLimitBytes
        | Metric::StartupNs
        | Metric::ElapsedNs
        | Metric::CpuNs => true,
        Metric::RequestsPerSecond
        | Metric::RateWithinPerSecond
        | Metric::ServiceTimeNsP50
        | Metric::ServiceTimeNsP99
        | Metric::LatencyNsP50
        | Metric::LatencyNsP90
        | Metric::LatencyNsP99
        | Metric::LatencyNsP999
        | Metric::LatencyNsWorstSecond
        | Metric::LatenessNsP50
        | Metric::LatenessNsP99 => false,
    }
}

/// Whether a block was measured whole and undisturbed.
pub(super) fn counts(block: &BlockRecord) -> bool {
    block.failure.is_none() && block.discarded.is_none()
}

/// The arms of a matchup, as reports call them.
pub(super) fn arms(matchup: &Matchup, spec: &Spec) -> Vec<Arm> {
    let control = is_control(matchup);
    let arm = |(server, letter): (&String, char)| Arm {
        server: server.clone(),
        label: if control { format!("{server} ({letter})") } else { server.clone() },
        language: language(spec, server).unwrap_or_default().to_owned(),
    };
    matchup.arms.iter().zip('A'..).map(arm).collect()
}

/// The language of a server or a set.
fn language<'a>(spec: &'a Spec, arm: &str) -> Option<&'a str> {
    let server = spec.server(arm).map(|server| server.language.as_str());
    server.or_else(|| Some(spec.set(arm)?.language.as_str()))
}

/// Whether all arms are the same server.
pub(super) fn is_control(matchup: &Matchup) -> bool {
    matchup.arms.windows(2).all(|pair| pair[0] == pair[1])
}

pub(super) fn cpus(header: &RunHeader) -> Cpus {
    Cpus { server: header.server_cpus.len().max(1), generator: header.generator_cpus.len().max(1) }
}
