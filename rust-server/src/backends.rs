//! The routes of the contract's section 4.4 on axum; those of a database with tokio-postgres and
//! the pool of deadpool.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::Html;
use axum::routing::{get, post};
use deadpool_postgres::{
    Client, Manager, ManagerConfig, Pool, QueueMode, RecyclingMethod, Runtime,
};
use serde::{Deserialize, Serialize};
use tokio::time;
use tokio_postgres::{Config, NoTls};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

use crate::axum_routes::{Error, Json, NoBody, Path, Query, contract, sum_orders, with_limits};
use crate::bodies;
use crate::command_line::Options;
use crate::fan_out;
use crate::fortunes::{self, Fortune};
use crate::number::{Count, Seed};
use crate::response::{BODY_BYTES_MAX, BadRequest};
use crate::worlds::distinct_ids;

/// Bounds the wait for a connection and all statements of a request.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest number that is added to a row.
const ADD_MAX: i32 = 1_000_000;

// `prepare_cached` prepares a statement on a connection when it is first executed there, and keeps
// it.
const SELECT_WORLD: &str = "SELECT id, random_number FROM world WHERE id = $1";
const SELECT_ITEMS: &str = "SELECT id, name, price_cents, quantity FROM items \
     WHERE price_cents BETWEEN $1 AND $2 ORDER BY price_cents, id LIMIT $3";
const LOCK_WORLD: &str = "SELECT random_number FROM world WHERE id = $1 FOR UPDATE";
const UPDATE_WORLD: &str = "UPDATE world SET last = $2 WHERE id = $1";
const SELECT_FORTUNES: &str = "SELECT id, message FROM fortune";

/// The database, if there is one. Without it, its routes respond with 503.
type Database = Option<Pool>;

/// All routes. The pool makes its connections when they are needed.
///
/// # Errors
///
/// If the URL of the database is none, or the client of the upstream service cannot be made.
pub fn routes(options: &Options) -> io::Result<Router> {
    let database = options.database.as_deref().map(|url| pool(url, options.pool.get()));
    let update = post(update).layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
    let backends = Router::new()
        .route("/world/{id}", get(world).merge(update))
        .route("/worlds", get(worlds))
        .route("/items-page", get(items_page))
        .route("/fortunes", get(list_fortunes))
        .route("/delay", get(delay))
        .with_state(database.transpose()?)
        .merge(fan_out::routes(options.upstream.as_deref())?)
        .merge(bodies::routes());
    let all = with_limits(contract(post(sum_orders)).merge(backends), options.timeouts.request);
    Ok(match options.gzip {
        Some(level) => all.layer(compression(level.get() as i32)), // at most 9
        None => all,
    })
}

/// Compresses bodies of 32 bytes and more where the client accepts it.
fn compression(level: i32) -> CompressionLayer {
    CompressionLayer::new().quality(CompressionLevel::Precise(level))
}

fn pool(url: &str, connections: usize) -> io::Result<Pool> {
    let mut config: Config =
        url.parse().map_err(|error| io::Error::other(format!("--database: {error}")))?;
    config.connect_timeout(PATIENCE);
    let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(config, NoTls, manager);
    Pool::builder(manager)
        .max_size(connections)
        // As pgx's pool does: the connection that was used last is warm, on both sides of it.
        .queue_mode(QueueMode::Lifo)
        .wait_timeout(Some(PATIENCE))
        .create_timeout(Some(PATIENCE))
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(io::Error::other)
}

/// The number of a row.
type Id = Count<{ i32::MAX.cast_unsigned() }>;

#[derive(Serialize)]
struct World {
    id: i32,
    random_number: i32,
}

async fn world(
    State(database): State<Database>,
    Path(id): Path<Id>,
    _: NoBody,
) -> Result<Json<World>, Error> {
    ask(&database, async |client| select_world(client, id.get().cast_signed()).await)
        .await
        .map(Json)
}

