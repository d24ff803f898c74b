//! Reads one HTTP/1.1 response from the bytes received so far (RFC 9112).
//!
//! [`parse`] is a pure function of those bytes: it keeps no state between calls, so its result
//! cannot depend on how the network split them. Responses that come in parts, and may be long, are
//! read by [`super::incoming`], which agrees with it; the fast path is [`super::template`].

use std::borrow::Cow;
use std::ops::Range;

use super::body::{BodyReader, Chunks, Taken};

pub use super::malformed::{HEAD_BYTES_MAX, Malformed};

/// The most bytes of informational heads before the final one.
const HEADS_BYTES_MAX: usize = HEAD_BYTES_MAX;
/// The most header fields read.
const FIELDS_MAX: usize = 128;

/// A whole response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response<'a> {
    /// The status of the final head.
    pub status: u16,
    /// The first `Content-Type`.
    pub content_type: Option<&'a [u8]>,
    /// Where the value of `Date` stands.
    pub date: Option<Range<usize>>,
    /// The body, without framing.
    pub body: Cow<'a, [u8]>,
    /// Whether the connection stays open behind it.
    pub persistent: bool,
    /// Whether only the end of the connection ends it.
    pub until_close: bool,
    /// The bytes it takes, informational heads before it included.
    pub len: usize,
}

/// Reads the response at the start of `bytes`; none: it is incomplete. `head_request` says that the
/// request was a HEAD, `closed` that no more bytes will come.
///
/// # Errors
/// When no continuation of `bytes` is a response.
pub fn parse(
    bytes: &[u8],
    head_request: bool,
    closed: bool,
) -> Result<Option<Response<'_>>, Malformed> {
    let Some(head) = final_head(bytes)? else { return Ok(None) };
    let rest = &bytes[head.len..];
    let mut reader = head.body(head_request);
    let until_close = reader == BodyReader::UntilClose;
    let mut body = match reader {
        BodyReader::Chunked(_) => Cow::Owned(vec![]),
        _ => Cow::Borrowed(rest),
    };
    let taken = reader.read(rest, |part| {
        if let Cow::Owned(body) = &mut body {
            body.extend_from_slice(part);
        }
    });
    let Taken { bytes: body_len, ended } = taken?;
    let whole = ended || (until_close && closed);
    if !whole {
        return Ok(None);
    }
    if let Cow::Borrowed(body) = &mut body {
        *body = &body[..body_len];
    }
    Ok(Some(Response {
        status: head.status,
        content_type: head.content_type.map(|range| &bytes[range]),
        date: head.date,
        body,
        persistent: head.persistent && !until_close,
        until_close,
        len: head.len + body_len,
    }))
}

/// Whether these bytes begin a response with status 408 (Request Timeout), by which some servers
/// announce that they close an idle connection.
pub(crate) fn is_request_timeout(bytes: &[u8]) -> bool {
    bytes.starts_with(b"HTTP/1.1 408 ") || bytes.starts_with(b"HTTP/1.0 408 ")
}

/// What a head says; places are in the bytes it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) content_type: Option<Range<usize>>,
    pub(crate) date: Option<Range<usize>>,
    framing: Framing,
    pub(crate) persistent: bool,
    /// Offset of it: informational heads come before.
    pub(crate) start: usize,
    /// Offset behind it.
    pub(crate) len: usize,
}

/// How the end of a body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

impl Head {
    /// What reads the body behind it. `head_request` says that the request was a HEAD.
    pub(crate) fn body(&self, head_request: bool) -> BodyReader {
        match self.framing {
            _ if head_request || matches!(self.status, 204 | 304) => BodyReader::Length(0),
            Framing::Length(n) => BodyReader::Length(n),
            Framing::Chunked => BodyReader::Chunked(Chunks::default()),
            Framing::UntilClose => BodyReader::UntilClose,
        }
    }
}

/// Skips informational heads (1xx).
pub(crate) fn final_head(bytes: &[u8]) -> Result<Option<Head>, Malformed> {
    let mut start = 0;
    loop {
        match head_at(bytes, start)? {
            Some(head) if head.status == 101 => {
                return Err(Malformed("the server switched protocols unsolicited"));
            }
            Some(head) if head.status < 200 && head.len > HEADS_BYTES_MAX => {
                return Err(Malformed("informational heads take more than 64 KiB"));
            }
            Some(head) if head.status < 200 => start = head.len,
            head => return Ok(head),
        }
    }
}

