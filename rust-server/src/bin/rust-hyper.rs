//! hyper without a framework, as its examples teach: a function from a request to a response.

use std::process::ExitCode;

use hyper::service::service_fn;
use rust_server::command_line::Offers;
use rust_server::{hyper_routes, hyper_server};

const VERSION: &str =
    concat!("rust-hyper ", env!("CARGO_PKG_VERSION"), " (", env!("HYPER_STACK"), ")");

fn main() -> ExitCode {
    hyper_server::run(VERSION, Offers::Transports, |options| {
        let timeout = options.timeouts.request;
        Ok(service_fn(move |request| hyper_routes::respond(request, timeout)))
    })
}
