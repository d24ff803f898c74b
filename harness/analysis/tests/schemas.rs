//! The JSON schemas in `schema/` are those of the types that are written, and what is published
//! keeps to them.

#![expect(clippy::disallowed_methods, reason = "the crate is pure; its tests read files")]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use duet_analysis::comparison::{self, Comparison, compare};
use duet_analysis::pool::{self, Pooled};
use duet_analysis::{Analysis, analyse, claims};
use duet_model::campaign::{self, Campaign};
use duet_model::record::{self, BuildsRecord, Experiment, Question, Record, Version};
use duet_model::testing::{self, Scene};
use flate2::read::MultiGzDecoder;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value;

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The schemas by name.
fn schemas() -> [(&'static str, Value); 7] {
    [
        (
            "run",
            schema::<Record>(
                "A line of run.jsonl.gz, the record of a session",
                &record::SCHEMA.into(),
            ),
        ),
        (
            "summary",
            schema::<Analysis>(
                "summary.json, what a session found out",
                &duet_analysis::SCHEMA.into(),
            ),
        ),
        (
            "comparison",
            schema::<Comparison>(
                "comparison.json, two versions compared",
                &comparison::SCHEMA.into(),
            ),
        ),
        (
            "claims",
            schema::<claims::Ledger>(
                "duet claims --format json, the ledger of claims",
                &claims::SCHEMA.into(),
            ),
        ),
        ("pool", schema::<Pooled>("pool.json, sessions pooled", &pool::SCHEMA.into())),
        (
            "campaign",
            schema::<Campaign>(
                "campaign.json, the plan of several sessions",
                &campaign::SCHEMA.into(),
            ),
        ),
        (
            "builds",
            schema::<BuildsRecord>(
                "builds.json, how long builds took",
                &record::BUILDS_SCHEMA.into(),
            ),
        ),
    ]
}

/// The schema of what `T` is read from; the version of the format stands in it as a constant.
fn schema<T: JsonSchema>(title: &str, version: &Value) -> Value {
    let mut schema = SchemaGenerator::default().into_root_schema_for::<T>().to_value();
    schema["title"] = title.into();
    let versioned: Vec<&mut Value> = match schema.get_mut("oneOf") {
        Some(kinds) => kinds.as_array_mut().expect("kinds of lines").iter_mut().collect(),
        None => vec![&mut schema],
    };
    let versions = versioned.into_iter().filter_map(|kind| kind["properties"].get_mut("schema"));
    versions.for_each(|number| number["const"] = version.clone());
    schema
}

#[test]
fn schemas_are_those_of_the_types() {
    let update = std::env::var_os("DUET_UPDATE_SCHEMAS").is_some();
    for (name, want) in schemas() {
        let path = project().join(format!("schema/{name}.schema.json"));
        if update {
            let text = serde_json::to_string_pretty(&want).expect("a schema is plain JSON");
            fs::write(&path, text + "\n").expect("schema/ can be written");
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        let found: Value = serde_json::from_str(&text).unwrap_or_default();
        assert!(
            found == want,
            "schema/{name}.schema.json is not what the types say. Read schema/README.md: does the \
             format's number have to rise? Then write it anew:\n\
             DUET_UPDATE_SCHEMAS=1 cargo test -p duet-analysis --test schemas"
        );
    }
}

/// Asserts that values keep to a schema, each with the place that it comes from.
fn check(name: &str, values: impl IntoIterator<Item = (String, Value)>) {
    let (_, schema) = schemas().into_iter().find(|(n, _)| *n == name).expect("a known schema");
    let validator = jsonschema::validator_for(&schema).expect("a valid schema");
    let mut checked = 0;
    for (place, value) in values {
        if let Some(error) = validator.iter_errors(&value).next() {
            let error = format!("{place}, {}: {error}", error.instance_path());
            panic!("{}", error.chars().take(2_000).collect::<String>());
        }
        checked += 1;
    }
    assert!(checked > 0, "nothing to check against {name}");
}

fn value(of: &impl serde::Serialize) -> Value {
    serde_json::to_value(of).expect("it has no odd keys")
}

#[test]
fn published_records_and_their_summaries_keep_to_the_schemas() {
    for session in ["2026-11-29-standard", "2026-11-22-game-site", "2026-11-30-standard"] {
        let folder = project().join("results").join(session);
        let file = record::find(&folder).expect("a published record");
        let mut text = fs::read(&file).expect("it can be read");
        if !file.ends_with(record::PLAIN_FILE_NAME) {
            let compressed = std::mem::take(&mut text);
            MultiGzDecoder::new(&compressed[..]).read_to_end(&mut text).expect("it is whole");
        }
        let text = String::from_utf8(text).expect("a record is text");
        let parsed = |line: &str| serde_json::from_str(line).expect("a line of JSON");
        let places = (1..).map(|n| format!("{session}: line {n}"));
        check("run", places.zip(text.lines().map(parsed)));
        let analysis = analyse(&record::read(&folder).expect("a published record"));
        check("summary", [(session.to_owned(), value(&analysis))]);
        let written = fs::read_to_string(folder.join("summary.json")).expect("a published summary");
        check("summary", [(format!("{session}, as written"), parsed(&written))]);
    }
}

#[test]
fn other_loads_and_comparisons_keep_to_the_schemas() {
    let mut run = testing::run(&Scene::default());
    let version = |label: &str| Version {
        given: label.to_owned(),
        label: label.to_owned(),
        ..Version::default()
    };
    let experiment = Experiment::of(Question::Compare, version("old"), version("new"));
    run.header.experiment = Some(experiment);
    let comparison = compare(&run, Some(&run)).expect("it is of two versions");
    check("comparison", [("a comparison".to_owned(), value(&comparison))]);
    // Three machines, each in five hours of two.
    let session = |n: u64| {
        let mut run = testing::run(&Scene::default());
        run.header.started_unix_s += n * 7_200;
        run.header.machine.cpu = format!("processor {}", n % 3);
        (format!("run {n}"), run)
    };
    let pooled = pool::pool(&(0..15).map(session).collect::<Vec<_>>()).expect("it has ratios");
    assert!(pooled.machines.len() == 3 && !pooled.over_machines.is_empty(), "{pooled:?}");
    check("pool", [("a pool".to_owned(), value(&pooled))]);
    let open = testing::open(run, [2e5, 3e5]);
    check("summary", [("open loops".to_owned(), value(&analyse(&open)))]);
    check("run", [("open loops".to_owned(), value(&Record::Block(open.blocks[0].clone().into())))]);
}
