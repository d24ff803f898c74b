//! What the Rust servers under test share.
//!
//! First the responses of the contract: plain functions from typed values to typed values, which
//! know no server. Then HTTP, JSON and routes for the server that has only the standard library,
//! those of the servers on actix-web, axum and hyper with their connections, and last the process
//! around every server. A server itself is one file in `bin/`.

#![forbid(unsafe_code)]

pub mod fortunes;
pub mod items;
pub mod number;
pub mod orders;
pub mod response;
pub mod spectral_norm;
pub mod worlds;

pub mod http;
pub mod json;
pub mod query;
pub mod routes;

#[cfg(feature = "actix")]
pub mod actix_routes;
#[cfg(feature = "actix")]
pub mod actix_server;
#[cfg(feature = "axum")]
pub mod axum_routes;
#[cfg(feature = "axum")]
pub mod axum_server;
#[cfg(feature = "services")]
pub mod backends;
#[cfg(feature = "services")]
pub mod bodies;
#[cfg(feature = "services")]
pub mod database;
#[cfg(feature = "axum")]
pub mod entries;
#[cfg(feature = "services")]
pub mod fan_out;
#[cfg(feature = "grpc")]
pub mod grpc;
#[cfg(feature = "hyper")]
pub mod hyper_routes;
#[cfg(feature = "transports")]
pub mod hyper_server;
#[cfg(feature = "transports")]
mod listen;
#[cfg(feature = "serde")]
pub mod queries;
#[cfg(feature = "transports")]
pub mod reuseport_server;
#[cfg(feature = "services")]
pub mod ticks;
#[cfg(feature = "transports")]
pub mod tls;
#[cfg(feature = "transports")]
pub mod transport;
#[cfg(feature = "services")]
pub mod websocket;

pub mod command_line;
pub mod termination;
pub mod timeouts;

/// The allocator of every server that is built with this feature: a variant, never a default.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
