//! Clients that take too long, against the server of the standard library with little patience.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use rust_server::http::{Limits, Server};
use rust_server::routes;

use crate::client::{Client, PATIENCE};

const SHORT: Duration = Duration::from_millis(50);

/// A server that is patient but for what `change` makes short.
fn start(change: impl FnOnce(&mut Limits)) -> (Server, SocketAddr) {
    let mut limits = Limits {
        idle: PATIENCE,
        head: PATIENCE,
        body: PATIENCE,
        write: PATIENCE,
        ..Limits::DEFAULT
    };
    change(&mut limits);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    (Server::start(listener, limits, routes::answer).expect("a thread is free"), address)
}

#[test]
fn a_slow_head() {
    let (server, address) = start(|limits| limits.head = SHORT);
    for part in ["G", "GET / HTTP/1.1\r\nHost: h\r\n", "\r\n"] {
        let mut client = Client::connect(address);
        assert_eq!(client.ask(part).status, 408);
        assert!(client.is_closed());
    }
    // A byte now and then does not help.
    let mut client = Client::connect(address);
    let mut slow = client.stream.try_clone().expect("a descriptor is free");
    let sending = std::thread::spawn(move || {
        for byte in b"GET /".iter().chain([b'x'; 100_000].iter()) {
            if slow.write_all(&[*byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    assert_eq!(client.answer().status, 408);
    drop(client);
    sending.join().expect("sending does not panic");
    server.stop(PATIENCE);
}

#[test]
fn a_slow_body() {
    let (server, address) = start(|limits| limits.body = SHORT);
    for framing in ["Content-Length: 2\r\n\r\n1", "Transfer-Encoding: chunked\r\n\r\n2\r\n1"] {
        let mut client = Client::connect(address);
        let request = format!("POST /sum?a=1&b=2 HTTP/1.1\r\nHost: h\r\n{framing}");
        assert_eq!(client.ask(request).status, 408);
        assert!(client.is_closed());
    }
    server.stop(PATIENCE);
}

#[test]
fn an_idle_connection() {
    let (server, address) = start(|limits| limits.idle = SHORT);
    assert!(Client::connect(address).is_closed());
    let mut client = Client::connect(address);
    assert_eq!(client.ask("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n").status, 200);
    assert!(client.is_closed());
    server.stop(PATIENCE);
}

/// A client that only asks: the server blocks in writing, then gives up.
#[test]
fn a_client_that_does_not_read() {
    let (server, address) = start(|limits| limits.write = SHORT);
    let mut client = Client::connect(address);
    let request = "GET /items/1000?m=1 HTTP/1.1\r\nHost: h\r\n\r\n".repeat(1_000);
    while client.stream.write_all(request.as_bytes()).is_ok() {}
    server.stop(PATIENCE);
}

/// The client is still sending when it is refused, and gets the answer all the same.
#[test]
fn a_refusal_is_not_lost() {
    let (server, address) = start(|limits| limits.linger = PATIENCE);
    let mut client = Client::connect(address);
    client.send("POST /orders HTTP/1.1\r\nHost: h\r\nContent-Length: 8000000\r\n\r\n");
    client.send(vec![b'x'; 8_000_000]);
    assert_eq!(client.answer().status, 413);
    drop(client);
    server.stop(PATIENCE);
}
