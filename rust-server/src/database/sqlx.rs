//! sqlx and its pool. A statement is prepared on a connection when it is first executed there, and
//! kept, as sqlx does unless it is told otherwise.

use std::io;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgExecutor, PgPool};

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
pub fn open(url: &str, limits: Option<Limits>) -> io::Result<PgPool> {
    let options: PgConnectOptions =
        url.parse().map_err(|error| io::Error::other(format!("--database: {error}")))?;
    let mut pool = PgPoolOptions::new();
    if let Some(limits) = limits {
        pool = pool
            .max_connections(u32::try_from(limits.connections).unwrap_or(u32::MAX)) // at most 1,024
            .acquire_timeout(limits.patience)
            // As the other clients: by default a connection is asked whether it lives before each
            // use. It is asked after each use too, which cannot be turned off.
            .test_before_acquire(false);
    }
    Ok(pool.connect_lazy_with(options))
}

impl Database for PgPool {
    async fn world(&self, id: i32) -> Result<World, Error> {
        select_world(self, id).await
    }

    async fn worlds(&self, ids: Vec<i32>) -> Result<Vec<World>, Error> {
        let mut connection = self.acquire().await?;
        let mut rows = Vec::new();
        for id in ids {
            rows.push(select_world(&mut *connection, id).await?);
        }
        Ok(rows)
    }

    async fn items(&self, from: i32, to: i32, limit: i64) -> Result<Vec<Item>, Error> {
        let query = sqlx::query_as(SELECT_ITEMS).bind(from).bind(to).bind(limit);
        let rows: Vec<(i32, String, i32, i32)> = query.fetch_all(self).await?;
        let item = |(id, name, price_cents, quantity)| Item { id, name, price_cents, quantity };
        Ok(rows.into_iter().map(item).collect())
    }

    async fn update(&self, id: i32, add: i32) -> Result<i32, Error> {
        let mut transaction = self.begin().await?;
        let lock = sqlx::query_scalar(LOCK_WORLD).bind(id);
        let number: i32 = lock.fetch_one(&mut *transaction).await?;
        let last = number + add;
        sqlx::query(UPDATE_WORLD).bind(id).bind(last).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(last)
    }

    async fn fortunes(&self) -> Result<Vec<Fortune>, Error> {
        let rows: Vec<(i32, String)> = sqlx::query_as(SELECT_FORTUNES).fetch_all(self).await?;
        Ok(rows.into_iter().map(|(id, message)| Fortune { id, message }).collect())
    }
}

async fn select_world(executor: impl PgExecutor<'_>, id: i32) -> Result<World, Error> {
    let query = sqlx::query_as(SELECT_WORLD).bind(id);
    let (id, random_number) = query.fetch_one(executor).await?;
    Ok(World { id, random_number })
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Error {
        match error {
            sqlx::Error::RowNotFound => Error::NotFound,
            other => Error::Unavailable(other.to_string()),
        }
    }
}
