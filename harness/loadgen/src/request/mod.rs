//! What is sent: requests with the responses expected to them, and which of them is next.

pub mod composed;
pub mod cookies;
pub mod exchange;
pub(crate) mod in_flight;
pub mod placeholder;
pub mod requests;
pub(crate) mod selector;
pub mod session;
