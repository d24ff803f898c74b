//! Compares a response with the expected one and says what differs, so that it can be read.

use crate::error_kind::ErrorKind;
use crate::request::exchange::Exchange;

use super::parse::{Malformed, Response};

/// Bytes shown before and after the first difference.
const BEFORE: usize = 20;
const AFTER: usize = 60;
/// Bytes shown of a response that cannot be compared.
const START: usize = 200;

/// How a response differs from the expected one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mismatch {
    pub(crate) kind: ErrorKind,
    /// What was expected, what came.
    pub(crate) text: String,
}

/// Whether `response`, which `bytes` starts with, is the expected one.
pub(crate) fn check(
    bytes: &[u8],
    response: &Response<'_>,
    expected: &Exchange,
) -> Result<(), Mismatch> {
    let mismatch = |kind, text: String| Err(mismatch(kind, expected, &text));
    if !expected.status.allows(response.status) {
        let start = excerpt(bytes, 0, START);
        let (want, got) = (expected.status, response.status);
        return mismatch(
            ErrorKind::BadStatus,
            format!("expected status {want}, got {got}: {start}"),
        );
    }
    if let Some(want) = &expected.content_type
        && response.content_type != Some(&want[..])
    {
        let got = response.content_type.map_or("none".to_owned(), |value| excerpt(value, 0, START));
        return mismatch(
            ErrorKind::BadHeader,
            format!("expected Content-Type {}, got {got}", excerpt(want, 0, START)),
        );
    }
    match &expected.body {
        Some(want) if response.body[..] != want[..] => {
            mismatch(ErrorKind::WrongBody, difference(want, &response.body))
        }
        _ => Ok(()),
    }
}

/// Bytes that are no response.
pub(crate) fn malformed(bytes: &[u8], why: Malformed, expected: &Exchange) -> Mismatch {
    let text = format!("the response is malformed ({}): {}", why.0, excerpt(bytes, 0, START));
    mismatch(ErrorKind::Malformed, expected, &text)
}

/// A response so long that it cannot become the expected one.
pub(crate) fn too_long(bytes: &[u8], expected: &Exchange) -> Mismatch {
    let text = format!(
        "the response does not end: {} bytes so far, the expected body has {}; it begins {}",
        bytes.len(),
        expected.body.as_ref().map_or("any number".to_owned(), |body| body.len().to_string()),
        excerpt(bytes, 0, START)
    );
    mismatch(ErrorKind::WrongBody, expected, &text)
}

/// Bytes behind the response to `expected`, with no other request in flight.
pub(crate) fn unsolicited(bytes: &[u8], expected: &Exchange) -> Mismatch {
    let text = format!("{} bytes outside any response: {}", bytes.len(), excerpt(bytes, 0, START));
    mismatch(ErrorKind::UnsolicitedBytes, expected, &text)
}

fn mismatch(kind: ErrorKind, expected: &Exchange, text: &str) -> Mismatch {
    let end = expected.request.iter().position(|byte| b"\r\n".contains(byte));
    let request = &expected.request[..end.unwrap_or(expected.request.len())];
    Mismatch { kind, text: format!("{}: {text}", excerpt(request, 0, START)) }
}

fn difference(want: &[u8], got: &[u8]) -> String {
    let at = want.iter().zip(got).take_while(|(w, g)| w == g).count();
    let from = at.saturating_sub(BEFORE);
    format!(
        "expected a body of {} bytes, got {}; first difference at byte {at}: expected {}, got {}",
        want.len(),
        got.len(),
        excerpt(want, from, at + AFTER),
        excerpt(got, from, at + AFTER)
    )
}

/// `bytes[from..to]` in quotes, with an ellipsis where it is cut.
fn excerpt(bytes: &[u8], from: usize, to: usize) -> String {
    let shown = &bytes[from.min(bytes.len())..to.min(bytes.len())];
    let before = if from > 0 { "…" } else { "" };
    let after = if to < bytes.len() { "…" } else { "" };
    format!("{before}\"{}\"{after}", shown.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[test]
    fn mismatches() {
        let expected = duet_protocol::Exchange {
            request: "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            head: false,
            status: 200,
            content_type: Some("text/plain".into()),
            body: "The quick brown fox jumps over the lazy dog".into(),
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
            let parsed = parse::parse(bytes.as_bytes(), false, false);
            let Ok(Some(response)) = parsed else { panic!("no response: {bytes}") };
            let got = check(bytes.as_bytes(), &response, &Exchange::from(&expected)).err();
            let want = want.map(|(kind, text)| Mismatch {
                kind,
                text: format!("\"GET /hello HTTP/1.1\": {text}"),
            });
            assert_eq!(got, want);
        }
    }
}
