//! A server of gRPC on tonic, as its examples teach.

use std::process::ExitCode;

use rust_server::grpc;

const VERSION: &str =
    concat!("rust-tonic ", env!("CARGO_PKG_VERSION"), " (", env!("TONIC_STACK"), ")");

fn main() -> ExitCode {
    grpc::run(VERSION)
}
