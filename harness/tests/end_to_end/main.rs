//! The real binary against real servers, programs and sources.

#[path = "../binary/mod.rs"]
mod binary;
mod builds;
mod claims;
mod cli;
mod generator;
mod init;
mod load;
mod pool;
mod programs;
mod responder;
mod tidy;
mod toolchains;
mod transport;
mod transports_in_suites;