async fn select_world(client: &Client, id: i32) -> Result<World, Error> {
    let statement = client.prepare_cached(SELECT_WORLD).await?;
    let row = client.query_opt(&statement, &[&id]).await?.ok_or(Error::NotFound)?;
    Ok(World { id: row.get(0), random_number: row.get(1) })
}

#[derive(Deserialize)]
struct WorldsQuery {
    n: Count<500>,
    seed: Seed,
}

/// A query for each row, one after the other on one connection.
async fn worlds(
    State(database): State<Database>,
    Query(query): Query<WorldsQuery>,
    _: NoBody,
) -> Result<Json<Vec<World>>, Error> {
    ask(&database, async |client| {
        let mut rows = Vec::new();
        for id in distinct_ids(query.n.get(), query.seed.0) {
            rows.push(select_world(client, id).await?);
        }
        Ok(rows)
    })
    .await
    .map(Json)
}

#[derive(Deserialize)]
struct PageQuery {
    from: Count<1_000_000>,
    to: Count<1_000_000>,
    limit: Count<100>,
}

#[derive(Serialize)]
struct Item {
    id: i32,
    name: String,
    price_cents: i32,
    quantity: i32,
}

#[derive(Serialize)]
struct ItemsPage {
    items: Vec<Item>,
    count: usize,
}

async fn items_page(
    State(database): State<Database>,
    Query(query): Query<PageQuery>,
    _: NoBody,
) -> Result<Json<ItemsPage>, Error> {
    let (from, to) = (query.from.get().cast_signed(), query.to.get().cast_signed());
    let limit = i64::from(query.limit.get());
    let items: Vec<Item> = ask(&database, async |client| {
        let statement = client.prepare_cached(SELECT_ITEMS).await?;
        let rows = client.query(&statement, &[&from, &to, &limit]).await?;
        let item = |row: &tokio_postgres::Row| Item {
            id: row.get(0),
            name: row.get(1),
            price_cents: row.get(2),
            quantity: row.get(3),
        };
        Ok(rows.iter().map(item).collect())
    })
    .await?;
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

async fn update(
    State(database): State<Database>,
    Path(id): Path<Id>,
    Json(change): Json<Change>,
) -> Result<Json<Updated>, Error> {
    if !(0..=ADD_MAX).contains(&change.add) {
        return Err(BadRequest::new("add is out of range").into());
    }
    let id = id.get().cast_signed();
    ask(&database, async |client| {
        let transaction = client.transaction().await?;
        let lock = transaction.prepare_cached(LOCK_WORLD).await?;
        let row = transaction.query_opt(&lock, &[&id]).await?.ok_or(Error::NotFound)?;
        let last = row.get::<_, i32>(0) + change.add;
        let update = transaction.prepare_cached(UPDATE_WORLD).await?;
        transaction.execute(&update, &[&id, &last]).await?;
        transaction.commit().await?;
        Ok(Updated { id, last })
    })
    .await
    .map(Json)
}

async fn list_fortunes(State(database): State<Database>, _: NoBody) -> Result<Html<String>, Error> {
    let mut all: Vec<Fortune> = ask(&database, async |client| {
        let statement = client.prepare_cached(SELECT_FORTUNES).await?;
        let rows = client.query(&statement, &[]).await?;
        Ok(rows.iter().map(|row| Fortune { id: row.get(0), message: row.get(1) }).collect())
    })
    .await?;
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

/// Asks the database, for as long as its patience lasts.
async fn ask<T>(
    database: &Database,
    query: impl AsyncFnOnce(&mut Client) -> Result<T, Error>,
) -> Result<T, Error> {
    let Some(pool) = database else {
        return Err(Error::Unavailable("there is no database".to_owned()));
    };
    let asked = async {
        let mut client = pool.get().await.map_err(|error| Error::Unavailable(error.to_string()))?;
        query(&mut client).await
    };
    let late = |_| Error::Unavailable("the database is late".to_owned());
    time::timeout(PATIENCE, asked).await.map_err(late)?
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Error {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        Error::Unavailable(format!("{error}{cause}"))
    }
}
