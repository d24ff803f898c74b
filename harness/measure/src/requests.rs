//! From a workload's cases to the bytes that go over the wire.

use std::fmt::Write;
use std::net::SocketAddr;

use duet_model::spec::{Case, Workload};
use duet_protocol::Exchange;

/// The size of a chunk when a body is sent chunked: small enough that servers see several.
const CHUNK_BYTES: usize = 4096;

/// The exchanges of a workload with one server.
#[must_use]
pub fn exchanges(workload: &Workload, server: &str, addr: SocketAddr) -> Vec<Exchange> {
    workload.cases.iter().map(|case| exchange(workload, case, server, addr)).collect()
}

/// One case as bytes, with its right answer.
#[must_use]
pub fn exchange(workload: &Workload, case: &Case, server: &str, addr: SocketAddr) -> Exchange {
    let answer = workload.answer(case, server);
    let head = case.method == "HEAD";
    Exchange {
        request: request(case, addr, workload.churn),
        head,
        status: answer.status,
        content_type: answer.content_type.clone(),
        body: if head { String::new() } else { answer.body.clone() },
    }
}

/// A request as bytes.
fn request(case: &Case, addr: SocketAddr, close: bool) -> String {
    let mut out = format!("{} {} HTTP/1.1\r\nHost: {addr}\r\n", case.method, case.path);
    let line = |out: &mut String, name: &str, value: &str| {
        out.push_str(name);
        out.push_str(": ");
        out.push_str(value);
        out.push_str("\r\n");
    };
    for (name, value) in &case.headers {
        line(&mut out, name, value);
    }
    if close {
        line(&mut out, "Connection", "close");
    }
    match &case.body {
        None => out.push_str("\r\n"),
        Some(body) if case.chunked => {
            line(&mut out, "Transfer-Encoding", "chunked");
            out.push_str("\r\n");
            push_chunks(&mut out, body);
        }
        Some(body) => {
            line(&mut out, "Content-Length", &body.len().to_string());
            out.push_str("\r\n");
            out.push_str(body);
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
        let expect = ExpectedResponse { status: 200, content_type: None, body: "x".into() };
        Case {
            method: method.into(),
            path: "/p?q=1".into(),
            headers: BTreeMap::from([("Accept".into(), "*/*".into())]),
            body: body.map(Into::into),
            chunked,
            expect,
        }
    }

    #[test]
    fn request_bytes() {
        let addr = SocketAddr::from(([127, 0, 0, 1], 80));
        let head = "/p?q=1 HTTP/1.1\r\nHost: 127.0.0.1:80\r\nAccept: */*\r\n";
        let check = |case: Case, close, want: &str| {
            assert_eq!(request(&case, addr, close), want.replace('H', head), "{case:?}");
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
