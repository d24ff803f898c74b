//! A client of a PostgreSQL, whose calls wait.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::MeasureError;
use duet_process::interrupt::Interrupt;
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// The superuser, and the role that servers connect as.
pub(super) const USER: &str = "duet";

/// How long a statement of ours may take.
const STATEMENT_LIMIT: Duration = Duration::from_secs(60);

/// How long the connections of stopped servers may take to end, so that all is counted.
const IDLE_LIMIT: Duration = Duration::from_secs(5);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Connects over the Unix socket.
pub(super) fn connect(
    runtime: &Runtime,
    folder: &Path,
    port: u16,
    database: &str,
) -> Result<Client> {
    let mut config = tokio_postgres::Config::new();
    config.host_path(folder).port(port).user(USER).dbname(database);
    config.application_name("duet").connect_timeout(Duration::from_secs(2));
    let connected = async { tokio::time::timeout(STATEMENT_LIMIT, config.connect(NoTls)).await };
    let (client, connection) = runtime.block_on(connected).context("no connection in time")??;
    runtime.spawn(async {
        // Its errors are also those of the client's next statement.
        drop(connection.await);
    });
    Ok(client)
}

/// Carries out statements.
pub(super) fn execute(runtime: &Runtime, client: &Client, sql: &str) -> Result<()> {
    query(runtime, client, sql).map(drop)
}

/// The rows of statements, as text.
pub(super) fn query(runtime: &Runtime, client: &Client, sql: &str) -> Result<Vec<Vec<String>>> {
    let messages = async { tokio::time::timeout(STATEMENT_LIMIT, client.simple_query(sql)).await };
    let shown = || format!("PostgreSQL failed to carry out `{}`", sql.lines().next().unwrap_or(""));
    let messages = runtime.block_on(messages).with_context(shown)?.map_err(|error| {
        // Its own text is in the source.
        let text = error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string);
        anyhow::Error::msg(text).context(shown())
    })?;
    let row = |message: SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|i| row.get(i).unwrap_or("").to_owned()).collect())
        }
        _ => None,
    };
    Ok(messages.into_iter().filter_map(row).collect())
}

/// Waits until nobody is connected to a database any more: only then has it counted all, and can
/// others be cloned from it.
pub(super) fn until_unused(
    runtime: &Runtime,
    client: &Client,
    database: &str,
    interrupt: &Interrupt,
) -> Result<(), MeasureError> {
    let open = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'");
    let deadline = Instant::now() + IDLE_LIMIT;
    while query(runtime, client, &open)? != [["0"]] {
        interrupt.check()?;
        if Instant::now() >= deadline {
            Err(anyhow!(
                "connections to the database {database} are still open though whoever used it has \
                 ended"
            ))?;
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}
