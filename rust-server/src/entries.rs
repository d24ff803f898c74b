//! The routes of the contract's section 4.8 on axum: a cache of entries in the server's own memory,
//! a map behind a lock as the documentation of axum and tokio teaches.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::extract::rejection::StringRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::{get, put};
use serde::Serialize;

use crate::axum_routes::{Error, Json, NoBody, Path};
use crate::number::Count;
use crate::response::{BODY_BYTES_MAX, BadRequest};

/// The longest value of an entry, in bytes.
const VALUE_BYTES_MAX: usize = 1024;

/// The number of an entry.
type Id = Count<{ i32::MAX.cast_unsigned() }>;

/// The entries, by number. No handler waits while it holds the lock. A value has no more room than
/// it takes: as it came it may still lie in the buffer that its connection was read into.
type Entries = Arc<RwLock<HashMap<u32, Box<str>>>>;

/// The routes, with no entry yet.
pub fn routes() -> Router {
    let replace = put(put_entry).layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
    Router::new()
        .route("/kv", get(count))
        .route("/kv/{id}", get(entry).merge(replace))
        .with_state(Entries::default())
}

/// How many entries there are.
#[derive(Serialize)]
struct Counted {
    count: usize,
}

/// What was stored.
#[derive(Serialize)]
struct Stored {
    id: u32,
    bytes: usize,
}

async fn count(State(entries): State<Entries>, _: NoBody) -> Json<Counted> {
    // A lock is poisoned where a holder panicked, and none can.
    let entries = entries.read().unwrap_or_else(PoisonError::into_inner);
    Json(Counted { count: entries.len() })
}

async fn entry(
    State(entries): State<Entries>,
    Path(id): Path<Id>,
    _: NoBody,
) -> Result<String, Error> {
    let entries = entries.read().unwrap_or_else(PoisonError::into_inner);
    entries.get(&id.get()).map(ToString::to_string).ok_or(Error::NotFound)
}

async fn put_entry(
    State(entries): State<Entries>,
    Path(id): Path<Id>,
    body: Result<String, StringRejection>,
) -> Result<Json<Stored>, Error> {
    let (id, value) = (id.get(), body?.into_boxed_str());
    let bytes = value.len();
    if !(1..=VALUE_BYTES_MAX).contains(&bytes) {
        return Err(BadRequest::new("the value is empty or too long").into());
    }
    entries.write().unwrap_or_else(PoisonError::into_inner).insert(id, value);
    Ok(Json(Stored { id, bytes }))
}
