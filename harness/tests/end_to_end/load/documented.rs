//! LOAD.md names every field that is written, and no other.

use std::collections::BTreeSet;
use std::path::Path;

use super::capacity::search;
use super::series::series;
use super::steps::steps;
use super::*;

/// Objects whose keys are not fixed.
const MAPS: [&str; 5] = ["failed", "refused", "reasons", "quantiles", "statuses"];
/// Objects of one form, documented once.
const LATENCIES: [&str; 7] = [
    "response",
    "service",
    "first_byte",
    "send_lag",
    "generator_lag",
    "tcp_handshake",
    "tls_handshake",
];

/// What has a form that is documented elsewhere.
const WHOLE: [&str; 2] = ["overload", "steps[].result"];

fn document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../LOAD.md");
    std::fs::read_to_string(path).unwrap()
}

/// The part of LOAD.md under this heading.
fn section(heading: &str) -> String {
    let document = document();
    let sections = document.split("\n## ");
    sections.map(str::to_owned).find(|section| section.starts_with(heading)).unwrap()
}

/// The fields in a section's tables: what stands in their first column.
fn documented(section: &str) -> BTreeSet<String> {
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| row.split('`').next().unwrap().to_owned()).collect()
}

/// The fields of a value: `a.b`, `a[].b`, and `a.*` where the keys are not fixed.
fn fields(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let parent = path.rsplit('.').next().unwrap();
                let name = if MAPS.contains(&parent) { "*" } else { name };
                let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
                found.insert(path.clone());
                if WHOLE.contains(&path.as_str()) {
                    continue;
                }
                let latencies = member.is_object() && LATENCIES.contains(&name);
                fields(member, if latencies { "LATENCIES" } else { &path }, found);
            }
        }
        Value::Array(members) => {
            members.iter().for_each(|member| fields(member, &format!("{path}[]"), found));
        }
        _ => {}
    }
}

/// Asserts that values keep to the JSON schema of this name.
#[track_caller]
fn keeps_to_schema(name: &str, written: &[Value]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../schema/{name}.schema.json"));
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for value in written {
        let errors: Vec<String> = validator.iter_errors(value).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}: {value}");
    }
    let mut odd = written[0].clone();
    odd.as_object_mut().unwrap().remove("schema");
    assert!(!validator.is_valid(&odd), "a schema that takes everything");
}

#[track_caller]
fn check(heading: &str, written: &[Value]) {
    let section = section(heading);
    let mut found = BTreeSet::new();
    written.iter().for_each(|value| fields(value, "", &mut found));
    assert_eq!(documented(&section), found, "LOAD.md (left) and what is written, {heading}");
    for example in section.split("```json\n").skip(1) {
        let example = example.split("```").next().unwrap();
        let mut shown = BTreeSet::new();
        fields(&serde_json::from_str(example).unwrap(), "", &mut shown);
        let unknown: Vec<&String> = shown.difference(&found).collect();
        assert!(unknown.is_empty(), "{heading}: the example has {unknown:?}");
    }
}

#[test]
fn results() {
    let failing = |request: &Request| match request.index {
        n if n < FIRST => right(),
        n if n % 50 == 49 => Act::Close,
        _ => right(),
    };
    let dying = |request: &Request| if request.index >= 50 { Act::Die } else { right() };
    let folder = tempfile::tempdir().unwrap();
    let cases = folder.path().join("cases.toml");
    std::fs::write(&cases, "[[case]]\npath = '/a'\n[[case]]\npath = '/b'\n").unwrap();
    let written = [
        load(failing, "-n 500 -q 1000 --warmup 0 --limit max=1h").1,
        load(failing, "-n 100 -c 2").1,
        load(dying, "-n 200 -c 2 --timeout 500ms").1,
        load(|_| right(), &format!("-n 20 -c 2 --cases {}", cases.display())).1,
    ];
    assert_eq!(written[0]["schema"], "duet.load/1");
    check("`duet.load/1`", &written);
    keeps_to_schema("load", &written);
}

#[test]
fn searches() {
    let slow = |_: &Request| {
        thread::sleep(Duration::from_millis(2));
        right()
    };
    let options = "-c 2 --rate 100 --probe-duration 200ms --limit p50=1ms";
    let (_, written) = search(slow, options);
    assert_eq!(written["schema"], "duet.load.capacity/1");
    check("`duet.load.capacity/1`", std::slice::from_ref(&written));
    keeps_to_schema("load-capacity", &[written]);
}

#[test]
fn loads_in_steps() {
    let dying = |request: &Request| if request.index < 100 { right() } else { Act::Die };
    let options = "-q 300 --overload --step 200ms --warmup 0 -c 2 --limit max=1s";
    let (_, written) = steps(dying, options);
    assert_eq!(written["schema"], "duet.load.steps/1");
    check("`duet.load.steps/1`", std::slice::from_ref(&written));
    keeps_to_schema("load-steps", &[written]);
}

#[test]
fn seconds() {
    let open = series("-d 1s -q 100 --warmup 0", "a.jsonl").1;
    let closed = series("-d 1s -c 1 --warmup 0", "a.jsonl").1;
    check("Series", &[open, closed].concat());
}
