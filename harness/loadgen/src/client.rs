//! A thread's connections to one server: asks on them, and says what events on them mean. When to
//! ask, and what is counted, is left to [`super::share`] (windows) and [`super::stream`] (one
//! load, closed or open).
//!
//! This is the hot path. Per request it makes two system calls and a share of a third
//! (`epoll_wait`, which its callers make), reads the clock once and compares the answer with its
//! template. It allocates, locks, logs and formats nothing unless an answer is unlike the ones
//! before.
//!
//! A connection that has to end behind an answer (each request has one of its own, or the answer
//! says so) is closed only when the server has closed it. The side that closes first keeps the
//! pair of ports for a minute (TIME_WAIT). With that on the server's side, a port here is free
//! again at once, and thousands of connections a second never run out of ports.

use std::io;
use std::iter;
use std::ops::Range;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use super::connection::{Connection, Phase, Taken};
use super::failure::Trouble;
use super::fault::Fault;
use super::judge::{Question, Wrong};
use super::requests::Turns;
use super::target::Target;
use super::template::Template;

mod answers;
mod pipeline;

/// A thread's connections to one server.
#[derive(Debug)]
pub(super) struct Client<'j> {
    pub(super) target: Target,
    questions: Vec<Question<'j>>,
    pub(super) epoll: Epoll,
    pub(super) connections: Vec<Connection>,
    templates: Vec<Option<Template>>,
    turns: Turns,
    /// Decides the digits that differ each time.
    seed: u64,
    /// Whether each request has a connection of its own.
    pub(super) churn: bool,
    /// Requests that may be under way on a connection.
    pub(super) depth: usize,
    /// Requests asked again, since their connection was closed before they came, ...
    pub(super) asked_again: u64,
    /// ... and the connections opened for that.
    pub(super) reopened: u64,
    /// With several under way: what was read and not looked at yet, ...
    unread: Range<usize>,
    /// ... and the trouble that the event before has led to.
    trouble: Option<Trouble>,
}

/// What an event on a connection, or the attempt to ask on it, came to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Nothing that is whole.
    Pending,
    /// A connection begun is open.
    Opened,
    /// A right answer after so many nanoseconds. The connection is idle, or vacant.
    Right(u64),
    /// A request failed in transport. The connection is closed, and what was asked behind it lost.
    Failed(Trouble),
    /// A wrong answer. The connection is idle where it can be asked again, or closed.
    Wrong(Box<Wrong>),
    /// Bytes came with nothing asked. The connection is closed.
    Unasked(Box<Wrong>),
    /// A connection with nothing asked is lost, or could not be opened; why.
    Gone(&'static str),
}

/// How connections are used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// Whether each request has a connection of its own.
    pub(super) churn: bool,
    /// Requests that may be under way on a connection; 1 with churn.
    pub(super) depth: usize,
    /// Decides the digits that differ each time.
    pub(super) seed: u64,
}

impl<'j> Client<'j> {
    /// A client with no connection open.
    pub(super) fn new(
        target: Target,
        questions: Vec<Question<'j>>,
        connections: usize,
        manner: Manner,
        turns: Turns,
    ) -> Result<Self, Errno> {
        // One answer at a time is read until there is no more; pipelines and TLS leave a rest.
        let edges = manner.depth == 1 && target.tls.is_none();
        let vacant = || Connection::watched_for_edges(edges);
        Ok(Self {
            target,
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            connections: iter::repeat_with(vacant).take(connections).collect(),
            templates: vec![None; questions.len()],
            questions,
            turns,
            seed: manner.seed,
            churn: manner.churn,
            depth: manner.depth,
            asked_again: 0,
            reopened: 0,
            unread: 0..0,
            trouble: None,
        })
    }

    /// Exchanges never answered yet.
    pub(super) fn unseen(&self) -> usize {
        self.templates.iter().filter(|template| template.is_none()).count()
    }

