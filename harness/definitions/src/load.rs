//! Loads a folder of definitions: reads its files, then checks what one file says of another.

use std::fmt;
use std::io;
use std::path::{Component, Path, PathBuf};

use toml::Spanned;
use toml::de::DeTable;

use super::check;
use super::fields::{At, Fields, Source};
use super::programs::{self, Programs};
use super::suites::{self, Suites};
use super::{Published, Server, Spec, Workload, servers, workloads};

/// A mistake in the definitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionError {
    /// The file, relative to the folder of definitions; `.` is the folder itself.
    pub file: String,
    /// The line, from 1; absent when it is about the whole file.
    pub line: Option<usize>,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub hint: String,
}

/// All mistakes in a folder of definitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionErrors {
    /// The folder, as it was given to [`load`].
    pub folder: PathBuf,
    /// The mistakes, at least one, by file and line.
    pub mistakes: Vec<DefinitionError>,
}

impl fmt::Display for DefinitionErrors {
    /// `bench/suites.toml:12: problem`, and below it, indented, the hint; so for each mistake.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, mistake) in self.mistakes.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            // By components, so that the folder itself is `bench` and not `bench/.`.
            let path: PathBuf = self.folder.join(&mistake.file).components().collect();
            write!(f, "{}:", path.display())?;
            if let Some(line) = mistake.line {
                write!(f, "{line}:")?;
            }
            write!(f, " {}\n    {}", mistake.problem, mistake.hint)?;
        }
        Ok(())
    }
}

impl std::error::Error for DefinitionErrors {}

/// Reads and checks a folder of definitions. Runs nothing.
///
/// # Errors
/// All mistakes at once, over all files.
pub fn load(folder: &Path) -> Result<Spec, DefinitionErrors> {
    let mistakes = if folder.is_dir() {
        match load_from(&|file| std::fs::read(folder.join(file))) {
            Ok(spec) => return Ok(spec),
            Err(mistakes) => mistakes,
        }
    } else {
        vec![DefinitionError {
            file: ".".to_owned(),
            line: None,
            problem: "there is no such folder of definitions".to_owned(),
            hint: "run in the folder that holds `bench`, or name another with --bench DIR"
                .to_owned(),
        }]
    };
    Err(DefinitionErrors { folder: folder.to_owned(), mistakes })
}

/// Gives the bytes of a file, named relative to the folder of definitions.
pub(super) type Read<'a> = dyn Fn(&str) -> io::Result<Vec<u8>> + 'a;

/// What reading finds beside the definitions.
#[derive(Default)]
pub(super) struct Found {
    pub(super) mistakes: Vec<DefinitionError>,
    pub(super) references: Vec<Reference>,
}

/// A name that must be defined somewhere.
pub(super) struct Reference {
    pub(super) kind: Kind,
    pub(super) name: String,
    /// What refers to it, for messages.
    pub(super) from: String,
    pub(super) file: String,
    pub(super) line: usize,
}

/// What can be referred to by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Server,
    Workload,
    Load,
    Matchup,
    Suite,
    Gate,
    Problem,
    Set,
    /// What a matchup names: a server or a set.
    Arm,
}

impl Kind {
    /// The word for it, which is also its key.
    pub(super) fn word(self) -> &'static str {
        match self {
            Kind::Server => "server",
            Kind::Workload => "workload",
            Kind::Load => "load",
            Kind::Matchup => "matchup",
            Kind::Suite => "suite",
            Kind::Gate => "gate",
            Kind::Problem => "problem",
            Kind::Set => "set",
            Kind::Arm => "server or set",
        }
    }

    /// The file that defines it.
    pub(super) fn file(self) -> &'static str {
        match self {
            Kind::Server | Kind::Arm => "servers.toml",
            Kind::Workload => "workloads.toml",
            Kind::Load | Kind::Matchup | Kind::Suite | Kind::Gate => "suites.toml",
            Kind::Problem | Kind::Set => "programs.toml",
        }
    }
}

/// What the files say; absent where a file could not be read as TOML.
///
/// A field with a mistake holds an empty value: the mistake is kept, so the value is never used,
/// and the checks skip it.
pub(super) struct Files {
    pub(super) servers: Option<Vec<At<Server>>>,
    pub(super) workloads: Option<Vec<At<Workload>>>,
    pub(super) programs: Option<Programs>,
    pub(super) suites: Option<Suites>,
    pub(super) published: Option<Vec<Published>>,
    /// The files that are not there and need not be: they define nothing.
    pub(super) absent: Vec<&'static str>,
}

