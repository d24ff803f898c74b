//! Reads the gates of `suites.toml`.

use std::collections::BTreeSet;

use super::budgets::budget;
use super::errors::Kind;
use super::fields::{At, Fields};
use super::shared_keys::{CellTable, duration, metric, number, program_runs, programs, values};
use super::waivers::{GatedCells, waiver};
use duet_model::spec::{
    Budget, DECIDING_BLOCKS, Gate, GatedPrograms, Look, MOST_BLOCKS, PolicyRule, Rule,
};
use duet_units::{CellKind, Loop, Metric};

/// What is gated unless the gate says otherwise, with margins in percent, as far as its cells have
/// it. Wider than the noise of a machine at rest; what hurts users less has more room.
const MARGINS: [(Metric, f64); 5] = [
    (Metric::ElapsedNs, 3.0),
    (Metric::CpuNs, 3.0),
    (Metric::RequestsPerSecond, 3.0),
    (Metric::CpuNsPerRequest, 3.0),
    (Metric::RssBytesPeak, 5.0),
];

/// Looks double the number of blocks about once: a large change is found early, and a last look at
/// 24 blocks halves the smallest change that one at 8 can find.
const LOOKS: [u32; 4] = [8, 12, 16, 24];

const ALPHA: f64 = 0.05;

/// Above this an alarm is as likely false as a thrown coin.
const ALPHA_MAX: f64 = 0.5;

/// The largest margin in percent: a change to the half. More is a slip of the pen.
const MARGIN_MAX: f64 = 100.0;

const BUDGET_S: u32 = 600;

/// A gate and where its parts stand, for the checks that need the other files.
pub(super) struct GateTable {
    pub(super) gate: Gate,
    pub(super) servers: Vec<At<String>>,
    pub(super) workloads: Vec<At<String>>,
    pub(super) loads: Vec<At<String>>,
    pub(super) programs: Vec<CellTable>,
    /// The line of the looks, and that of the time they may take.
    pub(super) looks: usize,
    pub(super) budget_s: usize,
}

/// Reads a table `[[gate]]`.
pub(super) fn gate(fields: &mut Fields<'_>) -> At<GateTable> {
    fields.require(&[
        ("name", "`name = \"my-gate\"`"),
        ("summary", "`summary = \"What it guards, in one sentence\"`"),
    ]);
    let of_servers = ["servers", "workloads", "loads"].iter().any(|key| fields.has(key));
    if of_servers || !fields.has("programs") {
        fields.require(&[
            ("servers", "`servers = [\"name-of-a-server\"]`"),
            ("workloads", "`workloads = [\"name-of-a-workload\"]`"),
            ("loads", "`loads = [\"name-of-a-load\"]`"),
        ]);
    }
    let name = fields.name().value;
    let summary = fields.sentence("summary").unwrap_or_default().value;
    let servers = names(fields, "servers", Kind::Server);
    let workloads = names(fields, "workloads", Kind::Workload);
    let loads = names(fields, "loads", Kind::Load);
    let programs = fields.each("programs", "[[gate.programs]]", |fields| {
        programs(fields, ("sets", Kind::Set, "`sets = [\"name-of-a-set\"]`"))
    });
    let (duration, runs) = (duration(fields), program_runs(fields));
    let alpha = alpha(fields);
    let rules = rules(fields);
    let guarded = GatedCells::of(&servers, &workloads, &programs);
    let waivers =
        fields.each("waivers", "[[gate.waivers]]", |fields| waiver(fields, &guarded, &rules));
    let gate = Gate {
        name,
        summary,
        servers: values(&servers),
        workloads: values(&workloads),
        loads: values(&loads),
        programs: programs.iter().map(gated_programs).collect(),
        server_cpus: number(fields, "server_cpus", 1..=256, 1),
        generator_cpus: number(fields, "generator_cpus", 1..=256, 1),
        lead_ms: duration.lead_ms,
        window_ms: duration.window_ms,
        measure_ms: duration.measure_ms,
        warmup_ms: duration.warmup_ms,
        program_block_ms: runs.block_ms,
        program_limit_s: runs.limit_s,
        program_limit_mib: runs.limit_mib,
        alpha,
        looks: looks(fields, alpha),
        budget_s: number(fields, "budget_s", 1..=86_400, BUDGET_S),
        anchor: anchor(fields),
        budgets: budgets(fields),
        waivers: waivers.into_iter().flatten().collect(),
        policy: policy(fields),
        compare_changed: fields.flag("compare_changed").unwrap_or(false),
        rules,
    };
    let (looks, budget_s) = (fields.line_of("looks"), fields.line_of("budget_s"));
    let value = GateTable { gate, servers, workloads, loads, programs, looks, budget_s };
    At { line: fields.line, value }
}

