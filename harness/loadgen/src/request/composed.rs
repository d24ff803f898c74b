//! Requests in which values of different lengths stand, so that they are written anew each time:
//! `{name}` is a column of a table, or a value that was taken from an earlier response.

use super::placeholder::{self, Placeholder, PlaceholderKind};
use super::session::Session;

/// A value in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueOf {
    /// A column of the row.
    Column(usize),
    /// A value of the session.
    Session(usize),
}

/// The values that requests may name.
pub type Names = Vec<(String, ValueOf)>;

/// What a request is written with.
#[derive(Debug, Clone, Copy, Default)]
pub struct Given<'v> {
    /// Decides the digits of `{rand}`.
    pub seed: u64,
    /// The number of the request.
    pub index: u64,
    /// The row of values.
    pub row: &'v [String],
    /// What is known of responses before; none: nothing is needed of them.
    pub session: Option<&'v Session>,
}

/// A request with values in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    /// The request line.
    line: Vec<Part>,
    /// Header fields with their line ends; `Content-Length` is written where there is a body, and
    /// cookies where a session has some.
    fields: Vec<Part>,
    body: Option<Vec<Part>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Vec<u8>),
    Digits(Placeholder),
    Value(ValueOf),
}

impl Composed {
    /// Reads a request: its line, its header fields, its body.
    ///
    /// # Errors
    /// When a name is none of `names`, of which there are some.
    pub fn read(
        line: &str,
        fields: &str,
        body: Option<&[u8]>,
        names: &Names,
    ) -> Result<Self, String> {
        let mut digits = 0;
        let mut read = |text: &[u8]| parts(text, names, &mut digits);
        Ok(Self {
            line: read(line.as_bytes())?,
            fields: read(fields.as_bytes())?,
            body: body.map(read).transpose()?,
        })
    }

    /// The session's values that have to be there before it is sent.
    #[must_use]
    pub fn needs(&self) -> Vec<usize> {
        self.all()
            .filter_map(|value| match value {
                ValueOf::Session(value) => Some(value),
                ValueOf::Column(_) => None,
            })
            .collect()
    }

    /// Whether it has any values.
    #[must_use]
    pub fn has_values(&self) -> bool {
        self.all().next().is_some()
    }

    /// The columns of a row that stand in its head.
    pub fn columns_in_head(&self) -> impl Iterator<Item = usize> {
        let head = self.line.iter().chain(&self.fields);
        head.filter_map(|part| match part {
            Part::Value(ValueOf::Column(column)) => Some(*column),
            _ => None,
        })
    }

    fn all(&self) -> impl Iterator<Item = ValueOf> {
        let all = self.line.iter().chain(&self.fields).chain(self.body.iter().flatten());
        all.filter_map(|part| match part {
            Part::Value(value) => Some(*value),
            _ => None,
        })
    }

    /// Writes the request.
    pub(super) fn write(&self, given: Given<'_>, out: &mut Vec<u8>) {
        out.clear();
        self.line.iter().for_each(|part| part.write(given, true, out));
        let path = path(out).to_owned();
        self.fields.iter().for_each(|part| part.write(given, false, out));
        if let Some(cookies) = given.session.and_then(Session::cookies) {
            cookies.write(&path, out);
        }
        let mut content = vec![];
        if let Some(body) = &self.body {
            body.iter().for_each(|part| part.write(given, false, &mut content));
            out.extend_from_slice(format!("Content-Length: {}\r\n", content.len()).as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.append(&mut content);
    }
}

/// The path of a request, with its query.
#[must_use]
pub fn path(request: &[u8]) -> &str {
    let end = request.iter().position(|byte| b"\r\n".contains(byte)).unwrap_or(request.len());
    let line = str::from_utf8(&request[..end]).unwrap_or_default();
    let target = line.split(' ').nth(1).unwrap_or_default();
    // To a proxy a whole URL is sent.
    let behind = target.strip_prefix("http://").and_then(|rest| rest.find('/'));
    behind.map_or(target, |at| &target["http://".len() + at..])
}

impl Part {
    /// In a request line what no path has is encoded: a value may be any text.
    fn write(&self, given: Given<'_>, in_line: bool, out: &mut Vec<u8>) {
        let value = match self {
            Self::Text(text) => return out.extend_from_slice(text),
            Self::Digits(place) => {
                let at = out.len();
                out.resize(at + place.digits, b'0');
                let place = Placeholder { at, ..*place };
                return placeholder::write(place, out, given.seed, given.index);
            }
            Self::Value(ValueOf::Column(column)) => {
                given.row.get(*column).map(String::as_bytes).unwrap_or_default()
            }
            Self::Value(ValueOf::Session(value)) => {
                given.session.map(|session| session.value(*value)).unwrap_or_default()
            }
        };
        for &byte in value {
            // RFC 3986, appendix A: what stands in paths and queries, `%` as it is.
            let fits = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte);
            match fits || !in_line {
                true => out.push(byte),
                false => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
            }
        }
    }
}

fn parts(text: &[u8], names: &Names, digits: &mut u64) -> Result<Vec<Part>, String> {
    let mut parts = vec![];
    let (mut plain, mut rest) = (vec![], text);
    while let Some((&first, behind)) = rest.split_first() {
        let found = match placeholder::parse(rest) {
            Some((number, digits_each, length)) => {
                *digits += 1;
                let place = Placeholder { at: 0, digits: digits_each, number, which: *digits };
                Some((Part::Digits(place), length))
            }
            None => match name(rest).filter(|_| !names.is_empty()) {
                Some(name) => Some((Part::Value(named(name, names)?), name.len() + 2)),
                None => None,
            },
        };
        match found {
            Some((part, length)) => {
                parts.push(Part::Text(std::mem::take(&mut plain)));
                parts.push(part);
                rest = &rest[length..];
            }
            None => {
                plain.push(first);
                rest = behind;
            }
        }
    }
    parts.push(Part::Text(plain));
    parts.retain(|part| *part != Part::Text(vec![]));
    Ok(parts)
}

fn named(name: &str, names: &Names) -> Result<ValueOf, String> {
    let found = names.iter().find(|(other, _)| other == name).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let known: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
        format!(
            "there is no value `{{{name}}}`, but {}; where braces are meant, put a blank behind \
             the first",
            known.join(", ")
        )
    })
}

