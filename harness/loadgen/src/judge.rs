//! Compares an answer with the right one and says what differs, so that it can be read.

use std::borrow::Cow;
use std::fmt;

use super::fault::Fault;
use super::http1::{Answer, Malformed};
use super::patch::{self, Patch};
use duet_protocol::Exchange;

/// Bytes shown before and after the first difference.
const BEFORE: usize = 20;
const AFTER: usize = 60;
/// Bytes shown of an answer that cannot be compared.
const START: usize = 200;

/// A request as bytes, and what its answers are held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question<'j> {
    /// The whole request, head and body.
    pub(super) request: Cow<'j, [u8]>,
    /// What of it differs each time.
    pub(super) patches: &'j [Patch],
    /// Whether the request is a HEAD, whose answer has no body.
    pub(super) head: bool,
    pub(super) status: Status,
    /// The right value of `Content-Type`; none: any.
    pub(super) content_type: Option<Cow<'j, [u8]>>,
    /// The right body; none: any.
    pub(super) body: Option<Cow<'j, [u8]>>,
}

/// Which statuses are right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// This one.
    Exactly(u16),
    /// Any from 200 to 299.
    Successful,
}

/// A wrong answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) fault: Fault,
    /// What was expected, what came.
    pub(super) text: String,
}

impl Status {
    /// Whether an answer may have this status.
    #[must_use]
    pub fn allows(self, status: u16) -> bool {
        match self {
            Self::Exactly(exactly) => status == exactly,
            Self::Successful => (200..300).contains(&status),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(status) => status.fmt(f),
            Self::Successful => f.write_str("2xx"),
        }
    }
}

impl Question<'_> {
    /// Makes the request that of number `index`.
    #[inline]
    pub(super) fn number(&mut self, seed: u64, index: u64) {
        if !self.patches.is_empty() {
            // Its own copy from the first time on.
            patch::apply(self.patches, self.request.to_mut(), seed, index);
        }
    }
}

impl<'j> From<&'j Exchange> for Question<'j> {
    fn from(exchange: &'j Exchange) -> Self {
        Self {
            request: exchange.request.as_bytes().into(),
            patches: &[],
            head: exchange.head,
            status: Status::Exactly(exchange.status),
            content_type: exchange.content_type.as_ref().map(|value| value.as_bytes().into()),
            body: (!exchange.head).then(|| exchange.body.as_bytes().into()),
        }
    }
}

/// Whether `answer`, which `bytes` starts with, is the right one.
pub(super) fn judge(
    bytes: &[u8],
    answer: &Answer<'_>,
    expected: &Question<'_>,
) -> Result<(), Wrong> {
    let wrong = |fault, text: String| Err(wrong(fault, expected, &text));
    if !expected.status.allows(answer.status) {
        let start = excerpt(bytes, 0, START);
        let (want, got) = (expected.status, answer.status);
        return wrong(Fault::BadStatus, format!("expected status {want}, got {got}: {start}"));
    }
    if let Some(want) = &expected.content_type
        && answer.content_type != Some(want)
    {
        let got = answer.content_type.map_or("none".to_owned(), |value| excerpt(value, 0, START));
        return wrong(
            Fault::BadHeader,
            format!("expected Content-Type {}, got {got}", excerpt(want, 0, START)),
        );
    }
    match &expected.body {
        Some(want) if answer.body != *want => {
            wrong(Fault::WrongBody, difference(want, &answer.body))
        }
        _ => Ok(()),
    }
}

/// The verdict on bytes that are no answer.
pub(super) fn malformed(bytes: &[u8], why: Malformed, expected: &Question<'_>) -> Wrong {
    let text = format!("the answer is malformed ({}): {}", why.0, excerpt(bytes, 0, START));
    wrong(Fault::Malformed, expected, &text)
}

/// The verdict on an answer so long that it cannot become right.
pub(super) fn too_long(bytes: &[u8], expected: &Question<'_>) -> Wrong {
    let text = format!(
        "the answer does not end: {} bytes so far, the right body has {}; it begins {}",
        bytes.len(),
        expected.body.as_ref().map_or("any number".to_owned(), |body| body.len().to_string()),
        excerpt(bytes, 0, START)
    );
    wrong(Fault::WrongBody, expected, &text)
}

/// The verdict on bytes behind the answer to `expected`, with nothing else asked.
pub(super) fn excess(bytes: &[u8], expected: &Question<'_>) -> Wrong {
    let text = format!("{} bytes nobody had asked for: {}", bytes.len(), excerpt(bytes, 0, START));
    wrong(Fault::ExcessBytes, expected, &text)
}

fn wrong(fault: Fault, expected: &Question<'_>, text: &str) -> Wrong {
    let end = expected.request.iter().position(|byte| b"\r\n".contains(byte));
    let request = &expected.request[..end.unwrap_or(expected.request.len())];
    Wrong { fault, text: format!("{}: {text}", excerpt(request, 0, START)) }
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
    use super::super::http1;
    use super::*;

    #[test]
    fn verdicts() {
        let expected = Exchange {
            request: "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            head: false,
            status: 200,
            content_type: Some("text/plain".into()),
            body: "The quick brown fox jumps over the lazy dog".into(),
        };
        let answer = |status: &str, content_type: &str, body: &str| {
            let n = body.len();
            format!("HTTP/1.1 {status}\r\n{content_type}Content-Length: {n}\r\n\r\n{body}")
        };
        let right = expected.body.as_str();
        let cases = [
            (answer("200 OK", "Content-Type: text/plain\r\n", right), None),
            (
                answer("500 Oops", "", "no"),
                Some((
                    Fault::BadStatus,
                    "expected status 200, got 500: \
                     \"HTTP/1.1 500 Oops\\r\\nContent-Length: 2\\r\\n\\r\\nno\"",
                )),
            ),
            (
                answer("200 OK", "", right),
                Some((Fault::BadHeader, r#"expected Content-Type "text/plain", got none"#)),
            ),
            (
                answer("200 OK", "Content-Type: text/html\r\n", right),
                Some((Fault::BadHeader, r#"expected Content-Type "text/plain", got "text/html""#)),
            ),
            (
                answer("200 OK", "Content-Type: text/plain\r\n", &right.replace("lazy", "lame")),
                Some((
                    Fault::WrongBody,
                    "expected a body of 43 bytes, got 43; first difference at byte 37: \
                     expected …\"ox jumps over the lazy dog\", \
                     got …\"ox jumps over the lame dog\"",
                )),
            ),
            (
                answer("200 OK", "Content-Type: text/plain\r\n", &right[..40]),
                Some((
                    Fault::WrongBody,
                    "expected a body of 43 bytes, got 40; first difference at byte 40: \
                     expected …\"jumps over the lazy dog\", got …\"jumps over the lazy \"",
                )),
            ),
        ];
        for (bytes, want) in cases {
            let parsed = http1::parse(bytes.as_bytes(), false, false);
            let Ok(Some(answer)) = parsed else { panic!("no answer: {bytes}") };
            let got = judge(bytes.as_bytes(), &answer, &Question::from(&expected)).err();
            let want = want.map(|(fault, text)| Wrong {
                fault,
                text: format!("\"GET /hello HTTP/1.1\": {text}"),
            });
            assert_eq!(got, want);
        }
    }
}
