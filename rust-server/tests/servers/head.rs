//! The parser of request heads.

use rust_server::http::{BodyLength, Head, HeadParser, Method, Status};

const LIMIT: usize = 400;

/// Parses a head that arrives whole, and again in every two parts, and byte by byte.
#[track_caller]
fn parse(input: &[u8]) -> Result<Option<Head>, Status> {
    let whole = HeadParser::new(LIMIT).parse(input);
    for split in 0..=input.len() {
        let mut parser = HeadParser::new(LIMIT);
        let parts = match parser.parse(&input[..split]) {
            Ok(None) => parser.parse(input),
            early => early,
        };
        assert_eq!(parts, whole, "split at {split}: {:?}", String::from_utf8_lossy(input));
    }
    let mut parser = HeadParser::new(LIMIT);
    let bytewise = (0..=input.len()).map(|end| parser.parse(&input[..end]));
    let first = bytewise.into_iter().find(|parsed| *parsed != Ok(None));
    assert_eq!(first.unwrap_or(Ok(None)), whole, "{:?}", String::from_utf8_lossy(input));
    whole
}

#[track_caller]
fn check_refused(head: &str, expected: Status) {
    assert_eq!(parse(head.as_bytes()).err(), Some(expected), "{head:?}");
}

#[test]
fn refused_request_lines() {
    use Status::{BadRequest, HeadTooLarge, VersionNotSupported};
    use check_refused as check;
    check("GET / HTTP/1.1\n", BadRequest);
    check("\nGET / HTTP/1.1\r\n", BadRequest);
    check("GET /\r\n", BadRequest);
    check("GET  / HTTP/1.1\r\n", BadRequest);
    check("GET /  HTTP/1.1\r\n", BadRequest);
    check("GET / HTTP/1.1 \r\n", BadRequest);
    check(" GET / HTTP/1.1\r\n", BadRequest);
    check("GET\t/ HTTP/1.1\r\n", BadRequest);
    check("GET /a b HTTP/1.1\r\n", BadRequest);
    check("GET /\0 HTTP/1.1\r\n", BadRequest);
    check("GET /\rx HTTP/1.1\r\n", BadRequest);
    check("GET /ä HTTP/1.1\r\n", BadRequest);
    check("GET hello HTTP/1.1\r\n", BadRequest);
    check("GET ftp://h/ HTTP/1.1\r\n", BadRequest);
    check("CONNECT h:80 HTTP/1.1\r\n", BadRequest);
    check("G(T / HTTP/1.1\r\n", BadRequest);
    check("GET / http/1.1\r\n", BadRequest);
    check("GET / HTTP/1\r\n", BadRequest);
    check("GET / HTTP/1.10\r\n", BadRequest);
    check("GET / HTTP/x.y\r\n", BadRequest);
    check("GET / HTTP/0.9\r\n", VersionNotSupported);
    check("PRI * HTTP/2.0\r\n\r\n", VersionNotSupported);
    check(&format!("GET /{} HTTP/1.1\r\n", "x".repeat(LIMIT)), HeadTooLarge);
    check(&"\r\n".repeat(LIMIT), HeadTooLarge);
}

#[test]
fn refused_header_lines() {
    use Status::{BadRequest, HeadTooLarge};
    use check_refused as check;
    check("GET / HTTP/1.1\r\nHost: h\n", BadRequest);
    check("GET / HTTP/1.1\r\nHost : h\r\n", BadRequest);
    check("GET / HTTP/1.1\r\n Host: h\r\n", BadRequest);
    check("GET / HTTP/1.1\r\nHost: h\r\n more\r\n", BadRequest);
    check("GET / HTTP/1.1\r\nHost: h\r\nX\r\n", BadRequest);
    check("GET / HTTP/1.1\r\nHost: h\r\n: x\r\n", BadRequest);
    check("GET / HTTP/1.1\r\nHost: h\r\nX\0: x\r\n", BadRequest);
    check("GET / HTTP/1.1\r\nHost: h\r\nX: \0\r\n", BadRequest);
    check("GET / HTTP/1.1\r\nHost: h\r\nX: \u{7f}\r\n", BadRequest);
    check("GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n", BadRequest);
    check("GET / HTTP/1.1\r\nHost: h\r\nX: a\r\r\n", BadRequest);
    check("GET / HTTP/1.1\r\n\r\n", BadRequest);
    check("GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", BadRequest);
    check("GET / HTTP/1.0\r\nHost: h\r\nHost: h\r\n\r\n", BadRequest);
    check("GET / HTTP/1.1\r\nHost: a b\r\n", BadRequest);
    check("GET / HTTP/1.1\r\nHost: a/b\r\n", BadRequest);
    check("GET / HTTP/1.1\r\nHost: a@b\r\n", BadRequest);
    check(&format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(LIMIT)), HeadTooLarge);
}

