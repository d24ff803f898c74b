//! Responses to bytes.

use std::io::Write;
use std::time::SystemTime;

use super::date::imf_fixdate;
use crate::json;
use crate::response::Failure;

/// The status codes this server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 200
    Ok,
    /// 400
    BadRequest,
    /// 404
    NotFound,
    /// 405
    MethodNotAllowed,
    /// 408
    RequestTimeout,
    /// 413
    PayloadTooLarge,
    /// 431
    HeadTooLarge,
    /// 501
    NotImplemented,
    /// 505
    VersionNotSupported,
}

impl Status {
    fn line(self) -> &'static str {
        match self {
            Status::Ok => "HTTP/1.1 200 OK\r\n",
            Status::BadRequest => "HTTP/1.1 400 Bad Request\r\n",
            Status::NotFound => "HTTP/1.1 404 Not Found\r\n",
            Status::MethodNotAllowed => "HTTP/1.1 405 Method Not Allowed\r\n",
            Status::RequestTimeout => "HTTP/1.1 408 Request Timeout\r\n",
            Status::PayloadTooLarge => "HTTP/1.1 413 Content Too Large\r\n",
            Status::HeadTooLarge => "HTTP/1.1 431 Request Header Fields Too Large\r\n",
            Status::NotImplemented => "HTTP/1.1 501 Not Implemented\r\n",
            Status::VersionNotSupported => "HTTP/1.1 505 HTTP Version Not Supported\r\n",
        }
    }

    /// The status in words, as responses that are not a success have it.
    fn error(self) -> &'static str {
        match self {
            Status::Ok => "",
            Status::BadRequest => "bad request",
            Status::NotFound => "not found",
            Status::MethodNotAllowed => "method not allowed",
            Status::RequestTimeout => "request timeout",
            Status::PayloadTooLarge => "payload too large",
            Status::HeadTooLarge => "request head too large",
            Status::NotImplemented => "not implemented",
            Status::VersionNotSupported => "version not supported",
        }
    }

    /// Writes the JSON that tells of an error.
    pub fn write_error(self, body: &mut Vec<u8>) {
        body.clear();
        json::failure(body, &Failure { error: self.error() });
    }
}

/// A response but for its body, which a route writes to a buffer.
#[derive(Clone, Copy, Debug)]
pub struct Response {
    /// The status.
    pub status: Status,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// `Allow`, with 405.
    pub allow: Option<&'static str>,
}

/// What the rest of the connection decides about a response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Framing {
    /// Headers only, as for HEAD.
    pub(super) without_body: bool,
    /// No further request is read.
    pub(super) close: bool,
}

/// Appends a response.
pub(super) fn write(out: &mut Vec<u8>, response: &Response, body: &[u8], framing: Framing) {
    let (status, content_type, length) =
        (response.status.line(), response.content_type, body.len());
    let date = imf_fixdate(SystemTime::now());
    let allow = response.allow.map_or(String::new(), |methods| format!("Allow: {methods}\r\n"));
    let close = if framing.close { "Connection: close\r\n" } else { "" };
    // Writing to a vector does not fail.
    let _ = write!(
        out,
        "{status}Content-Type: {content_type}\r\nContent-Length: {length}\r\nDate: {date}\r\n\
         {allow}{close}\r\n"
    );
    if !framing.without_body {
        out.extend_from_slice(body);
    }
}
