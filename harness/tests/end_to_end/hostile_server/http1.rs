//! What a server of HTTP/1.1 may do wrong.

use std::net::TcpListener;

use super::Act::{Close, Drip, Endless, Finish, Greet, Hold, Reset, Send, Unread};
use super::{
    Behaviour, FIRST, Mode, OK, REQUESTS, STRUCK, check, counts, fails, load, mismatch, serve,
    timeout,
};

const MODES: [Mode; 4] = [
    ("at once", "-c 1", false),
    ("closed loop", "-c 2", true),
    ("open loop, two threads", "-c 2 -t 2 -q 500 --warmup 0", true),
    ("connection per request, two threads", "-c 2 -t 2 --disable-keepalive", true),
];

/// A head with these lines, and `hello`.
fn head(lines: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\nhello")
}

/// A response with this status line.
fn first_line(line: &str) -> String {
    format!("{line}\r\nContent-Length: 5\r\n\r\nhello")
}

/// A head that announces chunks, and what comes behind it.
fn chunks(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
}

/// The first bytes of a response as it should be.
fn part(bytes: usize) -> String {
    OK[..bytes].to_owned()
}

fn line(
    name: &'static str,
    act: super::Act,
    first: &'static str,
    later: &'static str,
) -> Behaviour {
    Behaviour { name, act, first, later, options: "" }
}

fn run(behaviour: &Behaviour, &(_, mode, later): &Mode) -> Result<(), String> {
    if later && behaviour.later.is_empty() {
        return Ok(());
    }
    let addr = serve(behaviour.act.clone(), later);
    let timeout = timeout(behaviour.first, behaviour.later);
    let options = format!("-n {REQUESTS} {timeout} {mode} {}", behaviour.options);
    let ran = load(&addr, &options)?;
    match behaviour.first {
        first if !later && first.starts_with("ok") => counts(&ran, first, REQUESTS),
        _ if later => {
            counts(&ran, behaviour.later, STRUCK)?;
            let said = behaviour.first.split('|').any(|words| ran.stdout.contains(words));
            match behaviour.later == "malformed" && !said {
                true => Err(format!("it does not say `{}`: {}", behaviour.first, mismatch(&ran))),
                false => Ok(()),
            }
        }
        words => fails(&ran, words),
    }
}

#[test]
fn http1() {
    assert_eq!((FIRST, STRUCK), (2, (FIRST + REQUESTS) / 5));
    let behaviours = [ends(), status_lines(), fields(), lengths(), chunked(), connections()];
    let behaviours = behaviours.into_iter().flatten().collect::<Vec<_>>();
    assert!(behaviours.len() >= 109, "{}", behaviours.len());
    check(&behaviours, &MODES, |behaviour| behaviour.name, run);
}

/// Responses that end too early, or not at all.
fn ends() -> Vec<Behaviour> {
    let head = OK.len() - 5;
    vec![
        line("no response", Hold(String::new()), "no response from", "timeout"),
        line("closed without a response", Close(String::new()), "without a response", "reset"),
        line(
            "half closed without a response",
            Finish(String::new()),
            "without a response",
            "reset",
        ),
        line("reset without a response", Reset(String::new()), "reset by peer", "reset"),
        line("closed without reading", Unread, "", "reset"),
        line("silent after a letter", Hold(part(1)), "no response from", "timeout"),
        line("silent in the status line", Hold(part(10)), "no response from", "timeout"),
        line("silent after the status line", Hold(part(17)), "no response from", "timeout"),
        line("silent in a field", Hold(part(30)), "no response from", "timeout"),
        line(
            "silent before the last line feed",
            Hold(part(head - 1)),
            "no response from",
            "timeout",
        ),
        line("silent after the head", Hold(part(head)), "does not end", "timeout"),
        line("silent in the body", Hold(part(head + 4)), "does not end", "timeout"),
        line("closed after a letter", Close(part(1)), "after 0 bytes", "truncated"),
        line("closed in the status", Close(part(10)), "after 0 bytes", "truncated"),
        line("closed after the status line", Close(part(17)), "after 0 bytes", "truncated"),
        line("closed in a field's name", Close(part(20)), "after 0 bytes", "truncated"),
        line("closed in a field's value", Close(part(35)), "after 0 bytes", "truncated"),
        line(
            "closed before the last line feed",
            Close(part(head - 1)),
            "after 0 bytes",
            "truncated",
        ),
        line("closed after the head", Close(part(head)), "after 0 bytes", "truncated"),
        line("closed in the body", Close(part(head + 4)), "after 4 bytes", "truncated"),
        line("half closed in the head", Finish(part(30)), "after 0 bytes", "truncated"),
        line("half closed in the body", Finish(part(head + 1)), "after 1 bytes", "truncated"),
        line("reset in the head", Reset(part(30)), "reset by peer", "reset|truncated"),
        line("reset in the body", Reset(part(head + 3)), "reset by peer", "reset|truncated"),
        line("drops", Drip(OK.to_owned()), "no response from", "timeout"),
    ]
}