/// Whose policy holds where the versions' differ.
fn policy(fields: &mut Fields<'_>) -> PolicyRule {
    match fields.text("policy") {
        None => PolicyRule::Stricter,
        Some(text) if text.value == "stricter" => PolicyRule::Stricter,
        Some(text) if text.value == "head" => PolicyRule::Head,
        Some(text) => {
            let hint = "write \"stricter\", or \"head\" if a change may alter its own policy";
            fields.mistake(text.line, format!("`policy` is `{}`", text.value), hint);
            PolicyRule::Stricter
        }
    }
}

fn gated_programs(table: &CellTable) -> GatedPrograms {
    GatedPrograms {
        sets: values(&table.matchups),
        problems: values(&table.workloads),
        sizes: values(&table.loads),
    }
}

/// A list of names of tables, each once.
fn names(fields: &mut Fields<'_>, key: &'static str, kind: Kind) -> Vec<At<String>> {
    let names = fields.some_texts(key).unwrap_or_default();
    let mut seen = BTreeSet::new();
    for name in &names {
        fields.refer(kind, &name.value, name.line);
        if !seen.insert(&name.value) {
            let problem = format!("`{key}` names {} twice", name.value);
            fields.mistake(name.line, problem, "take one of them out");
        }
    }
    names
}

fn alpha(fields: &mut Fields<'_>) -> f64 {
    let Some(alpha) = fields.fraction("alpha") else { return ALPHA };
    if alpha.value > ALPHA_MAX {
        let hint = format!(
            "it is the accepted share of false alarms: write a number above 0 and at most \
             {ALPHA_MAX}, such as {ALPHA}"
        );
        fields.mistake(alpha.line, format!("`alpha` is {}", alpha.value), hint);
    }
    alpha.value
}

/// The looks with their parts of alpha.
fn looks(fields: &mut Fields<'_>, alpha: f64) -> Vec<Look> {
    let Some(looks) = fields.whole_numbers("looks", &(DECIDING_BLOCKS..=MOST_BLOCKS)) else {
        return spend(alpha, &LOOKS);
    };
    if looks.is_empty() {
        let line = fields.line_of("looks");
        fields.mistake(line, "`looks` is empty", format!("leave it out for {LOOKS:?}"));
    }
    for pair in looks.windows(2) {
        if pair[0].value >= pair[1].value {
            let (before, after) = (pair[0].value, pair[1].value);
            let problem = format!("`looks` has {after} after {before}");
            let hint = "write numbers of blocks in ascending order, each once";
            fields.mistake(pair[1].line, problem, hint);
        }
    }
    spend(alpha, &looks.iter().map(|look| look.value).collect::<Vec<u32>>())
}

/// Alpha spread over looks in proportion to 1, 2, 3 …: the last look, which sees most, has the
/// largest part. By the union bound false alarms stay below the sum, whatever the looks have in
/// common (Jennison and Turnbull 2000, chapter 7, on spending error).
fn spend(alpha: f64, blocks: &[u32]) -> Vec<Look> {
    let n = blocks.len() as f64;
    let parts = n * (n + 1.0) / 2.0;
    let part = |i: usize| alpha * (i + 1) as f64 / parts;
    blocks.iter().enumerate().map(|(i, &blocks)| Look { blocks, alpha: part(i) }).collect()
}

