//! What the CPU time costs.

use serde::{Deserialize, Serialize};

use super::metric::Estimate;
use duet_model::spec::CellId;

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
