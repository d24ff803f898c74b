//! HTTP/2: several requests in flight on each connection.
//!
//! Frames, header compression and flow control are the crate `h2`'s. It is made to be driven by a
//! runtime, but asks for no more than something to read and write ([`io`]) and to be polled when
//! that is ready or one of its parts says so ([`ready_queue`]). A slot is a stream: each connection
//! has as many as there may be requests in flight on it.

use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollEvent};

use crate::count::first_bytes::FirstBytes;
use crate::error_kind::ErrorKind;
use crate::job_error::JobError;
use crate::request::in_flight::{InFlight, nanoseconds};
use crate::request::requests;
use crate::transport::error::{NO_REPLY, TransportError};
use crate::transport::stats::ConnectionStats;
use crate::transport::target::Target;
use crate::transport::{Completion, ConnectionState, Outcome, Progress, Transport};

mod connection;
mod io;
mod ready_queue;
pub(crate) mod reference;
mod request;
mod stream_slot;

use connection::{H2Connection, Polled};
use io::EventLoop;
use ready_queue::ReadyQueue;
use request::Requests;
use stream_slot::{StreamSlot, stream_error};

/// A thread's connections to one server.
pub(crate) struct H2 {
    target: Target,
    requests: Requests,
    /// Which of the exchanges had an ok response.
    seen: Vec<bool>,
    connections: Vec<H2Connection>,
    slots: Vec<StreamSlot>,
    slots_per_connection: usize,
    /// Which connections and slots made progress.
    ready: ReadyQueue,
    event_loop: Rc<EventLoop>,
    /// A connection that was lost, while its slots are told.
    lost: Option<Lost>,
    first_bytes: FirstBytes,
    stats: ConnectionStats,
}

/// A connection that was lost.
#[derive(Debug)]
struct Lost {
    connection: usize,
    /// Its slots that are not told yet.
    slots: Range<usize>,
    error: TransportError,
    was_open: bool,
    /// Whether a request was in flight on it.
    was_in_use: bool,
}

impl H2 {
    /// So many connections with so many slots each; none is open yet.
    pub(crate) fn new(
        target: Target,
        requests: requests::Requests,
        (connections, slots_per_connection): (usize, usize),
    ) -> Result<Self, JobError> {
        let event_loop = EventLoop::new().map_err(JobError::waiting)?;
        let seen = vec![false; requests.exchanges.len()];
        let requests = Requests::new(requests, target.tls.is_some())
            .map_err(|why| JobError::general(format_args!("not a request for HTTP/2: {why}")))?;
        let slots = connections * slots_per_connection;
        let unused = InFlight::new(None, false, Instant::now());
        let slot = || StreamSlot::new(unused, None);
        Ok(Self {
            target,
            requests,
            seen,
            connections: (0..connections).map(|_| H2Connection::new()).collect(),
            slots: (0..slots).map(|_| slot()).collect(),
            slots_per_connection,
            ready: ReadyQueue::new(connections, slots),
            event_loop: Rc::new(event_loop),
            lost: None,
            first_bytes: FirstBytes::default(),
            stats: ConnectionStats::default(),
        })
    }

    fn slots_of(&self, connection: usize) -> Range<usize> {
        let n = self.slots_per_connection;
        connection * n..(connection + 1) * n
    }

    /// Reads on in a slot that was woken.
    fn poll_slot(&mut self, slot: usize) -> Option<Completion> {
        if self.slots[slot].waits {
            self.slots[slot].waits = false;
            return Some(Completion { slot, progress: Progress::Ready, at: Instant::now() });
        }
        if self.slots[slot].is_postponed() {
            return self.send_again(slot);
        }
        match self.poll_response(slot) {
            Poll::Ready(outcome) => Some(self.complete(slot, outcome)),
            Poll::Pending if self.slots[slot].is_postponed() => self.send_again(slot),
            Poll::Pending => None,
        }
    }

    /// Reads on in the response that a slot waits for.
    fn poll_response(&mut self, slot: usize) -> Poll<Outcome> {
        let expected = self.requests.plain.write(slot, self.slots[slot].next);
        let polled = self.slots[slot].poll(expected, self.ready.slot_waker(slot));
        if polled.is_pending() && self.slots[slot].has_begun() {
            self.slots[slot].first_byte.get_or_insert_with(Instant::now);
        }
        polled
    }

