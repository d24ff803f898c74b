//! What other tools are given: golden files, and the rules of each format.

use std::collections::{BTreeMap, BTreeSet};

use duet_analysis::Analysis;
use duet_report::{export, markdown_alone};
use duet_units::Better;
use roxmltree::Node;
use serde::Deserialize;

use super::fixture::{self, analyses};

/// One of everything: a program, a cell whose generator was the limit, one that failed, a control.
pub(crate) fn small() -> Analysis {
    let mut analysis = fixture::programs();
    analysis.servers.truncate(1);
    for (matchup, cells) in analysis.matchups.iter_mut().zip([0..1, 0..0, 5..6, 2..3, 0..1]) {
        matchup.cells = matchup.cells[cells].to_vec();
        matchup.cells.iter_mut().for_each(|cell| cell.metrics.truncate(4));
        matchup.means.clear();
    }
    analysis.matchups.iter_mut().skip(2).for_each(|matchup| matchup.starts.clear());
    analysis.published.clear();
    analysis
}

#[test]
fn golden_exports() {
    let small = small();
    for (name, text) in [
        ("export.gobench", export::gobench(&small)),
        ("export.bmf", export::bmf(&small)),
        ("export.gha-bench-smaller", export::gha_bench(&small, Better::Lower)),
        ("export.gha-bench-bigger", export::gha_bench(&small, Better::Higher)),
        ("export.junit", export::verdicts(&small)),
        ("export.csv", export::csv(&small)),
        ("export.markdown", markdown_alone(&small)),
        ("export.openmetrics", export::openmetrics(&small)),
    ] {
        insta::assert_snapshot!(name, text);
    }
}

/// In every format an arm stands where the matchup has it, base before head, also where names sort
/// otherwise; and a start is one sample, however many metrics and cells it is seen in.
#[test]
fn arms_keep_their_order_and_starts_count_once() {
    let mut analysis = fixture::standard();
    analysis.matchups.truncate(1);
    let matchup = &mut analysis.matchups[0];
    (matchup.arms[0].label, matchup.arms[1].label) = ("zz-base".into(), "aa-head".into());
    let matchup = &analysis.matchups[0];
    for (name, text) in [
        ("gobench", export::gobench(&analysis)),
        ("bmf", export::bmf(&analysis)),
        ("gha-bench-smaller", export::gha_bench(&analysis, Better::Lower)),
        ("gha-bench-bigger", export::gha_bench(&analysis, Better::Higher)),
        ("csv", export::csv(&analysis)),
        ("markdown", markdown_alone(&analysis)),
        ("openmetrics", export::openmetrics(&analysis)),
    ] {
        let [base, head] = ["zz-base", "aa-head"].map(|label| text.find(label));
        assert!(base.is_some() && base < head, "{name}: {base:?}, {head:?}");
    }
    let starts = matchup.starts.iter().map(|metric| metric.values[0].len()).max();
    for label in ["zz-base", "aa-head"] {
        let start = format!("BenchmarkStart/matchup={}/arm={label}-", matchup.name);
        let text = export::gobench(&analysis);
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with(&start)).collect();
        assert_eq!(Some(lines.len()), starts, "{label}");
        assert!(lines.iter().all(|line| line.matches("startup-sec").count() == 1), "{lines:?}");
        let of_starts = format!("{}/start/{label}", matchup.name);
        assert_eq!(export::bmf(&analysis).matches(&of_starts).count(), 1, "{label}");
    }
    let csv = parse_csv(&export::csv(&analysis));
    let of_starts = csv.iter().filter(|row| row[8] == "startup_ns").count();
    assert_eq!(of_starts, matchup.arms.len());
}

#[test]
fn markdown_for_other_places_points_nowhere() {
    for (name, analysis) in analyses() {
        let text = markdown_alone(&analysis);
        assert!(!text.contains(".svg") && !text.contains("../"), "{name}");
    }
}

/// Lines are samples, units, configuration or comments; names end with a number of CPUs; every
/// unit has its direction stated.
#[test]
fn gobench_keeps_its_format() {
    for (name, analysis) in analyses() {
        let text = export::gobench(&analysis);
        let mut units = BTreeSet::new();
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[0] {
                "#" => {}
                "Unit" => assert!(units.insert(words[1]) && words[2].starts_with("better=")),
                key if key.ends_with(':') => assert!(key.starts_with(char::is_lowercase)),
                benchmark => {
                    assert!(benchmark.starts_with("Benchmark"), "{name}: {line}");
                    let cpus = benchmark.rsplit_once('-').map(|(_, cpus)| cpus.parse::<u32>());
                    assert!(matches!(cpus, Some(Ok(1..))), "{name}: {line}");
                    assert!(words.len() >= 4 && words.len().is_multiple_of(2), "{name}: {line}");
                    assert_eq!(words[1], "1", "{name}: {line}");
                    for pair in words[2..].chunks(2) {
                        assert!(pair[0].parse::<f64>().is_ok_and(f64::is_finite), "{name}: {line}");
                        assert!(units.contains(pair[1]), "{name}: {line}");
                    }
                }
            }
        }
    }
}

