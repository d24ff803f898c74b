//! What becomes of a stream: frames in the wrong place, header fields, bodies.

use super::super::Act;
use super::super::frames::{
    ACK, END_HEADERS, END_STREAM, PADDED, PRIORITY, code, data, field, frame, headers, ok, setting,
    trailers,
};
use super::{Behaviour, line};

/// Frames on streams and in an order that they do not belong to.
pub(super) fn streams() -> Vec<Behaviour> {
    use Act::{Hold, Send};
    let end = |id, body: &str| frame(0, END_STREAM, id, body);
    vec![
        line("DATA before HEADERS", move |id| Send(end(id, "hello")), "keep", "malformed"),
        line("HEADERS twice", |id| Send(headers(id, "\u{88}") + &ok(id)), "keep", "malformed"),
        line("a stream of the server", |_| Send(headers(2, "\u{88}")), "keep", "malformed"),
        line(
            "a stream that is not open",
            |id| Send(headers(id + 2, "\u{88}")),
            "keep",
            "malformed",
        ),
        line(
            "DATA on a stream that is not open",
            move |id| Send(end(id + 2, "x")),
            "keep",
            "malformed",
        ),
        line("DATA on stream 0", move |_| Send(end(0, "x")), "keep", "malformed"),
        line("DATA behind the end", |id| Send(ok(id) + &data(id, "x")), "ok", "ok"),
        line("HEADERS behind the end", |id| Send(ok(id) + &headers(id, "\u{88}")), "ok", "ok"),
        line(
            "PUSH_PROMISE",
            |id| Send(frame(5, END_HEADERS, id, "\0\0\0\x02\u{88}")),
            "keep",
            "malformed",
        ),
        line(
            "WINDOW_UPDATE of nothing",
            |id| Send(frame(8, 0, id, "\0\0\0\0") + &ok(id)),
            "",
            "malformed",
        ),
        line(
            "WINDOW_UPDATE of too much",
            |id| Send(frame(8, 0, id, "\x7f\u{ff}\u{ff}\u{ff}") + &ok(id)),
            "ok",
            "ok",
        ),
        line("WINDOW_UPDATE", |id| Send(frame(8, 0, id, "\0\0\0\x01") + &ok(id)), "ok", "ok"),
        line("PING and a response", |id| Send(frame(6, 0, 0, "xxxxxxxx") + &ok(id)), "ok", "ok"),
        line("PING not asked for", |id| Send(frame(6, ACK, 0, "xxxxxxxx") + &ok(id)), "ok", "ok"),
        line("SETTINGS and a response", |id| Send(setting("") + &ok(id)), "ok", "ok"),
        line("no streams any more", |id| Send(setting("\0\x03\0\0\0\0") + &ok(id)), "", "*"),
        line(
            "an acknowledgement not asked for",
            |id| Send(frame(4, ACK, 0, "") + &ok(id)),
            "",
            "*",
        ),
        line(
            "PRIORITY of itself",
            |id| Send(frame(2, 0, id, &(code(id) + "\0")) + &ok(id)),
            "",
            "*",
        ),
        line("a frame of an unknown kind", |id| Send(frame(99, 0, id, "x") + &ok(id)), "ok", "ok"),
        line("no CONTINUATION", |id| Hold(frame(1, 0, id, "\u{88}")), "no response from", "*"),
        line(
            "DATA in place of CONTINUATION",
            move |id| Send(frame(1, 0, id, "\u{88}") + &end(id, "hello")),
            "keep",
            "malformed",
        ),
        line(
            "CONTINUATION of another stream",
            |id| Send(frame(1, 0, id, "\u{88}") + &frame(9, END_HEADERS, id + 2, "")),
            "keep",
            "malformed",
        ),
        line(
            "CONTINUATION",
            move |id| {
                Send(frame(1, 0, id, "") + &frame(9, END_HEADERS, id, "\u{88}") + &end(id, "hello"))
            },
            "ok",
            "ok",
        ),
        line(
            "CONTINUATION without end",
            |id| Act::Endless(frame(1, 0, id, "\u{88}"), frame(9, 0, id, &field("a", "b"))),
            "",
            "malformed|goaway|reset",
        ),
        line(
            "empty CONTINUATION without end",
            |id| Act::Endless(frame(1, 0, id, "\u{88}"), frame(9, 0, id, "")),
            "",
            "malformed|goaway|reset",
        ),
        line(
            "padding",
            |id| {
                Send(
                    frame(1, END_HEADERS | PADDED, id, "\x02\u{88}\0\0")
                        + &frame(0, END_STREAM | PADDED, id, "\x03hello\0\0\0"),
                )
            },
            "ok",
            "ok",
        ),
        line(
            "padding beyond HEADERS",
            |id| Send(frame(1, END_HEADERS | PADDED, id, "\x09\u{88}\0\0")),
            "keep",
            "malformed",
        ),
        line(
            "padding beyond DATA",
            |id| Send(headers(id, "\u{88}") + &frame(0, END_STREAM | PADDED, id, "\x09hello")),
            "keep",
            "malformed",
        ),
        line(
            "HEADERS with a priority",
            move |id| {
                Send(frame(1, END_HEADERS | PRIORITY, id, "\0\0\0\0\0\u{88}") + &end(id, "hello"))
            },
            "ok",
            "ok",
        ),
        line(
            "DATA that is too long",
            |id| Send(headers(id, "\u{88}") + &data(id, &"x".repeat(16_385))),
            "keep",
            "malformed",
        ),
        line("an empty HEADERS", |id| Send(headers(id, "")), "", "malformed"),
    ]
}

