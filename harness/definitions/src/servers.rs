//! Reads `servers.toml`.

use std::collections::BTreeMap;

use super::errors::Kind;
use super::fields::{At, Fields};
use super::nearest::suggestion;
use super::source::stays_inside;
use duet_model::spec::{
    Edit, LAYOUT, Lane, PLACEHOLDERS, Server, Service, ServiceArgs, TLS_PLACEHOLDERS, Toolchain,
};

const LANES: [(&str, Lane); 4] = [
    ("article", Lane::Article),
    ("std", Lane::Std),
    ("idiomatic", Lane::Idiomatic),
    ("tuned", Lane::Tuned),
];

/// The longest `start_limit_s`: a server that needs ten minutes cannot be started afresh for every
/// block.
const START_LIMIT_MAX_S: u32 = 600;

/// The largest `pool`: more connections than a PostgreSQL takes.
const POOL_MAX: u32 = 1_024;

/// Reads all servers.
pub(super) fn read(root: &mut Fields<'_>) -> Vec<At<Server>> {
    root.require(&[("server", "a table `[[server]]`")]);
    root.each("server", "[[server]]", |fields| At { line: fields.line, value: server(fields) })
}

/// What a lane is called in the definitions.
pub(super) fn lane_word(lane: Lane) -> &'static str {
    LANES.iter().find(|(_, known)| *known == lane).map_or("", |(word, _)| word)
}

/// The lane of this name; otherwise a mistake is kept.
pub(super) fn lane(fields: &mut Fields<'_>, word: &At<String>) -> Option<Lane> {
    let lane = LANES.iter().find(|(known, _)| *known == word.value).map(|(_, lane)| *lane);
    if lane.is_none() {
        let words = LANES.map(|(word, _)| word);
        let problem = format!("unknown lane `{}`", word.value);
        fields.mistake(word.line, problem, suggestion(&word.value, &words, "the lanes are"));
    }
    lane
}

fn server(fields: &mut Fields<'_>) -> Server {
    fields.require(&[
        ("name", "`name = \"my-server\"`"),
        ("language", "`language = \"Rust\"`"),
        ("lanes", "`lanes = [\"std\"]`"),
        ("summary", "`summary = \"What it is, in one sentence\"`"),
        ("run", "`run = [\"path/of/binary\", \"--addr\", \"{addr}\"]`"),
        ("workloads", "`workloads = [\"name-of-a-workload\"]`"),
    ]);
    let external = fields.flag("external").unwrap_or(false);
    if !external {
        fields.require(&[("version", "`version = [\"path/of/binary\", \"--version\"]`")]);
    }
    let name = fields.name().value;
    let language = fields.sentence("language").unwrap_or_default().value;
    let lanes = fields.some_texts("lanes").unwrap_or_default();
    let lanes: Option<Vec<Lane>> = lanes.iter().map(|word| lane(fields, word)).collect();
    let summary = fields.sentence("summary").unwrap_or_default().value;
    let (needs, toolchain) = (fields.texts("needs").unwrap_or_default(), toolchain(fields));
    let build = fields.texts("build").unwrap_or_default();
    let [build_cache, shared_cache] =
        ["build_cache", "shared_cache"].map(|key| caches(fields, key));
    let std_build = fields.texts("std_build").unwrap_or_default();
    let dependencies = fields.texts("dependencies").unwrap_or_default();
    let edit = fields.inner("edit", edit);
    let run = fields.some_texts("run").unwrap_or_default();
    let tls_args = fields.some_texts("tls_args").unwrap_or_default();
    let h2c_args = fields.some_texts("h2c_args").unwrap_or_default();
    let (services, options) = (services(fields), options(fields));
    let version = fields.some_texts("version").unwrap_or_default();
    let (env, prints) = (fields.map("env"), fields.flag("prints").unwrap_or(false));
    let carry = fields.texts("carry").unwrap_or_default();
    let workloads = fields.some_texts("workloads").unwrap_or_default();
    check_run(fields, &run, &env);
    check_braces(fields, "h2c_args", &h2c_args, &PLACEHOLDERS);
    check_tls_args(fields, &tls_args);
    check_carry(fields, &carry);
    check_commands(fields, [&build, &std_build, &dependencies, &version]);
    for workload in &workloads {
        fields.refer(Kind::Workload, &workload.value, workload.line);
    }
    Server {
        name,
        language,
        lanes: lanes.unwrap_or_default(),
        summary,
        needs: values(needs),
        toolchain,
        build: values(build),
        build_cache,
        shared_cache,
        std_build: values(std_build),
        dependencies: values(dependencies),
        edit,
        run: values(run),
        tls_args: values(tls_args),
        h2c_args: values(h2c_args),
        services,
        options,
        version: values(version),
        env: env.into_iter().map(|(name, at)| (name, at.value)).collect(),
        prints,
        external,
        carry: values(carry),
        pool: fields.number("pool", 1..=POOL_MAX).map(|at| at.value),
        start_limit_s: fields.number("start_limit_s", 1..=START_LIMIT_MAX_S).map(|at| at.value),
        workloads: values(workloads),
        root: None,
    }
}

