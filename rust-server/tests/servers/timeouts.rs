//! Clients that take too long, against every server with little patience.
//! `go-server/internal/servetest/timeouts.go` tests the same of the Go server.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use rust_server::http::{Limits, Server as StdServer};
use rust_server::routes;
use rust_server::timeouts::Timeouts;

use crate::client::{Client, PATIENCE, SERVERS, Server};

const SHORT_MS: &str = "100";
const HELLO: &str = "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n";
const BODIES: [&str; 2] =
    ["Content-Length: 1000000\r\n\r\n1", "Transfer-Encoding: chunked\r\n\r\nf4240\r\n1"];

fn servers() -> impl Iterator<Item = (Server, &'static str)> {
    let start = |program: &&'static str| {
        (Server::start_with(program, &["--timeout-ms", SHORT_MS]), *program)
    };
    SERVERS.iter().map(start)
}

/// Checks that the server ends the connection, without a word or with a 408.
#[track_caller]
fn check_ended(mut client: Client, what: &str) {
    let mut received = Vec::new();
    match client.stream.read_to_end(&mut received) {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            panic!("{what}: the connection is still open");
        }
        // What was sent after the end may have reset it.
        Ok(_) | Err(_) => {}
    }
    let received = String::from_utf8_lossy(&received);
    assert!(received.is_empty() || received.starts_with("HTTP/1.1 408 "), "{what}: {received}");
}

/// Sends a byte now and then for as long as the server takes it.
#[track_caller]
fn check_drip(client: Client, what: &str) {
    let mut stream = client.stream.try_clone().expect("a descriptor is free");
    let sending = thread::spawn(move || {
        // Bounded: with the pause it lasts far longer than any test.
        for _ in 0..1_000_000 {
            if stream.write_all(b"1").is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
    });
    check_ended(client, what);
    sending.join().expect("sending does not panic");
}

#[test]
fn a_silent_connection() {
    for (server, program) in servers() {
        check_ended(server.client(), program);
        let mut kept = server.client();
        assert_eq!(kept.ask(HELLO).status, 200);
        check_ended(kept, program);
    }
}

#[test]
fn a_slow_head() {
    for (server, program) in servers() {
        for part in ["G", "GET / HTTP/1.1\r\nHost: h\r\n", "GET / HTTP/1.1\r\nX: "] {
            let mut silent = server.client();
            silent.send(part);
            check_ended(silent, program);
        }
        let mut dripping = server.client();
        dripping.send("GET / HTTP/1.1\r\nX: ");
        check_drip(dripping, program);
    }
}

#[test]
fn a_slow_body() {
    for (server, program) in servers() {
        for framing in BODIES {
            for line in ["POST /sum?a=1&b=2", "POST /orders", "GET /hello"] {
                let request = format!(
                    "{line} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n{framing}"
                );
                let (mut silent, mut dripping) = (server.client(), server.client());
                silent.send(&request);
                dripping.send(&request);
                check_ended(silent, program);
                check_drip(dripping, program);
            }
        }
    }
}

/// A client that only asks: the server blocks in writing, then gives up.
#[test]
fn a_client_that_does_not_read() {
    for (server, _) in servers() {
        let mut client = server.client();
        let request = "GET /items/1000?m=1 HTTP/1.1\r\nHost: h\r\n\r\n".repeat(1_000);
        // The end of the connection ends this; a write that waits for too long does, too.
        let error = loop {
            if let Err(error) = client.stream.write_all(request.as_bytes()) {
                break error.kind();
            }
        };
        assert!(!matches!(error, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    }
}

/// The client is still sending when it is refused, and gets the response all the same.
#[test]
fn a_refusal_is_not_lost() {
    let limits = Limits { linger: PATIENCE, ..Limits::new(Timeouts::all(PATIENCE)) };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let server = StdServer::start(listener, limits, routes::respond).expect("a thread is free");
    let mut client = Client::connect(address);
    client.send("POST /orders HTTP/1.1\r\nHost: h\r\nContent-Length: 8000000\r\n\r\n");
    client.send(vec![b'x'; 8_000_000]);
    assert_eq!(client.answer().status, 413);
    drop(client);
    server.stop(PATIENCE);
}
