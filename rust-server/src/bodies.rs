//! `POST /echo` and `GET /bytes` of the contract's section 4.5 on axum: bodies that are streamed.

use std::convert::Infallible;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::stream;
use serde::Deserialize;

use crate::axum_routes::{NoBody, Query};
use crate::number::{Count, Seed};
use crate::worlds::mix;

/// The pieces in which a body is made and sent.
const CHUNK_BYTES: usize = 16_384;

/// The characters of a body.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

const OCTETS: &str = "application/octet-stream";

/// The routes.
pub fn routes() -> Router {
    Router::new().route("/echo", post(echo)).route("/bytes", get(bytes))
}

/// The body of the request, whose length is known to the response if it is known to the request.
async fn echo(body: Body) -> Response {
    ([(CONTENT_TYPE, OCTETS)], body).into_response()
}

#[derive(Deserialize)]
struct BytesQuery {
    n: Count<67_108_864>,
    seed: Seed,
}

/// A chunk again and again, cut at n.
async fn bytes(Query(query): Query<BytesQuery>, _: NoBody) -> Response {
    let (n, chunk) = (query.n.get() as usize, chunk(query.seed.0));
    let pieces = (0..n).step_by(CHUNK_BYTES).map(move |at| {
        let piece = chunk.slice(..CHUNK_BYTES.min(n - at));
        Ok::<_, Infallible>(piece)
    });
    ([(CONTENT_TYPE, OCTETS)], Body::from_stream(stream::iter(pieces))).into_response()
}

fn chunk(seed: u64) -> Bytes {
    let mut chunk = Vec::with_capacity(CHUNK_BYTES);
    for word in 0..CHUNK_BYTES as u64 / 4 {
        let mixed = mix(seed + word);
        for shift in [0, 8, 16, 24] {
            chunk.push(ALPHABET[(mixed >> shift & 63) as usize]);
        }
    }
    chunk.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of CONTRACT.md.
    #[test]
    fn chunks() {
        let chunk = chunk(7);
        assert_eq!(chunk.len(), CHUNK_BYTES);
        assert_eq!(chunk[..16], *b"XTETIN7x5HzPqAqu");
    }
}
