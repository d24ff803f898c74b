//! Reads `programs.toml` and `published.toml`: problems, sets of programs, figures of others.

use std::collections::BTreeMap;

use super::errors::Kind;
use super::fields::{At, Fields};
use super::nearest::suggestion;
use super::servers::{caches, lane, toolchain, values};
use super::source::{Read, stays_inside};
use duet_model::spec::{Lane, Output, Problem, ProgramSet, Published, PublishedRow, TEST_SIZE};

/// The placeholders of `run`; `source` has no last one.
const PLACEHOLDERS: [&str; 3] = ["{problem}", "{lane}", "{n}"];

/// The largest N: the largest that all definitions can write.
const LARGEST_N: u32 = 1_000_000_000;

/// What `programs.toml` says.
#[derive(Default)]
pub(super) struct Programs {
    pub(super) problems: Vec<At<Problem>>,
    pub(super) sets: Vec<At<ProgramSet>>,
}

/// Reads all problems and sets.
pub(super) fn read(root: &mut Fields<'_>, files: &Read<'_>) -> Programs {
    root.require(&[("problem", "a table `[[problem]]`"), ("set", "a table `[[set]]`")]);
    let problems = root.each("problem", "[[problem]]", |fields| At {
        line: fields.line,
        value: problem(fields, files),
    });
    let sets = root.each("set", "[[set]]", |fields| At { line: fields.line, value: set(fields) });
    Programs { problems, sets }
}

fn problem(fields: &mut Fields<'_>, files: &Read<'_>) -> Problem {
    fields.require(&[
        ("name", "`name = \"my-problem\"`"),
        ("question", "`question = \"What it computes, in one sentence\"`"),
        ("sizes", "`sizes = { test = 1000, quick = 500000 }`"),
    ]);
    let name = fields.name().value;
    let question = fields.sentence("question").unwrap_or_default().value;
    let line = fields.line_of("sizes");
    let sizes = fields.numbers("sizes", 1..=LARGEST_N);
    if fields.has("sizes") && !sizes.contains_key(TEST_SIZE) {
        let hint = format!("add one, such as `{TEST_SIZE} = 1000`: programs are checked at it");
        fields.mistake(line, format!("`sizes` has no `{TEST_SIZE}`"), hint);
    }
    let input = fields.text("input");
    if let Some(input) = &input {
        fields.refer(Kind::Problem, &input.value, input.line);
    }
    let within = fields.fraction("within").map(|at| at.value);
    let outputs = outputs(fields, files);
    if let Some(test) = sizes.get(TEST_SIZE)
        && !outputs.contains_key(&test.value.to_string())
    {
        let problem = format!("`outputs` has none for the size `{TEST_SIZE}`, {}", test.value);
        let hint =
            format!("add the right output: `outputs = {{ {} = \"data/FILE\" }}`", test.value);
        fields.mistake(line, problem, hint);
    }
    let unit = fields.text("unit");
    if let Some(unit) = &unit
        && !outputs.contains_key(&Problem::BASE_N.to_string())
    {
        let n = Problem::BASE_N;
        let problem = format!("`unit` takes a run at N = {n}, for which `outputs` has none");
        fields.mistake(unit.line, problem, format!("add the right output at {n} to `outputs`"));
    }
    Problem {
        name,
        question,
        sizes: sizes.into_iter().map(|(name, at)| (name, at.value)).collect(),
        input: input.map(|at| at.value),
        outputs,
        within,
        unit: unit.map(|at| at.value),
    }
}

