//! The routes as axum's documentation teaches: typed extractors, `Json`, and one error type that
//! knows how to become a response.

use std::time::Duration;

use axum::Router;
use axum::body::{Bytes, HttpBody};
use axum::extract::rejection::{
    BytesRejection, JsonRejection, PathRejection, QueryRejection, StringRejection,
};
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::header::CONNECTION;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use serde::Serialize;
use tower_http::timeout::TimeoutLayer;

use crate::entries;
use crate::items::{self, ItemCount, Items};
use crate::number::Integer;
use crate::orders::{self, Order, Summary};
use crate::queries::{CpuQuery, ItemsQuery, SumQuery};
use crate::response::{self, BODY_BYTES_MAX, BadRequest, Failure, Hello};
use crate::spectral_norm;

/// All routes. What takes longer than the time-out, the reading of its body included, is refused
/// with 408.
pub fn routes(timeout: Duration) -> Router {
    routes_with(post(sum_orders), timeout)
}

/// The same, with another method to sum up orders.
pub fn routes_with(orders: MethodRouter, timeout: Duration) -> Router {
    with_limits(contract(orders), timeout)
}

/// The routes that every server has.
pub fn contract(orders: MethodRouter) -> Router {
    contract_with(orders, get(cpu))
}

/// The same, with another method to compute.
pub fn contract_with(orders: MethodRouter, cpu: MethodRouter) -> Router {
    let body_limit = DefaultBodyLimit::max(BODY_BYTES_MAX);
    Router::new()
        .route("/", get(page))
        .route("/hello", get(hello))
        .route("/sum", post(sum_with_body).layer(body_limit).get(sum))
        .route("/items/{n}", get(list_items))
        .route("/orders", orders.layer(body_limit))
        .route("/cpu", cpu)
        .merge(entries::routes())
}

/// What is refused on all routes, and what takes longer than the time-out.
pub fn with_limits(router: Router, timeout: Duration) -> Router {
    with_refusals(router)
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, timeout))
}

/// What is refused on all routes.
pub fn with_refusals(router: Router) -> Router {
    router.fallback(not_found).method_not_allowed_fallback(method_not_allowed)
}

async fn page(_: NoBody) -> Html<&'static str> {
    Html(response::PAGE)
}

async fn hello(_: NoBody) -> Json<Hello> {
    Json(response::HELLO)
}

async fn sum(Query(query): Query<SumQuery>, _: NoBody) -> String {
    (query.a.0 + query.b.0).to_string()
}

async fn sum_with_body(
    Query(query): Query<SumQuery>,
    body: Result<String, StringRejection>,
) -> Result<String, Error> {
    let third: Integer = body?.parse()?;
    Ok((query.a.0 + query.b.0 + third.0).to_string())
}

async fn list_items(
    Path(n): Path<ItemCount>,
    Query(query): Query<ItemsQuery>,
    _: NoBody,
) -> Json<Items> {
    Json(items::items(n, query.m))
}

/// `POST /orders` with strings of its own.
pub async fn sum_orders(Json(orders): Json<Vec<Order>>) -> Result<Json<Summary>, Error> {
    Ok(Json(orders::summary(orders)?))
}

async fn cpu(Query(query): Query<CpuQuery>, _: NoBody) -> String {
    spectral_norm::text(query.n)
}

async fn not_found(_: NoBody) -> (StatusCode, Json<Failure>) {
    (StatusCode::NOT_FOUND, Json(Failure { error: "not found" }))
}

async fn method_not_allowed(_: NoBody) -> (StatusCode, Json<Failure>) {
    (StatusCode::METHOD_NOT_ALLOWED, Json(Failure { error: "method not allowed" }))
}

/// axum's `Json`, rejected with [`Error`].
#[derive(FromRequest)]
#[from_request(via(axum::Json), rejection(Error))]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// axum's `Path`, rejected with [`Error`].
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Error))]
pub struct Path<T>(pub T);

/// axum's `Query`, rejected with [`Error`].
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Error))]
pub struct Query<T>(pub T);

/// The body of a request whose route takes none: it is read, so that the next request on the
/// connection can be, and ignored.
pub struct NoBody;

impl<S: Send + Sync> FromRequest<S> for NoBody {
    type Rejection = Error;

    async fn from_request(mut request: Request, state: &S) -> Result<NoBody, Error> {
        if !request.body().is_end_stream() {
            DefaultBodyLimit::max(BODY_BYTES_MAX).apply(&mut request);
            Bytes::from_request(request, state).await?;
        }
        Ok(NoBody)
    }
}

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A value breaks the contract's rules.
    #[error(transparent)]
    Value(#[from] BadRequest),
    /// The path has a parameter of the wrong form.
    #[error(transparent)]
    Path(#[from] PathRejection),
    /// The query lacks a parameter, or has one of the wrong form.
    #[error(transparent)]
    Query(#[from] QueryRejection),
    /// The body cannot be read.
    #[error(transparent)]
    Body(#[from] BytesRejection),
    /// The body cannot be read, or is not text.
    #[error(transparent)]
    Text(#[from] StringRejection),
    /// The body cannot be read, or is not JSON of the expected form.
    #[error(transparent)]
    Json(#[from] JsonRejection),
    /// There is no such row or entry.
    #[error("no such row or entry")]
    NotFound,
    /// What the server needs beside itself does not respond.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The body is not JSON of the expected form, says a server that decodes by itself.
    #[error(transparent)]
    Decode(#[from] serde_json::Error),
}

impl Error {
    /// 413 for a body that is too large, 404 and 503 for what the server needs, 400 for the rest.
    fn status(&self) -> StatusCode {
        let status = match self {
            Error::Value(_) | Error::Path(_) | Error::Query(_) | Error::Decode(_) => {
                StatusCode::BAD_REQUEST
            }
            Error::NotFound => return StatusCode::NOT_FOUND,
            Error::Unavailable(_) => return StatusCode::SERVICE_UNAVAILABLE,
            Error::Body(rejection) => rejection.status(),
            Error::Text(rejection) => rejection.status(),
            Error::Json(rejection) => rejection.status(),
        };
        if status == StatusCode::PAYLOAD_TOO_LARGE { status } else { StatusCode::BAD_REQUEST }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        tracing::debug!(error = %self, "request refused");
        let status = self.status();
        let error = match status {
            StatusCode::PAYLOAD_TOO_LARGE => "payload too large",
            StatusCode::NOT_FOUND => "not found",
            StatusCode::SERVICE_UNAVAILABLE => "service unavailable",
            _ => "bad request",
        };
        let failure = Json(Failure { error });
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            (status, [(CONNECTION, "close")], failure).into_response()
        } else {
            (status, failure).into_response()
        }
    }
}
