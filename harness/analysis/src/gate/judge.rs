//! Tests at looks, and the verdicts that follow from them.

use super::floor::Floor;
use super::judgement::{Evidence, GateVerdict, Judgement, PassLabel, worse};
use super::steps;
use duet_model::spec::Look;
use duet_stats::{
    Interval, hodges_lehmann, holm, interval, lower_bound, p_above, p_below, smallest_detectable,
    standard_deviation, upper_bound,
};

/// What a look found of one member of the family.
#[derive(Debug, Clone, Copy)]
struct Finding {
    verdict: GateVerdict,
    look: Look,
    p_regressed: f64,
    p_regressed_holm: f64,
    p_pass: f64,
    lower: Option<f64>,
    upper: Option<f64>,
}

/// Judges the gated metrics of all cells, which are one family: with error at most the sum of the
/// looks' levels for REGRESSED anywhere in the family where nothing is worse than its fail bar, and
/// for PASS of any one that is at its margin or worse. Looks that a metric has too few blocks for
/// are not made for it; blocks after the last look made count in estimates only.
///
/// `looks` must pass [`check_looks`].
#[must_use]
pub fn judge(family: &[Evidence], looks: &[Look]) -> Vec<Judgement> {
    let mut findings: Vec<Option<Finding>> = vec![None; family.len()];
    for look in looks {
        let new = at_look(family, *look, &findings);
        for (finding, new) in findings.iter_mut().zip(new) {
            *finding = new.or(*finding);
        }
    }
    let judged = family.iter().zip(&findings).map(|(e, finding)| judgement(e, finding.as_ref()));
    let mut judgements: Vec<Judgement> = judged.collect();
    steps::explain(&mut judgements, looks);
    judgements
}

/// What stands of a verdict after a second experiment, with blocks of its own, on the metrics that
/// the first called REGRESSED: these stay so only if the second says the same, and are otherwise
/// INCONCLUSIVE. All others stay as they are.
///
/// Both experiments use the whole level, the second with the metrics called REGRESSED as its
/// family. Each then raises a false alarm with at most that chance, independently, so that both do
/// with at most its square: .0025 for .05.
#[must_use]
pub fn confirm(first: &Judgement, second: &Judgement) -> Judgement {
    let mut confirmed = first.clone();
    if first.verdict == GateVerdict::Regressed && second.verdict != GateVerdict::Regressed {
        confirmed.verdict = GateVerdict::Inconclusive;
        let found = match second.verdict {
            GateVerdict::Pass => "passed",
            _ => "was inconclusive",
        };
        let estimate = second.estimate.map_or_else(|| "no estimate".to_owned(), worse);
        confirmed.reason = Some(format!(
            "a regression was found and not confirmed: the second experiment {found} ({estimate})"
        ));
    }
    confirmed
}

/// A member of the family at a look that can be made for it.
struct Tested<'a> {
    index: usize,
    /// The log ratios of the blocks before the look.
    values: &'a [f64],
    /// What must be exceeded for REGRESSED.
    fail_bar: f64,
}

/// The findings of one look, for the members that are undecided and have enough blocks.
///
/// Holm's family is everything that no earlier look called REGRESSED. That is as strict as testing
/// all again: as long as no alarm was false, what has left the family was really worse, so that all
/// true hypotheses are still in it. Members that are not tested count as tests that fail.
fn at_look(family: &[Evidence], look: Look, before: &[Option<Finding>]) -> Vec<Option<Finding>> {
    let is = |i: usize, verdict| before[i].is_some_and(|finding| finding.verdict == verdict);
    let members = (0..family.len()).filter(|&i| !is(i, GateVerdict::Regressed));
    let undecided = members.clone().filter(|&i| !is(i, GateVerdict::Pass));
    let tested: Vec<Tested> = undecided.filter_map(|i| tested(i, &family[i], look)).collect();
    let mut p: Vec<f64> = tested.iter().map(|t| p_above(t.values, t.fail_bar)).collect();
    p.resize(members.count(), 1.0);
    let adjusted = holm(&p);
    let mut findings = vec![None; family.len()];
    for (k, member) in tested.iter().enumerate() {
        // Holm's steps: the smallest p value against alpha/m, the next against alpha/(m - 1), ...
        let rejected_before =
            p.iter().zip(&adjusted).filter(|(q, a)| **q < p[k] && **a <= look.alpha).count();
        let alpha_holm = look.alpha / (p.len() - rejected_before) as f64;
        let margin = family[member.index].margin.ln_1p();
        findings[member.index] = Some(finding(member, margin, look, alpha_holm, adjusted[k]));
    }
    findings
}

