//! A server's life: start, wait for its `listening` line, stop.

use std::io::{self, BufRead, BufReader, Read};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use nix::fcntl::{FcntlArg, fcntl};

use crate::MeasureError;
use crate::certificate::Certificate;
use crate::loopback;
use crate::socket;
use crate::temporary::TemporaryFolder;
use duet_model::record::{Failure, Stage};
use duet_model::spec::{Server, Service};
use duet_process::background;
use duet_process::cgroup::{self, Group, Limits};
use duet_process::child::{self, Tail};
use duet_process::interrupt::{Interrupt, POLL};
use duet_process::supervised::{self, Supervised, Supervision};
use duet_process::tree;
use duet_protocol::{Address, Transport};

pub(crate) mod external;

/// Between two requests to a server that is not ready yet.
const READY_PAUSE: Duration = Duration::from_millis(2);

/// How long a server may take to end after SIGTERM; the contract's two seconds.
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// The output of a printing server is read this often, so that reading it costs the generator's CPU
/// little; the pipe is made large enough that the server never waits for it.
const DRAIN_PAUSE: Duration = Duration::from_millis(1);

/// The largest pipe that Linux gives to everybody (/proc/sys/fs/pipe-max-size).
const PIPE_BYTES: u32 = 1 << 20;

/// How a server is started.
#[derive(Debug, Clone, Copy)]
pub struct Launch<'a> {
    /// The folder its command runs in.
    pub root: &'a Path,
    /// CPUs it is pinned to.
    pub cpus: &'a [usize],
    /// Worker threads it is told to use.
    pub threads: u32,
    /// What it is to speak.
    pub transport: Transport,
    /// What it is to speak TLS with; required for transports with TLS.
    pub certificate: Option<&'a Certificate>,
    /// The services that it is told of: placeholders and what they stand for.
    pub told: &'a [(String, String)],
    /// The options of its workload ([`Server::options`]).
    pub options: &'a [String],
    /// What it and all that it starts may take at most, where there are control groups.
    pub limits: Limits,
    /// Size of an environment variable that moves its stack, so that layout effects vary by block.
    pub padding_bytes: u32,
}

impl<'a> Launch<'a> {
    /// One thread over plain HTTP/1.1, without services, options and limits.
    #[must_use]
    pub fn plain(root: &'a Path, cpus: &'a [usize]) -> Self {
        Self {
            root,
            cpus,
            threads: 1,
            transport: Transport::Http,
            certificate: None,
            told: &[],
            options: &[],
            limits: Limits::default(),
            padding_bytes: 0,
        }
    }
}

/// A server that listens: a process, and all that it has started. Dropping it ends them.
#[derive(Debug)]
pub struct Running {
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub addr: Address,
    /// What it speaks.
    pub transport: Transport,
    /// Just before the process was started.
    pub started: Instant,
    /// Until when it may still say that it is starting.
    pub start_deadline: Instant,
    process: Supervised,
    stderr: Tail,
    /// Reads its standard error to the end.
    stderr_reader: Option<thread::JoinHandle<()>>,
    interrupt: Interrupt,
    /// Whether it may end as it likes.
    external: bool,
    /// The folder of its Unix socket, if it listens on one. Vanishes after it.
    _socket_folder: Option<TemporaryFolder>,
}

/// Starts a server and waits until it listens.
///
/// # Errors
/// A failure, which says why it does not run, or an interruption.
pub fn start(
    server: &Server,
    launch: &Launch<'_>,
    interrupt: &Interrupt,
) -> Result<Running, MeasureError> {
    let failed = |error: String| {
        let server = Some(server.name.clone());
        MeasureError::from(Failure { stage: Stage::Start, server, error, stderr: vec![] })
    };
    begin(server, launch, interrupt).map_err(|error| match error {
        MeasureError::Interrupted(_) => error,
        _ if !loopback::is_up() => failed(loopback::DOWN.to_owned()),
        MeasureError::Unready(error) | MeasureError::Other(error) => failed(format!("{error:#}")),
        said => said,
    })
}

