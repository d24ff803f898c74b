//! Reads the waivers of a gate: regressions that are accepted for a while.

use std::collections::BTreeSet;

use super::fields::{At, Fields};

use super::nearest::suggestion;
use super::shared_keys::{CellTable, metric, values};
use duet_model::spec::{Rule, Waiver};
use duet_units::{CellKind, Loop, Metric};

/// The largest waiver in percent: a change to the eleventh part.
const WAIVER_MAX: f64 = 1_000.0;

/// What a waiver may name.
pub(super) struct GatedCells {
    servers: Vec<String>,
    workloads: Vec<String>,
    sets: Vec<String>,
    problems: Vec<String>,
}

impl GatedCells {
    pub(super) fn of(
        servers: &[At<String>],
        workloads: &[At<String>],
        programs: &[CellTable],
    ) -> Self {
        let of_programs = |names: fn(&CellTable) -> &[At<String>]| {
            let names: BTreeSet<String> =
                programs.iter().flat_map(|table| values(names(table))).collect();
            names.into_iter().collect()
        };
        Self {
            servers: values(servers),
            workloads: values(workloads),
            sets: of_programs(|table| &table.matchups),
            problems: of_programs(|table| &table.workloads),
        }
    }
}

/// Reads a table `[[gate.waivers]]`.
pub(super) fn waiver(
    fields: &mut Fields<'_>,
    guarded: &GatedCells,
    rules: &[Rule],
) -> Option<Waiver> {
    // A waiver is of a server and a workload, or of a set and a problem.
    let of_set = fields.has("set") || fields.has("problem");
    fields.require(&[match of_set {
        true => ("set", "`set = \"name-of-a-set\"`"),
        false => ("server", "`server = \"name-of-a-server\"`"),
    }]);
    fields.require(&[
        ("metric", "`metric = \"requests_per_second\"`"),
        ("margin_percent", "`margin_percent = 8`"),
        ("reason", "`reason = \"Why it is accepted for a while\"`"),
        ("expires", "`expires = \"2027-01-31\"`, the last day on which it holds"),
    ]);
    let (server, workload) = waived_cells(fields, guarded, of_set);
    let name = fields.text("metric");
    let metric = name.and_then(|name| Some((metric(fields, &name)?, name.line)));
    let margin = fields.fraction("margin_percent");
    let rule = metric.and_then(|(metric, line)| waived_rule(fields, (metric, line), of_set, rules));
    if let Some(margin) = &margin {
        check_size(fields, margin, rule);
    }
    let reason = fields.sentence("reason");
    let expires = fields.text("expires");
    if let Some(day) = expires.as_ref().filter(|day| !is_day(&day.value)) {
        let hint = "write the last day on which the waiver holds as year, month and day: \
                    \"2027-01-31\"";
        fields.mistake(day.line, format!("`expires` is {:?}", day.value), hint);
    }
    Some(Waiver {
        server: server?,
        workload,
        metric: metric?.0,
        margin: margin?.value / 100.0,
        reason: reason?.value,
        expires: expires?.value,
    })
}

/// The server and the workload that a waiver names, or the set and the problem.
fn waived_cells(
    fields: &mut Fields<'_>,
    guarded: &GatedCells,
    of_set: bool,
) -> (Option<String>, Option<String>) {
    let (arm, of) = match of_set {
        true => (("set", &guarded.sets), ("problem", &guarded.problems)),
        false => (("server", &guarded.servers), ("workload", &guarded.workloads)),
    };
    let (server, workload) = (fields.text(arm.0), fields.text(of.0));
    for (name, (word, gated)) in [(&server, arm), (&workload, of)] {
        // A gate without any has a mistake of its own.
        if let Some(name) = name.as_ref().filter(|_| of_set || !gated.is_empty())
            && !gated.contains(&name.value)
        {
            let known: Vec<&str> = gated.iter().map(String::as_str).collect();
            let problem = format!("the {word} `{}` is not gated", name.value);
            let hint = match &known[..] {
                [] => "take the waiver out: the gate guards no programs".to_owned(),
                known => suggestion(&name.value, known, &format!("the gate's {word}s are")),
            };
            fields.mistake(name.line, problem, hint);
        }
    }
    (server.map(|at| at.value), workload.map(|at| at.value))
}

/// The rule that a waiver is an exception from; otherwise a mistake is kept.
fn waived_rule(
    fields: &mut Fields<'_>,
    (metric, line): (Metric, usize),
    of_set: bool,
    rules: &[Rule],
) -> Option<Rule> {
    let has = |kind| metric.is_result(kind);
    let possible = match of_set {
        true => has(CellKind::Programs),
        false => Loop::ALL.into_iter().any(|of| has(CellKind::Servers(of))),
    };
    let rule = rules.iter().find(|rule| rule.metric == metric).copied();
    // A gate without any has a mistake of its own.
    if rule.is_none() && !rules.is_empty() {
        let known: Vec<&str> = rules.iter().map(|rule| rule.metric.name()).collect();
        let problem = format!("the metric `{}` is not gated", metric.name());
        let hint = format!("take the waiver out: the gate's metrics are {}", known.join(", "));
        fields.mistake(line, problem, hint);
    } else if !possible {
        let word = if of_set { "program" } else { "server" };
        let problem = format!("no {word} has the metric `{}`", metric.name());
        fields.mistake(line, problem, "name one that it has, or take the waiver out");
    }
    rule
}

/// A waiver must allow more than the margin does.
fn check_size(fields: &mut Fields<'_>, percent: &At<f64>, rule: Option<Rule>) {
    let problem = format!("`margin_percent` is {}", percent.value);
    if percent.value > WAIVER_MAX {
        let hint = format!("write percent, at most {WAIVER_MAX}");
        fields.mistake(percent.line, problem, hint);
    } else if let Some(rule) = rule.filter(|rule| percent.value / 100.0 <= rule.margin) {
        let hint = format!(
            "write more than the margin of {}, which is {} %, or take the waiver out",
            rule.metric.name(),
            rule.margin * 100.0
        );
        fields.mistake(percent.line, problem, hint);
    }
}

/// Whether this is a day of the Gregorian calendar, `2027-01-31`.
pub(super) fn is_day(text: &str) -> bool {
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
