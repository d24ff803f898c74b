//! What axum's documentation teaches: a router, extractors, serde, tokio's threads.
//!
//! Plain HTTP/1.1 is `axum::serve`. TLS and HTTP/2 are `transport`, for connections that
//! `axum::serve` does not know.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::body::{Bytes, HttpBody};
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, FromRequest, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use rust_server::answer::{self, BadRequest};
use rust_server::command_line::{self, Options, Transport, Transports};
use rust_server::transport::Connections;
use rust_server::{decimal, items, json_serde, orders, spectral_norm};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

const VERSION: &str = concat!(
    "rust-axum ",
    env!("CARGO_PKG_VERSION"),
    " (axum ",
    env!("AXUM_VERSION"),
    ", hyper ",
    env!("HYPER_VERSION"),
    ", rustls ",
    env!("RUSTLS_VERSION"),
    ", tokio ",
    env!("TOKIO_VERSION"),
    ", rustc ",
    env!("RUSTC_VERSION"),
    ")"
);

/// How long requests that have begun may take after SIGTERM.
const PATIENCE: Duration = Duration::from_millis(1_500);

fn main() -> ExitCode {
    command_line::run(VERSION, Transports::All, |options| {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(options.threads.get())
            .enable_all()
            .build()?;
        // As a task of its own the server accepts on the workers, and the main thread stays out.
        let served = runtime.block_on(runtime.spawn(serve(options.clone())));
        // Does not wait for what has not ended by now.
        runtime.shutdown_background();
        served?
    })
}

async fn serve(options: Options) -> io::Result<()> {
    let mut stop = signal(SignalKind::terminate())?;
    let mut give_up = signal(SignalKind::terminate())?;
    let connections = match &options.transport {
        Transport::Plain => None,
        Transport::Tls { cert, key } => Some(Connections::over_tls(routes(), cert, key)?),
        Transport::H2c => Some(Connections::h2c(routes())),
    };
    let listener = TcpListener::bind(options.addr).await?;
    let address = listener.local_addr()?;
    let listener = listener.tap_io(|stream| {
        // It fails if the client has already gone, and then nobody minds.
        let _gone = stream.set_nodelay(true);
    });
    let stop = async move {
        stop.recv().await;
    };
    command_line::announce(address)?;
    let served = async {
        match connections {
            None => axum::serve(listener, routes()).with_graceful_shutdown(stop).await,
            Some(connections) => {
                connections.serve(listener, stop).await;
                Ok(())
            }
        }
    };
    tokio::select! {
        served = served => served,
        () = async {
            give_up.recv().await;
            tokio::time::sleep(PATIENCE).await;
        } => Ok(()),
    }
}

fn routes() -> Router {
    Router::new()
        .route("/", get(page))
        .route("/hello", get(hello))
        .route("/sum", get(sum).post(sum_with_body))
        .route("/items/{n}", get(list_items))
        .route("/orders", post(sum_orders))
        .route("/cpu", get(cpu))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(answer::BODY_BYTES_MAX))
}

async fn page(_: NoBody) -> impl IntoResponse {
    ([(CONTENT_TYPE, answer::HTML)], answer::PAGE)
}

async fn hello(_: NoBody) -> impl IntoResponse {
    json(&answer::HELLO)
}

#[derive(Deserialize)]
struct SumQuery {
    a: String,
    b: String,
}

impl SumQuery {
    fn sum(&self) -> Result<i64, BadRequest> {
        Ok(decimal::integer(self.a.as_bytes())? + decimal::integer(self.b.as_bytes())?)
    }
}

type Queried<T> = Result<Query<T>, QueryRejection>;

async fn sum(query: Queried<SumQuery>, _: NoBody) -> Result<impl IntoResponse, Refusal> {
    let Query(query) = query?;
    Ok(text(query.sum()?.to_string()))
}

async fn sum_with_body(
    query: Queried<SumQuery>,
    body: Result<Bytes, BytesRejection>,
) -> Result<impl IntoResponse, Refusal> {
    let body = body?;
    let Query(query) = query?;
    Ok(text((query.sum()? + decimal::integer(&body)?).to_string()))
}

#[derive(Deserialize)]
struct ItemsQuery {
    m: String,
}

async fn list_items(
    path: Result<Path<String>, PathRejection>,
    query: Queried<ItemsQuery>,
    _: NoBody,
) -> Result<Response, Refusal> {
    let (Path(n), Query(query)) = (path?, query?);
    Ok(json(&items::items(n.as_bytes(), query.m.as_bytes())?))
}

async fn sum_orders(body: Result<Bytes, BytesRejection>) -> Result<Response, Refusal> {
    let body = body?;
    let orders = json_serde::orders(&body)?;
    Ok(json(&orders::summary(&orders)?))
}

#[derive(Deserialize)]
struct CpuQuery {
    n: String,
}

async fn cpu(query: Queried<CpuQuery>, _: NoBody) -> Result<impl IntoResponse, Refusal> {
    let Query(query) = query?;
    Ok(text(spectral_norm::text(query.n.as_bytes())?))
}

async fn not_found(_: NoBody) -> impl IntoResponse {
    error(StatusCode::NOT_FOUND, answer::NOT_FOUND)
}

async fn method_not_allowed(_: NoBody) -> impl IntoResponse {
    error(StatusCode::METHOD_NOT_ALLOWED, answer::METHOD_NOT_ALLOWED)
}

fn text(text: String) -> impl IntoResponse {
    ([(CONTENT_TYPE, answer::TEXT)], text)
}

fn json(value: &impl Serialize) -> Response {
    // Strings, numbers and maps with strings for keys: serde_json has no way to fail.
    let text = serde_json::to_vec(value).expect("the value is JSON");
    ([(CONTENT_TYPE, answer::JSON)], text).into_response()
}

fn error(status: StatusCode, body: &'static str) -> impl IntoResponse {
    (status, [(CONTENT_TYPE, answer::JSON)], body)
}

/// The body of a request whose route takes none: it is read, so that the next request on the
/// connection can be, and ignored.
struct NoBody;

impl<S: Send + Sync> FromRequest<S> for NoBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<NoBody, Refusal> {
        if !request.body().is_end_stream() {
            Bytes::from_request(request, state).await?;
        }
        Ok(NoBody)
    }
}

/// Why a request is refused.
enum Refusal {
    BadRequest,
    PayloadTooLarge,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Refusal::BadRequest => {
                error(StatusCode::BAD_REQUEST, answer::BAD_REQUEST).into_response()
            }
            Refusal::PayloadTooLarge => {
                let refusal = error(StatusCode::PAYLOAD_TOO_LARGE, answer::PAYLOAD_TOO_LARGE);
                ([(CONNECTION, "close")], refusal).into_response()
            }
        }
    }
}

impl From<BadRequest> for Refusal {
    fn from(_: BadRequest) -> Refusal {
        Refusal::BadRequest
    }
}

impl From<PathRejection> for Refusal {
    fn from(_: PathRejection) -> Refusal {
        Refusal::BadRequest
    }
}

impl From<QueryRejection> for Refusal {
    fn from(_: QueryRejection) -> Refusal {
        Refusal::BadRequest
    }
}

impl From<BytesRejection> for Refusal {
    fn from(rejection: BytesRejection) -> Refusal {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Refusal::PayloadTooLarge,
            _ => Refusal::BadRequest,
        }
    }
}