    /// The question asked last on a connection.
    pub(super) fn question(&self, key: usize) -> &Question<'j> {
        &self.questions[self.connections[key].exchange]
    }

    /// Asks the next question on a connection, opening it if there is none.
    #[inline]
    pub(super) fn ask(&mut self, key: usize, now: Instant) -> Outcome {
        let turn = self.turns.next();
        let question = &mut self.questions[turn.exchange];
        question.number(self.seed, turn.index);
        let request = &question.request;
        let connection = &mut self.connections[key];
        let vacant = connection.phase == Phase::Vacant;
        connection.ask(turn, now);
        let written = if vacant {
            connection.open_and_write(&self.target, request, &self.epoll, key as u64)
        } else {
            connection.write(request, &self.epoll, key as u64)
        };
        match written {
            Ok(()) => Outcome::Pending,
            Err(_) if !vacant && self.connections[key].written == 0 => self.ask_again(key),
            Err(error) => self.unwritten(key, &error),
        }
    }

    /// Asks again, on a new connection, what the server cannot have seen: it had closed the
    /// connection before the request came, as it may between requests. The time runs on.
    #[cold]
    fn ask_again(&mut self, key: usize) -> Outcome {
        self.asked_again += 1;
        self.reopened += 1;
        let connection = &mut self.connections[key];
        connection.close();
        connection.phase = Phase::Asked;
        connection.again = true;
        let question = &mut self.questions[connection.exchange];
        question.number(self.seed, connection.index);
        let request = &question.request;
        match connection.open_and_write(&self.target, request, &self.epoll, key as u64) {
            Ok(()) => Outcome::Pending,
            Err(error) => self.lost(key, &error),
        }
    }

    /// Handles one event. Returns the clock as it was read last.
    #[inline]
    pub(super) fn handle(
        &mut self,
        event: &EpollEvent,
        buffer: &mut [u8],
        received_bytes: &mut u64,
    ) -> (Outcome, Instant) {
        const CLOSED: EpollFlags = EpollFlags::EPOLLRDHUP.union(EpollFlags::EPOLLHUP);
        let key = event.data() as usize;
        let flags = event.events();
        if self.connections[key].wants_room()
            && let Some(outcome) = self.has_room(key, flags)
        {
            return (outcome, Instant::now());
        }
        if self.connections[key].phase == Phase::Opening {
            return (self.advance(key, buffer), Instant::now());
        }
        loop {
            let read = self.connections[key].read(buffer, &self.epoll, key as u64);
            let now = Instant::now();
            let outcome = match read {
                Ok(Taken { bytes: 0, closed: true, .. }) => self.closed(key, now),
                Ok(taken) if self.depth > 1 && taken.bytes > 0 => {
                    *received_bytes += taken.bytes as u64;
                    self.unread = 0..taken.bytes;
                    self.more(key, buffer, now).unwrap_or(Outcome::Pending)
                }
                Ok(taken) => {
                    *received_bytes += taken.bytes as u64;
                    let outcome = match taken.bytes {
                        0 => Outcome::Pending, // TLS had something to say, the server had not
                        n => self.received(key, &buffer[..n], now),
                    };
                    // What is behind an answer is left to the next event.
                    match outcome {
                        Outcome::Pending if taken.closed => self.closed(key, now),
                        Outcome::Pending
                            if !taken.drained || flags.contains(EpollFlags::EPOLLERR) =>
                        {
                            continue;
                        }
                        // Drained. If the close had arrived before it, this was all.
                        Outcome::Pending if flags.intersects(CLOSED) => self.closed(key, now),
                        // The server closed it behind the answer: there is nobody to be asked.
                        Outcome::Right(_) if taken.closed || flags.intersects(CLOSED) => {
                            self.connections[key].close();
                            outcome
                        }
                        outcome => outcome,
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Outcome::Pending,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => self.lost(key, &error),
            };
            return (outcome, now);
        }
    }

    /// A request that has waited longer than `timeout`; its connection is closed.
    pub(super) fn overdue(
        &mut self,
        key: usize,
        now: Instant,
        timeout: Duration,
    ) -> Option<Trouble> {
        let connection = &mut self.connections[key];
        let closing = matches!(connection.phase, Phase::Closing(_));
        let waits = closing || connection.phase == Phase::Asked;
        if !waits || now.saturating_duration_since(connection.asked_at) <= timeout {
            return None;
        }
        connection.close();
        Some(Trouble { fault: Fault::Timeout, errno: None, closing })
    }

    /// Goes on opening a connection.
    #[cold]
    fn advance(&mut self, key: usize, buffer: &mut [u8]) -> Outcome {
        let connection = &mut self.connections[key];
        match connection.advance(&self.epoll, key as u64, buffer) {
            Ok(early) if early > 0 => self.received(key, &buffer[..early], Instant::now()),
            Ok(_) if connection.phase == Phase::Idle => Outcome::Opened,
            Ok(_) => Outcome::Pending,
            Err(error) => self.lost(key, &error),
        }
    }

    /// There may be room to write on a connection that waits for it. None: there is more to do.
    #[cold]
    fn has_room(&mut self, key: usize, flags: EpollFlags) -> Option<Outcome> {
        let connection = &mut self.connections[key];
        if connection.phase == Phase::Opening {
            return Some(self.advance(key, &mut []));
        }
        if !flags.contains(EpollFlags::EPOLLOUT) {
            return None;
        }
        let written = if self.depth > 1 {
            connection.flush(&self.epoll, key as u64)
        } else {
            let question = &mut self.questions[connection.exchange];
            question.number(self.seed, connection.index); // others were asked meanwhile
            connection.write(&question.request, &self.epoll, key as u64)
        };
        if let Err(error) = written {
            let outcome = self.unwritten(key, &error);
            // Otherwise there may be something to read.
            return (!matches!(outcome, Outcome::Pending)).then_some(outcome);
        }
        (flags == EpollFlags::EPOLLOUT).then_some(Outcome::Pending)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use nix::poll::{PollFd, PollFlags, poll};

    use super::super::judge::Status;
    use super::super::requests::Draw;
    use super::*;

    const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

    /// A client of one connection, which is open, to a listener.
    fn client(listener: &TcpListener, request: &'static [u8], depth: usize) -> Client<'static> {
        let question = Question {
            request: request.into(),
            patches: &[],
            head: false,
            status: Status::Successful,
            content_type: None,
            body: None,
        };
        let manner = Manner { churn: false, depth, seed: 0 };
        let turns = Turns::Draw(Draw::new([1], 0, 0, (0, 1)));
        let addr = listener.local_addr().expect("it has an address");
        let client = Client::new(addr.into(), vec![question], 1, manner, turns);
        let mut client = client.expect("the system has room for an epoll");
        let Client { target, epoll, connections, .. } = &mut client;
        let opened = connections[0].open(target, Duration::from_secs(10), epoll, 0);
        opened.expect("the listener accepts");
        client
    }

    /// What the next event comes to.
    fn next(client: &mut Client<'_>) -> Outcome {
        let mut events = [EpollEvent::empty()];
        let ready = client.epoll.wait(&mut events, 10_000_u16);
        assert_eq!(ready, Ok(1), "something happens");
        client.handle(&events[0], &mut [0; 4096], &mut 0).0
    }

    /// The server closes a connection between requests, which is not noticed before the next.
    #[test]
    fn a_request_to_a_connection_that_was_closed_before_is_asked_again() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let mut client = client(&listener, GET, 1);
        drop(listener.accept().expect("it was opened"));
        assert!(matches!(client.ask(0, Instant::now()), Outcome::Pending));
        assert!(matches!(next(&mut client), Outcome::Pending));
        assert_eq!(client.asked_again, 1);
        let (mut stream, _) = listener.accept().expect("it was opened anew");
        stream.read_exact(&mut [0; 18]).expect("the request came");
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").expect("it is taken");
        assert!(matches!(next(&mut client), Outcome::Right(_)));
        // Once is chance.
        drop(stream);
        assert!(matches!(client.ask(0, Instant::now()), Outcome::Pending));
        assert!(matches!(next(&mut client), Outcome::Pending));
        drop(listener.accept().expect("it was opened anew"));
        let outcome = next(&mut client);
        assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
        assert_eq!(client.asked_again, 2);
    }

    /// Waits until the client's system knows that the connection was reset.
    fn await_reset(client: &Client<'_>) {
        let socket = client.connections[0].socket().expect("it is open");
        let ready = poll(&mut [PollFd::new(socket, PollFlags::empty())], 10_000_u16);
        assert_eq!(ready, Ok(1), "it is reset");
    }

    /// A server that closes a connection with requests unread in it resets it.
    #[test]
    fn answers_that_came_before_a_reset_are_read() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let mut client = client(&listener, GET, 2);
        let (mut stream, _) = listener.accept().expect("it was opened");
        client.ask_behind(0, Instant::now());
        assert!(matches!(client.flush(0), Outcome::Pending));
        stream.peek(&mut [0]).expect("the request came");
        let last = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(last).expect("it is taken");
        drop(stream);
        await_reset(&client);
        client.ask_behind(0, Instant::now());
        assert!(matches!(client.flush(0), Outcome::Pending), "there is an answer to be read");
        assert_eq!(client.room(0), 0);
        assert!(matches!(next(&mut client), Outcome::Pending), "the server has to close it");
        assert!(matches!(next(&mut client), Outcome::Right(_)));
        assert_eq!(client.asked_again, 1);
        let (mut stream, _) = listener.accept().expect("it was opened anew");
        stream.read_exact(&mut [0; GET.len()]).expect("the request came");
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").expect("it is taken");
        assert!(matches!(next(&mut client), Outcome::Right(_)));
    }

    /// A server that refuses a long request does so before it has come.
    #[test]
    fn the_answer_to_a_request_that_was_cut_off_is_read() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let long = vec![b'a'; 32 << 20].leak(); // more than sockets buffer
        let mut client = client(&listener, long, 1);
        let (mut stream, _) = listener.accept().expect("it was opened");
        assert!(matches!(client.ask(0, Instant::now()), Outcome::Pending));
        stream.peek(&mut [0]).expect("some of the request came");
        stream.write_all(b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n").expect("it is taken");
        drop(stream);
        await_reset(&client);
        let outcome = next(&mut client);
        let Outcome::Wrong(wrong) = outcome else { panic!("{outcome:?}") };
        assert_eq!(wrong.fault, Fault::BadStatus);
    }

    /// A server that has read a request and closes the connection has not answered it.
    #[test]
    fn a_request_that_was_read_is_not_asked_again() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let mut client = client(&listener, GET, 1);
        let (mut stream, _) = listener.accept().expect("it was opened");
        assert!(matches!(client.ask(0, Instant::now()), Outcome::Pending));
        stream.read_exact(&mut [0; 18]).expect("the request came");
        drop(stream);
        let outcome = next(&mut client);
        assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
        assert_eq!(client.asked_again, 0);
    }
}
