//! `rust-axum` with orders that borrow their strings from the body. What else is tuned about it
//! are flags of its build, and the allocator (`bench/servers.toml`).

use std::process::ExitCode;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use rust_server::axum_routes::{self, Error, Json};
use rust_server::axum_server;
use rust_server::orders::{self, Order, Text};

const VERSION: &str =
    concat!("rust-axum-tuned ", env!("CARGO_PKG_VERSION"), " (", env!("AXUM_STACK"), ")");

fn main() -> ExitCode {
    axum_server::run(VERSION, |timeout| axum_routes::routes_with(post(sum_orders), timeout))
}

/// The response is made here, since the summary borrows from the body.
async fn sum_orders(body: Result<Bytes, BytesRejection>) -> Result<Response, Error> {
    let body = body?;
    let orders: Vec<Order<Text<'_>>> = serde_json::from_slice(&body)?;
    Ok(Json(orders::summary(orders)?).into_response())
}
