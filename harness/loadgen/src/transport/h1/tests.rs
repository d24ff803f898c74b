use std::io::{Read, Write};
use std::net::TcpListener;

use nix::poll::{PollFd, PollFlags, poll};

use super::*;
use crate::request::exchange::Exchange;
use crate::request::selector::{Selector, Weighted};

const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// A client of one connection, which is open, to a listener.
fn client(listener: &TcpListener, request: &[u8], depth: usize) -> H1 {
    let exchanges = vec![Exchange::any_success(request.to_vec(), false)];
    let config = ClientConfig { churn: false, depth, close_patience: None };
    let selector = Selector::Weighted(Weighted::new([1], 0, 0, (0, 1)));
    let addr = listener.local_addr().expect("it has an address");
    let client = H1::new(addr.into(), Requests::new(exchanges, selector, 0), 1, config);
    let mut client = client.expect("the system has room for an epoll");
    client.open(0).expect("the listener accepts");
    while client.state(0) == ConnectionState::Opening {
        next(&mut client);
    }
    client
}

/// Sends a request.
fn send(client: &mut H1) -> Progress {
    let sent = Instant::now();
    client.enqueue(0, InFlight::new(None, true, sent));
    client.flush(0)
}

/// What the next event comes to.
fn next(client: &mut H1) -> Progress {
    let mut events = [EpollEvent::empty()];
    let ready = client.epoll.wait(&mut events, 10_000_u16);
    assert_eq!(ready, Ok(1), "something happens");
    client.on_event(&events[0]).map_or(Progress::Pending, |completion| completion.progress)
}

fn is_ok(progress: &Progress) -> bool {
    matches!(progress, Progress::Completed(_, Outcome::Ok { .. }))
}

/// The server closes a connection between requests, which is not noticed before the next.
#[test]
fn a_request_to_a_connection_that_was_closed_before_is_retried() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let mut client = client(&listener, GET, 1);
    drop(listener.accept().expect("it was opened"));
    assert!(matches!(send(&mut client), Progress::Pending));
    assert!(matches!(next(&mut client), Progress::Pending));
    assert_eq!(client.stats.retried, 1);
    let (mut stream, _) = listener.accept().expect("it was opened anew");
    stream.read_exact(&mut [0; 18]).expect("the request came");
    stream.write_all(OK).expect("it is taken");
    assert!(is_ok(&next(&mut client)));
    // Once is chance.
    drop(stream);
    assert!(matches!(send(&mut client), Progress::Pending));
    assert!(matches!(next(&mut client), Progress::Pending));
    drop(listener.accept().expect("it was opened anew"));
    let progress = next(&mut client);
    let failed = matches!(progress, Progress::Completed(_, Outcome::Failed(_)));
    assert!(failed, "{progress:?}");
    assert_eq!(client.stats.retried, 2);
}

/// Waits until the client's system knows that the connection was reset.
fn await_reset(client: &H1) {
    let socket = client.connections[0].socket().expect("it is open");
    let ready = poll(&mut [PollFd::new(socket, PollFlags::empty())], 10_000_u16);
    assert_eq!(ready, Ok(1), "it is reset");
}

/// A server that closes a connection with requests unread in it resets it.
#[test]
fn responses_that_came_before_a_reset_are_read() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let mut client = client(&listener, GET, 2);
    let (mut stream, _) = listener.accept().expect("it was opened");
    assert!(matches!(send(&mut client), Progress::Pending));
    stream.peek(&mut [0]).expect("the request came");
    let last = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    stream.write_all(last).expect("it is taken");
    drop(stream);
    await_reset(&client);
    assert!(matches!(send(&mut client), Progress::Pending), "there is a response to be read");
    assert_eq!(client.room(0), 0);
    assert!(matches!(next(&mut client), Progress::Pending), "the server has to close it");
    assert!(is_ok(&next(&mut client)));
    assert_eq!(client.stats.retried, 1);
    let (mut stream, _) = listener.accept().expect("it was opened anew");
    stream.read_exact(&mut [0; GET.len()]).expect("the request came");
    stream.write_all(OK).expect("it is taken");
    assert!(is_ok(&next(&mut client)));
}

/// A server that refuses a long request does so before it has come.
#[test]
fn the_response_to_a_request_that_was_cut_off_is_read() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let long = vec![b'a'; 32 << 20]; // more than sockets buffer
    let mut client = client(&listener, &long, 1);
    let (mut stream, _) = listener.accept().expect("it was opened");
    assert!(matches!(send(&mut client), Progress::Pending));
    stream.peek(&mut [0]).expect("some of the request came");
    stream.write_all(b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n").expect("it is taken");
    drop(stream);
    await_reset(&client);
    let progress = next(&mut client);
    let Progress::Completed(_, Outcome::Mismatch(mismatch)) = progress else {
        panic!("{progress:?}")
    };
    assert_eq!(mismatch.kind, ErrorKind::BadStatus);
}

/// A server that has read a request and closes the connection has not responded.
#[test]
fn a_request_that_was_read_is_not_retried() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let mut client = client(&listener, GET, 1);
    let (mut stream, _) = listener.accept().expect("it was opened");
    assert!(matches!(send(&mut client), Progress::Pending));
    stream.read_exact(&mut [0; 18]).expect("the request came");
    drop(stream);
    let progress = next(&mut client);
    let failed = matches!(progress, Progress::Completed(_, Outcome::Failed(_)));
    assert!(failed, "{progress:?}");
    assert_eq!(client.stats.retried, 0);
}
