//! A place for one request in flight, and what becomes of its response.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::{ResponseFuture, SendRequest};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::request::Request;
use crate::error_kind::ErrorKind;
use crate::request::exchange::Exchange;
use crate::request::in_flight::InFlight;
use crate::request::selector::NextRequest;
use crate::request::session::Observed;
use crate::response::body_check::BodyCheck;
use crate::response::check::{self, Mismatch, Received};
use crate::response::excerpt::START;
use crate::response::reference::BodyLearner;
use crate::transport::Outcome;
use crate::transport::error::TransportError;

/// A frame's name and the name of its error code (RFC 9113, section 7).
macro_rules! coded {
    ($frame:literal, $error:expr) => {
        match $error.reason().unwrap_or(h2::Reason::from(u32::MAX)) {
            h2::Reason::NO_ERROR => concat!("HTTP/2: ", $frame, " NO_ERROR"),
            h2::Reason::PROTOCOL_ERROR => concat!("HTTP/2: ", $frame, " PROTOCOL_ERROR"),
            h2::Reason::INTERNAL_ERROR => concat!("HTTP/2: ", $frame, " INTERNAL_ERROR"),
            h2::Reason::FLOW_CONTROL_ERROR => concat!("HTTP/2: ", $frame, " FLOW_CONTROL_ERROR"),
            h2::Reason::SETTINGS_TIMEOUT => concat!("HTTP/2: ", $frame, " SETTINGS_TIMEOUT"),
            h2::Reason::STREAM_CLOSED => concat!("HTTP/2: ", $frame, " STREAM_CLOSED"),
            h2::Reason::FRAME_SIZE_ERROR => concat!("HTTP/2: ", $frame, " FRAME_SIZE_ERROR"),
            h2::Reason::REFUSED_STREAM => concat!("HTTP/2: ", $frame, " REFUSED_STREAM"),
            h2::Reason::CANCEL => concat!("HTTP/2: ", $frame, " CANCEL"),
            h2::Reason::COMPRESSION_ERROR => concat!("HTTP/2: ", $frame, " COMPRESSION_ERROR"),
            h2::Reason::CONNECT_ERROR => concat!("HTTP/2: ", $frame, " CONNECT_ERROR"),
            h2::Reason::ENHANCE_YOUR_CALM => concat!("HTTP/2: ", $frame, " ENHANCE_YOUR_CALM"),
            h2::Reason::INADEQUATE_SECURITY => concat!("HTTP/2: ", $frame, " INADEQUATE_SECURITY"),
            h2::Reason::HTTP_1_1_REQUIRED => concat!("HTTP/2: ", $frame, " HTTP_1_1_REQUIRED"),
            _ => concat!("HTTP/2: ", $frame, " of an unknown code"),
        }
    };
}

/// A request that a server refused to look at so many times more is not sent again.
const RETRIES_MAX: u32 = 3;

/// A place for one request.
pub(super) struct StreamSlot {
    state: State,
    /// What it sends with; none: its connection is not open.
    sender: Option<SendRequest<Bytes>>,
    /// Whether it waits for the server to allow another stream.
    pub(super) waits: bool,
    /// Which request was sent last, ...
    pub(super) next: NextRequest,
    /// ... and how often it was sent again.
    retries: u32,
    pub(super) request: InFlight,
    /// When the response began, where it did not end in the same moment.
    pub(super) first_byte: Option<Instant>,
    /// The beginning of a body that comes with another status.
    start: Vec<u8>,
    body: BodyCheck,
    /// What values are taken from, where any are.
    pub(super) observed: Option<Observed>,
    /// Reads the body of the reference response.
    learner: Option<BodyLearner>,
}

enum State {
    Free,
    /// A request is to be sent.
    Queued,
    /// A request is to be sent again, on the next connection if this one takes no more.
    Postponed,
    /// Nothing of the response has come yet.
    Sent(ResponseFuture),
    /// The head has.
    Responding {
        status: u16,
        /// Where it is not the expected one.
        content_type: Option<Vec<u8>>,
        /// The status of gRPC, once it has come where one is expected.
        grpc_status: Option<Vec<u8>>,
        body: RecvStream,
    },
}

