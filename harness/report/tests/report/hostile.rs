//! What others decide (names, responses, standard error, reasons) stays text, whatever it holds:
//! hostile string × every field × every output.
//!
//! Every string of a finding is replaced, and what comes out is compared with the same finding in
//! which the strings are harmless: as many lines, the same tags, the same cells.

use std::collections::{BTreeMap, BTreeSet};

use duet_analysis::Analysis;
use duet_analysis::comparison::Comparison;
use duet_report::comparison as compared;
use duet_report::{self as report, Style, chart, export};
use duet_units::{Better, Metric};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{charts, comparisons, exports};

/// Each tries several ways out of where it stands.
const HOSTILE: [&str; 4] = [
    "::error file=a,title=b::c\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}31m\u{202e}x\0\u{8}",
    "\n\n::stop-commands::x\r\n  ##[set-env name=PATH]x ##vso[task.complete]\
     \"><script>alert(1)</script><img src=x onerror=y>'<!-- ]]> &#1;",
    "=HYPERLINK(\"x\",\"y\")\t,\";\n+1](javascript:alert(1)) ![a](data:text/html,b) `c` | d \
     [e]: javascript:f <javascript:g>",
    "# big\n- item\n1. one\n```\n---\n| a | b |\n</details>\\\",} # EOF\nduet_ratio{} 9\
     \u{2028}\u{fffe}\u{ffff}",
];

/// What stands in their place where nothing is to happen.
const HARMLESS: &str = "harmless";

/// A finding with `text` in every field that holds text of others.
fn with<T: Serialize + DeserializeOwned>(finding: &T, text: &str) -> T {
    let value = serde_json::to_value(finding).expect("it is plain");
    let (mut changed, mut free) = (value.clone(), BTreeMap::new());
    for place in places(&value, String::new()) {
        // A word for machines stays: a verdict, a metric. It is one in all items of a list.
        let field: String = place.chars().filter(|c| !c.is_ascii_digit()).collect();
        let is_free = *free.entry(field).or_insert_with(|| {
            let mut alone = value.clone();
            *alone.pointer_mut(&place).expect("it is there") = HARMLESS.into();
            serde_json::from_value::<T>(alone).is_ok()
        });
        if is_free {
            *changed.pointer_mut(&place).expect("it is there") = text.into();
        }
    }
    serde_json::from_value(changed).expect("text is text")
}

/// Where the strings are.
fn places(value: &Value, at: String) -> Vec<String> {
    match value {
        Value::String(_) => vec![at],
        Value::Array(all) => {
            all.iter().enumerate().flat_map(|(i, v)| places(v, format!("{at}/{i}"))).collect()
        }
        Value::Object(all) => {
            all.iter().flat_map(|(key, v)| places(v, format!("{at}/{key}"))).collect()
        }
        _ => vec![],
    }
}

/// The elements of a page or picture with the names of their attributes, and where it leads.
fn tags(text: &str) -> (Vec<String>, Vec<String>) {
    let (mut tags, mut links) = (vec![], vec![]);
    let mut rest = text;
    while let Some((_, from)) = rest.split_once('<') {
        let (tag, after) = from.split_once('>').expect("a tag ends");
        let outside: Vec<&str> = tag.split('"').step_by(2).collect();
        tags.push(outside.join("\"\""));
        let link = tag.split_once("href=\"").and_then(|(_, link)| link.split('"').next());
        links.extend(link.map(str::to_owned));
        rest = after;
    }
    (tags, links)
}

#[track_caller]
fn nothing_leads_away(links: &[String]) {
    for link in links {
        let first = link.split('/').next().unwrap_or_default();
        assert!(!first.contains(':') && !link.starts_with("//"), "{link}");
    }
}

/// A page: the same tags, and links that stay. How many elements its pictures have depends on what
/// has room in them; they are checked as files. Links that lead elsewhere are left out.
#[track_caller]
fn check_page(got: &str, want: &str) {
    let ((got, links), (want, _)) = (tags(got), tags(want));
    let kept = |tags: Vec<String>| -> Vec<String> {
        let mut in_picture = false;
        let mut is_kept = |tag: &String| {
            in_picture = tag.starts_with("svg") || in_picture && tag != "/svg";
            !in_picture && !tag.starts_with("a ") && tag != "/a"
        };
        tags.into_iter().filter(|tag| is_kept(tag)).collect()
    };
    let (got, want) = (kept(got), kept(want));
    let other = got.iter().zip(&want).position(|(got, want)| got != want);
    assert_eq!(other.map(|at| (&got[at], &want[at])), None);
    assert_eq!(got.len(), want.len());
    nothing_leads_away(&links);
}

/// A picture: well-formed, and of the same elements; how many depends on what has room.
#[track_caller]
fn check_picture(got: &str, want: &str) {
    roxmltree::Document::parse(got).unwrap_or_else(|error| panic!("{error}: {got}"));
    let kinds = |text: &str| -> BTreeSet<String> {
        let name = |tag: String| tag.split([' ', '/']).next().unwrap_or_default().to_owned();
        tags(text).0.into_iter().map(name).collect()
    };
    assert!(kinds(got).is_subset(&kinds(want)), "{got}");
}

/// What a line of Markdown is by how it begins: a heading, an item, a row.
fn kind(line: &str) -> Option<char> {
    let line = line.trim_start();
    let digits = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let first = line.chars().next()?;
    let is_item = |text: &str| text.starts_with(". ") || text.starts_with(") ");
    match first {
        '#' | '-' | '+' | '*' if line.trim_start_matches(first).starts_with([' ', '*']) => {
            Some(first)
        }
        '>' | '|' | '~' | '`' => Some(first),
        '-' | '=' if line.trim_matches(first).is_empty() => Some(first),
        '0'..='9' if is_item(digits) => Some('1'),
        _ => None,
    }
}

