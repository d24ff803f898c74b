//! The conversation on one connection, over anything that reads and writes.
//!
//! A request costs one read and one write. Requests that arrive together get their responses
//! together: these are collected and written when no complete request is left, before anything
//! blocks.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::chunked::Decoder;
use super::input::{BUFFER_BYTES, Input};
use super::response::{self, Framing};
use super::{BodyLength, Head, HeadParser, Limits, Method, Request, Response, Status};
use crate::response::JSON;

/// Collected responses are written when they exceed this, though more requests are waiting.
const OUTPUT_BYTES: usize = 65_536;

/// Bytes in both directions. A read or write that would block for too long fails with `WouldBlock`
/// or `TimedOut`; the conversation then looks at its deadlines and may try again.
pub trait Transport: Read + Write {
    /// Ends the sending direction. From now on a read blocks no longer than `wait`.
    fn finish(&mut self, wait: Duration) -> io::Result<()>;
}

/// What a connection and the server know of each other: whether a request has begun, and whether
/// the server wants to stop.
///
/// Each side first says its own, then asks for the other's (hence sequential consistency): either
/// the connection learns that it must leave before it waits, or the server that it waits.
#[derive(Debug, Default)]
pub struct Presence {
    waits: AtomicBool,
    must_leave: AtomicBool,
}

impl Presence {
    /// Asks the connection to end after the request it has begun. Returns whether it has begun
    /// none: then it may be blocked in a read, and somebody has to end that.
    pub fn leave(&self) -> bool {
        self.must_leave.store(true, Ordering::SeqCst);
        self.waits.load(Ordering::SeqCst)
    }

    fn must_leave(&self) -> bool {
        self.must_leave.load(Ordering::SeqCst)
    }

    fn waits(&self, waits: bool) {
        self.waits.store(waits, Ordering::SeqCst);
    }
}

/// The memory of a conversation: small buffers, which grow with what comes.
#[derive(Debug)]
struct Buffers {
    input: Input,
    output: Vec<u8>,
    body: Vec<u8>,
}

impl Buffers {
    fn new() -> Buffers {
        Buffers { input: Input::new(), output: Vec::new(), body: Vec::new() }
    }

    /// Gives back what large requests and responses took.
    fn shrink(&mut self) {
        self.input.shrink();
        self.output.shrink_to(BUFFER_BYTES);
        self.body.clear();
        self.body.shrink_to(BUFFER_BYTES);
    }
}

/// Responds to requests until either side ends the connection. `respond` writes the body to an
/// empty buffer.
pub fn converse<T: Transport>(
    transport: &mut T,
    limits: &Limits,
    presence: &Presence,
    respond: impl Fn(&Request<'_>, &mut Vec<u8>) -> Response,
) {
    let buffers = Buffers::new();
    let mut conversation =
        Conversation { transport, limits, presence, buffers, without_body: false };
    let end = conversation.requests(respond);
    // If the client is gone by now, nothing is left to do for it.
    let _ = conversation.end(end);
}

/// Why a conversation ended.
#[derive(Clone, Copy)]
enum End {
    /// The last response is written. No more requests are read.
    Closed,
    /// The client said nothing, or nothing that could be understood.
    Refused(Status),
    /// The client is gone, or as good as that.
    Gone,
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> End {
        End::Gone
    }
}

impl From<Status> for End {
    fn from(status: Status) -> End {
        End::Refused(status)
    }
}

struct Conversation<'a, T> {
    transport: &'a mut T,
    limits: &'a Limits,
    presence: &'a Presence,
    buffers: Buffers,
    /// Whether the request that is being read is one for a head only.
    without_body: bool,
}