/// Right outputs by N: files, which must be there, or hashes.
fn outputs(fields: &mut Fields<'_>, files: &Read<'_>) -> BTreeMap<String, Output> {
    let mut outputs = BTreeMap::new();
    for (n, text) in fields.map("outputs") {
        let At { line, value } = text;
        if n.parse::<u32>().is_err() {
            let hint = "use the N of one of the sizes as the key";
            fields.mistake(line, format!("`outputs` has the key `{n}`"), hint);
        }
        let output = match value.strip_prefix("sha256:") {
            Some(hash) => {
                let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
                if hash.len() != 64 || !hash.chars().all(hex) {
                    let hint = "write 64 digits of 0-9 and a-f, as sha256sum prints them";
                    fields.mistake(line, format!("`outputs.{n}` is no hash"), hint);
                }
                Output::Sha256(hash.to_owned())
            }
            None => {
                if !stays_inside(&value) || files(&value).is_err() {
                    let problem = format!("`outputs.{n}` is `{value}`, which cannot be read");
                    let hint = "name a file below the folder of definitions, relative to it, or \
                                write \"sha256:\" and the output's hash";
                    fields.mistake(line, problem, hint);
                }
                Output::File(value)
            }
        };
        outputs.insert(n, output);
    }
    outputs
}

fn set(fields: &mut Fields<'_>) -> ProgramSet {
    fields.require(&[
        ("name", "`name = \"my-programs\"`"),
        ("language", "`language = \"Rust\"`"),
        ("lanes", "`lanes = [\"std\"]`"),
        ("summary", "`summary = \"What they may use, in one sentence\"`"),
        ("source", "`source = \"path/of/{problem}.rs\"`"),
        ("run", "`run = [\"path/of/{problem}\", \"{n}\"]`"),
        ("version", "`version = [\"rustc\", \"--version\"]`"),
        ("problems", "`problems = [\"name-of-a-problem\"]`"),
    ]);
    let name = fields.name().value;
    let language = fields.sentence("language").unwrap_or_default().value;
    let lanes = fields.some_texts("lanes").unwrap_or_default();
    let lanes: Option<Vec<_>> = lanes.iter().map(|word| lane(fields, word)).collect();
    let summary = fields.sentence("summary").unwrap_or_default().value;
    let needs = fields.texts("needs").unwrap_or_default();
    let toolchain = toolchain(fields);
    let build = fields.texts("build").unwrap_or_default();
    let build_cache = caches(fields, "build_cache");
    let shared_cache = caches(fields, "shared_cache");
    let [build_env, needs_cpu] = ["build_env", "needs_cpu"].map(|key| texts_by_name(fields, key));
    let version = fields.some_texts("version").unwrap_or_default();
    let run = fields.some_texts("run").unwrap_or_default();
    let source = fields.text("source");
    check_placeholders(fields, "run", &run, &PLACEHOLDERS);
    check_placeholders(fields, "source", source.as_slice(), &PLACEHOLDERS[..2]);
    let own = fields.texts("own").unwrap_or_default();
    let problems = fields.some_texts("problems").unwrap_or_default();
    for problem in &problems {
        fields.refer(Kind::Problem, &problem.value, problem.line);
    }
    let borrows = borrows(fields, &problems);
    let rest = fields.text("rest");
    if let Some(rest) = &rest {
        fields.refer(Kind::Set, &rest.value, rest.line);
    }
    ProgramSet {
        name,
        language,
        lanes: lanes.unwrap_or_default(),
        summary,
        needs: values(needs),
        toolchain,
        build: values(build),
        build_cache,
        shared_cache,
        build_env,
        needs_cpu,
        version: values(version),
        run: values(run),
        source: source.unwrap_or_default().value,
        own: values(own),
        problems: values(problems),
        borrows,
        rest: rest.map(|at| at.value),
        root: None,
    }
}

fn texts_by_name(fields: &mut Fields<'_>, key: &'static str) -> BTreeMap<String, String> {
    fields.map(key).into_iter().map(|(name, at)| (name, at.value)).collect()
}

/// Problems by the lane whose source is built; none of them may be the set's own.
fn borrows(fields: &mut Fields<'_>, own: &[At<String>]) -> BTreeMap<String, Lane> {
    let mut borrows = BTreeMap::new();
    for (problem, word) in fields.map("borrows") {
        fields.refer(Kind::Problem, &problem, word.line);
        if own.iter().any(|own| own.value == problem) {
            let hint = "take it out of one of them: `borrows` is for what has no source here";
            fields.mistake(word.line, format!("`{problem}` is in `problems` too"), hint);
        }
        if let Some(lane) = lane(fields, &word) {
            borrows.insert(problem, lane);
        }
    }
    borrows
}

