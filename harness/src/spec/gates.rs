//! Reads the gates of `suites.toml`.

use std::collections::BTreeSet;

use super::budgets::budget;
use super::fields::{At, Fields};
use super::load::Kind;
use super::nearest::suggestion;
use super::suites::{DECIDING_BLOCKS, MOST_BLOCKS, duration, number};
use super::{Budget, Gate, Look, Rule, Waiver};
use crate::metric::Metric;

/// What is gated unless the gate says otherwise, with margins in percent. Wider than the noise of a
/// machine at rest; what hurts users less has more room.
const MARGINS: [(Metric, f64); 3] =
    [(Metric::RequestsPerSecond, 3.0), (Metric::CpuNsPerRequest, 3.0), (Metric::RssBytesPeak, 5.0)];

/// Looks double the number of blocks about once: a large change is found early, and a last look at
/// 24 blocks halves the smallest change that one at 8 can find.
const LOOKS: [u32; 4] = [8, 12, 16, 24];

const ALPHA: f64 = 0.05;

/// Above this an alarm is as likely false as a thrown coin.
const ALPHA_MAX: f64 = 0.5;

/// The largest margin in percent: a change to the half. More is a slip of the pen.
const MARGIN_MAX: f64 = 100.0;

/// The largest waiver in percent: a change to the eleventh part.
const WAIVER_MAX: f64 = 1_000.0;

const BUDGET_S: u32 = 600;

/// A gate and where its parts stand, for the checks that need the other files.
pub(super) struct GateTable {
    pub(super) gate: Gate,
    pub(super) servers: Vec<At<String>>,
    pub(super) workloads: Vec<At<String>>,
    pub(super) loads: Vec<At<String>>,
    /// The line of the looks, and that of the time they may take.
    pub(super) looks: usize,
    pub(super) budget_s: usize,
}

/// Reads a table `[[gate]]`.
pub(super) fn gate(fields: &mut Fields<'_>) -> At<GateTable> {
    fields.require(&[
        ("name", "`name = \"my-gate\"`"),
        ("summary", "`summary = \"What it guards, in one sentence\"`"),
        ("servers", "`servers = [\"name-of-a-server\"]`"),
        ("workloads", "`workloads = [\"name-of-a-workload\"]`"),
        ("loads", "`loads = [\"name-of-a-load\"]`"),
    ]);
    let name = fields.name().value;
    let summary = fields.sentence("summary").unwrap_or_default().value;
    let servers = names(fields, "servers", Kind::Server);
    let workloads = names(fields, "workloads", Kind::Workload);
    let loads = names(fields, "loads", Kind::Load);
    let duration = duration(fields);
    let alpha = alpha(fields);
    let rules = rules(fields);
    let waivers = fields
        .each("waivers", "[[gate.waivers]]", |fields| waiver(fields, &servers, &workloads, &rules));
    let values = |names: &[At<String>]| names.iter().map(|at| at.value.clone()).collect();
    let gate = Gate {
        name,
        summary,
        servers: values(&servers),
        workloads: values(&workloads),
        loads: values(&loads),
        server_cpus: number(fields, "server_cpus", 1..=256, 1),
        generator_cpus: number(fields, "generator_cpus", 1..=256, 1),
        window_ms: duration.window_ms,
        measure_ms: duration.measure_ms,
        warmup_ms: duration.warmup_ms,
        alpha,
        looks: looks(fields, alpha),
        budget_s: number(fields, "budget_s", 1..=86_400, BUDGET_S),
        budgets: budgets(fields),
        waivers: waivers.into_iter().flatten().collect(),
        rules,
    };
    let (looks, budget_s) = (fields.line_of("looks"), fields.line_of("budget_s"));
    At { line: fields.line, value: GateTable { gate, servers, workloads, loads, looks, budget_s } }
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
        let cure = format!(
            "it is the accepted share of false alarms: write a number above 0 and at most \
             {ALPHA_MAX}, such as {ALPHA}"
        );
        fields.mistake(alpha.line, format!("`alpha` is {}", alpha.value), cure);
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
            let cure = "write numbers of blocks in ascending order, each once";
            fields.mistake(pair[1].line, problem, cure);
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
        return MARGINS.map(|(metric, percent)| Rule { metric, margin: percent / 100.0 }).into();
    }
    let margins = fields.fractions_by_name(key);
    if margins.is_empty() {
        let line = fields.line_of(key);
        let cure = "name the metrics to gate: { requests_per_second = 3 }; leave it out for the \
                    usual ones";
        fields.mistake(line, format!("`{key}` gates nothing"), cure);
    }
    let mut rules = Vec::new();
    for (name, percent) in margins {
        let metric = metric(fields, &At { line: percent.line, value: name.clone() });
        if percent.value > MARGIN_MAX {
            let cure = format!("write percent, above 0 and at most {MARGIN_MAX}");
            let problem = format!("`{key}.{name}` is {}", percent.value);
            fields.mistake(percent.line, problem, cure);
        }
        rules.extend(metric.map(|metric| Rule { metric, margin: percent.value / 100.0 }));
    }
    rules.sort_by_key(|rule| Metric::ALL.iter().position(|metric| *metric == rule.metric));
    rules
}

/// The metrics that servers have.
pub(super) fn server_metrics() -> impl Iterator<Item = Metric> {
    let of_programs = [Metric::ElapsedNs, Metric::CpuNs];
    Metric::ALL.into_iter().filter(move |metric| !of_programs.contains(metric))
}

