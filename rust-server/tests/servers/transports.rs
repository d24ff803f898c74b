//! TLS and HTTP/2, against the server that offers them.
//! `go-server/internal/servetest/transport.go` tests the same of the Go server.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::{CryptoProvider, SupportedKxGroup, ring};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, CipherSuite, HandshakeKind, NamedGroup};

use crate::client::{Answers, Server, eventually};
use crate::contract::{ORDER, SUMMARY, check_headers};

use crate::transport_client::{
    ALL, AXUM, Connection, Identity, LIMIT, Over, SERVERS, client, client_with, head, receive,
    secure, send,
};

#[test]
fn the_contract_over_every_transport() {
    let identity = Identity::new();
    for (program, over) in SERVERS.iter().flat_map(|program| ALL.map(|over| (program, over))) {
        let server = identity.start_with(program, over, &[]);
        let mut connection = identity.connect(over, &server);
        let mut check = |line: &str, body: &str, status: u16, expected: &str| {
            let answer = connection.ask(line, &[], body);
            assert_eq!(
                (answer.status, &*answer.body),
                (status, expected),
                "{program} {over:?} {line}"
            );
            check_headers(&answer, &[]);
        };
        check("GET /", "", 200, "<html><body>Hello world</body></html>\r\n");
        check("GET /hello", "", 200, r#"{"message":"hello world"}"#);
        check("GET /hello", "a body nobody asked for", 200, r#"{"message":"hello world"}"#);
        check("GET /sum?a=1&b=2", "", 200, "3");
        check("POST /sum?a=1&b=2", "39", 200, "42");
        check("POST /orders", ORDER, 200, SUMMARY);
        check("GET /cpu?n=100", "", 200, "1.274219991");
        check("GET /sum?a=1", "", 400, r#"{"error":"bad request"}"#);
        check("POST /orders", "[", 400, r#"{"error":"bad request"}"#);
        check("GET /nothing", "", 404, r#"{"error":"not found"}"#);
        check("PUT /hello", "body", 405, r#"{"error":"method not allowed"}"#);
        check("HEAD /hello", "", 200, "");
        let items = connection.ask("GET /items/1000?m=1000000", &[], "");
        assert!(
            items.body.ends_with(r#""total":8201000000}],"count":1000}"#),
            "{program} {over:?}"
        );
        assert_eq!(items.header("content-length"), Some(&*items.body.len().to_string()));
        let head = connection.ask("HEAD /hello", &[], "");
        assert_eq!(head.header("content-length"), Some("25"), "{program} {over:?}");
    }
}

/// HTTP/1.1 ends with the connection, HTTP/2 with the stream.
#[test]
fn large_requests() {
    let identity = Identity::new();
    let largest = format!("{ORDER}{}", " ".repeat(LIMIT - ORDER.len()));
    let names: Vec<_> = (0..63).map(|i| format!("x-{i:02}")).collect();
    let usual = "x".repeat(121);
    let fields: Vec<_> = names.iter().map(|name| (name.as_str(), usual.as_str())).collect();
    for (program, over) in SERVERS.iter().flat_map(|program| ALL.map(|over| (program, over))) {
        let server = identity.start_with(program, over, &[]);
        let mut connection = identity.connect(over, &server);
        assert_eq!(
            connection.ask("POST /orders", &[], &largest).body,
            SUMMARY,
            "{program} {over:?}"
        );
        assert_eq!(connection.ask("GET /hello", &fields, "").status, 200, "{program} {over:?}");
        for line in ["POST /orders", "GET /hello"] {
            let answer = connection.ask(line, &[], &format!("{largest} "));
            let expected = r#"{"error":"payload too large"}"#;
            assert_eq!(
                (answer.status, &*answer.body),
                (413, expected),
                "{program} {over:?} {line}"
            );
            if over == Over::Https1 {
                check_headers(&answer, &["connection"]);
                connection.closed();
                connection = identity.connect(over, &server);
            } else {
                check_headers(&answer, &[]);
            }
        }
        assert_eq!(connection.ask("GET /hello", &[], "").status, 200, "{program} {over:?}");
    }
}

#[test]
fn many_streams_at_once() {
    let identity = Identity::new();
    for over in [Over::H2, Over::H2c] {
        let server = identity.start(over);
        let mut connection = identity.connect(over, &server);
        // With the answer comes how many streams there may be.
        assert_eq!(connection.ask("GET /hello", &[], "").status, 200);
        let Connection::Http2 { runtime, mut requests, .. } = connection else {
            panic!("{over:?} is HTTP/2");
        };
        runtime.block_on(async {
            let mut responses = Vec::new();
            for i in 0..600 {
                let line = format!("GET /sum?a={i}&b=0");
                responses.push(send(&mut requests, &line, &[], true).await.0);
            }
            for (i, response) in responses.into_iter().enumerate() {
                assert_eq!(receive(response).await.body, i.to_string(), "{over:?}");
            }
        });
    }
}

/// What `CONTRACT.md` says of the two servers of the lane: one negotiates what the other does, in
/// whatever order a client offers it.
#[test]
fn the_handshake() {
    let identity = Identity::new();
    let server = identity.start(Over::H2);
    let suite = ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
    let larger = ring::cipher_suite::TLS13_AES_256_GCM_SHA384;
    let chacha = ring::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256;
    for suites in [[suite, larger, chacha], [larger, suite, chacha], [larger, chacha, suite]] {
        for (protocols, expected) in [
            (&["h2", "http/1.1"][..], Some(&b"h2"[..])),
            (&["http/1.1", "h2"], Some(b"h2")),
            (&["http/1.1"], Some(b"http/1.1")),
            (&[], None),
        ] {
            let provider =
                CryptoProvider { cipher_suites: suites.to_vec(), ..ring::default_provider() };
            let config = Arc::new(client_with(&identity, protocols, provider, &TLS13));
            let tls = secure(server.address, config).expect("the handshake succeeds").conn;
            let chosen = tls.negotiated_cipher_suite().map(|suite| suite.suite());
            assert_eq!(chosen, Some(CipherSuite::TLS13_AES_128_GCM_SHA256), "{suites:?}");
            let group = tls.negotiated_key_exchange_group().map(SupportedKxGroup::name);
            assert_eq!(group, Some(NamedGroup::X25519));
            assert_eq!(tls.alpn_protocol(), expected, "{protocols:?}");
        }
    }
}

#[test]
fn handshakes_that_fail() {
    let identity = Identity::new();
    let server = identity.start(Over::H2);
    let old = client_with(&identity, &["h2"], ring::default_provider(), &TLS12);
    let p256 =
        CryptoProvider { kx_groups: vec![ring::kx_group::SECP256R1], ..ring::default_provider() };
    let other_group = client_with(&identity, &["h2"], p256, &TLS13);
    let other_protocol = client_with(&identity, &["h3"], ring::default_provider(), &TLS13);
    for (what, config) in
        [("TLS 1.2", old), ("P-256", other_group), ("another protocol", other_protocol)]
    {
        let refused = secure(server.address, Arc::new(config)).err();
        assert!(matches!(refused, Some(rustls::Error::AlertReceived(_))), "{what}: {refused:?}");
    }
    let mut plain = server.client();
    plain.send("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    // What comes is an alert, if anything.
    let mut received = Vec::new();
    let _ = plain.stream.read_to_end(&mut received);
    assert!(!received.starts_with(b"HTTP"), "{received:?}");
    assert_eq!(identity.connect(Over::H2, &server).ask("GET /hello", &[], "").status, 200);
}

/// A client that comes back with its ticket saves the certificate.
#[test]
fn resumption() {
    let identity = Identity::new();
    let server = identity.start(Over::Https1);
    let config = client(&identity, &["http/1.1"]);
    for expected in [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed] {
        let stream = secure(server.address, Arc::clone(&config)).expect("the handshake succeeds");
        let mut answers = Answers::of(stream);
        let request = head("GET /hello", &[]);
        answers.stream().write_all(request.as_bytes()).expect("the server reads");
        assert_eq!(answers.read(false).expect("an answer").status, 200);
        let tls = &answers.stream().conn;
        assert_eq!(tls.handshake_kind(), Some(expected));
        assert_eq!(tls.tls13_tickets_received(), 1);
    }
}

/// The first frames of a server, byte by byte: the Go server's test has the same numbers.
#[test]
fn settings_of_http2() {
    let server = Server::start_with(AXUM, &["--h2c"]);
    let mut client = server.client();
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0");
    let mut settings = Vec::new();
    let mut window = 65_535;
    loop {
        let mut head = [0; 9];
        client.stream.read_exact(&mut head).expect("a frame");
        let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        client.stream.read_exact(&mut payload).expect("the frame is complete");
        match head[3] {
            4 => settings.extend(payload.chunks_exact(6).map(|setting| {
                let value = setting[2..].try_into().expect("four of six bytes");
                (setting[1], u32::from_be_bytes(value))
            })),
            8 => window += u32::from_be_bytes(payload.try_into().expect("four bytes")),
            _ => {}
        }
        if !settings.is_empty() && window > 65_535 {
            break;
        }
    }
    settings.sort_unstable();
    // Streams at once, a stream's window, the largest frame, the largest head.
    assert_eq!(settings, [(3, 256), (4, 1 << 20), (5, 1 << 14), (6, (64 << 10) + 320)]);
    assert_eq!(window, 1 << 20);
}

/// Without `--h2c` there is no HTTP/2 in the clear, with it nothing else.
#[test]
fn one_protocol_in_the_clear() {
    let plain = Server::start(AXUM);
    let mut client = plain.client();
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0");
    let mut received = Vec::new();
    let _ = client.stream.read_to_end(&mut received);
    assert_eq!(received, b"");
    let h2c = Server::start_with(AXUM, &["--h2c"]);
    let mut client = h2c.client();
    client.send("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    let mut received = Vec::new();
    let _ = client.stream.read_to_end(&mut received);
    assert!(!received.starts_with(b"HTTP"), "{received:?}");
}

#[test]
fn command_lines_that_fail() {
    let identity = Identity::new();
    let (cert, key) = (&*identity.path("cert.pem"), &*identity.path("key.pem"));
    let missing = &*identity.path("missing.pem");
    let other = Identity::new();
    let other_key = &*other.path("key.pem");
    for (args, code, says) in [
        (&["--tls-cert", cert][..], 2, "--tls-key"),
        (&["--tls-key", key], 2, "--tls-cert"),
        (&["--tls-cert", cert, "--tls-key"], 2, "--tls-key"),
        (&["--tls-cert", cert, "--tls-key", ""], 2, "usage"),
        (&["--h2c", "--tls-cert", cert, "--tls-key", key], 2, "--h2c"),
        (&["--tls-cert", missing, "--tls-key", key], 1, missing),
        (&["--tls-cert", cert, "--tls-key", missing], 1, missing),
        (&["--tls-cert", key, "--tls-key", key], 1, "certificate"),
        (&["--tls-cert", cert, "--tls-key", cert], 1, "key"),
        (&["--tls-cert", cert, "--tls-key", other_key], 1, "key"),
    ] {
        let output = Command::new(AXUM).args(["--addr", "127.0.0.1:0"]).args(args).output();
        let output = output.expect("the program was built");
        let line = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {line}");
        assert_eq!(output.stdout, b"", "{args:?}");
        assert!(line.lines().count() == 1 && line.contains(says), "{args:?}: {line}");
    }
}

/// As over plain HTTP/1.1: a request that has begun is answered, idle connections are closed and
/// new ones refused.
#[test]
fn sigterm_with_a_busy_connection() {
    let identity = Identity::new();
    for over in ALL {
        let server = identity.start(over);
        let mut idle = identity.connect(over, &server);
        assert_eq!(idle.ask("GET /hello", &[], "").status, 200);
        let mut busy = identity.connect(over, &server);
        let begun = busy.begin("POST /sum?a=1&b=2");
        server.terminate();
        idle.closed();
        eventually("new connections are refused", || TcpStream::connect(server.address).is_err());
        let answer = busy.finish(begun, "39");
        assert_eq!((answer.status, &*answer.body), (200, "42"), "{over:?}");
        busy.closed();
        assert_eq!(server.wait().code(), Some(0), "{over:?}");
    }
}

/// Clients that say nothing, stop in the middle of a handshake or a request, or have gone to sleep.
#[test]
fn sigterm_with_clients_that_never_finish() {
    let identity = Identity::new();
    for over in ALL {
        let server = identity.start(over);
        let silent = server.client();
        let mut half = server.client();
        half.send(if over == Over::H2c { "PRI * HT" } else { "\u{16}\u{3}\u{1}\u{1}" });
        let mut idle = identity.connect(over, &server);
        assert_eq!(idle.ask("GET /hello", &[], "").status, 200);
        let mut busy = identity.connect(over, &server);
        let begun = busy.begin("POST /sum?a=1&b=2");
        server.terminate();
        assert_eq!(server.wait().code(), Some(0), "{over:?}");
        drop((silent, half, idle, busy, begun));
    }
}

/// A client that is silent, stops in the middle of a handshake or a preface, or sends no more
/// requests: the server ends the connection.
#[test]
fn clients_that_take_too_long() {
    let identity = Identity::new();
    for over in ALL {
        let server = identity.start_with(AXUM, over, &["--timeout-ms", "200"]);
        let (mut silent, mut half) = (server.client(), server.client());
        half.send(if over == Over::H2c { "PRI * HT" } else { "\u{16}\u{3}\u{1}\u{1}" });
        for client in [&mut silent, &mut half] {
            let mut received = Vec::new();
            client.stream.read_to_end(&mut received).expect("the server ends the connection");
        }
        match identity.connect(over, &server) {
            // A connection that took too long ends without TLS's farewell.
            Connection::Http1(mut answers) => {
                let end = answers.stream().read(&mut [0]).map_err(|error| error.kind());
                assert!(matches!(end, Ok(0) | Err(ErrorKind::UnexpectedEof)), "{end:?}");
            }
            http2 => http2.closed(),
        }
    }
}

/// Threads and descriptors do not add up, whatever clients do.
#[test]
fn misbehaving_clients_leave_nothing_behind() {
    let identity = Identity::new();
    for over in ALL {
        let server = identity.start(over);
        let before = server.count("fd");
        for i in 0..60 {
            let mut client = server.client();
            client.send(["", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\u{16}\u{3}", "GET / HT"][i % 4]);
            if i % 10 == 0 {
                let mut connection = identity.connect(over, &server);
                let _begun = connection.begin("POST /sum?a=1&b=2");
            }
        }
        eventually("all connections are closed", || server.count("fd") <= before);
        assert_eq!(identity.connect(over, &server).ask("GET /hello", &[], "").status, 200);
    }
}
