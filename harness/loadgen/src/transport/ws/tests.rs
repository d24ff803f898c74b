use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use super::*;
use crate::request::exchange::Exchange;
use crate::request::selector::{RoundRobin, Selector};
use crate::transport::Outcome;

const HEAD: &[u8] = b"GET /{room} HTTP/1.1\r\nHost: a\r\n\r\n";

/// A server's end of a connection.
struct Peer {
    stream: TcpStream,
    /// The first line of the handshake.
    line: String,
}

impl Peer {
    /// Accepts a connection, and switches it to WebSocket.
    fn accept(listener: &TcpListener) -> Self {
        let (mut stream, _) = listener.accept().expect("it was opened");
        let mut request = vec![];
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("the handshake came");
            request.extend(byte);
        }
        let request = String::from_utf8(request).expect("it is text");
        let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
        let accepts = handshake::accept(key.expect("there is a key"));
        let response = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accepts}\r\n\r\n"
        );
        stream.write_all(response.as_bytes()).expect("it is taken");
        let line = request.lines().next().expect("there is a line").to_owned();
        Self { stream, line }
    }

    /// The next frame of the client's: its first byte and its payload.
    fn read(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 6];
        self.stream.read_exact(&mut head).expect("a frame came");
        let mut payload = vec![0; usize::from(head[1] & 0x7f)];
        self.stream.read_exact(&mut payload).expect("all of it came");
        payload.iter_mut().zip(head[2..].iter().cycle()).for_each(|(byte, key)| *byte ^= key);
        assert_eq!(head[1] & 0x80, 0x80, "it is masked");
        (head[0], payload)
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("it is taken");
    }
}

/// A message as servers send it.
fn text(text: &str) -> Vec<u8> {
    [&[0x81, text.len() as u8], text.as_bytes()].concat()
}

/// A room of so many connections that are open, and their other ends.
fn open(listener: &TcpListener, members: usize) -> (Ws, Vec<Peer>) {
    let exchanges = vec![Exchange::with_message(HEAD.to_vec(), b"n{seq:2}", members)];
    let selector = Selector::RoundRobin(RoundRobin::new(1, 0, 0, 1));
    let addr = listener.local_addr().expect("it has an address");
    let requests = Requests::new(exchanges, selector, 0);
    let ws = Ws::new(addr.into(), requests, members, 0, (0, 1));
    let mut ws = ws.expect("the system has room for an epoll");
    let mut peers = vec![];
    for slot in 0..members {
        ws.open(slot).expect("the listener accepts");
        assert!(happens(&mut ws).is_empty());
        peers.push(Peer::accept(listener));
        let opened = happens(&mut ws);
        let all = if slot + 1 == members { members } else { 0 };
        assert_eq!(opened.iter().filter(|p| matches!(p, (_, Progress::Opened))).count(), all);
    }
    (ws, peers)
}

fn send(ws: &mut Ws, slot: usize) {
    assert_eq!(ws.room(slot), 1);
    ws.enqueue(slot, InFlight::new(None, true, Instant::now()));
    assert!(matches!(ws.flush(slot), Progress::Pending));
    assert_eq!(ws.room(slot), 0);
}

/// What the next event comes to, by slot.
fn happens(ws: &mut Ws) -> Vec<(usize, Progress)> {
    let mut events = [EpollEvent::empty()];
    assert_eq!(ws.epoll.wait(&mut events, 10_000_u16), Ok(1), "something happens");
    let first = ws.on_event(&events[0]);
    let all = first.into_iter().chain(std::iter::from_fn(|| ws.next()));
    all.map(|completion| (completion.slot, completion.progress)).collect()
}

/// The slots whose requests are over, in this order.
fn ok(happened: &[(usize, Progress)]) -> Vec<usize> {
    let is_ok =
        |progress: &Progress| matches!(progress, Progress::Completed(_, Outcome::Ok { .. }));
    assert!(happened.iter().all(|(_, progress)| is_ok(progress)), "{happened:?}");
    happened.iter().map(|(slot, _)| *slot).collect()
}

#[test]
fn an_echo_in_parts() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let (mut ws, mut peers) = open(&listener, 1);
    let peer = &mut peers[0];
    assert_eq!(peer.line, "GET /1 HTTP/1.1");
    for number in 0..3 {
        send(&mut ws, 0);
        assert_eq!(peer.read(), (0x81, format!("n0{number}").into_bytes()));
        peer.send(b"\x01\x01n\x89\x02ab");
        assert!(happens(&mut ws).is_empty());
        assert_eq!(peer.read(), (0x8a, b"ab".to_vec()), "a pong");
        peer.send(b"\x80\x020");
        assert!(happens(&mut ws).is_empty());
        peer.send(number.to_string().as_bytes());
        assert_eq!(ok(&happens(&mut ws)), [0]);
    }
    assert_eq!(ws.unseen(), 0);
}

