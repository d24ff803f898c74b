//! Routers of axum as services of hyper.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use hyper_util::service::TowerToHyperService;

use crate::command_line::{Offers, Options};
use crate::hyper_server;

/// Serves the router that `routes` makes for a time-out of requests, until SIGTERM or SIGINT.
/// `version` is the line that `--version` prints.
pub fn run(version: &str, routes: impl FnOnce(Duration) -> Router) -> ExitCode {
    run_with(version, Offers::Transports, |options| Ok(routes(options.timeouts.request)))
}

/// The same for a server that offers more on its command line, with a router that depends on it.
pub fn run_with(
    version: &str,
    offers: Offers,
    routes: impl FnOnce(&Options) -> io::Result<Router>,
) -> ExitCode {
    hyper_server::run(version, offers, |options| Ok(TowerToHyperService::new(routes(options)?)))
}
