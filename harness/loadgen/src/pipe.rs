//! What is asked on a connection behind the request whose answer comes next.

use std::collections::VecDeque;
use std::time::Instant;

use super::requests::Turn;

/// The rest of a pipeline. Empty, and without memory of its own, where there is none.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    /// Requests in the order of their answers.
    pub(super) behind: VecDeque<Waiting>,
    /// Bytes of requests to be written together; some of them may be written.
    pub(super) unsent: Vec<u8>,
    /// Whether the server takes no more bytes; answers it gave before may still be read.
    pub(super) cut: bool,
}

/// A request that is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    pub(super) turn: Turn,
    pub(super) asked_at: Instant,
}
