//! How a load ended.

use super::args::Load;
use super::limit::Verdict;
use crate::cmd::exit::Exit;
use duet_loadgen::capacity;
use duet_loadgen::load::Measured;

/// How it ended. What makes the figures worthless comes before what they say.
pub(super) fn exit(
    measured: &Measured,
    promised: bool,
    max_error_rate: f64,
    verdicts: &[Verdict],
    signal: Option<i32>,
) -> Exit {
    let connections = &measured.connections;
    let incomplete = measured.connections_open < measured.connections_planned
        || connections.unsolicited > 0
        || (promised && measured.account.unsent + measured.account.in_flight > 0);
    if let Some(signal) = signal {
        Exit::Interrupted(signal)
    } else if incomplete
        || measured.account.ok == 0
        || measured.account.error_rate() > max_error_rate
    {
        Exit::ServerFailed
    } else if verdicts.contains(&Verdict::Broken) {
        Exit::Broken
    } else if verdicts.contains(&Verdict::Unknown) {
        Exit::Inconclusive
    } else {
        Exit::Done
    }
}

/// Why the rate of an open loop did not hold; none: it held.
pub(super) fn reasons(args: &Load, measured: &Measured) -> Vec<String> {
    let mut reasons = vec![];
    if measured.connections_open < measured.connections_planned {
        reasons.push(format!(
            "{} connections missing",
            measured.connections_planned - measured.connections_open
        ));
    }
    let account = &measured.account;
    if account.error_rate() > args.max_error_rate {
        reasons.push(format!("{} failed", duet_units::percent(account.error_rate())));
    }
    if !capacity::is_achieved(account.planned, measured.ok) {
        // Of nothing planned, nothing is missing.
        let share = measured.ok as f64 / account.planned as f64;
        reasons.push(format!("{} of the rate achieved", duet_units::percent(share)));
    }
    for limit in &args.limit {
        match limit.judge(&measured.response) {
            Verdict::Kept => {}
            Verdict::Broken => reasons.push(format!("{} too long", limit.quantile())),
            Verdict::Unknown => reasons.push(format!("{} unknown", limit.quantile())),
        }
    }
    if !reasons.is_empty() && measured.generator_bound() {
        reasons.push("generator-bound".to_owned());
    }
    reasons
}
