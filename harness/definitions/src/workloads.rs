//! Reads `workloads.toml` and the files of cases it names.

use super::errors::{DefinitionError, Found, Kind, MISTAKES_MAX};
use super::fields::{At, Fields};
use super::request::{Fault, answer_faults, request_faults};
use super::source::{Read, read_text, stays_inside};
use duet_model::spec::{
    Case, DatabaseWork, Entries, ExpectedResponse, GeneratedBody, Large, Workload,
};

/// The keys of an inline case.
const INLINE: [&str; 12] = [
    "method",
    "path",
    "headers",
    "body",
    "body_generated",
    "chunked",
    "upstream_calls",
    "least_ms",
    "event_ms",
    "message",
    "members",
    "expect",
];

/// The most that a request may do in a database, and the most calls it may make.
const WORK_MAX: u32 = 1_000_000;

/// The longest `least_ms`: a valid response takes less than the two seconds after which it is late.
const LEAST_MS_MAX: u32 = 1_900;

/// The last status of gRPC, UNAUTHENTICATED.
const GRPC_STATUS_MAX: u32 = 16;

/// The most connections that share a room: each of its messages is so many.
const MEMBERS_MAX: u32 = 1_000;

/// The most that `rss_growth_mib` allows: the memory of a large machine.
const RSS_GROWTH_MIB_MAX: u32 = 1 << 20;

/// Reads all workloads.
pub(super) fn read(root: &mut Fields<'_>, files: &Read<'_>) -> Vec<At<Workload>> {
    root.require(&[("workload", "a table `[[workload]]`")]);
    root.each("workload", "[[workload]]", |fields| At {
        line: fields.line,
        value: workload(fields, files),
    })
}

fn workload(fields: &mut Fields<'_>, files: &Read<'_>) -> Workload {
    fields.require(&[
        ("name", "`name = \"my-workload\"`"),
        ("question", "`question = \"What it tells, in one sentence\"`"),
    ]);
    let name = fields.name().value;
    let question = fields.sentence("question").unwrap_or_default().value;
    let kind = fields.sentence("kind").map(|kind| kind.value);
    let churn = fields.flag("churn").unwrap_or(false);
    let services = fields.texts("services").unwrap_or_default();
    for service in &services {
        fields.refer(Kind::Service, &service.value, service.line);
    }
    let options = fields.texts("options").unwrap_or_default();
    let database = fields.inner("database", database);
    let large = fields.inner("large", large);
    let entries = fields.inner("entries", entries);
    let burst = fields.text("burst");
    if let Some(burst) = &burst {
        fields.refer(Kind::Workload, &burst.value, burst.line);
    }
    let source = fields.text("cases");
    if source.is_none() {
        require_case(fields);
    }
    let inline = one_case(fields);
    let method = inline.method.clone();
    let cases = match &source {
        Some(source) => {
            check_alone(fields);
            case_file(fields, source, files)
        }
        None => vec![inline],
    };
    if churn && cases.iter().any(|case| case.message.is_some()) {
        let hint = "take one of the two out: messages are sent on connections that stay open";
        let problem = "`churn` stands beside `message`".to_owned();
        let line = fields.line_of("churn");
        fields.mistake(line, problem, hint);
    }
    let answers = fields.named("responses", "[workload.responses.SERVER]", |a| answer(a, &method));
    for (server, answer) in &answers {
        fields.refer(Kind::Server, server, answer.line);
    }
    Workload {
        name,
        question,
        kind,
        churn,
        cases,
        responses: answers.into_iter().map(|(server, at)| (server, at.value)).collect(),
        services: services.into_iter().map(|at| at.value).collect(),
        options: options.into_iter().map(|at| at.value).collect(),
        database,
        entries,
        burst: burst.map(|at| at.value),
        large,
        source: source.map(|source| source.value),
    }
}

/// A case that stands in the workload itself must be whole.
fn require_case(fields: &mut Fields<'_>) {
    fields.require(&[(
        "path",
        "`path = \"/about\"`, or name a file of cases: `cases = \"data/my.jsonl\"`",
    )]);
    if !fields.has("message") {
        fields.require(&[("expect", "a table `[workload.expect]` with `status` and `body`")]);
    }
}

