//! The routes that wait (CONTRACT.md, 4.4), without a database and with one that is dead. With a
//! living one the harness verifies them.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use crate::client::Server;

const SERVER: &str = env!("CARGO_BIN_EXE_rust-axum-backends");

const RIGHT: [&str; 7] = [
    "GET /world/7",
    "GET /worlds?n=20&seed=0",
    "GET /items-page?from=1&to=2&limit=3",
    "GET /fortunes",
    "GET /fanout?n=3&ms=1&seed=0",
    r#"POST /world/7 {"add":5}"#,
    r#"POST /world/7 {"add":0,"x":null}"#,
];

const WRONG: [&str; 24] = [
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
    for args in [vec![], vec!["--database", &dead]] {
        let server = Server::start_with(SERVER, &args);
        for (lines, expected) in [
            (&RIGHT[..], 503),
            (&WRONG, 400),
            (&["PUT /world/7", "POST /worlds", "POST /fanout"], 405),
            (&["GET /delay?ms=1", "GET /hello"], 200),
        ] {
            for line in lines {
                assert_eq!(status(&server, line), expected, "{args:?}, {line}");
            }
        }
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