/// Gated metrics in the order of reports.
fn rules(fields: &mut Fields<'_>) -> Vec<Rule> {
    let key = "margins_percent";
    if !fields.has(key) {
        let kinds = match (fields.has("servers"), fields.has("programs")) {
            (false, true) => &[CellKind::Programs][..],
            (true, true) => &[CellKind::Servers(Loop::Closed), CellKind::Programs],
            _ => &[CellKind::Servers(Loop::Closed)],
        };
        let usual =
            MARGINS.iter().filter(|(metric, _)| kinds.iter().any(|kind| metric.is_result(*kind)));
        return usual.map(|&(metric, percent)| Rule { metric, margin: percent / 100.0 }).collect();
    }
    let margins = fields.fractions_by_name(key);
    if margins.is_empty() {
        let line = fields.line_of(key);
        let hint = "name the metrics to gate: { requests_per_second = 3 }; leave it out for the \
                    usual ones";
        fields.mistake(line, format!("`{key}` gates nothing"), hint);
    }
    let mut rules = Vec::new();
    for (name, percent) in margins {
        let metric = metric(fields, &At { line: percent.line, value: name.clone() });
        if percent.value > MARGIN_MAX {
            let hint = format!("write percent, above 0 and at most {MARGIN_MAX}");
            let problem = format!("`{key}.{name}` is {}", percent.value);
            fields.mistake(percent.line, problem, hint);
        }
        rules.extend(metric.map(|metric| Rule { metric, margin: percent.value / 100.0 }));
    }
    rules.sort_by_key(|rule| Metric::ALL.iter().position(|metric| *metric == rule.metric));
    rules
}

/// The version that changes together are held to: a commit, since a folder would change with them.
fn anchor(fields: &mut Fields<'_>) -> Option<String> {
    let anchor = fields.text("anchor")?;
    let is_commit = anchor
        .value
        .strip_prefix("git:")
        .is_some_and(|reference| !reference.is_empty() && !reference.contains(char::is_whitespace));
    if !is_commit {
        let hint = "write a commit, such as the last release: `anchor = \"git:v1.2\"`";
        fields.mistake(anchor.line, format!("`anchor` is `{}`", anchor.value), hint);
    }
    Some(anchor.value)
}

fn budgets(fields: &mut Fields<'_>) -> Vec<Budget> {
    let mut budgets = Vec::new();
    for text in fields.texts("budgets").unwrap_or_default() {
        match budget(&text.value) {
            Ok(budget) => budgets.push(budget),
            Err((problem, hint)) => {
                let problem = format!("the budget `{}`: {problem}", text.value);
                fields.mistake(text.line, problem, hint);
            }
        }
    }
    budgets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alpha_is_spent_in_growing_parts() {
        let check = |alpha: f64, blocks: &[u32], want: &[f64]| {
            let looks = spend(alpha, blocks);
            let got: Vec<u32> = looks.iter().map(|look| look.blocks).collect();
            assert_eq!(got, blocks);
            assert_eq!(looks.len(), want.len());
            for (look, want) in looks.iter().zip(want) {
                assert!((look.alpha - want).abs() < 1e-12, "{look:?} {want}");
            }
        };
        check(0.05, &[8, 12, 16, 24], &[0.005, 0.010, 0.015, 0.020]);
        check(0.05, &[10], &[0.05]);
        check(0.06, &[6, 12], &[0.02, 0.04]);
        check(0.05, &[], &[]);
        for n in 1..=20 {
            let blocks: Vec<u32> = (6..6 + n).collect();
            let sum: f64 = spend(0.05, &blocks).iter().map(|look| look.alpha).sum();
            assert!((sum - 0.05).abs() < 1e-12, "{n}");
        }
    }
}
