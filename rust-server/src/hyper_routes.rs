//! The routes as hyper's examples have them: functions from requests to responses, and a `match` of
//! method and path.

use std::convert::Infallible;
use std::str::Utf8Error;
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time;

use crate::number::Integer;
use crate::orders::{self, Order};
use crate::queries::{CpuQuery, ItemsQuery, SumQuery};
use crate::response::{self, BODY_BYTES_MAX, BadRequest, Failure, HTML, JSON, TEXT};
use crate::{items, query, spectral_norm};

type Response = hyper::Response<Full<Bytes>>;

/// Responds to a request. What takes longer than the time-out, the reading of its body included, is
/// refused with 408.
pub async fn respond(
    request: Request<Incoming>,
    timeout: Duration,
) -> Result<Response, Infallible> {
    let (head, body) = request.into_parts();
    let responded = time::timeout(timeout, async {
        let body = read(body).await?;
        route(&head, &body)
    });
    let response = match responded.await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => refuse(&error),
        Err(_) => empty(StatusCode::REQUEST_TIMEOUT),
    };
    Ok(if head.method == Method::HEAD { without_body(response) } else { response })
}

/// Every body is read, also where nothing is made of it, so that the next request on the connection
/// can be.
async fn read(body: Incoming) -> Result<Bytes, Error> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let read = Limited::new(body, BODY_BYTES_MAX).collect().await;
    Ok(read.map_err(Error::Body)?.to_bytes())
}

fn route(head: &Parts, body: &[u8]) -> Result<Response, Error> {
    let query = head.uri.query().unwrap_or_default();
    let path = head.uri.path();
    match (&head.method, path) {
        (&Method::GET | &Method::HEAD, "/") => Ok(text(HTML, response::PAGE)),
        (&Method::GET | &Method::HEAD, "/hello") => Ok(json(&response::HELLO)),
        (&Method::GET | &Method::HEAD, "/sum") => sum(query, Integer(0)),
        (&Method::POST, "/sum") => sum(query, str::from_utf8(body)?.parse()?),
        (&Method::POST, "/orders") => sum_orders(body),
        (&Method::GET | &Method::HEAD, "/cpu") => cpu(query),
        (_, "/" | "/hello" | "/cpu") => Err(Error::Method("GET, HEAD")),
        (_, "/sum") => Err(Error::Method("GET, HEAD, POST")),
        (_, "/orders") => Err(Error::Method("POST")),
        (method, _) => match (method, item_count(path)) {
            (&Method::GET | &Method::HEAD, Some(n)) => list_items(n, query),
            (_, Some(_)) => Err(Error::Method("GET, HEAD")),
            (_, None) => Err(Error::NotFound),
        },
    }
}

/// The `{n}` of `/items/{n}`.
fn item_count(path: &str) -> Option<&str> {
    path.strip_prefix("/items/").filter(|n| !n.is_empty() && !n.contains('/'))
}

fn sum(query: &str, Integer(third): Integer) -> Result<Response, Error> {
    let SumQuery { a: Integer(a), b: Integer(b) } = decode(query)?;
    Ok(text(TEXT, (a + b + third).to_string()))
}

fn list_items(n: &str, query: &str) -> Result<Response, Error> {
    let n = str::from_utf8(&query::segment(n.as_bytes()))?.parse()?;
    let ItemsQuery { m } = decode(query)?;
    Ok(json(&items::items(n, m)))
}

fn sum_orders(body: &[u8]) -> Result<Response, Error> {
    let orders: Vec<Order> = serde_json::from_slice(body)?;
    Ok(json(&orders::summary(orders)?))
}

fn cpu(query: &str) -> Result<Response, Error> {
    let CpuQuery { n } = decode(query)?;
    Ok(text(TEXT, spectral_norm::text(n)))
}

fn decode<T: DeserializeOwned>(query: &str) -> Result<T, Error> {
    Ok(serde_urlencoded::from_str(query)?)
}

fn text(content_type: &'static str, text: impl Into<Bytes>) -> Response {
    with(CONTENT_TYPE, content_type, Response::new(Full::new(text.into())))
}

fn json(value: &impl Serialize) -> Response {
    // What is sent here has no keys but strings, and no way to fail.
    let encoded = serde_json::to_vec(value).expect("it can be encoded");
    with(CONTENT_TYPE, JSON, Response::new(Full::new(encoded.into())))
}

fn with(name: HeaderName, value: &'static str, mut response: Response) -> Response {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}

/// HTTP/1.1 leaves the body out by itself, HTTP/2 does not.
fn without_body(response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact() {
        head.headers.insert(CONTENT_LENGTH, length.into());
    }
    Response::from_parts(head, Full::default())
}

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Value(#[from] BadRequest),
    #[error(transparent)]
    Query(#[from] serde_urlencoded::de::Error),
    #[error(transparent)]
    Text(#[from] Utf8Error),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("the body cannot be read: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error("there is no such path")]
    NotFound,
    /// The path has other methods: these.
    #[error("the path has no such method")]
    Method(&'static str),
}

fn refuse(error: &Error) -> Response {
    tracing::debug!(%error, "request refused");
    let (status, text) = match error {
        Error::Body(error) if error.is::<LengthLimitError>() => {
            (StatusCode::PAYLOAD_TOO_LARGE, "payload too large")
        }
        Error::NotFound => (StatusCode::NOT_FOUND, "not found"),
        Error::Method(_) => (StatusCode::METHOD_NOT_ALLOWED, "method not allowed"),
        _ => (StatusCode::BAD_REQUEST, "bad request"),
    };
    let mut response = json(&Failure { error: text });
    *response.status_mut() = status;
    match error {
        Error::Method(allowed) => with(ALLOW, allowed, response),
        Error::Body(_) => with(CONNECTION, "close", response),
        _ => response,
    }
}
