//! A place for one request under way, and what becomes of its answer.

use std::borrow::Cow;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::{ResponseFuture, SendRequest};

use super::request::Request;
use crate::fault::Fault;
use crate::http1::Answer;
use crate::judge::{self, Question, Wrong};
use crate::stream::Ticket;

/// A body so much longer than the right one is not read to its end.
const EXCESS_MAX: usize = 1 << 20;
/// Bytes kept of a body that need not be right: for the message, where the status is wrong.
const KEPT_OF_ANY: usize = 200;

/// A place for one request.
pub(super) struct Place {
    state: State,
    /// What it sends with; none: its connection is not open.
    sender: Option<SendRequest<Bytes>>,
    /// Whether it waits for the server to allow another stream.
    pub(super) waits: bool,
    /// Which of the questions was asked last, ...
    exchange: usize,
    /// ... and when.
    pub(super) ticket: Ticket,
    pub(super) free_since: Instant,
    /// The bytes of a body that is not the right one as far as it goes.
    kept: Vec<u8>,
    keep: Keep,
}

/// What is kept of bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// All: it is the first answer.
    All,
    /// What is needed to say what is wrong.
    Wrong,
}

enum State {
    Free,
    /// Nothing has come yet.
    Asked(ResponseFuture),
    /// The head has, and so many right bytes of the body.
    Answering {
        status: u16,
        body: RecvStream,
        matched: usize,
    },
}

/// What an answer came to.
#[derive(Debug)]
pub(super) enum Answered {
    Right,
    Wrong(Box<Wrong>),
    Failed(Fault),
}

impl Place {
    /// A place on no connection.
    pub(super) fn new(now: Instant, keep: Keep) -> Self {
        Self {
            state: State::Free,
            sender: None,
            waits: false,
            exchange: 0,
            ticket: Ticket { planned: None, measured: false, sent: now },
            free_since: now,
            kept: vec![],
            keep,
        }
    }

    /// Puts it on a connection, or takes it from one.
    pub(super) fn put(&mut self, sender: Option<SendRequest<Bytes>>, now: Instant) {
        self.sender = sender;
        self.waits = false;
        self.free_since = now;
    }

    /// Whether it can be asked on; an error says that its connection has no future.
    pub(super) fn poll_ready(&mut self, waker: &Waker) -> Poll<Result<(), h2::Error>> {
        match &mut self.sender {
            Some(sender) => sender.poll_ready(&mut Context::from_waker(waker)),
            None => Poll::Ready(Err(h2::Reason::REFUSED_STREAM.into())),
        }
    }

    pub(super) fn is_asked(&self) -> bool {
        !matches!(self.state, State::Free)
    }

    /// Sends a request; it is written when its connection is attended to.
    pub(super) fn ask(&mut self, exchange: usize, request: &Request) -> Result<(), h2::Error> {
        let Some(sender) = &mut self.sender else {
            return Err(h2::Reason::REFUSED_STREAM.into());
        };
        let bodiless = request.body.is_empty();
        let (answer, mut body) = sender.send_request(request.head(), bodiless)?;
        if !bodiless {
            // Kept by h2 until the server makes room for it.
            body.send_data(request.body.clone(), true)?;
        }
        self.state = State::Asked(answer);
        self.exchange = exchange;
        self.kept.clear();
        Ok(())
    }

    /// Nothing is under way any more. A server that still answers is told so.
    pub(super) fn clear(&mut self, now: Instant) {
        self.state = State::Free;
        self.free_since = now;
    }

    /// The body of a whole answer to a question that any body answers.
    pub(super) fn take_body(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.kept)
    }

    /// Goes on reading the answer. Nothing is ready where nothing was asked.
    pub(super) fn poll(&mut self, questions: &[Question<'_>], waker: &Waker) -> Poll<Answered> {
        let question = &questions[self.exchange];
        match ready!(self.poll_answer(question, waker)) {
            Ok(status) => Poll::Ready(self.judge(status, question)),
            Err(error) => {
                let began = matches!(self.state, State::Answering { .. });
                Poll::Ready(Answered::Failed(fault(&error, began)))
            }
        }
    }

    /// Reads the answer to its end.
    pub(super) fn poll_answer(
        &mut self,
        question: &Question<'_>,
        waker: &Waker,
    ) -> Poll<Result<u16, h2::Error>> {
        let mut context = Context::from_waker(waker);
        if let State::Asked(answer) = &mut self.state {
            let (head, body) = ready!(Pin::new(answer).poll(&mut context))?.into_parts();
            self.state = State::Answering { status: head.status.as_u16(), body, matched: 0 };
        }
        let State::Answering { status, body, matched } = &mut self.state else {
            return Poll::Pending;
        };
        while let Some(part) = ready!(body.poll_data(&mut context)) {
            let part = part?;
            body.flow_control().release_capacity(part.len())?;
            let right = question.body.as_deref();
            if let Some(right) = right
                && self.kept.is_empty()
            {
                if right[*matched..].starts_with(&part) {
                    *matched += part.len();
                    continue;
                }
                self.kept.extend_from_slice(&right[..*matched]);
            }
            let room = match (self.keep, right) {
                (Keep::Wrong, None) => KEPT_OF_ANY.saturating_sub(self.kept.len()),
                _ => usize::MAX,
            };
            self.kept.extend_from_slice(&part[..part.len().min(room)]);
            if right.is_some_and(|right| self.kept.len() > right.len() + EXCESS_MAX) {
                break; // `judge` says so
            }
        }
        Poll::Ready(Ok(*status))
    }

    fn judge(&self, status: u16, question: &Question<'_>) -> Answered {
        let State::Answering { matched, .. } = self.state else { return Answered::Right };
        let right = question.body.as_deref();
        let body_is_right =
            right.is_none_or(|right| self.kept.is_empty() && matched == right.len());
        if question.status.allows(status) && body_is_right {
            return Answered::Right;
        }
        if right.is_some_and(|right| self.kept.len() > right.len() + EXCESS_MAX) {
            return Answered::Wrong(Box::new(judge::too_long(&self.kept, question)));
        }
        let body = match right {
            Some(right) if self.kept.is_empty() => &right[..matched],
            _ => &self.kept,
        };
        let answer = Answer {
            status,
            content_type: None,
            date: None,
            body: Cow::Borrowed(body),
            persistent: true,
            until_close: false,
            len: body.len(),
        };
        match judge::judge(body, &answer, question) {
            Ok(()) => Answered::Right,
            Err(wrong) => Answered::Wrong(Box::new(wrong)),
        }
    }
}

/// What an error of `h2` is among the ways to fail. `began` says that part of the answer had come.
pub(super) fn fault(error: &h2::Error, began: bool) -> Fault {
    if error.is_go_away() && error.is_remote() {
        Fault::GoAway
    } else if error.is_library() {
        Fault::Malformed
    } else if error.is_io() && began {
        Fault::Short
    } else {
        Fault::Reset
    }
}
