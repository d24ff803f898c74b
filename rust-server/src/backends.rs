//! The routes of the contract's section 4.4 on axum, with any client of a database.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::Html;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use tokio::time;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

use crate::axum_routes::{
    Error, Json, NoBody, Path, Query, contract, sum_orders, with_limits, with_refusals,
};
use crate::bodies;
use crate::command_line::Options;
use crate::database::{Database, Item, Limits, World};
use crate::fan_out;
use crate::fortunes::{self, Fortune};
use crate::number::{Count, Seed};
use crate::response::{BODY_BYTES_MAX, BadRequest};
use crate::ticks;
use crate::websocket;
use crate::worlds::distinct_ids;

/// Bounds the wait for a connection and all statements of a request.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest number that is added to a row.
const ADD_MAX: i32 = 1_000_000;

/// The database, if there is one, and what is set of its pool.
#[derive(Clone)]
struct Backend<D> {
    database: Option<D>,
    limits: Option<Limits>,
}

/// All routes. `open` makes the pool of a URL, which makes its connections when they are needed.
/// Where no database is named, its routes respond with 503.
///
/// # Errors
///
/// If the URL of the database is none, or the client of the upstream service cannot be made.
pub fn routes<D: Database>(
    options: &Options,
    open: impl FnOnce(&str, Option<Limits>) -> io::Result<D>,
) -> io::Result<Router> {
    let limits = Limits { connections: options.pool.get(), patience: PATIENCE };
    let limits = (!options.defaults).then_some(limits);
    let database = options.database.as_deref().map(|url| open(url, limits)).transpose()?;
    let update = post(update::<D>).layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
    let backends = Router::new()
        .route("/world/{id}", get(world::<D>).merge(update))
        .route("/worlds", get(worlds::<D>))
        .route("/items-page", get(items_page::<D>))
        .route("/fortunes", get(list_fortunes::<D>))
        .route("/delay", get(delay))
        .with_state(Backend { database, limits })
        .merge(fan_out::routes(options.upstream.as_deref())?)
        .merge(bodies::routes())
        .merge(ticks::routes())
        .merge(websocket::routes((!options.defaults).then_some(options.timeouts.idle)));
    let all = contract(post(sum_orders)).merge(backends);
    let all = match options.defaults {
        false => with_limits(all, options.timeouts.request),
        true => with_refusals(all),
    };
    Ok(match options.gzip {
        Some(level) => all.layer(compression(level.get() as i32)), // at most 9
        None => all,
    })
}

/// Compresses bodies of 32 bytes and more where the client accepts it.
fn compression(level: i32) -> CompressionLayer {
    CompressionLayer::new().quality(CompressionLevel::Precise(level))
}

/// The number of a row.
type Id = Count<{ i32::MAX.cast_unsigned() }>;

async fn world<D: Database>(
    State(backend): State<Backend<D>>,
    Path(id): Path<Id>,
    _: NoBody,
) -> Result<Json<World>, Error> {
    ask(&backend, async |database| database.world(id.get().cast_signed()).await).await.map(Json)
}

#[derive(Deserialize)]
struct WorldsQuery {
    n: Count<500>,
    seed: Seed,
}

async fn worlds<D: Database>(
    State(backend): State<Backend<D>>,
    Query(query): Query<WorldsQuery>,
    _: NoBody,
) -> Result<Json<Vec<World>>, Error> {
    let ids = distinct_ids(query.n.get(), query.seed.0);
    ask(&backend, async |database| database.worlds(ids).await).await.map(Json)
}

#[derive(Deserialize)]
struct PageQuery {
    from: Count<1_000_000>,
    to: Count<1_000_000>,
    limit: Count<100>,
}

#[derive(Serialize)]
struct ItemsPage {
    items: Vec<Item>,
    count: usize,
}

async fn items_page<D: Database>(
    State(backend): State<Backend<D>>,
    Query(query): Query<PageQuery>,
    _: NoBody,
) -> Result<Json<ItemsPage>, Error> {
    let (from, to) = (query.from.get().cast_signed(), query.to.get().cast_signed());
    let limit = query.limit.get().into();
    let items = ask(&backend, async |database| database.items(from, to, limit).await).await?;
    Ok(Json(ItemsPage { count: items.len(), items }))
}

#[derive(Deserialize)]
struct Change {
    add: i32,
}

#[derive(Serialize)]
struct Updated {
    id: i32,
    last: i32,
}

async fn update<D: Database>(
    State(backend): State<Backend<D>>,
    Path(id): Path<Id>,
    Json(change): Json<Change>,
) -> Result<Json<Updated>, Error> {
    if !(0..=ADD_MAX).contains(&change.add) {
        return Err(BadRequest::new("add is out of range").into());
    }
    let id = id.get().cast_signed();
    let last = ask(&backend, async |database| database.update(id, change.add).await).await?;
    Ok(Json(Updated { id, last }))
}

async fn list_fortunes<D: Database>(
    State(backend): State<Backend<D>>,
    _: NoBody,
) -> Result<Html<String>, Error> {
    let mut all = ask(&backend, async |database| database.fortunes().await).await?;
    all.push(Fortune::added());
    Ok(Html(fortunes::page(all)))
}

#[derive(Deserialize)]
struct DelayQuery {
    ms: Count<10_000>,
}

#[derive(Serialize)]
struct Delayed {
    ms: u32,
}

async fn delay(Query(query): Query<DelayQuery>, _: NoBody) -> Json<Delayed> {
    let ms = query.ms.get();
    time::sleep(Duration::from_millis(ms.into())).await;
    Json(Delayed { ms })
}

/// Asks the database, if there is one, for as long as its patience lasts, if that has an end.
async fn ask<D: Database, T>(
    backend: &Backend<D>,
    query: impl AsyncFnOnce(&D) -> Result<T, Error>,
) -> Result<T, Error> {
    let Some(database) = &backend.database else {
        return Err(Error::Unavailable("there is no database".to_owned()));
    };
    let asked = query(database);
    let Some(limits) = backend.limits else { return asked.await };
    let late = |_| Error::Unavailable("the database is late".to_owned());
    time::timeout(limits.patience, asked).await.map_err(late)?
}