/// The schema of the Bencher Metric Format.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Measure {
    value: f64,
    lower_value: Option<f64>,
    upper_value: Option<f64>,
}

#[test]
fn bmf_keeps_its_schema() {
    for (name, analysis) in analyses() {
        let text = export::bmf(&analysis);
        let all: BTreeMap<String, BTreeMap<String, Measure>> =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        for (benchmark, measures) in &all {
            assert!(!measures.is_empty(), "{name}: {benchmark}");
            for (slug, m) in measures {
                let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
                assert!(slug.chars().all(plain), "{name}: {slug}");
                let (low, high) = (m.lower_value.unwrap_or(m.value), m.upper_value);
                assert!(low <= m.value && m.value <= high.unwrap_or(m.value), "{name}: {m:?}");
            }
        }
    }
}

/// The schema of github-action-benchmark's custom tools.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    unit: String,
    value: f64,
    range: Option<String>,
    extra: Option<String>,
}

#[test]
fn gha_bench_keeps_its_schema() {
    for (name, analysis) in analyses() {
        let mut names = BTreeSet::new();
        for better in [Better::Lower, Better::Higher] {
            let text = export::gha_bench(&analysis, better);
            let all: Vec<Entry> =
                serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
            for entry in all {
                assert_eq!(entry.unit == "req/s", better == Better::Higher, "{name}: {entry:?}");
                assert!(entry.value.is_finite() && entry.extra.is_some(), "{name}: {entry:?}");
                assert!(entry.range.iter().all(|r| r.starts_with("± ")), "{name}: {entry:?}");
                // The store tells entries apart by their names alone.
                assert!(names.insert(entry.name), "{name}");
            }
        }
    }
}