#[track_caller]
fn check_markdown(got: &str, want: &str) {
    assert_eq!(got.lines().count(), want.lines().count(), "{got}");
    for (got, want) in got.lines().zip(want.lines()) {
        assert_eq!(kind(got), kind(want), "{got:?} where {want:?}");
        let bars = |line: &str| line.replace("\\|", "").matches('|').count();
        assert_eq!(bars(got), bars(want), "{got:?} where {want:?}");
        let plain = got.replace("<br>", "").replace("\\`", "").replace("\\]", "");
        assert!(!plain.contains('<') && !plain.contains('`'), "{got:?}");
        assert!(!plain.contains("](javascript:") && !plain.contains("](data:"), "{got:?}");
    }
}

/// What a terminal or a log shows: nothing that it obeys.
#[track_caller]
fn check_printed(text: &str) {
    let printed = report::for_terminal(text);
    for line in printed.lines() {
        assert!(!line.trim_start().starts_with("::"), "{line:?}");
        assert!(!line.replace("\\##", "").contains("##["), "{line:?}");
        assert!(!line.replace("\\##", "").contains("##vso["), "{line:?}");
        assert!(!line.chars().any(|c| c.is_control() || c == '\u{202e}'), "{line:?}");
    }
}

/// Colours that are Duet's own, and nothing else.
#[track_caller]
fn check_coloured(text: &str) {
    for part in text.split('\u{1b}').skip(1) {
        let (code, _) = part.split_once('m').expect("a colour ends");
        let is_code = |c: char| c.is_ascii_digit() || matches!(c, '[' | ';');
        assert!(code.chars().all(is_code), "{part:?}");
    }
    assert!(!text.contains("\u{1b}[2J") && !text.contains('\u{7}'));
}

fn xml(text: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    document
        .descendants()
        .filter(roxmltree::Node::is_element)
        .map(|n| n.tag_name().name().into())
        .collect()
}

#[track_caller]
fn check_lines(got: &str, want: &str) {
    let kinds = |text: &str| -> Vec<String> {
        let word = |line: &str| line.split(['/', '{', ' ']).next().unwrap_or_default().to_owned();
        text.split('\n').map(word).collect()
    };
    assert_eq!(kinds(got), kinds(want));
}

#[track_caller]
fn check_csv(got: &str, want: &str) {
    let cells = |text: &str| -> Vec<Vec<String>> {
        let records = csv::Reader::from_reader(text.as_bytes()).into_records();
        let record = |r: Result<csv::StringRecord, _>| r.expect("a record");
        records.map(|r| record(r).iter().map(str::to_owned).collect()).collect()
    };
    let (got, want) = (cells(got), cells(want));
    assert_eq!(got.len(), want.len());
    for cell in got.iter().flatten().filter(|cell| cell.parse::<f64>().is_err()) {
        assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell:?}");
    }
}

fn check_analysis(finding: &Analysis, text: &str) {
    let (got, want) = (with(finding, text), with(finding, HARMLESS));
    check_page(&report::html(&got), &report::html(&want));
    check_markdown(&report::markdown(&got), &report::markdown(&want));
    check_markdown(&report::markdown_alone(&got), &report::markdown_alone(&want));
    check_printed(&report::text(&got, Style::Plain));
    check_coloured(&report::text(&got, Style::Colour));
    for ((name, got), (_, want)) in charts(&got).into_iter().zip(charts(&want)) {
        check_picture(&got, &want);
        assert!(!got.contains('\u{1b}'), "{name}");
    }
    assert_eq!(xml(&export::verdicts(&got)), xml(&export::verdicts(&want)));
    check_csv(&export::csv(&got), &export::csv(&want));
    check_lines(&export::gobench(&got), &export::gobench(&want));
    check_lines(&export::openmetrics(&got), &export::openmetrics(&want));
    for json in [export::bmf(&got), export::gha_bench(&got, Better::Lower)] {
        serde_json::from_str::<Value>(&json).expect("it is JSON");
    }
    let picture = chart::comparison(&got, Metric::RequestsPerSecond, chart::Width::Wide).file();
    check_picture(&picture, &picture);
}

fn check_comparison(finding: &Comparison, text: &str) {
    let (got, want) = (with(finding, text), with(finding, HARMLESS));
    check_page(&compared::html(&got), &compared::html(&want));
    check_markdown(&compared::markdown(&got), &compared::markdown(&want));
    check_markdown(&compared::summary(&got, 0), &compared::summary(&want, 0));
    check_printed(&compared::text(&got, Style::Plain));
    check_coloured(&compared::text(&got, Style::Colour));
    for (got, want) in compared::charts(&got).into_iter().zip(compared::charts(&want)) {
        check_picture(&got.1, &want.1);
    }
    assert_eq!(xml(&compared::junit(&got)), xml(&compared::junit(&want)));
    let (got, want) = (compared::annotations(&got), compared::annotations(&want));
    let begins = |text: &str| -> Vec<String> {
        text.lines().map(|l| l.split(' ').next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(begins(&got), begins(&want));
    assert!(!got.contains('\r'), "{got}");
}

#[test]
fn hostile_text_in_runs_stays_text() {
    for text in HOSTILE {
        check_analysis(&exports::small(), text);
    }
}

#[test]
fn hostile_text_in_comparisons_stays_text() {
    for text in HOSTILE {
        for (name, comparison) in comparisons::comparisons() {
            if ["regressed", "failed", "compared"].contains(&name) {
                check_comparison(&comparison, text);
            }
        }
    }
}
