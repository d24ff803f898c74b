//! Whole conversations in memory: bytes in, bytes out.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::time::Duration;

use rust_server::http::{Limits, Presence, Transport, converse};
use rust_server::routes;
use rust_server::timeouts::Timeouts;

use crate::client::Answers;
use crate::random::Random;

/// A client that sends some parts, one for each read, and then nothing more.
struct Script {
    parts: VecDeque<Vec<u8>>,
    output: Vec<u8>,
    reads: usize,
    writes: usize,
    /// Bytes that one write takes.
    write_max: usize,
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        let Some(part) = self.parts.front_mut() else { return Ok(0) };
        let length = part.len().min(buffer.len());
        buffer[..length].copy_from_slice(&part[..length]);
        part.drain(..length);
        if part.is_empty() {
            self.parts.pop_front();
        }
        Ok(length)
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writes += 1;
        let length = bytes.len().min(self.write_max);
        self.output.extend_from_slice(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for Script {
    fn finish(&mut self, _: Duration) -> io::Result<()> {
        Ok(())
    }
}

fn limits() -> Limits {
    Limits { head_bytes: 2_000, body_bytes: 1_000, ..Limits::new(Timeouts::CONTRACT) }
}

fn run<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Script {
    let parts = parts.into_iter().filter(|part| !part.is_empty()).map(<[u8]>::to_vec).collect();
    let mut script =
        Script { parts, output: Vec::new(), reads: 0, writes: 0, write_max: usize::MAX };
    let presence = Presence::default();
    converse(&mut script, &limits(), &presence, routes::respond);
    script
}

/// The statuses of the answers, and the last of the bodies.
fn outcome(output: &[u8]) -> (Vec<u16>, String) {
    let answers: Vec<_> = Answers::of(output).collect();
    let body = answers.last().map(|answer| answer.body.clone()).unwrap_or_default();
    (answers.iter().map(|answer| answer.status).collect(), body)
}

const HELLO: &str = "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n";

fn post(lines: &str, body: &str) -> String {
    format!("POST /sum?a=1&b=2 HTTP/1.1\r\nHost: h\r\n{lines}\r\n\r\n{body}")
}

fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked", body)
}

#[test]
fn bodies() {
    /// The status of the request; another one follows it if the connection lives on.
    #[track_caller]
    fn check(request: &str, status: u16, text: &str) {
        let input = format!("{request}{HELLO}");
        let (statuses, last) = outcome(&run([input.as_bytes()]).output);
        if status == 200 {
            let (alone, body) = outcome(&run([request.as_bytes()]).output);
            assert_eq!((alone, body.as_str()), (vec![200], text), "{request:?}");
            assert_eq!(statuses, [200, 200], "{request:?}");
        } else {
            assert_eq!((statuses, last.as_str()), (vec![status], text), "{request:?}");
        }
    }
    const WRONG: &str = r#"{"error":"bad request"}"#;
    const LARGE: &str = r#"{"error":"payload too large"}"#;
    check(&post("Content-Length: 2", "39"), 200, "42");
    check(&chunked("2\r\n39\r\n0\r\n\r\n"), 200, "42");
    check(&chunked("1\r\n3\r\n01\r\n9\r\n000\r\n\r\n"), 200, "42");
    check(&chunked("2;a=b;c=\"d\"\r\n39\r\n0;e\r\n\r\n"), 200, "42");
    check(&chunked("2 \t;a\r\n39\r\n0\r\n\r\n"), 200, "42");
    check(&chunked("2\r\n39\r\n0\r\nX: y\r\nZ:\r\n\r\n"), 200, "42");
    check(&chunked("0000000000000002\r\n39\r\n0\r\n\r\n"), 200, "42");
    check(&chunked("\r\n"), 400, WRONG);
    check(&chunked(";a\r\n"), 400, WRONG);
    check(&chunked("x\r\n"), 400, WRONG);
    check(&chunked("-1\r\n"), 400, WRONG);
    check(&chunked("+1\r\n"), 400, WRONG);
    check(&chunked("0x1\r\n"), 400, WRONG);
    check(&chunked(" 1\r\n"), 400, WRONG);
    check(&chunked("1 \r\n"), 400, WRONG);
    check(&chunked("1 1\r\n"), 400, WRONG);
    check(&chunked("1\n3\r\n0\r\n\r\n"), 400, WRONG);
    check(&chunked("1\r3\r\n0\r\n\r\n"), 400, WRONG);
    check(&chunked("1;\0\r\n"), 400, WRONG);
    check(&chunked("1;a\n"), 400, WRONG);
    check(&chunked("1\r\n39\r\n0\r\n\r\n"), 400, WRONG);
    check(&chunked("1\r\n3\n"), 400, WRONG);
    check(&chunked("1\r\n3\r0"), 400, WRONG);
    check(&chunked("0\r\n x\r\n\r\n"), 400, WRONG);
    check(&chunked("0\r\n:\r\n\r\n"), 400, WRONG);
    check(&chunked("0\r\n\n"), 400, WRONG);
    check(&chunked("0\r\nX\n"), 400, WRONG);
    check(&chunked("0\r\n\rx"), 400, WRONG);
    check(&chunked("00000000000000002\r\n"), 400, WRONG);
    check(&chunked("3e9\r\n"), 413, LARGE);
    check(&chunked("ffffffffffffffff\r\n"), 413, LARGE);
    check(&chunked(&format!("1\r\n3\r\n3e8\r\n{}\r\n", "1".repeat(1_000))), 413, LARGE);
    check(&post("Content-Length: 1001", ""), 413, LARGE);
    check(&post("Content-Length: 99999999999999999999", ""), 413, LARGE);
    check(&chunked(&format!("1;{}", "x".repeat(20_000))), 400, WRONG);
    let trailer = chunked(&format!("0\r\nX: {}", "x".repeat(20_000)));
    check(&trailer, 431, r#"{"error":"request head too large"}"#);
}

#[test]
fn a_body_nobody_asked_for() {
    for framing in
        ["Content-Length: 3\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"]
    {
        for (line, status) in [("GET /hello", 200), ("GET /x", 404), ("PUT /hello", 405)] {
            let input = format!("{line} HTTP/1.1\r\nHost: h\r\n{framing}{HELLO}");
            assert_eq!(outcome(&run([input.as_bytes()]).output).0, [status, 200], "{input:?}");
        }
    }
}

#[test]
fn pipelined_requests_cost_one_write() {
    let script = run([HELLO.repeat(100).as_bytes()]);
    assert_eq!(outcome(&script.output).0, vec![200; 100]);
    assert_eq!(script.writes, 1);
}

#[test]
fn a_request_costs_one_read_and_one_write() {
    let script = run([HELLO.as_bytes(); 10]);
    assert_eq!(outcome(&script.output).0, vec![200; 10]);
    assert_eq!((script.reads, script.writes), (11, 10));
}

#[test]
fn permission_to_continue() {
    let head = post("Content-Length: 2\r\nExpect: 100-continue", "");
    let (head, body) = (head.as_bytes(), &b"39"[..]);
    assert_eq!(outcome(&run([head, body]).output), (vec![100, 200], "42".to_owned()));
    let together = [head, body].concat();
    assert_eq!(outcome(&run([&together[..]]).output), (vec![200], "42".to_owned()));
    let large = post("Content-Length: 2000\r\nExpect: 100-continue", "");
    assert_eq!(outcome(&run([large.as_bytes()]).output).0, [413]);
    let old = post("Content-Length: 2\r\nExpect: 100-continue", "").replace("/1.1", "/1.0");
    assert_eq!(outcome(&run([old.as_bytes(), body]).output).0, [200]);
}

#[test]
fn the_end_of_a_connection() {
    let closes = HELLO.replace("h\r\n", "h\r\nConnection: close\r\n");
    let script = run([format!("{closes}{HELLO}").as_bytes()]);
    assert_eq!(outcome(&script.output).0, [200]);
    assert!(String::from_utf8_lossy(&script.output).contains("\r\nConnection: close\r\n"));
    let old = run([format!("GET /hello HTTP/1.0\r\n\r\n{HELLO}").as_bytes()]);
    assert_eq!(outcome(&old.output).0, [200]);
    assert!(String::from_utf8_lossy(&old.output).contains("\r\nConnection: close\r\n"));
    let kept = run([HELLO.as_bytes()]);
    assert!(!String::from_utf8_lossy(&kept.output).contains("Connection"));
    assert_eq!(run([&b"GET / HT"[..]]).output, b"", "a client that leaves is not answered");
}

#[test]
fn a_refusal_of_head_has_no_body() {
    let script = run([&b"HEAD / HTTP/1.1\r\nHost: h\r\nContent-Length: 2000\r\n\r\n"[..]]);
    let text = String::from_utf8_lossy(&script.output);
    assert!(text.starts_with("HTTP/1.1 413 ") && text.ends_with("\r\n\r\n"), "{text}");
}

#[test]
fn small_writes() {
    let mut script = run([]);
    script.parts = VecDeque::from([HELLO.repeat(3).into_bytes()]);
    script.write_max = 7;
    converse(&mut script, &limits(), &Presence::default(), routes::respond);
    assert_eq!(outcome(&script.output).0, [200; 3]);
}

/// A server that wants to stop takes no request that has not begun.
#[test]
fn leaving() {
    let presence = Presence::default();
    assert!(!presence.leave(), "it has not waited yet");
    let mut script = run([]);
    script.parts = VecDeque::from([HELLO.repeat(2).into_bytes()]);
    converse(&mut script, &limits(), &presence, routes::respond);
    assert_eq!(script.output, b"");
}

/// Requests of all kinds, and the last is one that ends the connection.
fn streams() -> Vec<Vec<u8>> {
    let ends = [
        chunked("2;x=y\r\n39\r\n0\r\nA: b\r\n\r\n"),
        chunked("2\r\n39\r\n3e9\r\n"),
        chunked("2\r\n39\n0\r\n\r\n"),
        post("Content-Length: 2000", "12"),
        post("Content-Length: 1\r\nContent-Length: 1", "1"),
        HELLO.replace("1.1", "1.0"),
        HELLO.replace("\r\n\r\n", "\n\n"),
        format!("GET /{} HTTP/1.1\r\n", "x".repeat(2_000)),
        "GET /he".to_owned(),
    ];
    let begin = [
        HELLO.to_owned(),
        "HEAD /items/3?m=2 HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        post("Content-Length: 2", "39"),
        chunked("1\r\n3\r\n1\r\n9\r\n0\r\n\r\n"),
        "\r\nDELETE /sum HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
    ];
    ends.iter().map(|end| format!("{}{end}", begin.concat()).into_bytes()).collect()
}

/// Answers with the dates made equal.
fn without_dates(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output).into_owned();
    let lines = text.split_inclusive("\r\n").filter(|line| !line.starts_with("Date: "));
    lines.collect()
}

#[test]
fn any_split_gives_the_same_answers() {
    for stream in streams() {
        let whole = without_dates(&run([&stream[..]]).output);
        for split in 1..stream.len().min(700) {
            let (first, second) = stream.split_at(split);
            let parts = without_dates(&run([first, second]).output);
            assert_eq!(parts, whole, "split at {split}: {:?}", String::from_utf8_lossy(&stream));
        }
    }
}

#[test]
fn damaged_requests() {
    let words = [
        "\r\n",
        "\n",
        "\r",
        " ",
        ":",
        "\0",
        "0",
        "Host: h\r\n",
        "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "HTTP/1.1",
        "?",
        "&a=1",
        "%",
        "ff\r\n",
        "0\r\n\r\n",
        "GET / ",
    ];
    let streams = streams();
    let mut random = Random(9);
    for _ in 0..2_000 {
        let mut stream = streams[random.below(streams.len())].clone();
        random.damage(&mut stream, &words);
        let whole = without_dates(&run([&stream[..]]).output);
        let size = 1 + random.below(40);
        let parts = without_dates(&run(stream.chunks(size)).output);
        assert_eq!(parts, whole, "in {size}s: {:?}", String::from_utf8_lossy(&stream));
    }
}