#[test]
fn junit_keeps_its_shape() {
    for (name, analysis) in analyses() {
        let text = export::verdicts(&analysis);
        let document = roxmltree::Document::parse(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        let root = document.root_element();
        assert_eq!(root.tag_name().name(), "testsuites", "{name}");
        assert_counted(name, root);
        for suite in elements(root, "testsuite") {
            assert_counted(name, suite);
            assert!(suite.attribute("timestamp").is_some(), "{name}");
            let mut known = BTreeSet::new();
            for case in elements(suite, "testcase") {
                let attribute =
                    |key| case.attribute(key).unwrap_or_else(|| panic!("{name}: {key}"));
                assert!(known.insert((attribute("classname"), attribute("name"))), "{name}");
                assert!(attribute("time").parse::<f64>().is_ok_and(|s| s >= 0.0), "{name}");
                let inner: Vec<Node> = case.children().filter(Node::is_element).collect();
                let outcomes = ["failure", "error", "skipped"];
                let outcome = |n: &&Node| outcomes.contains(&n.tag_name().name());
                assert!(inner.iter().filter(outcome).count() <= 1, "{name}");
                for node in inner.iter().filter(outcome) {
                    assert!(node.attribute("message").is_some_and(|m| !m.is_empty()), "{name}");
                }
            }
        }
    }
}

fn elements<'a, 'i>(
    parent: Node<'a, 'i>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'i>> {
    parent.descendants().filter(move |node| node.has_tag_name(name))
}

/// The counts are those of the cases below.
fn assert_counted(name: &str, node: Node<'_, '_>) {
    let of = [("tests", "testcase"), ("failures", "failure"), ("errors", "error")];
    for (attribute, element) in of.into_iter().chain([("skipped", "skipped")]) {
        let counted = elements(node, element).count().to_string();
        assert_eq!(node.attribute(attribute), Some(counted.as_str()), "{name}: {attribute}");
    }
}

/// A finding is no failure: what was measured passes, whoever is faster.
#[test]
fn junit_outcomes() {
    let check = |analysis: Analysis, class: &str, metric: &str, want: &str| {
        let text = export::verdicts(&analysis);
        let document = roxmltree::Document::parse(&text).expect("it is XML");
        let case = elements(document.root_element(), "testcase").find(|case| {
            case.attribute("classname") == Some(class) && case.attribute("name") == Some(metric)
        });
        let case = case.unwrap_or_else(|| panic!("no {class} {metric}"));
        let inner = case.children().filter(Node::is_element).map(|n| n.tag_name().name());
        let got = inner.filter(|n| *n != "system-out").collect::<Vec<_>>().join(" ");
        assert_eq!(got, want, "{class} {metric}");
    };
    let slower = "idiomatic.items-200.c64";
    check(fixture::standard(), slower, "requests_per_second", "");
    check(fixture::standard(), "idiomatic.cpu-100.c64", "requests_per_second", "");
    check(fixture::standard(), "idiomatic.hello.c1", "requests_per_second", "skipped");
    check(fixture::standard(), "std.orders-1mb.c64", "measured", "error");
    check(fixture::smoke(), slower, "requests_per_second", "skipped");
    check(fixture::interrupted(), slower, "measured", "error");
    check(fixture::nothing(), slower, "measured", "error");
    check(fixture::nothing(), "build", "rust-std", "error");
    check(fixture::standard(), "build", "rust-std", "");
}

#[test]
fn csv_is_a_rectangle() {
    for (name, analysis) in analyses() {
        let rows = parse_csv(&export::csv(&analysis));
        let heads = &rows[0];
        for row in &rows {
            assert_eq!(row.len(), heads.len(), "{name}: {row:?}");
        }
        let numbers = heads
            .iter()
            .enumerate()
            .filter(|(_, head)| ["value", "ratio"].iter().any(|start| head.starts_with(start)));
        for (column, head) in numbers {
            for row in &rows[1..] {
                let field = &row[column];
                let empty = field.is_empty() && head != "value";
                assert!(empty || field.parse::<f64>().is_ok(), "{name}: {head} {row:?}");
            }
        }
        let values = analysis.matchups.iter().flat_map(|m| {
            m.cells.iter().flat_map(|c| &c.metrics).chain(&m.starts).map(|metric| metric.arms.len())
        });
        assert_eq!(rows.len(), 1 + values.sum::<usize>(), "{name}");
    }
    let extreme = parse_csv(&export::csv(&fixture::extreme()));
    assert!(extreme.iter().any(|row| row[0] == "<script>alert('&\"')</script>"));
}

/// RFC 4180, strictly: lines end with CR LF, quotes enclose whole fields and are doubled within.
fn parse_csv(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut rest) = (vec![], vec![], text);
    while !rest.is_empty() {
        let field = if let Some(quoted) = rest.strip_prefix('"') {
            let (mut field, mut after) = quoted.split_once('"').expect("a quote ends");
            let mut whole = field.to_owned();
            while let Some(more) = after.strip_prefix('"') {
                (field, after) = more.split_once('"').expect("a quote ends");
                whole += "\"";
                whole += field;
            }
            rest = after;
            whole
        } else {
            let end = rest.find([',', '\r', '\n', '"']).expect("a field ends");
            let field = rest[..end].to_owned();
            rest = &rest[end..];
            field
        };
        row.push(field);
        if let Some(after) = rest.strip_prefix(',') {
            rest = after;
        } else {
            rest = rest.strip_prefix("\r\n").expect("a field ends with a comma or its line");
            rows.push(std::mem::take(&mut row));
        }
    }
    assert!(row.is_empty(), "the last line ends");
    rows
}

/// The grammar of OpenMetrics as far as it is used: families one after the other, each with type,
/// unit and help before its samples; units end names; samples are unique; EOF is last.
#[test]
fn openmetrics_keeps_its_grammar() {
    for (name, analysis) in analyses() {
        let text = export::openmetrics(&analysis);
        let body = text.strip_suffix("# EOF\n").unwrap_or_else(|| panic!("{name}: no EOF"));
        let (mut families, mut samples) = (BTreeSet::new(), BTreeSet::new());
        let mut family = "";
        for line in body.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["#", "TYPE", of, "gauge"] => {
                    assert!(families.insert(of), "{name}: {line}");
                    family = of;
                }
                ["#", "UNIT", of, unit] => {
                    assert!(of == family && of.ends_with(&format!("_{unit}")), "{name}: {line}");
                }
                ["#", "HELP", of, _, ..] => assert_eq!(of, family, "{name}: {line}"),
                _ => {
                    let (labelled, value) = line.rsplit_once(' ').expect("a sample has a value");
                    let (of, labels) = labelled.split_once('{').expect("a sample has labels");
                    assert_eq!(of, family, "{name}: {line}");
                    assert!(samples.insert(labelled), "{name}: {line}");
                    assert_labels(labels.strip_suffix('}').expect("labels end"), line);
                    assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{name}: {line}");
                    let digits = value.replace('.', "");
                    let digits = digits.trim_matches('0');
                    assert!(digits.len() <= 3 && !value.contains('e'), "{name}: {line}");
                }
            }
        }
    }
}

/// `key="value",…`, where a quote or a backslash in a value is escaped.
fn assert_labels(labels: &str, line: &str) {
    let mut rest = labels;
    loop {
        let (key, value) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
        assert!(key.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{line}");
        let mut escaped = false;
        let end = value.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        rest = &value[end.unwrap_or_else(|| panic!("{line}")) + 1..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => break assert!(rest.is_empty(), "{line}"),
        }
    }
}