/// The cache of a workload.
fn entries(fields: &mut Fields<'_>) -> Entries {
    fields.require(&[("path", "`path = \"/kv\"`"), ("value_bytes", "`value_bytes = 100`")]);
    let path = fields.text("path");
    if let Some(path) = &path
        && (!path.value.starts_with('/') || path.value.ends_with('/'))
    {
        let hint = "begin it with `/`, and leave out the one before the number of an entry";
        fields.mistake(path.line, format!("`path` is `{}`", path.value), hint);
    }
    let bytes = fields.number("value_bytes", 1..=Entries::VALUE_BYTES_MAX);
    Entries {
        path: path.map(|at| at.value).unwrap_or_default(),
        value_bytes: bytes.map_or(0, |at| at.value),
    }
}

/// The request that shows whether servers stream.
fn large(fields: &mut Fields<'_>) -> Large {
    fields.require(&[
        ("path", "`path = \"/upload\"`"),
        ("expect", "a table `expect` with `status` and `body_generated`"),
        ("rss_growth_mib", "`rss_growth_mib = 32`, which peak memory grows by at most"),
    ]);
    let growth = fields.number("rss_growth_mib", 1..=RSS_GROWTH_MIB_MAX);
    Large { rss_growth_mib: growth.map_or(0, |at| at.value), case: one_case(fields) }
}

/// The case of a table.
fn one_case(fields: &mut Fields<'_>) -> Case {
    // Where a value is missing or mistyped, one that no check complains of.
    let method = fields.text("method").map_or_else(|| "GET".to_owned(), |at| at.value);
    let path = fields.text("path").map_or_else(|| "/".to_owned(), |at| at.value);
    let headers = fields.map("headers").into_iter().map(|(name, at)| (name, at.value)).collect();
    let body = fields.text("body").map(|at| at.value);
    let body_generated = fields.inner("body_generated", generated);
    let chunked = fields.flag("chunked").unwrap_or(false);
    let expect = fields.inner("expect", |expect| answer(expect, &method));
    let message = fields.text("message").map(|at| at.value);
    let members = fields.number("members", 2..=MEMBERS_MAX).map(|at| at.value);
    // What a handshake of WebSocket is answered with; otherwise one that no check complains of.
    let status = if message.is_some() { 101 } else { 200 };
    let expect = expect.unwrap_or(ExpectedResponse { status, ..Default::default() });
    let upstream_calls = fields.number("upstream_calls", 0..=WORK_MAX).map(|at| at.value);
    let least_ms = fields.number("least_ms", 0..=LEAST_MS_MAX).map(|at| at.value);
    let event_ms = fields.number("event_ms", 1..=LEAST_MS_MAX).map(|at| at.value);
    let case = Case {
        method,
        path,
        headers,
        body,
        body_generated,
        chunked,
        upstream_calls,
        least_ms,
        event_ms,
        message,
        members,
        // Of a workload's only case the times are all there is.
        untimed: false,
        expect,
    };
    keep(fields, request_faults(&case));
    case
}

/// The rule that makes a body.
fn generated(fields: &mut Fields<'_>) -> GeneratedBody {
    fields.require(&[("bytes", "`bytes = 65536`"), ("seed", "`seed = 1`")]);
    let mut number = |key, most| fields.number(key, 0..=most).map_or(0, |at| at.value);
    GeneratedBody {
        bytes: number("bytes", GeneratedBody::BYTES_MAX),
        seed: number("seed", u32::MAX),
    }
}

/// What a request does in a database.
fn database(fields: &mut Fields<'_>) -> DatabaseWork {
    fields.require(&[("transactions", "`transactions = 1`, which each request commits")]);
    let mut number = |key| fields.number(key, 0..=WORK_MAX).map_or(0, |at| at.value);
    DatabaseWork {
        transactions: number("transactions"),
        rows_read: number("rows_read"),
        rows_written: number("rows_written"),
        invalid: fields.sentence("invalid").map(|at| at.value),
    }
}

/// A workload with a file of cases has no case of its own.
fn check_alone(fields: &mut Fields<'_>) {
    for key in INLINE {
        if !fields.has(key) {
            continue;
        }
        let line = fields.line_of(key);
        let hint = format!("remove one of the two: each case of the file has its own `{key}`");
        fields.mistake(line, format!("`{key}` stands beside `cases`"), hint);
    }
}

