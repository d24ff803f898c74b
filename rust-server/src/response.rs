//! What responses have in common, and the way in which a request can be wrong.

use std::error::Error;
use std::fmt;

/// The largest request body, in bytes. One byte more is refused with 413.
pub const BODY_BYTES_MAX: usize = 1_048_576;

/// The largest request head, in bytes. A longer one is refused with 431.
pub const HEAD_BYTES_MAX: usize = 65_536;

/// `Content-Type` of the page.
pub const HTML: &str = "text/html; charset=utf-8";
/// `Content-Type` of numbers.
pub const TEXT: &str = "text/plain; charset=utf-8";
/// `Content-Type` of everything else.
pub const JSON: &str = "application/json";

/// `GET /`: the article's Rust page.
pub const PAGE: &str = "<html><body>Hello world</body></html>\r\n";

/// `GET /hello`: what the article's Go server encodes for every request.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Hello {
    /// The greeting.
    pub message: &'static str,
}

/// The greeting of `GET /hello`. Each response encodes it anew.
pub const HELLO: Hello = Hello { message: "hello world" };

/// The body of every response that is not a success. Each response encodes it anew.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Failure {
    /// The status in words.
    pub error: &'static str,
}

/// A path, query or body that the contract does not allow: a 400. The reason is for the log; the
/// response does not repeat it.
///
/// `Error` is implemented by hand since the std lane is built without crates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRequest {
    /// What is wrong, lower case, without a full stop.
    pub reason: &'static str,
}

impl BadRequest {
    /// A request that is wrong for this reason.
    pub const fn new(reason: &'static str) -> BadRequest {
        BadRequest { reason }
    }
}

impl fmt::Display for BadRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.reason)
    }
}

impl Error for BadRequest {}