/// Starts one, whatever the machine is like.
fn begin(
    server: &Server,
    launch: &Launch<'_>,
    interrupt: &Interrupt,
) -> Result<Running, MeasureError> {
    let (mut running, stdout) = spawn(server, launch, interrupt)?;
    match await_listening(&mut running, stdout, server, interrupt) {
        Ok(addr) => {
            running.addr = addr;
            Ok(running)
        }
        Err(MeasureError::Interrupted(interrupted)) => Err(interrupted.into()),
        Err(error) => {
            let failure = running.failure(Stage::Start, &format!("{error:#}"));
            Err(match running.oom_kills() {
                0 => failure.into(),
                kills => MeasureError::OomKilled { kills, failure },
            })
        }
    }
}

/// Starts its process; the address of one that says where it listens is not known yet.
fn spawn(
    server: &Server,
    launch: &Launch<'_>,
    interrupt: &Interrupt,
) -> Result<(Running, ChildStdout)> {
    let socket_folder = server.listens_on_socket().then(TemporaryFolder::make).transpose()?;
    let addr = match &socket_folder {
        Some(folder) => Address::Unix(folder.path().join("server.sock")),
        // Port 0: the system chooses when the server binds it, and the server says which it is.
        None => {
            let port = if server.external { external::free_port()? } else { 0 };
            SocketAddr::from(([127, 0, 0, 1], port)).into()
        }
    };
    let command = command(server, launch, &addr)?;
    let limits = launch.limits;
    let group = cgroup::here().ok().map(|groups| (groups.group(&limits), limits));
    ensure!(
        group.is_some() || limits == Limits::default(),
        "limits need a control group: {}",
        cgroup::HOW_TO_ALLOW
    );
    let supervision = Supervision { group, ..Supervision::default() };
    let outputs = (Stdio::piped(), Stdio::piped());
    let mut process = supervised::start_under(&command, launch.cpus, outputs, &supervision)
        .with_context(|| format!("failed to start {}", server.run.join(" ")))?;
    let (Some(stdout), Some(stderr)) = process.take_outputs() else {
        unreachable!("both streams were asked for");
    };
    let started = process.started();
    let (stderr, stderr_reader) = Tail::follow(stderr)?;
    let running = Running {
        name: server.name.clone(),
        addr,
        transport: launch.transport,
        started,
        start_deadline: started + server.start_limit(),
        process,
        stderr,
        stderr_reader: Some(stderr_reader),
        interrupt: interrupt.clone(),
        external: server.external,
        _socket_folder: socket_folder,
    };
    Ok((running, stdout))
}

/// Waits until a server listens. Returns where.
fn await_listening(
    running: &mut Running,
    stdout: ChildStdout,
    server: &Server,
    interrupt: &Interrupt,
) -> Result<Address, MeasureError> {
    let limit = server.start_limit();
    if running.external {
        background::thread("stdout", move || drain(stdout, false))?;
        return external::listens(&mut running.process, &running.addr, limit, interrupt);
    }
    listening(&read_on(stdout, server.prints)?, limit, interrupt)
}

/// The command that starts a server, placeholders filled in.
fn command(server: &Server, launch: &Launch<'_>, addr: &Address) -> Result<Command> {
    let mut values = vec![("{threads}", launch.threads.to_string())];
    match addr {
        Address::Tcp(addr) => values.extend([
            ("{addr}", addr.to_string()),
            ("{host}", addr.ip().to_string()),
            ("{port}", addr.port().to_string()),
        ]),
        Address::Unix(path) => {
            socket::check_path(path)?;
            values.push(("{socket}", path.display().to_string()));
        }
    }
    if let Some(certificate) = launch.certificate {
        values.push(("{tls_cert}", certificate.cert_path().display().to_string()));
        values.push(("{tls_key}", certificate.key_path().display().to_string()));
    }
    let told = launch.told.iter().map(|(name, value)| (name.as_str(), value));
    let values = values.iter().map(|(name, value)| (*name, value)).chain(told);
    let fill = |word: &String| {
        values.clone().fold(word.clone(), |word, (name, value)| word.replace(name, value))
    };
    let is_told = |name: &String| {
        let placeholder = Service::placeholder(name);
        launch.told.iter().any(|(name, _)| *name == placeholder)
    };
    let added = || {
        let services = server.services.iter().filter(|(name, _)| is_told(name));
        let options = server.options.iter().filter(|(name, _)| launch.options.contains(name));
        services.chain(options).map(|(_, of)| of)
    };
    let (program, arguments) = server.run.split_first().context("the run command is empty")?;
    let spoken = server.arguments(launch.transport).with_context(|| {
        format!("{} has no arguments for {}: see servers.toml", server.name, launch.transport)
    })?;
    let mut command = Command::new(resolve(launch.root, &fill(program)));
    let arguments = arguments.iter().chain(spoken).chain(added().flat_map(|of| &of.args));
    command.args(arguments.map(fill)).current_dir(launch.root);
    let variables = server.env.iter().chain(added().flat_map(|of| &of.env));
    command.envs(variables.map(|(name, value)| (name, fill(value))));
    if launch.padding_bytes > 0 {
        command.env("DUET_PADDING", "x".repeat(launch.padding_bytes as usize));
    }
    Ok(command)
}