/// Loads definitions from wherever `read` gets them.
pub(super) fn load_from(read: &Read<'_>) -> Result<Spec, Vec<DefinitionError>> {
    let mut found = Found::default();
    let absent = absent(read);
    let files = Files {
        servers: match absent.contains(&"servers.toml") {
            true => Some(Vec::new()),
            false => read_file("servers.toml", read, &mut found, servers::read),
        },
        workloads: match absent.contains(&"workloads.toml") {
            true => Some(Vec::new()),
            false => read_file("workloads.toml", read, &mut found, |fields| {
                workloads::read(fields, read)
            }),
        },
        programs: read_file_if_any("programs.toml", read, &mut found, |fields| {
            programs::read(fields, read)
        }),
        suites: read_file("suites.toml", read, &mut found, suites::read),
        published: read_file_if_any("published.toml", read, &mut found, programs::read_published),
        absent,
    };
    let mut mistakes = found.mistakes;
    mistakes.extend(check::check(&files, &found.references));
    match files {
        Files {
            servers: Some(servers),
            workloads: Some(workloads),
            programs: Some(programs),
            suites: Some(suites),
            published: Some(published),
            absent: _,
        } if mistakes.is_empty() => Ok(Spec {
            servers: values(servers),
            workloads: values(workloads),
            problems: values(programs.problems),
            sets: values(programs.sets),
            published,
            loads: values(suites.loads),
            matchups: values(suites.matchups),
            suites: suites.suites.into_iter().map(|at| at.value.suite()).collect(),
            gates: suites.gates.into_iter().map(|at| at.value.gate).collect(),
        }),
        _ => {
            mistakes.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
            Err(mistakes)
        }
    }
}

/// The files that are left out and may be. Who defines programs needs no servers, and without these
/// no workloads; where neither servers nor programs are defined, servers are missing.
fn absent(read: &Read<'_>) -> Vec<&'static str> {
    let is_absent =
        |file: &&str| read(file).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    let all = ["programs.toml", "servers.toml", "workloads.toml"];
    let may_be = match all.map(|file| is_absent(&file)) {
        [false, true, _] => &all[1..],
        [true, ..] => &all[..1],
        _ => &[],
    };
    may_be.iter().copied().filter(is_absent).collect()
}

/// Whether a path stays below the folder it is relative to, and is not that folder.
pub(super) fn stays_inside(path: &str) -> bool {
    let mut components =
        Path::new(path).components().filter(|c| *c != Component::CurDir).peekable();
    components.peek().is_some() && components.all(|c| matches!(c, Component::Normal(_)))
}

/// A file and its text.
///
/// # Errors
/// It cannot be read, and the mistake has no line, or it is not UTF-8.
pub(super) fn read_text(file: &str, read: &Read<'_>) -> Result<Source, DefinitionError> {
    let mistake = |line, problem: String, hint: &str| {
        let (file, hint) = (file.to_owned(), hint.to_owned());
        DefinitionError { file, line, problem, hint }
    };
    let bytes = read(file).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            let hint = match file {
                "servers.toml" => "create it; or, to measure programs alone, create programs.toml",
                _ => "create it, or correct its name",
            };
            mistake(None, "there is no such file".to_owned(), hint)
        }
        _ => mistake(None, format!("it cannot be read: {error}"), "make it a readable file"),
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..good].iter().filter(|byte| **byte == b'\n').count();
        mistake(Some(line), "the text is not UTF-8".to_owned(), "save it as UTF-8")
    })?;
    Ok(Source::new(file, text))
}

/// Reads a file as TOML; none, and the mistake is kept, where it is none.
pub(super) fn read_file<T>(
    file: &str,
    read: &Read<'_>,
    found: &mut Found,
    fields: impl FnOnce(&mut Fields<'_>) -> T,
) -> Option<T> {
    let source = read_text(file, read).map_err(|mistake| found.mistakes.push(mistake)).ok()?;
    let table = parse(&source, found)?;
    let mut root = Fields::of_file(&source, table.get_ref(), found);
    let value = fields(&mut root);
    root.finish();
    Some(value)
}

/// Like [`read_file`]; a file that is not there defines nothing.
fn read_file_if_any<T: Default>(
    file: &str,
    read: &Read<'_>,
    found: &mut Found,
    fields: impl FnOnce(&mut Fields<'_>) -> T,
) -> Option<T> {
    match read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(T::default()),
        _ => read_file(file, read, found, fields),
    }
}

/// Parses a file as TOML. Of several syntax errors only the first is kept: the others are often
/// its consequences.
fn parse<'a>(source: &'a Source, found: &mut Found) -> Option<Spanned<DeTable<'a>>> {
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    let start = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
    let Some(first) = errors.iter().min_by_key(|error| start(error)) else {
        return Some(table);
    };
    found.mistakes.push(DefinitionError {
        file: source.file.clone(),
        line: Some(source.line(start(first))),
        problem: format!("this is not TOML: {}", first.message()),
        hint: "correct it; what it says is checked after that".to_owned(),
    });
    None
}

fn values<T>(all: Vec<At<T>>) -> Vec<T> {
    all.into_iter().map(|at| at.value).collect()
}
