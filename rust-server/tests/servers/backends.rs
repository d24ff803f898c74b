//! The routes that wait (CONTRACT.md, 4.4), without a database and with one that is dead. With a
//! living one the harness verifies them.

use crate::client::Server;

const SERVER: &str = env!("CARGO_BIN_EXE_rust-axum-backends");

const RIGHT: [&str; 6] = [
    "GET /world/7",
    "GET /worlds?n=20&seed=0",
    "GET /items-page?from=1&to=2&limit=3",
    "GET /fortunes",
    r#"POST /world/7 {"add":5}"#,
    r#"POST /world/7 {"add":0,"x":null}"#,
];

const WRONG: [&str; 18] = [
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
            (&["PUT /world/7", "POST /worlds", "POST /fortunes"], 405),
            (&["GET /delay?ms=1", "GET /hello"], 200),
        ] {
            for line in lines {
                assert_eq!(status(&server, line), expected, "{args:?}, {line}");
            }
        }
    }
}
