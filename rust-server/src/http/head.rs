//! Request heads from bytes (RFC 9112, sections 2 to 6).
//!
//! Strict wherever two readers of the same bytes could disagree about where a request ends. Only
//! the headers that frame a request are kept; nothing is copied.

use std::ops::Range;

use super::{Method, Status};

/// The head of a request. Ranges count from its first byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The verb.
    pub method: Method,
    path: Range<usize>,
    query: Range<usize>,
    /// How the body is framed.
    pub body: BodyLength,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// Whether another request may follow on the connection.
    pub keep_alive: bool,
    /// Bytes of the head, up to and with the blank line.
    pub length: usize,
}

impl Head {
    /// The path, out of the bytes that were parsed.
    pub fn path<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        // A target like `http://host` has none.
        if self.path.is_empty() { b"/" } else { &input[self.path.clone()] }
    }

    /// The query, out of the bytes that were parsed.
    pub fn query<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        &input[self.query.clone()]
    }
}

/// How the body of a request is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// By `Content-Length`, or there is none. A number that overflows is the largest.
    Bytes(u64),
    /// In chunks.
    Chunked,
}

/// Parses one head, line by line as the bytes arrive.
#[derive(Debug)]
pub struct HeadParser {
    limit: usize,
    /// Start of the line that is not complete yet.
    line: usize,
    /// Up to where that line is known to hold text only.
    scanned: usize,
    request: Option<RequestLine>,
    fields: Fields,
}

#[derive(Debug)]
struct RequestLine {
    method: Method,
    path: Range<usize>,
    query: Range<usize>,
    http_1_0: bool,
}

/// The headers that matter.
#[derive(Debug, Default)]
struct Fields {
    hosts: u32,
    content_length: Option<u64>,
    chunked: bool,
    close: bool,
    expects_continue: bool,
}

impl HeadParser {
    /// A parser of a head of at most `limit` bytes.
    pub fn new(limit: usize) -> HeadParser {
        HeadParser { limit, line: 0, scanned: 0, request: None, fields: Fields::default() }
    }

    /// Goes on with all bytes of the request that have arrived, those of earlier calls included.
    /// `None` if the head is not complete.
    ///
    /// # Errors
    ///
    /// The status to refuse the request with. Nothing after it on the connection can be trusted.
    pub fn parse(&mut self, input: &[u8]) -> Result<Option<Head>, Status> {
        let visible = &input[..input.len().min(self.limit)];
        while let Some(line) = self.next_line(visible)? {
            let text = &input[line.clone()];
            if !text.is_empty() && self.request.is_some() {
                self.fields.read(text)?;
            } else if !text.is_empty() {
                self.request = Some(request_line(text, line.start)?);
            } else if let Some(request) = self.request.take() {
                return head(request, &self.fields, self.line).map(Some);
            }
            // An empty line before the request line is skipped (RFC 9112, section 2.2).
        }
        if input.len() >= self.limit { Err(Status::HeadTooLarge) } else { Ok(None) }
    }

    /// The next complete line, without the CRLF. Anything but text before it is refused: control
    /// characters, NUL, a CR or LF alone.
    fn next_line(&mut self, input: &[u8]) -> Result<Option<Range<usize>>, Status> {
        let rest = &input[self.scanned..];
        let text = rest.iter().position(|&byte| !is_text(byte)).unwrap_or(rest.len());
        self.scanned += text;
        match &rest[text..] {
            [] | [b'\r'] => Ok(None),
            [b'\r', b'\n', ..] => {
                let line = self.line..self.scanned;
                self.scanned += 2;
                self.line = self.scanned;
                Ok(Some(line))
            }
            _ => Err(Status::BadRequest),
        }
    }
}