/// A program named by path is meant relative to `root`; a bare name is looked up on the PATH.
#[must_use]
pub fn resolve(root: &Path, program: &str) -> std::path::PathBuf {
    if program.contains('/') { root.join(program) } else { program.into() }
}

/// Starts a thread that hands on the first line that a server prints, then reads on, so that a
/// printing server never blocks on a full pipe.
fn read_on(stdout: ChildStdout, prints: bool) -> Result<Receiver<io::Result<String>>> {
    let (sender, first_line) = mpsc::channel();
    if prints {
        let size = FcntlArg::F_SETPIPE_SZ(PIPE_BYTES.cast_signed());
        fcntl(&stdout, size).context("failed to enlarge the pipe of a printing server")?;
    }
    background::thread("stdout", move || {
        let mut reader = BufReader::with_capacity(PIPE_BYTES as usize, stdout);
        let mut line = String::new();
        let outcome = reader.by_ref().take(4096).read_line(&mut line).map(|_| line);
        // The receiver is gone only when nobody waits any more.
        drop(sender.send(outcome));
        drain(reader, prints);
    })?;
    Ok(first_line)
}

/// Waits for the `listening` line.
fn listening(
    first_line: &Receiver<io::Result<String>>,
    limit: Duration,
    interrupt: &Interrupt,
) -> Result<Address, MeasureError> {
    let deadline = Instant::now() + limit;
    loop {
        interrupt.check()?;
        match first_line.recv_timeout(POLL) {
            Ok(line) => return Ok(parse_listening(&line.context("failed to read its output")?)?),
            Err(RecvTimeoutError::Disconnected) => {
                Err(anyhow!("the thread that reads its output died"))?;
            }
            Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => {}
            Err(RecvTimeoutError::Timeout) => Err(anyhow!(
                "it printed no `listening HOST:PORT` line within {} s: if it needs longer, set \
                 `start_limit_s` in servers.toml",
                limit.as_secs()
            ))?,
        }
    }
}

/// Reads and throws away what a server prints.
fn drain(mut from: impl Read, prints: bool) {
    let mut buffer = vec![0; PIPE_BYTES as usize];
    // An error means that the pipe is gone, as it is when the server ends.
    while matches!(from.read(&mut buffer), Ok(n) if n > 0) {
        if prints {
            thread::sleep(DRAIN_PAUSE);
        }
    }
}

/// The address in a `listening HOST:PORT` or `listening unix:PATH` line.
fn parse_listening(line: &str) -> Result<Address> {
    ensure!(!line.is_empty(), "it closed its output before it printed a `listening` line");
    let line = line.trim_end();
    line.strip_prefix("listening ")
        .and_then(|addr| match addr.parse() {
            Ok(Address::Unix(path)) => Some(Address::Unix(path)),
            // A name has to be looked up.
            _ => addr.to_socket_addrs().ok()?.next().filter(|a| a.port() != 0).map(Address::Tcp),
        })
        .with_context(|| {
            format!("it printed `{line}` where `listening HOST:PORT` was due (CONTRACT.md, 1.2)")
        })
}

impl Running {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// The process below which all of its processes are.
    #[must_use]
    pub fn root(&self) -> i32 {
        self.process.root()
    }

    /// The control group that all of its processes are in, where there are such groups.
    #[must_use]
    pub fn group(&self) -> Option<&Group> {
        self.process.group()
    }

    /// How many of its processes the kernel has killed for want of memory, as far as is known.
    #[must_use]
    pub fn oom_kills(&self) -> u64 {
        self.group().and_then(|group| group.oom_kills().ok()).unwrap_or(0)
    }

