//! What the requests of one connection know of its responses before: values that were taken from
//! them, and cookies. Over HTTP/2 each place for a stream has such a session of its own. It stays
//! where a connection is replaced.

use std::time::SystemTime;

use serde_json::Value;

use super::cookies::Cookies;

/// The longest body from which values are taken, in bytes.
pub(crate) const TAKEN_BYTES_MAX: usize = 1 << 20;

/// A value that is taken from a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// Which of the session's values it is.
    pub value: usize,
    /// Its name, for people.
    pub name: String,
    /// Where it stands.
    pub from: Source,
}

/// Where a value stands in a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In a JSON body, by its pointer (RFC 6901): text without quotes, anything else as JSON.
    Json(String),
    /// The value of a header.
    Header(String),
}

/// What of a response values are taken from.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Its header fields.
    pub fields: Vec<(String, Vec<u8>)>,
    /// Its body; none: it is longer than a mebibyte.
    pub body: Option<Vec<u8>>,
}

impl Observed {
    /// Adds a part of the body.
    pub(crate) fn add(&mut self, part: &[u8]) {
        if let Some(body) = &mut self.body {
            body.extend_from_slice(part);
            if body.len() > TAKEN_BYTES_MAX {
                self.body = None;
            }
        }
    }

    /// The values of a field.
    fn values<'o>(&'o self, name: &'o str) -> impl Iterator<Item = &'o [u8]> {
        let of = self.fields.iter().filter(move |(field, _)| field.eq_ignore_ascii_case(name));
        of.map(|(_, value)| &value[..])
    }
}

/// A value that a response does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Whether it should stand in a header.
    pub in_header: bool,
    /// What is missing where, in words.
    pub text: String,
}

/// What the requests of one connection know.
#[derive(Debug, Clone, Default)]
pub struct Session {
    /// Which row of values this round of requests has.
    row: usize,
    /// Which request is next.
    pub(super) position: usize,
    captured: Vec<Option<Vec<u8>>>,
    /// None: cookies are left alone.
    cookies: Option<Cookies>,
}

impl Session {
    /// Of so many values, none of which was taken yet, and cookies where they are kept.
    #[must_use]
    pub fn new(values: usize, cookies: Option<Cookies>) -> Self {
        Self { captured: vec![None; values], cookies, ..Self::default() }
    }

    /// Begins with the first request again. Cookies stay.
    pub(super) fn begin(&mut self, row: usize) {
        self.row = row;
        self.position = 0;
        self.captured.fill(None);
    }

    /// Which row of values this round of requests has.
    pub(super) fn row(&self) -> usize {
        self.row
    }

    /// Whether all of these values were taken.
    pub(super) fn has(&self, values: &[usize]) -> bool {
        values.iter().all(|&value| self.captured.get(value).is_some_and(Option::is_some))
    }

    /// A value; empty where it was not taken.
    pub(super) fn value(&self, value: usize) -> &[u8] {
        self.captured.get(value).and_then(Option::as_deref).unwrap_or_default()
    }

    /// Whether it keeps cookies.
    #[must_use]
    pub fn keeps_cookies(&self) -> bool {
        self.cookies.is_some()
    }

    pub(super) fn cookies(&self) -> Option<&Cookies> {
        self.cookies.as_ref()
    }

    /// Takes values and cookies from the response to a request of `path`.
    ///
    /// # Errors
    /// When it lacks a value.
    pub fn observe(
        &mut self,
        captures: &[Capture],
        observed: &Observed,
        path: &str,
    ) -> Result<(), Missing> {
        if let Some(cookies) = &mut self.cookies {
            let now = SystemTime::now();
            observed.values("set-cookie").for_each(|header| cookies.set(header, path, now));
        }
        let body = captures.iter().any(|capture| matches!(capture.from, Source::Json(_)));
        let body = body.then(|| json(observed));
        for Capture { value, name, from } in captures {
            let in_header = matches!(from, Source::Header(_));
            let found = match (from, &body) {
                (Source::Header(header), _) => of_header(observed, header),
                (Source::Json(pointer), Some(Ok(body))) => of_json(body, pointer),
                (Source::Json(_), Some(Err(why))) => Err(why.clone()),
                (Source::Json(_), None) => continue, // it is read where there is one
            };
            let missing =
                |why| Missing { in_header, text: format!("it has no value for {name}: {why}") };
            let found = found.map_err(missing)?;
            if let Some(place) = self.captured.get_mut(*value) {
                *place = Some(found);
            }
        }
        Ok(())
    }
}

fn json(observed: &Observed) -> Result<Value, String> {
    let body = observed.body.as_ref().ok_or("the body is longer than a mebibyte")?;
    serde_json::from_slice(body).map_err(|why| format!("the body is no JSON ({why})"))
}

fn of_json(body: &Value, pointer: &str) -> Result<Vec<u8>, String> {
    let text = match body.pointer(pointer) {
        None | Some(Value::Null) => return Err(format!("its JSON has nothing at `{pointer}`")),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    match text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        true => Err(format!("what its JSON has at `{pointer}` is not of one line")),
        false => Ok(text.into_bytes()),
    }
}

fn of_header(observed: &Observed, name: &str) -> Result<Vec<u8>, String> {
    let value = observed.values(name).next().ok_or_else(|| format!("there is no header {name}"))?;
    Ok(value.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_responses() {
        let observed = Observed {
            fields: vec![("X-Id".to_owned(), b"7".to_vec())],
            body: Some(br#"{"a": {"b": ["x", 2]}, "n": null, "l": "1\n2"}"#.to_vec()),
        };
        let plain = Observed { body: Some(b"hello".to_vec()), ..Observed::default() };
        let long = Observed { body: None, ..Observed::default() };
        let json = |pointer: &str| Source::Json(pointer.to_owned());
        for (of, from, want) in [
            (&observed, json("/a/b/0"), Ok("x")),
            (&observed, json("/a/b/1"), Ok("2")),
            (&observed, json("/a/b"), Ok(r#"["x",2]"#)),
            (&observed, Source::Header("x-id".to_owned()), Ok("7")),
            (&observed, json("/a/c"), Err("its JSON has nothing at `/a/c`")),
            (&observed, json("/n"), Err("its JSON has nothing at `/n`")),
            (&observed, json("/l"), Err("is not of one line")),
            (&observed, Source::Header("a".to_owned()), Err("there is no header a")),
            (&plain, json("/a"), Err("the body is no JSON")),
            (&long, json("/a"), Err("longer than a mebibyte")),
        ] {
            let mut session = Session::new(2, None);
            let capture = Capture { value: 1, name: "id".to_owned(), from };
            let got = session.observe(std::slice::from_ref(&capture), of, "/");
            match (want, got) {
                (Ok(want), Ok(())) => assert_eq!(session.value(1), want.as_bytes()),
                (Err(want), Err(missing)) => {
                    assert!(missing.text.contains(want), "{missing:?}");
                    assert!(!session.has(&[1]));
                }
                other => panic!("{capture:?}: {other:?}"),
            }
        }
        let mut session = Session::new(1, Some(Cookies::default()));
        let cookie = ("set-cookie".to_owned(), b"a=b".to_vec());
        let observed = Observed { fields: vec![cookie], body: None };
        assert_eq!(session.observe(&[], &observed, "/"), Ok(()));
        assert_eq!(session.cookies(), Some(&Cookies::given("a=b")));
    }
}
