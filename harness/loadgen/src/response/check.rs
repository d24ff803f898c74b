//! Compares a response with the expected one and says what differs, so that it can be read.

use crate::error_kind::ErrorKind;
use crate::request::exchange::Exchange;

use super::body_check::BodyCheck;
use super::excerpt::{START, excerpt};
use super::malformed::Malformed;

/// How a response differs from the expected one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mismatch {
    pub(crate) kind: ErrorKind,
    /// The response's status; none: it had none, or is no response.
    pub(crate) status: Option<u16>,
    /// What was expected, what came.
    pub(crate) text: String,
}

/// A response to be compared.
#[derive(Debug)]
pub(crate) struct Received<'r> {
    /// Its beginning, at least as far as it is shown.
    pub(crate) start: &'r [u8],
    pub(crate) status: u16,
    pub(crate) content_type: Option<&'r [u8]>,
    pub(crate) body: &'r BodyCheck,
}

/// Whether a response is the expected one.
pub(crate) fn check(received: &Received<'_>, expected: &Exchange) -> Result<(), Mismatch> {
    let mismatch = |kind, text: String| {
        let status = Some(received.status);
        Err(Mismatch { status, ..mismatch(kind, expected, &text) })
    };
    if !expected.status.allows(received.status) {
        let start = excerpt(received.start, 0, START);
        let (want, got) = (expected.status, received.status);
        return mismatch(
            ErrorKind::BadStatus,
            format!("expected status {want}, got {got}: {start}"),
        );
    }
    if let Some(want) = &expected.content_type
        && received.content_type != Some(&want[..])
    {
        let got = received.content_type.map_or("none".to_owned(), |value| excerpt(value, 0, START));
        return mismatch(
            ErrorKind::BadHeader,
            format!("expected Content-Type {}, got {got}", excerpt(want, 0, START)),
        );
    }
    match received.body.is_equal(&expected.body) {
        true => Ok(()),
        false => mismatch(ErrorKind::WrongBody, received.body.difference(&expected.body)),
    }
}

/// Whether a call of gRPC, whose response is the expected one, has the expected status.
pub(crate) fn grpc(got: Option<&[u8]>, expected: &Exchange) -> Result<(), Mismatch> {
    let Some(want) = expected.grpc_status else { return Ok(()) };
    if got.is_some_and(|got| got == want.to_string().as_bytes()) {
        return Ok(());
    }
    let got = got.map_or("none".to_owned(), |value| excerpt(value, 0, START));
    let text = format!("expected grpc-status {want}, got {got}");
    Err(mismatch(ErrorKind::BadHeader, expected, &text))
}

/// Bytes that are no response.
pub(crate) fn malformed(bytes: &[u8], why: Malformed, expected: &Exchange) -> Mismatch {
    let text = format!("the response is malformed ({}): {}", why.0, excerpt(bytes, 0, START));
    mismatch(ErrorKind::Malformed, expected, &text)
}

/// A body so long that it cannot become the expected one.
pub(crate) fn too_long(start: &[u8], body: &BodyCheck, expected: &Exchange) -> Mismatch {
    let text = format!(
        "the response is too long: {} bytes of a body so far, the expected one has {}; it begins \
         {}",
        body.len(),
        expected.body.length().map_or("any number".to_owned(), |len| len.to_string()),
        excerpt(start, 0, START)
    );
    mismatch(ErrorKind::WrongBody, expected, &text)
}

/// Bytes behind the response to `expected`, with no other request in flight.
pub(crate) fn unsolicited(bytes: &[u8], expected: &Exchange) -> Mismatch {
    let text = format!("{} bytes outside any response: {}", bytes.len(), excerpt(bytes, 0, START));
    mismatch(ErrorKind::UnsolicitedBytes, expected, &text)
}