#[test]
fn a_room_has_one_order() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let (mut ws, mut peers) = open(&listener, 2);
    assert!(peers.iter().all(|peer| peer.line == "GET /1 HTTP/1.1"));
    send(&mut ws, 0);
    send(&mut ws, 1);
    peers[0].send(&[text("n01"), text("n00")].concat());
    assert!(happens(&mut ws).is_empty());
    peers[1].send(&text("n01"));
    assert_eq!(ok(&happens(&mut ws)), [1]);
    send(&mut ws, 1);
    peers[1].send(&[text("n00"), text("n02")].concat());
    assert_eq!(ok(&happens(&mut ws)), [0]);
    peers[0].send(&text("n02"));
    assert_eq!(ok(&happens(&mut ws)), [1]);
}

/// What the server sends to a client that has sent a message comes to this.
#[test]
fn wrong_messages() {
    let cases: [(&[u8], &str); 9] = [
        (b"\x81\x03n01", r#"expected the message "n00", got "n01""#),
        (b"\x82\x03n00", r#"expected the message "n00", got a binary one: "n00""#),
        (b"\x81\x04n000", "too long"),
        (b"\x81\x83abcdxxx", "masked"),
        (b"\x80\x01n", "a part of no message"),
        (b"\x01\x01n\x81\x0200", "begins within another"),
        (b"\x84\x00", "unknown kind"),
        (b"\x88\x02\x03\xf0", "1008, policy violation"),
        (&b"\x89\x00".repeat(1001), "more than 1,000 frames"),
    ];
    for (bytes, why) in cases {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let (mut ws, mut peers) = open(&listener, 1);
        send(&mut ws, 0);
        peers[0].send(bytes);
        let happened = happens(&mut ws);
        let said = match &happened[..] {
            [(0, Progress::Completed(_, Outcome::Mismatch(mismatch)))] => mismatch.text.clone(),
            [(0, Progress::Completed(_, Outcome::Failed(error)))] => error.reason.to_string(),
            other => panic!("{why}: {other:?}"),
        };
        assert!(said.contains(why), "{said} lacks {why}");
        assert_eq!(ws.state(0), ConnectionState::Vacant, "{why}");
    }
}

#[test]
fn a_message_that_comes_twice() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let (mut ws, mut peers) = open(&listener, 1);
    send(&mut ws, 0);
    peers[0].send(&[text("n00"), text("n00")].concat());
    let happened = happens(&mut ws);
    let [(0, Progress::Completed(_, Outcome::Ok { .. })), (0, Progress::Unsolicited(mismatch))] =
        &happened[..]
    else {
        panic!("{happened:?}")
    };
    assert!(mismatch.text.contains("nobody awaits, or that came before"), "{}", mismatch.text);
}

/// Two members see another order: the room ends, and the next one has another number.
#[test]
fn another_order() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let (mut ws, mut peers) = open(&listener, 2);
    send(&mut ws, 0);
    send(&mut ws, 1);
    peers[0].send(&[text("n00"), text("n01")].concat());
    assert!(happens(&mut ws).is_empty());
    peers[1].send(&text("n01"));
    let happened = happens(&mut ws);
    let [
        (0, Progress::Completed(_, Outcome::Failed(error))),
        (1, Progress::Completed(_, Outcome::Mismatch(mismatch))),
    ] = &happened[..]
    else {
        panic!("{happened:?}")
    };
    assert_eq!(error.kind, ErrorKind::Reset);
    assert!(mismatch.text.contains(r#"expected the message "n00", got "n01""#), "{mismatch:?}");
    for slot in 0..2 {
        assert_eq!(ws.state(slot), ConnectionState::Vacant);
        ws.open(slot).expect("the listener accepts");
        assert!(happens(&mut ws).is_empty());
        peers.push(Peer::accept(&listener));
        assert_eq!(peers[slot + 2].line, "GET /2 HTTP/1.1");
        assert_eq!(happens(&mut ws).len(), 2 * slot);
    }
}

/// One that a member does not get is late for its sender.
#[test]
fn a_message_that_does_not_come() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let (mut ws, mut peers) = open(&listener, 2);
    send(&mut ws, 0);
    peers[0].send(&text("n00"));
    assert!(happens(&mut ws).is_empty());
    let later = Instant::now() + Duration::from_secs(2);
    assert!(ws.expire(1, later, Duration::from_secs(1)).is_none());
    let expired = ws.expire(0, later, Duration::from_secs(1));
    let Some(Progress::Completed(_, Outcome::Failed(error))) = expired else {
        panic!("{expired:?}")
    };
    assert_eq!(error.kind, ErrorKind::Timeout);
    assert!(matches!(ws.next(), Some(Completion { slot: 1, .. })));
    assert!(ws.next().is_none());
}

#[test]
fn connections_that_end() {
    let cases: [(&[u8], ErrorKind); 2] =
        [(b"", ErrorKind::Reset), (b"\x81\x03n0", ErrorKind::Truncated)];
    for (bytes, kind) in cases {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let (mut ws, mut peers) = open(&listener, 1);
        send(&mut ws, 0);
        peers[0].read();
        peers[0].send(bytes);
        peers.clear();
        let happened = loop {
            let happened = happens(&mut ws);
            if !happened.is_empty() {
                break happened;
            }
        };
        let [(0, Progress::Completed(_, Outcome::Failed(error)))] = &happened[..] else {
            panic!("{happened:?}")
        };
        assert_eq!(error.kind, kind);
    }
}
