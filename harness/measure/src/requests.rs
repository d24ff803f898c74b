//! From a workload's cases to the bytes that go over the wire.

use std::fmt::Write;

use duet_loadgen::response::reference::digest;
use duet_model::spec::{Case, Workload};
use duet_protocol::{Address, Exchange, Message, Transport};

/// The size of a chunk when a body is sent chunked: small enough that servers see several.
const CHUNK_BYTES: usize = 4096;

/// One case as bytes of HTTP/1.1, with its expected response; `compressed` is its body where that
/// comes compressed. For HTTP/2, which frames bodies itself, the generator takes the same bytes,
/// without chunks.
#[must_use]
pub fn exchange(
    workload: &Workload,
    case: &Case,
    server: &str,
    (addr, transport): (&Address, Transport),
    compressed: Option<&[u8]>,
) -> Exchange {
    let answer = workload.answer(case, server);
    let head = case.method == "HEAD";
    Exchange {
        request: request(case, &host(addr), workload.churn, !transport.is_http2()),
        head,
        status: answer.status,
        content_type: answer.content_type.clone(),
        body_digest: compressed.map(digest),
        body: if head { String::new() } else { answer.whole_body().into_owned() },
        grpc_status: answer.grpc_status,
        untimed: case.untimed,
        event_ns: case.event_ms.map(|ms| u64::from(ms) * 1_000_000),
        message: message(case),
    }
}

/// The message over WebSocket, if it is one.
fn message(case: &Case) -> Option<Message> {
    let text = case.message.clone()?;
    Some(Message { text, members: case.members() })
}

/// The host that requests to an address name.
pub(crate) fn host(addr: &Address) -> String {
    match addr {
        Address::Tcp(addr) => addr.to_string(),
        Address::Unix(_) => "localhost".to_owned(),
    }
}

/// The host that a case names itself, for servers that respond to some names only.
pub(crate) fn own_host(case: &Case) -> Option<&str> {
    let mut headers = case.headers.iter();
    headers.find(|(name, _)| name.eq_ignore_ascii_case("host")).map(|(_, value)| value.as_str())
}

/// A request as bytes. `chunks`: whether a body that is sent chunked comes in chunks of HTTP/1.1;
/// otherwise it follows the head as it is, without a length.
fn request(case: &Case, host: &str, close: bool, chunks: bool) -> String {
    let mut out = format!("{} {} HTTP/1.1\r\n", case.method, case.path);
    let line = |out: &mut String, name: &str, value: &str| {
        out.push_str(name);
        out.push_str(": ");
        out.push_str(value);
        out.push_str("\r\n");
    };
    if own_host(case).is_none() {
        line(&mut out, "Host", host);
    }
    for (name, value) in &case.headers {
        line(&mut out, name, value);
    }
    if close {
        line(&mut out, "Connection", "close");
    }
    match case.sent_body() {
        None => out.push_str("\r\n"),
        Some(body) if case.chunked && !chunks => {
            out.push_str("\r\n");
            out.push_str(&body);
        }
        Some(body) if case.chunked => {
            line(&mut out, "Transfer-Encoding", "chunked");
            out.push_str("\r\n");
            push_chunks(&mut out, &body);
        }
        Some(body) => {
            line(&mut out, "Content-Length", &body.len().to_string());
            out.push_str("\r\n");
            out.push_str(&body);
        }
    }
    out
}

/// Appends a body in chunks that end on character boundaries.
fn push_chunks(out: &mut String, body: &str) {
    let mut rest = body;
    while !rest.is_empty() {
        let (chunk, tail) = rest.split_at(rest.floor_char_boundary(CHUNK_BYTES.min(rest.len())));
        // Writing to a String cannot fail.
        let _ = write!(out, "{:x}\r\n{chunk}\r\n", chunk.len());
        rest = tail;
    }
    out.push_str("0\r\n\r\n");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use duet_model::spec::ExpectedResponse;

    fn case(method: &str, body: Option<&str>, chunked: bool) -> Case {
        let expect = ExpectedResponse { status: 200, body: "x".into(), ..Default::default() };
        Case {
            method: method.into(),
            path: "/p?q=1".into(),
            headers: BTreeMap::from([("Accept".into(), "*/*".into())]),
            body: body.map(Into::into),
            chunked,
            expect,
            ..Case::default()
        }
    }

    #[test]
    fn request_bytes() {
        let head = "/p?q=1 HTTP/1.1\r\nHost: 127.0.0.1:80\r\nAccept: */*\r\n";
        let check = |case: Case, close, want: &str| {
            let got = request(&case, "127.0.0.1:80", close, true);
            assert_eq!(got, want.replace('H', head), "{case:?}");
        };
        check(case("GET", None, false), false, "GET H\r\n");
        check(case("GET", None, false), true, "GET HConnection: close\r\n\r\n");
        check(case("POST", Some("ab"), false), false, "POST HContent-Length: 2\r\n\r\nab");
        check(
            case("POST", Some("ab"), true),
            false,
            "POST HTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        );
        check(
            case("POST", Some(""), true),
            false,
            "POST HTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        );
        let mut named = case("GET", None, false);
        named.headers = BTreeMap::from([("host".into(), "example.org".into())]);
        let got = request(&named, "127.0.0.1:80", false, true);
        assert_eq!(got, "GET /p?q=1 HTTP/1.1\r\nhost: example.org\r\n\r\n");
        let unframed = request(&case("POST", Some("ab"), true), "127.0.0.1:80", false, false);
        assert_eq!(unframed, format!("POST {head}\r\nab"));
    }

    #[test]
    fn chunks_end_on_characters() {
        let body = "é".repeat(CHUNK_BYTES);
        let mut out = String::new();
        push_chunks(&mut out, &body);
        assert_eq!(out.matches('é').count(), CHUNK_BYTES);
        assert!(out.starts_with("1000\r\n"));
    }
}
