//! Reads `services.toml`.

use std::collections::BTreeMap;

use super::errors::DefinitionError;
use super::fields::{At, Fields};
use super::nearest::suggestion;
use super::servers::{check_braces, values};
use super::source::{Read, read_text, stays_inside};
use duet_model::spec::{Listen, Service, ServiceKind, ServicePer};

const KINDS: [(&str, ServiceKind); 3] = [
    ("postgres", ServiceKind::Postgres),
    ("upstream", ServiceKind::Upstream),
    ("command", ServiceKind::Command),
];

const LISTENS: [(&str, Listen); 2] = [("unix", Listen::Unix), ("tcp", Listen::Tcp)];

const PERS: [(&str, ServicePer); 2] = [("run", ServicePer::Run), ("block", ServicePer::Block)];

/// The placeholders of a service's command.
const PLACEHOLDERS: [&str; 3] = ["{addr}", "{host}", "{port}"];

/// The longest `start_limit_s`.
const START_LIMIT_MAX_S: u32 = 600;

/// The keys that belong to one kind.
const KEYS: [(&str, ServiceKind); 5] = [
    ("listen", ServiceKind::Postgres),
    ("seed", ServiceKind::Postgres),
    ("rows", ServiceKind::Postgres),
    ("run", ServiceKind::Command),
    ("ready", ServiceKind::Command),
];

/// Reads all services.
pub(super) fn read(root: &mut Fields<'_>, files: &Read<'_>) -> Vec<At<Service>> {
    root.require(&[("service", "a table `[[service]]`")]);
    root.each("service", "[[service]]", |fields| At {
        line: fields.line,
        value: service(fields, files),
    })
}

fn service(fields: &mut Fields<'_>, files: &Read<'_>) -> Service {
    fields.require(&[
        ("name", "`name = \"my-database\"`"),
        ("kind", "`kind = \"postgres\"`, `\"upstream\"` or `\"command\"`"),
    ]);
    let name = fields.name().value;
    let kind = word(fields, "kind", &KINDS);
    if kind == Some(ServiceKind::Postgres) {
        fields.require(&[("listen", "`listen = \"unix\"` or `\"tcp\"`")]);
    }
    if kind == Some(ServiceKind::Command) {
        fields.require(&[("run", "`run = [\"path/of/binary\", \"--port\", \"{port}\"]`")]);
    }
    let listen = word(fields, "listen", &LISTENS);
    let per = word(fields, "per", &PERS).unwrap_or_default();
    let seed = fields.text("seed");
    let rows = fields.map("rows");
    let run = fields.some_texts("run").unwrap_or_default();
    let ready = fields.text("ready");
    let start_limit_s = fields.number("start_limit_s", 1..=START_LIMIT_MAX_S).map(|at| at.value);
    for (key, file) in
        seed.iter().map(|at| ("seed", at)).chain(rows.values().map(|at| ("rows", at)))
    {
        check_file(fields, key, file, files);
    }
    check_tables(fields, &rows);
    check_run(fields, &run);
    if let Some(path) = ready.as_ref().filter(|path| !path.value.starts_with('/')) {
        let hint = "write a path such as \"/health\"";
        fields.mistake(path.line, format!("`ready` is `{}`", path.value), hint);
    }
    for (key, of) in KEYS {
        if kind.is_some_and(|kind| kind != of) && fields.has(key) {
            let word = KINDS.iter().find(|(_, kind)| *kind == of).map_or("", |(word, _)| word);
            let line = fields.line_of(key);
            fields.mistake(line, format!("`{key}` is only for the kind `{word}`"), "remove it");
        }
    }
    Service {
        name,
        kind: kind.unwrap_or(ServiceKind::Command),
        per,
        listen,
        seed: seed.map(|at| at.value),
        rows: rows.into_iter().map(|(table, at)| (table, at.value)).collect(),
        run: values(run),
        ready: ready.map(|at| at.value),
        start_limit_s,
    }
}

/// The value of a word, if it is there and known.
fn word<T: Copy>(fields: &mut Fields<'_>, key: &'static str, known: &[(&str, T)]) -> Option<T> {
    let word = fields.text(key)?;
    let found = known.iter().find(|(name, _)| *name == word.value).map(|(_, value)| *value);
    if found.is_none() {
        let words: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        let hint = suggestion(&word.value, &words, "write one of");
        fields.mistake(word.line, format!("`{key}` is `{}`", word.value), hint);
    }
    found
}

/// A file of the folder of definitions that is read when the service starts.
fn check_file(fields: &mut Fields<'_>, key: &str, file: &At<String>, files: &Read<'_>) {
    if !stays_inside(&file.value) {
        let hint = "name a file below the folder of definitions, relative to it, without `..`";
        fields.mistake(file.line, format!("`{key}` names `{}`", file.value), hint);
        return;
    }
    if let Err(DefinitionError { problem, hint, .. }) = read_text(&file.value, files) {
        fields.mistake(file.line, format!("`{key}` names `{}`: {problem}", file.value), hint);
    }
}

/// Tables are named in a statement of ours.
fn check_tables(fields: &mut Fields<'_>, rows: &BTreeMap<String, At<String>>) {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    for (table, file) in rows {
        if table.is_empty() || !table.chars().all(allowed) {
            let hint = "name a table of the seed with the characters a-z, 0-9 and _";
            fields.mistake(file.line, format!("`rows` fills the table {table:?}"), hint);
        }
    }
}

/// The placeholders of a command, of which one must say where to listen.
fn check_run(fields: &mut Fields<'_>, run: &[At<String>]) {
    check_braces(fields, "run", run, &PLACEHOLDERS);
    let Some(first) = run.first() else { return };
    if !run.iter().any(|word| word.value.contains("{addr}") || word.value.contains("{port}")) {
        let hint = "add one of them: the harness chooses the port";
        fields.mistake(first.line, "`run` has neither {addr} nor {port}", hint);
    }
}
