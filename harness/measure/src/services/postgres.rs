//! A PostgreSQL of this machine: found, started on a folder that vanishes, filled, counted.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::signal::Signal;
use nix::unistd::{Uid, User};
use tokio::runtime::Runtime;
use tokio_postgres::Client;

use super::limit::late;
use crate::MeasureError;
use crate::server::external::free_port;
use crate::socket;
use crate::temporary::TemporaryFolder;
use duet_model::spec::{Listen, Service};
use duet_process::child::{self, Tail};
use duet_process::interrupt::{Interrupt, POLL};
use duet_process::supervised::{self, Supervised, Supervision};

mod client;
mod installed;

use client::{USER, connect, execute, query, until_unused};
pub use installed::{HOW_TO_GET, Installed, NONE, find};

/// What is set otherwise than by default: nothing is kept, so nothing is made durable; nothing
/// works beside the servers' queries; and the data stays in memory. Printed in every report.
pub const SETTINGS: [(&str, &str); 14] = [
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    ("autovacuum", "off"),
    ("jit", "off"),
    ("wal_level", "minimal"),
    ("max_wal_senders", "0"),
    ("checkpoint_timeout", "1h"),
    ("max_wal_size", "4GB"),
    ("shared_buffers", "256MB"),
    ("max_connections", "200"),
    ("max_parallel_workers_per_gather", "0"),
    // In files of the data folder, so that a killed one leaves nothing in /dev/shm.
    ("dynamic_shared_memory_type", "mmap"),
    ("unix_socket_permissions", "0777"),
];

/// The database that the seed fills, and from which those of the arms are cloned.
const TEMPLATE: &str = "seed";

/// The port in the name of the Unix socket where no TCP port is used.
const SOCKET_PORT: u16 = 5432;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// A PostgreSQL that runs. Dropping it ends it and removes its folder.
pub(super) struct Postgres {
    process: Supervised,
    stderr: Tail,
    client: Client,
    folder: TemporaryFolder,
    listen: Listen,
    port: u16,
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Postgres").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// What a database has counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) transactions: u64,
    pub(super) rows_read: u64,
    pub(super) rows_written: u64,
    pub(super) sessions: u64,
}

/// What it takes to start one.
pub(super) struct Start<'a> {
    pub(super) service: &'a Service,
    pub(super) definitions: &'a Path,
    pub(super) installed: &'a Installed,
    pub(super) cpus: &'a [usize],
    pub(super) runtime: &'a Runtime,
    pub(super) interrupt: &'a Interrupt,
}

impl Postgres {
    /// Starts one on an empty folder, and fills the database that others are cloned from.
    pub(super) fn start(start: &Start<'_>) -> Result<Self, MeasureError> {
        let service = start.service;
        let user = user()?;
        let folder = folder(user)?;
        init(start, folder.path(), user)?;
        let listen = service.listen.unwrap_or(Listen::Unix);
        let port = if listen == Listen::Tcp { free_port()? } else { SOCKET_PORT };
        let (mut process, stderr) = launch(start, folder.path(), user, (listen, port))?;
        let client = match ready(start, &mut process, folder.path(), port) {
            Err(MeasureError::Other(error)) => Err(with_words(error, &stderr))?,
            client => client?,
        };
        let postgres = Self { process, stderr, client, folder, listen, port };
        postgres.seed(start)?;
        Ok(postgres)
    }

    /// Where an arm's database is, as libpq has it (PostgreSQL documentation, 34.1.1.2).
    pub(super) fn url(&self, arm: usize) -> String {
        match self.listen {
            Listen::Tcp => format!("postgresql://{USER}@127.0.0.1:{}/{}", self.port, database(arm)),
            Listen::Unix => {
                let host = encoded(&self.folder.path().display().to_string());
                format!("postgresql:///{}?host={host}&user={USER}", database(arm))
            }
        }
    }

    pub(super) fn root(&self) -> i32 {
        self.process.root()
    }

