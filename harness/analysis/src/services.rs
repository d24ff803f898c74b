//! Services that a cell's servers need: whether one of them was what limited the cell, and whether
//! connections to it were kept.

use crate::cell::{Cell, is_cost};
use crate::summary::Warning;
use duet_units::{Metric, percent, thousands};

/// From here on the CPUs of a service have no time left, and its speed is what was measured.
const BUSY_MAX: f64 = 0.90;

/// From here on a server connects for its calls, where others keep their connections.
const CALLS_PER_CONNECTION_MIN: u64 = 4;

/// The service whose CPUs were the busiest in blocks that count, and their busy share, where that
/// is so much that the service was the limit.
pub(super) fn limit<'a>(cell: &'a Cell<'_>) -> Option<(&'a str, f64)> {
    let used = || {
        cell.counted.iter().flat_map(|block| {
            block.record.services.iter().map(|used| (used, block.record.driven_ns))
        })
    };
    let share = |name: &str| {
        let of = used().filter(|(used, _)| used.service == name);
        let (busy_ns, available_ns) =
            of.fold((0, 0), |(busy_ns, available_ns), (used, driven_ns)| {
                (busy_ns + used.cpus_busy_ns, available_ns + driven_ns * u64::from(used.cpus))
            });
        busy_ns as f64 / available_ns.max(1) as f64
    };
    let shares = used().map(|(used, _)| (used.service.as_str(), share(&used.service)));
    let busiest = shares.max_by(|(_, a), (_, b)| a.total_cmp(b));
    busiest.filter(|(_, share)| *share >= BUSY_MAX)
}

/// Why there is no ratio of rates where a service was the limit.
pub(super) fn refusal(cell: &Cell<'_>, metric: Metric) -> Option<String> {
    limit(cell).filter(|_| !is_cost(metric)).map(|(service, share)| {
        format!(
            "the service {service} was the limit: its CPUs were {} busy, so its speed was measured \
             and not the servers'; give both arms one fixed rate, or use a machine with more CPUs",
            percent(share.min(1.0))
        )
    })
}

/// What may still be compared where a service was the limit.
pub(super) fn warning(cell: &Cell<'_>) -> Option<Warning> {
    let (service, share) = limit(cell)?;
    let message = format!(
        "the service {service} was the limit, its CPUs {} busy: rates and response times are its \
         own and have no ratio; CPU per request and memory are the servers'",
        percent(share.min(1.0))
    );
    let hint = "give both arms one fixed rate below it, or use a machine with more CPUs";
    Some(Warning::new("service_bound", message, hint))
}

/// The arms that open a connection for every call of an upstream service, or for one of few.
pub(super) fn connections(cell: &Cell<'_>) -> Option<Warning> {
    let counts = |arm: usize| {
        let uses = cell.counted.iter().flat_map(|block| &block.record.services);
        let of_arm = uses.filter_map(move |used| used.arms.get(arm));
        of_arm.fold((0, 0), |(calls, accepts), counts| {
            (calls + counts.calls.unwrap_or(0), accepts + counts.accepts.unwrap_or(0))
        })
    };
    let said = cell.arms.iter().enumerate().filter_map(|(arm, of)| {
        let (calls, accepts) = counts(arm);
        (calls > 0 && accepts.saturating_mul(CALLS_PER_CONNECTION_MIN) > calls).then(|| {
            let (calls, accepts) = (thousands(calls as i64), thousands(accepts as i64));
            format!("{} opened {accepts} connections for {calls} calls", of.label)
        })
    });
    let said: Vec<String> = said.collect();
    let message = format!("connections to the upstream service were not kept: {}", said.join("; "));
    let hint = "a client keeps as many connections as calls at once: raise the limit of its pool";
    (!said.is_empty()).then(|| Warning::new("upstream_connections", message, hint))
}
