//! What must be true of any bytes that a server may send. Each function panics where it is not, and
//! says whether the bytes were an interesting case at all.

use duet_loadgen::response::parse::{HEAD_BYTES_MAX, Response, lenient, parse};
use duet_loadgen::response::template::{Check, Template};

/// The most prefixes of an input that are tried.
const PREFIXES_MAX: usize = 512;

/// The parser agrees with httparse about heads, with plain arithmetic about bodies of a known
/// length, and with httparse about chunks; and it never changes its mind when more bytes come. Says
/// whether the bytes begin with a whole response.
pub(crate) fn parser(bytes: &[u8]) -> bool {
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let oracle = head(bytes, &mut fields);
    let mut whole = false;
    for (head_request, closed) in [(false, false), (false, true), (true, false), (true, true)] {
        let parsed = parse(bytes, head_request, closed);
        whole |= matches!(parsed, Ok(Some(_)));
        let text = bytes.escape_ascii();
        match (&oracle, &parsed) {
            (Oracle::Malformed, Err(_)) | (Oracle::Partial, Ok(None)) => {}
            (Oracle::Partial, Err(_)) if bytes.len() > HEAD_BYTES_MAX => {}
            (Oracle::Head(head), Ok(None)) => {
                let complete = head_request || (closed && head.framing() == (None, None));
                assert!(!complete, "it waits for more: {text}");
            }
            (Oracle::Head(head), Ok(Some(response))) => agree(head, response, bytes, head_request),
            (Oracle::Head(head), Err(why)) => assert!(head.may_be_refused(), "{why:?}: {text}"),
            (oracle, parsed) => panic!("{oracle:?}, but {parsed:?}: {text}"),
        }
    }
    prefixes(bytes);
    whole
}

/// Whatever the template recognises, in any two pieces, the parser reads as the response that the
/// template was made of: with the same status, type, body and end. Bytes are a response and what
/// follows it on the connection. Says whether the template recognised something.
pub(crate) fn template(bytes: &[u8]) -> bool {
    let Ok(Some(first)) = parse(bytes, false, false) else { return false };
    let received = &bytes[first.len..];
    let mut recognised = false;
    for at in cuts(received.len()) {
        let mut template = Template::new(bytes, &first);
        let matched = match template.check_start(0, &received[..at]) {
            Ok(end) => {
                same(&first, &received[..end]);
                recognised = true;
                continue;
            }
            Err(Check::Different) => continue,
            Err(_) => at,
        };
        let text = received.escape_ascii();
        assert_eq!(template.prefix(matched), &received[..matched], "for the parser: {text}");
        match template.check_start(matched, &received[matched..]) {
            Ok(end) => {
                same(&first, &received[..matched + end]);
                recognised = true;
            }
            Err(_) => assert_eq!(template.prefix(matched), &received[..matched], "then: {text}"),
        }
    }
    recognised
}

/// What httparse says of the head at the start.
#[derive(Debug)]
enum Oracle<'h, 'b> {
    Malformed,
    Partial,
    Head(Head<'h, 'b>),
}

/// The final head.
#[derive(Debug)]
struct Head<'h, 'b> {
    status: u16,
    fields: &'h [httparse::Header<'b>],
    /// Behind it.
    end: usize,
}

