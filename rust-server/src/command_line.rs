//! What every server's command line has in common, and the line that says where it listens.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use crate::timeouts::Timeouts;

/// Where a server listens if nobody says.
const DEFAULT_ADDR: &str = "127.0.0.1:8080";
/// Connections to a database if nobody says.
const DEFAULT_POOL: NonZeroUsize = NonZeroUsize::new(16).unwrap();
/// Far above any machine this runs on; a runtime dies of absurd numbers.
const THREADS_MAX: usize = 1_024;
/// More connections than a PostgreSQL takes.
const POOL_MAX: usize = 1_024;

/// The highest level of gzip.
const GZIP_MAX: usize = 9;

/// What a server is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `HOST:PORT` to listen on. Port 0 is any.
    pub addr: String,
    /// Worker threads, at most 1,024; as many as CPUs if nobody says.
    pub threads: NonZeroUsize,
    /// What its connections speak. HTTP/1.1 in the clear if nobody says, or if the server knows
    /// nothing else.
    pub transport: Transport,
    /// The URL of a PostgreSQL, if there is one.
    pub database: Option<String>,
    /// Connections to the database, at most 1,024; 16 if nobody says.
    pub pool: NonZeroUsize,
    /// The URL of an upstream service, if there is one.
    pub upstream: Option<String>,
    /// The level, 1 to 9, at which bodies are compressed, if they are.
    pub gzip: Option<NonZeroUsize>,
    /// Whether time-outs, TCP_NODELAY, the queue of connections and the pool are as each library
    /// has them by default, and not as the contract says.
    pub defaults: bool,
    /// How long clients may take: as the contract says, if nobody says otherwise.
    pub timeouts: Timeouts,
}

/// What connections speak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// HTTP/1.1.
    Plain,
    /// HTTP/1.1 or HTTP/2 over TLS, as the client prefers.
    Tls {
        /// PEM: the certificate, and those that lead to an authority.
        cert: PathBuf,
        /// PEM: the certificate's private key.
        key: PathBuf,
    },
    /// HTTP/2 with prior knowledge.
    H2c,
}

/// What a server offers on its command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offers {
    /// HTTP/1.1 in the clear. There is nothing to say.
    Plain,
    /// All transports.
    Transports,
    /// All transports, and the services of the routes that wait.
    Services,
    /// HTTP/2 in the clear, whether it is told so or not.
    H2c,
}

/// What all servers understand.
const USAGE: &str = "[--addr HOST:PORT] [--threads N] [--timeout-ms N] [--version] [--help]";
/// What those with all transports understand beside it.
const USAGE_TRANSPORTS: &str = " [--tls-cert FILE --tls-key FILE | --h2c]";
/// What those with HTTP/2 in the clear alone understand beside it.
const USAGE_H2C: &str = " [--h2c]";
/// What those with services understand beside it.
const USAGE_SERVICES: &str =
    " [--database URL] [--pool N] [--upstream URL] [--gzip LEVEL] [--defaults]";

impl Offers {
    fn tls(self) -> bool {
        matches!(self, Offers::Transports | Offers::Services)
    }

    fn usage(self) -> String {
        let transports = match self {
            Offers::Plain => "",
            Offers::H2c => USAGE_H2C,
            Offers::Transports | Offers::Services => USAGE_TRANSPORTS,
        };
        let services = if self == Offers::Services { USAGE_SERVICES } else { "" };
        format!("usage: {USAGE}{transports}{services}")
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Command {
    Serve(Box<Options>),
    Version,
    Help,
}

/// A server's `main`: reads the command line, then prints what is asked for or serves. What goes
/// wrong is one line on standard error: exit code 2 for a command line that is not understood, 1
/// for the rest.
pub fn run(
    version: &str,
    offers: Offers,
    serve: impl FnOnce(&Options) -> io::Result<()>,
) -> ExitCode {
    let print = |line: &str| {
        let printed = writeln!(io::stdout(), "{line}");
        printed.map_err(|error| format!("failed to print: {error}"))
    };
    let served = match parse(offers, env::args_os().skip(1)) {
        Ok(Command::Serve(options)) => {
            let addr = &options.addr;
            serve(&options).map_err(|error| format!("failed to serve on {addr}: {error}"))
        }
        Ok(Command::Version) => print(version),
        Ok(Command::Help) => print(&offers.usage()),
        Err(mistake) => {
            eprintln!("{mistake} ({})", offers.usage());
            return ExitCode::from(2);
        }
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// Says that connections are accepted, and where.
pub fn announce(address: SocketAddr) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening {address}")?;
    stdout.flush()
}

fn parse(offers: Offers, args: impl Iterator<Item = OsString>) -> Result<Command, String> {
    let args: Result<Vec<String>, OsString> = args.map(OsString::into_string).collect();
    let mut args = args.map_err(|arg| format!("unknown argument {arg:?}"))?.into_iter();
    let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let mut options = Options {
        addr: DEFAULT_ADDR.to_owned(),
        threads,
        transport: Transport::Plain,
        database: None,
        pool: DEFAULT_POOL,
        upstream: None,
        gzip: None,
        defaults: false,
        timeouts: Timeouts::CONTRACT,
    };
    let mut given = TransportArgs::default();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--addr" => {
                options.addr = value()?;
                let port = options.addr.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
                if !matches!(port, Some(Ok(_))) {
                    return Err(format!("--addr {:?} is not HOST:PORT", options.addr));
                }
            }
            "--threads" => {
                options.threads = number("--threads", &value()?, THREADS_MAX)?;
            }
            "--timeout-ms" => {
                let text = value()?;
                let millis: NonZeroU32 = text
                    .parse()
                    .map_err(|_| format!("--timeout-ms {text:?} is no number above 0"))?;
                options.timeouts = Timeouts::all(Duration::from_millis(millis.get().into()));
            }
            "--database" if offers == Offers::Services => {
                options.database = Some(url("--database", value()?, "postgresql://")?);
            }
            "--pool" if offers == Offers::Services => {
                options.pool = number("--pool", &value()?, POOL_MAX)?;
            }
            "--upstream" if offers == Offers::Services => {
                options.upstream = Some(url("--upstream", value()?, "http://")?);
            }
            "--gzip" if offers == Offers::Services => {
                options.gzip = Some(number("--gzip", &value()?, GZIP_MAX)?);
            }
            "--defaults" if offers == Offers::Services => options.defaults = true,
            "--version" => return Ok(Command::Version),
            "--help" | "-h" => return Ok(Command::Help),
            "--tls-cert" if offers.tls() => given.cert = Some(file(value()?)?),
            "--tls-key" if offers.tls() => given.key = Some(file(value()?)?),
            "--h2c" if offers != Offers::Plain => given.h2c = true,
            _ => return Err(format!("unknown argument {arg:?}")),
        }
    }
    options.transport = given.transport()?;
    Ok(Command::Serve(Box::new(options)))
}

