//! Reads `claims.toml`: what others published of the languages, and what tests it.

use super::errors::Kind;
use super::fields::{At, Fields};
use super::nearest::suggestion;
use super::shared_keys::{metric, values};
use super::waivers::is_day;
use duet_model::spec::{Claim, ClaimFigure, ClaimKind, ClaimTest};
use duet_units::Metric;

/// A claim, and its tests with their lines.
pub(super) struct ClaimTable {
    pub(super) claim: Claim,
    pub(super) tests: Vec<At<TestTable>>,
}

/// A test, with the lines of what is checked against other files.
pub(super) struct TestTable {
    pub(super) test: ClaimTest,
    pub(super) matchups: Vec<At<String>>,
    /// What its keys say it is of, and the line of the first that does: `workloads` and `loads` are
    /// of servers, `problems` and `sizes` of programs.
    pub(super) programs: Option<At<bool>>,
    pub(super) sizes: Vec<At<String>>,
    pub(super) metrics: Vec<At<Metric>>,
    pub(super) figures: Vec<At<ClaimFigure>>,
    pub(super) ahead: Option<At<String>>,
}

/// Reads all claims.
pub(super) fn read(root: &mut Fields<'_>) -> Vec<At<ClaimTable>> {
    root.require(&[("claim", "a table `[[claim]]`")]);
    root.each("claim", "[[claim]]", |fields| At { line: fields.line, value: claim(fields) })
}

fn claim(fields: &mut Fields<'_>) -> ClaimTable {
    fields.require(&[
        ("name", "`name = \"my-claim\"`"),
        ("claim", "`claim = \"What is claimed, in one sentence\"`"),
        ("source", "`source = \"Who published it where\"`"),
        ("date", "`date = \"2020-07-17\"`"),
        ("kind", "`kind = \"measured\"`"),
        ("remark", "`remark = \"What kind of evidence it is\"`"),
    ]);
    let name = fields.name().value;
    let [sentence, source] = ["claim", "source"].map(|key| fields.sentence(key));
    let date = fields.text("date");
    if let Some(date) = date.as_ref().filter(|date| !is_date(&date.value)) {
        let hint = "write a day, a month or a year: \"2020-07-17\", \"2020-07\", \"2020\"";
        fields.mistake(date.line, format!("`date` is {:?}", date.value), hint);
    }
    let word = fields.text("kind");
    let kind = word.as_ref().and_then(|word| kind(fields, word));
    let [remark, missing] = ["remark", "missing"].map(|key| fields.sentence(key));
    let line = fields.line_of("test");
    let tests = fields
        .each("test", "[[claim.test]]", |fields| At { line: fields.line, value: test(fields) });
    if kind == Some(ClaimKind::Unrelated) && !tests.is_empty() {
        let hint = "take the tests out, or write `kind = \"figures\"`";
        fields.mistake(line, "a claim of kind `unrelated` has tests", hint);
    }
    let untested = kind.is_some_and(|kind| kind != ClaimKind::Unrelated) && !fields.has("test");
    if untested && missing.is_none() && !fields.has("missing") {
        let hint = "add `[[claim.test]]`, or say in `missing` what would have to be measured";
        fields.mistake(fields.line, "nothing tests it", hint);
    }
    let text = |at: Option<At<String>>| at.unwrap_or_default().value;
    let claim = Claim {
        name,
        claim: text(sentence),
        source: text(source),
        date: text(date),
        // Where there is none, there is a mistake.
        kind: kind.unwrap_or(ClaimKind::Measured),
        remark: text(remark),
        tests: tests.iter().map(|at| at.value.test.clone()).collect(),
        missing: missing.map(|at| at.value),
    };
    ClaimTable { claim, tests }
}

fn kind(fields: &mut Fields<'_>, word: &At<String>) -> Option<ClaimKind> {
    let known = ClaimKind::ALL.into_iter().find(|(_, known)| *known == word.value);
    if known.is_none() {
        let hint = suggestion(&word.value, &ClaimKind::ALL.map(|(_, word)| word), "the kinds are");
        fields.mistake(word.line, format!("there is no kind `{}`", word.value), hint);
    }
    known.map(|(kind, _)| kind)
}

