//! The routes as actix-web's documentation teaches: resources, extractors with their configuration,
//! and one error type that knows how to become a response.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::dev::Payload;
use actix_web::error::{JsonPayloadError, PathError, QueryPayloadError};
use actix_web::http::StatusCode;
use actix_web::http::header::ALLOW;
use actix_web::web::{
    self, Bytes, Html, Json, JsonConfig, Path, PathConfig, PayloadConfig, Query, QueryConfig,
    ServiceConfig,
};
use actix_web::{
    FromRequest, HttpRequest, HttpResponse, Resource, ResponseError, Result, Route, guard,
};

use crate::items::{self, ItemCount, Items};
use crate::number::Integer;
use crate::orders::{self, Order, Summary};
use crate::queries::{CpuQuery, ItemsQuery, SumQuery};
use crate::response::{self, BODY_BYTES_MAX, BadRequest, Failure, Hello};
use crate::spectral_norm;

/// All routes, and what is refused on all of them.
pub fn routes(app: &mut ServiceConfig) {
    app.app_data(PayloadConfig::new(BODY_BYTES_MAX))
        .app_data(
            JsonConfig::default()
                .limit(BODY_BYTES_MAX)
                .error_handler(|error, _| Error::Json(error).into()),
        )
        .app_data(PathConfig::default().error_handler(|error, _| Error::Path(error).into()))
        .app_data(QueryConfig::default().error_handler(|error, _| Error::Query(error).into()))
        .service(resource("/", "GET, HEAD").route(get().to(page)))
        .service(resource("/hello", "GET, HEAD").route(get().to(hello)))
        .service(
            resource("/sum", "GET, HEAD, POST")
                .route(get().to(sum))
                .route(web::post().to(sum_with_body)),
        )
        .service(resource("/items/{n}", "GET, HEAD").route(get().to(list_items)))
        .service(resource("/orders", "POST").route(web::post().to(sum_orders)))
        .service(resource("/cpu", "GET, HEAD").route(get().to(cpu)))
        .default_service(web::to(async |_: NoBody| Err::<HttpResponse, _>(Error::NotFound)));
}

/// A route of GET, and of HEAD, whose body the framework leaves out.
fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// A resource with these methods.
fn resource(path: &str, methods: &'static str) -> Resource {
    web::resource(path).default_service(web::to(move |_: NoBody| async move {
        Err::<HttpResponse, _>(Error::Method(methods))
    }))
}

async fn page(_: NoBody) -> Html {
    Html::new(response::PAGE)
}

async fn hello(_: NoBody) -> Json<Hello> {
    Json(response::HELLO)
}

// An extractor that fails would be answered at once, and a body that nobody has read by then ends
// its connection. As `Result` they wait for each other.

async fn sum(query: Result<Query<SumQuery>>, _: NoBody) -> Result<String> {
    let query = query?;
    Ok((query.a.0 + query.b.0).to_string())
}

async fn sum_with_body(query: Result<Query<SumQuery>>, body: Result<String>) -> Result<String> {
    let third: Integer = body.map_err(Error::Body)?.parse().map_err(Error::Value)?;
    let query = query?;
    Ok((query.a.0 + query.b.0 + third.0).to_string())
}

async fn list_items(
    n: Result<Path<ItemCount>>,
    query: Result<Query<ItemsQuery>>,
    _: NoBody,
) -> Result<Json<Items>> {
    Ok(Json(items::items(n?.into_inner(), query?.m)))
}

async fn sum_orders(orders: Json<Vec<Order>>) -> Result<Json<Summary>, Error> {
    Ok(Json(orders::summary(orders.into_inner())?))
}

async fn cpu(query: Result<Query<CpuQuery>>, _: NoBody) -> Result<String> {
    Ok(spectral_norm::text(query?.n))
}

/// The body of a request whose route takes none: it is read, so that the next request on the
/// connection can be, and ignored.
struct NoBody;

impl FromRequest for NoBody {
    type Error = Error;
    type Future = Ignoring;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Ignoring {
        match payload {
            Payload::None => Ignoring(None),
            payload => Ignoring(Some(Bytes::from_request(request, payload))),
        }
    }
}

/// Reads a body, if there is one.
struct Ignoring(Option<<Bytes as FromRequest>::Future>);

impl Future for Ignoring {
    type Output = Result<NoBody, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            None => Poll::Ready(Ok(NoBody)),
            Some(read) => Pin::new(read).poll(context).map_ok(|_| NoBody).map_err(Error::Body),
        }
    }
}

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// A value breaks the contract's rules.
    #[error(transparent)]
    Value(#[from] BadRequest),
    /// The path has a parameter of the wrong form.
    #[error(transparent)]
    Path(PathError),
    /// The query lacks a parameter, or has one of the wrong form.
    #[error(transparent)]
    Query(QueryPayloadError),
    /// The body cannot be read, or is not JSON of the expected form.
    #[error(transparent)]
    Json(JsonPayloadError),
    /// The body cannot be read, or is not text.
    #[error("the body cannot be read: {0}")]
    Body(actix_web::Error),
    /// There is no such path.
    #[error("there is no such path")]
    NotFound,
    /// The path has other methods: these.
    #[error("the path has no such method")]
    Method(&'static str),
}

impl ResponseError for Error {
    /// 413 for a body that is too large, 400 for everything else that is wrong with a request whose
    /// path and method are right.
    fn status_code(&self) -> StatusCode {
        let status = match self {
            Error::NotFound => return StatusCode::NOT_FOUND,
            Error::Method(_) => return StatusCode::METHOD_NOT_ALLOWED,
            Error::Value(_) | Error::Path(_) | Error::Query(_) => return StatusCode::BAD_REQUEST,
            Error::Json(error) => error.status_code(),
            Error::Body(error) => error.as_response_error().status_code(),
        };
        if status == StatusCode::PAYLOAD_TOO_LARGE { status } else { StatusCode::BAD_REQUEST }
    }

    fn error_response(&self) -> HttpResponse {
        tracing::debug!(error = %self, "request refused");
        let status = self.status_code();
        let error = match status {
            StatusCode::PAYLOAD_TOO_LARGE => "payload too large",
            StatusCode::NOT_FOUND => "not found",
            StatusCode::METHOD_NOT_ALLOWED => "method not allowed",
            _ => "bad request",
        };
        let mut response = HttpResponse::build(status);
        if let Error::Method(methods) = self {
            response.insert_header((ALLOW, *methods));
        }
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            response.force_close();
        }
        response.json(Failure { error })
    }
}