/// Status lines.
fn status_lines() -> Vec<Behaviour> {
    let status = |status: &str| Send(first_line(&format!("HTTP/1.1 {status}")));
    vec![
        line("HTTP/0.9", Close("hello".into()), "is malformed", "malformed"),
        line("HTTP/1.0", Send(first_line("HTTP/1.0 200 OK")), "ok", "ok"),
        line("HTTP/1.0, closed", Close(first_line("HTTP/1.0 200 OK")), "ok", "ok"),
        line("HTTP/1.2", Send(first_line("HTTP/1.2 200 OK")), "the version is not", "malformed"),
        line("HTTP/2.0", Send(first_line("HTTP/2.0 200 OK")), "the version is not", "malformed"),
        line("HTTP/9.9", Send(first_line("HTTP/9.9 200 OK")), "the version is not", "malformed"),
        line("small letters", Send(first_line("http/1.1 200 OK")), "is malformed", "malformed"),
        line("Icecast", Send(first_line("ICY 200 OK")), "is malformed", "malformed"),
        line("SSH", Hold("SSH-2.0-x\r\n".into()), "is malformed", "malformed"),
        line(
            "an alert of TLS",
            Close("\x15\x03\x01\0\x02\x02\x28".into()),
            "give an https:// URL|is malformed",
            "malformed",
        ),
        line(
            "SETTINGS of HTTP/2",
            Hold("\0\0\0\x04\0\0\0\0\0".into()),
            "add --http2|is malformed",
            "malformed",
        ),
        line("noise", Close("\u{ff}\u{fe}\0\x01\x02".repeat(99)), "is malformed", "malformed"),
        line("no reason phrase", status("200"), "ok", "ok"),
        line("two blanks", status(" 200 OK"), "ok", "ok"),
        line("bytes above ASCII in the reason", status("200 \u{fc}\u{ff}"), "ok", "ok"),
        line("a control byte in the reason", status("200 O\x01K"), "is malformed", "malformed"),
        line("an empty line before", Send(format!("\r\n{OK}")), "ok", "ok"),
        line("status of two digits", status("20 OK"), "status line", "malformed"),
        line("status of four digits", status("2000 OK"), "status line", "malformed"),
        line("a negative status", status("-200 OK"), "status line", "malformed"),
        line("status of letters", status("abc OK"), "status line", "malformed"),
        line("status 000", status("000 OK"), "the status is below 100", "malformed"),
        line("status 099", status("099 OK"), "the status is below 100", "malformed"),
        line("status 101", status("101 No"), "switched protocols", "malformed"),
        line(
            "status 100 alone",
            Hold("HTTP/1.1 100 Go\r\n\r\n".into()),
            "no response from",
            "timeout",
        ),
        line("status 100 before", Send(format!("HTTP/1.1 100 Go\r\n\r\n{OK}")), "ok", "ok"),
        line("status 199 before", Send(format!("HTTP/1.1 199 Go\r\nA: b\r\n\r\n{OK}")), "ok", "ok"),
        line(
            "100 without end",
            Endless(String::new(), "HTTP/1.1 100 Go\r\n\r\n".into()),
            "informational heads",
            "malformed",
        ),
        line("status 304", status("304 No"), "sends more than", "bad_status"),
        line("status 204 with a body", status("204 No"), "sends more than", "bad_status"),
        line("status 205", status("205 No"), "ok", "bad_status"),
        line("status 206", status("206 Part"), "ok", "bad_status"),
        line("status 302", status("302 No\r\nLocation: /x"), "it redirects to /x", "bad_status"),
        line("status 302 to nowhere", status("302 No"), "got 302", "bad_status"),
        line("status 401", status("401 No"), "got 401", "bad_status"),
        line("status 408", status("408 No"), "got 408", "bad_status"),
        line("status 417", status("417 No"), "got 417", "bad_status"),
        line("status 500", status("500 No"), "got 500", "bad_status"),
        line("status 600", status("600 No"), "got 600", "bad_status"),
        line("status 999", status("999 No"), "got 999", "bad_status"),
    ]
}

