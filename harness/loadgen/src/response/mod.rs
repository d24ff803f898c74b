//! What comes back: reading a response, recognising it at a glance, checking it.

pub(crate) mod check;
pub mod parse;
pub mod reference;
pub mod template;
