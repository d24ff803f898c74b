//! The null responder: answers every HTTP/1.1 request with the same small response, at the least
//! cost that is possible with plain system calls. What a load generator reaches against it is what
//! it can reach at all on a machine.
//!
//! It reads no more of a request than tells where the next one begins, and whether its connection
//! is to be closed. A head equal to the one before is not even read.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::socket::{
    self, AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, setsockopt, sockopt,
};

use crate::response::parse::HEAD_BYTES_MAX;

/// The response. It has no body, so that it is right for HEAD too.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
/// Responses written at once, at most.
const ANSWERS: usize = 256;
/// Bytes read at once, at most.
const READ_BYTES: usize = 64 * 1024;
/// Events fetched at once, at most.
const EVENTS: usize = 1024;
/// The key of the listener among events.
const LISTENER: u64 = u64::MAX;
/// Whether to stop is asked this often.
const PATIENCE_MS: u16 = 200;
/// A client that takes no responses for this long is given up.
const WRITE_PATIENCE: Duration = Duration::from_secs(1);
/// The most header fields read.
const FIELDS_MAX: usize = 128;

/// Listens at `addr` so many times; the system spreads connections over the listeners.
///
/// # Errors
/// When the address cannot be listened at.
pub fn listen(addr: SocketAddr, times: usize) -> io::Result<Vec<TcpListener>> {
    crate::system::raise_file_limit();
    let mut listeners: Vec<TcpListener> = vec![];
    for _ in 0..times {
        // The first chooses the port where it is 0.
        let addr = listeners.first().map_or(Ok(addr), TcpListener::local_addr)?;
        let family = if addr.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let listener = socket::socket(family, SockType::Stream, flags, None)?;
        setsockopt(&listener, sockopt::ReusePort, &true)?;
        setsockopt(&listener, sockopt::TcpNoDelay, &true)?; // connections inherit it
        socket::bind(listener.as_raw_fd(), &SockaddrStorage::from(addr))?;
        socket::listen(&listener, Backlog::MAXCONN)?;
        listeners.push(TcpListener::from(listener));
    }
    Ok(listeners)
}

/// Answers what comes to one listener, until `stop` says so. Each request costs so many rounds of
/// `work` beside: with some, this is a server whose speed is known.
///
/// # Errors
/// When the system refuses what it takes to wait for requests.
pub fn serve(listener: &TcpListener, work: u32, stop: impl Fn() -> bool) -> io::Result<()> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
    let mut events = vec![EpollEvent::empty(); EVENTS];
    let mut connections: Vec<Option<Connection>> = vec![];
    let mut buffers = Buffers {
        buffer: vec![0; READ_BYTES],
        responses: ANSWER.repeat(ANSWERS),
        last: Vec::new(),
        last_framing: RequestFraming { body_bytes: 0, close: false },
        work,
    };
    while !stop() {
        let ready = match epoll.wait(&mut events, PATIENCE_MS) {
            Err(Errno::EINTR) => continue,
            ready => ready?,
        };
        for event in &events[..ready] {
            if event.data() == LISTENER {
                accept(listener, &epoll, &mut connections)?;
                continue;
            }
            let place = &mut connections[event.data() as usize];
            if let Some(connection) = place
                && !connection.response(&mut buffers)
            {
                *place = None; // closes it
            }
        }
    }
    Ok(())
}

/// Works so many rounds, each about a nanosecond: rounds and not a time, so that the work does not
/// shrink while the machine is slow.
fn toil(rounds: u64) {
    let mut state = 1_u64;
    for _ in 0..rounds {
        // Each round needs the one before: nothing can be left out or done at once.
        state = std::hint::black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}

fn accept(
    listener: &TcpListener,
    epoll: &Epoll,
    connections: &mut Vec<Option<Connection>>,
) -> io::Result<()> {
    loop {
        // Where it fails, nobody waits, the client has given up, or there is no room for it.
        let Ok((stream, _)) = listener.accept() else { return Ok(()) };
        stream.set_write_timeout(Some(WRITE_PATIENCE))?;
        let free = connections.iter().position(Option::is_none);
        let key = free.unwrap_or_else(|| {
            connections.push(None);
            connections.len() - 1
        });
        epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, key as u64))?;
        connections[key] = Some(Connection { stream, head: vec![], framing: None, close: false });
    }
}

/// What all connections use in turn.
struct Buffers {
    buffer: Vec<u8>,
    responses: Vec<u8>,
    /// The head read last, and what it framing.
    last: Vec<u8>,
    last_framing: RequestFraming,
    /// Rounds of work per request.
    work: u32,
}

/// What of a head matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RequestFraming {
    body_bytes: usize,
    close: bool,
}

#[derive(Debug)]
struct Connection {
    /// Blocking: it is read when there is something, and written to a client that reads.
    stream: TcpStream,
    /// The beginning of a head.
    head: Vec<u8>,
    /// The request of which a part of the body is missing.
    framing: Option<RequestFraming>,
    /// Whether the last request asked for it.
    close: bool,
}