/// Header fields.
fn fields() -> Vec<Behaviour> {
    let with = |field: &str| Send(head(&format!("Content-Length: 5\r\n{field}")));
    let many = |n: usize| "A: b\r\n".repeat(n) + "A: b";
    vec![
        line("line feeds alone", Send(OK.replace("\r\n", "\n")), "ok", "ok"),
        line("carriage returns alone", Hold(OK.replace("\r\n", "\r")), "is malformed", "malformed"),
        line("a folded field", with("A: b\r\n c"), "ok", "ok"),
        line("a blank before the colon", with("A : b"), "ok", "ok"),
        line("a blank in a name", with("A B: c"), "a header name has", "malformed"),
        line("no colon", with("nonsense"), "a header name has", "malformed"),
        line("no name", with(": b"), "a header name has", "malformed"),
        line("a name above ASCII", with("\u{e4}: b"), "a header name has", "malformed"),
        line("NUL in a name", with("A\0: b"), "a header name has", "malformed"),
        line("NUL in a value", with("A: b\0"), "a header value has", "malformed"),
        line("a control byte in a value", with("A: b\x01"), "a header value has", "malformed"),
        line("a carriage return in a value", with("A: b\rc"), "is malformed", "malformed"),
        line("a tabulator in a value", with("A: b\tc"), "ok", "ok"),
        line("Latin-1 in a value", with("A: \u{e4}\u{ff}"), "ok", "ok"),
        line("no value", with("A:"), "ok", "ok"),
        line("many fields", with(&many(120)), "ok", "ok"),
        line("too many fields", with(&many(128)), "more than 128 header fields", "malformed"),
        line("a long field", with(&format!("A: {}", "b".repeat(60_000))), "ok", "ok"),
        line(
            "too long a field",
            with(&format!("A: {}", "b".repeat(70_000))),
            "longer than 64 KiB",
            "malformed",
        ),
        line(
            "a field without end",
            Endless(part(17), "x".into()),
            "longer than 64 KiB",
            "malformed",
        ),
        line(
            "a value without end",
            Endless(part(35), "x".into()),
            "longer than 64 KiB",
            "malformed",
        ),
        line(
            "fields without end",
            Endless(part(17), "A: b\r\n".into()),
            "more than 128 header fields",
            "malformed",
        ),
        line("an encoding that it has not", with("Content-Encoding: gzip"), "ok", "ok"),
        line("an upgrade", with("Upgrade: h2c\r\nConnection: upgrade"), "ok", "ok"),
        line("Expect", with("Expect: 100-continue"), "ok", "ok"),
    ]
}

