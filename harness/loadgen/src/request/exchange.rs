//! A request, and the response that is expected to it.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use super::composed::{Composed, Given};
use super::placeholder::{self, Placeholder};
use super::session::{Capture, Source};

/// A request as bytes, and what its responses are compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The whole request as HTTP/1.1 sends it, head and body.
    pub request: Vec<u8>,
    /// What of it differs each time.
    pub variation: Variation,
    /// Values that are taken from its responses.
    pub captures: Vec<Capture>,
    /// Whether anything is: these values, or cookies.
    pub observed: bool,
    /// Whether it is a HEAD, whose response has no body.
    pub head: bool,
    /// The expected statuses.
    pub status: Status,
    /// The expected value of `Content-Type`; none: any.
    pub content_type: Option<Bytes>,
    /// The expected body.
    pub body: ExpectedBody,
    /// The expected status of gRPC; none: not checked.
    pub grpc_status: Option<u32>,
    /// Whether its responses are checked and counted in a window, and their times are not.
    pub untimed: bool,
    /// The period of a response that is a stream of events, whose arrival is observed; none: it is
    /// none.
    pub event_period: Option<Duration>,
    /// The message over WebSocket of which the request opens the connection; none: it is HTTP.
    pub message: Option<Message>,
}

/// A message over WebSocket. Its text is behind the request's head, where HTTP has a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// The length of the head.
    pub head_len: usize,
    /// How many connections share a room, all of which it comes back to; at least 1.
    pub members: usize,
    /// Whether it comes back as it is; otherwise any message is the response.
    pub echoed: bool,
}

/// What of a request differs each time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variation {
    /// Nothing.
    None,
    /// Digits in some places.
    Digits(Vec<Placeholder>),
    /// Values of any length.
    Composed(Box<Composed>),
}

impl Variation {
    /// Of a request with digits in these places, if any.
    #[must_use]
    pub fn digits(places: Vec<Placeholder>) -> Self {
        if places.is_empty() { Self::None } else { Self::Digits(places) }
    }
}

/// An expected body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpectedBody {
    /// Any. It is counted and not kept.
    Any,
    /// This one.
    Exactly(Bytes),
    /// One that is too long to be kept, by its length and its digest (XXH3, 64 bits).
    Digest {
        /// Its length in bytes.
        len: u64,
        /// Its digest.
        xxh3: u64,
    },
}

impl ExpectedBody {
    /// The length of the expected body; none: any.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Any => None,
            Self::Exactly(body) => Some(body.len() as u64),
            Self::Digest { len, .. } => Some(*len),
        }
    }

    /// Whether any body is expected.
    #[must_use]
    pub fn is_any(&self) -> bool {
        *self == Self::Any
    }
}

/// Expected statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// This one.
    Exactly(u16),
    /// Any from 200 to 299.
    Successful,
}

impl Status {
    /// Whether a response may have this status.
    #[must_use]
    pub fn allows(self, status: u16) -> bool {
        match self {
            Self::Exactly(exactly) => status == exactly,
            Self::Successful => (200..300).contains(&status),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(status) => status.fmt(f),
            Self::Successful => f.write_str("2xx"),
        }
    }
}

impl Exchange {
    /// A request to which any successful response is expected.
    #[must_use]
    pub fn any_success(request: Vec<u8>, head: bool) -> Self {
        Self {
            request,
            variation: Variation::None,
            captures: vec![],
            observed: false,
            head,
            status: Status::Successful,
            content_type: None,
            body: ExpectedBody::Any,
            grpc_status: None,
            untimed: false,
            event_period: None,
            message: None,
        }
    }

    /// A request that opens a WebSocket, of which this is the head, with a message that comes back;
    /// its placeholders are digits that differ each time.
    #[must_use]
    pub fn with_message(head: Vec<u8>, text: &[u8], members: usize) -> Self {
        let (text, mut places) = placeholder::find(text);
        let head_len = head.len();
        places.iter_mut().for_each(|place| place.at += head_len);
        let message = Message { head_len, members, echoed: true };
        let request = [head, text].concat();
        let variation = Variation::digits(places);
        Self { variation, message: Some(message), ..Self::any_success(request, false) }
    }

    /// The head of the request; of HTTP, all of it.
    pub(crate) fn handshake(&self) -> &[u8] {
        &self.request[..self.message.map_or(self.request.len(), |message| message.head_len)]
    }

    /// The message over WebSocket; empty where it is HTTP.
    #[inline]
    pub(crate) fn message_text(&self) -> &[u8] {
        &self.request[self.message.map_or(self.request.len(), |message| message.head_len)..]
    }

    /// Its first line, without the line's end.
    #[must_use]
    pub fn first_line(&self) -> &[u8] {
        let end = self.request.iter().position(|byte| b"\r\n".contains(byte));
        &self.request[..end.unwrap_or(self.request.len())]
    }

    /// Writes the request anew.
    pub fn write(&mut self, given: Given<'_>) {
        match &self.variation {
            Variation::None => {}
            Variation::Digits(places) => {
                placeholder::apply(places, &mut self.request, given.seed, given.index);
            }
            Variation::Composed(composed) => composed.write(given, &mut self.request),
        }
    }

    /// The session's values that have to be there before it is sent.
    pub(crate) fn needs(&self) -> Vec<usize> {
        match &self.variation {
            Variation::Composed(composed) => composed.needs(),
            Variation::None | Variation::Digits(_) => vec![],
        }
    }

    /// Whether the content of its responses is needed.
    pub(crate) fn takes_from_body(&self) -> bool {
        self.captures.iter().any(|capture| matches!(capture.from, Source::Json(_)))
    }
}

impl From<&duet_protocol::Exchange> for Exchange {
    fn from(exchange: &duet_protocol::Exchange) -> Self {
        if let Some(message) = &exchange.message {
            let (head, members) = (exchange.request.clone().into(), message.members as usize);
            let with_message = Self::with_message(head, message.text.as_bytes(), members);
            return Self { untimed: exchange.untimed, ..with_message };
        }
        let bytes = |text: &String| Bytes::copy_from_slice(text.as_bytes());
        Self {
            request: exchange.request.clone().into(),
            variation: Variation::None,
            captures: vec![],
            observed: false,
            head: exchange.head,
            status: Status::Exactly(exchange.status),
            content_type: exchange.content_type.as_ref().map(bytes),
            body: match (exchange.head, exchange.body_digest) {
                (true, _) => ExpectedBody::Any,
                (false, Some(of)) => ExpectedBody::Digest { len: of.bytes, xxh3: of.xxh3 },
                (false, None) => ExpectedBody::Exactly(bytes(&exchange.body)),
            },
            grpc_status: exchange.grpc_status,
            untimed: exchange.untimed,
            event_period: exchange.event_ns.map(Duration::from_nanos),
            message: None,
        }
    }
}
