//! `GET /ticks` of the contract's section 4.9 on axum: events that are sent when they are due.

use std::time::Duration;

use axum::response::Sse;
use axum::response::sse::Event;
use axum::routing::get;
use axum::{Error as AxumError, Router};
use futures_util::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::time::{self, Instant};
use tokio_stream::wrappers::IntervalStream;

use crate::axum_routes::{Error, NoBody, Query};
use crate::number::Count;
use crate::response::BadRequest;

/// The longest stream, which ends within the time-out of a response.
const STREAM_MS_MAX: u32 = 30_000;

/// The route.
pub fn routes() -> Router {
    Router::new().route("/ticks", get(ticks))
}

#[derive(Deserialize)]
struct TicksQuery {
    n: Count<1_000>,
    ms: Count<1_000>,
}

#[derive(Serialize)]
struct Tick {
    tick: usize,
}

/// n numbered events, one every ms milliseconds.
async fn ticks(
    Query(query): Query<TicksQuery>,
    _: NoBody,
) -> Result<Sse<impl Stream<Item = Result<Event, AxumError>>>, Error> {
    let (n, ms) = (query.n.get(), query.ms.get());
    if n * ms > STREAM_MS_MAX {
        return Err(BadRequest::new("the stream is too long").into());
    }
    let period = Duration::from_millis(ms.into());
    let timer = time::interval_at(Instant::now() + period, period);
    let events = IntervalStream::new(timer)
        .take(n as usize)
        .enumerate()
        .map(|(i, _)| Event::default().json_data(Tick { tick: i + 1 }));
    Ok(Sse::new(events))
}
