//! The routes that wait (CONTRACT.md, 4.4), without a database and with one that is dead. With a
//! living one the harness verifies them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::Server;

const SERVER: &str = env!("CARGO_BIN_EXE_rust-axum-backends");

/// Those with a database.
const WITH_DATABASE: &[&str] = &[
    SERVER,
    #[cfg(feature = "sqlx")]
    env!("CARGO_BIN_EXE_rust-axum-sqlx"),
];

const RIGHT: [&str; 7] = [
    "GET /world/7",
    "GET /worlds?n=20&seed=0",
    "GET /items-page?from=1&to=2&limit=3",
    "GET /fortunes",
    "GET /fanout?n=3&ms=1&seed=0",
    r#"POST /world/7 {"add":5}"#,
    r#"POST /world/7 {"add":0,"x":null}"#,
];

const WRONG: [&str; 33] = [
    "GET /world/0",
    "GET /world/x",
    "GET /world/2147483648",
    "GET /worlds?n=0&seed=1",
    "GET /worlds?n=501&seed=1",
    "GET /worlds?n=1",
    "GET /worlds?n=1&seed=-1",
    "GET /items-page?from=1&to=2",
    "GET /items-page?from=1&to=2&limit=101",
    "POST /world/7 {}",
    r#"POST /world/7 {"add":-1}"#,
    r#"POST /world/7 {"add":1000001}"#,
    r#"POST /world/7 {"add":null}"#,
    r#"POST /world/7 {"add":1.5}"#,
    r#"POST /world/7 {"add":1"#,
    "GET /delay",
    "GET /delay?ms=0",
    "GET /delay?ms=10001",
    "GET /fanout?n=0&ms=1&seed=0",
    "GET /fanout?n=101&ms=1&seed=0",
    "GET /fanout?n=1&ms=0&seed=0",
    "GET /fanout?n=1&ms=1001&seed=0",
    "GET /fanout?n=1&ms=1",
    "GET /fanout?n=1&ms=1&seed=-1",
    "GET /bytes?n=0&seed=0",
    "GET /bytes?n=67108865&seed=0",
    "GET /bytes?n=1",
    "GET /ticks",
    "GET /ticks?n=0&ms=1",
    "GET /ticks?n=1001&ms=1",
    "GET /ticks?n=1&ms=0",
    "GET /ticks?n=1&ms=1001",
    "GET /ticks?n=31&ms=1000",
];

/// The status of the response to a request, written as method, target and body.
fn status(server: &Server, line: &str) -> u16 {
    let mut parts = line.splitn(3, ' ');
    let mut next = || parts.next().unwrap_or_default();
    let (method, target, body) = (next(), next(), next());
    let n = body.len();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
         Content-Length: {n}\r\n\r\n"
    );
    server.client().ask(head + body).status
}

#[test]
fn without_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let dead = format!("postgresql:///arm0?host={}&user=nobody", folder.path().display());
    let args = [vec![], vec!["--database", &dead]];
    for (program, args) in WITH_DATABASE.iter().flat_map(|p| args.iter().map(move |a| (p, a))) {
        let server = Server::start_with(program, args);
        for (lines, expected) in [
            (&RIGHT[..], 503),
            (&WRONG, 400),
            (
                &[
                    "PUT /world/7",
                    "POST /worlds",
                    "POST /fanout",
                    "GET /echo",
                    "POST /bytes",
                    "POST /ticks",
                ],
                405,
            ),
            (&["GET /delay?ms=1", "GET /hello"], 200),
        ] {
            for line in lines {
                assert_eq!(status(&server, line), expected, "{program} {args:?}, {line}");
            }
        }
    }
}

