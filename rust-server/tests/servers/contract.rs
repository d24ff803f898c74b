//! The contract, row by row, against every server that keeps it.

use crate::client::{Answer, Client, SERVERS, Server};

const HTML: &str = "text/html; charset=utf-8";
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";
pub(crate) const JSON: &str = "application/json";

/// The header of requests with JSON.
const JSON_BODY: &str = "Content-Type: application/json\r\n";

pub(crate) const BAD_REQUEST: (u16, &str, &str) = (400, JSON, r#"{"error":"bad request"}"#);
pub(crate) const NOT_FOUND: (u16, &str, &str) = (404, JSON, r#"{"error":"not found"}"#);
pub(crate) const NOT_ALLOWED: (u16, &str, &str) = (405, JSON, r#"{"error":"method not allowed"}"#);
const TOO_LARGE: (u16, &str, &str) = (413, JSON, r#"{"error":"payload too large"}"#);

pub(crate) const ORDER: &str = concat!(
    r#"[{"id":"o-00001","customer":{"name":"Zo\u00eb \"Z\" Müller","country":"DE"},"#,
    r#""category":"books","paid":true,"#,
    "\n  ",
    r#""lines":[{"sku":"B-1","quantity":3,"price":"12.34"}]}]"#
);
pub(crate) const SUMMARY: &str = concat!(
    r#"{"count":1,"unpaid":0,"customers":1,"sum_cents":3702,"by_category":{"books":3702},"#,
    r#""top5":[{"id":"o-00001","cents":3702}]}"#
);
const ITEM: &str = concat!(
    r#"{"items":[{"id":1,"name":"Item 1","category":"books","price":8019,"quantity":2,"#,
    r#""active":true,"tags":["sale","new"],"rating":{"score":2,"count":13},"total":16038}],"#,
    r#""count":1}"#
);

fn request(line: &str, headers: &str, body: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: h\r\n{headers}\r\n{body}")
}

pub(crate) fn sized(line: &str, headers: &str, body: &str) -> String {
    request(line, &format!("{headers}Content-Length: {}\r\n", body.len()), body)
}

pub(crate) fn chunked(line: &str, headers: &str, body: &str) -> String {
    let (first, second) = body.split_at(body.len() / 2);
    let chunks = [first, second].into_iter().filter(|chunk| !chunk.is_empty());
    let chunks: String = chunks.map(|c| format!("{:x};x=y\r\n{c}\r\n", c.len())).collect();
    let headers = format!("{headers}Transfer-Encoding: chunked\r\n");
    request(line, &headers, &format!("{chunks}0\r\nX: y\r\n\r\n"))
}

/// One connection to each server, on which every case follows the one before.
struct Kept {
    clients: Vec<Client>,
    /// The header of that name, or nothing.
    content_type: &'static str,
}

impl Kept {
    fn connect(servers: &[Server]) -> Kept {
        Kept { clients: servers.iter().map(Server::client).collect(), content_type: "" }
    }

    /// The body with its length, in chunks, and, if it is empty, not at all.
    #[track_caller]
    fn check(&mut self, line: &str, body: &str, expected: (u16, &str, &str)) {
        let mut requests =
            vec![sized(line, self.content_type, body), chunked(line, self.content_type, body)];
        if body.is_empty() {
            requests.push(request(line, self.content_type, ""));
        }
        for client in &mut self.clients {
            for request in &requests {
                let answer = client.ask(request);
                let content_type = answer.header("content-type").unwrap_or_default();
                let got = (answer.status, content_type, answer.body.as_str());
                assert_eq!(got, expected, "{request:?}");
                check_headers(&answer, &[]);
            }
        }
    }
}

/// Exactly the headers of the contract, and right.
#[track_caller]
pub(crate) fn check_headers(answer: &Answer, more: &[&str]) {
    let mut names: Vec<_> = answer.headers.iter().map(|header| header.0.as_str()).collect();
    names.sort_unstable();
    let mut expected = [&["content-length", "content-type", "date"], more].concat();
    if answer.status == 405 {
        expected.push("allow");
    }
    expected.sort_unstable();
    assert_eq!(names, expected, "{answer:?}");
    let date = answer.header("date").expect("it was just found");
    assert!(date.len() == 29 && date.ends_with(" GMT"), "{date}");
}

fn servers() -> Vec<Server> {
    SERVERS.iter().map(|program| Server::start(program)).collect()
}

#[test]
fn routes() {
    let servers = servers();
    let mut kept = Kept::connect(&servers);
    let mut check =
        |line: &str, body: &str, expected: (u16, &str, &str)| kept.check(line, body, expected);
    check("GET /", "", (200, HTML, "<html><body>Hello world</body></html>\r\n"));
    check("GET /?x=y", "", (200, HTML, "<html><body>Hello world</body></html>\r\n"));
    check("GET /hello", "", (200, JSON, r#"{"message":"hello world"}"#));
    check("GET /hello", "a body nobody asked for", (200, JSON, r#"{"message":"hello world"}"#));
    check("GET http://h/hello", "", (200, JSON, r#"{"message":"hello world"}"#));
    check("GET /hello/", "", NOT_FOUND);
    check("GET /hello2", "", NOT_FOUND);
    check("GET /Hello", "", NOT_FOUND);
    check("PUT /nothing", "body", NOT_FOUND);
    check("POST /hello", "body", NOT_ALLOWED);
    check("DELETE /", "", NOT_ALLOWED);
    check("BREW /hello", "", NOT_ALLOWED);
    check("GET /orders", "", NOT_ALLOWED);
    check("PUT /sum?a=1&b=2", "3", NOT_ALLOWED);
    check("POST /items/1?m=1", "", NOT_ALLOWED);
    check("POST /cpu?n=1", "", NOT_ALLOWED);
}

#[test]
fn sums() {
    let servers = servers();
    let mut kept = Kept::connect(&servers);
    let mut check =
        |line: &str, body: &str, expected: (u16, &str, &str)| kept.check(line, body, expected);
    check("GET /sum?a=1&b=2", "", (200, TEXT, "3"));
    check("GET /sum?b=-2&x=9&a=-007&x=8", "", (200, TEXT, "-9"));
    check("GET /sum?%61=%31&b=%2D2", "", (200, TEXT, "-1"));
    check("GET /sum?&&a=1&&b=2&", "", (200, TEXT, "3"));
    check("GET /sum?a=1&b=2", "ignored", (200, TEXT, "3"));
    check(
        "GET /sum?a=999999999999999999&b=999999999999999999",
        "",
        (200, TEXT, "1999999999999999998"),
    );
    check("POST /sum?a=1&b=2", "39", (200, TEXT, "42"));
    let sum = "POST /sum?a=-999999999999999999&b=-999999999999999999";
    check(sum, "-999999999999999999", (200, TEXT, "-2999999999999999997"));
    check("GET /sum", "", BAD_REQUEST);
    check("GET /sum?a=1", "", BAD_REQUEST);
    check("GET /sum?a=1&b=", "", BAD_REQUEST);
    check("GET /sum?a=1&b", "", BAD_REQUEST);
    check("GET /sum?a=1&b=2&a=1", "", BAD_REQUEST);
    check("GET /sum?a=1&b=2&%61=1", "", BAD_REQUEST);
    check("GET /sum?a=1&B=2", "", BAD_REQUEST);
    check("GET /sum?a=1&b=+2", "", BAD_REQUEST);
    check("GET /sum?a=1&b=%2B2", "", BAD_REQUEST);
    check("GET /sum?a=1&b=2.0", "", BAD_REQUEST);
    check("GET /sum?a=1&b=2%00", "", BAD_REQUEST);
    check("GET /sum?a=1&b=%FF", "", BAD_REQUEST);
    check("GET /sum?a=1&b=1000000000000000000", "", BAD_REQUEST);
    check("GET /sum?a=1&b=--1", "", BAD_REQUEST);
    check("POST /sum?a=1&b=2", "", BAD_REQUEST);
    check("POST /sum?a=1&b=2", " 3", BAD_REQUEST);
    check("POST /sum?a=1&b=2", "3\n", BAD_REQUEST);
    check("POST /sum?a=1&b=2", "x", BAD_REQUEST);
    check("POST /sum?a=1", "3", BAD_REQUEST);
}

#[test]
fn items_and_cpu() {
    let servers = servers();
    let mut kept = Kept::connect(&servers);
    let mut check =
        |line: &str, body: &str, expected: (u16, &str, &str)| kept.check(line, body, expected);
    check("GET /items/1?m=1", "", (200, JSON, ITEM));
    check("GET /items/%31?m=%31", "", (200, JSON, ITEM));
    check("GET /items/1?m=2", "", (200, JSON, &ITEM.replace("16038", "32076")));
    check("GET /items/1", "", BAD_REQUEST);
    check("GET /items/0?m=1", "", BAD_REQUEST);
    check("GET /items/1001?m=1", "", BAD_REQUEST);
    check("GET /items/-1?m=1", "", BAD_REQUEST);
    check("GET /items/x?m=1", "", BAD_REQUEST);
    check("GET /items/%FF?m=1", "", BAD_REQUEST);
    check("GET /items/+1?m=1", "", BAD_REQUEST);
    check("GET /items/1%2F?m=1", "", BAD_REQUEST);
    check("GET /items/1?m=0", "", BAD_REQUEST);
    check("GET /items/1?m=1000001", "", BAD_REQUEST);
    check("GET /items/1?m=1&m=1", "", BAD_REQUEST);
    check("GET /items?m=1", "", NOT_FOUND);
    check("GET /items/?m=1", "", NOT_FOUND);
    check("GET /items/1/?m=1", "", NOT_FOUND);
    check("GET /cpu?n=100", "", (200, TEXT, "1.274219991"));
    check("GET /cpu?n=0", "", BAD_REQUEST);
    check("GET /cpu?n=2001", "", BAD_REQUEST);
    check("GET /cpu?n=1e2", "", BAD_REQUEST);
    check("GET /cpu", "", BAD_REQUEST);
}

#[test]
fn orders() {
    let servers = servers();
    let mut kept = Kept::connect(&servers);
    kept.content_type = JSON_BODY;
    let mut check =
        |body: &str, expected: (u16, &str, &str)| kept.check("POST /orders", body, expected);
    check(ORDER, (200, JSON, SUMMARY));
    let empty = r#"{"count":0,"unpaid":0,"customers":0,"sum_cents":0,"by_category":{},"top5":[]}"#;
    check("[]", (200, JSON, empty));
    check("", BAD_REQUEST);
    check("{}", BAD_REQUEST);
    check("[{}]", BAD_REQUEST);
    check(&ORDER.replace("12.34", "12.3"), BAD_REQUEST);
    check(&ORDER.replace("DE", "de"), BAD_REQUEST);
    check(&format!("{ORDER}x"), BAD_REQUEST);
}

/// All items of the largest list, and the bodies of all servers alike.
#[test]
fn many_items() {
    let servers = servers();
    let mut bodies = Vec::new();
    for server in &servers {
        let answer = server.client().ask(request("GET /items/1000?m=1000000", "", ""));
        assert_eq!(answer.status, 200);
        assert!(answer.body.ends_with(r#""total":8201000000}],"count":1000}"#));
        bodies.push(answer.body);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]));
}

#[test]
fn head_requests() {
    for server in servers() {
        let mut client = server.client();
        for (target, status, length) in [
            ("/", 200, "39"),
            ("/hello", 200, "25"),
            ("/sum?a=1&b=2", 200, "1"),
            ("/items/1?m=1", 200, "173"),
            ("/cpu?n=1", 200, "11"),
            ("/sum", 400, "23"),
            ("/nothing", 404, "21"),
            ("/orders", 405, "30"),
        ] {
            client.send(request(&format!("HEAD {target}"), "", ""));
            let answer = client.answers.read(true).expect("an answer");
            assert_eq!((answer.status, answer.header("content-length")), (status, Some(length)));
            check_headers(&answer, &[]);
        }
        // Had there been a body, this would not be understood.
        assert_eq!(client.ask(request("GET /hello", "", "")).status, 200);
    }
}

#[test]
fn allowed_methods() {
    for server in servers() {
        let mut client = server.client();
        for (line, expected) in [
            ("POST /", "GET HEAD"),
            ("POST /hello", "GET HEAD"),
            ("PUT /sum", "GET HEAD POST"),
            ("PUT /items/1", "GET HEAD"),
            ("GET /orders", "POST"),
            ("PUT /cpu", "GET HEAD"),
        ] {
            let answer = client.ask(request(line, "", ""));
            let allow = answer.header("allow").expect("with 405").replace(',', " ");
            let mut methods: Vec<_> = allow.split_whitespace().collect();
            methods.sort_unstable();
            assert_eq!(methods.join(" "), expected, "{line}");
        }
    }
}

#[test]
fn a_hundred_requests_at_once() {
    for server in servers() {
        let mut client = server.client();
        let request = |i| {
            let line = format!("POST /sum?a={i}&b=0");
            if i % 2 == 0 { sized(&line, "", "1") } else { chunked(&line, "", "1") }
        };
        client.send((0..100).map(request).collect::<String>());
        for i in 0..100 {
            assert_eq!(client.answer().body, (i + 1).to_string());
        }
    }
}

#[test]
fn permission_to_continue() {
    for server in servers() {
        let mut client = server.client();
        let headers = "Content-Length: 2\r\nExpect: 100-continue\r\n";
        client.send(request("POST /sum?a=1&b=2", headers, ""));
        assert_eq!(client.answer().status, 100);
        assert_eq!(client.ask("39").body, "42");
        assert_eq!(client.ask(request("GET /hello", "", "")).status, 200);
    }
}

#[test]
fn large_bodies() {
    const LIMIT: usize = 1_048_576;
    let largest = format!("{ORDER}{}", " ".repeat(LIMIT - ORDER.len()));
    for (server, program) in servers().into_iter().zip(SERVERS) {
        let mut client = server.client();
        assert_eq!(client.ask(sized("POST /orders", JSON_BODY, &largest)).body, SUMMARY);
        assert_eq!(client.ask(chunked("POST /orders", JSON_BODY, &largest)).body, SUMMARY);
        assert_eq!(client.ask(sized("GET /hello", "", &largest)).status, 200);
        let too_large = format!("{largest} ");
        for line in ["POST /orders", "GET /hello", "GET /nothing", "PUT /hello"] {
            for request in
                [sized(line, JSON_BODY, &too_large), chunked(line, JSON_BODY, &too_large)]
            {
                let mut client = server.client();
                let answer = client.ask(request);
                let content_type = answer.header("content-type").unwrap_or_default();
                assert_eq!(
                    (answer.status, content_type, answer.body.as_str()),
                    TOO_LARGE,
                    "{program} {line}"
                );
                assert_eq!(answer.header("connection"), Some("close"));
                assert!(client.is_closed(), "{program} {line}");
            }
        }
    }
}

#[test]
fn heads_of_all_sizes() {
    for server in servers() {
        let fields: String =
            (0..63).map(|i| format!("X-{i:02}: {}\r\n", "x".repeat(121))).collect();
        let usual = request("GET /hello", &fields, "");
        assert!(usual.len() > 8_000 && usual.len() <= 8_192);
        let mut client = server.client();
        assert_eq!(client.ask(&usual).status, 200);
        assert_eq!(client.ask(&usual).status, 200);
        let huge = request("GET /hello", &format!("X: {}\r\n", "x".repeat(1 << 20)), "");
        // The server may answer and close before all is sent.
        let mut client = server.client();
        let mut sender = client.stream.try_clone().expect("a descriptor is free");
        let sending = std::thread::spawn(move || {
            use std::io::Write;
            let _ = sender.write_all(huge.as_bytes());
        });
        assert_eq!(client.answer().status, 431);
        sending.join().expect("sending does not panic");
        assert_eq!(server.client().ask(request("GET /hello", "", "")).status, 200);
    }
}

#[test]
fn closing_on_request() {
    for server in servers() {
        let mut client = server.client();
        for line in ["GET /hello", "GET /nothing"] {
            let answer = client.ask(request(line, "", ""));
            assert_eq!(answer.header("connection"), None);
        }
        for line in ["GET /hello", "GET /sum", "PUT /hello"] {
            let mut client = server.client();
            let answer = client.ask(request(line, "Connection: close\r\n", ""));
            check_headers(&answer, &["connection"]);
            assert_eq!(answer.header("connection"), Some("close"));
            assert!(client.is_closed());
        }
    }
}

/// However a framework answers, it refuses, and the next client is served.
#[test]
fn malformed_requests() {
    for server in servers() {
        for request in [
            "GET / HTTP/1.1\r\nHost : h\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nX: \0\r\n\r\n",
            "GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n",
            "POST /orders HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "POST /orders HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n",
            "POST /orders HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}",
        ] {
            let mut client = server.client();
            client.send(request);
            let answer = client.answers.read(false);
            assert!(answer.is_none_or(|answer| answer.status == 400), "{request:?}");
            assert!(client.is_closed(), "{request:?}");
        }
        assert_eq!(server.client().ask(request("GET /hello", "", "")).status, 200);
    }
}