/// A message over WebSocket that is not the one whose turn it is; none: none is awaited.
pub(crate) fn wrong_message(
    exchange: &Exchange,
    expected: Option<&[u8]>,
    got: &[u8],
    binary: bool,
) -> Mismatch {
    let got = excerpt(got, 0, START);
    let Some(expected) = expected else {
        let text = format!("a message that nobody awaits, or that came before: {got}");
        return mismatch(ErrorKind::UnsolicitedBytes, exchange, &text);
    };
    let expected = excerpt(expected, 0, START);
    let kind = if binary { "a binary one: " } else { "" };
    let text = format!("expected the message {expected}, got {kind}{got}");
    mismatch(ErrorKind::WrongBody, exchange, &text)
}

/// A response that lacks a value, in words.
pub(crate) fn incomplete(expected: &Exchange, kind: ErrorKind, text: &str) -> Mismatch {
    mismatch(kind, expected, text)
}

fn mismatch(kind: ErrorKind, expected: &Exchange, text: &str) -> Mismatch {
    let request = excerpt(expected.first_line(), 0, START);
    Mismatch { kind, status: None, text: format!("{request}: {text}") }
}

#[cfg(test)]
mod tests {
    use super::super::parse::{self, Response};
    use super::*;

    fn outcome(start: &[u8], got: &Response<'_>, expected: &Exchange) -> Result<(), Mismatch> {
        let mut body = BodyCheck::new(&expected.body);
        body.add(&got.body, &expected.body);
        let (status, content_type) = (got.status, got.content_type);
        check(&Received { start, status, content_type, body: &body }, expected)
    }

    #[test]
    fn mismatches() {
        let expected = duet_protocol::Exchange {
            request: "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            head: false,
            status: 200,
            content_type: Some("text/plain".into()),
            body: "The quick brown fox jumps over the lazy dog".into(),
            body_digest: None,
            grpc_status: None,
            untimed: false,
            event_ns: None,
            message: None,
        };
        let response = |status: &str, content_type: &str, body: &str| {
            let n = body.len();
            format!("HTTP/1.1 {status}\r\n{content_type}Content-Length: {n}\r\n\r\n{body}")
        };
        let right = expected.body.as_str();
        let cases = [
            (response("200 OK", "Content-Type: text/plain\r\n", right), None),
            (
                response("500 Oops", "", "no"),
                Some((
                    ErrorKind::BadStatus,
                    "expected status 200, got 500: \
                     \"HTTP/1.1 500 Oops\\r\\nContent-Length: 2\\r\\n\\r\\nno\"",
                )),
            ),
            (
                response("200 OK", "", right),
                Some((ErrorKind::BadHeader, r#"expected Content-Type "text/plain", got none"#)),
            ),
            (
                response("200 OK", "Content-Type: text/html\r\n", right),
                Some((
                    ErrorKind::BadHeader,
                    r#"expected Content-Type "text/plain", got "text/html""#,
                )),
            ),
            (
                response("200 OK", "Content-Type: text/plain\r\n", &right.replace("lazy", "lame")),
                Some((
                    ErrorKind::WrongBody,
                    "expected a body of 43 bytes, got 43; first difference at byte 37: \
                     expected …\"ox jumps over the lazy dog\", \
                     got …\"ox jumps over the lame dog\"",
                )),
            ),
            (
                response("200 OK", "Content-Type: text/plain\r\n", &right[..40]),
                Some((
                    ErrorKind::WrongBody,
                    "expected a body of 43 bytes, got 40; first difference at byte 40: \
                     expected …\"jumps over the lazy dog\", got …\"jumps over the lazy \"",
                )),
            ),
        ];
        for (bytes, want) in cases {
            let expected = Exchange::from(&expected);
            let parsed = parse::parse(bytes.as_bytes(), false, false);
            let Ok(Some(response)) = parsed else { panic!("no response: {bytes}") };
            let got = outcome(bytes.as_bytes(), &response, &expected).err();
            let want = want.map(|(kind, text)| Mismatch {
                kind,
                status: Some(response.status),
                text: format!("\"GET /hello HTTP/1.1\": {text}"),
            });
            assert_eq!(got, want);
        }
    }
}