/// The fields of a head that was read before, names and values.
pub(crate) fn fields(head: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut fields);
    match lenient().parse_response(&mut response, head) {
        Err(_) => vec![],
        Ok(_) => {
            let fields = response.headers.iter();
            fields.map(|field| (field.name.to_owned(), field.value.to_vec())).collect()
        }
    }
}

fn head_at(bytes: &[u8], start: usize) -> Result<Option<Head>, Malformed> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut fields);
    let length = match lenient().parse_response(&mut response, &bytes[start..]) {
        Ok(httparse::Status::Complete(n)) => Some(n),
        Ok(httparse::Status::Partial) => None,
        Err(error) => return Err(Malformed(syntax(error))),
    };
    if length.unwrap_or(bytes.len() - start) > HEAD_BYTES_MAX {
        return Err(Malformed("the head is longer than 64 KiB"));
    }
    let (Some(length), Some(status), Some(version)) = (length, response.code, response.version)
    else {
        return Ok(None);
    };
    if status < 100 {
        return Err(Malformed("the status is below 100"));
    }
    Ok(Some(Head {
        status,
        content_type: place(bytes, response.headers, "content-type"),
        date: place(bytes, response.headers, "date"),
        framing: framing(response.headers)?,
        persistent: persistent(response.headers, version),
        start,
        len: start + length,
    }))
}

/// What a head may have beside what the standard allows, as in other clients: blanks before a
/// colon, and values that go on in the next line.
#[must_use]
pub fn lenient() -> httparse::ParserConfig {
    let mut config = httparse::ParserConfig::default();
    config.allow_spaces_after_header_name_in_responses(true);
    config.allow_obsolete_multiline_headers_in_responses(true);
    config.allow_multiple_spaces_in_response_status_delimiters(true);
    config
}

/// RFC 9112, section 6.3. Where both framings are given it is the chunks that count; equal lengths
/// may stand in a list.
fn framing(fields: &[httparse::Header<'_>]) -> Result<Framing, Malformed> {
    let mut length = None;
    for value in values(fields, "content-length").flat_map(|v| v.split(|&b| b == b',')) {
        let n = decimal(value.trim_ascii()).ok_or(Malformed("Content-Length is no number"))?;
        if length.is_some_and(|other| other != n) {
            return Err(Malformed("two values of Content-Length"));
        }
        length = Some(n);
    }
    let mut codings = values(fields, "transfer-encoding");
    match (codings.next(), codings.next()) {
        (None, _) => Ok(length.map_or(Framing::UntilClose, Framing::Length)),
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
        (Some(_), _) => Err(Malformed("a Transfer-Encoding other than chunked")),
    }
}

/// RFC 9112, section 9.3.
fn persistent(fields: &[httparse::Header<'_>], minor_version: u8) -> bool {
    let says = |option: &[u8]| {
        values(fields, "connection")
            .flat_map(|value| value.split(|&b| b == b','))
            .any(|token| token.trim_ascii().eq_ignore_ascii_case(option))
    };
    !says(b"close") && (minor_version == 1 || says(b"keep-alive"))
}

fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(value).ok()?.parse().ok()
}

fn values<'h, 'a>(
    fields: &'h [httparse::Header<'a>],
    name: &'h str,
) -> impl Iterator<Item = &'a [u8]> + use<'h, 'a> {
    fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|f| f.value)
}

/// Where the first value of a field lies in the bytes that the fields were read from.
fn place(bytes: &[u8], fields: &[httparse::Header<'_>], name: &str) -> Option<Range<usize>> {
    let value = values(fields, name).next()?;
    let start = value.as_ptr().addr() - bytes.as_ptr().addr();
    Some(start..start + value.len())
}

fn syntax(error: httparse::Error) -> &'static str {
    match error {
        httparse::Error::HeaderName => "a header name has a character that names cannot have",
        httparse::Error::HeaderValue => "a header value has a character that values cannot have",
        httparse::Error::NewLine => "a line does not end as lines must",
        httparse::Error::Status => "the status line is malformed",
        httparse::Error::Token => "a token has a character that tokens cannot have",
        httparse::Error::TooManyHeaders => "more than 128 header fields",
        httparse::Error::Version => "the version is not HTTP/1.x",
    }
}

#[cfg(test)]
mod tests;
