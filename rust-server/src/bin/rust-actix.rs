//! What actix-web's documentation teaches: an app of resources and extractors, a worker a thread.

use std::process::ExitCode;

use rust_server::{actix_routes, actix_server};

const VERSION: &str =
    concat!("rust-actix ", env!("CARGO_PKG_VERSION"), " (", env!("ACTIX_STACK"), ")");

fn main() -> ExitCode {
    actix_server::run(VERSION, actix_routes::routes)
}
