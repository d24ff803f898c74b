//! Every response here is also fed byte by byte: the parser must not change its mind.

use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n";

/// What a case expects of a response: status, body, persistent, bytes behind it.
type Expected = Result<(u16, &'static str, bool, usize), &'static str>;

fn outcome(bytes: &[u8], head: bool, closed: bool) -> Option<Result<Response<'_>, Malformed>> {
    parse(bytes, head, closed).transpose()
}

/// Parses `bytes` whole, and every beginning of them.
fn check(name: &str, bytes: &str, head: bool, closed: bool, expected: &Expected) {
    let bytes = bytes.as_bytes();
    let whole = outcome(bytes, head, closed).unwrap_or_else(|| panic!("{name}: incomplete"));
    let got = whole.as_ref().map_err(|malformed| malformed.0).map(|a| {
        let body = str::from_utf8(&a.body).expect("the bodies of the cases are text");
        (a.status, body.to_owned(), a.persistent, bytes.len() - a.len)
    });
    let want = expected
        .map(|(status, body, persistent, behind)| (status, body.to_owned(), persistent, behind));
    assert_eq!(got, want, "{name}");

    for end in 0..bytes.len() {
        match (outcome(&bytes[..end], head, false), &whole) {
            (None, _) => {}
            (Some(Ok(early)), Ok(whole)) => {
                assert_eq!(&early, whole, "{name}, {end} bytes");
                assert!(end >= whole.len, "{name}: complete after {end} bytes");
            }
            (Some(Err(_)), Err(_)) => {}
            (Some(early), _) => panic!("{name}: {early:?} after {end} bytes, then {whole:?}"),
        }
    }
}