    /// Sends a request again that the server has not looked at, if its connection takes it.
    /// Otherwise that is tried again when there is room, or a new connection.
    #[cold]
    fn send_again(&mut self, slot: usize) -> Option<Completion> {
        let ready = self.slots[slot].poll_ready(self.ready.slot_waker(slot));
        if !matches!(ready, Poll::Ready(Ok(()))) {
            return None;
        }
        self.stats.retried += 1;
        self.send(slot)
    }

    /// Sends the request in a slot; what it came to where it cannot be sent.
    fn send(&mut self, slot: usize) -> Option<Completion> {
        let request = self.requests.get(slot, self.slots[slot].next);
        match self.slots[slot].send(request) {
            Ok(()) => {
                // Polled once, it knows whom to wake.
                self.ready.wake_slot(slot);
                self.ready.wake_connection(slot / self.slots_per_connection);
                None
            }
            Err(error) => {
                let failed = Outcome::Failed(Box::new(stream_error(&error, false)));
                Some(self.complete(slot, failed))
            }
        }
    }

    /// The request in a slot is over.
    fn complete(&mut self, slot: usize, mut outcome: Outcome) -> Completion {
        let at = Instant::now();
        let StreamSlot { request, next, .. } = self.slots[slot];
        if matches!(outcome, Outcome::Ok { .. })
            && let Some(observed) = self.slots[slot].observed.take()
            && let Err(mismatch) = self.requests.plain.observe(slot, next, &observed)
        {
            outcome = Outcome::Mismatch(Box::new(mismatch));
        }
        if let Outcome::Ok { service_ns } = &mut outcome {
            *service_ns = nanoseconds(request.sent, at);
            if let Some(first) = self.slots[slot].first_byte {
                self.first_bytes.record(&request, first, *service_ns);
            }
            self.seen[next.exchange] = true;
        }
        self.slots[slot].clear();
        Completion { slot, progress: Progress::Completed(request, outcome), at }
    }

    /// Goes on with a connection that was woken.
    fn poll_connection(&mut self, connection: usize) -> Option<Completion> {
        let waker = self.ready.connection_waker(connection);
        match self.connections[connection].poll(&self.event_loop, connection, waker) {
            Polled::Pending => None,
            Polled::Opened => {
                self.stats.opened += 1;
                self.stats.opening.record(&self.connections[connection].opening);
                let allowed = self.connections[connection].streams_max();
                let slots = self.slots_of(connection);
                let slot = slots.start;
                for slot in slots.take(allowed) {
                    self.slots[slot].attach(self.connections[connection].sender());
                    if self.slots[slot].is_postponed() {
                        self.ready.wake_slot(slot);
                    }
                }
                Some(Completion { slot, progress: Progress::Opened, at: Instant::now() })
            }
            Polled::Closed(error) => {
                let was_open = self.state(connection) == ConnectionState::Open;
                self.connections[connection].close();
                let slots = self.slots_of(connection);
                slots.clone().for_each(|slot| self.slots[slot].attach(None));
                self.lost = Some(Lost { connection, slots, error, was_open, was_in_use: false });
                None
            }
        }
    }

    /// Tells the slots of a connection that was lost, one at a time.
    fn tell_slots(&mut self, mut lost: Lost) -> Option<Completion> {
        while let Some(slot) = lost.slots.next() {
            if !self.slots[slot].is_in_flight() || self.slots[slot].is_postponed() {
                continue;
            }
            let outcome = match self.poll_response(slot) {
                Poll::Pending if self.slots[slot].is_postponed() => continue,
                Poll::Pending => Outcome::Failed(Box::new(lost.error)),
                Poll::Ready(Outcome::Failed(error)) if error.kind == ErrorKind::Reset => {
                    Outcome::Failed(Box::new(lost.error))
                }
                Poll::Ready(outcome) => outcome, // it had come before
            };
            lost.was_in_use = true;
            self.lost = Some(lost);
            return Some(self.complete(slot, outcome));
        }
        let vacant = self.state(lost.connection) == ConnectionState::Vacant;
        let postponed = vacant && self.has_postponed(lost.connection);
        if lost.was_open && lost.was_in_use && !postponed {
            return None; // it is replaced already
        }
        match lost.was_open {
            true if postponed => {}
            true => self.stats.lost_idle += 1,
            false => self.stats.refuse(lost.error.reason),
        }
        let slot = self.slots_of(lost.connection).start;
        let progress = Progress::Disconnected(Box::new(lost.error));
        Some(Completion { slot, progress, at: Instant::now() })
    }
}

