//! Which policy holds where a change alters it.

use anyhow::Result;

use super::policy::choose;
use duet_model::spec::{Gate as Policy, GateScope, PolicyRule, Spec, Waiver};
use duet_units::Metric;

/// The policy that holds between two versions.
pub(super) struct InForce {
    pub(super) policy: Policy,
    /// How the versions' policies differ, a sentence each.
    pub(super) differences: Vec<String>,
}

/// The policy of this name, or the only one, that holds for a change: the base's, and of each rule
/// the stricter where the head has another, unless the base leaves it to the head.
pub(super) fn in_force(base: &Spec, head: &Spec, name: Option<&str>) -> Result<InForce> {
    if base.gates.is_empty() {
        return Ok(InForce { policy: choose(head, name)?.clone(), differences: vec![] });
    }
    if let Some(name) = name.filter(|name| base.gate(name).is_none()) {
        let differences = vec![format!("the gate `{name}` is new: the base has none to hold to")];
        return Ok(InForce { policy: choose(head, Some(name))?.clone(), differences });
    }
    let of_base = choose(base, name)?;
    Ok(match head.gate(&of_base.name) {
        Some(of_head) if of_head == of_base => {
            InForce { policy: of_base.clone(), differences: vec![] }
        }
        Some(of_head) => between(of_base, of_head),
        None => InForce {
            policy: of_base.clone(),
            differences: vec![format!(
                "the head has no gate `{}` any more; the base's policy holds",
                of_base.name
            )],
        },
    })
}

/// What holds where the policies of base and head differ.
fn between(base: &Policy, head: &Policy) -> InForce {
    let of_head = base.policy == PolicyRule::Head;
    let mut differences = vec![];
    let mut differs = |what: &str, in_base: String, in_head: String| {
        if in_base != in_head {
            let holds = if of_head { "the head's holds" } else { "the stricter holds" };
            let none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
            let (in_base, in_head) = (none(in_base), none(in_head));
            differences.push(format!("{what}: base {in_base}, head {in_head}; {holds}"));
        }
    };
    for metric in Metric::ALL {
        let margin = |policy: &Policy| {
            let rule = policy.rules.iter().find(|rule| rule.metric == metric);
            rule.map_or_else(String::new, |rule| duet_units::percent(rule.margin))
        };
        differs(&format!("margin of {}", metric.label()), margin(base), margin(head));
    }
    let budgets = |policy: &Policy| {
        policy.budgets.iter().map(|b| b.text.clone()).collect::<Vec<_>>().join(", ")
    };
    differs("budgets", budgets(base), budgets(head));
    let waivers = |policy: &Policy| {
        let one = |w: &Waiver| {
            let on = w.workload.as_deref().unwrap_or("all");
            let margin = duet_units::percent(w.margin);
            format!("{} {on} {} {margin} until {}", w.server, w.metric.label(), w.expires)
        };
        policy.waivers.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    differs("waivers", waivers(base), waivers(head));
    let anchor = |policy: &Policy| policy.anchor.clone().unwrap_or_default();
    differs("anchor", anchor(base), anchor(head));
    let guarded = |policy: &Policy| {
        let one = |guard: GateScope<'_>| {
            let all = [guard.arms, guard.workloads, guard.loads];
            all.map(|names| names.join(" ")).join(" / ")
        };
        policy.guards().map(one).collect::<Vec<_>>().join(", ")
    };
    differs("guarded", guarded(base), guarded(head));
    let effort = |policy: &Policy| {
        let looks: Vec<String> = policy.looks.iter().map(|l| l.blocks.to_string()).collect();
        format!(
            "alpha {}, looks {}, {} s, windows {}+{} ms of {} ms",
            policy.alpha,
            looks.join(" "),
            policy.budget_s,
            policy.lead_ms,
            policy.window_ms,
            policy.measure_ms
        )
    };
    if effort(base) != effort(head) {
        let holds = if of_head { "head" } else { "base" };
        differences.push(format!(
            "effort: base {}, head {}; that of the {holds} holds",
            effort(base),
            effort(head)
        ));
    }
    InForce { policy: if of_head { head.clone() } else { stricter(base, head) }, differences }
}

/// All that either policy guards, and of each rule the stricter. What is measured, and how hard, is
/// the base's.
fn stricter(base: &Policy, head: &Policy) -> Policy {
    let mut policy = base.clone();
    for rule in &head.rules {
        match policy.rules.iter_mut().find(|own| own.metric == rule.metric) {
            Some(own) => own.margin = own.margin.min(rule.margin),
            None => policy.rules.push(*rule),
        }
    }
    policy.rules.sort_by_key(|rule| Metric::ALL.iter().position(|metric| *metric == rule.metric));
    add(&mut policy.budgets, &head.budgets);
    add(&mut policy.servers, &head.servers);
    add(&mut policy.workloads, &head.workloads);
    add(&mut policy.loads, &head.loads);
    add(&mut policy.programs, &head.programs);
    // A waiver holds as far as both have it.
    let of_both = |waiver: &Waiver| {
        let same = |w: &&Waiver| {
            (&w.server, &w.workload, w.metric) == (&waiver.server, &waiver.workload, waiver.metric)
        };
        let other = head.waivers.iter().find(same)?;
        let margin = waiver.margin.min(other.margin);
        let expires = waiver.expires.clone().min(other.expires.clone());
        Some(Waiver { margin, expires, ..waiver.clone() })
    };
    policy.waivers = base.waivers.iter().filter_map(of_both).collect();
    policy
}

/// Adds what is not there.
fn add<T: PartialEq + Clone>(to: &mut Vec<T>, more: &[T]) {
    for one in more {
        if !to.contains(one) {
            to.push(one.clone());
        }
    }
}
