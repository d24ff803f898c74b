//! Reads one HTTP/1.1 response from the bytes received so far (RFC 9112).
//!
//! [`parse`] is a pure function of those bytes: it keeps no state between calls, so its result
//! cannot depend on how the network split them. It is the careful path; the fast one is
//! [`super::template`].

use std::borrow::Cow;
use std::ops::Range;

/// The longest head read, informational heads before it not counted; also of all trailers.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// The most header fields read.
const FIELDS_MAX: usize = 128;
/// The longest line that announces a chunk, extensions included.
const CHUNK_LINE_BYTES_MAX: usize = 4096;

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

/// Why bytes are no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

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
    let bodiless = head_request || matches!(head.status, 204 | 304);
    let rest = &bytes[head.len..];
    let (body, body_len, until_close) = match head.framing {
        _ if bodiless => (Cow::Borrowed(&rest[..0]), 0, false),
        Framing::Length(n) if rest.len() < n => return Ok(None),
        Framing::Length(n) => (Cow::Borrowed(&rest[..n]), n, false),
        Framing::Chunked => match dechunk(rest)? {
            Some((body, n)) => (Cow::Owned(body), n, false),
            None => return Ok(None),
        },
        Framing::UntilClose if closed => (Cow::Borrowed(rest), rest.len(), true),
        Framing::UntilClose => return Ok(None),
    };
    Ok(Some(Response {
        status: head.status,
        content_type: head.content_type,
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

/// Of a response whose length its head says: the length of the head and that of the whole, with
/// informational heads before it. None: the head is incomplete, or does not say.
#[must_use]
pub fn lengths(bytes: &[u8]) -> Option<(usize, usize)> {
    let head = final_head(bytes).ok()??;
    match head.framing {
        Framing::Length(n) => Some((head.len, head.len.checked_add(n)?)),
        Framing::Chunked | Framing::UntilClose => None,
    }
}

struct Head<'a> {
    status: u16,
    content_type: Option<&'a [u8]>,
    date: Option<Range<usize>>,
    framing: Framing,
    persistent: bool,
    /// Offset behind it, informational heads before it included.
    len: usize,
}

/// How the end of a body is found.
enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

/// Skips informational heads (1xx).
fn final_head(bytes: &[u8]) -> Result<Option<Head<'_>>, Malformed> {
    let mut start = 0;
    loop {
        match head_at(bytes, start)? {
            Some(head) if head.status == 101 => {
                return Err(Malformed("the server switched protocols unsolicited"));
            }
            Some(head) if head.status < 200 => start = head.len,
            head => return Ok(head),
        }
    }
}

fn head_at(bytes: &[u8], start: usize) -> Result<Option<Head<'_>>, Malformed> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut fields);
    let length = match response.parse(&bytes[start..]) {
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
    if !(100..=599).contains(&status) {
        return Err(Malformed("the status is not between 100 and 599"));
    }
    Ok(Some(Head {
        status,
        content_type: values(response.headers, "content-type").next(),
        date: values(response.headers, "date").next().map(|value| position(bytes, value)),
        framing: framing(response.headers)?,
        persistent: persistent(response.headers, version),
        len: start + length,
    }))
}

/// RFC 9112, section 6.3. Stricter in one point: both framings at once are an error.
fn framing(fields: &[httparse::Header<'_>]) -> Result<Framing, Malformed> {
    let mut length = None;
    for value in values(fields, "content-length") {
        let n = decimal(value).ok_or(Malformed("Content-Length is no number"))?;
        if length.is_some_and(|other| other != n) {
            return Err(Malformed("two values of Content-Length"));
        }
        length = Some(n);
    }
    let mut codings = values(fields, "transfer-encoding");
    match (codings.next(), codings.next(), length) {
        (None, _, Some(n)) => Ok(Framing::Length(n)),
        (None, _, None) => Ok(Framing::UntilClose),
        (Some(_), _, Some(_)) => Err(Malformed("both Transfer-Encoding and Content-Length")),
        (Some(coding), None, None) if coding.eq_ignore_ascii_case(b"chunked") => {
            Ok(Framing::Chunked)
        }
        (Some(_), ..) => Err(Malformed("a Transfer-Encoding other than chunked")),
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

/// The body behind chunks and how many bytes it takes on the wire, trailers included.
fn dechunk(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, Malformed> {
    let mut body = vec![];
    let mut at = 0;
    loop {
        let Some(line) = line_at(bytes, at, CHUNK_LINE_BYTES_MAX)? else { return Ok(None) };
        at = line.end + 2;
        let size = chunk_size(&bytes[line])?;
        if size == 0 {
            break;
        }
        let Some(chunk) = bytes.get(at..).filter(|rest| rest.len() >= size) else {
            return Ok(None);
        };
        body.extend_from_slice(&chunk[..size]);
        match &chunk[size..] {
            [] | [b'\r'] => return Ok(None),
            [b'\r', b'\n', ..] => at += size + 2,
            _ => return Err(Malformed("a chunk is longer than it says")),
        }
    }
    let trailers = at;
    loop {
        let limit = HEAD_BYTES_MAX.saturating_sub(at - trailers);
        let Some(line) = line_at(bytes, at, limit)? else { return Ok(None) };
        at = line.end + 2;
        if line.is_empty() {
            return Ok(Some((body, at)));
        }
    }
}

/// The line that starts at `at`, without its CRLF.
fn line_at(bytes: &[u8], at: usize, limit: usize) -> Result<Option<Range<usize>>, Malformed> {
    let rest = &bytes[at..];
    let end = rest.windows(2).take(limit).position(|pair| pair == b"\r\n");
    match end {
        Some(end) => Ok(Some(at..at + end)),
        None if rest.len() > limit => Err(Malformed("a line of a chunked body is too long")),
        None => Ok(None),
    }
}

/// RFC 9112, section 7.1; extensions are ignored.
fn chunk_size(line: &[u8]) -> Result<usize, Malformed> {
    let digits = line.split(|&b| b == b';').next().unwrap_or(line).trim_ascii_end();
    if digits.is_empty() || digits.len() > 15 {
        return Err(Malformed("a chunk size is no hexadecimal number"));
    }
    digits.iter().try_fold(0, |size, &digit| {
        let value = char::from(digit).to_digit(16);
        let value = value.ok_or(Malformed("a chunk size is no hexadecimal number"))?;
        Ok(size * 16 + value as usize)
    })
}

fn decimal(value: &[u8]) -> Option<usize> {
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

/// Where `part` lies within `whole`, of which it is a slice.
fn position(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    start..start + part.len()
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
