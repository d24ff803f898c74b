//! An HTTP/1.1 server (RFC 9110, RFC 9112) with nothing but the standard library.
//!
//! `head` and `chunked` read requests from bytes, `response` writes responses to bytes,
//! `connection` is the conversation over anything that reads and writes, `server` is sockets and
//! threads. None of them knows a route.
//!
//! What is left out on purpose: HTTP/1.0 connections are always closed after one response, trailers
//! and chunk extensions are read and forgotten, an `Expect` other than `100-continue` is ignored.

mod chunked;
mod connection;
mod date;
mod head;
mod input;
mod response;
mod server;

use std::time::Duration;

use crate::response::{BODY_BYTES_MAX, HEAD_BYTES_MAX};
use crate::timeouts::Timeouts;

pub use connection::{Presence, Transport, converse};
pub use head::{BodyLength, Head, HeadParser};
pub use response::{Response, Status};
pub use server::Server;

/// The verbs that routes tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// HEAD
    Head,
    /// POST
    Post,
    /// Any other, known or not.
    Other,
}

/// A request as a route sees it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The verb.
    pub method: Method,
    /// The path as sent: nothing is decoded.
    pub path: &'a [u8],
    /// What follows the `?`, as sent. Empty if there is none.
    pub query: &'a [u8],
    /// The whole body, without its framing.
    pub body: &'a [u8],
}

/// What a client may ask of the server's memory and patience.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a request head. More gets a 431.
    pub head_bytes: usize,
    /// Bytes of a body. More gets a 413.
    pub body_bytes: usize,
    /// How long anything may take. A head and a body that take longer get a 408.
    pub timeouts: Timeouts,
    /// How long a connection is read after a refusal, so that the response is not lost by a reset.
    pub linger: Duration,
}

impl Limits {
    /// Those of the contract, with these time-outs.
    pub fn new(timeouts: Timeouts) -> Limits {
        Limits {
            head_bytes: HEAD_BYTES_MAX,
            body_bytes: BODY_BYTES_MAX,
            timeouts,
            linger: Duration::from_secs(1),
        }
    }

    /// How long one read of a socket may block. Deadlines are looked at after each read, so one may
    /// be missed by this much; in return, no request costs a system call to set a time-out.
    fn tick(&self) -> Duration {
        self.timeouts.idle.min(self.timeouts.head).min(self.timeouts.request)
    }
}