/// How a server is told of services.
fn services(fields: &mut Fields<'_>) -> BTreeMap<String, ServiceArgs> {
    let form = "[server.services] NAME = { args = [\"--database\", \"{service.NAME}\"] }";
    let told = fields.named("services", form, |fields| {
        let args = fields.some_texts("args").unwrap_or_default();
        (args, fields.map("env"))
    });
    let mut services = BTreeMap::new();
    for (name, At { line, value: (args, env) }) in told {
        fields.refer(Kind::Service, &name, line);
        let placeholder = Service::placeholder(&name);
        let words = || args.iter().chain(env.values());
        let known = [&PLACEHOLDERS[..], &[placeholder.as_str()]].concat();
        for word in words() {
            check_word(fields, &format!("services.{name}"), word, &known);
        }
        if !words().any(|word| word.value.contains(&placeholder)) {
            let problem = format!("`services.{name}` has no {placeholder}");
            let hint = "add it where the server reads the service's address: in `args` or `env`";
            fields.mistake(line, problem, hint);
        }
        let env = env.into_iter().map(|(name, at)| (name, at.value)).collect();
        services.insert(name, ServiceArgs { args: values(args), env });
    }
    services
}

/// What is added to its command for workloads that name an option.
fn options(fields: &mut Fields<'_>) -> BTreeMap<String, ServiceArgs> {
    let form = "[server.options] NAME = { args = [\"--compress\"] }";
    let told = fields.named("options", form, |fields| {
        (fields.some_texts("args").unwrap_or_default(), fields.map("env"))
    });
    let mut options = BTreeMap::new();
    for (name, At { value: (args, env), .. }) in told {
        for word in args.iter().chain(env.values()) {
            check_word(fields, &format!("options.{name}"), word, &PLACEHOLDERS);
        }
        let env = env.into_iter().map(|(name, at)| (name, at.value)).collect();
        options.insert(name, ServiceArgs { args: values(args), env });
    }
    options
}

/// What is carried lies below the folder above the definitions.
fn check_carry(fields: &mut Fields<'_>, carry: &[At<String>]) {
    for name in carry.iter().filter(|name| !stays_inside(&name.value)) {
        let problem = format!("`carry` names `{}`", name.value);
        let hint = "name files below the folder above this one, without `..`";
        fields.mistake(name.line, problem, hint);
    }
}

/// The toolchain, whose name must be one.
pub(super) fn toolchain(fields: &mut Fields<'_>) -> Option<Toolchain> {
    let name = fields.text("toolchain")?;
    match name.value.parse() {
        Ok(toolchain) => Some(toolchain),
        Err(why) => {
            let hint = "or leave `toolchain` out: the installed compiler builds it then";
            fields.mistake(name.line, why, hint);
            None
        }
    }
}

/// The caches of a key. A clean build deletes those of `build_cache`: a path that leads elsewhere
/// would be a disaster.
pub(super) fn caches(fields: &mut Fields<'_>, key: &'static str) -> BTreeMap<String, String> {
    let folders = fields.map(key);
    for (variable, folder) in &folders {
        if !stays_inside(&folder.value) {
            let problem = format!("{key}.{variable} is `{}`", folder.value);
            let hint = "name a folder below the one above the definitions, relative to it and \
                        without `..`: a clean build deletes it";
            fields.mistake(folder.line, problem, hint);
        }
    }
    folders.into_iter().map(|(variable, at)| (variable, at.value)).collect()
}

/// A change of a source. That the file is there and has the text is seen when it is changed.
fn edit(fields: &mut Fields<'_>) -> Edit {
    fields.require(&[
        ("file", "`file = \"src/handler.rs\"`"),
        ("replace", "`replace = \"\\\"not found\\\"\"`, a text that is in the file once"),
        ("with", "`with = \"\\\"not found {n}\\\"\"`"),
    ]);
    let [file, replace, with] =
        ["file", "replace", "with"].map(|key| fields.text(key).unwrap_or_default());
    if fields.has("file") && !stays_inside(&file.value) {
        let hint = "name a file below the folder above the definitions, relative to it";
        fields.mistake(file.line, format!("`file` is `{}`", file.value), hint);
    }
    if fields.has("replace") && replace.value.is_empty() {
        fields.mistake(replace.line, "`replace` is empty", "write a text that is in the file once");
    }
    if fields.has("with") && !with.value.contains(Edit::NUMBER) {
        let hint = "put it where it changes the executable and no response of a workload: it is \
                    another number each time, so that no cache knows the source already";
        fields.mistake(with.line, format!("`with` has no {}", Edit::NUMBER), hint);
    }
    Edit { file: file.value, replace: replace.value, with: with.value }
}