/// Lengths of bodies.
fn lengths() -> Vec<Behaviour> {
    let length = |value: &str| head(&format!("Content-Length: {value}"));
    vec![
        line("too short a length", Send(length("4")), "sends more than", "wrong_body"),
        line("length 0", Send(length("0")), "sends more than", "wrong_body"),
        line("too long a length", Hold(length("6")), "does not end", "timeout"),
        line("too long a length, closed", Close(length("6")), "after 5 bytes", "truncated"),
        line("a negative length", Send(length("-5")), "Content-Length is no number", "malformed"),
        line(
            "a length with a sign",
            Send(length("+5")),
            "Content-Length is no number",
            "malformed",
        ),
        line(
            "a length of letters",
            Send(length("five")),
            "Content-Length is no number",
            "malformed",
        ),
        line(
            "a hexadecimal length",
            Send(length("0x5")),
            "Content-Length is no number",
            "malformed",
        ),
        line(
            "a length with a fraction",
            Send(length("5.0")),
            "Content-Length is no number",
            "malformed",
        ),
        line("an empty length", Send(length("")), "Content-Length is no number", "malformed"),
        line("a length with zeros", Send(length("00005")), "ok", "ok"),
        line("the longest length", Hold(length("18446744073709551615")), "does not end", "timeout"),
        line(
            "a length beyond",
            Send(length("18446744073709551616")),
            "Content-Length is no number",
            "malformed",
        ),
        line("length twice", Send(length("5\r\nContent-Length: 5")), "ok", "ok"),
        line("lengths in a list", Send(length("5, 5")), "ok", "ok"),
        line(
            "two lengths",
            Send(length("5\r\nContent-Length: 6")),
            "two values of Content-Length",
            "malformed",
        ),
        line(
            "two lengths in a list",
            Send(length("5, 6")),
            "two values of Content-Length",
            "malformed",
        ),
        line("a folded length", Send(length("\r\n 5")), "ok", "ok"),
        line("no length", Hold(head("A: b")), "does not end", "timeout"),
        line("no length, closed", Close(head("A: b")), "ok", "ok"),
        line("no length, half closed", Finish(head("A: b")), "ok", "ok"),
        line("no length, reset", Reset(head("A: b")), "reset by peer", "reset|truncated|ok"),
        line("another body", Send(OK.replace("hello", "jello")), "ok", "wrong_body"),
        line(
            "a shorter body",
            Send(OK.replace("5\r\n\r\nhello", "2\r\n\r\nhi")),
            "ok",
            "wrong_body",
        ),
        line("a body without end", Endless(head("A: b"), "x".into()), "does not end", "wrong_body"),
        line("a byte too many", Send(OK.to_owned() + "!"), "sends more than", "unsolicited_bytes"),
        line("two responses", Send(OK.repeat(2)), "sends more than", "unsolicited_bytes"),
        // The first may be read before the others come: it is as expected then, and they are not.
        line(
            "responses without end",
            Endless(OK.to_owned(), OK.to_owned()),
            "sends more than",
            "unsolicited_bytes|ok",
        ),
        Behaviour {
            options: "-m HEAD",
            ..line("HEAD with a body", Send(OK.to_owned()), "sends more than", "")
        },
    ]
}

/// Chunks.
fn chunked() -> Vec<Behaviour> {
    let coding = |value: &str| {
        Send(
            head(&format!("Transfer-Encoding: {value}"))
                .replace("hello", "5\r\nhello\r\n0\r\n\r\n"),
        )
    };
    let size = |size: &str| Send(chunks(&format!("{size}\r\nhello\r\n0\r\n\r\n")));
    vec![
        line("chunks", size("5"), "ok", "ok"),
        line(
            "chunks of a byte",
            Send(chunks("1\r\nh\r\n1\r\ne\r\n1\r\nl\r\n1\r\nl\r\n1\r\no\r\n0\r\n\r\n")),
            "ok",
            "ok",
        ),
        line("chunks and a length", coding("chunked\r\nContent-Length: 9"), "ok", "ok"),
        line("capital letters", coding("CHUNKED"), "ok", "ok"),
        line(
            "chunked twice",
            coding("chunked, chunked"),
            "a Transfer-Encoding other than chunked",
            "malformed",
        ),
        line(
            "two codings",
            coding("gzip, chunked"),
            "a Transfer-Encoding other than chunked",
            "malformed",
        ),
        line(
            "two fields",
            coding("chunked\r\nTransfer-Encoding: chunked"),
            "a Transfer-Encoding other than chunked",
            "malformed",
        ),
        line("identity", coding("identity"), "a Transfer-Encoding other than chunked", "malformed"),
        line("no coding", coding(""), "a Transfer-Encoding other than chunked", "malformed"),
        line("an extension", size("5;a=b"), "ok", "ok"),
        line("a blank behind a size", size("5 "), "ok", "ok"),
        line("a blank before a size", size(" 5"), "no hexadecimal number", "malformed"),
        line("a size with zeros", size("00005"), "ok", "ok"),
        line("a size of letters", size("xyz"), "no hexadecimal number", "malformed"),
        line("a size with 0x", size("0x5"), "no hexadecimal number", "malformed"),
        line("a negative size", size("-5"), "no hexadecimal number", "malformed"),
        line("an empty size", size(""), "no hexadecimal number", "malformed"),
        line("a size beyond", size("fffffffffffffffff"), "no hexadecimal number", "malformed"),
        line(
            "a size of terabytes",
            Hold(chunks("fffffffffff\r\nhello")),
            "does not end",
            "timeout",
        ),
        line("a size and a line feed", Hold(chunks("5\nhello\n0\n\n")), "does not end", "timeout"),
        line("too small a size", size("4"), "a chunk is longer than it says", "malformed"),
        line(
            "too large a size",
            Hold(chunks("6\r\nhello\r\n0\r\n\r\n")),
            "a chunk is longer",
            "malformed",
        ),
        line(
            "no line behind a chunk",
            Send(chunks("5\r\nhello0\r\n\r\n")),
            "a chunk is longer",
            "malformed",
        ),
        line("no last chunk", Hold(chunks("5\r\nhello\r\n")), "does not end", "timeout"),
        line(
            "no last chunk, closed",
            Close(chunks("5\r\nhello\r\n")),
            "after 5 bytes",
            "truncated",
        ),
        line("no last line", Hold(chunks("5\r\nhello\r\n0\r\n")), "does not end", "timeout"),
        line("closed in a size", Close(chunks("5")), "after 0 bytes", "truncated"),
        line("closed in a chunk", Close(chunks("5\r\nhel")), "after 3 bytes", "truncated"),
        line(
            "a chunk too many",
            Send(chunks("5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n")),
            "ok",
            "wrong_body",
        ),
        line("trailers", Send(chunks("5\r\nhello\r\n0\r\nA: b\r\n\r\n")), "ok", "ok"),
        line(
            "trailers without end",
            Endless(chunks("5\r\nhello\r\n0\r\n"), "A: b\r\n".into()),
            "too long",
            "malformed",
        ),
        line(
            "an extension without end",
            Endless(chunks("5;"), "x".into()),
            "too long",
            "malformed",
        ),
        line("zeros without end", Endless(chunks(""), "0".into()), "too long", "malformed"),
        line(
            "chunks without end",
            Endless(chunks(""), "5\r\nhello\r\n".into()),
            "does not end",
            "wrong_body",
        ),
        line(
            "empty chunks",
            Endless(chunks(""), "0\r\n\r\n".into()),
            "sends more than",
            "wrong_body",
        ),
        line(
            "behind the last chunk",
            Send(chunks("5\r\nhello\r\n0\r\n\r\n!")),
            "sends more than",
            "unsolicited_bytes",
        ),
        line(
            "drops of chunks",
            Drip(chunks("1\r\nx\r\n").repeat(9)),
            "no response from",
            "timeout",
        ),
    ]
}