    /// How it ended, if it has, with its last words.
    pub(super) fn ended(&mut self) -> Option<String> {
        match self.process.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => {
                let how = format!("it {}", child::describe(status));
                Some(format!("{:#}", with_words(anyhow!(how), &self.stderr)))
            }
            Err(error) => Some(format!("{error:#}")),
        }
    }

    /// Clones databases afresh, one for each arm.
    pub(super) fn clone_databases(&self, runtime: &Runtime, arms: usize) -> Result<()> {
        for arm in 0..arms {
            let name = database(arm);
            for statement in [
                format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
                format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}"),
            ] {
                execute(runtime, &self.client, &statement)?;
            }
        }
        Ok(())
    }

    /// What an arm's database has counted. Backends hand in what they counted when they end: their
    /// server must have been stopped.
    pub(super) fn counters(
        &self,
        runtime: &Runtime,
        arm: usize,
        interrupt: &Interrupt,
    ) -> Result<Counters, MeasureError> {
        until_unused(runtime, &self.client, &database(arm), interrupt)?;
        Ok(self.counted(runtime, arm)?)
    }

    fn counted(&self, runtime: &Runtime, arm: usize) -> Result<Counters> {
        let name = database(arm);
        let counters = format!(
            "SELECT xact_commit, tup_returned, tup_inserted + tup_updated, sessions \
             FROM pg_stat_database WHERE datname = '{name}'"
        );
        let rows = query(runtime, &self.client, &counters)?;
        let numbers = rows.first().into_iter().flatten().map(|text| text.parse::<u64>());
        let numbers: Vec<u64> =
            numbers.collect::<Result<_, _>>().context("its counters are no numbers")?;
        let [transactions, rows_read, rows_written, sessions] = numbers[..] else {
            bail!("it has no counters of {name}");
        };
        Ok(Counters { transactions, rows_read, rows_written, sessions })
    }

    /// How many connections to an arm's database are open. None is the harness's.
    pub(super) fn connections(&self, runtime: &Runtime, arm: usize) -> Result<u64> {
        let open = format!(
            "SELECT count(*) FROM pg_stat_activity \
             WHERE datname = '{}' AND backend_type = 'client backend'",
            database(arm)
        );
        let rows = query(runtime, &self.client, &open)?;
        let number =
            rows.first().and_then(|row| row.first()).context("it counts no connections")?;
        number.parse().context("its connections are no number")
    }

    /// The first row that a query finds in an arm's database, if it finds one, and how many.
    pub(super) fn first_row(
        &self,
        runtime: &Runtime,
        arm: usize,
        sql: &str,
    ) -> Result<Option<(String, usize)>> {
        let client = connect(runtime, self.folder.path(), self.port, &database(arm))?;
        let rows = query(runtime, &client, sql)?;
        Ok(rows.first().map(|row| (row.join(", "), rows.len())))
    }

    fn seed(&self, start: &Start<'_>) -> Result<(), MeasureError> {
        let runtime = start.runtime;
        execute(runtime, &self.client, &format!("CREATE DATABASE {TEMPLATE}"))?;
        // Connections to it must have ended before it can be cloned.
        let client = connect(runtime, self.folder.path(), self.port, TEMPLATE)?;
        if let Some(file) = &start.service.seed {
            let sql = read(start.definitions, file)?;
            execute(runtime, &client, &sql).with_context(|| format!("in {file}"))?;
        }
        for (table, file) in &start.service.rows {
            let lines = read(start.definitions, file)?;
            let rows: Vec<String> = (1..)
                .zip(lines.lines())
                .map(|(i, line)| format!("({i}, '{}')", line.replace('\'', "''")))
                .collect();
            if !rows.is_empty() {
                let insert = format!("INSERT INTO {table} VALUES {}", rows.join(", "));
                execute(runtime, &client, &insert).with_context(|| format!("from {file}"))?;
            }
        }
        execute(runtime, &client, "VACUUM (FREEZE, ANALYZE)")?;
        drop(client);
        until_unused(runtime, &self.client, TEMPLATE, start.interrupt)
    }
}

/// The database of an arm.
fn database(arm: usize) -> String {
    format!("arm{arm}")
}

/// Who it runs as: it refuses to run as root.
fn user() -> Result<Option<(u32, u32)>> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    let named = |name| User::from_name(name).ok().flatten();
    let user = named("postgres").or_else(|| named("nobody"));
    let user = user.context("PostgreSQL does not run as root, and there is no user `nobody`")?;
    Ok(Some((user.uid.as_raw(), user.gid.as_raw())))
}

/// A folder that it may write, and in which servers find its socket.
fn folder(user: Option<(u32, u32)>) -> Result<TemporaryFolder> {
    let folder = TemporaryFolder::make()?;
    let path = folder.path();
    let socket = path.join(format!(".s.PGSQL.{}", u16::MAX));
    socket::check_path(&socket)?;
    if let Some((uid, gid)) = user {
        let enters = |folder: &Path| {
            fs::metadata(folder).is_ok_and(|of| of.uid() == uid || of.mode() & 0o001 != 0)
        };
        if let Some(closed) = path.ancestors().skip(1).find(|folder| !enters(folder)) {
            bail!(
                "PostgreSQL runs as user {uid}, who cannot enter {}: set TMPDIR to a folder that \
                 everybody may enter",
                closed.display()
            );
        }
        chown(path, Some(uid), Some(gid)).context("failed to hand a folder to PostgreSQL")?;
        // Servers run as another user and reach the socket by its name.
        fs::set_permissions(path, Permissions::from_mode(0o711))
            .context("failed to open a folder to servers")?;
    }
    Ok(folder)
}