/// Fields that are compressed wrongly (RFC 7541).
pub(super) fn hpack() -> Vec<Behaviour> {
    let cases = [
        ("index 0", "\u{80}"),
        ("an index beyond the table", "\u{fe}"),
        ("an index without end", "\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}"),
        ("half an index", "\u{ff}"),
        ("a table that is too large", "\x3f\u{ff}\u{ff}\u{ff}\x07\u{88}"),
        ("a table changed behind a field", "\u{88}\x20"),
        ("a string beyond the end", "\u{88}\0\x01a\x7fb"),
        ("a name beyond the end", "\u{88}\0\x7fa"),
        ("a string of wrong Huffman codes", "\u{88}\0\x01a\u{84}\u{ff}\u{ff}\u{ff}\u{ff}"),
        ("a length without end", "\u{88}\0\x01a\x7f\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}"),
    ];
    let all = cases.map(|(name, block)| {
        line(name, move |id| Act::Send(headers(id, block)), "keep", "malformed")
    });
    all.into()
}

/// Fields that no response has.
pub(super) fn fields() -> Vec<Behaviour> {
    let with = |name: &'static str, more: String, first, later| {
        let block = "\u{88}".to_owned() + &more;
        line(
            name,
            move |id| Act::Send(headers(id, &block) + &frame(0, END_STREAM, id, "hello")),
            first,
            later,
        )
    };
    let alone = |name: &'static str, block: String, first, later| {
        line(
            name,
            move |id| Act::Send(headers(id, &block) + &frame(0, END_STREAM, id, "hello")),
            first,
            later,
        )
    };
    let status = |status: &str| format!("\x08{}{status}", char::from(status.len() as u8));
    vec![
        alone("no status", field("a", "b"), "", "malformed"),
        with("status twice", status("200"), "", "malformed"),
        alone("a status of letters", status("abc"), "", "malformed"),
        alone("a status of one digit", status("2"), "", "malformed"),
        alone("a status of four digits", status("2000"), "", "malformed"),
        alone("status 099", status("099"), "", "malformed"),
        alone("an empty status", status(""), "", "malformed"),
        alone("status 500", status("500"), "got 500", "bad_status"),
        alone("status 999", status("999"), "got 999", "bad_status"),
        alone("status 302", status("302"), "got 302", "bad_status"),
        alone("status 204 with a body", status("204"), "ok", "bad_status"),
        alone("status 304 with a body", status("304"), "", "bad_status"),
        alone("status 101", status("101"), "", "malformed|bad_status"),
        line(
            "status 100 alone",
            move |id| Act::Send(headers(id, &status("100"))),
            "no response from",
            "timeout",
        ),
        line(
            "status 103 before",
            move |id| Act::Send(headers(id, &status("103")) + &ok(id)),
            "ok",
            "ok",
        ),
        line(
            "status 103 without end",
            move |id| Act::Endless(String::new(), headers(id, &status("103"))),
            "",
            "*",
        ),
        line(
            "status 103 that ends",
            move |id| Act::Send(frame(1, END_HEADERS | END_STREAM, id, &status("103"))),
            "",
            "malformed",
        ),
        with("a pseudo-field of requests", field(":path", "/"), "ok", "ok"),
        with("an unknown pseudo-field", field(":x", "y"), "", "malformed"),
        alone("a pseudo-field behind others", field("a", "b") + "\u{88}", "", "malformed"),
        with("capital letters", field("A", "b"), "", "malformed"),
        with("a blank in a name", field("a b", "c"), "", "malformed"),
        with("no name", field("", "c"), "", "malformed"),
        with("NUL in a value", field("a", "\0"), "", "malformed"),
        with("a line feed in a value", field("a", "b\r\nc: d"), "", "malformed"),
        with("Connection", field("connection", "close"), "", "malformed"),
        with("Transfer-Encoding", field("transfer-encoding", "chunked"), "", "malformed"),
        with("many fields", field("a", "b").repeat(500), "ok", "ok"),
        with("too many fields", field("a", &"b".repeat(120)).repeat(125), "ok", "ok"),
        line(
            "too long a list of fields",
            |id| {
                let more = frame(9, 0, id, &field("a", &"b".repeat(120)).repeat(125));
                Act::Send(
                    frame(1, 0, id, "\u{88}") + &more.repeat(6) + &frame(9, END_HEADERS, id, ""),
                )
            },
            "",
            "malformed|reset",
        ),
        line(
            "trailers",
            |id| {
                Act::Send(
                    headers(id, "\u{88}") + &data(id, "hello") + &trailers(id, &field("a", "b")),
                )
            },
            "ok",
            "ok",
        ),
        line(
            "trailers with a status",
            |id| Act::Send(headers(id, "\u{88}") + &data(id, "hello") + &trailers(id, "\u{88}")),
            "ok",
            "ok",
        ),
        line(
            "trailers that do not end",
            |id| {
                Act::Send(
                    headers(id, "\u{88}") + &data(id, "hello") + &headers(id, &field("a", "b")),
                )
            },
            "",
            "malformed",
        ),
    ]
}

