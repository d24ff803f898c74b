//! HTTP/1.1: one request at a time on a connection, several behind each other (pipelining), or one
//! on each connection.
//!
//! This is the hot path. Per request it makes two system calls and a share of a third
//! (`epoll_wait`, which the driver makes), reads the clock once and compares the response with its
//! template. It allocates, locks, logs and formats nothing unless a response is unlike the ones
//! before.
//!
//! A connection that has to end behind a response (each request has one of its own, or the response
//! says so) is closed only when the server has closed it. The side that closes first keeps the
//! pair of ports for a minute (TIME_WAIT). With that on the server's side, a port here is free
//! again at once, and thousands of connections a second never run out of ports.

use std::io;
use std::mem;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use crate::count::events::EventLog;
use crate::count::first_bytes::FirstBytes;
use crate::error_kind::ErrorKind;
use crate::limits::READ_BYTES;
use crate::request::in_flight::InFlight;
use crate::request::requests::Requests;
use crate::response::template::Template;
use crate::transport::connection::{Connection, Phase};
use crate::transport::error::{NO_REPLY, TransportError};
use crate::transport::socket::ReadOutcome;
use crate::transport::stats::ConnectionStats;
use crate::transport::target::Target;
use crate::transport::{Completion, ConnectionState, Outcome, Progress, Transport};

mod pipelining;
pub(crate) mod reference;
mod responses;
#[cfg(test)]
mod tests;

/// How connections are used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientConfig {
    /// Whether each request has a connection of its own.
    pub(crate) churn: bool,
    /// Requests that may be in flight on a connection; 1 with churn.
    pub(crate) depth: usize,
    /// How long the server may take to close a connection behind its last response; it is closed
    /// here then. None: as long as a response may take, and it has failed then.
    pub(crate) close_patience: Option<Duration>,
}

/// A thread's connections to one server; each of them has one slot.
#[derive(Debug)]
pub(crate) struct H1 {
    target: Target,
    config: ClientConfig,
    requests: Requests,
    /// The last response to each exchange that was as expected.
    templates: Vec<Option<Template>>,
    epoll: Epoll,
    connections: Vec<Connection>,
    buffer: Box<[u8]>,
    /// With pipelining: what was read and not parsed yet, ...
    unread: Range<usize>,
    /// ... on which connection, and when.
    unread_of: (usize, Instant),
    /// A connection that failed, and what is to become of the rest of its pipeline.
    failed: Option<(usize, TransportError)>,
    first_bytes: FirstBytes,
    /// Where responses are streams of events: how late these come.
    events: Option<Box<EventLog>>,
    stats: ConnectionStats,
    received_bytes: u64,
}

impl H1 {
    /// No connection is open yet.
    pub(crate) fn new(
        target: Target,
        requests: Requests,
        connections: usize,
        config: ClientConfig,
    ) -> Result<Self, Errno> {
        // One response at a time is read until there is no more; pipelines and TLS leave a rest.
        let edge_triggered = config.depth == 1 && target.tls.is_none();
        let streams = requests.exchanges.iter().any(|exchange| exchange.event_period.is_some());
        Ok(Self {
            target,
            config,
            templates: vec![None; requests.exchanges.len()],
            requests,
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            connections: (0..connections).map(|_| Connection::new(edge_triggered)).collect(),
            buffer: vec![0; READ_BYTES].into(),
            unread: 0..0,
            unread_of: (0, Instant::now()),
            failed: None,
            first_bytes: FirstBytes::default(),
            events: streams.then(|| Box::new(EventLog::new())),
            stats: ConnectionStats::default(),
            received_bytes: 0,
        })
    }

