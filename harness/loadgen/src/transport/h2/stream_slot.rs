//! A place for one request in flight, and what becomes of its response.

use std::borrow::Cow;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use h2::RecvStream;
use h2::client::{ResponseFuture, SendRequest};
use http::HeaderMap;

use super::request::Request;
use crate::error_kind::ErrorKind;
use crate::request::exchange::Exchange;
use crate::request::in_flight::InFlight;
use crate::response::check::{self, Mismatch};
use crate::response::parse::Response;
use crate::transport::Outcome;
use crate::transport::error::TransportError;

/// A body so much longer than the expected one is not read to its end.
const EXCESS_MAX: usize = 1 << 20;
/// Bytes kept of a body that is not compared: for the message, where the status is wrong.
const KEPT_OF_ANY: usize = 200;

/// A place for one request.
pub(super) struct StreamSlot {
    state: State,
    /// What it sends with; none: its connection is not open.
    sender: Option<SendRequest<Bytes>>,
    /// Whether it waits for the server to allow another stream.
    pub(super) waits: bool,
    /// Which exchange was sent last.
    pub(super) exchange: usize,
    pub(super) request: InFlight,
    /// Bytes of a body that is not the expected one as far as it goes.
    kept: Vec<u8>,
    retention: BodyRetention,
}

/// What is kept of bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyRetention {
    /// All: it is the reference response.
    All,
    /// What is needed to say what differs.
    Mismatch,
}

enum State {
    Free,
    /// A request is to be sent.
    Queued,
    /// Nothing of the response has come yet.
    Sent(ResponseFuture),
    /// The head has, and so many bytes of the body that are as expected.
    Responding {
        status: u16,
        /// Where it is not the expected one.
        content_type: Option<Vec<u8>>,
        body: RecvStream,
        matched: usize,
    },
}

impl StreamSlot {
    /// A slot without a connection.
    pub(super) fn new(request: InFlight, retention: BodyRetention) -> Self {
        Self {
            state: State::Free,
            sender: None,
            waits: false,
            exchange: 0,
            request,
            kept: vec![],
            retention,
        }
    }

    /// Puts it on a connection, or takes it from one.
    pub(super) fn attach(&mut self, sender: Option<SendRequest<Bytes>>) {
        self.sender = sender;
        self.waits = false;
    }

    /// Whether a request may be sent in it.
    pub(super) fn is_free(&self) -> bool {
        self.sender.is_some() && !self.waits && matches!(self.state, State::Free)
    }

    /// Whether the server takes another request now; an error says that the connection takes none
    /// any more.
    pub(super) fn poll_ready(&mut self, waker: &Waker) -> Poll<Result<(), h2::Error>> {
        match &mut self.sender {
            Some(sender) => sender.poll_ready(&mut Context::from_waker(waker)),
            None => Poll::Ready(Err(h2::Reason::REFUSED_STREAM.into())),
        }
    }

    pub(super) fn is_in_flight(&self) -> bool {
        !matches!(self.state, State::Free)
    }

    /// Notes what is to be sent.
    pub(super) fn enqueue(&mut self, exchange: usize, request: InFlight) {
        self.state = State::Queued;
        self.exchange = exchange;
        self.request = request;
        self.kept.clear();
    }

    /// Sends it; it is written when its connection is polled.
    pub(super) fn send(&mut self, request: &Request) -> Result<(), h2::Error> {
        let Some(sender) = &mut self.sender else {
            return Err(h2::Reason::REFUSED_STREAM.into());
        };
        let bodiless = request.body.is_empty();
        let (response, mut body) = sender.send_request(request.head(), bodiless)?;
        if !bodiless {
            // Kept by h2 until the server makes room for it.
            body.send_data(request.body.clone(), true)?;
        }
        self.state = State::Sent(response);
        Ok(())
    }

    /// Nothing is in flight any more. A server that still responds is told so.
    pub(super) fn clear(&mut self) {
        self.state = State::Free;
    }