/// Reads `GET /path?query HTTP/1.1`, which begins at `start`.
fn request_line(line: &[u8], start: usize) -> Result<RequestLine, Status> {
    let method_end = line.iter().position(|&byte| !is_token(byte)).unwrap_or(line.len());
    let method = match &line[..method_end] {
        b"" => return Err(Status::BadRequest),
        b"GET" => Method::Get,
        b"HEAD" => Method::Head,
        b"POST" => Method::Post,
        _ => Method::Other,
    };
    let Some((b' ', rest)) = line[method_end..].split_first() else {
        return Err(Status::BadRequest);
    };
    let target_end = rest.iter().position(|byte| !byte.is_ascii_graphic()).unwrap_or(rest.len());
    let (target, version) = rest.split_at(target_end);
    let http_1_0 = match version {
        b" HTTP/1.0" => true,
        [b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9'] => false,
        [b' ', b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
            return Err(Status::VersionNotSupported);
        }
        _ => return Err(Status::BadRequest),
    };
    let path_start = path_start(target)?;
    let path_and_query = &target[path_start..];
    let path_length = path_and_query.iter().position(|&byte| byte == b'?');
    let path_length = path_length.unwrap_or(path_and_query.len());
    let path_start = start + method_end + 1 + path_start;
    let path_end = path_start + path_length;
    let query_end = start + method_end + 1 + target.len();
    Ok(RequestLine {
        method,
        path: path_start..path_end,
        query: query_end.min(path_end + 1)..query_end,
        http_1_0,
    })
}

/// Where the path begins: at once (`/path`, `*`), or after scheme and host (`http://host/path`).
fn path_start(target: &[u8]) -> Result<usize, Status> {
    if matches!(target, [b'/', ..] | b"*") {
        return Ok(0);
    }
    let scheme = [&b"http://"[..], b"https://"].into_iter().find(|scheme| {
        target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    let host = scheme.ok_or(Status::BadRequest)?.len();
    let host_end = target[host..].iter().position(|&byte| byte == b'/' || byte == b'?');
    Ok(host_end.map_or(target.len(), |end| host + end))
}

impl Fields {
    /// Reads `name: value`.
    fn read(&mut self, line: &[u8]) -> Result<(), Status> {
        // A space before the colon, and a continuation line, end the name early.
        let name_end = line.iter().position(|&byte| !is_token(byte)).unwrap_or(line.len());
        let (name, rest) = line.split_at(name_end);
        let Some((b':', value)) = rest.split_first() else {
            return Err(Status::BadRequest);
        };
        let value = value.trim_ascii();
        match name.len() {
            0 => Err(Status::BadRequest),
            4 if name.eq_ignore_ascii_case(b"host") => self.host(value),
            6 if name.eq_ignore_ascii_case(b"expect") => {
                self.expects_continue |= value.eq_ignore_ascii_case(b"100-continue");
                Ok(())
            }
            10 if name.eq_ignore_ascii_case(b"connection") => {
                self.close |= elements(value).any(|option| option.eq_ignore_ascii_case(b"close"));
                Ok(())
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => self.content_length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.transfer_encoding(value),
            _ => Ok(()),
        }
    }

    fn host(&mut self, value: &[u8]) -> Result<(), Status> {
        self.hosts += 1;
        let allowed =
            |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(byte);
        if value.iter().all(allowed) { Ok(()) } else { Err(Status::BadRequest) }
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), Status> {
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return Err(Status::BadRequest);
        }
        let digit = |length: u64, digit: &u8| {
            length.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
        };
        match self.content_length.replace(value.iter().fold(0, digit)) {
            None => Ok(()),
            Some(_) => Err(Status::BadRequest),
        }
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Status> {
        let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
        if elements(value).any(|coding| !coding.is_empty() && !is_chunked(coding)) {
            return Err(Status::NotImplemented);
        }
        if self.chunked || !is_chunked(value) {
            return Err(Status::BadRequest);
        }
        self.chunked = true;
        Ok(())
    }
}

/// Puts a head together at its end.
fn head(request: RequestLine, fields: &Fields, length: usize) -> Result<Head, Status> {
    let hosts_right = fields.hosts == 1 || fields.hosts == 0 && request.http_1_0;
    let framed_twice = fields.chunked && (fields.content_length.is_some() || request.http_1_0);
    if !hosts_right || framed_twice {
        return Err(Status::BadRequest);
    }
    let body = match fields.chunked {
        true => BodyLength::Chunked,
        false => BodyLength::Bytes(fields.content_length.unwrap_or(0)),
    };
    Ok(Head {
        method: request.method,
        path: request.path,
        query: request.query,
        body,
        expects_continue: fields.expects_continue
            && !request.http_1_0
            && body != BodyLength::Bytes(0),
        keep_alive: !fields.close && !request.http_1_0,
        length,
    })
}

/// The elements of a comma-separated list.
fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

/// What a line of a head may hold (RFC 9110, section 5.5): visible characters, spaces, tabs, and
/// bytes of unknown meaning.
pub(super) fn is_text(byte: u8) -> bool {
    KIND[usize::from(byte)] & TEXT != 0
}

/// What a method or a header name may hold (RFC 9110, section 5.6.2).
pub(super) fn is_token(byte: u8) -> bool {
    KIND[usize::from(byte)] & TOKEN != 0
}

const TEXT: u8 = 1;
const TOKEN: u8 = 2;

static KIND: [u8; 256] = {
    let mut kind = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        if byte == 0x09 || byte >= 0x20 && byte != 0x7f {
            kind[byte] |= TEXT;
        }
        if (byte as u8).is_ascii_alphanumeric() {
            kind[byte] |= TOKEN;
        }
        byte += 1;
    }
    let mut rest: &[u8] = b"!#$%&'*+-.^_`|~";
    while let [byte, tail @ ..] = rest {
        kind[*byte as usize] |= TOKEN;
        rest = tail;
    }
    kind
};