    /// Handles one event. Returns the clock as it was read last.
    #[inline]
    fn handle(&mut self, event: &EpollEvent, buffer: &mut [u8]) -> (Progress, Instant) {
        const CLOSED: EpollFlags = EpollFlags::EPOLLRDHUP.union(EpollFlags::EPOLLHUP);
        let key = event.data() as usize;
        let flags = event.events();
        if self.connections[key].wants_room()
            && let Some(progress) = self.has_room(key, flags)
        {
            return (progress, Instant::now());
        }
        if self.connections[key].phase == Phase::Opening {
            return (self.advance(key, buffer), Instant::now());
        }
        loop {
            let read = self.connections[key].read(buffer, &self.epoll, key as u64);
            let now = Instant::now();
            let progress = match read {
                Ok(ReadOutcome { bytes: 0, closed: true, .. }) => self.closed(key, now),
                Ok(read) if self.config.depth > 1 && read.bytes > 0 => {
                    self.received_bytes += read.bytes as u64;
                    self.unread = 0..read.bytes;
                    self.unread_of = (key, now);
                    self.next_response(buffer)
                }
                Ok(read) => {
                    self.received_bytes += read.bytes as u64;
                    let progress = match read.bytes {
                        0 => Progress::Pending, // TLS had something to say, the server had not
                        n => self.received(key, &buffer[..n], now),
                    };
                    // What is behind a response is left to the next event.
                    match progress {
                        Progress::Pending if read.closed => self.closed(key, now),
                        Progress::Pending
                            if !read.drained || flags.contains(EpollFlags::EPOLLERR) =>
                        {
                            continue;
                        }
                        // Drained. If the close had arrived before it, this was all.
                        Progress::Pending if flags.intersects(CLOSED) => self.closed(key, now),
                        // The server closed it behind the response: nobody is there any more.
                        Progress::Completed(_, Outcome::Ok { .. })
                            if read.closed || flags.intersects(CLOSED) =>
                        {
                            self.connections[key].close();
                            progress
                        }
                        progress => progress,
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Progress::Pending,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => self.lost(key, &error),
            };
            return (progress, now);
        }
    }

    /// Sends a request again, on a new connection, that the server cannot have seen: it had closed
    /// the connection before the request came, as it may between requests. The time runs on.
    #[cold]
    fn retry(&mut self, key: usize) -> Progress {
        self.stats.retried += 1;
        self.stats.opened += 1;
        let connection = &mut self.connections[key];
        connection.close();
        connection.phase = Phase::InFlight;
        connection.retried = true;
        let request = &self.requests.write(key, connection.next).request;
        match connection.open_and_write(&self.target, request, &self.epoll, key as u64) {
            Ok(()) => Progress::Pending,
            Err(error) => self.lost(key, &error),
        }
    }

    /// Goes on opening a connection.
    #[cold]
    fn advance(&mut self, key: usize, buffer: &mut [u8]) -> Progress {
        let connection = &mut self.connections[key];
        match connection.advance(&self.epoll, key as u64, buffer) {
            Ok(early) if early > 0 => self.received(key, &buffer[..early], Instant::now()),
            Ok(_) if connection.phase == Phase::Idle => {
                self.stats.opened += 1;
                self.stats.opening.record(&connection.opening);
                Progress::Opened
            }
            Ok(_) => Progress::Pending,
            Err(error) => self.lost(key, &error),
        }
    }

    /// There may be room to write on a connection that waits for it. None: there is more to do.
    #[cold]
    fn has_room(&mut self, key: usize, flags: EpollFlags) -> Option<Progress> {
        let connection = &mut self.connections[key];
        if connection.phase == Phase::Opening {
            return Some(self.advance(key, &mut []));
        }
        if !flags.contains(EpollFlags::EPOLLOUT) {
            return None;
        }
        let written = if self.config.depth > 1 {
            connection.flush(&self.epoll, key as u64)
        } else {
            // Others were sent meanwhile.
            let exchange = self.requests.write(key, connection.next);
            connection.write(&exchange.request, &self.epoll, key as u64)
        };
        if let Err(error) = written {
            let progress = self.unwritten(key, &error);
            // Otherwise there may be something to read.
            return (!matches!(progress, Progress::Pending)).then_some(progress);
        }
        (flags == EpollFlags::EPOLLOUT).then_some(Progress::Pending)
    }
}

impl Transport for H1 {
    const OPENS_ON_SEND: bool = true;

    fn epoll(&self) -> &Epoll {
        &self.epoll
    }

    fn connections(&self) -> usize {
        self.connections.len()
    }

    #[inline]
    fn slots_per_connection(&self) -> usize {
        1
    }

    #[inline]
    fn state(&self, connection: usize) -> ConnectionState {
        match self.connections[connection].phase {
            Phase::Vacant => ConnectionState::Vacant,
            Phase::Opening => ConnectionState::Opening,
            Phase::Idle | Phase::InFlight | Phase::Closing(_) => ConnectionState::Open,
        }
    }

    #[inline]
    fn is_free(&self, slot: usize) -> bool {
        match self.connections[slot].phase {
            Phase::Idle => true,
            Phase::InFlight => self.config.depth > 1 && self.room_in_pipeline(slot) > 0,
            Phase::Vacant | Phase::Opening | Phase::Closing(_) => false,
        }
    }

    fn open(&mut self, connection: usize) -> Result<(), TransportError> {
        let begun =
            self.connections[connection].begin(&self.target, &self.epoll, connection as u64);
        begun.map_err(|error| {
            let error = TransportError::from_io(&error).connecting();
            self.stats.refuse(error.reason);
            error
        })
    }

    fn stop_opening(&mut self, connection: usize) {
        self.connections[connection].close();
        self.stats.refuse(NO_REPLY);
    }

    #[inline]
    fn room(&mut self, slot: usize) -> usize {
        if self.config.depth > 1 { self.room_in_pipeline(slot) } else { 1 }
    }

    #[inline]
    fn enqueue(&mut self, slot: usize, mut request: InFlight) {
        let next = self.requests.next(slot);
        let exchange = self.requests.write(slot, next);
        request.untimed = exchange.untimed;
        request.exchange = next.exchange as u32;
        if self.config.depth > 1 {
            self.connections[slot].enqueue(next, request, &exchange.request);
        } else {
            self.connections[slot].start(next, request);
        }
    }

    #[inline]
    fn flush(&mut self, slot: usize) -> Progress {
        let connection = &mut self.connections[slot];
        if self.config.depth > 1 {
            return match connection.flush(&self.epoll, slot as u64) {
                Ok(()) => Progress::Pending,
                Err(error) => self.unwritten(slot, &error),
            };
        }
        let request = &self.requests.exchanges[connection.next.exchange].request;
        let reused = connection.has_socket();
        let written = if reused {
            connection.write(request, &self.epoll, slot as u64)
        } else {
            connection.open_and_write(&self.target, request, &self.epoll, slot as u64)
        };
        match written {
            Ok(()) => Progress::Pending,
            Err(_) if reused && self.connections[slot].written == 0 => self.retry(slot),
            Err(error) => self.unwritten(slot, &error),
        }
    }

    #[inline]
    fn on_event(&mut self, event: &EpollEvent) -> Option<Completion> {
        let slot = event.data() as usize;
        // A connection may have been lost since the events were fetched.
        if self.connections[slot].phase == Phase::Vacant {
            return None;
        }
        let mut buffer = mem::take(&mut self.buffer);
        let (progress, at) = self.handle(event, &mut buffer);
        self.buffer = buffer;
        Some(Completion { slot, progress, at })
    }

    #[inline(always)] // mostly nothing, which should cost nothing
    fn next(&mut self) -> Option<Completion> {
        if self.config.depth == 1 { None } else { self.rest_of_pipeline() }
    }

    fn expire(&mut self, slot: usize, now: Instant, timeout: Duration) -> Option<Progress> {
        let connection = &mut self.connections[slot];
        if let (Phase::Closing(service_ns), Some(patience)) =
            (connection.phase, self.config.close_patience)
        {
            let closing_since = connection.request.sent + Duration::from_nanos(service_ns);
            let late = now.saturating_duration_since(closing_since) > patience;
            return late.then(|| self.left_open(slot, service_ns));
        }
        let closing = matches!(connection.phase, Phase::Closing(_));
        let waits = closing || connection.phase == Phase::InFlight;
        if !waits || now.saturating_duration_since(connection.request.sent) <= timeout {
            return None;
        }
        let error = TransportError { closing, ..TransportError::new(ErrorKind::Timeout, NO_REPLY) };
        Some(self.fail(slot, error))
    }

    fn in_flight(&self) -> Vec<InFlight> {
        let busy = |c: &&Connection| matches!(c.phase, Phase::InFlight | Phase::Closing(_));
        let requests = self.connections.iter().filter(busy).flat_map(|connection| {
            let behind = connection.pipeline.behind.iter().map(|queued| queued.request);
            [connection.request].into_iter().chain(behind)
        });
        requests.collect()
    }

    fn unseen(&self) -> usize {
        // Streams have no template: their pieces come as they are due.
        let all = self.templates.iter().zip(&self.requests.exchanges);
        all.filter(|(template, of)| template.is_none() && of.event_period.is_none()).count()
    }

    fn is_sequential(&self) -> bool {
        self.config.depth == 1
    }

    fn socket(&self, connection: usize) -> Option<BorrowedFd<'_>> {
        self.connections[connection].socket()
    }

    fn first_bytes(&self) -> &FirstBytes {
        &self.first_bytes
    }

    fn events(&mut self) -> Option<&mut EventLog> {
        self.events.as_deref_mut()
    }

    fn stats(&self) -> &ConnectionStats {
        &self.stats
    }

    fn received_bytes(&self) -> u64 {
        self.received_bytes
    }
}
