//! The JSON schemas of what `duet load` writes are those of the types that write it.

use std::fs;
use std::path::Path;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::{capacity, steps, summary};

fn schema<T: JsonSchema>(title: &str, version: &str) -> Value {
    let generator = SchemaSettings::default().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    schema["title"] = title.into();
    schema["properties"]["schema"]["const"] = version.into();
    schema
}

#[test]
fn schemas_are_those_of_the_types() {
    let result = "duet load --json, one load on one URL";
    let search = "duet load --find-capacity --json, the highest rate that holds";
    let steps = "duet load --step and --overload --json, loads one after the other";
    let schemas = [
        ("load", schema::<summary::Summary>(result, summary::SCHEMA)),
        ("load-capacity", schema::<capacity::Summary>(search, capacity::SCHEMA)),
        ("load-steps", schema::<steps::Summary>(steps, steps::SCHEMA)),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema");
    for (name, want) in schemas {
        let path = folder.join(format!("{name}.schema.json"));
        if std::env::var_os("DUET_UPDATE_SCHEMAS").is_some() {
            let text = serde_json::to_string_pretty(&want).expect("a schema is plain JSON");
            fs::write(&path, text + "\n").expect("schema/ can be written");
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        let found: Value = serde_json::from_str(&text).unwrap_or_default();
        assert!(
            found == want,
            "schema/{name}.schema.json is not what the types say. Read schema/README.md: does the \
             format's number have to rise? Then write it anew:\n\
             DUET_UPDATE_SCHEMAS=1 cargo test -p duet --bin duet schemas"
        );
    }
}