fn test(fields: &mut Fields<'_>) -> TestTable {
    fields.require(&[
        ("matchups", "`matchups = [\"name-of-a-matchup\"]`"),
        ("ahead", "`ahead = \"Rust\"`, the language that does better if the claim is right"),
    ]);
    let matchups = names(fields, "matchups", Some(Kind::Matchup));
    let (programs, [workloads, loads]) = of(fields);
    let ahead = fields.sentence("ahead");
    let [metrics, figures] = ["metrics", "figures"].map(|key| names(fields, key, None));
    if !fields.has("metrics") && !fields.has("figures") {
        let hint = "add `metrics = [\"cpu_ns_per_request\"]`, or `figures = [\"binary_bytes\"]`";
        fields.mistake(fields.line, "`metrics` is missing", hint);
    }
    let at = |name: &At<String>, value| At { line: name.line, value };
    let metrics: Vec<At<Metric>> =
        metrics.iter().filter_map(|name| Some(at(name, metric(fields, name)?))).collect();
    let at = |name: &At<String>, value| At { line: name.line, value };
    let figures: Vec<At<ClaimFigure>> =
        figures.iter().filter_map(|name| Some(at(name, figure(fields, name)?))).collect();
    let majority = fields.flag("majority").unwrap_or_default();
    if majority && programs.is_some() {
        let line = fields.line_of("majority");
        let hint = "take the names of workloads, loads, problems and sizes out: the mean is over \
                    all cells of a matchup";
        fields.mistake(line, "`majority` is of a matchup as a whole", hint);
    }
    let (at_least, at_most) = limits(fields);
    let test = ClaimTest {
        matchups: values(&matchups),
        workloads: values(&workloads),
        loads: values(&loads),
        metrics: metrics.iter().map(|at| at.value).collect(),
        figures: figures.iter().map(|at| at.value).collect(),
        ahead: ahead.as_ref().map(|at| at.value.clone()).unwrap_or_default(),
        majority,
        at_least,
        at_most,
    };
    let sizes = if programs.as_ref().is_some_and(|at| at.value) { loads } else { vec![] };
    TestTable { test, matchups, programs, sizes, metrics, figures, ahead }
}

/// Names of a kind; none where the key is absent.
fn names(fields: &mut Fields<'_>, key: &'static str, kind: Option<Kind>) -> Vec<At<String>> {
    let names = fields.some_texts(key).unwrap_or_default();
    for (name, kind) in names.iter().filter_map(|name| Some((name, kind?))) {
        fields.refer(kind, &name.value, name.line);
    }
    names
}

/// The workloads and loads of servers, or the problems and sizes of programs, and which it is.
fn of(fields: &mut Fields<'_>) -> (Option<At<bool>>, [Vec<At<String>>; 2]) {
    let mut first = |keys: [&'static str; 2]| {
        let key = keys.into_iter().find(|key| fields.has(key))?;
        Some(fields.line_of(key))
    };
    let servers = first(["workloads", "loads"]);
    let programs = first(["problems", "sizes"]);
    let of_servers = [("workloads", Some(Kind::Workload)), ("loads", Some(Kind::Load))];
    // Sizes are each problem's own; that one has them is checked with the other files.
    let of_programs = [("problems", Some(Kind::Problem)), ("sizes", None)];
    let of_servers = of_servers.map(|(key, kind)| names(fields, key, kind));
    let of_programs = of_programs.map(|(key, kind)| names(fields, key, kind));
    if let (Some(_), Some(line)) = (servers, programs) {
        let hint = "name workloads and loads of servers, or problems and sizes of programs; for \
                    both write two tests";
        fields.mistake(line, "it is of servers and of programs", hint);
        return (None, Default::default());
    }
    match (servers, programs) {
        (_, Some(line)) => (Some(At { line, value: true }), of_programs),
        (line, None) => (line.map(|line| At { line, value: false }), of_servers),
    }
}

fn figure(fields: &mut Fields<'_>, name: &At<String>) -> Option<ClaimFigure> {
    let figure = ClaimFigure::ALL.into_iter().find(|figure| figure.name() == name.value);
    if figure.is_none() {
        let known = ClaimFigure::ALL.map(ClaimFigure::name);
        let hint = suggestion(&name.value, &known, "the figures are");
        fields.mistake(name.line, format!("there is no figure `{}`", name.value), hint);
    }
    figure
}

/// `at_least` and `at_most`, of which there may be one.
fn limits(fields: &mut Fields<'_>) -> (Option<f64>, Vec<f64>) {
    let at_least = fields.fraction("at_least");
    if let Some(limit) = at_least.as_ref().filter(|limit| limit.value <= 1.0) {
        let hint = "write how many times better the language is, above 1; leave it out where any \
                    difference will do";
        fields.mistake(limit.line, format!("`at_least` is {}", limit.value), hint);
    }
    let at_most = fields.fractions("at_most").unwrap_or_default();
    let line = fields.line_of("at_most");
    if !at_most.iter().all(|limit| *limit > 1.0) || !at_most.is_sorted() {
        let hint = "write numbers above 1, the strictest first: [1.5, 2]";
        fields.mistake(line, "`at_most` cannot be used", hint);
    }
    if at_least.is_some() && !at_most.is_empty() {
        let hint = "take one of them out; for both write two tests";
        fields.mistake(line, "there are `at_least` and `at_most`", hint);
    }
    (at_least.map(|at| at.value), at_most)
}

/// Whether this is a day, a month or a year: `2020-07-17`, `2020-07`, `2020`.
fn is_date(text: &str) -> bool {
    ["", "-01", "-01-01"].iter().any(|rest| is_day(&format!("{text}{rest}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for text in ["2020", "2020-07", "2020-07-17"] {
            assert!(is_date(text), "{text}");
        }
        for text in ["", "20", "2020-13", "2020-7", "2020-07-32", "July 2020", "2020-"] {
            assert!(!is_date(text), "{text}");
        }
    }
}