    /// The body of a whole response where any is expected.
    pub(super) fn take_body(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.kept)
    }

    /// Goes on reading the response; where it is over, what it came to but for the time. Pending
    /// where no request was sent.
    pub(super) fn poll(&mut self, expected: &Exchange, waker: &Waker) -> Poll<Outcome> {
        match ready!(self.poll_response(expected, waker)) {
            Ok(status) => Poll::Ready(match self.check(status, expected) {
                Ok(()) => Outcome::Ok { service_ns: 0 },
                Err(mismatch) => Outcome::Mismatch(Box::new(mismatch)),
            }),
            Err(error) => {
                let began = matches!(self.state, State::Responding { .. });
                Poll::Ready(Outcome::Failed(Box::new(stream_error(&error, began))))
            }
        }
    }

    /// Reads the response to its end. Returns its status.
    pub(super) fn poll_response(
        &mut self,
        expected: &Exchange,
        waker: &Waker,
    ) -> Poll<Result<u16, h2::Error>> {
        let mut context = Context::from_waker(waker);
        if let State::Sent(response) = &mut self.state {
            let (head, body) = ready!(Pin::new(response).poll(&mut context))?.into_parts();
            let (status, content_type) =
                (head.status.as_u16(), other_type(&head.headers, expected));
            self.state = State::Responding { status, content_type, body, matched: 0 };
        }
        let State::Responding { status, body, matched, .. } = &mut self.state else {
            return Poll::Pending;
        };
        while let Some(part) = ready!(body.poll_data(&mut context)) {
            let part = part?;
            body.flow_control().release_capacity(part.len())?;
            let want = expected.body.as_deref();
            if let Some(want) = want
                && self.kept.is_empty()
            {
                if want[*matched..].starts_with(&part) {
                    *matched += part.len();
                    continue;
                }
                self.kept.extend_from_slice(&want[..*matched]);
            }
            let room = match (self.retention, want) {
                (BodyRetention::Mismatch, None) => KEPT_OF_ANY.saturating_sub(self.kept.len()),
                _ => usize::MAX,
            };
            self.kept.extend_from_slice(&part[..part.len().min(room)]);
            if want.is_some_and(|want| self.kept.len() > want.len() + EXCESS_MAX) {
                break; // `check` says so
            }
        }
        Poll::Ready(Ok(*status))
    }

    fn check(&self, status: u16, expected: &Exchange) -> Result<(), Mismatch> {
        let State::Responding { matched, content_type, .. } = &self.state else { return Ok(()) };
        let want = expected.body.as_deref();
        let body_is_equal = want.is_none_or(|want| self.kept.is_empty() && *matched == want.len());
        if expected.status.allows(status) && content_type.is_none() && body_is_equal {
            return Ok(());
        }
        if want.is_some_and(|want| self.kept.len() > want.len() + EXCESS_MAX) {
            return Err(check::too_long(&self.kept, expected));
        }
        let body = match want {
            Some(want) if self.kept.is_empty() => &want[..*matched],
            _ => &self.kept,
        };
        let content_type = content_type.as_deref().or(expected.content_type.as_deref());
        let response = Response {
            status,
            content_type: content_type.filter(|value| !value.is_empty()),
            date: None,
            body: Cow::Borrowed(body),
            persistent: true,
            until_close: false,
            len: body.len(),
        };
        check::check(body, &response, expected)
    }
}

/// The value of `Content-Type` where it is not the expected one; empty: there is none.
fn other_type(fields: &HeaderMap, expected: &Exchange) -> Option<Vec<u8>> {
    let want = expected.content_type.as_deref()?;
    let got = fields.get(http::header::CONTENT_TYPE).map_or(&[][..], |value| value.as_bytes());
    (got != want).then(|| got.to_vec())
}

/// What an error of `h2` is to a request. `began` says that part of the response had come.
pub(super) fn stream_error(error: &h2::Error, began: bool) -> TransportError {
    let (kind, reason) = if error.is_go_away() && error.is_remote() {
        (ErrorKind::GoAway, "HTTP/2: refused by the server (GOAWAY)")
    } else if error.is_library() {
        (ErrorKind::Malformed, "HTTP/2: the server does not keep to the protocol")
    } else if error.is_io() && began {
        (ErrorKind::Truncated, "closed by the server")
    } else {
        (ErrorKind::Reset, "reset by the server")
    };
    TransportError::new(kind, reason)
}
