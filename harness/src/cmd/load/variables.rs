//! Values in requests: `--values` from a table, `--capture` from responses, `--cookies`.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::cmd::exit::UsageError;
use duet_loadgen::request::composed::{Composed, Names, ValueOf, is_name};
use duet_loadgen::request::cookies::Cookies;
use duet_loadgen::request::requests::Rows;
use duet_loadgen::request::session::{self, Session, Source};

/// Where values in requests come from.
#[derive(Debug, Default, Args)]
pub(super) struct VariableArgs {
    /// Values for `{NAME}` in path, query, header values and bodies: a table whose first row has
    /// the names. Each request has the next row, and behind the last the first.
    #[arg(long, value_name = "FILE.csv")]
    values: Option<PathBuf>,

    /// Take a value from the response to the first of --targets (or, by @N, to number N) for
    /// `{NAME}` in those behind it; may be repeated. Each connection then sends all of them in
    /// their order for itself.
    #[arg(long, value_name = "NAME[@N]=json:/POINTER|header:NAME", requires = "targets")]
    #[arg(conflicts_with = "pipeline")]
    capture: Vec<Captured>,

    /// Keep the cookies that responses set, each connection for itself.
    #[arg(long, conflicts_with = "pipeline")]
    cookies: bool,
}

/// `--capture`: a value, and where it stands in which response.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Captured {
    name: String,
    /// Which of the targets, from 0.
    target: usize,
    from: Source,
}

impl FromStr for Captured {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || {
            format!(
                "`{text}` is no capture: write NAME=json:/path/in/body or NAME=header:Name; \
                 NAME@2=... takes it from the second target"
            )
        };
        let (left, from) = text.split_once('=').ok_or_else(form)?;
        let (name, number) = left.split_once('@').unwrap_or((left, "1"));
        let number: usize = number.parse().map_err(|_| form())?;
        let from = match from.split_once(':').ok_or_else(form)? {
            ("json", pointer) if pointer.is_empty() || pointer.starts_with('/') => {
                Source::Json(pointer.to_owned())
            }
            ("header", name) if !name.is_empty() => Source::Header(name.to_owned()),
            _ => return Err(form()),
        };
        match (is_name(name), number.checked_sub(1)) {
            (true, Some(target)) => Ok(Self { name: name.to_owned(), target, from }),
            _ => Err(form()),
        }
    }
}

/// The values that there are.
#[derive(Debug, Default)]
pub(super) struct Variables {
    /// What requests may name.
    pub(super) names: Names,
    pub(super) rows: Rows,
    captured: Vec<Captured>,
    /// What a connection begins with; none: requests know nothing of responses.
    pub(super) session: Option<Session>,
}

impl VariableArgs {
    /// Reads the table. `cookie` is what -b says.
    pub(super) fn read(&self, cookie: Option<&String>) -> Result<Variables> {
        let (columns, rows) = match &self.values {
            Some(path) => table(path)?,
            None => (vec![], vec![]),
        };
        let columns = columns.into_iter().enumerate();
        let mut names: Names = columns.map(|(i, name)| (name, ValueOf::Column(i))).collect();
        for (i, captured) in self.capture.iter().enumerate() {
            names.push((captured.name.clone(), ValueOf::Session(i)));
        }
        for (i, (name, _)) in names.iter().enumerate() {
            let twice = names[..i].iter().any(|(other, _)| other == name);
            ensure!(!twice, UsageError(format!("there are two values `{name}`")));
        }
        let cookies = self
            .cookies
            .then(|| cookie.map_or_else(Cookies::default, |given| Cookies::given(given)));
        let needed = cookies.is_some() || !self.capture.is_empty();
        let session = needed.then(|| Session::new(self.capture.len(), cookies));
        Ok(Variables { names, rows: rows.into(), captured: self.capture.clone(), session })
    }

    /// Whether there are any, or responses are read for some.
    pub(super) fn are_there(&self) -> bool {
        self.values.is_some() || !self.capture.is_empty() || self.cookies
    }

    /// Whether cookies of the command line are where those begin that are kept.
    pub(super) fn keeps_cookies(&self) -> bool {
        self.cookies
    }
}

impl Variables {
    /// A request that has to be written anew each time; none: nothing in it differs but digits.
    ///
    /// # Errors
    /// When it names a value that there is not, or not yet.
    pub(super) fn composed(
        &self,
        (number, all): (usize, usize),
        (line, fields): (&str, &str),
        body: Option<&[u8]>,
    ) -> Result<Option<Composed>> {
        if self.names.is_empty() && !self.keeps_cookies() {
            return Ok(None);
        }
        let named = |text: String| {
            UsageError(match all {
                1 => text,
                _ => format!("{}: {text}", line.trim_end().trim_end_matches(" HTTP/1.1")),
            })
        };
        let composed = Composed::read(line, fields, body, &self.names).map_err(named)?;
        for value in composed.needs() {
            let Captured { name, target, .. } = &self.captured[value];
            ensure!(
                *target < number,
                named(format!(
                    "{{{name}}} is taken from the response to target {}, which does not come \
                     before it",
                    target + 1
                ))
            );
        }
        for column in composed.columns_in_head() {
            let unfit = |row: &&Vec<String>| {
                row[column].bytes().any(|byte| (byte < b' ' && byte != b'\t') || byte == 0x7f)
            };
            if let Some(row) = self.rows.iter().find(unfit) {
                bail!(named(format!("{:?} does not fit in a line", row[column])));
            }
        }
        let differs = composed.has_values() || self.keeps_cookies();
        Ok(differs.then_some(composed))
    }

