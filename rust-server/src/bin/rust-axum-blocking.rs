//! `rust-axum` that computes on tokio's threads for blocking work, as its documentation teaches for
//! what takes long: the threads that serve connections go on meanwhile.

use std::process::ExitCode;

use axum::routing::{get, post};
use rust_server::axum_routes::{self, Error, NoBody, Query};
use rust_server::queries::CpuQuery;
use rust_server::{axum_server, spectral_norm};
use tokio::task;

const VERSION: &str =
    concat!("rust-axum-blocking ", env!("CARGO_PKG_VERSION"), " (", env!("AXUM_STACK"), ")");

fn main() -> ExitCode {
    axum_server::run(VERSION, |timeout| {
        let routes = axum_routes::contract_with(post(axum_routes::sum_orders), get(cpu));
        axum_routes::with_limits(routes, timeout)
    })
}

async fn cpu(Query(query): Query<CpuQuery>, _: NoBody) -> Result<String, Error> {
    let computed = task::spawn_blocking(move || spectral_norm::text(query.n)).await;
    computed.map_err(|error| Error::Unavailable(error.to_string()))
}