#[test]
fn refused_framing() {
    use Status::{BadRequest, NotImplemented};
    use check_refused as check;
    let framed = |lines: &str| format!("POST / HTTP/1.1\r\nHost: h\r\n{lines}\r\n\r\n");
    check(&framed("Content-Length: 1\r\nContent-Length: 1"), BadRequest);
    check(&framed("Content-Length: 1\r\nContent-Length: 2"), BadRequest);
    check(&framed("Content-Length: 1, 1"), BadRequest);
    check(&framed("Content-Length: +1"), BadRequest);
    check(&framed("Content-Length: -1"), BadRequest);
    check(&framed("Content-Length: 0x1"), BadRequest);
    check(&framed("Content-Length: 1 2"), BadRequest);
    check(&framed("Content-Length:"), BadRequest);
    check(&framed("Content-Length: 1\r\nTransfer-Encoding: chunked"), BadRequest);
    check(&framed("Transfer-Encoding: chunked\r\nContent-Length: 1"), BadRequest);
    check(&framed("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), BadRequest);
    check(&framed("Transfer-Encoding: chunked, chunked"), BadRequest);
    check(&framed("Transfer-Encoding:"), BadRequest);
    check(&framed("Transfer-Encoding: ,"), BadRequest);
    check(&framed("Transfer-Encoding: gzip"), NotImplemented);
    check(&framed("Transfer-Encoding: gzip, chunked"), NotImplemented);
    check(&framed("Transfer-Encoding: xchunked"), NotImplemented);
    check(&framed("Transfer-Encoding: identity"), NotImplemented);
    check(&framed("Transfer-Encoding: \"chunked\""), NotImplemented);
    check("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", BadRequest);
}

#[test]
fn accepted() {
    /// Method, path, query, body, whether it expects 100, whether it keeps alive.
    type Summary<'a> = (Method, &'a str, &'a str, BodyLength, bool, bool);
    #[track_caller]
    fn check(head: &str, expected: Summary<'_>) {
        let input = format!("{head}the rest");
        let parsed = parse(input.as_bytes()).expect("it is right").expect("it is complete");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (path, query) =
            (text(parsed.path(input.as_bytes())), text(parsed.query(input.as_bytes())));
        let (body, expects) = (parsed.body, parsed.expects_continue);
        let summary: Summary<'_> = (parsed.method, &path, &query, body, expects, parsed.keep_alive);
        assert_eq!(summary, expected, "{head:?}");
        assert_eq!(parsed.length, head.len());
    }
    use BodyLength::{Bytes, Chunked};
    use Method::{Get, Head, Other, Post};
    check("GET / HTTP/1.1\r\nHost: h\r\n\r\n", (Get, "/", "", Bytes(0), false, true));
    check("\r\n\r\nGET /a HTTP/1.1\r\nhost:\r\n\r\n", (Get, "/a", "", Bytes(0), false, true));
    check(
        "HEAD /a?b=c?d HTTP/1.1\r\nHOST: [::1]:80\r\n\r\n",
        (Head, "/a", "b=c?d", Bytes(0), false, true),
    );
    check("GET /? HTTP/1.1\r\nHost: h\r\n\r\n", (Get, "/", "", Bytes(0), false, true));
    check("GET http://h HTTP/1.1\r\nHost: h\r\n\r\n", (Get, "/", "", Bytes(0), false, true));
    check("GET HTTPS://h/a?b HTTP/1.1\r\nHost: h\r\n\r\n", (Get, "/a", "b", Bytes(0), false, true));
    check("GET http://h?b HTTP/1.1\r\nHost: h\r\n\r\n", (Get, "/", "b", Bytes(0), false, true));
    check("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", (Other, "*", "", Bytes(0), false, true));
    check("get / HTTP/1.1\r\nHost: h\r\n\r\n", (Other, "/", "", Bytes(0), false, true));
    check("GET / HTTP/1.2\r\nHost: h\r\n\r\n", (Get, "/", "", Bytes(0), false, true));
    check("GET / HTTP/1.0\r\n\r\n", (Get, "/", "", Bytes(0), false, false));
    check(
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        (Get, "/", "", Bytes(0), false, false),
    );
    let framed = |lines: &str| format!("POST / HTTP/1.1\r\nHost: h\r\n{lines}\r\n\r\n");
    check(&framed("Connection: close"), (Post, "/", "", Bytes(0), false, false));
    check(&framed("connection: x , CLOSE"), (Post, "/", "", Bytes(0), false, false));
    check(&framed("Connection: closed"), (Post, "/", "", Bytes(0), false, true));
    check(&framed("Content-Length:\t007 "), (Post, "/", "", Bytes(7), false, true));
    check(
        &framed("Content-Length: 99999999999999999999"),
        (Post, "/", "", Bytes(u64::MAX), false, true),
    );
    check(&framed("TRANSFER-ENCODING: Chunked"), (Post, "/", "", Chunked, false, true));
    check(
        &framed("Content-Length: 1\r\nExpect: 100-Continue"),
        (Post, "/", "", Bytes(1), true, true),
    );
    check(&framed("Expect: 100-continue"), (Post, "/", "", Bytes(0), false, true));
    check(&framed("Content-Length: 1\r\nExpect: x"), (Post, "/", "", Bytes(1), false, true));
    check(&framed("X: \u{e4}\t\u{ff}"), (Post, "/", "", Bytes(0), false, true));
    check(&framed("X:"), (Post, "/", "", Bytes(0), false, true));
}

#[test]
fn incomplete() {
    for head in ["", "\r", "\r\n", "GET", "GET / HTTP/1.1\r\nHost: h\r\n", "GET / HTTP/1.1\r\n\r"] {
        assert_eq!(parse(head.as_bytes()), Ok(None), "{head:?}");
    }
}
