//! What the Rust servers under test share.
//!
//! First the answers of the contract: plain functions from typed values to typed values, which know
//! no server. Then JSON and HTTP for the server that has only the standard library, and last the
//! process around every server, with TLS and HTTP/2 for the one that offers them. A server itself
//! is one file in `bin/`.

#![forbid(unsafe_code)]

pub mod answer;
pub mod decimal;
pub mod items;
pub mod orders;
pub mod query;
pub mod spectral_norm;

pub mod json;
#[cfg(feature = "axum")]
pub mod json_serde;

pub mod http;
pub mod routes;

pub mod command_line;
pub mod termination;
#[cfg(feature = "axum")]
pub mod tls;
#[cfg(feature = "axum")]
pub mod transport;
