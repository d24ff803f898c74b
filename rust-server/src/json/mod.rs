//! JSON for a server that has only the standard library: a decoder and an encoder for exactly the
//! types of the contract.

mod decode;
mod encode;

pub use decode::orders;
pub use encode::{failure, hello, items, summary};