    /// Whether it may still be starting: an external one may listen before it can respond.
    #[must_use]
    pub fn may_be_starting(&self) -> bool {
        self.external
            && Instant::now() < self.start_deadline
            && !tree::processes(self.root()).is_empty()
    }

    /// Waits a little and tries again while a server that may be starting is not ready.
    ///
    /// # Errors
    /// What it was not ready for when its time to start was over; any other error, or an
    /// interruption, at once.
    pub(crate) fn when_ready<T>(
        &self,
        interrupt: &Interrupt,
        mut attempt: impl FnMut() -> Result<T, MeasureError>,
    ) -> Result<T, MeasureError> {
        let mut again = false;
        loop {
            match attempt() {
                Err(MeasureError::Unready(_)) if self.may_be_starting() => {
                    interrupt.check()?;
                    again = true;
                    thread::sleep(READY_PAUSE);
                }
                Err(error @ MeasureError::Unready(_)) if again => {
                    let limit = self.start_deadline - self.started;
                    return Err(error.context(format!(
                        "not ready within {} s of its start (`start_limit_s` in servers.toml)",
                        limit.as_secs()
                    )));
                }
                outcome => return outcome,
            }
        }
    }

    /// A failure of this server: with how it ended, if it has ended, and its last lines of standard
    /// error.
    pub fn failure(&mut self, stage: Stage, error: &str) -> Failure {
        // A server that has just crashed may need a moment until the kernel has reaped it.
        let limit = Instant::now() + Duration::from_millis(100);
        let error = match self.process.wait_until(limit) {
            // A start script that has ended well says nothing about the server.
            Ok(Some(_)) if self.process.is_alive() => error.to_owned(),
            Ok(Some(status)) => {
                self.await_last_words();
                format!("the server {}; {error}", child::describe(status))
            }
            Ok(None) | Err(_) => error.to_owned(),
        };
        Failure { stage, server: Some(self.name.clone()), error, stderr: self.stderr.lines() }
    }

    /// Waits until all that an ended server wrote to standard error has been read, but not for
    /// long: a child of its own may hold the pipe open.
    fn await_last_words(&mut self) {
        drop(self.stderr_reader.take().and_then(child::finish));
    }

    /// Whether it is still running.
    pub fn is_alive(&mut self) -> bool {
        self.process.is_alive()
    }

    /// Stops it as the contract says: SIGTERM, exit 0 within two seconds. An external server may
    /// end otherwise. Whatever it has started and left running is killed then. When the harness is
    /// interrupted, nothing is waited for.
    ///
    /// # Errors
    /// When it does not keep the contract, or something of it cannot be ended.
    pub fn stop(mut self) -> Result<(), Failure> {
        let outcome = self.await_end().and_then(|()| self.end_all());
        outcome.map_err(|e| Failure {
            stage: Stage::Stop,
            server: Some(self.name.clone()),
            error: format!("{e:#}"),
            stderr: self.stderr.lines(),
        })
    }

    fn await_end(&mut self) -> Result<()> {
        let limit = Instant::now() + STOP_LIMIT;
        self.process.terminate();
        loop {
            let status = self.process.wait_until(limit.min(Instant::now() + POLL))?;
            match status {
                _ if self.interrupt.signal().is_some() => return Ok(()),
                None if Instant::now() < limit => {}
                _ if self.external => return Ok(()),
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!(
                    "it {} on SIGTERM where exit 0 was due (CONTRACT.md, 1.5)",
                    child::describe(status)
                ),
                None => bail!(
                    "it did not end within {} s of SIGTERM and was killed (CONTRACT.md, 1.5)",
                    STOP_LIMIT.as_secs()
                ),
            }
        }
    }

    /// Ends all of its processes. What a server has others start (a container, a service of the
    /// machine) is in no tree of ours: it shows by still listening.
    fn end_all(&mut self) -> Result<()> {
        if let Some(left) = self.process.end() {
            bail!("it has processes that cannot be ended: {left}; end them");
        }
        ensure!(
            !external::is_listening(&self.addr),
            "something still listens at {} after all of its processes were ended: what it started \
             outside of them (a container, a service) must end with it",
            self.addr
        );
        Ok(())
    }
}