impl Connection {
    /// Answers what has come. Returns whether the connection stays open.
    fn response(&mut self, buffers: &mut Buffers) -> bool {
        let mut buffer = std::mem::take(&mut buffers.buffer);
        let read = self.stream.read(&mut buffer);
        let open = match read {
            Ok(0) => false,
            Ok(n) => self.take(&buffer[..n], buffers).is_some_and(|requests| {
                toil(requests as u64 * u64::from(buffers.work));
                self.write(requests, &buffers.responses).is_ok() && !self.close
            }),
            Err(error) => error.kind() == io::ErrorKind::Interrupted,
        };
        buffers.buffer = buffer;
        open
    }

    /// How many requests these bytes end; none: they are no requests.
    fn take(&mut self, mut bytes: &[u8], buffers: &mut Buffers) -> Option<usize> {
        let mut requests = 0;
        while !self.close {
            if let Some(framing) = &mut self.framing {
                let of_body = framing.body_bytes.min(bytes.len());
                framing.body_bytes -= of_body;
                bytes = &bytes[of_body..];
                if framing.body_bytes > 0 {
                    break;
                }
                requests += 1;
                self.close = framing.close;
                self.framing = None;
            }
            if bytes.is_empty() {
                break;
            }
            if self.head.is_empty()
                && !buffers.last.is_empty()
                && let Some(rest) = bytes.strip_prefix(&buffers.last[..])
            {
                bytes = rest;
                self.framing = Some(buffers.last_framing);
                continue;
            }
            let before = self.head.len();
            self.head.extend_from_slice(bytes);
            match framing(&self.head)? {
                Some((framing, length)) => {
                    bytes = &bytes[length - before..];
                    self.head.truncate(length);
                    std::mem::swap(&mut self.head, &mut buffers.last);
                    self.head.clear();
                    buffers.last_framing = framing;
                    self.framing = Some(framing);
                }
                None => break,
            }
        }
        Some(requests)
    }

    fn write(&mut self, mut requests: usize, responses: &[u8]) -> io::Result<()> {
        while requests > 0 {
            let now = requests.min(ANSWERS);
            self.stream.write_all(&responses[..now * ANSWER.len()])?;
            requests -= now;
        }
        Ok(())
    }
}

/// What a head framing and how long it is, or that it is incomplete; none: it is no head that this
/// responder reads.
fn framing(bytes: &[u8]) -> Option<Option<(RequestFraming, usize)>> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    let length = match request.parse(bytes).ok()? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial => return (bytes.len() < HEAD_BYTES_MAX).then_some(None),
    };
    let mut framing = RequestFraming { body_bytes: 0, close: false };
    for field in request.headers {
        if field.name.eq_ignore_ascii_case("content-length") {
            framing.body_bytes = str::from_utf8(field.value).ok()?.trim().parse().ok()?;
        } else if field.name.eq_ignore_ascii_case("connection") {
            framing.close |= field.value.eq_ignore_ascii_case(b"close");
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            return None;
        }
    }
    Some(Some((framing, length)))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";

    /// What a responder sends in response to pieces, the last of which ends the connection.
    fn responses(pieces: &[&str]) -> String {
        let listeners = listen(([127, 0, 0, 1], 0).into(), 1).expect("it can listen");
        let addr = listeners[0].local_addr().expect("it has an address");
        let stop = std::sync::atomic::AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                serve(&listeners[0], 0, || stop.load(std::sync::atomic::Ordering::SeqCst))
            });
            let mut stream = TcpStream::connect(addr).expect("it accepts");
            stream.set_nodelay(true).expect("it is a socket");
            for piece in pieces {
                // It may have been closed, which is what some cases are about.
                let _ = stream.write_all(piece.as_bytes());
            }
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let mut all = String::new();
            let _ = stream.read_to_string(&mut all);
            stop.store(true, std::sync::atomic::Ordering::SeqCst);
            all
        })
    }

    #[test]
    fn every_request_has_its_answer() {
        let close = GET.replace("Host: a", "Connection: Close");
        let pipelined = format!("{GET}{POST}{GET}");
        let bytes: Vec<String> = pipelined.chars().map(String::from).collect();
        let bytes: Vec<&str> = bytes.iter().map(String::as_str).collect();
        let many = GET.repeat(1000);
        let cases: [(&str, &[&str], usize); 9] = [
            ("one", &[GET], 1),
            ("none", &[], 0),
            ("a part of one", &[&GET[..20]], 0),
            ("several", &[&pipelined], 3),
            ("byte by byte", &bytes, 3),
            ("a body in parts", &[&POST[..POST.len() - 3], "l", "lo"], 1),
            ("many", &[&many], 1000),
            ("closed when asked to", &[&close, GET], 1),
            ("no HTTP", &["nonsense\r\n\r\n"], 0),
        ];
        for (name, pieces, expected) in cases {
            let got = responses(pieces);
            let response = str::from_utf8(ANSWER).expect("it is ASCII");
            assert_eq!(got, response.repeat(expected), "{name}");
        }
    }
}
