//! tokio-postgres and the pool of deadpool.

use std::error::Error as _;
use std::io;

use deadpool_postgres::{
    Client, Manager, ManagerConfig, Pool, QueueMode, RecyclingMethod, Runtime,
};
use tokio_postgres::{Config, NoTls, Row};

use super::{
    Database, Item, LOCK_WORLD, Limits, SELECT_FORTUNES, SELECT_ITEMS, SELECT_WORLD, UPDATE_WORLD,
    World,
};
use crate::axum_routes::Error;
use crate::fortunes::Fortune;

/// A pool, which makes its connections when they are needed.
///
/// # Errors
///
/// If the URL is none.
pub fn open(url: &str, limits: Option<Limits>) -> io::Result<Pool> {
    let mut config: Config =
        url.parse().map_err(|error| io::Error::other(format!("--database: {error}")))?;
    if let Some(limits) = limits {
        config.connect_timeout(limits.patience);
    }
    let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let mut builder = Pool::builder(Manager::from_config(config, NoTls, manager));
    if let Some(limits) = limits {
        builder = builder
            .max_size(limits.connections)
            // As pgx's pool does: the connection that was used last is warm, on both sides of it.
            .queue_mode(QueueMode::Lifo)
            .wait_timeout(Some(limits.patience))
            .create_timeout(Some(limits.patience));
    }
    builder.runtime(Runtime::Tokio1).build().map_err(io::Error::other)
}

impl Database for Pool {
    async fn world(&self, id: i32) -> Result<World, Error> {
        select_world(&connection(self).await?, id).await
    }

    async fn worlds(&self, ids: Vec<i32>) -> Result<Vec<World>, Error> {
        let client = connection(self).await?;
        let mut rows = Vec::new();
        for id in ids {
            rows.push(select_world(&client, id).await?);
        }
        Ok(rows)
    }

    async fn items(&self, from: i32, to: i32, limit: i64) -> Result<Vec<Item>, Error> {
        let client = connection(self).await?;
        let statement = client.prepare_cached(SELECT_ITEMS).await?;
        let rows = client.query(&statement, &[&from, &to, &limit]).await?;
        let item = |row: &Row| Item {
            id: row.get(0),
            name: row.get(1),
            price_cents: row.get(2),
            quantity: row.get(3),
        };
        Ok(rows.iter().map(item).collect())
    }

    async fn update(&self, id: i32, add: i32) -> Result<i32, Error> {
        let mut client = connection(self).await?;
        let transaction = client.transaction().await?;
        let lock = transaction.prepare_cached(LOCK_WORLD).await?;
        let row = transaction.query_opt(&lock, &[&id]).await?.ok_or(Error::NotFound)?;
        let last = row.get::<_, i32>(0) + add;
        let update = transaction.prepare_cached(UPDATE_WORLD).await?;
        transaction.execute(&update, &[&id, &last]).await?;
        transaction.commit().await?;
        Ok(last)
    }

    async fn fortunes(&self) -> Result<Vec<Fortune>, Error> {
        let client = connection(self).await?;
        let statement = client.prepare_cached(SELECT_FORTUNES).await?;
        let rows = client.query(&statement, &[]).await?;
        Ok(rows.iter().map(|row| Fortune { id: row.get(0), message: row.get(1) }).collect())
    }
}

async fn connection(pool: &Pool) -> Result<Client, Error> {
    pool.get().await.map_err(|error| Error::Unavailable(error.to_string()))
}

async fn select_world(client: &Client, id: i32) -> Result<World, Error> {
    let statement = client.prepare_cached(SELECT_WORLD).await?;
    let row = client.query_opt(&statement, &[&id]).await?.ok_or(Error::NotFound)?;
    Ok(World { id: row.get(0), random_number: row.get(1) })
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Error {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        Error::Unavailable(format!("{error}{cause}"))
    }
}