    /// What is taken from the responses to a request.
    pub(super) fn captures(&self, number: usize) -> Vec<session::Capture> {
        let all = self.captured.iter().enumerate();
        all.filter(|(_, captured)| captured.target == number)
            .map(|(value, Captured { name, from, .. })| session::Capture {
                value,
                name: name.clone(),
                from: from.clone(),
            })
            .collect()
    }

    /// Whether there are so many requests that each value is taken from one of them.
    pub(super) fn check(&self, requests: usize) -> Result<()> {
        let beyond = self.captured.iter().find(|captured| captured.target >= requests);
        match beyond {
            Some(Captured { name, target, .. }) => bail!(UsageError(format!(
                "{name} is taken from target {}, and there are {requests}",
                target + 1
            ))),
            None => Ok(()),
        }
    }

    /// Whether responses have to be read.
    pub(super) fn keeps_cookies(&self) -> bool {
        self.session.as_ref().is_some_and(Session::keeps_cookies)
    }
}

/// The names of the columns, and the rows.
fn table(path: &PathBuf) -> Result<(Vec<String>, Vec<Vec<String>>)> {
    let shown = path.display();
    let file = std::fs::read(path).with_context(|| format!("failed to read {shown}"))?;
    let wrong = |why: String| UsageError(format!("{shown}: {why}"));
    let mut reader = csv::Reader::from_reader(&file[..]);
    let head = reader.headers().map_err(|why| wrong(why.to_string()))?;
    let names: Vec<String> = head.iter().map(|name| name.trim().to_owned()).collect();
    for name in &names {
        ensure!(
            is_name(name),
            wrong(format!(
                "`{name}` is no name of a value: the first row has names of letters, digits, `_`, \
                 `-` and `.`, other than seq and rand"
            ))
        );
    }
    let row = |row: csv::Result<csv::StringRecord>| {
        Ok(row.map_err(|why| wrong(why.to_string()))?.iter().map(str::to_owned).collect())
    };
    let rows = reader.records().map(row).collect::<Result<Vec<Vec<String>>>>()?;
    ensure!(!rows.is_empty(), wrong("it has no row below the names".to_owned()));
    Ok((names, rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures() {
        let read = |text: &str| text.parse::<Captured>();
        let captured =
            |name: &str, target, from| Ok(Captured { name: name.to_owned(), target, from });
        assert_eq!(read("t=json:/a/0"), captured("t", 0, Source::Json("/a/0".to_owned())));
        assert_eq!(read("t=json:"), captured("t", 0, Source::Json(String::new())));
        assert_eq!(read("t@3=header:X-A"), captured("t", 2, Source::Header("X-A".to_owned())));
        for wrong in ["t", "t=", "t=a", "t=json:a", "t=header:", "t@0=json:/a", "1=json:/a"] {
            let error = read(wrong).expect_err(wrong);
            assert!(error.contains("is no capture"), "{error}");
        }
    }

    #[test]
    fn tables() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("a.csv");
        let read = |text: &str| {
            std::fs::write(&path, text).expect("it can be written to");
            let args = VariableArgs { values: Some(path.clone()), ..VariableArgs::default() };
            args.read(None).map_err(|error| format!("{error:#}"))
        };
        let variables = read("user,pass\nann,\"a,\"\"b\"\nbob,\n").expect("it is a table");
        assert_eq!(variables.rows[..], [["ann", "a,\"b"], ["bob", ""]]);
        assert_eq!(variables.names[1], ("pass".to_owned(), ValueOf::Column(1)));
        let head = |line: &str| variables.composed((0, 1), (line, ""), None);
        assert!(head("GET /{user} HTTP/1.1\r\n").is_ok_and(|found| found.is_some()));
        assert!(head("GET / HTTP/1.1\r\n").is_ok_and(|found| found.is_none()));
        for (text, want) in [
            ("a b\n1\n", "`a b` is no name of a value"),
            ("seq\n1\n", "`seq` is no name of a value"),
            ("a,a\n1,2\n", "there are two values `a`"),
            ("a,b\n1\n", "found record with 1 fields"),
            ("a\n", "it has no row below the names"),
            ("", "it has no row below the names"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(want), "{text:?}: {error}");
        }
        let two_lines = read("a\n\"1\n2\"\n").expect("it is a table");
        let composed = two_lines.composed((0, 1), ("GET /{a} HTTP/1.1\r\n", ""), None);
        let error = composed.expect_err("it does not fit").to_string();
        assert!(error.contains("does not fit in a line"), "{error}");
    }
}