/// Placeholders must be known, and one of the words must say which problem is meant.
fn check_placeholders(
    fields: &mut Fields<'_>,
    key: &str,
    words: &[At<String>],
    known: &[&'static str],
) {
    for word in words {
        for part in word.value.split('{').skip(1) {
            let placeholder = match part.split_once('}') {
                Some((name, _)) => format!("{{{name}}}"),
                None => format!("{{{part}"),
            };
            if !known.contains(&placeholder.as_str()) {
                let problem = format!("`{key}` has the unknown placeholder `{placeholder}`");
                let hint = suggestion(&placeholder, known, "the placeholders are");
                fields.mistake(word.line, problem, hint);
            }
        }
    }
    if let Some(first) = words.first()
        && !words.iter().any(|word| word.value.contains(PLACEHOLDERS[0]))
    {
        let problem = format!("`{key}` has no {{problem}}");
        let hint = "put it where the problem's name belongs: a set has a program per problem";
        fields.mistake(first.line, problem, hint);
    }
}

/// Reads all published figures.
pub(super) fn read_published(root: &mut Fields<'_>) -> Vec<Published> {
    root.each("published", "[[published]]", published)
}

fn published(fields: &mut Fields<'_>) -> Published {
    fields.require(&[
        ("date", "`date = \"2020-09-21\"`"),
        ("about", "`about = \"Versions and machine\"`"),
        ("languages", "`languages = [\"Rust\", \"Go\"]`"),
        ("row", "a table `[[published.row]]` with `problem` and `secs`"),
    ]);
    let date = fields.sentence("date").unwrap_or_default().value;
    let about = fields.sentence("about").unwrap_or_default().value;
    let languages = values(fields.some_texts("languages").unwrap_or_default());
    let count = languages.len();
    let rows = fields.each("row", "[[published.row]]", |fields| row(fields, count));
    Published { date, about, languages, rows }
}

fn row(fields: &mut Fields<'_>, languages: usize) -> PublishedRow {
    fields.require(&[
        ("problem", "`problem = \"name-of-a-problem\"`"),
        ("secs", "`secs = [1.2, 12.6]`: one number per language"),
    ]);
    let problem = fields.text("problem");
    if let Some(problem) = &problem {
        fields.refer(Kind::Problem, &problem.value, problem.line);
    }
    let mut numbers = |key: &'static str| {
        let line = fields.line_of(key);
        let numbers = fields.fractions(key);
        if let Some(found) = numbers.as_ref().map(Vec::len).filter(|found| *found != languages) {
            let hint = "write one per language, in the order of `languages`";
            let problem = format!("`{key}` has {found} numbers for {languages} languages");
            fields.mistake(line, problem, hint);
        }
        numbers
    };
    let secs = numbers("secs").unwrap_or_default();
    let [mem_kb, gz_bytes] = ["mem_kb", "gz_bytes"].map(&mut numbers);
    let [busy_secs, plain_secs] = ["busy_secs", "plain_secs"].map(&mut numbers);
    let cpu_load = fields.texts("cpu_load").map(values);
    if let Some(found) = cpu_load.as_ref().map(Vec::len).filter(|found| *found != languages) {
        let problem = format!("`cpu_load` has {found} texts for {languages} languages");
        let line = fields.line_of("cpu_load");
        fields.mistake(line, problem, "write one per language, in the order of `languages`");
    }
    PublishedRow {
        secs,
        mem_kb,
        gz_bytes,
        busy_secs,
        cpu_load,
        plain_secs,
        problem: problem.unwrap_or_default().value,
        figure: fields.sentence("figure").map(|at| at.value),
        note: fields.sentence("note").map(|at| at.value),
    }
}