/// Makes its data folder. What is killed meanwhile leaves nothing.
fn init(start: &Start<'_>, folder: &Path, user: Option<(u32, u32)>) -> Result<(), MeasureError> {
    let initdb = start.installed.bin.join("initdb");
    let mut command = command(&initdb, folder);
    command.arg("--pgdata").arg(folder.join("data"));
    command.args(["--username", USER, "--auth", "trust", "--encoding", "UTF8"]);
    command.args(["--locale", "C", "--no-sync", "--no-instructions"]);
    let supervision =
        Supervision { user, folder: Some(folder.to_owned()), ..Supervision::default() };
    let outputs = (Stdio::null(), Stdio::piped());
    let mut process = supervised::start_under(&command, &[], outputs, &supervision)
        .with_context(|| cannot_run(&initdb, user))?;
    let stderr = process.take_outputs().1.map(Tail::follow).transpose()?;
    let deadline = Instant::now() + start.service.start_limit();
    loop {
        start.interrupt.check()?;
        match process.wait_until(deadline.min(Instant::now() + POLL))? {
            Some(status) if status.success() => break,
            Some(status) => {
                let how = format!("initdb {}", child::describe(status));
                let Some((tail, reader)) = stderr else { return Err(anyhow!(how).into()) };
                drop(child::finish(reader));
                return Err(with_words(anyhow!(how), &tail).into());
            }
            None if Instant::now() < deadline => {}
            None => Err(anyhow!(late("initdb", start.service)))?,
        }
    }
    process.keep_folder();
    match process.end() {
        None => Ok(()),
        Some(_) => Err(anyhow!("initdb left processes that cannot be ended").into()),
    }
}

/// Starts the server process itself.
fn launch(
    start: &Start<'_>,
    folder: &Path,
    user: Option<(u32, u32)>,
    (listen, port): (Listen, u16),
) -> Result<(Supervised, Tail)> {
    let postgres = start.installed.bin.join("postgres");
    let mut command = command(&postgres, folder);
    command.arg("-D").arg(folder.join("data")).arg("-k").arg(folder);
    command.args(["-p", &port.to_string()]);
    command.args(["-h", if listen == Listen::Tcp { "127.0.0.1" } else { "" }]);
    for (name, value) in SETTINGS {
        command.args(["-c", &format!("{name}={value}")]);
    }
    // An immediate shutdown: its shared memory goes, its data is not written.
    let supervision = Supervision {
        user,
        farewell: Some(Signal::SIGQUIT),
        folder: Some(folder.to_owned()),
        group: None,
    };
    let outputs = (Stdio::null(), Stdio::piped());
    let mut process = supervised::start_under(&command, start.cpus, outputs, &supervision)
        .with_context(|| cannot_run(&postgres, user))?;
    let Some(stderr) = process.take_outputs().1 else {
        unreachable!("its standard error is a pipe");
    };
    Ok((process, Tail::follow(stderr)?.0))
}

/// A program of PostgreSQL, without what would lead it elsewhere.
fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env("LC_ALL", "C").env("TZ", "UTC");
    for name in ["PGDATA", "PGPORT", "PGHOST", "PGUSER", "PGDATABASE", "PGOPTIONS"] {
        command.env_remove(name);
    }
    command
}

fn cannot_run(program: &Path, user: Option<(u32, u32)>) -> String {
    let as_user = user.map_or_else(String::new, |(uid, _)| {
        format!(" as user {uid}, who must be able to read and run it and all folders above")
    });
    format!("failed to start {}{as_user}", program.display())
}

/// Waits until it takes connections.
fn ready(
    start: &Start<'_>,
    process: &mut Supervised,
    folder: &Path,
    port: u16,
) -> Result<Client, MeasureError> {
    let deadline = Instant::now() + start.service.start_limit();
    loop {
        start.interrupt.check()?;
        match connect(start.runtime, folder, port, "postgres") {
            Ok(client) => return Ok(client),
            Err(error) => {
                if let Some(status) = process.try_wait()? {
                    Err(anyhow!("it {}", child::describe(status)))?;
                }
                if Instant::now() >= deadline {
                    Err(error.context(late("PostgreSQL", start.service)))?;
                }
            }
        }
        thread::sleep(PAUSE);
    }
}

fn read(definitions: &Path, file: &str) -> Result<String> {
    let path = definitions.join(file);
    fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))
}

/// An error with the last line that the process wrote.
fn with_words(error: anyhow::Error, tail: &Tail) -> anyhow::Error {
    match tail.lines().last() {
        Some(line) => anyhow!("{error:#}; it says: {line}"),
        None => error,
    }
}

/// Percent-encoded for a part of a URL (RFC 3986, 2.1); slashes stay.
fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    let mut out = String::new();
    for byte in text.bytes() {
        match plain(byte) {
            true => out.push(char::from(byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_in_urls() {
        assert_eq!(encoded("/tmp/duet-run-aB_1.x"), "/tmp/duet-run-aB_1.x");
        assert_eq!(encoded("/a b/ü?&"), "/a%20b/%C3%BC%3F%26");
    }
}