impl Transport for H2 {
    const OPENS_ON_SEND: bool = false;

    fn epoll(&self) -> &Epoll {
        &self.event_loop.epoll
    }

    fn connections(&self) -> usize {
        self.connections.len()
    }

    fn slots_per_connection(&self) -> usize {
        self.slots_per_connection
    }

    fn state(&self, connection: usize) -> ConnectionState {
        self.connections[connection].state()
    }

    fn is_free(&self, slot: usize) -> bool {
        self.slots[slot].is_free()
    }

    fn open(&mut self, connection: usize) -> Result<(), TransportError> {
        let begun = self.connections[connection].open(&self.target, &self.event_loop, connection);
        begun.inspect_err(|error| self.stats.refuse(error.reason))
    }

    fn stop_opening(&mut self, connection: usize) {
        self.connections[connection].close();
        self.stats.refuse(NO_REPLY);
    }

    fn room(&mut self, slot: usize) -> usize {
        match self.slots[slot].poll_ready(self.ready.slot_waker(slot)) {
            Poll::Ready(Ok(())) => 1,
            // An error: the connection takes no more, and will end.
            not_ready => {
                self.slots[slot].waits = not_ready.is_pending();
                0
            }
        }
    }

    fn enqueue(&mut self, slot: usize, mut request: InFlight) {
        let next = self.requests.plain.next(slot);
        request.untimed = self.requests.plain.exchanges[next.exchange].untimed;
        request.exchange = next.exchange as u32;
        self.slots[slot].enqueue(next, request);
    }

    fn flush(&mut self, slot: usize) -> Progress {
        self.send(slot).map_or(Progress::Pending, |completion| completion.progress)
    }

    fn on_event(&mut self, event: &EpollEvent) -> Option<Completion> {
        let connection = event.data() as usize;
        self.connections[connection].arrived();
        self.ready.wake_connection(connection);
        self.next()
    }

    /// Slots come before connections, so that what they send goes out together.
    fn next(&mut self) -> Option<Completion> {
        loop {
            let completion = if let Some(lost) = self.lost.take() {
                self.tell_slots(lost)
            } else if let Some(slot) = self.ready.next_slot() {
                self.poll_slot(slot)
            } else if let Some(connection) = self.ready.next_connection() {
                self.poll_connection(connection)
            } else {
                return None;
            };
            if completion.is_some() {
                return completion;
            }
        }
    }

    /// The server is told that nobody waits for the response any more.
    fn expire(&mut self, slot: usize, now: Instant, timeout: Duration) -> Option<Progress> {
        let StreamSlot { request, .. } = self.slots[slot];
        let waits = self.slots[slot].is_in_flight();
        if !waits || now.saturating_duration_since(request.sent) <= timeout {
            return None;
        }
        let error = TransportError::new(ErrorKind::Timeout, NO_REPLY);
        Some(self.complete(slot, Outcome::Failed(Box::new(error))).progress)
    }

    fn has_postponed(&self, connection: usize) -> bool {
        self.slots_of(connection).any(|slot| self.slots[slot].is_postponed())
    }

    fn in_flight(&self) -> Vec<InFlight> {
        self.slots.iter().filter(|slot| slot.is_in_flight()).map(|slot| slot.request).collect()
    }

    fn unseen(&self) -> usize {
        self.seen.iter().filter(|seen| !**seen).count()
    }

    fn is_sequential(&self) -> bool {
        false
    }

    fn socket(&self, _: usize) -> Option<BorrowedFd<'_>> {
        None
    }

    fn first_bytes(&self) -> &FirstBytes {
        &self.first_bytes
    }

    fn stats(&self) -> &ConnectionStats {
        &self.stats
    }

    fn received_bytes(&self) -> u64 {
        self.event_loop.received.get()
    }
}
