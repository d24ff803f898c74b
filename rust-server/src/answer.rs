//! The answers that take no input, and the one way in which a request can be wrong.

/// The largest request body, in bytes. One byte more is answered with 413.
pub const BODY_BYTES_MAX: usize = 1_048_576;

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
#[cfg_attr(feature = "axum", derive(serde::Serialize))]
pub struct Hello {
    /// The greeting.
    pub message: &'static str,
}

/// The greeting of `GET /hello`. Each answer encodes it anew.
pub const HELLO: Hello = Hello { message: "hello world" };

/// Body of a 400.
pub const BAD_REQUEST: &str = r#"{"error":"bad request"}"#;
/// Body of a 404.
pub const NOT_FOUND: &str = r#"{"error":"not found"}"#;
/// Body of a 405.
pub const METHOD_NOT_ALLOWED: &str = r#"{"error":"method not allowed"}"#;
/// Body of a 413.
pub const PAYLOAD_TOO_LARGE: &str = r#"{"error":"payload too large"}"#;

/// A path, query or body that the contract does not allow. It is answered with 400, and the answer
/// does not say why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRequest;