fn number(name: &str, text: &str, most: usize) -> Result<NonZeroUsize, String> {
    let number = text.parse().ok().filter(|n: &NonZeroUsize| n.get() <= most);
    number.ok_or_else(|| format!("{name} {text:?} is not from 1 to {most}"))
}

fn url(name: &str, value: String, scheme: &str) -> Result<String, String> {
    if value.starts_with(scheme) {
        Ok(value)
    } else {
        Err(format!("{name} {value:?} is no {scheme}…"))
    }
}

fn file(value: String) -> Result<PathBuf, String> {
    if value.is_empty() { Err("a file has no name".to_owned()) } else { Ok(value.into()) }
}

/// What a command line says of transports.
#[derive(Default)]
struct TransportArgs {
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    h2c: bool,
}

impl TransportArgs {
    fn transport(self) -> Result<Transport, String> {
        match (self.cert, self.key) {
            (None, None) if self.h2c => Ok(Transport::H2c),
            (None, None) => Ok(Transport::Plain),
            (Some(_), None) => Err("--tls-cert needs --tls-key".to_owned()),
            (None, Some(_)) => Err("--tls-key needs --tls-cert".to_owned()),
            (Some(_), Some(_)) if self.h2c => {
                Err("--h2c does not go with --tls-cert and --tls-key".to_owned())
            }
            (Some(cert), Some(key)) => Ok(Transport::Tls { cert, key }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn command_lines() {
        let parse = |line: &str| parse(Offers::Plain, line.split_whitespace().map(OsString::from));
        let serve = |addr: &str, threads: usize| {
            let threads = NonZeroUsize::new(threads).unwrap();
            Ok(Command::Serve(Box::new(Options {
                addr: addr.to_owned(),
                threads,
                transport: Transport::Plain,
                database: None,
                pool: DEFAULT_POOL,
                upstream: None,
                gzip: None,
                defaults: false,
                timeouts: Timeouts::CONTRACT,
            })))
        };
        assert_eq!(parse("--addr [::1]:0 --threads 3"), serve("[::1]:0", 3));
        assert_eq!(parse("--threads 3"), serve(DEFAULT_ADDR, 3));
        assert_eq!(parse("--version"), Ok(Command::Version));
        assert_eq!(parse("--help"), Ok(Command::Help));
        assert_eq!(parse("-h"), Ok(Command::Help));
        assert_eq!(parse("--threads"), Err("--threads needs a value".to_owned()));
        for wrong in [
            "--threads 0",
            "--threads -1",
            "--threads 1025",
            "--threads x",
            "--addr nonsense",
            "--addr 127.0.0.1",
            "--addr 127.0.0.1:65536",
            "--port 1",
            "--timeout-ms 0",
            "--timeout-ms x",
            "x",
            "--h2c",
            "--tls-cert c --tls-key k",
            "--database postgresql:///x",
            "--pool 1",
            "--upstream http://a",
            "--gzip 6",
            "--defaults",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        let not_utf8 = [OsString::from_vec(vec![0xff])].into_iter();
        assert!(super::parse(Offers::Plain, not_utf8).is_err());
    }

    #[test]
    fn transports() {
        let parse =
            |line: &str| match parse(Offers::Transports, line.split(' ').map(OsString::from)) {
                Ok(Command::Serve(options)) => Ok(options.transport),
                Ok(other) => panic!("{line} is {other:?}"),
                Err(mistake) => Err(mistake),
            };
        let tls = Transport::Tls { cert: "c".into(), key: "k".into() };
        assert_eq!(parse("--threads 1"), Ok(Transport::Plain));
        assert_eq!(parse("--h2c"), Ok(Transport::H2c));
        assert_eq!(parse("--tls-cert c --tls-key k"), Ok(tls));
        for wrong in [
            "--tls-cert",
            "--tls-cert c",
            "--tls-key k",
            "--tls-cert c --tls-key ",
            "--tls-cert c --h2c",
            "--tls-cert c --tls-key k --h2c",
            "--h2c on",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
