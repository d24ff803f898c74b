//! Numbers of a record that nobody measured: whatever stands in one, its readers end with a report
//! or with an error that names the line, within bounds, and never in a panic.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use duet_analysis::{analyse, comparison};
use duet_model::record::{self, Question, Record, Run, RunEnd};
use duet_model::testing::{self, Scene};
use duet_report::{Style, chart, comparison as compared, export};
use duet_units::{Better, Metric};
use serde_json::Value;

use crate::binary::{DUET, Folder, outcome, record_text, write_record};
use crate::records::{gate, write};

/// What a number becomes; `NaN` is no JSON, and 2^48 is the largest that is read.
const NUMBERS: [&str; 8] =
    ["NaN", "1e308", "-1", "-0.0", "0", "4294967295", "281474976710656", "18446744073709551615"];

/// So many of them stand in the place of each number, in turn: all in that of each would take
/// minutes.
const IN_TURN: usize = 3;

/// A line of text that stands where the number was.
const MARK: &str = "\"@number@\"";

/// Where the numbers of a line are, one for all items of a list.
fn places(value: &Value, at: &str, known: &mut BTreeSet<String>, found: &mut Vec<String>) {
    match value {
        Value::Number(_) => {
            let field = at.split('/').filter(|part| part.parse::<u32>().is_err());
            if known.insert(field.collect::<Vec<_>>().join("/")) {
                found.push(at.to_owned());
            }
        }
        Value::Array(all) => {
            all.iter().enumerate().for_each(|(i, v)| places(v, &format!("{at}/{i}"), known, found));
        }
        Value::Object(all) => {
            all.iter().for_each(|(key, v)| places(v, &format!("{at}/{key}"), known, found));
        }
        _ => {}
    }
}

/// All that is made of a record that can be read.
fn reports(run: &Run) {
    let analysis = analyse(run);
    let text = duet_report::text(&analysis, Style::Plain);
    let html = duet_report::html(&analysis);
    let csv = export::csv(&analysis) + &export::gobench(&analysis) + &export::bmf(&analysis);
    let more = export::verdicts(&analysis)
        + &export::openmetrics(&analysis)
        + &export::gha_bench(&analysis, Better::Lower);
    let picture = chart::comparison(&analysis, Metric::RequestsPerSecond, chart::Width::Wide);
    let all = [text, html, csv, more, chart::memory(&analysis).file(), picture.file()];
    assert!(all.iter().map(String::len).sum::<usize>() < 10 << 20, "a report without end");
    if run.header.experiment.is_some()
        && let Ok(comparison) = comparison::compare(run, None)
    {
        let text = compared::text(&comparison, Style::Plain) + &compared::html(&comparison);
        let charts = compared::charts(&comparison).into_iter().map(|(_, svg)| svg.len());
        let bytes = text.len() + compared::junit(&comparison).len() + charts.sum::<usize>();
        assert!(bytes < 10 << 20, "a report without end");
        drop(comparison::next(run, None));
    }
}

/// The lines of a record.
fn lines(run: &Run) -> Vec<Value> {
    let end = RunEnd { elapsed_ns: 1_000_000_000, interrupted: None, stopped: None };
    let end = run.end.clone().unwrap_or(end);
    let records = run.records().chain([Record::End(end)]);
    let json = |record| serde_json::to_value(&record).expect("records are JSON");
    records.map(json).collect()
}

/// Every field of the record with every number.
fn check(name: &str, run: &Run) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let lines = lines(run);
    let (mut known, mut wrong, mut tried) = (BTreeSet::new(), vec![], 0);
    for (n, line) in lines.iter().enumerate() {
        let mut found = vec![];
        let kind = line["record"].as_str().unwrap_or_default().to_owned();
        places(line, &kind, &mut known, &mut found);
        for place in found {
            let mut changed = line.clone();
            *changed.pointer_mut(&place[kind.len()..]).expect("it is there") = "@number@".into();
            let changed = changed.to_string();
            let text = |number: &str| -> String {
                let of = |(i, line): (usize, &Value)| match i == n {
                    true => changed.replace(MARK, number) + "\n",
                    false => line.to_string() + "\n",
                };
                lines.iter().enumerate().map(of).collect()
            };
            tried += 1;
            for number in NUMBERS.iter().cycle().skip(tried * IN_TURN).take(IN_TURN) {
                let what = format!("{name}: {place} = {number}");
                write_record(folder.path(), &text(number));
                let read = catch_unwind(AssertUnwindSafe(|| match record::read(folder.path()) {
                    Ok(run) => reports(&run),
                    Err(error) => {
                        let said = format!("{error:#}");
                        assert!(said.contains("line ") || said.contains("schema"), "{said}");
                    }
                }));
                wrong.extend(read.is_err().then_some(what));
            }
        }
    }
    assert!(wrong.is_empty(), "a panic each, see above: {wrong:#?}");
}

fn small() -> Scene {
    Scene { blocks: 6, rounds: 1, ..Scene::default() }
}

#[test]
fn numbers_of_suites() {
    check("suite", &testing::run(&small()));
}

#[test]
fn numbers_of_what_is_kept_of_times() {
    let mut run = testing::open(testing::run(&small()), [2e5, 3e5]);
    run.blocks.iter_mut().for_each(duet_analysis::compact);
    assert!(run.blocks.iter().all(|block| block.arms[0].times.is_some()));
    check("times", &run);
}

#[test]
fn numbers_of_gates() {
    let mut run = gate(Question::Gate);
    run.header.suite.blocks = 8;
    check("gate", &run);
}

#[test]
fn numbers_of_programs() {
    check("programs", &testing::programs(4, 1.2));
}

/// The commands themselves, with memory to spare for a record of this size and no more: all numbers
/// of all blocks at once.
#[test]
fn memory_is_bounded_by_the_file() {
    for number in ["0", "-1", "1e308", "18446744073709551615"] {
        let folder = Folder::empty();
        write(&folder.path().join("gate"), &gate(Question::Gate));
        let place = folder.path().join("gate");
        let text = record_text(&place);
        let all = |line: &str| -> String {
            let mut value: Value = serde_json::from_str(line).expect("a line is JSON");
            if value["record"] == "header" {
                return line.to_owned() + "\n";
            }
            let mut found = vec![];
            places(&value, "", &mut BTreeSet::new(), &mut found);
            for place in found {
                // Which block it is decides whether it is read at all.
                if place != "/block" {
                    let number = serde_json::from_str(number).expect("a number");
                    *value.pointer_mut(&place).expect("it is there") = number;
                }
            }
            value.to_string() + "\n"
        };
        write_record(&place, &text.lines().map(all).collect::<String>());
        for words in ["gate --replay gate", "report gate", "export gate --format csv"] {
            let script = format!("ulimit -v 1048576; exec {DUET} {words}");
            let said = folder.program("sh", &["-c", &script]).output();
            let said = outcome(&said.expect("sh starts"));
            let text = format!("{number}, {words}: {:?} {}", said.code, said.err);
            assert!(said.code.is_some() && said.code != Some(101), "{text}");
            assert!(!text.contains("panicked") && !text.contains("memory allocation"), "{text}");
        }
    }
}
