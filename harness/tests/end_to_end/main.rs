//! The real binary against real servers, programs and sources.

#[path = "../binary/mod.rs"]
mod binary;
mod claims;
mod cli;
mod generator;
mod load;
mod programs;
mod responder;
mod tidy;
mod transport;
mod transports_in_suites;