/// Bodies.
pub(super) fn bodies() -> Vec<Behaviour> {
    use Act::{Close, Endless, Send};
    let with = |id, length: &str, body: &str| {
        headers(id, &("\u{88}".to_owned() + &field("content-length", length)))
            + &frame(0, END_STREAM, id, body)
    };
    vec![
        line("too long a length", move |id| Send(with(id, "6", "hello")), "", "malformed"),
        line("too short a length", move |id| Send(with(id, "4", "hello")), "", "malformed"),
        line("a length of letters", move |id| Send(with(id, "five", "hello")), "", "malformed"),
        line("a negative length", move |id| Send(with(id, "-5", "hello")), "", "malformed"),
        line(
            "no end",
            |id| Send(headers(id, "\u{88}") + &data(id, "hello")),
            "no response from",
            "timeout",
        ),
        line(
            "no end, closed",
            |id| Close(headers(id, "\u{88}") + &data(id, "hello")),
            "",
            "truncated",
        ),
        line(
            "no body, and no end",
            |id| Send(headers(id, "\u{88}")),
            "no response from",
            "timeout",
        ),
        line(
            "the end alone",
            |id| Send(headers(id, "\u{88}") + &data(id, "hello") + &frame(0, END_STREAM, id, "")),
            "ok",
            "ok",
        ),
        line(
            "another body",
            |id| Send(headers(id, "\u{88}") + &frame(0, END_STREAM, id, "jello")),
            "ok",
            "wrong_body",
        ),
        line(
            "no body",
            |id| Send(frame(1, END_HEADERS | END_STREAM, id, "\u{88}")),
            "ok",
            "wrong_body",
        ),
        line(
            "a body without end",
            |id| Endless(headers(id, "\u{88}"), data(id, &"x".repeat(9_999))),
            "no response from",
            "*",
        ),
        line(
            "empty DATA without end",
            |id| Endless(headers(id, "\u{88}"), data(id, "")),
            "",
            "timeout|malformed",
        ),
        line("drops", |id| Act::Drip(ok(id)), "no response from", "*"),
    ]
}
