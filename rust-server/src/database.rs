//! A database as the routes of the contract's section 4.4 see it, and the clients that they can
//! have: each is a variant of one server, which shares its routes with the others.

use std::time::Duration;

use serde::Serialize;

use crate::axum_routes::Error;
use crate::fortunes::Fortune;

#[cfg(feature = "sqlx")]
pub mod sqlx;
#[cfg(feature = "backends")]
pub mod tokio_postgres;

// Clients prepare a statement on a connection when it is first executed there, and keep it.
const SELECT_WORLD: &str = "SELECT id, random_number FROM world WHERE id = $1";
const SELECT_ITEMS: &str = "SELECT id, name, price_cents, quantity FROM items \
     WHERE price_cents BETWEEN $1 AND $2 ORDER BY price_cents, id LIMIT $3";
const LOCK_WORLD: &str = "SELECT random_number FROM world WHERE id = $1 FOR UPDATE";
const UPDATE_WORLD: &str = "UPDATE world SET last = $2 WHERE id = $1";
const SELECT_FORTUNES: &str = "SELECT id, message FROM fortune";

/// What the contract sets of a pool. Without it a pool is as its library has it.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many connections are kept at most.
    pub connections: usize,
    /// Bounds the wait for a connection, and for all statements of a request.
    pub patience: Duration,
}

/// A row of the table `world`.
#[derive(Debug, Serialize)]
pub struct World {
    /// Its number.
    pub id: i32,
    /// What the seed gave it.
    pub random_number: i32,
}

/// A row of the table `items`.
#[derive(Debug, Serialize)]
pub struct Item {
    /// Its number.
    pub id: i32,
    /// What it is called.
    pub name: String,
    /// What it costs.
    pub price_cents: i32,
    /// How many there are.
    pub quantity: i32,
}

/// A pool of connections. Requests wait for a connection, and for their statements.
pub trait Database: Clone + Send + Sync + 'static {
    /// The row, by one query.
    fn world(&self, id: i32) -> impl Future<Output = Result<World, Error>> + Send;

    /// The rows, by a query for each, one after the other on one connection.
    fn worlds(&self, ids: Vec<i32>) -> impl Future<Output = Result<Vec<World>, Error>> + Send;

    /// The first rows with a price in this range, by price and number.
    fn items(
        &self,
        from: i32,
        to: i32,
        limit: i64,
    ) -> impl Future<Output = Result<Vec<Item>, Error>> + Send;

    /// In one transaction: the row's number is read, and the sum with `add` written and returned.
    fn update(&self, id: i32, add: i32) -> impl Future<Output = Result<i32, Error>> + Send;

    /// All rows of the table `fortune`.
    fn fortunes(&self) -> impl Future<Output = Result<Vec<Fortune>, Error>> + Send;
}
