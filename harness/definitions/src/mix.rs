//! A mix of requests to one address, drawn by weight: what `duet load --cases FILE` reads.
//!
//! ```toml
//! [[case]]
//! weight = 9
//! path = "/items/{rand:3}?m=2"
//! headers = ["Accept: application/json"]
//!
//! [[case]]
//! method = "POST"
//! path = "/orders"
//! body_file = "order.json"
//! expect = { status = 201 }
//! ```

use std::ffi::OsStr;
use std::path::Path;

use super::errors::{DefinitionErrors, Found};
use super::fields::{At, Fields};
use super::file::read_file;
use super::source::{Read, files_of};

/// A request of a mix, as far as it says; the address says the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MixCase {
    /// How often it is asked, beside the weights of the others.
    pub weight: u32,
    /// Its method; none: GET, or POST with a body.
    pub method: Option<String>,
    /// Path and query; none: those of the address.
    pub path: Option<String>,
    /// Its headers, in their order.
    pub headers: Vec<Header>,
    /// Its body.
    pub body: Option<Vec<u8>>,
    /// The right status; none: any 2xx.
    pub expect_status: Option<u16>,
    /// The right body; none: learned from the first answers.
    pub expect_body: Option<Vec<u8>>,
}

/// A header as curl has it: `Name: value`, `Name;` for one without a value, `Name:` for one that is
/// not to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value; none: it is not sent.
    pub value: Option<String>,
}

impl std::str::FromStr for Header {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = match (text.split_once(':'), text.strip_suffix(';')) {
            (Some((name, value)), _) => {
                let value = value.trim();
                (name.trim(), (!value.is_empty()).then(|| value.to_owned()))
            }
            (None, Some(name)) => (name.trim(), Some(String::new())),
            (None, None) => {
                let form = "write 'Name: value', 'Name;' for an empty one, 'Name:' for none";
                return Err(format!("`{}` is no header: {form}", text.escape_debug()));
            }
        };
        // RFC 9110, 5.6.2: the characters of a token.
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        let fits = !name.is_empty() && name.bytes().all(token);
        if !fits || value.as_ref().is_some_and(|value| value.contains(['\r', '\n', '\0'])) {
            return Err(format!("`{}` is no header", text.escape_debug()));
        }
        let framing = ["content-length", "transfer-encoding"];
        let none = value.is_none() && name.eq_ignore_ascii_case("content-length");
        if framing.contains(&name.to_ascii_lowercase().as_str()) && !none {
            return Err(format!("{name} follows from the body and cannot be given"));
        }
        Ok(Self { name: name.to_owned(), value })
    }
}

/// Whether this can be a request's method.
#[must_use]
pub fn is_method(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Reads and checks a mix. Files that it names are looked for beside it.
///
/// # Errors
/// All mistakes at once.
pub fn read_mix(path: &Path) -> Result<Vec<MixCase>, DefinitionErrors> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let file = path.file_name().unwrap_or(OsStr::new(".")).to_string_lossy();
    read(&file, &files_of(folder))
        .map_err(|found| DefinitionErrors { folder: folder.to_owned(), mistakes: found.mistakes })
}

fn read(file: &str, files: &Read<'_>) -> Result<Vec<MixCase>, Found> {
    let mut found = Found::default();
    let cases = read_file(file, files, &mut found, |root| {
        root.require(&[("case", "a table `[[case]]`")]);
        let cases = root.each("case", "[[case]]", |fields| case(fields, files));
        if !cases.is_empty() && cases.iter().all(|case| case.weight == 0) {
            root.mistake(root.line, "all weights are 0", "give one case a weight above 0");
        }
        cases
    });
    match cases {
        Some(cases) if found.mistakes.is_empty() => Ok(cases),
        _ => {
            found.mistakes.sort_by_key(|mistake| mistake.line);
            Err(found)
        }
    }
}

fn case(fields: &mut Fields<'_>, files: &Read<'_>) -> MixCase {
    let method = fields.text("method");
    if let Some(method) = method.as_ref().filter(|method| !is_method(&method.value)) {
        let problem = format!("the method is {:?}", method.value);
        fields.mistake(method.line, problem, "write a method such as GET or POST");
    }
    let path = fields.text("path");
    let fits = |path: &str| {
        path.starts_with('/') && path.chars().all(|c| c.is_ascii_graphic() && c != '#')
    };
    if let Some(path) = path.as_ref().filter(|path| !fits(&path.value)) {
        let hint = "begin it with `/`, and percent-encode what is no visible ASCII, and `#`";
        fields.mistake(path.line, format!("the path is {:?}", path.value), hint);
    }
    let mut headers = vec![];
    for At { line, value } in fields.texts("headers").unwrap_or_default() {
        match value.parse() {
            Ok(header) => headers.push(header),
            Err(problem) => fields.mistake(line, problem, "write it as for curl's -H"),
        }
    }
    let body = body(fields, files);
    let expect = fields.inner("expect", |expect| {
        let status = expect.number("status", 100..=599);
        (status.map(|status| status.value as u16), self::body(expect, files))
    });
    let (expect_status, expect_body) = expect.unwrap_or_default();
    let weight = fields.number("weight", 0..=1_000_000).map_or(1, |weight| weight.value);
    let (method, path) = (method.map(|at| at.value), path.map(|at| at.value));
    MixCase { weight, method, path, headers, body, expect_status, expect_body }
}