/// The name in braces that `text` starts with.
fn name(text: &[u8]) -> Option<&str> {
    let inner = text.strip_prefix(b"{")?;
    let end = inner.iter().position(|&byte| byte == b'}')?;
    str::from_utf8(&inner[..end]).ok().filter(|name| is_name(name))
}

/// Whether a value can be named so: letters, digits, `_`, `-` and `.`, a letter or `_` first, and
/// none of the words that stand for numbers.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    first && text.bytes().all(fits) && PlaceholderKind::named(text).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::cookies::Cookies;

    fn names() -> Names {
        vec![("user".to_owned(), ValueOf::Column(0)), ("id".to_owned(), ValueOf::Session(0))]
    }

    #[test]
    fn written_anew() {
        let composed = Composed::read(
            "GET /u/{user}?n={seq:2} HTTP/1.1\r\n",
            "Host: a\r\nX-Id: {id}{user}\r\n",
            Some(br#"{"u": {user}, "x": {}, "y": { user}, "n": {seq:1}}"#),
            &names(),
        );
        let composed = composed.expect("it names what there is");
        assert_eq!(composed.needs(), [0]);
        assert_eq!(composed.columns_in_head().collect::<Vec<_>>(), [0, 0]);
        let session = Session::new(1, Some(Cookies::given("c=d")));
        let mut out = b"before".to_vec();
        for (row, line, body) in [
            ("ab", "/u/ab?n=05", r#"{"u": ab, "x": {}, "y": { user}, "n": 5}"#),
            ("ü /?#", "/u/%C3%BC%20/?%23?n=05", r#"{"u": ü /?#, "x": {}, "y": { user}, "n": 5}"#),
        ] {
            let row = [row.to_owned()];
            let given = Given { seed: 1, index: 5, row: &row, session: Some(&session) };
            composed.write(given, &mut out);
            let want = format!(
                "GET {line} HTTP/1.1\r\nHost: a\r\nX-Id: {}\r\nCookie: c=d\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                row[0],
                body.len()
            );
            assert_eq!(String::from_utf8_lossy(&out), want);
            assert_eq!(path(&out), line);
            assert_eq!(path(format!("GET http://a:1{line} HTTP/1.1\r\n").as_bytes()), line);
        }
    }

    #[test]
    fn names_that_are_none() {
        let read = |text: &str, names: &Names| Composed::read(text, "", None, names);
        let error = read("GET /{usr} HTTP/1.1\r\n", &names()).expect_err("there is no such name");
        assert!(error.starts_with("there is no value `{usr}`, but user, id"), "{error}");
        let plain = read("GET /{usr} HTTP/1.1\r\n", &vec![]).expect("nothing has a name");
        assert!(!plain.has_values());
        for (text, want) in [("a", true), ("_a-b.c1", true), ("1a", false), ("", false)] {
            assert_eq!(is_name(text), want, "{text}");
        }
        assert!(!is_name("seq") && !is_name("rand") && !is_name("a b"));
    }
}