/// The metric of servers with this name; otherwise a mistake is kept.
fn metric(fields: &mut Fields<'_>, name: &At<String>) -> Option<Metric> {
    let metric = server_metrics().find(|metric| metric.name() == name.value);
    if metric.is_none() {
        let known: Vec<String> = server_metrics().map(Metric::name).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let cure = suggestion(&name.value, &known, "the metrics are");
        fields.mistake(name.line, format!("there is no metric `{}`", name.value), cure);
    }
    metric
}

fn budgets(fields: &mut Fields<'_>) -> Vec<Budget> {
    let mut budgets = Vec::new();
    for text in fields.texts("budgets").unwrap_or_default() {
        match budget(&text.value) {
            Ok(budget) => budgets.push(budget),
            Err((problem, cure)) => {
                let problem = format!("the budget `{}`: {problem}", text.value);
                fields.mistake(text.line, problem, cure);
            }
        }
    }
    budgets
}

fn waiver(
    fields: &mut Fields<'_>,
    servers: &[At<String>],
    workloads: &[At<String>],
    rules: &[Rule],
) -> Option<Waiver> {
    fields.require(&[
        ("server", "`server = \"name-of-a-server\"`"),
        ("metric", "`metric = \"requests_per_second\"`"),
        ("margin_percent", "`margin_percent = 8`"),
        ("reason", "`reason = \"Why it is accepted for a while\"`"),
        ("expires", "`expires = \"2027-01-31\"`, the last day on which it holds"),
    ]);
    let server = fields.text("server");
    let workload = fields.text("workload");
    for (name, gated, word) in [(&server, servers, "server"), (&workload, workloads, "workload")] {
        // A gate without any has a mistake of its own.
        if let Some(name) = name.as_ref().filter(|_| !gated.is_empty())
            && !gated.iter().any(|gated| gated.value == name.value)
        {
            let known: Vec<&str> = gated.iter().map(|gated| gated.value.as_str()).collect();
            let problem = format!("the {word} `{}` is not gated", name.value);
            let cure = suggestion(&name.value, &known, &format!("the gate's {word}s are"));
            fields.mistake(name.line, problem, cure);
        }
    }
    let name = fields.text("metric");
    let metric = name.and_then(|name| Some((metric(fields, &name)?, name.line)));
    let margin = fields.fraction("margin_percent");
    let rule = metric.and_then(|(metric, line)| waived_rule(fields, metric, line, rules));
    if let Some(margin) = &margin {
        check_size(fields, margin, rule);
    }
    let reason = fields.sentence("reason");
    let expires = fields.text("expires");
    if let Some(day) = expires.as_ref().filter(|day| !is_day(&day.value)) {
        let cure = "write the last day on which the waiver holds as year, month and day: \
                    \"2027-01-31\"";
        fields.mistake(day.line, format!("`expires` is {:?}", day.value), cure);
    }
    Some(Waiver {
        server: server?.value,
        workload: workload.map(|workload| workload.value),
        metric: metric?.0,
        margin: margin?.value / 100.0,
        reason: reason?.value,
        expires: expires?.value,
    })
}

/// The rule that a waiver is an exception from; otherwise a mistake is kept.
fn waived_rule(
    fields: &mut Fields<'_>,
    metric: Metric,
    line: usize,
    rules: &[Rule],
) -> Option<Rule> {
    let rule = rules.iter().find(|rule| rule.metric == metric).copied();
    // A gate without any has a mistake of its own.
    if rule.is_none() && !rules.is_empty() {
        let known: Vec<String> = rules.iter().map(|rule| rule.metric.name()).collect();
        let problem = format!("the metric `{}` is not gated", metric.name());
        let cure = format!("take the waiver out: the gate's metrics are {}", known.join(", "));
        fields.mistake(line, problem, cure);
    }
    rule
}

/// A waiver must allow more than the margin does.
fn check_size(fields: &mut Fields<'_>, percent: &At<f64>, rule: Option<Rule>) {
    let problem = format!("`margin_percent` is {}", percent.value);
    if percent.value > WAIVER_MAX {
        let cure = format!("write percent, at most {WAIVER_MAX}");
        fields.mistake(percent.line, problem, cure);
    } else if let Some(rule) = rule.filter(|rule| percent.value / 100.0 <= rule.margin) {
        let cure = format!(
            "write more than the margin of {}, which is {} %, or take the waiver out",
            rule.metric.name(),
            rule.margin * 100.0
        );
        fields.mistake(percent.line, problem, cure);
    }
}

/// Whether this is a day of the Gregorian calendar, `2027-01-31`.
fn is_day(text: &str) -> bool {
    let digits = |at: std::ops::Range<usize>| {
        let digits = text.get(at).filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        digits.and_then(|part| part.parse::<u32>().ok())
    };
    let dashes = text.len() == 10 && text.as_bytes()[4] == b'-' && text.as_bytes()[7] == b'-';
    let (Some(year), Some(month), Some(day)) = (digits(0..4), digits(5..7), digits(8..10)) else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    dashes && (1..=12).contains(&month) && (1..=days).contains(&day)
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

    #[test]
    fn days() {
        let good = ["2027-01-31", "2028-02-29", "2000-02-29", "2027-12-31", "2027-04-30"];
        let bad = [
            "",
            "2027",
            "2027-1-31",
            "2027-01-32",
            "2027-13-01",
            "2027-00-01",
            "2027-01-00",
            "2027-02-29",
            "2100-02-29",
            "2027-04-31",
            "31.01.2027",
            "2027/01/31",
            "2027-01-3١",
            "2027-01-31T00",
            "+027-01-31",
            "soon",
        ];
        for text in good {
            assert!(is_day(text), "{text}");
        }
        for text in bad {
            assert!(!is_day(text), "{text}");
        }
    }
}
