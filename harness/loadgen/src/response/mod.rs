//! What comes back: reading a response, recognising it at a glance, checking it.

pub(crate) mod body;
pub(crate) mod body_check;
pub(crate) mod check;
pub mod events;
pub(crate) mod excerpt;
pub mod incoming;
pub mod malformed;
pub mod parse;
pub mod reference;
pub mod template;