impl StreamSlot {
    /// A slot without a connection. A learner takes the bodies, which are then not compared.
    pub(super) fn new(request: InFlight, learner: Option<BodyLearner>) -> Self {
        Self {
            state: State::Free,
            sender: None,
            waits: false,
            next: NextRequest { exchange: 0, index: 0 },
            retries: 0,
            request,
            first_byte: None,
            start: vec![],
            body: BodyCheck::default(),
            observed: None,
            learner,
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

    /// Whether the head of the response has come.
    pub(super) fn has_begun(&self) -> bool {
        matches!(self.state, State::Responding { .. })
    }

    pub(super) fn is_in_flight(&self) -> bool {
        !matches!(self.state, State::Free)
    }

    /// Notes what is to be sent.
    pub(super) fn enqueue(&mut self, next: NextRequest, request: InFlight) {
        self.state = State::Queued;
        self.next = next;
        self.retries = 0;
        self.request = request;
        self.first_byte = None;
        self.start.clear();
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

    /// Notes that the request in it, which the server has not looked at, is to be sent again, if it
    /// was not too often. The time runs on.
    pub(super) fn postpone(&mut self) -> bool {
        self.retries += 1;
        let again = self.retries <= RETRIES_MAX;
        if again {
            self.state = State::Postponed;
            self.start.clear();
        }
        again
    }

    /// Whether its request is to be sent again.
    pub(super) fn is_postponed(&self) -> bool {
        matches!(self.state, State::Postponed)
    }

    /// Nothing is in flight any more. A server that still responds is told so.
    pub(super) fn clear(&mut self) {
        self.state = State::Free;
    }

    /// What has read the body of the whole reference response.
    pub(super) fn take_learner(&mut self) -> BodyLearner {
        self.learner.take().unwrap_or_default()
    }

    /// Goes on reading the response; where it is over, what it came to but for the time. Pending
    /// where no request was sent.
    pub(super) fn poll(&mut self, expected: &Exchange, waker: &Waker) -> Poll<Outcome> {
        match ready!(self.poll_response(expected, waker)) {
            Ok(status) => Poll::Ready(match self.check(status, expected) {
                Ok(()) => Outcome::Ok { service_ns: 0 },
                Err(mismatch) => Outcome::Mismatch(Box::new(mismatch)),
            }),
            Err(error) if is_unprocessed(&error) && self.postpone() => Poll::Pending,
            Err(error) => {
                Poll::Ready(Outcome::Failed(Box::new(stream_error(&error, self.has_begun()))))
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
            let grpc_status = grpc_status(&head.headers, expected);
            self.state = State::Responding { status, content_type, grpc_status, body };
            self.body = BodyCheck::new(&expected.body);
            self.observed = expected.observed.then(|| observed(&head.headers, expected));
        }
        let State::Responding { status, body, grpc_status: call, .. } = &mut self.state else {
            return Poll::Pending;
        };
        while let Some(part) = ready!(body.poll_data(&mut context)) {
            let part = part?;
            body.flow_control().release_capacity(part.len())?;
            if let Some(learner) = &mut self.learner {
                learner.add(&part);
                continue;
            }
            self.body.add(&part, &expected.body);
            if let Some(observed) = &mut self.observed {
                observed.add(&part);
            }
            if !expected.status.allows(*status) {
                let room = (START + 1).saturating_sub(self.start.len());
                self.start.extend_from_slice(&part[..part.len().min(room)]);
            }
            if self.body.is_too_long(&expected.body) {
                return Poll::Ready(Ok(*status)); // `check` says so
            }
        }
        if expected.grpc_status.is_some()
            && let Some(trailers) = ready!(body.poll_trailers(&mut context))?
        {
            *call = grpc_status(&trailers, expected).or_else(|| call.take());
        }
        Poll::Ready(Ok(*status))
    }

    fn check(&self, status: u16, expected: &Exchange) -> Result<(), Mismatch> {
        let State::Responding { content_type, grpc_status, .. } = &self.state else {
            return Ok(());
        };
        if self.body.is_too_long(&expected.body) {
            return Err(check::too_long(&self.start, &self.body, expected));
        }
        let content_type = content_type.as_deref().or(expected.content_type.as_deref());
        let received = Received {
            start: &self.start,
            status,
            content_type: content_type.filter(|value| !value.is_empty()),
            body: &self.body,
        };
        check::check(&received, expected)?;
        check::grpc(grpc_status.as_deref(), expected)
    }
}

/// The status of gRPC among fields, where one is expected.
fn grpc_status(fields: &HeaderMap, expected: &Exchange) -> Option<Vec<u8>> {
    expected.grpc_status?;
    fields.get("grpc-status").map(|value| value.as_bytes().to_vec())
}

/// What of a response values are taken from, before its body has come.
fn observed(fields: &HeaderMap, expected: &Exchange) -> Observed {
    let field = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.as_str().to_owned(), value.as_bytes().to_vec())
    };
    let body = expected.takes_from_body().then(Vec::new);
    Observed { fields: fields.iter().map(field).collect(), body }
}

/// The value of `Content-Type` where it is not the expected one; empty: there is none.
fn other_type(fields: &HeaderMap, expected: &Exchange) -> Option<Vec<u8>> {
    let want = expected.content_type.as_deref()?;
    let got = fields.get(http::header::CONTENT_TYPE).map_or(&[][..], |value| value.as_bytes());
    (got != want).then(|| got.to_vec())
}

/// Whether the server says that it has not looked at the request (RFC 9113, sections 6.8 and 8.7).
fn is_unprocessed(error: &h2::Error) -> bool {
    let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    let sent_away = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
    error.is_remote() && (refused || sent_away)
}

/// What an error of `h2` is to a request. `began` says that part of the response had come.
pub(super) fn stream_error(error: &h2::Error, began: bool) -> TransportError {
    let (kind, reason) = if error.is_go_away() && error.is_remote() {
        (ErrorKind::GoAway, goaway(error))
    } else if error.is_library() {
        (ErrorKind::Malformed, "HTTP/2: the server does not keep to the protocol")
    } else if error.is_io() && began {
        (ErrorKind::Truncated, "closed by the server")
    } else {
        (ErrorKind::Reset, reset(error))
    };
    TransportError::new(kind, reason)
}

/// With which code a server sends a connection away, in words that a table of counts can have.
pub(super) fn goaway(error: &h2::Error) -> &'static str {
    coded!("GOAWAY", error)
}

/// With which code a server resets a stream.
fn reset(error: &h2::Error) -> &'static str {
    if error.is_reset() { coded!("RST_STREAM", error) } else { "closed by the server" }
}