fn head<'h, 'b>(bytes: &'b [u8], fields: &'h mut [httparse::Header<'b>; 128]) -> Oracle<'h, 'b> {
    let mut start = 0;
    loop {
        let mut own = [httparse::EMPTY_HEADER; 128];
        let mut head = httparse::Response::new(&mut own);
        let n = match lenient().parse_response(&mut head, &bytes[start..]) {
            Err(_) => return Oracle::Malformed,
            Ok(httparse::Status::Partial) => return Oracle::Partial,
            Ok(httparse::Status::Complete(n)) => n,
        };
        let (status, count) = (head.code.expect("it is complete"), head.headers.len());
        start += n;
        if status == 101 || !(100..200).contains(&status) {
            *fields = own;
            return Oracle::Head(Head { status, fields: &fields[..count], end: start });
        }
        // An informational head is read past, unless the parser refuses its framing.
        let refused = Head { status, fields: &own[..count], end: start }.may_be_refused();
        if refused && parse(&bytes[..start], false, false).is_err() {
            return Oracle::Malformed;
        }
    }
}

impl Head<'_, '_> {
    fn values<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s [u8]> {
        self.fields.iter().filter(move |f| f.name.eq_ignore_ascii_case(name)).map(|f| f.value)
    }

    /// The first `Content-Length` and the first `Transfer-Encoding`.
    fn framing(&self) -> (Option<&[u8]>, Option<&[u8]>) {
        (self.values("content-length").next(), self.values("transfer-encoding").next())
    }

    /// Whether the parser may be stricter than httparse.
    fn may_be_refused(&self) -> bool {
        let range = self.status < 100 || self.status == 101;
        range || self.end > HEAD_BYTES_MAX || self.framing() != (None, None)
    }
}

/// A response is what the oracle's head, and simple reading behind it, make of the bytes.
fn agree(head: &Head<'_, '_>, response: &Response<'_>, bytes: &[u8], head_request: bool) {
    let text = bytes.escape_ascii();
    assert_eq!(response.status, head.status, "status: {text}");
    assert_eq!(response.content_type, head.values("content-type").next(), "type: {text}");
    let date = response.date.clone().map(|date| &bytes[date]);
    assert_eq!(date, head.values("date").next(), "date: {text}");
    assert!(response.len >= head.end && response.len <= bytes.len(), "length: {text}");
    let rest = &bytes[head.end..response.len];
    let bodiless = head_request || [204, 304].contains(&head.status);
    match head.framing() {
        _ if bodiless => assert!(rest.is_empty() && response.body.is_empty(), "no body: {text}"),
        (None, None) => {
            assert!(
                response.until_close && *response.body == bytes[head.end..],
                "until close: {text}"
            );
        }
        (Some(length), None) => {
            let length = length.split(|&b| b == b',').next().unwrap().trim_ascii();
            let length: usize = str::from_utf8(length).unwrap().parse().unwrap();
            assert!(rest.len() == length && *response.body == *rest, "body: {text}");
        }
        (_, Some(_)) => {
            let Some(body) = chunks(rest) else { return };
            assert_eq!(*response.body, body, "chunks: {text}");
        }
    }
}

/// What is in chunks, where httparse reads them all.
fn chunks(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = vec![];
    loop {
        let Ok(httparse::Status::Complete((n, size))) = httparse::parse_chunk_size(rest) else {
            return None;
        };
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(n..n + size as usize)?);
        rest = rest.get(n + size as usize + 2..)?;
    }
}

/// A response stays the same response, and an error stays an error, whatever comes behind.
fn prefixes(bytes: &[u8]) {
    for head_request in [false, true] {
        let mut before = Ok(None);
        for end in cuts(bytes.len()) {
            let now = parse(&bytes[..end], head_request, false);
            let text = bytes[..end].escape_ascii();
            match &before {
                Ok(None) => {}
                Ok(Some(_)) => assert_eq!(before, now, "the response changed: {text}"),
                Err(_) => assert!(now.is_err(), "it was an error: {text}"),
            }
            before = now;
        }
    }
}

/// Lengths from 0 to `len`: all, or evenly spread ones.
fn cuts(len: usize) -> impl Iterator<Item = usize> {
    (0..len).step_by(len / PREFIXES_MAX + 1).chain([len])
}

fn same(first: &Response<'_>, received: &[u8]) {
    let text = received.escape_ascii();
    let Ok(Some(response)) = parse(received, false, false) else {
        panic!("the template recognised what is no response: {text}");
    };
    let of = |response: &Response<'_>| {
        (
            response.status,
            response.persistent,
            response.until_close,
            response.len,
            response.body.to_vec(),
        )
    };
    assert_eq!(of(&response), of(first), "{text}");
    assert_eq!(response.content_type, first.content_type, "{text}");
    assert_eq!(response.len, received.len(), "{text}");
}