/// A body that stands there, or in a file.
fn body(fields: &mut Fields<'_>, files: &Read<'_>) -> Option<Vec<u8>> {
    let text = fields.text("body");
    let file = fields.text("body_file");
    match (text, file) {
        (Some(_), Some(file)) => {
            let hint = "remove one of the two";
            fields.mistake(file.line, "`body_file` stands beside `body`", hint);
            None
        }
        (Some(text), None) => Some(text.value.into_bytes()),
        (None, Some(file)) => match files(&file.value) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                let problem = format!("the file `{}` cannot be read: {error}", file.value);
                fields.mistake(file.line, problem, "name a file, relative to this one");
                None
            }
        },
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Vec<MixCase>, Vec<String>> {
        let files = |name: &str| match name {
            "mix.toml" => Ok(text.as_bytes().to_vec()),
            "order.json" => Ok(b"[]\n".to_vec()),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        };
        let line = |line: Option<usize>| line.map_or(String::new(), |line| line.to_string());
        read("mix.toml", &files).map_err(|found| {
            let mistakes = found.mistakes.iter();
            mistakes.map(|m| format!("{}: {}", line(m.line), m.problem)).collect()
        })
    }

    #[test]
    fn a_mix() {
        let text = r#"
            [[case]]
            weight = 9
            path = "/items/{rand:3}?m=2"
            headers = ["Accept: a:b", "X-Empty;", "User-Agent:"]

            [[case]]
            method = "PUT"
            body_file = "order.json"
            expect = { status = 201, body = "ok" }
        "#;
        let header = |name: &str, value: Option<&str>| Header {
            name: name.to_owned(),
            value: value.map(str::to_owned),
        };
        let headers = [("Accept", Some("a:b")), ("X-Empty", Some("")), ("User-Agent", None)];
        let expected = [
            MixCase {
                weight: 9,
                path: Some("/items/{rand:3}?m=2".to_owned()),
                headers: headers.map(|(name, value)| header(name, value)).into(),
                ..MixCase::default()
            },
            MixCase {
                weight: 1,
                method: Some("PUT".to_owned()),
                body: Some(b"[]\n".to_vec()),
                expect_status: Some(201),
                expect_body: Some(b"ok".to_vec()),
                ..MixCase::default()
            },
        ];
        assert_eq!(read_text(text), Ok(expected.into()));
    }

    #[test]
    fn mistakes_come_all_at_once() {
        let text = "[[case]]\nwieght = 1\nmethod = \"GET /\"\npath = \"a b\"\n\
            headers = [\"A: b\", \"nonsense\", \"Content-Length: 3\"]\n\
            [[case]]\nweight = -1\nbody = \"a\"\nbody_file = \"order.json\"\n\
            [[case]]\nbody_file = \"none\"\nexpect = { status = 99, header = 1 }\n";
        let expected = [
            "2: case: unknown key `wieght`",
            "3: case: the method is \"GET /\"",
            "4: case: the path is \"a b\"",
            "5: case: `nonsense` is no header: write 'Name: value', 'Name;' for an empty one, \
             'Name:' for none",
            "5: case: Content-Length follows from the body and cannot be given",
            "7: case: `weight` is -1",
            "9: case: `body_file` stands beside `body`",
            "11: case: the file `none` cannot be read: entity not found",
            "12: case, expect: `status` is 99",
            "12: case, expect: unknown key `header`",
        ];
        assert_eq!(read_text(text), Err(expected.map(str::to_owned).into()));
        let cases = [
            ("", "1: `case` is missing"),
            ("[[case]]\nweight = 0\n", "1: all weights are 0"),
            ("case", "1: this is not TOML: "),
        ];
        for (text, expected) in cases {
            let Err(mistakes) = read_text(text) else { panic!("{text:?} is no mix") };
            assert!(mistakes.len() == 1 && mistakes[0].starts_with(expected), "{mistakes:?}");
        }
    }
}
