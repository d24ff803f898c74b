//! What is sent: requests with the responses expected to them, and which of them is next.

pub mod exchange;
pub(crate) mod in_flight;
pub mod placeholder;
pub(crate) mod selector;
