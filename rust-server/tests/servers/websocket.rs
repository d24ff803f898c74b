//! WebSocket (the contract's section 4.10), by a client that others wrote.
//! `go-server/internal/servetest/websocket.go` tests the same of the Go servers.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use tungstenite::protocol::WebSocketConfig;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Bytes, Message, WebSocket, client};

use crate::client::{PATIENCE, Server};

const SERVER: &str = env!("CARGO_BIN_EXE_rust-axum-backends");

fn open(server: &Server, path: &str) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(server.address).expect("the server accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("the time-out is not zero");
    stream.set_write_timeout(Some(PATIENCE)).expect("the time-out is not zero");
    let url = format!("ws://{}{path}", server.address);
    let config = WebSocketConfig::default();
    let opened = client::client_with_config(url, stream, Some(config));
    let (socket, response) = opened.expect("the server upgrades");
    for name in ["Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"] {
        assert!(!response.headers().contains_key(name), "{response:?}");
    }
    socket
}

/// Messages come back as they are, in their order, and pings are answered between them.
#[test]
fn echoes() {
    let server = Server::start(SERVER);
    let mut socket = open(&server, "/ws/echo");
    let texts =
        ["1".into(), String::new(), "zwölf".into(), "x".repeat(70_000), "y".repeat(1 << 20)];
    for text in texts {
        for message in [Message::text(text.clone()), Message::binary(text.clone())] {
            socket.send(message.clone()).expect("the server reads");
            assert!(socket.read().expect("an echo") == message, "{} bytes", text.len());
        }
    }
    (0..100).for_each(|i| socket.send(Message::text(i.to_string())).expect("the server reads"));
    for i in 0..100 {
        assert_eq!(socket.read().expect("an echo"), Message::text(i.to_string()));
    }
    let ping = Bytes::from_static(b"there?");
    socket.send(Message::Ping(ping.clone())).expect("the server reads");
    assert_eq!(socket.read().expect("a pong"), Message::Pong(ping));
    socket.close(None).expect("the server reads");
    assert!(matches!(socket.read(), Ok(Message::Close(_))));
}

/// A message of more than 1 MiB ends the connection.
#[test]
fn long_messages() {
    let server = Server::start(SERVER);
    let mut socket = open(&server, "/ws/echo");
    // It may be cut off.
    let _ = socket.send(Message::text("x".repeat((1 << 20) + 1)));
    let ended = socket.read();
    assert!(matches!(ended, Err(_) | Ok(Message::Close(_))), "a message came back");
}

/// Every member gets every message, its own too, in the same order; other rooms get none of them.
#[test]
fn rooms() {
    let server = Server::start(SERVER);
    let mut members: Vec<_> = (0..3).map(|_| open(&server, "/ws/rooms/7")).collect();
    let mut elsewhere = open(&server, "/ws/rooms/8");
    for i in 0..50 {
        for (member, socket) in members.iter_mut().enumerate() {
            socket.send(Message::text(format!("{member} {i}"))).expect("the server reads");
        }
    }
    let mut received = members.iter_mut().map(|socket| {
        let read = (0..150).map(|_| socket.read().expect("a message").to_string());
        read.collect::<Vec<_>>()
    });
    let order = received.next().expect("there are members");
    for member in 0..3 {
        let own = order.iter().filter(|text| text.starts_with(&format!("{member} ")));
        let expected = (0..50).map(|i| format!("{member} {i}"));
        assert!(own.eq(&expected.collect::<Vec<_>>()), "{order:?}");
    }
    assert!(received.all(|of_other| of_other == order));
    elsewhere.send(Message::text("alone")).expect("the server reads");
    assert_eq!(elsewhere.read().expect("a message"), Message::text("alone"));
}

/// A member that takes nothing is closed and holds nobody up.
#[test]
fn slow_members() {
    let server = Server::start(SERVER);
    let mut slow = open(&server, "/ws/rooms/9");
    let mut quick = open(&server, "/ws/rooms/9");
    let message = Message::text("x".repeat(1 << 16));
    for _ in 0..1_000 {
        quick.send(message.clone()).expect("the server reads");
        assert!(quick.read().expect("a message") == message);
    }
    let closed = loop {
        match slow.read().expect("a message, or the end") {
            Message::Close(frame) => break frame,
            received => assert!(received == message),
        }
    };
    assert_eq!(closed.expect("a reason").code, CloseCode::Policy);
}

/// Who says nothing for too long loses the connection.
#[test]
fn silent_clients() {
    let server = Server::start_with(SERVER, &["--timeout-ms", "200"]);
    for path in ["/ws/echo", "/ws/rooms/7"] {
        let mut socket = open(&server, path);
        let began = Instant::now();
        assert!(socket.read().is_err(), "{path}");
        assert!(began.elapsed() > Duration::from_millis(100), "{path} ended too soon");
    }
}

#[test]
fn no_handshakes() {
    let server = Server::start(SERVER);
    let cases = [
        ("GET /ws/echo", 400),
        ("GET /ws/rooms/7", 400),
        ("GET /ws/rooms/0", 400),
        ("GET /ws/rooms/x", 400),
        ("GET /ws/rooms/2147483648", 400),
        ("POST /ws/echo", 405),
        ("POST /ws/rooms/7", 405),
        ("GET /ws", 404),
    ];
    for (line, status) in cases {
        let answer = server.client().ask(format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(answer.status, status, "{line}");
    }
}
