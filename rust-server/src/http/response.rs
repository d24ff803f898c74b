//! Answers to bytes.

use super::date::DateCache;
use crate::answer;
use crate::decimal;

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

    /// The JSON that tells of an error. Empty for a success.
    pub fn error_body(self) -> &'static str {
        match self {
            Status::Ok => "",
            Status::BadRequest => answer::BAD_REQUEST,
            Status::NotFound => answer::NOT_FOUND,
            Status::MethodNotAllowed => answer::METHOD_NOT_ALLOWED,
            Status::RequestTimeout => r#"{"error":"request timeout"}"#,
            Status::PayloadTooLarge => answer::PAYLOAD_TOO_LARGE,
            Status::HeadTooLarge => r#"{"error":"request head too large"}"#,
            Status::NotImplemented => r#"{"error":"not implemented"}"#,
            Status::VersionNotSupported => r#"{"error":"version not supported"}"#,
        }
    }
}

/// An answer but for its body, which a route writes to a buffer.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// The status.
    pub status: Status,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// `Allow`, with 405.
    pub allow: Option<&'static str>,
}

/// What the rest of the connection decides about an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Framing {
    /// Headers only, as for HEAD.
    pub(super) without_body: bool,
    /// No further request is read.
    pub(super) close: bool,
}

/// Appends an answer.
pub(super) fn write(
    out: &mut Vec<u8>,
    answer: &Answer,
    body: &[u8],
    framing: Framing,
    date: &mut DateCache,
) {
    let mut text = |text: &str| out.extend_from_slice(text.as_bytes());
    text(answer.status.line());
    text("Content-Type: ");
    text(answer.content_type);
    text("\r\nContent-Length: ");
    decimal::push(out, body.len() as u64);
    let mut text = |text: &str| out.extend_from_slice(text.as_bytes());
    text("\r\nDate: ");
    text(date.now());
    if let Some(methods) = answer.allow {
        text("\r\nAllow: ");
        text(methods);
    }
    if framing.close {
        text("\r\nConnection: close");
    }
    text("\r\n\r\n");
    if !framing.without_body {
        out.extend_from_slice(body);
    }
}