impl<T: Transport> Conversation<'_, T> {
    fn requests(&mut self, respond: impl Fn(&Request<'_>, &mut Vec<u8>) -> Response) -> End {
        loop {
            match self.request(&respond) {
                Ok(true) => {}
                Ok(false) => return End::Closed,
                Err(end) => return end,
            }
        }
    }

    /// Reads one request and responds. Returns whether another may follow.
    fn request(
        &mut self,
        respond: &impl Fn(&Request<'_>, &mut Vec<u8>) -> Response,
    ) -> Result<bool, End> {
        self.without_body = false;
        let head = self.head()?;
        self.without_body = head.method == Method::Head;
        let (body_end, request_end) = self.body(&head)?;
        let Buffers { input, output, body } = &mut self.buffers;
        let bytes = input.pending();
        let request = Request {
            method: head.method,
            path: head.path(bytes),
            query: head.query(bytes),
            body: &bytes[head.length..body_end],
        };
        body.clear();
        let response = respond(&request, body);
        let close = !head.keep_alive || self.presence.must_leave();
        let framing = Framing { without_body: self.without_body, close };
        response::write(output, &response, body, framing);
        input.consume(request_end);
        if output.len() > OUTPUT_BYTES {
            self.flush()?;
        }
        Ok(!close)
    }

    fn head(&mut self) -> Result<Head, End> {
        let mut parser = HeadParser::new(self.limits.head_bytes);
        let mut begun = None;
        loop {
            let pending = self.buffers.input.pending();
            if pending.is_empty() {
                self.wait_for_request()?;
            } else if let Some(head) = parser.parse(pending)? {
                return Ok(head);
            } else {
                self.read_by(self.limits.timeouts.head, &mut begun)?;
            }
        }
    }

    /// Reads until the body is complete. Returns where it ends in the input, without its framing,
    /// and where the request ends.
    fn body(&mut self, head: &Head) -> Result<(usize, usize), End> {
        match head.body {
            BodyLength::Bytes(0) => Ok((head.length, head.length)),
            BodyLength::Bytes(length) => self.sized_body(head, length),
            BodyLength::Chunked => self.chunked_body(head),
        }
    }

    fn sized_body(&mut self, head: &Head, length: u64) -> Result<(usize, usize), End> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > self.limits.body_bytes {
            return Err(Status::PayloadTooLarge.into());
        }
        let end = head.length + length;
        let mut begun = None;
        while self.buffers.input.pending().len() < end {
            self.tell_to_continue(head, begun);
            self.read_by(self.limits.timeouts.request, &mut begun)?;
        }
        Ok((end, end))
    }

    fn chunked_body(&mut self, head: &Head) -> Result<(usize, usize), End> {
        let mut decoder = Decoder::new(self.limits.body_bytes);
        let mut end = head.length;
        let mut begun = None;
        loop {
            let step = decoder.step(self.buffers.input.pending_mut(), end, end)?;
            end = step.decoded;
            if step.done {
                return Ok((step.decoded, step.read));
            }
            // All is read that has come: only the decoded bytes are kept.
            self.buffers.input.truncate(end);
            self.tell_to_continue(head, begun);
            self.read_by(self.limits.timeouts.request, &mut begun)?;
        }
    }

    /// Before the first read of a body that is waiting for permission, gives it.
    fn tell_to_continue(&mut self, head: &Head, begun: Option<Instant>) {
        if head.expects_continue && begun.is_none() {
            self.buffers.output.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
    }

    /// Reads the first bytes of a request.
    fn wait_for_request(&mut self) -> Result<(), End> {
        self.flush()?;
        self.presence.waits(true);
        let mut begun = None;
        let read = loop {
            if self.presence.must_leave() {
                break Err(End::Gone);
            }
            match self.buffers.input.read_from(self.transport) {
                Ok(0) => break Err(End::Gone),
                Ok(_) => break Ok(()),
                Err(error) if is_timeout(&error) => {
                    self.buffers.shrink();
                    // The clock is first read when a tick has already passed.
                    let idle = self.limits.timeouts.idle.saturating_sub(self.limits.tick());
                    if begun.get_or_insert_with(Instant::now).elapsed() >= idle {
                        break Err(End::Gone);
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break Err(error.into()),
            }
        };
        self.presence.waits(false);
        read
    }

    /// Reads more bytes of a request, which may take `allowed` from the first call on.
    fn read_by(&mut self, allowed: Duration, begun: &mut Option<Instant>) -> Result<(), End> {
        self.flush()?;
        let begun = begun.get_or_insert_with(Instant::now);
        loop {
            if begun.elapsed() >= allowed {
                return Err(Status::RequestTimeout.into());
            }
            match self.buffers.input.read_from(self.transport) {
                Ok(0) => return Err(End::Gone),
                Ok(_) => return Ok(()),
                Err(error) if is_timeout(&error) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Writes the collected responses.
    fn flush(&mut self) -> Result<(), End> {
        let mut rest = &self.buffers.output[..];
        let mut begun = None;
        while !rest.is_empty() {
            match self.transport.write(rest) {
                Ok(0) => return Err(End::Gone),
                Ok(length) => rest = &rest[length..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
            let slow = !rest.is_empty()
                && begun.get_or_insert_with(Instant::now).elapsed() >= self.limits.timeouts.write;
            if slow {
                return Err(End::Gone);
            }
        }
        self.buffers.output.clear();
        Ok(())
    }

    /// Writes what is left to say. If the client may still be sending, reads on for a while: a
    /// socket closed with unread bytes resets the connection, and the client may lose the response.
    fn end(&mut self, end: End) -> Result<(), End> {
        let all_read = match end {
            End::Gone => return Ok(()),
            End::Closed => self.buffers.input.pending().is_empty(),
            End::Refused(status) => {
                let Buffers { output, body, .. } = &mut self.buffers;
                let response = Response { status, content_type: JSON, allow: None };
                let framing = Framing { without_body: self.without_body, close: true };
                status.write_error(body);
                response::write(output, &response, body, framing);
                false
            }
        };
        self.flush()?;
        if all_read {
            return Ok(());
        }
        self.transport.finish(self.limits.linger)?;
        let begun = Instant::now();
        while begun.elapsed() < self.limits.linger {
            self.buffers.input.clear();
            if self.buffers.input.read_from(self.transport)? == 0 {
                break;
            }
        }
        Ok(())
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
