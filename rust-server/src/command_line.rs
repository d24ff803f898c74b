//! What every server's command line has in common, and the line that says where it listens.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::thread;

/// Where a server listens if nobody says.
const DEFAULT_ADDR: &str = "127.0.0.1:8080";
/// Far above any machine this runs on; a runtime dies of absurd numbers.
const THREADS_MAX: usize = 1_024;

/// What a server is told.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    /// `HOST:PORT` to listen on. Port 0 is any.
    pub addr: String,
    /// Worker threads, at most 1,024; as many as CPUs if nobody says.
    pub threads: NonZeroUsize,
}

#[derive(Debug, PartialEq, Eq)]
enum Command {
    Serve(Options),
    Version,
}

/// A server's `main`: reads the command line, then prints the version or serves. What goes wrong is
/// one line on standard error: exit code 2 for a command line that is not understood, 1 for the
/// rest.
pub fn run(version: &str, serve: impl FnOnce(&Options) -> io::Result<()>) -> ExitCode {
    let served = match parse(env::args_os().skip(1)) {
        Ok(Command::Serve(options)) => {
            let addr = &options.addr;
            serve(&options).map_err(|error| format!("failed to serve on {addr}: {error}"))
        }
        Ok(Command::Version) => {
            let mut stdout = io::stdout();
            writeln!(stdout, "{version}").map_err(|error| format!("failed to print: {error}"))
        }
        Err(mistake) => {
            eprintln!("{mistake} (usage: [--addr HOST:PORT] [--threads N] [--version])");
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

fn parse(args: impl Iterator<Item = OsString>) -> Result<Command, String> {
    let args: Result<Vec<String>, OsString> = args.map(OsString::into_string).collect();
    let mut args = args.map_err(|arg| format!("unknown argument {arg:?}"))?.into_iter();
    let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let mut options = Options { addr: DEFAULT_ADDR.to_owned(), threads };
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
                let text = value()?;
                let threads = text.parse().ok().filter(|n: &NonZeroUsize| n.get() <= THREADS_MAX);
                options.threads = threads
                    .ok_or_else(|| format!("--threads {text:?} is not from 1 to {THREADS_MAX}"))?;
            }
            "--version" => return Ok(Command::Version),
            _ => return Err(format!("unknown argument {arg:?}")),
        }
    }
    Ok(Command::Serve(options))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn command_lines() {
        let parse = |line: &str| parse(line.split_whitespace().map(OsString::from));
        let serve = |addr: &str, threads: usize| {
            let threads = NonZeroUsize::new(threads).unwrap();
            Ok(Command::Serve(Options { addr: addr.to_owned(), threads }))
        };
        assert_eq!(parse("--addr [::1]:0 --threads 3"), serve("[::1]:0", 3));
        assert_eq!(parse("--threads 3"), serve(DEFAULT_ADDR, 3));
        assert_eq!(parse("--version"), Ok(Command::Version));
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
            "-h",
            "x",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert!(super::parse([OsString::from_vec(vec![0xff])].into_iter()).is_err());
    }
}
