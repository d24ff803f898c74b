//! An HTTP/1.1 server (RFC 9110, RFC 9112) with nothing but the standard library.
//!
//! `head` and `chunked` read requests from bytes, `response` writes answers to bytes, `connection`
//! is the conversation over anything that reads and writes, `server` is sockets and threads. None
//! of them knows a route.
//!
//! What is left out on purpose: HTTP/1.0 connections are always closed after one answer, trailers
//! and chunk extensions are read and forgotten, an `Expect` other than `100-continue` is ignored.

mod chunked;
mod connection;
mod date;
mod head;
mod input;
mod response;
mod server;

use std::time::Duration;

pub use connection::{Buffers, Presence, Transport, converse};
pub use head::{BodyLength, Head, HeadParser};
pub use response::{Answer, Status};
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
    /// Bytes of a request head. More is answered with 431.
    pub head_bytes: usize,
    /// Bytes of a body. More is answered with 413.
    pub body_bytes: usize,
    /// How long a kept connection may stay without a request.
    pub idle: Duration,
    /// How long a head may take from its first byte. Then 408.
    pub head: Duration,
    /// How long a body may take from the end of its head. Then 408.
    pub body: Duration,
    /// How long a client may take to read what was written.
    pub write: Duration,
    /// How long a connection is read after a refusal, so that the answer is not lost by a reset.
    pub linger: Duration,
}

impl Limits {
    /// For the whole internet.
    pub const DEFAULT: Limits = Limits {
        head_bytes: 65_536,
        body_bytes: crate::answer::BODY_BYTES_MAX,
        idle: Duration::from_secs(120),
        head: Duration::from_secs(10),
        body: Duration::from_secs(30),
        write: Duration::from_secs(10),
        linger: Duration::from_secs(1),
    };

    /// How long one read of a socket may block. Deadlines are looked at after each read, so one may
    /// be missed by this much; in return, no request costs a system call to set a time-out.
    fn tick(&self) -> Duration {
        self.idle.min(self.head).min(self.body)
    }
}
