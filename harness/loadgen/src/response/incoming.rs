//! A response that comes in parts: each part is read once, and what is kept of it is bounded,
//! however long the response is. Read in any pieces it is what [`super::parse`] makes of the whole.

use std::ops::Range;

use super::body::BodyReader;
use super::body_check::BodyCheck;
use super::check::{self, Mismatch, Received};
use super::events::EventScanner;
use super::excerpt::{START, excerpt};
use super::parse::{self, Head, Malformed};
use super::template::Template;
use crate::request::exchange::Exchange;
use crate::request::session::Observed;

/// The longest response that becomes a template. A longer one is compared part by part.
const TEMPLATE_BYTES_MAX: usize = 256 * 1024;

/// A response as far as it has come.
#[derive(Debug)]
pub struct Incoming {
    /// Its bytes: all of them while it may become a template, else at least its head.
    bytes: Vec<u8>,
    /// Whether all of them are there.
    complete: bool,
    head: Option<Head>,
    reader: BodyReader,
    body: BodyCheck,
    /// The content of the body, where values are taken from it.
    content: Option<Box<Observed>>,
    events: EventScanner,
}

impl Incoming {
    /// Of a response of which nothing has come.
    #[must_use]
    pub fn new(expected: &Exchange) -> Self {
        Self {
            bytes: vec![],
            complete: true,
            head: None,
            reader: BodyReader::UntilClose,
            body: BodyCheck::new(&expected.body),
            content: expected
                .takes_from_body()
                .then(|| Box::new(Observed { body: Some(vec![]), ..Observed::default() })),
            events: EventScanner::default(),
        }
    }

    /// Reads the next bytes. Where the response ends in them, returns how many of them are its own.
    /// `closed` says that no more will come.
    ///
    /// # Errors
    /// When no continuation of what came is a response.
    pub fn read(
        &mut self,
        bytes: &[u8],
        expected: &Exchange,
        closed: bool,
    ) -> Result<Option<usize>, Malformed> {
        let mut body = std::mem::take(&mut self.body);
        let mut content = self.content.take();
        let mut events = std::mem::take(&mut self.events);
        let add = |part: &[u8]| {
            body.add(part, &expected.body);
            if expected.event_period.is_some() {
                events.add(part);
            }
            if let Some(content) = &mut content {
                content.add(part);
            }
        };
        let taken = self.read_into(bytes, expected.head, closed, add);
        (self.body, self.events, self.content) = (body, events, content);
        if taken == Ok(None) && expected.body.is_any() {
            self.forget(); // the next response is as long, and may well differ
        }
        taken
    }

    /// The same, with the content of the body handed to `content` in parts instead of compared.
    pub(crate) fn read_into(
        &mut self,
        bytes: &[u8],
        head_request: bool,
        closed: bool,
        content: impl FnMut(&[u8]),
    ) -> Result<Option<usize>, Malformed> {
        let mut rest = bytes;
        if self.head.is_none() {
            let before = self.bytes.len();
            self.bytes.extend_from_slice(bytes);
            let Some(head) = parse::final_head(&self.bytes)? else { return Ok(None) };
            rest = &bytes[head.len - before..];
            self.bytes.truncate(head.len);
            self.reader = head.body(head_request);
            self.head = Some(head);
        }
        let kept = self.bytes.len();
        self.keep(rest);
        let taken = self.reader.read(rest, content)?;
        if self.complete {
            self.bytes.truncate(kept + taken.bytes);
        }
        let ended = taken.ended || (closed && self.ends_at_close());
        Ok(ended.then_some(bytes.len() - rest.len() + taken.bytes))
    }