/// With `--defaults` a client may take as long as it likes: its connection outlives one that is
/// ended.
#[test]
fn defaults() {
    for program in WITH_DATABASE {
        let lasting = Server::start_with(program, &["--defaults", "--timeout-ms", "100"]);
        let ending = Server::start_with(program, &["--timeout-ms", "100"]);
        let (mut patient, mut ended) = (lasting.client(), ending.client());
        let mut received = vec![];
        ended.stream.read_to_end(&mut received).expect("the connection is ended");
        let answer = patient.ask("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(answer.status, 200, "{program}");
    }
}

/// An upstream service: what it responds with to a target, empty for nothing at all, and how many
/// connections it has accepted. It ends with the tests.
fn upstream(
    respond: impl Fn(&str) -> String + Send + Sync + 'static,
) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (respond, accepted) = (Arc::new(respond), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&accepted);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::Relaxed);
            let respond = Arc::clone(&respond);
            thread::spawn(move || {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                while let Some(first) = lines.next() {
                    let target = first.split(' ').nth(1).unwrap_or_default().to_owned();
                    let _ = lines.by_ref().take_while(|line| !line.is_empty()).count();
                    let response = respond(&target);
                    if response.is_empty() || (&stream).write_all(response.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (url, accepted)
}

fn response(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Calls are made at once, on connections that are kept.
#[test]
fn fan_out() {
    let together = Barrier::new(3);
    let (url, accepted) = upstream(move |target| {
        let i = target.strip_prefix("/nonce?seed=7&i=").and_then(|rest| rest.strip_suffix("&ms=2"));
        assert!(matches!(i, Some("0" | "1" | "2")), "{target}");
        together.wait(); // nobody gets a response before all are here
        response("200 OK", r#"{"nonce":2147483648}"#)
    });
    let server = Server::start_with(SERVER, &["--upstream", &url]);
    for _ in 0..4 {
        let answer = server.client().ask("GET /fanout?n=3&ms=2&seed=7 HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(answer.body, r#"{"n":3,"sum":6442450944,"max":2147483648}"#);
    }
    assert_eq!(accepted.load(Ordering::Relaxed), 3);
}

/// An upstream service that is wrong or gone makes a 503, and the server goes on.
#[test]
fn fan_out_without_responses() {
    for wrong in [
        response("500 Internal Server Error", r#"{"nonce":1}"#),
        response("200 OK", "{}"),
        response("200 OK", r#"{"nonce":-1}"#),
        response("200 OK", r#"{"nonce":1}x"#),
        String::new(),
    ] {
        let (url, _) = upstream({
            let wrong = wrong.clone();
            move |_| wrong.clone()
        });
        let server = Server::start_with(SERVER, &["--upstream", &url]);
        assert_eq!(status(&server, "GET /fanout?n=2&ms=1&seed=0"), 503, "{wrong}");
        assert_eq!(status(&server, "GET /hello"), 200, "{wrong}");
    }
}

/// What comes until the connection is closed: the head and what follows it.
fn until_closed(stream: &mut impl Read) -> (String, String) {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    (head.to_ascii_lowercase(), body.to_owned())
}

/// The body comes back before all of it is sent, with its length if that was given.
#[test]
fn echo() {
    let server = Server::start(SERVER);
    let part = "0123456789abcdef".repeat(1 << 15); // 512 KiB
    let length = 2 * part.len();
    let chunk = format!("{:x}\r\n{part}\r\n", part.len());
    for (field, sent, end, told) in [
        (format!("Content-Length: {length}"), &part, "", true),
        ("Transfer-Encoding: chunked".to_owned(), &chunk, "0\r\n\r\n", false),
    ] {
        let mut client = server.client();
        client.send(format!(
            "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{field}\r\n\r\n"
        ));
        // Whoever sends and does not read at the same time may wait for ever.
        let mut reading = client.stream.try_clone().unwrap();
        let (begun, has_begun) = std::sync::mpsc::channel();
        let reader = thread::spawn(move || {
            let mut first = [0; 1024];
            reading.read_exact(&mut first).unwrap();
            begun.send(()).unwrap();
            let mut text = first.to_vec();
            reading.read_to_end(&mut text).unwrap();
            until_closed(&mut &text[..])
        });
        client.send(sent);
        has_begun.recv().unwrap();
        client.send(sent);
        client.send(end);
        let (head, body) = reader.join().unwrap();
        assert_eq!(head.contains(&format!("\r\ncontent-length: {length}")), told, "{head}");
        assert_eq!(head.contains("\r\ntransfer-encoding: chunked"), !told, "{head}");
        let body = if told { body } else { unchunked(&body) };
        assert!(body == part.repeat(2), "{} bytes", body.len());
    }
}

fn unchunked(body: &str) -> String {
    String::from_utf8(unchunked_bytes(body.as_bytes())).expect("text")
}

fn unchunked_bytes(mut rest: &[u8]) -> Vec<u8> {
    let mut body = vec![];
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").expect("a chunk");
        let size =
            str::from_utf8(&rest[..end]).ok().and_then(|s| usize::from_str_radix(s, 16).ok());
        let (size, tail) = (size.expect("a size"), &rest[end + 2..]);
        body.extend_from_slice(&tail[..size]);
        rest = &tail[size + 2..];
        if size == 0 {
            return body;
        }
    }
}

/// A body that breaks off is no whole response.
#[test]
fn echo_broken_off() {
    let server = Server::start(SERVER);
    let mut client = server.client();
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    client.stream.shutdown(Shutdown::Write).unwrap();
    let mut received = String::new();
    client.stream.read_to_string(&mut received).unwrap();
    assert!(!received.ends_with("0\r\n\r\n"), "{received}");
}

/// Bodies of any length are chunked, and made of the same characters.
#[test]
fn bytes() {
    let server = Server::start(SERVER);
    let body = |n: usize| {
        let mut client = server.client();
        let target = format!("/bytes?n={n}&seed=7");
        client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
        let (head, body) = until_closed(&mut client.stream);
        assert!(head.contains("\r\ntransfer-encoding: chunked"), "{head}");
        assert!(!head.contains("content-length"), "{head}");
        unchunked(&body)
    };
    let longest = body(40_000);
    assert_eq!((longest.len(), &longest[..16]), (40_000, "XTETIN7x5HzPqAqu"));
    assert!(longest[..16_384] == longest[16_384..32_768]);
    for n in [16_384, 100, 1] {
        assert!(body(n) == longest[..n], "{n}");
    }
}

/// Events come one by one: each has arrived before the server knows of the next.
#[test]
fn ticks() {
    let server = Server::start(SERVER);
    let mut client = server.client();
    let began = Instant::now();
    client.send("GET /ticks?n=3&ms=20 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let mut text = String::new();
    for tick in 1..=3 {
        let event = format!("data: {{\"tick\":{tick}}}\n\n");
        while !text.contains(&event) {
            let mut piece = [0; 1024];
            let n = client.stream.read(&mut piece).expect("the server sends");
            assert!(n > 0, "{text}");
            text.push_str(str::from_utf8(&piece[..n]).expect("text"));
        }
        assert!(began.elapsed() >= Duration::from_millis(20 * tick), "tick {tick} came too soon");
    }
    client.stream.read_to_string(&mut text).unwrap();
    let (head, body) = until_closed(&mut text.as_bytes());
    assert!(head.contains("\r\ncontent-type: text/event-stream"), "{head}");
    assert!(head.contains("\r\ncache-control: no-cache"), "{head}");
    let all = "data: {\"tick\":1}\n\ndata: {\"tick\":2}\n\ndata: {\"tick\":3}\n\n";
    assert_eq!(unchunked(&body), all);
    let mut client = server.client();
    client.send("HEAD /ticks?n=10&ms=1000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let (head, body) = until_closed(&mut client.stream);
    assert!(head.to_ascii_lowercase().starts_with("http/1.1 200") && body.is_empty(), "{head}");
}

/// Bodies are compressed where the client names gzip, at the level that the server was told.
#[test]
fn gzip() {
    let ask = |server: &Server, target: &str, accepts: &str| {
        let mut client = server.client();
        client.send(format!(
            "GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
             Accept-Encoding: {accepts}\r\n\r\n"
        ));
        let mut bytes = vec![];
        client.stream.read_to_end(&mut bytes).unwrap();
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        (head, bytes.split_off(end + 4))
    };
    let (items, wrong) = ("/items/50?m=3", "/items/0?m=3");
    let (plain, server) = (Server::start(SERVER), Server::start_with(SERVER, &["--gzip", "6"]));
    let (head, want) = ask(&plain, items, "gzip");
    assert!(!head.contains("vary") && !head.contains("content-encoding"), "{head}");
    for accepts in ["gzip", "br, GZIP;q=0.5", "gzip, deflate"] {
        let (head, body) = ask(&server, items, accepts);
        for field in
            ["content-encoding: gzip", "vary: accept-encoding", "transfer-encoding: chunked"]
        {
            assert!(head.contains(field), "{accepts}: {head}");
        }
        let body = unchunked_bytes(&body);
        assert!(body.len() < want.len() / 4, "{} bytes", body.len());
        let mut inflated = vec![];
        flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut inflated).unwrap();
        assert!(inflated == want, "{accepts}");
    }
    for accepts in ["", "br", "gzip;q=0", "gzip; q=0.0, br"] {
        let (head, body) = ask(&server, items, accepts);
        assert!(head.contains("vary: accept-encoding"), "{accepts}: {head}");
        assert!(!head.contains("content-encoding") && body == want, "{accepts}: {head}");
        assert!(head.contains("content-length"), "{accepts}: {head}");
    }
    assert_eq!(ask(&server, wrong, "gzip").1, br#"{"error":"bad request"}"#);
}
