//! `rust-axum` with a listener and a runtime for each worker.

use std::process::ExitCode;

use hyper_util::service::TowerToHyperService;
use rust_server::command_line::Offers;
use rust_server::{axum_routes, reuseport_server};

const VERSION: &str =
    concat!("rust-axum-reuseport ", env!("CARGO_PKG_VERSION"), " (", env!("AXUM_STACK"), ")");

fn main() -> ExitCode {
    reuseport_server::run(VERSION, Offers::Transports, |options| {
        Ok(TowerToHyperService::new(axum_routes::routes(options.timeouts.request)))
    })
}
