//! What no response has.

/// The longest head read, informational heads before it not counted; also of all trailers.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Why bytes are no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(pub &'static str);
