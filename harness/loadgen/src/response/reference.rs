//! The reference response of a server: what the others are compared with.

use super::parse::Response;

/// A response, read with the full parser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceResponse {
    /// Its status.
    pub status: u16,
    /// Its `Content-Type`, as text.
    pub content_type: Option<String>,
    /// Its body, without framing.
    pub body: Vec<u8>,
    /// Whether the connection stays open behind it.
    pub persistent: bool,
    /// How many requests the server allows to be in flight on a connection; none: HTTP/1.1.
    pub streams_max: Option<usize>,
}

impl From<Response<'_>> for ReferenceResponse {
    fn from(response: Response<'_>) -> Self {
        Self {
            status: response.status,
            content_type: response.content_type.map(|t| String::from_utf8_lossy(t).into_owned()),
            persistent: response.persistent,
            body: response.body.into_owned(),
            streams_max: None,
        }
    }
}
