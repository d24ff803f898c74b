//! axum as in `rust-axum`, and routes that wait for a database or other servers.

use std::process::ExitCode;

use rust_server::command_line::Offers;
use rust_server::{axum_server, backends, database};

const VERSION: &str =
    concat!("rust-axum-backends ", env!("CARGO_PKG_VERSION"), " (", env!("AXUM_STACK"), ")");

fn main() -> ExitCode {
    axum_server::run_with(VERSION, Offers::Services, |options| {
        backends::routes(options, database::tokio_postgres::open)
    })
}
