//! The servers, from parts in memory to processes on sockets.

#[cfg(feature = "backends")]
mod backends;
mod client;
mod contract;
mod conversation;
#[cfg(feature = "axum")]
mod decoders;
#[cfg(feature = "axum")]
mod entries;
mod head;
mod process;
mod random;
mod timeouts;
#[cfg(feature = "axum")]
mod transport_client;
mod transports;
#[cfg(feature = "backends")]
mod websocket;