    /// Keeps bytes behind the head where that may be of use.
    fn keep(&mut self, bytes: &[u8]) {
        if self.complete && self.bytes.len() + bytes.len() > TEMPLATE_BYTES_MAX {
            let room = START.saturating_sub(self.bytes.len()) + 1;
            self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
            self.forget();
        } else if self.complete {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Forgets what is needed for a template alone.
    fn forget(&mut self) {
        let head = self.head.as_ref().map_or(0, |head| head.len);
        self.bytes.truncate(head.max(START + 1));
        self.complete = false;
    }

    /// The numbers of the events that have ended since this was asked for last.
    pub(crate) fn take_events(&mut self) -> Range<u32> {
        self.events.take()
    }

    /// Whether nothing of it has come.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Its header fields, names and values.
    pub(crate) fn fields(&self) -> Vec<(String, Vec<u8>)> {
        let head = self.head.as_ref().map(|head| &self.bytes[head.start..head.len]);
        head.map(parse::fields).unwrap_or_default()
    }

    /// What of it values are taken from.
    pub(crate) fn observed(&mut self) -> Observed {
        let content = self.content.take().map(|content| *content).unwrap_or_default();
        Observed { fields: self.fields(), ..content }
    }

    /// The beginning of it.
    pub(crate) fn start(&self) -> &[u8] {
        &self.bytes
    }

    /// The beginning of it, for people.
    pub(crate) fn shown(&self) -> String {
        excerpt(&self.bytes, 0, START)
    }

    /// What is known of its body.
    pub(crate) fn body(&self) -> &BodyCheck {
        &self.body
    }

    /// Whether the connection stays open behind it.
    pub(crate) fn is_persistent(&self) -> bool {
        self.head.as_ref().is_some_and(|head| head.persistent) && !self.ends_at_close()
    }

    /// Whether only the end of the connection ends it.
    pub(crate) fn ends_at_close(&self) -> bool {
        self.reader == BodyReader::UntilClose
    }

    /// Its status; none: its head has not come.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        Some(self.head.as_ref()?.status)
    }

    /// The value of its `Content-Type`.
    #[must_use]
    pub fn content_type(&self) -> Option<&[u8]> {
        let place = self.head.as_ref()?.content_type.clone()?;
        Some(&self.bytes[place])
    }

    /// Whether the whole response is the expected one.
    pub(crate) fn check(&self, expected: &Exchange) -> Result<(), Mismatch> {
        let received = Received {
            start: &self.bytes,
            status: self.status().unwrap_or(0),
            content_type: self.content_type(),
            body: &self.body,
        };
        check::check(&received, expected)
    }

    /// The template of this response, which is whole and as expected; none: it is too long.
    pub(crate) fn template(&self) -> Option<Template> {
        let head = self.head.as_ref().filter(|_| self.complete)?;
        let (date, persistent) = (head.date.clone(), self.is_persistent());
        Some(Template::of(self.bytes.clone(), date, persistent, self.ends_at_close()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(body: &'static [u8]) -> Exchange {
        let mut exchange = Exchange::any_success(b"GET / HTTP/1.1\r\n\r\n".to_vec(), false);
        exchange.body = crate::request::exchange::ExpectedBody::Exactly(body.into());
        exchange
    }

    /// What the parser makes of the whole, in pieces of any length.
    #[test]
    fn agrees_with_the_parser() {
        let responses: [&[u8]; 8] = [
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDate: x\r\n\r\nhelloHTTP",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
              3\r\nhel\r\n2;x\r\nlo\r\n0\r\nA: b\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\n\r\nhello",
            b"HTTP/1.0 204 No\r\nContent-Length: 9\r\n\r\nHTTP",
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhelx",
            b"HTTP/1.1 200 OK\r\nContent-Le",
        ];
        let expected = expected(b"hello");
        for bytes in responses {
            for closed in [false, true] {
                let whole = parse::parse(bytes, false, closed);
                for piece in 1..=bytes.len() {
                    let mut incoming = Incoming::new(&expected);
                    let (mut at, mut ended) = (0, Ok(None));
                    for part in bytes.chunks(piece) {
                        let last = at + part.len() == bytes.len();
                        ended = incoming.read(part, &expected, closed && last);
                        if ended != Ok(None) {
                            break;
                        }
                        at += part.len();
                    }
                    let text = bytes.escape_ascii();
                    match (&whole, ended) {
                        (Ok(None), Ok(None)) => {}
                        (Ok(Some(whole)), Ok(Some(taken))) => {
                            assert_eq!(at + taken, whole.len, "{text}, {piece}");
                            assert_eq!(incoming.status(), Some(whole.status));
                            assert_eq!(incoming.is_persistent(), whole.persistent);
                            assert_eq!(incoming.check(&expected).is_ok(), *whole.body == *b"hello");
                            assert_eq!(
                                incoming.template(),
                                Some(Template::new(bytes, whole)),
                                "{text}"
                            );
                        }
                        (Err(why), Err(again)) => assert_eq!(*why, again, "{text}"),
                        other => panic!("{other:?}: {text}, {piece}"),
                    }
                }
            }
        }
    }

    /// A body of any length takes no more memory than a template may have.
    #[test]
    fn what_is_kept_is_bounded() {
        let body: &'static [u8] = vec![b'x'; 4 << 20].leak();
        let any = Exchange::any_success(b"GET / HTTP/1.1\r\n\r\n".to_vec(), false);
        for expected in [expected(body), any] {
            let mut incoming = Incoming::new(&expected);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            assert_eq!(incoming.read(head.as_bytes(), &expected, false), Ok(None));
            let mut ended = Ok(None);
            for part in body.chunks(65_536) {
                ended = incoming.read(part, &expected, false);
                assert!(incoming.bytes.len() <= TEMPLATE_BYTES_MAX);
            }
            assert_eq!(ended, Ok(Some(65_536)));
            assert_eq!(incoming.check(&expected), Ok(()));
            assert_eq!(incoming.template(), None);
        }
    }
}