fn tested<'a>(index: usize, evidence: &Evidence<'a>, look: Look) -> Option<Tested<'a>> {
    let values = evidence.log_ratios.get(..look.blocks as usize)?;
    Some(Tested { index, values, fail_bar: fail_bar(evidence) })
}

/// What must be exceeded for REGRESSED: the margin, and what whole runs of equal arms spread.
fn fail_bar(evidence: &Evidence) -> f64 {
    evidence.margin.ln_1p() + evidence.floor.map_or(0.0, |floor| floor.nu)
}

fn finding(
    member: &Tested,
    margin: f64,
    look: Look,
    alpha_holm: f64,
    p_regressed_holm: f64,
) -> Finding {
    let p_pass = p_below(member.values, margin);
    let verdict = if p_regressed_holm <= look.alpha {
        GateVerdict::Regressed
    } else if p_pass <= look.alpha {
        GateVerdict::Pass
    } else {
        GateVerdict::Inconclusive
    };
    Finding {
        verdict,
        look,
        p_regressed: p_above(member.values, member.fail_bar),
        p_regressed_holm,
        p_pass,
        lower: lower_bound(member.values, alpha_holm),
        upper: upper_bound(member.values, look.alpha),
    }
}

/// A metric with what its last look found, and estimates from all of its blocks.
fn judgement(evidence: &Evidence, finding: Option<&Finding>) -> Judgement {
    let values = evidence.log_ratios;
    let (estimate, interval) = match values.is_empty() {
        true => (None, None),
        false => (Some(hodges_lehmann(values)), interval(values)),
    };
    let margin = evidence.margin.ln_1p();
    let (floor, fail_bar) = (evidence.floor, fail_bar(evidence));
    let spread = standard_deviation(values);
    let verdict = finding.map_or(GateVerdict::Inconclusive, |f| f.verdict);
    let label = (verdict == GateVerdict::Pass).then(|| label(interval, margin, floor));
    Judgement {
        verdict,
        label,
        reason: None,
        blocks: values.len() as u32,
        look: finding.map(|f| f.look),
        estimate,
        interval,
        spread,
        lower: finding.and_then(|f| f.lower),
        upper: finding.and_then(|f| f.upper),
        margin,
        floor,
        fail_bar,
        p_regressed: finding.map(|f| f.p_regressed),
        p_regressed_holm: finding.map(|f| f.p_regressed_holm),
        p_pass: finding.map(|f| f.p_pass),
        smallest_detectable: spread
            .map(|spread| fail_bar + smallest_detectable(values.len() as u32, spread)),
        blocks_needed: None,
    }
}

/// What a PASS was. "Same" claims no more than the margin, in either direction.
fn label(interval: Option<Interval>, margin: f64, floor: Option<Floor>) -> PassLabel {
    let nu = floor.map_or(0.0, |floor| floor.nu);
    match interval {
        Some(Interval { high, .. }) if high < -nu => PassLabel::Improved,
        Some(Interval { low, .. }) if low > nu => PassLabel::SmallRegression,
        Some(Interval { low, high, .. }) if -margin < low && high < margin => PassLabel::Same,
        _ => PassLabel::NotWorse,
    }
}
