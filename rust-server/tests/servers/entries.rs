//! The cache of entries (CONTRACT.md, 4.8), on a connection on which every case follows the one
//! before. `go-server/internal/servetest/entries.go` has the same check of the Go server.

use crate::client::Server;
use crate::contract::{
    BAD_REQUEST, JSON, NOT_ALLOWED, NOT_FOUND, TEXT, check_headers, chunked, sized,
};

#[test]
fn entries() {
    let server = Server::start(env!("CARGO_BIN_EXE_rust-axum"));
    let mut client = server.client();
    let mut check = |request: String, expected: (u16, &str, &str)| {
        let answer = client.ask(&request);
        let content_type = answer.header("content-type").unwrap_or_default();
        assert_eq!((answer.status, content_type, answer.body.as_str()), expected, "{request:?}");
        check_headers(&answer, &[]);
        answer.header("allow").unwrap_or_default().replace(' ', "")
    };
    let get = |path: &str| sized(&format!("GET {path}"), "", "");
    let put = |path: &str, value: &str| sized(&format!("PUT {path}"), "", value);
    let longest = "é".repeat(512);
    check(get("/kv"), (200, JSON, r#"{"count":0}"#));
    check(get("/kv/7"), NOT_FOUND);
    check(put("/kv/7", "first"), (200, JSON, r#"{"id":7,"bytes":5}"#));
    check(get("/kv/7"), (200, TEXT, "first"));
    check(sized("GET /kv/%37", "", "ignored"), (200, TEXT, "first"));
    check(chunked("PUT /kv/007", "", "second!"), (200, JSON, r#"{"id":7,"bytes":7}"#));
    check(get("/kv/7?x=1"), (200, TEXT, "second!"));
    check(put("/kv/2147483647", &longest), (200, JSON, r#"{"id":2147483647,"bytes":1024}"#));
    check(get("/kv/2147483647"), (200, TEXT, &longest));
    check(put("/kv/8", &format!("{longest}x")), BAD_REQUEST);
    for path in ["/kv/8", "/kv/0", "/kv/x", "/kv/2147483648", "/kv/-1"] {
        check(put(path, if path == "/kv/8" { "" } else { "x" }), BAD_REQUEST);
    }
    check(get("/kv/2147483648"), BAD_REQUEST);
    check(get("/kv/"), NOT_FOUND);
    assert_eq!(check(sized("DELETE /kv/7", "", ""), NOT_ALLOWED), "GET,HEAD,PUT");
    assert_eq!(check(put("/kv", "x"), NOT_ALLOWED), "GET,HEAD");
    check(get("/kv/8"), NOT_FOUND);
    check(get("/kv"), (200, JSON, r#"{"count":2}"#));
}