fn answer(fields: &mut Fields<'_>, method: &str) -> ExpectedResponse {
    fields.require(&[("status", "`status = 200`")]);
    if !fields.has("body_generated") {
        fields.require(&[("body", "`body = \"the exact body\"`")]);
    }
    let answer = ExpectedResponse {
        // The range fits in 16 bits.
        status: fields.number("status", 200..=599).map_or(200, |status| status.value as u16),
        content_type: fields.text("content_type").map(|at| at.value),
        body: fields.text("body").unwrap_or_default().value,
        body_generated: fields.inner("body_generated", generated),
        chunked: fields.flag("chunked").unwrap_or(false),
        gzip: fields.flag("gzip").unwrap_or(false),
        grpc_status: fields.number("grpc_status", 0..=GRPC_STATUS_MAX).map(|at| at.value),
    };
    keep(fields, answer_faults(method, &answer));
    answer
}

fn keep(fields: &mut Fields<'_>, faults: Vec<Fault>) {
    for Fault { key, problem, hint } in faults {
        let line = fields.line_of(key);
        fields.mistake(line, problem, hint);
    }
}

/// Reads a file of cases, one JSON object a line.
fn case_file(fields: &mut Fields<'_>, path: &At<String>, files: &Read<'_>) -> Vec<Case> {
    if !stays_inside(&path.value) {
        let hint = "name a file below the folder of definitions, relative to it, without `..`";
        fields.mistake(path.line, format!("`cases` is `{}`", path.value), hint);
        return Vec::new();
    }
    let source = match read_text(&path.value, files) {
        Ok(source) => source,
        Err(mistake) if mistake.line.is_some() => {
            fields.found().mistakes.push(mistake);
            return Vec::new();
        }
        Err(DefinitionError { problem, hint, .. }) => {
            let problem = format!("the file of cases `{}`: {problem}", path.value);
            fields.mistake(path.line, problem, hint);
            return Vec::new();
        }
    };
    if source.text.is_empty() {
        let problem = format!("the file of cases `{}` is empty", path.value);
        fields.mistake(path.line, problem, "write at least one case into it");
    }
    let numbered = source.text.lines().zip(1..);
    let cases: Vec<Case> =
        numbered.filter_map(|(text, line)| case(text, &path.value, line, fields.found())).collect();
    if !cases.is_empty() && cases.iter().all(|case| case.untimed) {
        let problem = format!("in the file of cases `{}` all are `untimed`", path.value);
        fields.mistake(path.line, problem, "leave `untimed` out of those whose times are wanted");
    }
    cases
}

/// One line of a file of cases; what is wrong with it is kept.
fn case(text: &str, file: &str, line: usize, found: &mut Found) -> Option<Case> {
    if found.mistakes.len() >= MISTAKES_MAX {
        return None;
    }
    let mut mistake = |problem, hint| {
        let file = file.to_owned();
        found.mistakes.push(DefinitionError { file, line: Some(line), problem, hint });
    };
    let case = match parse_case(text) {
        Ok(case) => case,
        Err(message) => {
            let hint = "write {\"method\":…,\"path\":…,\"expect\":{\"status\":…,\"body\":…}} on \
                        one line; it may also have headers, body, chunked, upstream_calls, \
                        least_ms, event_ms, untimed and, in expect, content_type, chunked, \
                        gzip and grpc_status; body_generated may stand in the place of body";
            mistake(format!("this is no case: {message}"), hint.to_owned());
            return None;
        }
    };
    if case.message.is_some() || case.members.is_some() {
        let problem = "`message` and `members` stand in a file of cases".to_owned();
        mistake(problem, "write the case into the workload itself: it has no other".to_owned());
    }
    for fault in request_faults(&case).into_iter().chain(answer_faults(&case.method, &case.expect))
    {
        mistake(fault.problem, fault.hint);
    }
    Some(case)
}

fn parse_case(text: &str) -> Result<Case, String> {
    // The parser would also take a list of the values in order.
    if !text.trim_start().starts_with('{') {
        return Err("the line is no JSON object".to_owned());
    }
    // The message ends in " at line 1 column N", and that line is not the file's.
    let said =
        |error: serde_json::Error| error.to_string().replace(" at line 1 column ", ", at column ");
    let value: serde_json::Value = serde_json::from_str(text).map_err(said)?;
    if let Some(expect) = value.get("expect").and_then(serde_json::Value::as_object)
        && !["body", "body_generated"].iter().any(|key| expect.contains_key(*key))
    {
        return Err("missing field `body` in `expect`".to_owned());
    }
    serde_json::from_str(text).map_err(said)
}
