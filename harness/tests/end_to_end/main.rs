//! The real binary against real servers, programs and sources.

#[path = "../binary/mod.rs"]
mod binary;
mod bombs;
mod builds;
mod campaign;
mod claims;
mod cli;
mod dependencies;
mod events;
mod generator;
mod hostile_server;
mod init;
mod load;
mod long_windows;
mod memory_limits;
mod numbers;
mod outputs;
mod pool;
mod programs;
mod records;
mod responder;
mod services;
mod several;
mod tidy;
mod toolchains;
mod transport;
mod transports_in_suites;
mod trees;
mod websocket;