#[test]
fn framings() {
    let chunked = format!("{OK}Transfer-Encoding: chunked\r\n\r\n");
    let cases: [(&str, String, Expected); 21] = [
        ("length", format!("{OK}Content-Length: 2\r\n\r\nhi"), Ok((200, "hi", true, 0))),
        ("length zero", format!("{OK}content-length:0\r\n\r\n"), Ok((200, "", true, 0))),
        ("excess", format!("{OK}Content-Length: 2\r\n\r\nhi!!"), Ok((200, "hi", true, 2))),
        (
            "length twice, equal",
            format!("{OK}Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi"),
            Ok((200, "hi", true, 0)),
        ),
        ("a list of equal lengths", format!("{OK}Content-Length: 2, 2\r\n\r\nhi"), {
            Ok((200, "hi", true, 0))
        }),
        (
            "chunks count where there is a length, too",
            format!("{CHUNKED}Content-Length: 9\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
            Ok((200, "x", true, 0)),
        ),
        ("a blank before the colon", format!("{OK}Content-Length : 2\r\n\r\nhi"), {
            Ok((200, "hi", true, 0))
        }),
        ("a folded line", format!("{OK}A: b\r\n c\r\nContent-Length: 2\r\n\r\nhi"), {
            Ok((200, "hi", true, 0))
        }),
        ("Latin-1", "HTTP/1.1 200  OK\r\nA: \u{e9}\r\nContent-Length: 0\r\n\r\n".into(), {
            Ok((200, "", true, 0))
        }),
        ("no reason", "HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n".into(), Ok((404, "", true, 0))),
        ("chunks", format!("{chunked}2\r\nhi\r\n1\r\n!\r\n0\r\n\r\n"), Ok((200, "hi!", true, 0))),
        ("chunk in upper case", format!("{chunked}A\r\n0123456789\r\n0\r\n\r\n"), {
            Ok((200, "0123456789", true, 0))
        }),
        ("no chunks", format!("{chunked}0\r\n\r\n"), Ok((200, "", true, 0))),
        (
            "chunks with extensions",
            format!("{chunked}2;a=b\r\nhi\r\n0 ;c\r\n\r\n"),
            Ok((200, "hi", true, 0)),
        ),
        (
            "chunks with trailers, then excess",
            format!("{chunked}2\r\nhi\r\n00\r\nA: b\r\nC: d\r\n\r\nHTTP"),
            Ok((200, "hi", true, 4)),
        ),
        ("CRLF in a chunk", format!("{chunked}4\r\n\r\n\r\n\r\n0\r\n\r\n"), {
            Ok((200, "\r\n\r\n", true, 0))
        }),
        (
            "204 has no body",
            "HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\nX".into(),
            Ok((204, "", true, 1)),
        ),
        ("304 has no body", "HTTP/1.1 304 Not Modified\r\n\r\n".into(), Ok((304, "", true, 0))),
        (
            "1xx come before",
            format!(
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n\
                 {OK}Content-Length: 1\r\n\r\nx"
            ),
            Ok((200, "x", true, 0)),
        ),
        (
            "connection: close",
            format!("{OK}Content-Length: 2\r\nConnection: foo, Close\r\n\r\nhi"),
            Ok((200, "hi", false, 0)),
        ),
        (
            "HTTP/1.0 with keep-alive",
            "HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\nx".into(),
            Ok((200, "x", true, 0)),
        ),
    ];
    for (name, bytes, expected) in cases {
        check(name, &bytes, false, false, &expected);
    }
    let http_1_0 = "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx";
    check("HTTP/1.0", http_1_0, false, false, &Ok((200, "x", false, 0)));
    let head = format!("{OK}Content-Length: 25\r\n\r\n");
    check("HEAD", &head, true, false, &Ok((200, "", true, 0)));
}

#[test]
fn the_close_as_an_end() {
    let bytes = format!("{OK}Content-Type: text/html\r\n\r\nHello");
    check("until close", &bytes, false, true, &Ok((200, "Hello", false, 0)));
    for end in 0..bytes.len() {
        assert_eq!(parse(&bytes.as_bytes()[..end], false, false), Ok(None), "{end} bytes");
    }
    let cut_off = [
        format!("{OK}Content-Length: 3\r\n\r\nhi"),
        format!("{OK}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n"),
        format!("{OK}Content-Le"),
        String::new(),
    ];
    for bytes in cut_off {
        assert_eq!(parse(bytes.as_bytes(), false, true), Ok(None), "{bytes:?}");
    }
}

#[test]
fn malformed() {
    let chunked = format!("{OK}Transfer-Encoding: chunked\r\n\r\n");
    let hexadecimal = "a chunk size is no hexadecimal number";
    let cases = [
        ("SSH-2.0-OpenSSH\r\n".into(), "the version is not HTTP/1.x"),
        ("HTTP/2 200\r\n\r\n".into(), "the version is not HTTP/1.x"),
        ("HTTP/1.1 20x OK\r\n\r\n".into(), "the status line is malformed"),
        ("HTTP/1.1 099 OK\r\n\r\n".into(), "the status is below 100"),
        (
            "HTTP/1.1 101 Switching Protocols\r\n\r\n".into(),
            "the server switched protocols unsolicited",
        ),
        (format!("{OK}a b: c\r\n\r\n"), "a header name has a character that names cannot have"),
        (format!("{OK}Content-Length: +1\r\n\r\n"), "Content-Length is no number"),
        (format!("{OK}Content-Length: \r\n\r\n"), "Content-Length is no number"),
        (
            format!("{}{OK}", "HTTP/1.1 100 Continue\r\n\r\n".repeat(3000)),
            "informational heads take more than 64 KiB",
        ),
        (
            format!("{OK}Content-Length: 99999999999999999999999\r\n\r\n"),
            "Content-Length is no number",
        ),
        (
            format!("{OK}Content-Length: 1\r\nContent-Length: 2\r\n\r\n"),
            "two values of Content-Length",
        ),
        (
            format!("{OK}Transfer-Encoding: gzip, chunked\r\n\r\n"),
            "a Transfer-Encoding other than chunked",
        ),
        (format!("{chunked}x\r\n"), hexadecimal),
        (format!("{chunked}\r\n"), hexadecimal),
        (format!("{chunked}1000000000000000\r\n"), hexadecimal),
        (format!("{chunked}1\r\nab\r\n"), "a chunk is longer than it says"),
        (format!("{chunked}{}", "0".repeat(5000)), "a line of a chunked body is too long"),
        (
            format!("{chunked}0\r\n{}", "A: b\r\n".repeat(20_000)),
            "a line of a chunked body is too long",
        ),
        (format!("{OK}{}\r\n", "A: b\r\n".repeat(129)), "more than 128 header fields"),
        (
            format!("{OK}A: {}\r\n\r\n", "b".repeat(HEAD_BYTES_MAX)),
            "the head is longer than 64 KiB",
        ),
    ];
    for (bytes, expected) in cases {
        let got = parse(bytes.as_bytes(), false, false);
        let start = &bytes[..bytes.len().min(100)];
        assert_eq!(got, Err(Malformed(expected)), "{start:?}");
        if bytes.len() < 1000 {
            check(start, &bytes, false, false, &Err(expected));
        }
    }
}

#[test]
fn a_long_head_that_is_allowed() {
    let value = "b".repeat(HEAD_BYTES_MAX - 100);
    let bytes = format!("{OK}A: {value}\r\nContent-Length: 0\r\n\r\n");
    let response = parse(bytes.as_bytes(), false, false);
    assert_eq!(response.map(|a| a.map(|a| a.len)), Ok(Some(bytes.len())));
}

#[test]
fn what_is_found_in_the_head() {
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    let bytes =
        format!("{OK}Content-TYPE:  text/plain \r\ndate: {date}\r\nContent-Length: 0\r\n\r\n");
    let Ok(Some(response)) = parse(bytes.as_bytes(), false, false) else { panic!("no response") };
    assert_eq!(response.content_type, Some(&b"text/plain"[..]));
    assert_eq!(response.date.map(|range| &bytes[range]), Some(date));
}

/// Random changes of an ok response: whatever the parser says of the whole, it must not have said
/// something else of a beginning, and it must not panic.
#[test]
fn splitting_never_matters() {
    let seeds = [
        format!("{OK}Content-Length: 5\r\nDate: x\r\n\r\nhello"),
        format!("{OK}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\nA: b\r\n\r\n"),
    ];
    let mut state = 1_u64;
    let mut random = move |n: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    for round in 0..3000 {
        let mut bytes = seeds[round % 2].clone().into_bytes();
        for _ in 0..=random(3) {
            let at = random(bytes.len());
            match random(3) {
                0 => bytes[at] = b"\r\n 0:;x\xff"[random(8)],
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, b"\r\n 0:;x\xff"[random(8)]),
            }
        }
        let mut decided = None;
        for end in 0..=bytes.len() {
            let now = outcome(&bytes[..end], false, false);
            let text = bytes[..end].escape_ascii();
            match (&decided, &now) {
                (Some(Ok(before)), Some(Ok(now))) => assert_eq!(before, now, "{text}"),
                (Some(Ok(_)), _) => panic!("a response came and went: {text}"),
                (Some(Err(_)), Some(Err(_))) | (None, _) => {}
                (Some(Err(_)), _) => panic!("an error came and went: {text}"),
            }
            decided = now;
        }
    }
}
