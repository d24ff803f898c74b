//! What the article's Rust server should have been: the standard library, a thread per connection,
//! and HTTP/1.1 as it is written.
//!
//! The standard library has no signals, so one crate waits for them (see `termination`).

use std::io;
use std::net::TcpListener;
use std::process::ExitCode;
use std::time::Duration;

use rust_server::command_line::{self, Offers, Options};
use rust_server::http::{Limits, Server};
use rust_server::routes;
use rust_server::termination::Termination;

const VERSION: &str =
    concat!("rust-std ", env!("CARGO_PKG_VERSION"), " (rustc ", env!("RUSTC_VERSION"), ")");

/// How long requests that have begun may take after a signal.
const PATIENCE: Duration = Duration::from_millis(1_500);

fn main() -> ExitCode {
    command_line::run(VERSION, Offers::Plain, serve)
}

/// The number of threads is that of the connections, whatever the options say.
fn serve(options: &Options) -> io::Result<()> {
    let termination = Termination::catch()?;
    let listener = TcpListener::bind(&options.addr)?;
    let address = listener.local_addr()?;
    let server = Server::start(listener, Limits::new(options.timeouts), routes::respond)?;
    command_line::announce(address)?;
    termination.wait()?;
    server.stop(PATIENCE);
    Ok(())
}
