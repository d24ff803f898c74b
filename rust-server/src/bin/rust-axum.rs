//! What axum's documentation teaches: a router, extractors, serde, tokio's threads.

use std::process::ExitCode;

use rust_server::{axum_routes, axum_server};

const VERSION: &str =
    concat!("rust-axum ", env!("CARGO_PKG_VERSION"), " (", env!("AXUM_STACK"), ")");

fn main() -> ExitCode {
    axum_server::run(VERSION, axum_routes::routes)
}
