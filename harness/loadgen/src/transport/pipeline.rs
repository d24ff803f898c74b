//! Requests in flight on a connection behind the head of the pipeline.

use std::collections::VecDeque;

use crate::request::in_flight::InFlight;
use crate::request::selector::NextRequest;

/// The rest of a pipeline. Empty, and without memory of its own, where there is none.
#[derive(Debug, Default)]
pub(super) struct Pipeline {
    /// Requests in the order of their responses.
    pub(super) behind: VecDeque<Queued>,
    /// Bytes of requests to be written together; some of them may be written.
    pub(super) unsent: Vec<u8>,
    /// Whether the server takes no more bytes; responses it gave before may still be read.
    pub(super) cut: bool,
}

/// A request behind others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Queued {
    pub(super) next: NextRequest,
    pub(super) request: InFlight,
}