/// Checks the placeholders of the command that starts the server.
fn check_run(fields: &mut Fields<'_>, run: &[At<String>], env: &BTreeMap<String, At<String>>) {
    let Some((binary, arguments)) = run.split_first() else { return };
    if binary.value.is_empty() || binary.value.contains(['{', '}']) {
        let problem = format!("`run` begins with `{}`", binary.value);
        fields.mistake(binary.line, problem, "begin it with the path of the binary");
    }
    check_braces(fields, "run", arguments, &PLACEHOLDERS);
    let has = |placeholder| run.iter().chain(env.values()).any(|w| w.value.contains(placeholder));
    match (has("{addr}") || has("{port}"), has("{socket}")) {
        (true, false) | (false, true) => {}
        (false, false) => {
            let hint = "add \"{addr}\" (the same as \"{host}:{port}\"), so that the server is told \
                        where to listen; or, where it reads its environment, `env = { PORT = \
                        \"{port}\" }`; or \"{socket}\", the path of a Unix socket";
            fields.mistake(binary.line, "`run` has neither {addr} nor {port} nor {socket}", hint);
        }
        (true, true) => {
            let hint = "keep one: requests go to a TCP port or to a Unix socket";
            fields.mistake(binary.line, "`run` has {socket} beside {addr} or {port}", hint);
        }
    }
}

/// A server cannot do without certificate and key, and there are no others.
fn check_tls_args(fields: &mut Fields<'_>, words: &[At<String>]) {
    check_braces(fields, "tls_args", words, &[&PLACEHOLDERS[..], &TLS_PLACEHOLDERS].concat());
    let Some(first) = words.first() else { return };
    for placeholder in TLS_PLACEHOLDERS {
        if !words.iter().any(|word| word.value.contains(placeholder)) {
            let problem = format!("`tls_args` has no {placeholder}");
            let hint = "add it where the file belongs: the harness makes a certificate for the run";
            fields.mistake(first.line, problem, hint);
        }
    }
}

/// Every brace must belong to a placeholder that is known.
pub(super) fn check_braces(
    fields: &mut Fields<'_>,
    key: &str,
    words: &[At<String>],
    known: &[&str],
) {
    for word in words {
        check_word(fields, key, word, known);
    }
}

fn check_word(fields: &mut Fields<'_>, key: &str, word: &At<String>, known: &[&str]) {
    let mut rest = word.value.as_str();
    while let Some(start) = rest.find(['{', '}']) {
        rest = &rest[start..];
        let end = rest[1..].find(['{', '}']).map_or(rest.len(), |end| end + 1);
        if !rest.starts_with('{') || !rest[end..].starts_with('}') {
            let problem = format!("`{key}` has a brace without its partner in `{}`", word.value);
            let hint = format!("braces stand around placeholders only: {}", known.join(" "));
            fields.mistake(word.line, problem, hint);
            return;
        }
        let placeholder = &rest[..=end];
        if !known.contains(&placeholder) {
            let problem = format!("`{key}` has the unknown placeholder `{placeholder}`");
            let hint = suggestion(placeholder, known, "the placeholders are");
            fields.mistake(word.line, problem, hint);
        }
        rest = &rest[end + 1..];
    }
}

/// Commands that are not given a place to listen.
fn check_commands(fields: &mut Fields<'_>, commands: [&Vec<At<String>>; 4]) {
    let keys = ["build", "std_build", "dependencies", "version"];
    for (key, words) in keys.into_iter().zip(commands) {
        no_placeholders(fields, key, words);
    }
}

/// Only `run` and `env` have their placeholders replaced.
fn no_placeholders<'a>(
    fields: &mut Fields<'_>,
    key: &str,
    words: impl IntoIterator<Item = &'a At<String>>,
) {
    let known = |word: &str| {
        let own = PLACEHOLDERS.iter().find(|placeholder| word.contains(**placeholder));
        own.copied().or_else(|| (key != "build" && word.contains(LAYOUT)).then_some(LAYOUT))
    };
    for word in words {
        if let Some(placeholder) = known(&word.value) {
            let problem = format!("`{key}` has the placeholder {placeholder}");
            let hint = "take it out: only `run` and `env` have placeholders replaced, and in \
                        `build` {layout}";
            fields.mistake(word.line, problem, hint);
        }
    }
}

/// The texts without their lines.
pub(super) fn values(words: Vec<At<String>>) -> Vec<String> {
    words.into_iter().map(|at| at.value).collect()
}