/// What becomes of the connection.
fn connections() -> Vec<Behaviour> {
    let with = |value: &str| head(&format!("Content-Length: 5\r\nConnection: {value}"));
    vec![
        line("close, and closed", Close(with("close")), "ok", "ok"),
        line("close, and left open", Hold(with("close")), "ok", "ok"),
        line("close, and more requests", Send(with("close")), "ok", "ok"),
        line("close in a list", Close(with("x, Close")), "ok", "ok"),
        line("close and keep-alive", Close(with("keep-alive, close")), "ok", "ok"),
        line("keep-alive, and closed", Close(with("keep-alive")), "ok|reset", "ok|reset"),
        line("keep-alive, and reset", Reset(with("keep-alive")), "ok|reset", "ok|reset"),
        line("keep-alive, and half closed", Finish(with("keep-alive")), "ok|reset", "ok|reset"),
        line("an unknown option", Send(with("x")), "ok", "ok"),
        line("closed without a word", Close(OK.to_owned()), "ok|reset", "ok|reset"),
        line(
            "HTTP/1.0 that stays",
            Send(first_line("HTTP/1.0 200 OK\r\nConnection: keep-alive")),
            "ok",
            "ok",
        ),
        line(
            "408 behind a response",
            Close(format!("{OK}HTTP/1.1 408 No\r\nConnection: close\r\n\r\n")),
            "sends more than",
            "unsolicited_bytes",
        ),
        line(
            "a greeting",
            Greet("220 welcome\r\n".into()),
            "sends before anything was requested|220 welcome",
            "",
        ),
        line(
            "a response before the request",
            Greet(OK.to_owned()),
            "sends before anything was requested",
            "",
        ),
        line(
            "SETTINGS before the request",
            Greet("\0\0\0\x04\0\0\0\0\0".into()),
            "add --http2",
            "",
        ),
    ]
}

/// A request that is longer than what the systems in between take up has a timeout, too.
#[test]
fn a_server_that_does_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let body = folder.path().join("body");
    std::fs::write(&body, vec![b'x'; 12 << 20]).unwrap();
    // Its system takes connections for it.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let ran = load(&addr, &format!("-n 4 --timeout 300ms --body-file {}", body.display())).unwrap();
    assert_eq!(fails(&ran, "no response from"), Ok(()));
}
