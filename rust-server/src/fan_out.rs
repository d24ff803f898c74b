//! `GET /fanout` of the contract's section 4.4 on axum: calls of an upstream service with reqwest.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use futures_util::future::try_join_all;
use reqwest::Client;
use serde::{Deserialize, Serialize};
use tokio::time;

use crate::axum_routes::{Error, Json, NoBody, Query};
use crate::number::{Count, Seed};

/// Bounds the wait for all calls of a request.
const PATIENCE: Duration = Duration::from_secs(5);

/// The upstream service, if there is one. Without it, the route responds with 503.
type Upstream = Option<Service>;

#[derive(Clone)]
struct Service {
    /// Keeps its connections, as many as there were calls at once.
    client: Client,
    /// `http://HOST:PORT`.
    url: String,
}

/// The route. `upstream` is the URL of the service.
///
/// # Errors
///
/// If the client cannot be made.
pub fn routes(upstream: Option<&str>) -> io::Result<Router> {
    let service = |url: &str| {
        // As the contract says: the service is called directly, whatever the environment names.
        let client = Client::builder().no_proxy().build().map_err(io::Error::other)?;
        Ok::<_, io::Error>(Service { client, url: url.to_owned() })
    };
    let upstream = upstream.map(service).transpose()?;
    Ok(Router::new().route("/fanout", get(fan_out)).with_state(upstream))
}

#[derive(Deserialize)]
struct FanOutQuery {
    n: Count<100>,
    ms: Count<1_000>,
    seed: Seed,
}

/// What the service responds with.
#[derive(Deserialize)]
struct Nonce {
    nonce: u32,
}

#[derive(Serialize)]
struct FanOut {
    n: u32,
    sum: u64,
    max: u32,
}

/// Calls the service n times at once.
async fn fan_out(
    State(upstream): State<Upstream>,
    Query(query): Query<FanOutQuery>,
    _: NoBody,
) -> Result<Json<FanOut>, Error> {
    let Some(service) = upstream else {
        return Err(Error::Unavailable("there is no upstream service".to_owned()));
    };
    let (n, ms, seed) = (query.n.get(), query.ms.get(), query.seed.0);
    let calls = try_join_all((0..n).map(|i| service.nonce(seed, i, ms)));
    let late = |_| Error::Unavailable("the upstream service is late".to_owned());
    let nonces = time::timeout(PATIENCE, calls).await.map_err(late)??;
    let sum = nonces.iter().map(|&nonce| u64::from(nonce)).sum();
    let max = nonces.iter().copied().max().unwrap_or(0);
    Ok(Json(FanOut { n, sum, max }))
}

impl Service {
    async fn nonce(&self, seed: u64, i: u32, ms: u32) -> Result<u32, reqwest::Error> {
        let url = format!("{}/nonce?seed={seed}&i={i}&ms={ms}", self.url);
        let response = self.client.get(url).send().await?.error_for_status()?;
        Ok(response.json::<Nonce>().await?.nonce)
    }
}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Error {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        Error::Unavailable(format!("{error}{cause}"))
    }
}
